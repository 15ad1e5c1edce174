"""All pairs of unit vectors at or above a cosine: exact, and the same whatever the machine or the number of threads.

Blocked matrix products, in bfloat16 where the processor has units for it, else in float32, find the candidates: their
rounding is bounded, so none is missed. Each candidate's cosine is then computed in float64. Up to some 300,000 vectors no
approximate index is faster (see ``benchmarks/neighbours.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from ocr_pipeline.errors import InputError

__all__ = ["Pairs", "neighbours", "neighbours_between"]

Vectors: TypeAlias = "npt.NDArray[np.float32]"
Integers: TypeAlias = "npt.NDArray[np.int64]"
Floats: TypeAlias = "npt.NDArray[np.float64]"

FLOAT32_ROUNDING: Final = 2**-24
BFLOAT16_MARGIN: Final = 0.01  # inputs rounded to 2⁻⁹: at most 2⁻⁸ by Cauchy-Schwarz; and the result, 2⁻⁹
ROWS_PER_TILE: Final = 1_024
COLUMNS_PER_TILE: Final = 2_048  # a tile of products stays in the cache until it has been searched
PAIRS_PER_RESCORING: Final = 4_096


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


def neighbours(vectors: Vectors, threshold: float) -> Pairs:
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
        When the vectors are not finite, or the threshold is not a cosine.
    """
    return _search(vectors, vectors, threshold, triangle=True)


def neighbours_between(left: Vectors, right: Vectors, threshold: float) -> Pairs:
    """Return every pair of a row of ``left`` and a row of ``right`` whose cosine is at least ``threshold``."""
    return _search(left, right, threshold, triangle=False)


def _search(left: Vectors, right: Vectors, threshold: float, *, triangle: bool) -> Pairs:
    if not -1 <= threshold <= 1:
        message = f"threshold must be between -1 and 1, got {threshold:g}"
        raise InputError(message)
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        message = "the encoder gave vectors that are not finite; use another model"
        raise InputError(message)
    nothing = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float64))
    strips = _candidates(left, right, threshold, triangle=triangle)
    found = (_rescored(left, right, rows, columns, threshold) for rows, columns in strips)
    parts = [*zip(nothing, *found, strict=True)]
    return Pairs(*(np.concatenate(parts.pop(0)) for _ in range(3)))  # the strips of a column go when it is whole


def _candidates(
    left: Vectors, right: Vectors, threshold: float, *, triangle: bool
) -> Iterator[tuple[Integers, Integers]]:
    """Yield, strip by strip, the pairs whose product, rounding allowed for, may reach the threshold."""
    import torch

    has_units = bool(torch.cpu.get_capabilities().get("amx_bf16"))  # elsewhere bfloat16 is slower than float32
    float32_margin = 2 * left.shape[1] * FLOAT32_ROUNDING  # a product and a sum per coordinate
    dtype, margin = (torch.bfloat16, BFLOAT16_MARGIN) if has_units else (torch.float32, float32_margin)
    rows, columns = torch.from_numpy(left).to(dtype), torch.from_numpy(right).to(dtype)
    floor = threshold - margin
    for top in range(0, len(left), ROWS_PER_TILE):
        strip = rows[top : top + ROWS_PER_TILE]
        places = []
        for first in range(top // COLUMNS_PER_TILE * COLUMNS_PER_TILE if triangle else 0, len(right), COLUMNS_PER_TILE):
            products = torch.matmul(strip, columns[first : first + COLUMNS_PER_TILE].T)
            near = torch.nonzero(products.amax(dim=1) >= floor).squeeze(1)  # most rows of a tile have no candidate
            found = torch.nonzero(products[near] >= floor)
            places.append(torch.stack((near[found[:, 0]] + top, found[:, 1] + first)))
        i, j = torch.cat(places, dim=1).numpy() if places else np.zeros((2, 0), np.int64)
        wanted = i < j if triangle else slice(None)
        yield i[wanted], j[wanted]


def _rescored(
    left: Vectors, right: Vectors, rows: Integers, columns: Integers, threshold: float
) -> tuple[Integers, Integers, Floats]:
    """Return the candidates of a strip that reach the threshold in float64, sorted."""
    cosines = np.empty(len(rows), np.float64)
    for start in range(0, len(rows), PAIRS_PER_RESCORING):
        part = slice(start, start + PAIRS_PER_RESCORING)
        a, b = left[rows[part]].astype(np.float64), right[columns[part]].astype(np.float64)
        cosines[part] = np.einsum("ij,ij->i", a, b)
    order = np.lexsort((columns, rows))
    kept = order[cosines[order] >= threshold]
    return rows[kept], columns[kept], cosines[kept]
