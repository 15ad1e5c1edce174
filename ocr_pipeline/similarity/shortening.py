"""Stand-ins for vectors whose products are cheap, and never too small by more than a known margin.

Two ideas, both exact. *Folding*: in the basis of the vectors' own principal directions the last coordinates are small;
all of them are replaced by one, their length. By Cauchy and Schwarz the product of two folded vectors is at least that of
the whole ones. *Rounding*: a vector is its rounded form and a rest; the lengths of the rests bound what the product of the
rounded forms can miss.

Without the units for bfloat16, int8 rows are multiplied by oneDNN's quantised linear layer: its scale is set so that the one
byte it returns says whether the product may reach the threshold, and is nearly always zero. Writing and searching
four bytes, as a plain integer product does, takes as long as multiplying.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

__all__ = ["COLUMNS_PER_TILE", "FLOAT32_MARGIN", "ROWS_PER_TILE", "ProductKind", "Shortened", "product_kind", "shorten"]

Vectors: TypeAlias = "npt.NDArray[np.float32]"
Integers: TypeAlias = "npt.NDArray[np.int64]"

FLOAT32_MARGIN: Final = 5e-5  # two times 384 terms of rounding 6e-8
BFLOAT16_MARGIN: Final = 0.01  # inputs rounded to 2⁻⁹: at most 2⁻⁸ by Cauchy-Schwarz; and the result, 2⁻⁹
FEWEST_PAIRS: Final = 2**24  # below, whole float32 products take less time than preparing better ones
FOLDED_SHARE: Final = 2  # half the coordinates: fewer let strangers through, more cost more
MOST_FOLDED_HITS: Final = 3e-4  # share of pairs; looking at more costs what folding saves
SAMPLE: Final = 1_024
BASIS_ROWS: Final = 8_192
ROWS_PER_BLOCK: Final = 1_024
ROWS_PER_TILE: Final = 1_024
COLUMNS_PER_TILE: Final = 2_048  # a tile of products stays in the cache until it has been searched
SEGMENT: Final = 64
WORD: Final = 8
INT8_LARGEST: Final = 127
INT8_OFFSET: Final = 128  # the unit multiplies unsigned by signed numbers
ROUNDED_TO_ONE: Final = 0.5001  # what the floor is scaled to: above a half by more than float32 errs


class ProductKind(StrEnum):
    """The numbers that are multiplied."""

    BFLOAT16 = "bfloat16"
    INT8 = "int8"
    FLOAT32 = "float32"


@dataclass(frozen=True, slots=True)
class Shortened:
    """Products of strips of :data:`ROWS_PER_TILE` rows and tiles of :data:`COLUMNS_PER_TILE` columns."""

    width: int
    """Coordinates that are multiplied."""
    multiply: Callable[[int, int], torch.Tensor]
    """Return the products of a strip and a tile, by their numbers."""
    find: Callable[[torch.Tensor], Integers]
    """Return the places, counted row by row, of all products whose pair may reach the threshold."""


def product_kind() -> ProductKind:
    """Return the kind of product that this processor computes fastest."""
    import torch

    if torch.cpu._is_amx_tile_supported():  # noqa: SLF001 - torch has no public name for it
        return ProductKind.BFLOAT16
    # Without this unit sums are formed in 16 bits, which overflow, or by code that is thousands of times slower.
    return ProductKind.INT8 if torch.cpu._is_vnni_supported() else ProductKind.FLOAT32  # noqa: SLF001


def shorten(left: Vectors, right: Vectors, threshold: float, kind: ProductKind | None = None) -> Shortened:
    """Return stand-ins for the rows of two sets whose lengths are at most one (give one set twice, to save half)."""
    small = len(left) * len(right) < FEWEST_PAIRS
    kind = kind or (ProductKind.FLOAT32 if small else product_kind())
    basis = None if small else _folding_basis(left, right, threshold)
    short = _spread(left, basis)
    return _rounded(short, short if right is left else _spread(right, basis), threshold, kind)


def _folding_basis(left: Vectors, right: Vectors, threshold: float) -> torch.Tensor | None:
    """Return the principal directions to be kept; ``None`` where folding would bring too many pairs up to the threshold."""
    import torch

    kept = left.shape[1] // FOLDED_SHARE - 1
    rows = torch.from_numpy(_evenly(left, BASIS_ROWS))
    basis = torch.linalg.eigh((rows.T @ rows).double())[1].flip(1)[:, :kept]
    one, other = _evenly(left, SAMPLE), _evenly(right, SAMPLE)
    whole, folded = one @ other.T, _spread(one, basis) @ _spread(other, basis).T
    hits = int((folded >= threshold).sum()) - int((whole >= threshold).sum())
    return basis if hits <= MOST_FOLDED_HITS * whole.size else None


def _evenly(vectors: Vectors, count: int) -> Vectors:
    return np.ascontiguousarray(vectors[:: max(1, len(vectors) // count)])


def _spread(vectors: Vectors, basis: torch.Tensor | None) -> Vectors:
    """Fold rows where a basis says how, and turn them so that all coordinates have about one size, as rounding likes it."""
    import torch

    width = vectors.shape[1] if basis is None else basis.shape[1] + 1
    turn = torch.linalg.qr(torch.from_numpy(np.random.default_rng(0).standard_normal((width, width))))[0]
    kept, rest = (turn, None) if basis is None else (basis @ turn[:-1], turn[-1])
    short = np.empty((len(vectors), width), np.float32)
    for start in range(0, len(vectors), ROWS_PER_BLOCK):
        block = torch.from_numpy(vectors[start : start + ROWS_PER_BLOCK]).double()
        turned = block @ kept
        if rest is not None:
            # A turn changes no length: what the kept directions lack is known after it, too.
            lengths = (block.square().sum(dim=1) - turned.square().sum(dim=1)).clamp(min=0).sqrt()
            turned += torch.outer(lengths, rest)
        short[start : start + ROWS_PER_BLOCK] = turned.numpy()
    return short


def _rounded(left: Vectors, right: Vectors, threshold: float, kind: ProductKind) -> Shortened:
    import torch

    rows, columns = torch.from_numpy(left), torch.from_numpy(right)
    int8 = _as_int8(rows, columns, threshold) if kind is ProductKind.INT8 else None
    if int8 is not None:
        return int8
    dtype, margin = (
        (torch.bfloat16, BFLOAT16_MARGIN) if kind is ProductKind.BFLOAT16 else (torch.float32, FLOAT32_MARGIN)
    )
    strips = torch.split(rows.to(dtype), ROWS_PER_TILE)
    tiles = torch.split(columns.to(dtype), COLUMNS_PER_TILE)
    return Shortened(
        left.shape[1],
        lambda strip, tile: torch.matmul(strips[strip], tiles[tile].T),
        lambda products: _at_least(products, threshold - margin),
    )


def _at_least(products: torch.Tensor, floor: float) -> Integers:
    """Find the products at or above ``floor``; the maxima of short segments say where to look, for nearly all hold none."""
    import torch

    width = math.gcd(products.shape[1], SEGMENT)
    segments = products.view(-1, width)
    promising = np.flatnonzero((segments.amax(dim=1) >= floor).numpy())
    segment, inner = np.divmod(np.flatnonzero((segments[torch.from_numpy(promising)] >= floor).numpy()), width)
    places: Integers = promising[segment] * width + inner
    return places


def _as_int8(left: torch.Tensor, right: torch.Tensor, threshold: float) -> Shortened | None:
    """Return int8 stand-ins; ``None`` where the threshold is so low that rounding could hide any pair."""
    import torch

    onednn = torch.ops.onednn
    strips = _to_int8(left, ROWS_PER_TILE, one_step=True)
    tiles = _to_int8(right, COLUMNS_PER_TILE, one_step=False)
    lengths = [float(strip.lengths.max()) for strip in strips]
    rests = [float(strip.rests.max()) for strip in strips]
    if any(threshold <= float(_margins(max(lengths), max(rests), tile).max()) for tile in tiles):
        return None
    shifted = [strip.rows.view(torch.uint8).bitwise_xor_(INT8_OFFSET) for strip in strips]
    tiles = [replace(tile, rows=onednn.qlinear_prepack(tile.rows, [ROWS_PER_TILE, left.shape[1]])) for tile in tiles]

    def multiply(strip: int, tile: int) -> torch.Tensor:
        floors = (threshold - _margins(lengths[strip], rests[strip], tiles[tile])) / tiles[tile].steps
        scales = float(strips[strip].steps[0]) * ROUNDED_TO_ONE / floors
        zeros = torch.zeros(len(scales), dtype=torch.long)
        factors = shifted[strip], 1.0, INT8_OFFSET, tiles[tile].rows, scales, zeros
        products: torch.Tensor = onednn.qlinear_pointwise(*factors, None, 1.0, 0, torch.uint8, "none", [], "")
        return products

    return Shortened(left.shape[1], multiply, _not_zero)


def _not_zero(products: torch.Tensor) -> Integers:
    """Find the bytes that are not zero, eight at a time where they come in eights."""
    numbers = products.numpy().ravel()
    if numbers.size % WORD:
        return np.flatnonzero(numbers)
    words = numbers.view(np.uint64)
    promising = np.flatnonzero(words != 0)
    word, inner = np.divmod(np.flatnonzero(words[promising].view(np.uint8)), WORD)
    places: Integers = promising[word] * WORD + inner
    return places


@dataclass(frozen=True, slots=True)
class _Int8:
    """Rows in steps: of one size, or each row in its own."""

    rows: torch.Tensor
    steps: torch.Tensor
    lengths: torch.Tensor
    """Of the rounded rows."""
    rests: torch.Tensor
    """Lengths of what rounding left of each row."""


def _to_int8(vectors: torch.Tensor, rows_per_block: int, *, one_step: bool) -> list[_Int8]:
    """Round block by block, with one step per block or per row; what stays lies in one piece, or memory would be in shreds."""
    import torch

    rows = torch.empty(vectors.shape, dtype=torch.int8)
    steps, lengths, rests = torch.empty(3, len(vectors))
    for start in range(0, len(vectors), rows_per_block):
        part = slice(start, start + rows_per_block)
        block = vectors[part]
        step = block.abs().amax(dim=(0, 1) if one_step else 1, keepdim=True) / INT8_LARGEST
        step = step.where(step > 0, 1.0)
        rounded = (block / step).round()
        kept = rounded * step
        rows[part] = rounded
        steps[part], lengths[part], rests[part] = step.ravel(), kept.norm(dim=1), (block - kept).norm(dim=1)
    blocks = zip(*(torch.split(whole, rows_per_block) for whole in (rows, steps, lengths, rests)), strict=True)
    return [_Int8(*block) for block in blocks]


def _margins(length: float, rest: float, columns: _Int8) -> torch.Tensor:
    """Return by how much the product of each column with rows of at most this length and rest may be too small."""
    return length * columns.rests + rest * (columns.lengths + columns.rests) + FLOAT32_MARGIN
