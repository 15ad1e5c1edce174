"""What of a problem a student is told: when it is trained, and when it is asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from ocr_pipeline.store import rows_of
from ocr_pipeline.tables import Language
from ocr_pipeline.tasks import CODEPLAN, Wording, given_code

__all__ = ["AskedProblem", "read_problems"]


@dataclass(frozen=True, slots=True)
class AskedProblem:
    """What of a problem a student is told."""

    problem_id: str
    statement: str
    io_mode: str
    starter_code: str | None = None
    difficulty: str | None = None
    language: Language = Language.PYTHON
    wording: Wording = CODEPLAN
    budget: int | None = None
    """Most tokens of an answer; ``None``: the student's own limit."""

    def code_prompt(self, plan: str | None = None) -> str:
        """Ask for the program, with a plan to follow or without."""
        return self.wording.code(
            self.statement, io_mode=self.io_mode, starter_code=self.starter_code, plan=plan, language=self.language
        )

    @property
    def plan_prompt(self) -> str:
        """Ask for a plan."""
        return self.wording.plan(self.statement, io_mode=self.io_mode, starter_code=self.starter_code)


def read_problems(batches: Iterable[pa.RecordBatch]) -> list[AskedProblem]:
    """Read what students are told, sorted by problem."""
    wanted = ["problem_id", "statement", "io_mode", "starter_code", "function_name", "difficulty"]
    problems = [
        AskedProblem(
            row["problem_id"],
            row["statement"],
            row["io_mode"],
            given_code(row["statement"], row["starter_code"], row["function_name"]),
            row["difficulty"],
        )
        for row in rows_of(batches, wanted)
    ]
    return sorted(problems, key=lambda problem: problem.problem_id)
