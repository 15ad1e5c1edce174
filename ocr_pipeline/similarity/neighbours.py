"""All pairs of unit vectors at or above a cosine: exact, and the same whatever the machine or the number of threads.

Blocked matrix products of shortened, rounded vectors find the candidates (:mod:`ocr_pipeline.similarity.shortening`); their
margin is proven, so none is missed. Each candidate's cosine is then computed in float64. Up to some 300,000 vectors no
approximate index is faster (see ``benchmarks/neighbours.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from ocr_pipeline.errors import InputError
from ocr_pipeline.similarity.shortening import COLUMNS_PER_TILE, FLOAT32_MARGIN, ROWS_PER_TILE, shorten

__all__ = ["Pairs", "neighbours", "neighbours_between"]

Integers: TypeAlias = "npt.NDArray[np.int64]"
Floats: TypeAlias = "npt.NDArray[np.float64]"

PAIRS_PER_RESCORING: Final = 128  # the gathered rows stay in the core's own cache


@dataclass(frozen=True, slots=True)
class Pairs:
    """Index pairs with their cosines, sorted by left, then right."""

    left: Integers
    right: Integers
    cosine: Floats

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.left)

    def __iter__(self) -> Iterator[tuple[int, int, float]]:
        """Yield ``(left, right, cosine)``."""
        return iter(zip(self.left.tolist(), self.right.tolist(), self.cosine.tolist(), strict=True))


def neighbours(vectors: npt.NDArray[np.float32], threshold: float) -> Pairs:
    """Return every pair ``i < j`` whose cosine is at least ``threshold``.

    Parameters
    ----------
    vectors
        Unit rows, float32.
    threshold
        Lowest cosine of a pair.

    Raises
    ------
    InputError
        When the vectors are not finite, or the threshold is no cosine.
    """
    return _search(vectors, vectors, threshold, triangle=True)


def neighbours_between(left: npt.NDArray[np.float32], right: npt.NDArray[np.float32], threshold: float) -> Pairs:
    """Return every pair of a row of ``left`` and a row of ``right`` whose cosine is at least ``threshold``."""
    return _search(left, right, threshold, triangle=False)


def _search(
    left: npt.NDArray[np.float32], right: npt.NDArray[np.float32], threshold: float, *, triangle: bool
) -> Pairs:
    _require_usable(left, right, threshold)
    found = [
        _rescored(left, right, *tile, threshold) for tile in _candidates(left, right, threshold, triangle=triangle)
    ]
    return Pairs(*(np.concatenate(parts) for parts in zip(_NOTHING, *found, strict=True)))


_NOTHING: Final = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float64))


def _require_usable(left: npt.NDArray[np.float32], right: npt.NDArray[np.float32], threshold: float) -> None:
    if not -1 <= threshold <= 1:
        message = f"a threshold of {threshold:g} is no cosine; give one between -1 and 1"
        raise InputError(message)
    for vectors in (left, right):
        if not np.isfinite(vectors).all():
            message = "the encoder gave vectors that are not finite; use another model"
            raise InputError(message)


def _candidates(
    left: npt.NDArray[np.float32], right: npt.NDArray[np.float32], threshold: float, *, triangle: bool
) -> Iterator[tuple[Integers, Integers]]:
    """Yield, strip by strip, the pairs whose product, rounding allowed for, may reach the threshold."""
    short = shorten(left, right, threshold)
    for strip, top in enumerate(range(0, len(left), ROWS_PER_TILE)):
        hits = [_NO_HITS]
        for tile in range(top // COLUMNS_PER_TILE if triangle else 0, -(-len(right) // COLUMNS_PER_TILE)):
            products = short.multiply(strip, tile)
            i, j = np.divmod(short.find(products), products.shape[1])
            hits.append((i + top, j + tile * COLUMNS_PER_TILE))
        rows, columns = (np.concatenate(parts) for parts in zip(*hits, strict=True))
        wanted = rows < columns if triangle else slice(None)
        yield rows[wanted], columns[wanted]


_NO_HITS: Final = (np.zeros(0, np.int64), np.zeros(0, np.int64))


def _rescored(
    left: npt.NDArray[np.float32], right: npt.NDArray[np.float32], rows: Integers, columns: Integers, threshold: float
) -> tuple[Integers, Integers, Floats]:
    """Return the candidates of a strip that reach the threshold, sorted; most do not, which float32 shows at half the price."""
    near = _products(left, right, rows, columns, np.float32) >= threshold - FLOAT32_MARGIN
    rows, columns = rows[near], columns[near]
    cosines = _products(left, right, rows, columns, np.float64)
    kept = np.flatnonzero(cosines >= threshold)
    kept = kept[np.argsort(rows[kept], kind="stable")]  # their columns are in order already
    return rows[kept], columns[kept], cosines[kept]


def _products(
    left: npt.NDArray[np.float32],
    right: npt.NDArray[np.float32],
    rows: Integers,
    columns: Integers,
    kind: type[np.float32 | np.float64],
) -> npt.NDArray[Any]:
    """Multiply pairs of rows, computing in numbers of this kind."""
    products = np.empty(len(rows), kind)
    one = np.empty((PAIRS_PER_RESCORING, left.shape[1]), np.float32)
    other = np.empty_like(one)
    for start in range(0, len(rows), PAIRS_PER_RESCORING):
        i, j = rows[start : start + PAIRS_PER_RESCORING], columns[start : start + PAIRS_PER_RESCORING]
        a = left.take(i, axis=0, out=one[: len(i)], mode="clip")  # any other mode copies twice
        b = right.take(j, axis=0, out=other[: len(i)], mode="clip")
        np.vecdot(a.astype(kind, copy=False), b.astype(kind, copy=False), out=products[start : start + len(i)])
    return products
