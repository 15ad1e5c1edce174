"""All that is known of one text, from every problem that has it, and what two of them say about being one problem.

Every sign is read from what both sides give: what one leaves out is silence, and silence is not evidence. What a sign is
worth is decided by deduplication and by the contamination check.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from ocr_pipeline.similarity.cases import NO_CASES, CaseComparison, Cases, cases_of, compare_cases, example_cases
from ocr_pipeline.similarity.catalogue import Catalogue, Entry
from ocr_pipeline.similarity.evidence import (
    Facts,
    bounds_differ,
    few_other_words,
    opposite_asked,
    parts_of_series,
    read_facts,
    shared_examples,
    versions_differ,
)
from ocr_pipeline.similarity.origin import other_origin, parts_of_one, same_origin
from ocr_pipeline.similarity.text import normalise
from ocr_pipeline.tables import Checker, IoMode

__all__ = [
    "DIFFERENCES",
    "SAID",
    "Evidence",
    "Profile",
    "Sign",
    "Undecided",
    "compare_profiles",
    "read_profile",
    "read_profiles",
    "spoken",
]

ONE_ANSWER: Final = frozenset({"", Checker.TOKENS, Checker.CASE_INSENSITIVE})
"""Checkers under which another output to the same input is another answer."""
FEWEST_CONFLICTS: Final = 0.2
"""Share of the common inputs; data sets disagree on single tests of one problem."""
_NUMBERED: Final = re.compile(r"^\d+_[a-z]\d*\. ")
_WORD: Final = re.compile(r"[^\W_]+")


class Undecided(StrEnum):
    """What becomes of pairs that no evidence decides."""

    KEEP = "keep"
    DROP = "drop"


class Sign(StrEnum):
    """One thing that two problems say about being the same."""

    SAME_ORIGIN = "same_origin"
    OTHER_ORIGIN = "other_origin"
    OTHER_VERSION = "other_version"
    OTHER_ANSWERS = "other_answers"
    SAME_CASES = "same_cases"
    SOME_CASES = "some_cases"
    OTHER_EXAMPLES = "other_examples"
    OTHER_TESTS = "other_tests"
    OTHER_WORDS = "other_words"
    OTHER_BOUNDS = "other_bounds"
    OPPOSITE_QUESTION = "opposite_question"
    OTHER_TAGS = "other_tags"
    OTHER_TITLE = "other_title"
    OTHER_TIME_LIMIT = "other_time_limit"
    OTHER_MEMORY_LIMIT = "other_memory_limit"
    OTHER_INPUT_FORM = "other_input_form"
    OTHER_SITE = "other_site"


SAID: Final[Mapping[str, str]] = {
    Sign.SAME_ORIGIN: "published at one place",
    Sign.OTHER_ORIGIN: "one judge knows both, under different names",
    Sign.OTHER_VERSION: "parts of one series, or an easy and a hard version",
    Sign.OTHER_ANSWERS: "different outputs for the same input",
    Sign.SAME_CASES: "all inputs of one side are known to the other, with the same outputs",
    Sign.SOME_CASES: "some inputs in common, with the same outputs",
    Sign.OTHER_EXAMPLES: "both show examples, none in common",
    Sign.OTHER_WORDS: "the same words but for one to three",
    Sign.OTHER_TESTS: "both have known inputs, none in common",
    Sign.OTHER_BOUNDS: "different upper bounds",
    Sign.OPPOSITE_QUESTION: "one asks for the opposite",
    Sign.OTHER_TAGS: "no tag in common",
    Sign.OTHER_TITLE: "different titles",
    Sign.OTHER_TIME_LIMIT: "different time limits",
    Sign.OTHER_MEMORY_LIMIT: "different memory limits",
    Sign.OTHER_INPUT_FORM: "one reads input, the other is a function",
    Sign.OTHER_SITE: "published on different judges",
}
"""Each sign in words for a person."""

DIFFERENCES: Final = frozenset(
    {
        Sign.OTHER_TESTS,
        Sign.OTHER_TAGS,
        Sign.OTHER_TITLE,
        Sign.OTHER_TIME_LIMIT,
        Sign.OTHER_MEMORY_LIMIT,
        Sign.OTHER_INPUT_FORM,
        Sign.OTHER_SITE,
    }
)
"""Signs of another problem that do not suffice alone."""


def spoken(signs: Iterable[str]) -> str:
    """Say signs in words, in the order given."""
    return "; ".join(SAID.get(sign, sign) for sign in signs)


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of one text."""

    facts: Facts
    cases: Cases = NO_CASES
    origins: frozenset[str] = frozenset()
    sites: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    """Titles, and names by which a judge calls it, in normal form."""
    tags: frozenset[str] = frozenset()
    time_limits: frozenset[float] = frozenset()
    memory_limits: frozenset[float] = frozenset()
    dates: frozenset[date] = frozenset()
    style: str = ""
    """How input arrives: call or stdin; empty where it is not known."""
    one_answer: bool = True
    """No checker and no sentence of the statement allows several answers, and nobody who rewrote it made up examples."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for and against a pair."""

    cosine: float
    lexical: float
    signs: frozenset[Sign]
    cases: CaseComparison
    says_little: bool = False
    """One of the texts is so short that two problems may have it."""

    @property
    def tests_equal(self) -> bool | None:
        """Whether common inputs have the same outputs; ``None`` when nothing can be compared."""
        if self.cases.agreeing or self.cases.conflicting:
            return self.cases.conflicting == 0
        return False if self.signs & {Sign.OTHER_EXAMPLES, Sign.OTHER_TESTS} else None


