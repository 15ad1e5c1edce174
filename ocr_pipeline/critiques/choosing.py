"""Which judged samples are asked about: of each problem as many right ones as wrong ones, drawn by a seed.

Only what the tests could decide is right or wrong; everything else has its reason. The draw depends on the ids and the seed alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from ocr_pipeline.answers.judgement import Judgement
from ocr_pipeline.critiques.options import CritiqueConfig, Kind
from ocr_pipeline.tables import ACCEPTED, NOT_RUN, PYTHONS, Language
from ocr_pipeline.tasks import CRITICIZED

__all__ = ["LANGUAGES", "Judged", "Verdict", "choose", "judged_of"]

LANGUAGES: Final[Mapping[str, str]] = dict.fromkeys(PYTHONS, CRITICIZED[Language.PYTHON]) | CRITICIZED
"""What a critic is asked about, in its words."""


class Verdict(StrEnum):
    """What became of a sample: kept, or why there is no critique of it that can be used."""

    KEPT = "kept"
    NOT_RUN = "not_run"
    NEEDS_CHECKER = "needs_checker"
    """Several outputs are right, and nothing could tell: it may not be wrong."""
    OTHER_LANGUAGE = "other_language"
    """No critic is asked about programs of that language."""
    TRUSTS_CANDIDATE = "trusts_candidate"
    """Its tests believed it more than its results: it may not be right."""
    DUPLICATE = "duplicate"
    NO_PROBLEM = "no_problem"
    NO_PROGRAM = "no_program"
    ONE_SIDED = "one_sided"
    """All samples of its problem are right, or all are wrong."""
    NOT_DRAWN = "not_drawn"
    NOT_FAILED = "not_failed"
    """There is no failure to explain."""
    NO_TEST_TO_SHOW = "no_test_to_show"
    """Every failed test is too long to show, or is not there any more."""
    TEACHER_ERROR = "teacher_error"
    UNCLOSED_REASONING = "unclosed_reasoning"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    UNREADABLE_JUDGEMENT = "unreadable_judgement"


@dataclass(frozen=True, slots=True, order=True)
class Judged:
    """One sample and what the tests said of it; sorts by problem."""

    problem_id: str
    sample_id: str
    language: str
    execution: str
    truth: Judgement
    """Right or wrong; none where the tests cannot tell, and then there is a reason."""
    reason: Verdict | None = None


def judged_of(row: Mapping[str, Any], *, duplicates: Collection[str], known: Collection[str]) -> Judged:
    """Read a row of ``executions``.

    Parameters
    ----------
    duplicates
        Samples whose code an earlier one has.
    known
        Problems whose statements are there.
    """
    truth = Judgement.RIGHT if row["verdict"] == ACCEPTED else Judgement.WRONG
    reason = None
    if row["verdict"] == NOT_RUN:
        reason = Verdict.NOT_RUN
    elif row["language"] not in LANGUAGES:
        reason = Verdict.OTHER_LANGUAGE
    elif row["sample_id"] in duplicates:
        reason = Verdict.DUPLICATE
    elif row["problem_id"] not in known:
        reason = Verdict.NO_PROBLEM
    elif truth is Judgement.WRONG and row["needs_checker"]:
        reason = Verdict.NEEDS_CHECKER
    elif truth is Judgement.RIGHT and row["trusts_candidate"]:
        reason = Verdict.TRUSTS_CANDIDATE
    return Judged(
        row["problem_id"],
        row["sample_id"],
        row["language"],
        row["verdict"],
        Judgement.NONE if reason else truth,
        reason,
    )


def choose(judged: Iterable[Judged], config: CritiqueConfig) -> dict[tuple[str, Kind], Verdict | None]:
    """Say for each sample and kind why it is not asked about; ``None``: it is."""
    groups: dict[tuple[str, str], list[Judged]] = {}
    for each in judged:
        groups.setdefault((each.problem_id, each.language), []).append(each)
    return {
        (each.sample_id, kind): each.reason or _reason(kind, each, sides)
        for group in groups.values()
        for sides in [_drawn(group, config)]
        for each in group
        for kind in config.kinds.each
    }


@dataclass(frozen=True, slots=True)
class _Sides:
    """The samples of one problem in the order of their lots."""

    right: tuple[str, ...]
    wrong: tuple[str, ...]
    most: int

    @property
    def pairs(self) -> int:
        """How many of each side are reviewed."""
        return min(len(self.right), len(self.wrong), self.most)


def _drawn(group: Iterable[Judged], config: CritiqueConfig) -> _Sides:
    def lot(each: Judged) -> str:
        return hashlib.sha256(f"{config.draw_seed}/{each.sample_id}".encode()).hexdigest()

    lots = sorted(group, key=lot)
    right, wrong = (
        tuple(each.sample_id for each in lots if each.truth is truth) for truth in (Judgement.RIGHT, Judgement.WRONG)
    )
    return _Sides(right, wrong, config.per_problem)


def _reason(kind: Kind, each: Judged, sides: _Sides) -> Verdict | None:
    if kind is Kind.EXPLAIN:
        if each.truth is Judgement.RIGHT:
            return Verdict.NOT_FAILED
        return None if each.sample_id in sides.wrong[: sides.most] else Verdict.NOT_DRAWN
    if not sides.pairs:
        return Verdict.ONE_SIDED
    drawn = (*sides.right[: sides.pairs], *sides.wrong[: sides.pairs])
    return None if each.sample_id in drawn else Verdict.NOT_DRAWN
