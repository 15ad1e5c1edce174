"""Reads a plan out of a response and says what is wrong with it.

The steps are the numbered lines; what stands indented, lettered or bulleted below a step belongs to it. Whether the
plan agrees with the program is the business of ``agreement``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ocr_pipeline.answers import find_fences, split_thought

__all__ = ["PlanVerdict", "ReadPlan", "plan_defects", "read_plan"]

NUMBERED: Final = re.compile(r"^ {0,3}(?:\*\*)?(?:step\s+)?(\d{1,3})\s*[.):](?:\*\*)?\s+(\S.*)$", re.IGNORECASE)
CONTINUED: Final = re.compile(r"^(?:\s+\S|[a-z][.)]\s|[-*•]\s)")
CODE_LINE_CHARACTERS: Final = 12
"""A shorter line of code, such as ``n = 5`` or ``break``, may be in a plan by chance."""
COPIED_LINES: Final = 2
FOREIGN_SHARE: Final = 0.2  # of the letters: a name or a Greek letter is fine, a sentence is not
ENGLISH_WORDS: Final = frozenset(
    [
        "the",
        "a",
        "an",
        "of",
        "to",
        "and",
        "in",
        "is",
        "it",
        "for",
        "each",
        "with",
        "as",
        "that",
        "by",
        "if",
        "from",
        "on",
        "at",
        "or",
        "not",
        "are",
        "be",
        "this",
        "all",
        "then",
        "when",
        "until",
    ]
)
ENGLISH_SHARE: Final = 0.08  # English prose has 0.35 to 0.5; terse plans go down to 0.15


class PlanVerdict(StrEnum):
    """What became of a plan: kept, or the first reason against it."""

    KEPT = "kept"
    NO_SOLUTION = "no_solution"
    """The problem has no correct solution in the language, so nothing was asked."""
    TEACHER_ERROR = "teacher_error"
    UNCLOSED_REASONING = "unclosed_reasoning"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    NOT_NUMBERED = "not_numbered"
    MISNUMBERED = "misnumbered"
    TOO_FEW_STEPS = "too_few_steps"
    TOO_MANY_STEPS = "too_many_steps"
    TOO_LONG = "too_long"
    WRONG_LANGUAGE = "wrong_language"
    COPIES_CODE = "copies_code"
    DISAGREES = "disagrees"
    """The built-in check: the plan is silent about most of what the program does."""
    JUDGED_DISAGREEING = "judged_disagreeing"
    """The judge model says so."""


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """A plan in normal form."""

    steps: tuple[str, ...]
    numbers: tuple[int, ...]
    text: str
    """The answer after the reasoning, as the teacher wrote it."""

    @property
    def plan(self) -> str:
        """The steps as numbered lines."""
        return "\n".join(f"{number}. {step}" for number, step in enumerate(self.steps, start=1))


def read_plan(response: str) -> ReadPlan:
    """Take the numbered steps from the answer after the reasoning; text around them is left out."""
    text = (split_thought(response).answer or "").strip("\n")
    steps: list[list[str]] = []
    numbers: list[int] = []
    open_step = False
    for line in text.splitlines():
        match = NUMBERED.match(line)
        if match:
            steps.append([match[2].strip()])
            numbers.append(int(match[1]))
            open_step = True
        elif open_step and CONTINUED.match(line):
            steps[-1].append(line.strip())
        elif line.strip():
            open_step = False
    return ReadPlan(tuple(" ".join(parts) for parts in steps), tuple(numbers), text)


def plan_defects(
    read: ReadPlan, *, code: str | None, min_steps: int, max_steps: int, max_characters: int
) -> list[PlanVerdict]:
    """Return every reason against the form of a plan, in the order of the checks."""
    if not read.text.strip():
        return [PlanVerdict.EMPTY]
    if not read.steps:
        return [PlanVerdict.NOT_NUMBERED]
    found = {
        PlanVerdict.MISNUMBERED: read.numbers != tuple(range(1, len(read.numbers) + 1)),
        PlanVerdict.TOO_FEW_STEPS: len(read.steps) < min_steps,
        PlanVerdict.TOO_MANY_STEPS: len(read.steps) > max_steps,
        PlanVerdict.TOO_LONG: len(read.plan) > max_characters,
        PlanVerdict.WRONG_LANGUAGE: not _is_english(read.plan),
        PlanVerdict.COPIES_CODE: _copies(read.text, code),
    }
    return [verdict for verdict, is_so in found.items() if is_so]


def _is_english(plan: str) -> bool:
    letters = [character for character in plan if character.isalpha()]
    if not letters:
        return False
    foreign = sum(not character.isascii() for character in letters) / len(letters)
    words = re.findall(r"[a-z]+", plan.lower())
    common = sum(word in ENGLISH_WORDS for word in words) / max(len(words), 1)
    return foreign <= FOREIGN_SHARE and common >= ENGLISH_SHARE


def _copies(text: str, code: str | None) -> bool:
    found = find_fences(text.encode("utf-8", "replace"))
    if found.complete or found.is_open:
        return True
    lines = {" ".join(line.split()) for line in (code or "").splitlines()}
    flat = " ".join(text.split())
    return sum(len(line) >= CODE_LINE_CHARACTERS and line in flat for line in lines) >= COPIED_LINES
