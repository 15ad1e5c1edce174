"""Scores of problems with subtasks, as the International Olympiad in Informatics counts them.

A submission earns, for each subtask, its points times the worst score of the subtask's tests; a problem's score is the
sum over subtasks of the best submission for each. Running the tests is the judge's business.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from ocr_pipeline.errors import InputError
from ocr_pipeline.tables import ACCEPTED, NOT_RUN

__all__ = [
    "Grader",
    "ProblemScore",
    "Subtask",
    "problem_score",
    "read_graders",
    "read_subtasks",
    "score_executions",
    "submission_score",
]


@dataclass(frozen=True, slots=True)
class Subtask:
    """Some tests of a problem and what passing all of them is worth."""

    name: str
    points: float
    test_ids: tuple[str, ...]
    decimals: int = 2

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


def read_subtasks(path: Path) -> dict[str, list[Subtask]]:
    """Read a JSONL file of subtasks: ``problem_id``, ``name``, ``points``, ``test_ids``, and ``decimals`` (2).

    Raises
    ------
    InputError
        When a line is not a subtask.
    """
    found: dict[str, list[Subtask]] = defaultdict(list)
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            test_ids = tuple(map(str, row["test_ids"]))
            subtask = Subtask(str(row["name"]), float(row["points"]), test_ids, int(row.get("decimals", 2)))
            found[str(row["problem_id"])].append(subtask)
        except (ValueError, KeyError, TypeError) as error:
            message = f"{path}:{number} is not a subtask ({error!r}); it needs problem_id, name, points and test_ids"
            raise InputError(message) from None
    return dict(found)


@dataclass(frozen=True, slots=True)
class Grader:
    """What calls the functions of a program that has no `main`."""

    before: str
    """Stands before the program: headers, the grader, `main`."""
    headers: tuple[str, ...]

    def linked(self, code: str) -> str:
        """Return grader and program as one program; what students forget (``std::``) is said as open-r1's scoring does."""
        names = "|".join(map(re.escape, self.headers))
        own = (
            re.sub(rf'^[ \t]*#[ \t]*include[ \t]*"(?:{names})"[^\n]*$', "", code, flags=re.MULTILINE) if names else code
        )
        spoken = "" if "std::" in code or "using namespace std;" in code else "using namespace std;\n"
        return f'{self.before}{spoken}#line 1 "answer.cpp"\n{own}'


def read_graders(path: Path) -> dict[str, Grader]:
    """Read a JSONL file of graders: ``problem_id``, ``before``, ``headers``.

    Raises
    ------
    InputError
        When a line is not a grader.
    """
    found: dict[str, Grader] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            found[str(row["problem_id"])] = Grader(str(row["before"]), tuple(map(str, row["headers"])))
        except (ValueError, KeyError, TypeError) as error:
            message = f"{path}:{number} is not a grader ({error!r}); it needs problem_id, before and headers"
            raise InputError(message) from None
    return found


def score_executions(
    executions: Iterable[pa.RecordBatch], subtasks: Mapping[str, Sequence[Subtask]]
) -> list[ProblemScore]:
    """Score every problem that has subtasks from its judged submissions; a test that was not reached counts 0."""
    submissions: dict[str, list[dict[str, float]]] = {problem_id: [] for problem_id in subtasks}
    not_run: Counter[str] = Counter()
    for batch in executions:
        for row in batch.select(["problem_id", "verdict", "results"]).to_pylist():
            if row["problem_id"] not in subtasks:
                continue
            if row["verdict"] == NOT_RUN:
                not_run[row["problem_id"]] += 1
                continue
            scores = {result["test_id"]: float(result["verdict"] == ACCEPTED) for result in row["results"] or ()}
            submissions[row["problem_id"]].append(scores)
    return [
        _scored(problem_id, subtasks[problem_id], submissions[problem_id], not_run[problem_id])
        for problem_id in sorted(subtasks)
    ]


def _scored(
    problem_id: str, subtasks: Sequence[Subtask], submissions: Sequence[Mapping[str, float]], not_run: int
) -> ProblemScore:
    points = sum(subtask.points for subtask in subtasks)
    if not submissions:
        return ProblemScore(problem_id, None, None, points, 0, not_run)
    best = max(submission_score(subtasks, scores) for scores in submissions)
    return ProblemScore(problem_id, problem_score(subtasks, submissions), best, points, len(submissions), not_run)
