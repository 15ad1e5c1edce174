"""Scores of problems with subtasks, as the International Olympiad in Informatics counts them.

A submission earns, for each subtask, its points times the worst score of the subtask's tests; a problem's score is the
sum over subtasks of the best submission for each. Running the tests is the judge's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ocr_pipeline.errors import InputError

__all__ = ["Subtask", "problem_score", "submission_score"]


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
