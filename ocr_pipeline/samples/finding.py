"""Find short signs in long texts quickly: what `bytes.find` does, by way of bytes that are rare.

Looking for one byte is thirty times as fast as looking for several, and ``<`` and backticks are rare in prose. Where
they are not, pairs of bytes are compared at once. What the signs mean is not known here.
"""

from __future__ import annotations

import functools
import sys
from typing import Final

import numpy as np

__all__ = ["find_rare", "rfind_late", "rfind_rare"]

MOST_FIRST_BYTES: Final = 4  # looked at one by one; beyond that, comparing all pairs costs less
SHORT_BYTES: Final = 4_096  # no longer than that, `bytes.find` costs less than comparing all pairs
TRUE: Final = b"\x01"
TAIL_BYTES: Final = 4_096  # looked through for a sign that is expected near the end


def find_rare(text: bytes, sign: bytes, start: int, end: int) -> int:
    """Return what ``text.find(sign, start, end)`` does, for a sign of three bytes or more."""
    find, first, second = text.find, sign[:1], sign[1]
    position = find(first, start, end)
    if position < 0:
        return -1
    for _ in range(MOST_FIRST_BYTES):
        after = position + 1
        if after < end and text[after] == second and text.startswith(sign, position, end):
            return position
        position = find(first, after, end)
        if position < 0:
            return -1
    if end - position > SHORT_BYTES and not _may_hold(text, sign, position, end):
        return -1
    return find(sign, position, end)


def rfind_rare(text: bytes, sign: bytes, start: int, end: int) -> int:
    """Return what ``text.rfind(sign, start, end)`` does, for a sign that is most likely nowhere."""
    return -1 if find_rare(text, sign, start, end) < 0 else text.rfind(sign, start, end)


def rfind_late(text: bytes, sign: bytes, start: int, end: int) -> int:
    """Return what ``text.rfind(sign, start, end)`` does, for a sign that is near the end or nowhere."""
    tail = max(start, end - TAIL_BYTES)
    found = text.rfind(sign, tail, end)
    if found >= 0 or tail == start:
        return found
    return rfind_rare(text, sign, start, min(end, tail + len(sign) - 1))


def _may_hold(text: bytes, sign: bytes, start: int, end: int) -> bool:
    """Tell that one of the sign's first two pairs of bytes stands at an even offset, as one does wherever the sign is."""
    even = start + start % 2
    pairs = np.frombuffer(text, np.uint16, (end - even) // 2, even)
    return any(TRUE in (pairs == pair).tobytes() for pair in _first_pairs(sign))


@functools.cache
def _first_pairs(sign: bytes) -> frozenset[int]:
    return frozenset(int.from_bytes(pair, sys.byteorder) for pair in (sign[:2], sign[1:3]))
