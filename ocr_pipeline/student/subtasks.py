"""Scores of problems with subtasks, as the International Olympiad in Informatics counts them.

A submission earns, for each subtask, its points times the worst score of the subtask's tests; a problem's score is the
sum over subtasks of the best submission for each. Running the tests is the judge's business.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ocr_pipeline.errors import InputError
from ocr_pipeline.including import includes, with_included
from ocr_pipeline.judge.verdicts import Reason
from ocr_pipeline.options import what_is_wrong
from ocr_pipeline.tables import ACCEPTED, NOT_RUN

__all__ = [
    "GraderFiles",
    "ProblemScore",
    "Subtask",
    "problem_score",
    "read_graders",
    "read_subtasks",
    "require_tests",
    "score_executions",
    "scores_apart",
    "submission_score",
]


Scores: TypeAlias = Mapping[str, float]
"""By test, from 0 to 1."""
DECIMALS: Final = 2
"""Where a subtask names none."""
SCORED: Final = ("sample_id", "problem_id", "language", "verdict", "results", "reason")
STANDARD: Final = "#include <bits/stdc++.h>\n#define EVAL\n"


Line = TypeVar("Line", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Subtask:
    """Some tests of a problem and what passing all of them is worth."""

    name: str
    points: float
    test_ids: tuple[str, ...]
    decimals: int = DECIMALS

    def score(self, test_scores: Mapping[str, float]) -> float:
        """Return the points of one submission; ``test_scores`` are 0 to 1, and a test that was not reached is 0.

        Raises
        ------
        InputError
            When the subtask has no test, or a score is outside 0 to 1.
        """
        if not self.test_ids:
            raise InputError(f"subtask `{self.name}` has no tests; a subtask without tests cannot be scored")
        scores = [test_scores.get(test_id, 0.0) for test_id in self.test_ids]
        if not all(0 <= score <= 1 for score in scores):
            raise InputError(f"subtask `{self.name}` has test scores {scores}; give values between 0 and 1")
        return round(min(scores) * self.points, self.decimals)


def submission_score(subtasks: Sequence[Subtask], test_scores: Mapping[str, float]) -> float:
    """Return the points of one submission on its own."""
    return sum(subtask.score(test_scores) for subtask in subtasks)


def problem_score(subtasks: Sequence[Subtask], submissions: Sequence[Mapping[str, float]]) -> float:
    """Return the points of a problem: each subtask counts for the best submission, 0 without any."""
    return sum(max((subtask.score(scores) for scores in submissions), default=0.0) for subtask in subtasks)


@dataclass(frozen=True, slots=True)
class ProblemScore:
    """What a student's submissions for a problem are worth."""

    problem_id: str
    score: float | None
    """Each subtask of the best submission for it; ``None`` when none could be judged."""
    best_single: float | None
    """The best submission on its own."""
    points: float
    """What the problem is worth."""
    submissions: int
    not_run: int
    """Submissions that could not be judged; left out."""


@dataclass(frozen=True, slots=True)
class GraderFiles:
    """What calls the functions of a program that has no `main`, and the headers that the program includes."""

    code: str
    names: tuple[str, ...]
    """What the headers promise."""
    headers: Mapping[str, str]
    shown: tuple[str, ...]
    """Headers of every program, whether it includes them or not."""

    def program(self, code: str) -> str:
        """Return a program with its headers; what students forget (``std::``) is said as open-r1's scoring does."""
        forgotten = [name for name in self.shown if not includes(code, name)]
        before = with_included("".join(f'#include "{name}"\n' for name in forgotten), self.headers)
        spoken = "" if "std::" in code or "using namespace std;" in code else "using namespace std;\n"
        return f'{STANDARD}{before}{spoken}#line 1 "answer.cpp"\n{with_included(code, self.headers)}'


