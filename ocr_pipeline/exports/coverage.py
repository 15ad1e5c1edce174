"""Which tests of a problem an RL row holds: those that tell most, within a number of bytes.

Examples come first, because they are what the statement promises. Then sizes take turns, from the smallest magnitude of
input to the largest, so that a cap costs repetitions and not kinds; within a magnitude an output that is not there yet
comes first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from ocr_pipeline.tables import TestKind

__all__ = ["Case", "LeftOut", "choose", "usable"]

FIRST: Final = frozenset({TestKind.EXAMPLE, TestKind.PUBLIC})
SUSPECT: Final = frozenset(
    {"contradiction", "empty_expected", "generated_without_solution", "truncated", "integer_keys"}
)
"""Suspicions of the sources for which a test is left out; so is one that expects nothing, or contradicts another."""


class LeftOut(StrEnum):
    """Why a test is not in a row whose problem is."""

    UNTRUSTED = "untrusted"
    SUSPECT = "suspect"
    REPEATED = "repeated"
    OVER_CAP = "over_cap"


@dataclass(frozen=True, slots=True)
class Case:
    """One test."""

    test_id: str
    is_example: bool
    input: str
    expected: str

    @property
    def n_bytes(self) -> int:
        """What it counts against the cap."""
        return len(self.input.encode()) + len(self.expected.encode())


def usable(rows: Iterable[Mapping[str, Any]], untrusted: Collection[str], left_out: Counter[str]) -> list[Case]:
    """Return the tests that say something, each input once, in their order; others are counted."""
    kept: list[Case] = []
    seen: set[str] = set()
    listed = sorted(rows, key=lambda row: str(row["test_id"]))
    answers: dict[str, set[str]] = {}
    for row in listed:
        answers.setdefault(row["input"] or "", set()).add((row["expected"] or "").strip())
    for row in listed:
        given, expected = row["input"] or "", row["expected"] or ""
        says_little = not expected.strip() or len(answers[given]) > 1
        if row["test_id"] in untrusted:
            left_out[LeftOut.UNTRUSTED] += 1
        elif says_little or SUSPECT & set(row["suspicions"] or ()):
            left_out[LeftOut.SUSPECT] += 1
        elif given in seen:
            left_out[LeftOut.REPEATED] += 1
        else:
            seen.add(given)
            kept.append(Case(row["test_id"], row["kind"] in FIRST, given, expected))
    return kept


def choose(cases: Sequence[Case], *, most_bytes: int | None, most: int | None, left_out: Counter[str]) -> list[Case]:
    """Return the tests that fit, in their order."""
    chosen: list[Case] = []
    size = 0
    for case in _by_worth(cases):
        fits = most_bytes is None or size + case.n_bytes <= most_bytes
        if fits and (most is None or len(chosen) < most):
            chosen.append(case)
            size += case.n_bytes
        else:
            left_out[LeftOut.OVER_CAP] += 1
    return sorted(chosen, key=lambda case: case.test_id)


def _by_worth(cases: Sequence[Case]) -> list[Case]:
    """Return examples, then one test of each magnitude in turn, those with a new output first."""
    first = [case for case in cases if case.is_example]
    outputs = {case.expected for case in first}
    shelves: dict[int, tuple[list[Case], list[Case]]] = {}
    for case in cases:
        if not case.is_example:
            new, known = shelves.setdefault(len(case.input).bit_length(), ([], []))
            (known if case.expected in outputs else new).append(case)
            outputs.add(case.expected)
    queues = [[*new, *known] for _, (new, known) in sorted(shelves.items())]
    longest = max(map(len, queues), default=0)
    return first + [queue[turn] for turn in range(longest) for queue in queues if turn < len(queue)]
