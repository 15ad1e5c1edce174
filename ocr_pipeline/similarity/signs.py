"""Signs of many pairs at once, for those about whose known answers there is nothing to compare.

What a sign means is said in :mod:`ocr_pipeline.similarity.profile`; here the same is computed on arrays. Pairs grow with
the square of the problems, and nearly all of them have no known input in common: they never become objects. The rest
is left to ``compare_profiles``. That both agree is tested on random profiles.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from ocr_pipeline.similarity.evidence import ENDING_TOKENS, OPPOSITES, series_base
from ocr_pipeline.similarity.origin import part_bases
from ocr_pipeline.similarity.profile import Profile, Sign

__all__ = ["ComparedPairs", "SignTable", "mask_of", "signs_of"]

Integers: TypeAlias = "npt.NDArray[np.int64]"
Booleans: TypeAlias = "npt.NDArray[np.bool_]"

_BITS: Final = {sign: 1 << number for number, sign in enumerate(Sign)}


def mask_of(signs: Collection[Sign]) -> int:
    """Return signs as bits, in the order of :class:`Sign`."""
    return sum(_BITS[sign] for sign in signs)


def signs_of(mask: int) -> frozenset[Sign]:
    """Return the signs of a mask."""
    return frozenset(sign for sign, bit in _BITS.items() if mask & bit)


@dataclass(frozen=True, slots=True)
class ComparedPairs:
    """What was found about pairs, in their order."""

    masks: Integers
    says_little: Booleans
    is_whole: Booleans
    """No known input is common, so that the mask says all; of the others it says nothing."""


class SignTable:
    """What profiles say, as numbers."""

    def __init__(self, profiles: Sequence[Profile]) -> None:
        facts = [profile.facts for profile in profiles]
        self._origins = _sets([profile.origins for profile in profiles])
        self._kinds = _sets([{one.partition(":")[0] for one in profile.origins} for profile in profiles])
        self._parts = _sets([part_bases(profile.origins) for profile in profiles])
        self._names = _sets([profile.names for profile in profiles])
        self._series = _sets([{series_base(name) for name in profile.names} - {""} for profile in profiles])
        self._bounds = _sets([one.bounds for one in facts])
        self._limited = _sets([one.limits.keys() for one in facts])
        self._limits = _sets([one.limits.items() for one in facts])
        self._apart = {
            Sign.OTHER_TAGS: _sets([profile.tags for profile in profiles]),
            Sign.OTHER_TITLE: self._names,
            Sign.OTHER_TIME_LIMIT: _sets([profile.time_limits for profile in profiles]),
            Sign.OTHER_MEMORY_LIMIT: _sets([profile.memory_limits for profile in profiles]),
            Sign.OTHER_SITE: _sets([profile.sites for profile in profiles]),
        }
        inputs = [profile.cases.rows["input"] for profile in profiles]
        self._inputs = _Sets(np.concatenate([np.zeros(0, np.uint64), *inputs]), _array([len(one) for one in inputs]))
        self._endings = _sets([_endings(one.examples) for one in facts])
        self._style = _codes([profile.style for profile in profiles])
        self._version = _codes([one.version for one in facts])
        self._is_program = np.array([one.is_program for one in facts], np.bool_)
        self._says_little = np.array([one.says_little for one in facts], np.bool_)
        self._is_known = np.array([profile.cases.known > 0 for profile in profiles], np.bool_)
        self._is_shown = np.array([profile.cases.shown > 0 for profile in profiles], np.bool_)
        self._asked = np.array([one.asked for one in facts], np.bool_).reshape(len(facts), len(OPPOSITES), 2)

    def compare(self, left: Integers, right: Integers) -> ComparedPairs:
        """Compare different profiles by their places."""
        found = self._compared(left, right)
        masks = sum((np.where(speaks, _BITS[sign], 0) for sign, speaks in found.items()), np.zeros(len(left), np.int64))
        no_answers = (self._inputs.common(left, right) == 0) & (self._endings.common(left, right) == 0)
        # Titles of one series differ unless the part is only written otherwise: rare enough to be looked at.
        one_series = (self._series.common(left, right) > 0) & (self._names.common(left, right) == 0)
        return ComparedPairs(masks, self._says_little[left] | self._says_little[right], no_answers & ~one_series)

    def _compared(self, left: Integers, right: Integers) -> dict[Sign, Booleans]:
        same_origin = self._origins.common(left, right) > 0
        versions = (
            (self._version[left] > 0) & (self._version[right] > 0) & (self._version[left] != self._version[right])
        )
        styles = (self._style[left] > 0) & (self._style[right] > 0)
        one_style = self._style[left] == self._style[right]
        programs = self._is_program[left] | self._is_program[right]
        comparable = styles & one_style & ~programs & self._is_known[left] & self._is_known[right]
        shown = self._is_shown[left] & self._is_shown[right]
        return {
            Sign.SAME_ORIGIN: same_origin,
            Sign.OTHER_ORIGIN: (self._kinds.common(left, right) > 0) & ~same_origin,
            Sign.OTHER_VERSION: versions | ((self._parts.common(left, right) > 0) & ~same_origin),
            Sign.OTHER_EXAMPLES: comparable & shown,
            Sign.OTHER_TESTS: comparable & ~shown,
            Sign.OTHER_BOUNDS: self._other_bounds(left, right) & ~programs,
            Sign.OPPOSITE_QUESTION: self._opposite(left, right),
            Sign.OTHER_INPUT_FORM: styles & ~one_style,
        } | {
            sign: (sets.sizes[left] > 0) & (sets.sizes[right] > 0) & (sets.common(left, right) == 0)
            for sign, sets in self._apart.items()
        }

    def _other_bounds(self, left: Integers, right: Integers) -> Booleans:
        other_limit = self._limited.common(left, right) > self._limits.common(left, right)
        common, sizes = self._bounds.common(left, right), self._bounds.sizes
        both_ways: Booleans = (common < sizes[left]) & (common < sizes[right])
        return other_limit | both_ways

    def _opposite(self, left: Integers, right: Integers) -> Booleans:
        one, other = self._asked[left], self._asked[right]
        opposite: Booleans = ((one != other) & (one[..., :1] != one[..., 1:])).all(axis=-1).any(axis=-1)
        return opposite


class _Sets:
    """One set of numbers per row; an item that no two rows have is counted, and forgotten."""

    def __init__(self, items: npt.NDArray[np.generic], sizes: Integers) -> None:
        self.sizes = sizes
        rows = np.repeat(np.arange(len(sizes)), sizes)
        _, codes, counts = np.unique(items, return_inverse=True, return_counts=True)
        is_shared = counts[codes] > 1
        self._kinds = len(counts)
        self._codes = codes[is_shared]
        self._starts = np.searchsorted(rows[is_shared], np.arange(len(sizes) + 1))
        self._keys = np.sort(rows[is_shared] * self._kinds + self._codes)

    def common(self, left: Integers, right: Integers) -> Integers:
        """Return how many items the sets of different rows have in common."""
        lengths = np.diff(self._starts)
        is_smaller = lengths[left] <= lengths[right]
        one, other = np.where(is_smaller, left, right), np.where(is_smaller, right, left)
        counts = lengths[one]
        pair = np.repeat(np.arange(len(left)), counts)
        if not len(pair):
            return np.zeros(len(left), np.int64)
        place = np.arange(len(pair)) - np.repeat(np.cumsum(counts) - counts, counts) + self._starts[one][pair]
        keys = other[pair] * self._kinds + self._codes[place]
        found = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.bincount(pair[self._keys[found] == keys], minlength=len(left))


def _sets(sets: Sequence[Collection[Hashable]]) -> _Sets:
    codes: dict[Hashable, int] = {}
    items = [codes.setdefault(item, len(codes)) for one in sets for item in one]
    return _Sets(_array(items), _array([len(one) for one in sets]))


def _array(numbers: Sequence[int]) -> Integers:
    return np.array(numbers, np.int64)


def _codes(words: Sequence[str]) -> Integers:
    """Give each word a number, 0 to the empty one."""
    codes = {"": 0}
    return _array([codes.setdefault(word, len(codes)) for word in words])


def _endings(inputs: Collection[str]) -> set[str]:
    """Return what an input and one that holds it have in common: their last tokens."""
    tokens = (one.rsplit(" ", ENDING_TOKENS)[-ENDING_TOKENS:] for one in inputs)
    return {" ".join(last) for last in tokens if len(last) == ENDING_TOKENS}