class _SubtaskLine(BaseModel):
    """A line of ``subtasks.jsonl``."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    problem_id: str
    name: str
    points: float = Field(ge=0, allow_inf_nan=False)
    test_ids: tuple[str, ...] = Field(min_length=1)
    decimals: int | None = None


class _GraderLine(BaseModel):
    """A line of ``graders.jsonl``."""

    problem_id: str
    code: str = Field(min_length=1)
    names: tuple[str, ...]
    headers: dict[str, str]
    shown: tuple[str, ...]


def read_subtasks(path: Path) -> dict[str, list[Subtask]]:
    """Read a JSONL file of subtasks: ``problem_id``, ``name``, ``points``, ``test_ids``, and ``decimals`` (2).

    Raises
    ------
    InputError
        When the file cannot be read, a line is not a subtask or a subtask is there twice.
    """
    found: dict[str, list[Subtask]] = defaultdict(list)
    for number, line in _lines(path, _SubtaskLine, "a subtask"):
        decimals = DECIMALS if line.decimals is None else line.decimals
        if line.name in {each.name for each in found[line.problem_id]}:
            raise InputError(f"{path}:{number}: `{line.problem_id}` has two subtasks `{line.name}`; leave one")
        found[line.problem_id].append(Subtask(line.name, line.points, line.test_ids, decimals))
    if not found:
        raise InputError(f"`{path}` holds no subtasks")
    return dict(found)


def require_tests(subtasks: Mapping[str, Sequence[Subtask]], tests: pa.Table) -> None:
    """Make sure, before anybody is asked, that the subtasks of the problems at hand speak of their tests.

    Raises
    ------
    InputError
        When a test is not there, or no problem has subtasks.
    """
    known: dict[str, set[str]] = defaultdict(set)
    for problem_id, test_id in zip(tests["problem_id"].to_pylist(), tests["test_id"].to_pylist(), strict=True):
        known[problem_id].add(test_id)
    if not known.keys() & subtasks.keys():
        raise InputError(f"no problem at hand has subtasks; those given are of `{min(subtasks)}` and others")
    for problem_id in sorted(known.keys() & subtasks.keys()):
        for each in subtasks[problem_id]:
            missing = set(each.test_ids) - known[problem_id]
            if missing:
                raise InputError(
                    f"subtask `{each.name}` of `{problem_id}` has a test `{min(missing)}` that is not there"
                )


def read_graders(path: Path) -> dict[str, GraderFiles]:
    """Read the JSONL file of graders that ``ingest-ioi`` writes.

    Raises
    ------
    InputError
        When the file cannot be read or a line is not a grader.
    """
    return {
        line.problem_id: GraderFiles(line.code, line.names, line.headers, line.shown)
        for _, line in _lines(path, _GraderLine, "a grader")
    }


def _lines(path: Path, model: type[Line], what: str) -> Iterator[tuple[int, Line]]:
    """Yield number and content of the lines that are not empty."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"`{path}` cannot be read: {error}; give a JSONL file") from None
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield number, model.model_validate(json.loads(line))
        except ValidationError as error:
            why = what_is_wrong(error)
        except (ValueError, RecursionError) as error:
            why = str(error)
        else:
            continue
        needed = ", ".join(name for name, each in model.model_fields.items() if each.is_required())
        raise InputError(f"{path}:{number} is not {what}: {why}; it needs {needed}")


def score_executions(
    executions: Iterable[pa.RecordBatch], subtasks: Mapping[str, Sequence[Subtask]]
) -> list[ProblemScore]:
    """Score every problem that has subtasks from the submissions of one student; a test that was not reached counts 0.

    A submission without a program is worth 0.
    """
    return scores_apart(executions, subtasks, lambda _: "")[""]


def scores_apart(
    executions: Iterable[pa.RecordBatch],
    subtasks: Mapping[str, Sequence[Subtask]],
    group_of: Callable[[Mapping[str, Any]], str | None],
) -> dict[str, list[ProblemScore]]:
    """Score submissions group by group: the best of two languages, or ways of sampling, is of more tries than one has.

    ``group_of`` names the group of a row of ``sample_id``, ``problem_id``, ``language``, ``verdict``, ``results`` and ``reason``;
    what it gives none does not count. Without any submission there is one group, named with an empty text.
    """
    submissions: dict[str, dict[str, list[Scores | None]]] = defaultdict(lambda: defaultdict(list))
    for batch in executions:
        names = [name for name in SCORED if name in batch.schema.names]
        for row in batch.select(names).to_pylist():
            group = group_of(row)
            if row["problem_id"] in subtasks and group is not None:
                submissions[group][row["problem_id"]].append(_test_scores(row))
    return {
        group: [_scored(problem_id, subtasks[problem_id], found[problem_id]) for problem_id in sorted(subtasks)]
        for group, found in sorted((submissions or {"": defaultdict(list)}).items())
    }


def _test_scores(row: Mapping[str, Any]) -> Scores | None:
    """Return what a submission got for each test; ``None`` when nobody could judge it."""
    if row["verdict"] == NOT_RUN and row.get("reason") != Reason.NO_CODE:
        return None
    return {result["test_id"]: float(result["verdict"] == ACCEPTED) for result in row["results"] or ()}


def _scored(problem_id: str, subtasks: Sequence[Subtask], submissions: Sequence[Scores | None]) -> ProblemScore:
    points = sum(subtask.points for subtask in subtasks)
    judged = [scores for scores in submissions if scores is not None]
    not_run = len(submissions) - len(judged)
    if not judged:
        return ProblemScore(problem_id, None, None, points, 0, not_run)
    best = max(submission_score(subtasks, scores) for scores in judged)
    return ProblemScore(problem_id, problem_score(subtasks, judged), best, points, len(judged), not_run)
