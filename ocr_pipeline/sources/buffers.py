"""The bytes behind Arrow's text columns, as numpy arrays without a copy.

Looking at the bytes of thousands of texts at once takes a fraction of what a match per text takes.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["bytes_of", "holds_any"]

NO_BYTES: Final = np.empty(0, np.uint8)


def bytes_of(texts: pa.Array) -> tuple[npt.NDArray[np.signedinteger], npt.NDArray[np.uint8]]:
    """Return the offsets of an array of texts, one more than texts, and the bytes that they count in."""
    kind: type[np.signedinteger] = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    if not len(texts):
        return np.zeros(1, kind), NO_BYTES
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, kind)[texts.offset : texts.offset + len(texts) + 1]
    return ends, np.frombuffer(data, np.uint8) if data is not None and data.size else NO_BYTES


def holds_any(texts: pa.Array, characters: bytes) -> bool:
    """Say whether one of the given ASCII characters is in any of the texts."""
    ends, data = bytes_of(texts)
    data = data[int(ends[0]) : int(ends[-1])]
    return any(bool((data == character).any()) for character in characters)
