"""All pairs of unit vectors at or above a cosine: exact, and the same whatever the machine or the number of threads.

Blocked matrix products find the candidates, with a margin that covers their rounding; each candidate's cosine is then
computed in float64. Up to some 300,000 vectors no approximate index is faster (see ``benchmarks/neighbours.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from ocr_pipeline.errors import InputError

if TYPE_CHECKING:
    import torch

__all__ = ["Pairs", "neighbours", "neighbours_between"]

Integers: TypeAlias = "npt.NDArray[np.int64]"
Floats: TypeAlias = "npt.NDArray[np.float64]"

ROWS_PER_TILE: Final = 1_024
COLUMNS_PER_TILE: Final = 4_096
PAIRS_PER_RESCORING: Final = 65_536  # twice 200 MB of gathered float64 rows of 384 numbers
FLOAT32_MARGIN: Final = 1e-5  # 384 terms of rounding 6e-8, with room
BFLOAT16_MARGIN: Final = 0.01  # inputs rounded to 2⁻⁹: at most 2⁻⁸ by Cauchy-Schwarz; and the result, 2⁻⁹


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
    rows, columns, cosines = (np.concatenate(parts) for parts in zip(_NOTHING, *found, strict=True))
    order = np.lexsort((columns, rows))
    return Pairs(rows[order], columns[order], cosines[order])


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
    """Yield the pairs of each tile whose product, rounding allowed for, may reach the threshold."""
    import torch

    kind, margin = _product_kind()
    rows, columns = (
        torch.from_numpy(np.ascontiguousarray(left)).to(kind),
        torch.from_numpy(np.ascontiguousarray(right)).to(kind),
    )
    transposed = columns.T
    for top in range(0, len(left), ROWS_PER_TILE):
        strip = rows[top : top + ROWS_PER_TILE]
        for start in range(top if triangle else 0, len(right), COLUMNS_PER_TILE):
            products = strip @ transposed[:, start : start + COLUMNS_PER_TILE]
            hits = _at_least(products, threshold - margin)
            i, j = hits[0] + top, hits[1] + start
            wanted = i < j if triangle else slice(None)
            if len(i):
                yield i[wanted], j[wanted]


def _product_kind() -> tuple[torch.dtype, float]:
    import torch

    # Without bfloat16 matrix units the products would be emulated, many times slower than float32.
    if torch.cpu._is_amx_tile_supported():  # noqa: SLF001 - torch has no public name for it
        return torch.bfloat16, BFLOAT16_MARGIN
    return torch.float32, FLOAT32_MARGIN


def _at_least(products: torch.Tensor, floor: float) -> tuple[Integers, Integers]:
    """Find the products at or above ``floor``; the row maxima say where to look, for nearly all rows hold none."""
    import torch

    promising = torch.nonzero(products.amax(dim=1) >= floor).squeeze(1)
    inner = torch.nonzero(products[promising] >= floor)
    return promising[inner[:, 0]].numpy(), inner[:, 1].numpy()


def _rescored(
    left: npt.NDArray[np.float32], right: npt.NDArray[np.float32], rows: Integers, columns: Integers, threshold: float
) -> tuple[Integers, Integers, Floats]:
    cosines = np.empty(len(rows), np.float64)
    for start in range(0, len(rows), PAIRS_PER_RESCORING):
        part = slice(start, start + PAIRS_PER_RESCORING)
        a, b = left[rows[part]].astype(np.float64), right[columns[part]].astype(np.float64)
        cosines[part] = np.einsum("ij,ij->i", a, b)
    kept = cosines >= threshold
    return rows[kept], columns[kept], cosines[kept]
