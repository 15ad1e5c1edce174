"""Measure how a text repeats itself: the cycle it ends in, and the share of 20-word sequences seen more than once.

Both are numbers that are stored; what counts as a loop is decided in the selection. They are exact repetitions of
bytes and words: a thought that says the same thing in other words is not found.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["cycle_at_end", "repeated_share"]

GRAM_WORDS: Final = 20
WINDOW_BYTES: Final = 64 << 10  # a cycle of 1,024 words of 8 bytes fits eight times
PROBE_BYTES: Final = (
    32  # the end of the text that is looked for before it; shorter finds chance hits, longer short loops
)
MOST_CANDIDATES: Final = 64
FEWEST_COPIES: Final = 4  # with the next three: 4 copies, 64 tokens covered, period up to 1,024 tokens
FEWEST_WORDS: Final = 64
FEWEST_UNSPACED_BYTES: Final = (
    512  # a cycle without spaces (digits, CJK) or without words (control characters) has none to count
)
LONGEST_PERIOD_WORDS: Final = 1_024
WORD_BYTES: Final = 8  # of a word that are compared; two words of one length that differ later count as one
MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)  # odd, so it has an inverse modulo 2⁶⁴
INVERSE: Final = np.uint64(pow(0x9E3779B97F4A7C15, -1, 1 << 64))
LENGTH_MULTIPLIER: Final = np.uint64(0xC2B2AE3D27D4EB4F)
END_MULTIPLIER: Final = np.uint64(0xFF51AFD7ED558CCD)
HALF: Final = np.uint64(32)

Words = npt.NDArray[np.uint64]
_powers: list[Words] = []  # grown on demand: [MULTIPLIER⁰ …, INVERSE⁰ …]


def cycle_at_end(text: bytes, end: int | None = None) -> int | None:
    """Return the period, in words, of the cycle that ``text[:end]`` ends in; None when it ends in none.

    A cycle is at least four copies that cover 64 words (512 bytes where it holds no spaces), of at most 1,024 words
    each. A cut in the middle of a copy and white space at the end do not hide it.
    """
    end = len(text) if end is None else end
    tail = text[max(0, end - WINDOW_BYTES) : end].rstrip()
    probe = tail[-PROBE_BYTES:]
    position = len(tail) - len(probe)
    for _ in range(MOST_CANDIDATES):
        position = tail.rfind(probe, 0, position + len(probe) - 1)
        if position < 0:
            return None
        period = len(tail) - len(probe) - position
        if (words := _period_words(tail, period)) is not None:
            return words
    return None


def _period_words(tail: bytes, period: int) -> int | None:
    """Return the words of a cycle of ``period`` bytes, or None when the tail does not repeat it long enough."""
    covered = _matching_bytes(tail, period) + period
    if covered < FEWEST_COPIES * period:
        return None
    is_word = np.frombuffer(tail[-period:], np.uint8) > ord(" ")
    words = int(np.count_nonzero(is_word & ~np.roll(is_word, 1)))  # a word may wrap from the end to the beginning
    if is_word.all() or not words:
        return 1 if covered >= FEWEST_UNSPACED_BYTES else None
    return words if words <= LONGEST_PERIOD_WORDS and covered * words >= FEWEST_WORDS * period else None


def _matching_bytes(tail: bytes, period: int) -> int:
    """Count the bytes from the end that equal the byte one period before them."""
    values = np.frombuffer(tail, np.uint8)
    differ = np.flatnonzero(values[period:] != values[:-period])
    return len(values) - period - (int(differ[-1]) + 1 if len(differ) else 0)


def repeated_share(text: bytes) -> float:
    """Return the share of 20-word sequences of ``text`` that occur more than once, 0 to 1."""
    words = _word_hashes(text)
    grams = len(words) - GRAM_WORDS + 1
    if grams < 2:  # noqa: PLR2004 - one sequence cannot repeat
        return 0.0
    hashes = _gram_hashes(words)
    hashes.sort()
    same = hashes[1:] == hashes[:-1]
    pairs = np.count_nonzero(same)
    if not pairs:
        return 0.0
    # A run of n equal hashes has n-1 equal pairs and n-2 pairs of them in a row: so runs are counted, and each has a member
    # more than it has pairs.
    groups = pairs - np.count_nonzero(same[1:] & same[:-1])
    return (pairs + groups) / grams


def _word_hashes(text: bytes) -> Words:
    """Hash each word by its first eight bytes and its length; words end at white space."""
    padded = b"".join((b" ", text, b" " * WORD_BYTES))
    is_space = np.frombuffer(padded, np.uint8) <= ord(" ")  # control characters too
    # The padding is white space on both sides, so edges come in pairs: the bytes before a word's first and at its last.
    edges = (is_space[1:] != is_space[:-1]).nonzero()[0]
    before = edges[0::2]
    lengths = edges[1::2] - before
    # A view whose items overlap: item i is the eight bytes behind byte i, as one number whose lowest byte comes first.
    eight = np.ndarray(len(padded) - WORD_BYTES, "<u8", padded, offset=1, strides=(1,))
    # A shorter word is pushed up until only its own bytes are left: what follows it falls out at the top. 8 bits a byte.
    shift = np.minimum(lengths, WORD_BYTES)
    np.subtract(WORD_BYTES, shift, out=shift)
    shift <<= 3
    # Each step in place: arrays of a few thousand words cost more to make than to fill.
    hashes: Words = eight[before]
    hashes <<= shift.view(np.uint64)
    hashes *= MULTIPLIER
    sizes = lengths.view(np.uint64)
    sizes *= LENGTH_MULTIPLIER
    hashes += sizes
    # A product mixes upwards only, so the high half is folded into the low one, before and after (MurmurHash3's end).
    hashes ^= hashes >> HALF
    hashes *= END_MULTIPLIER
    hashes ^= hashes >> HALF
    return hashes


def _gram_hashes(words: Words) -> Words:
    """Hash every sequence of 20 words, from the sums of a polynomial over the words before it."""
    # With S(i) = Σ_{j<i} w(j)·M^j, (S(i+20) - S(i))·M^-i is the same for the same 20 words wherever they are. All of it is
    # modulo 2⁶⁴, where numpy's unsigned numbers wrap and every odd M has an inverse; equal sequences never differ.
    powers, inverses = _power_tables(len(words))
    sums = np.zeros(len(words) + 1, np.uint64)
    np.cumsum(words * powers, out=sums[1:])
    grams: Words = sums[GRAM_WORDS:] - sums[:-GRAM_WORDS]
    grams *= inverses[: len(grams)]
    return grams


def _power_tables(length: int) -> tuple[Words, Words]:
    if not _powers or len(_powers[0]) < length:
        room = max(1 << 14, 1 << length.bit_length())
        _powers[:] = [_powers_of(base, room) for base in (MULTIPLIER, INVERSE)]
    return _powers[0][:length], _powers[1][:length]


def _powers_of(base: np.uint64, count: int) -> Words:
    factors = np.full(count, base, np.uint64)
    factors[0] = 1  # base⁰; the running product then gives base¹, base², … modulo 2⁶⁴
    return np.cumprod(factors, dtype=np.uint64)
