"""Decided pairs as columns: what stays of each pair is a few numbers, for pairs grow with the square of the problems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ocr_pipeline.duplicates.decisions import Decision, Undecided, Verdict, settle
from ocr_pipeline.similarity.catalogue import text_key
from ocr_pipeline.similarity.text import pair_of_keys

__all__ = ["DecidedPairs", "Integers", "Numbers", "Verdicts", "key_of"]

Integers: TypeAlias = "npt.NDArray[np.int64]"
Numbers: TypeAlias = "npt.NDArray[np.int32]"
"""Half as large, where one stays for each pair."""


def key_of(content: str, other: str) -> str:
    """Return the key of a pair of contents, or of parts of them: reviews are stored under it."""
    return pair_of_keys(text_key(content), text_key(other))


class Verdicts:
    """The verdict of each pair, as its number among the different ones."""

    def __init__(self, kinds: Sequence[Verdict], codes: Numbers) -> None:
        self.kinds: list[Verdict] = list(kinds)
        self.codes = codes

    def __getitem__(self, row: int) -> Verdict:
        """Return the verdict of a pair."""
        return self.kinds[int(self.codes[row])]

    def put(self, row: int, verdict: Verdict) -> None:
        """Decide a pair anew."""
        if verdict not in self.kinds:
            self.kinds.append(verdict)
        self.codes[row] = self.kinds.index(verdict)

    def where(self, decision: Decision) -> Integers:
        """Return the rows with a decision."""
        return np.flatnonzero(self.among([kind.decision is decision for kind in self.kinds]))

    def among(self, is_wanted: Sequence[bool]) -> npt.NDArray[np.bool_]:
        """Say of each pair what is said of its verdict."""
        return np.array([*is_wanted, False], np.bool_)[self.codes]

    def settled(self, policy: Undecided) -> Verdicts:
        """Apply the policy for undecided pairs."""
        return Verdicts([settle(kind, policy) for kind in self.kinds], self.codes)


@dataclass(frozen=True, slots=True)
class DecidedPairs:
    """Pairs of contents (or of one with itself) by position, and what is decided about them; one row each."""

    contents: Sequence[str]
    left: Numbers
    right: Numbers
    cosine: npt.NDArray[np.float64]
    lexical: npt.NDArray[np.float64]
    verdicts: Verdicts
    masks: Numbers
    """Signs, as bits."""
    agreeing: Numbers
    """Inputs that both know with one output."""
    conflicting: Numbers

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.left)

    def key(self, row: int) -> str:
        """Return the content key of a pair."""
        return key_of(self.contents[self.left[row]], self.contents[self.right[row]])

    def select(self, rows: Integers) -> DecidedPairs:
        """Return some of the pairs."""
        return replace(
            self,
            left=self.left[rows],
            right=self.right[rows],
            cosine=self.cosine[rows],
            lexical=self.lexical[rows],
            verdicts=Verdicts(self.verdicts.kinds, self.verdicts.codes[rows]),
            masks=self.masks[rows],
            agreeing=self.agreeing[rows],
            conflicting=self.conflicting[rows],
        )
