"""A problem whose tests are measured: its tests and programs, what the tests said of each, and the rates of some of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from ocr_pipeline.quality.rates import Rate

__all__ = ["Kills", "LeftOut", "MeasuredProblem", "Outcome", "Policy", "Program", "Unmeasured", "rates_of"]


class Policy(StrEnum):
    """Which tests of a problem."""

    SOURCE = "source"
    GENERATED = "generated"
    ALL = "all"


class Unmeasured(StrEnum):
    """Why the tests of a problem could not be measured; where no program was run, what kept most of them from it."""

    NO_TESTS = "no_tests"
    NO_PROGRAMS = "no_programs"
    NEEDS_CHECKER = "needs_checker"
    """Several outputs are right and nobody can tell: a failure is not evidence."""
    LANGUAGE = "language"
    """The judge does not run it."""
    INTERACTIVE = "interactive"
    UNTRUSTED_TESTS = "untrusted_tests"
    NO_FUNCTION = "no_function"
    """Nobody knows which function the tests call."""
    COMPILE_ERROR = "compile_error"
    MODULE = "module"
    """A package that they import is missing here."""
    NO_CODE = "no_code"
    NO_FILES = "no_files"
    NOT_RUN = "not_run"
    """Anything else, such as a failure of the sandbox."""


class LeftOut(StrEnum):
    """Why a program that was given is not among those that are run."""

    UNKNOWN_PROBLEM = "unknown problem"
    UNKNOWN_VERDICT = "unknown verdict"
    CONTRADICTORY_LABEL = "contradictory label"
    """Its text is given as right and as wrong."""
    SAME_TEXT = "same text"
    OVER_THE_LIMIT = "over the limit"


@dataclass(frozen=True, slots=True)
class Program:
    """A program of known verdict."""

    name: str
    language: str
    code: str
    is_right: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the tests that were run said of a program."""

    passed: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset()
    silence: str | None = None
    """Why it says nothing; ``None`` where it was run."""
    needs_checker: bool = False

    def passes(self, tests: Collection[str]) -> bool | None:
        """Say whether it passes all of some tests; ``None`` where that is not known: it was stopped before them."""
        if self.silence is not None:
            return None
        if not self.failed.isdisjoint(tests):
            return False
        return True if self.passed.issuperset(tests) else None


@dataclass(frozen=True, slots=True)
class Kills:
    """What became of the mutants that some tests decide on."""

    run: int = 0
    killed: int = 0
    equivalent: int = 0

    @property
    def score(self) -> Rate:
        """Mutants killed, of those that some known test tells from the original."""
        return Rate(self.killed, self.run - self.equivalent)


@dataclass(slots=True)
class MeasuredProblem:
    """A problem whose tests are measured."""

    problem_id: str
    source: dict[str, int] = field(default_factory=dict)
    """Bytes of each test of the source."""
    generated: dict[str, int] = field(default_factory=dict)
    untrusted: set[str] = field(default_factory=set)
    takes_several: bool = False
    """A checker decides, so that two tests of one input may name other outputs."""
    has_made_checker: bool = False
    """A model wrote it, and verdicts of the source's tests do not rest on it."""
    is_contradictory: bool = False
    texts: set[tuple[str, str]] = field(default_factory=set)
    """Of all programs whose verdict is known."""
    programs: list[Program] = field(default_factory=list)
    left_out: Counter[LeftOut] = field(default_factory=Counter)
    outcomes: list[Outcome] = field(default_factory=list)
    mutants: list[Outcome] = field(default_factory=list)
    samples: list[Program] = field(default_factory=list)
    """Programs of the teacher's, whose verdict nobody knows."""
    sampled: list[Outcome] = field(default_factory=list)

    def policies(self) -> Iterator[tuple[Policy, dict[str, int]]]:
        """Yield the policies that differ here, with the tests of each that are used."""
        of_source = {name: size for name, size in self.source.items() if name not in self.untrusted}
        yield Policy.SOURCE, of_source
        if self.generated:
            yield Policy.GENERATED, self.generated
            yield Policy.ALL, of_source | self.generated

    def decided(self, tests: Collection[str]) -> Iterator[tuple[Program, bool]]:
        """Yield the programs that some tests decide on, and whether they pass all of them."""
        for program, outcome in zip(self.programs, self.outcomes, strict=True) if tests else ():
            passes = outcome.passes(tests)
            if passes is not None:
                yield program, passes

    def kills(self, tests: Collection[str], known: Collection[str]) -> Kills:
        """Count what some tests make of the mutants; those that pass every known test are equivalent."""
        said = [passes for one in self.mutants if tests and (passes := one.passes(tests)) is not None]
        return Kills(len(said), said.count(False), sum(bool(one.passes(known)) for one in self.mutants))


def rates_of(decided: Collection[tuple[Program, bool]]) -> tuple[Rate, Rate]:
    """Return how many right programs pass (TPR), and how many wrong ones fail (TNR)."""
    right = [passes for program, passes in decided if program.is_right]
    wrong = [passes for program, passes in decided if not program.is_right]
    return Rate(sum(right), len(right)), Rate(wrong.count(False), len(wrong))
