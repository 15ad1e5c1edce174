"""Cosines that are equal on every machine: encoding, searching, and settling what rounding could tip.

A float32 vector's last bits depend on the batch, the number of threads and the processor; a cosine moves by up to
:data:`COSINE_NOISE`. Cosines are therefore rounded to :data:`COSINE_DIGITS` digits, and a pair so near to the threshold
or to the border between two rounded values that the noise could tip it is scored again with vectors in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from ocr_pipeline.similarity.encoder import Encoder, PreciseEncoder
from ocr_pipeline.similarity.neighbours import Pairs, neighbours

__all__ = ["COSINE_DIGITS", "COSINE_NOISE", "settle_cosines", "similar_pairs"]

COSINE_DIGITS: Final = 4
COSINE_NOISE: Final = 1e-6  # measured once: 1.4e-7 against float64; between other processors not measured
PAIRS_PER_CHUNK: Final = 4_096
PAIRS_PER_LOOK: Final = 1_048_576


def similar_pairs(
    texts: Sequence[str], encoder: Encoder, threshold: float, *, borders: Sequence[float] | None = None
) -> Pairs:
    """Return the pairs ``i < j`` of texts whose cosine is at least ``threshold``; ``borders`` as in :func:`settle_cosines`."""
    found = neighbours(encoder.encode(texts), max(threshold - COSINE_NOISE, -1.0))
    return settle_cosines(found, texts, texts, encoder, threshold, borders=borders)


def settle_cosines(
    found: Pairs,
    left: Sequence[str],
    right: Sequence[str],
    encoder: Encoder,
    threshold: float,
    *,
    digits: int = COSINE_DIGITS,
    borders: Sequence[float] | None = None,
) -> Pairs:
    """Return the pairs at or above ``threshold`` with rounded cosines, scoring again what noise could tip.

    With ``borders`` only the side of these borders is settled, and nothing is rounded: of 40,000 pairs that saves 800
    the second scoring.
    """
    cosine = found.cosine.copy()
    doubtful = _doubtful(cosine, [threshold, *(borders or ())], None if borders is not None else digits)
    if len(doubtful) and isinstance(encoder, PreciseEncoder):
        cosine[doubtful] = _precise(
            [left[i] for i in found.left[doubtful]], [right[j] for j in found.right[doubtful]], encoder
        )
    kept = cosine >= threshold
    if borders is not None:
        return Pairs(found.left[kept], found.right[kept], cosine[kept])
    rounded = np.maximum(np.round(cosine[kept], digits), _float32_at_least(threshold))
    return Pairs(found.left[kept], found.right[kept], rounded)


def _doubtful(cosine: npt.NDArray[np.float64], borders: Sequence[float], digits: int | None) -> npt.NDArray[np.int64]:
    """Return the places of cosines that noise could tip; a part at a time, for there may be millions."""
    found = [np.zeros(0, np.int64)]
    for start in range(0, len(cosine), PAIRS_PER_LOOK):
        part = cosine[start : start + PAIRS_PER_LOOK]
        near = _near_any(part, borders)
        found.append(np.flatnonzero(near if digits is None else near | _near_rounding(part, digits)) + start)
    return np.concatenate(found)


def _float32_at_least(threshold: float) -> float:
    """Return the smallest float32 that is not below the threshold: tables store cosines so, and 0.7 is none."""
    nearest = np.float32(threshold)
    return float(nearest if float(nearest) >= threshold else np.nextafter(nearest, np.float32(2)))


def _near_rounding(cosine: npt.NDArray[np.float64], digits: int) -> npt.NDArray[np.bool_]:
    steps = cosine * 10**digits
    result: npt.NDArray[np.bool_] = np.abs(steps - np.floor(steps) - 0.5) / 10**digits < COSINE_NOISE
    return result


def _near_any(cosine: npt.NDArray[np.float64], borders: Sequence[float]) -> npt.NDArray[np.bool_]:
    near = np.zeros(len(cosine), np.bool_)
    for border in borders:
        near |= np.abs(cosine - border) < COSINE_NOISE
    return near


def _precise(left: Sequence[str], right: Sequence[str], encoder: PreciseEncoder) -> npt.NDArray[np.float64]:
    """Score pairs in float64, a bounded number of them at a time."""
    cosines = np.zeros(len(left), np.float64)
    for start in range(0, len(left), PAIRS_PER_CHUNK):
        part = slice(start, start + PAIRS_PER_CHUNK)
        texts = sorted({*left[part], *right[part]})
        rows = {text: row for row, text in enumerate(texts)}
        vectors = encoder.encode_precisely(texts)
        a, b = (vectors[[rows[text] for text in side[part]]] for side in (left, right))
        cosines[part] = np.einsum("ij,ij->i", a, b)
    return cosines