def read_profiles(catalogue: Catalogue, cases: Mapping[str, Cases], wanted: Collection[str]) -> dict[str, Profile]:
    """Return the profile of each wanted content; ``cases`` are those of the tests, by problem."""
    return {
        content: read_profile(
            read_facts(catalogue.statement(content), catalogue.text(content)),
            [catalogue.entries[one] for one in catalogue.contents[content]],
            [cases[one] for one in catalogue.contents[content] if one in cases],
        )
        for content in wanted
    }


def read_profile(facts: Facts, entries: Sequence[Entry], tests: Sequence[Cases] = ()) -> Profile:
    """Gather what the problems with one statement say."""
    own = example_cases(facts.examples)
    return Profile(
        facts=facts,
        cases=cases_of((), own, *tests) if tests else own,
        origins=frozenset[str]().union(*(one.origins for one in entries)),
        sites=frozenset(one.site for one in entries if one.site),
        names=frozenset(name for one in entries for name in _names(one)),
        tags=frozenset(tag.casefold() for one in entries for tag in one.tags),
        time_limits=frozenset(one.time_limit_s for one in entries if one.time_limit_s),
        memory_limits=frozenset(one.memory_limit_mib for one in entries if one.memory_limit_mib),
        dates=frozenset(one.contest_date for one in entries if one.contest_date),
        style=facts.style or _style({one.io_mode for one in entries}),
        one_answer=not (facts.any_answer or facts.is_program)
        and all(one.checker in ONE_ANSWER and one.float_tolerance is None for one in entries),
    )


def _names(entry: Entry) -> Iterable[str]:
    if entry.title:
        yield _plain(_NUMBERED.sub("", normalise(entry.title)))
    if entry.site == "leetcode" and entry.native_id and not entry.native_id.isdigit():
        yield _plain(normalise(entry.native_id))


def _plain(name: str) -> str:
    return " ".join(_WORD.findall(name))


def _style(io_modes: Collection[str]) -> str:
    if set(io_modes) == {str(IoMode.FUNCTION)}:
        return "call"
    return "stdin" if set(io_modes) <= {str(IoMode.STDIN), str(IoMode.FILE)} else ""


def compare_profiles(left: Profile, right: Profile, *, cosine: float, lexical: float) -> Evidence:
    """Compare what two texts and the problems that have them say."""
    cases = _compare_answers(left, right)
    signs = frozenset(sign for sign, speaks in _signs(left, right, cases).items() if speaks)
    return Evidence(cosine, lexical, signs, cases, left.facts.says_little or right.facts.says_little)


def _compare_answers(left: Profile, right: Profile) -> CaseComparison:
    """Compare known answers; where two statements' examples differ in a leading size only, compare those."""
    found = compare_cases(left.cases, right.cases)
    if found.agreeing or found.conflicting or not (left.facts.examples and right.facts.examples):
        return found
    told = shared_examples(left.facts, right.facts)
    if not told.left and not told.conflicting:
        return found
    agreed = example_cases({given: left.facts.examples[given] for given in told.left}).rows
    return CaseComparison(
        agreeing=len(told.left),
        conflicting=told.conflicting,
        covers=len(told.left) == len(left.facts.examples) or len(told.right) == len(right.facts.examples),
        tokens=int(agreed["tokens"].sum()),
        bits=int(agreed["bits"].sum()),
    )


def _signs(left: Profile, right: Profile, cases: CaseComparison) -> dict[Sign, bool]:
    common = cases.agreeing + cases.conflicting
    comparable = not common and _comparable(left, right)
    return {
        Sign.SAME_ORIGIN: same_origin(left.origins, right.origins),
        Sign.OTHER_ORIGIN: other_origin(left.origins, right.origins),
        Sign.OTHER_VERSION: versions_differ(left.facts, right.facts)
        or parts_of_one(left.origins, right.origins)
        or parts_of_series(left.names, right.names),
        Sign.OTHER_ANSWERS: left.one_answer and right.one_answer and cases.conflicting > FEWEST_CONFLICTS * common,
        Sign.SAME_CASES: cases.covers and not cases.conflicting,
        Sign.OTHER_WORDS: cases.covers and few_other_words(left.facts.normal, right.facts.normal),
        Sign.SOME_CASES: cases.agreeing > 0 and not cases.covers,
        Sign.OTHER_EXAMPLES: comparable and left.cases.shown > 0 and right.cases.shown > 0,
        Sign.OTHER_TESTS: comparable and not (left.cases.shown and right.cases.shown),
        Sign.OTHER_BOUNDS: bounds_differ(left.facts, right.facts),
        Sign.OPPOSITE_QUESTION: opposite_asked(left.facts, right.facts),
        Sign.OTHER_TAGS: _apart(left.tags, right.tags),
        Sign.OTHER_TITLE: _apart(left.names, right.names),
        Sign.OTHER_TIME_LIMIT: _apart(left.time_limits, right.time_limits),
        Sign.OTHER_MEMORY_LIMIT: _apart(left.memory_limits, right.memory_limits),
        Sign.OTHER_INPUT_FORM: bool(left.style and right.style) and left.style != right.style,
        Sign.OTHER_SITE: _apart(left.sites, right.sites),
    }


def _comparable(left: Profile, right: Profile) -> bool:
    """Say whether one problem would show a common input: who rewrites a program invents new examples."""
    if not left.style or left.style != right.style or left.facts.is_program or right.facts.is_program:
        return False
    return left.cases.known > 0 and right.cases.known > 0


def _apart(left: Collection[object], right: Collection[object]) -> bool:
    return bool(left) and bool(right) and set(left).isdisjoint(right)
