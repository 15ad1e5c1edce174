"""What is known of a problem when its tests are made, and what became of it, of its inputs, and of the teacher's programs.

Values and reasons only; how tests are made is in ``working.py``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ocr_pipeline.generating.by_model import Written
from ocr_pipeline.generating.making import MadeBy
from ocr_pipeline.judge.verdicts import ProblemSpec, Test
from ocr_pipeline.tables import JUDGED_LANGUAGES

__all__ = [
    "CPU_NOTE",
    "Case",
    "Fate",
    "Kept",
    "Left",
    "Outcome",
    "Problem",
    "Program",
    "Use",
    "Used",
    "in_turn",
    "not_tried",
]

CPU_NOTE: Final = "CPU of programs in ms"
"""In their jails, without compilers and checkers; it differs between runs, so that it is in no table."""


class Use(StrEnum):
    """What became of a program of the teacher's."""

    USED = "used"
    TEACHER_ERROR = "teacher_error"
    UNCLOSED_REASONING = "unclosed_reasoning"
    TRUNCATED = "truncated"
    """The answer was cut off, and a program that was cut off is another program."""
    NO_PROGRAM = "no_program"
    REFUSES_KNOWN = "refuses_known"
    """A validator that does not accept every known input, or a checker that does not accept every right output."""
    ACCEPTS_ANYTHING = "accepts_anything"
    """A validator or checker that accepts what it should refuse."""
    TIME_LIMIT = "time_limit"
    """A validator or checker that was over its time twice, and was given up."""
    FAILS = "fails"
    """A generator that makes no input."""
    NOT_TRIED = "not_tried"
    """Nothing asked for it: its problem is left alone, or has a checker of its own."""


@dataclass(frozen=True, slots=True)
class Used:
    """A program of the teacher's, what became of it, and how many inputs it made."""

    written: Written
    use: Use
    made: int = 0


def not_tried(programs: Iterable[Written]) -> tuple[Used, ...]:
    """Return programs of a problem that nobody could work on."""
    return tuple(Used(each, Use(each.failure) if each.failure else Use.NOT_TRIED) for each in programs)


class Left(StrEnum):
    """Why a problem is left alone."""

    DUPLICATE_PROBLEM = "duplicate_problem"
    """A problem of the same id came before it."""
    INTERACTIVE = "interactive"
    NEEDS_CHECKER = "needs_checker"
    """Several outputs are right, and nothing here can tell."""
    NO_TESTS = "no_tests"
    UNUSABLE_TESTS = "unusable_tests"
    """Each of its tests contradicts another one, expects nothing, or is too large to be read."""
    NO_SOLUTION = "no_solution"
    """No right program that can be run and passes the known tests."""
    ONE_SOLUTION = "one_solution"
    """Only one: nobody can agree with it."""
    NO_GRAMMAR = "no_grammar"
    """No grammar reads the known inputs."""
    PROMISES = "promises"
    """The statement promises something of all values that no reader here understands."""
    MISREAD = "misread"
    """Right programs fail on most of what was made: the grammar is that of other inputs."""
    NOTHING_CAUGHT = "nothing_caught"
    """No input that was made catches anything, or is larger than the known ones."""
    NOT_RUN = "not_run"
    """The sandbox failed."""


class Fate(StrEnum):
    """What became of an input: kept, or why not."""

    KEPT = "kept"
    KNOWN = "known"
    """A known test has it."""
    SHAPE = "shape"
    BOUNDS = "bounds"
    CONSTRAINT = "constraint"
    VALIDATOR = "validator"
    """The teacher's validator refuses it."""
    GENERATOR_FAILS = "generator_fails"
    """The teacher's generator ended with an error, over its time, or printed too much."""
    TOO_LARGE = "too_large"
    RIGHT_FAILS = "right_fails"
    """A right program does not end well on it."""
    EMPTY_OUTPUT = "empty_output"
    MISREAD = "misread"
    """Right programs fail on most other inputs of its problem."""
    DISAGREEMENT = "disagreement"
    """Right programs give different outputs, or one of them another output the second time."""
    CATCHES_NOTHING = "catches_nothing"
    """No program fails it that cheaper tests let pass."""
    OVER_CAP = "over_cap"


@dataclass(frozen=True, slots=True)
class Program:
    """A program that is known as right or wrong."""

    program_id: str
    language: str
    code: str


def in_turn(programs: Iterable[Program]) -> list[Program]:
    """Return programs of different text, the shortest first, languages in turn."""
    texts: dict[str, Program] = {}
    for program in programs:
        if program.language in JUDGED_LANGUAGES and program.code.strip():
            texts.setdefault(" ".join(program.code.split()), program)
    shelves = [
        sorted(
            (each for each in texts.values() if each.language == language),
            key=lambda each: (len(each.code), each.program_id),
        )
        for language in JUDGED_LANGUAGES
    ]
    return [each for turn in itertools.zip_longest(*shelves) for each in turn if each is not None]


@dataclass(frozen=True, slots=True)
class Problem:
    """All that is known of a problem."""

    spec: ProblemSpec
    statement: str
    tests: tuple[Test, ...]
    """Known tests, the examples first, those that are too large to be read aside."""
    right: tuple[Program, ...]
    wrong: tuple[Program, ...]
    written: tuple[Written, ...] = ()
    """Programs of the teacher's."""
    too_large: int = 0
    """Known tests that are too large to be read."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A test that was made and stays."""

    input: str
    expected: str
    made_by: MadeBy
    catches: tuple[str, ...]
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a problem."""

    problem_id: str
    left: Left | None = None
    detail: str = ""
    tests: tuple[Kept, ...] = ()
    funnel: Mapping[str, int] = field(default_factory=dict)
    notes: Mapping[str, int] = field(default_factory=dict)
    survivors: tuple[str, ...] = ()
    """Wrong programs that pass every test."""
    example: Mapping[str, str] | None = None
    """A wrong program that the known tests let pass, and the test that catches it."""
    programs: tuple[Used, ...] = ()


@dataclass(slots=True)
class Case:
    """An input on its way."""

    text: str
    made_by: MadeBy
    expected: str = ""
    request_id: str | None = None

    @property
    def cost(self) -> tuple[int, str]:
        """What it is sorted by: cheap ones first."""
        return len(self.text), self.text
