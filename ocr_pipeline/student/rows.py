"""Training rows in one form, from ``plan_sft_dataset`` or from ``sft_dataset``.

A row knows its language and the words in which it asks, so that the student is asked in the same ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import pyarrow as pa

from ocr_pipeline.student.problems import AskedProblem
from ocr_pipeline.tables import IoMode, Language
from ocr_pipeline.tasks import CODEPLAN, Wording

__all__ = ["Task", "TrainingRow", "read_rows"]

PLACEHOLDER: Final = "-"
"""Stands for a statement that its licence forbids to copy."""


class Task(StrEnum):
    """What a row teaches."""

    CODE = "code"
    PLAN = "plan"


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One prompt and the completion that is learned; the prompt is never part of the loss."""

    row_id: str
    task: Task
    prompt: str
    completion: str
    problem_id: str
    weight: float = 1.0
    language: Language | None = None
    """Of the program; a plan is of none."""
    words: str | None = None
    """Hash of the wording that it asks in, where somebody wrote it down."""

    @property
    def is_usable(self) -> bool:
        """The statement is there, and so is something to learn."""
        return self.prompt.strip() not in {"", PLACEHOLDER} and bool(self.completion.strip())


def read_rows(
    batches: Iterable[pa.RecordBatch],
    problems: Mapping[str, AskedProblem] = MappingProxyType({}),
    *,
    wording: Wording = CODEPLAN,
    languages: Collection[Language] = (),
) -> Iterator[TrainingRow]:
    """Read either table; it is told by its columns. The reasoning of ``sft_dataset`` stays in the completion.

    Parameters
    ----------
    batches
        Rows of ``plan_sft_dataset``, whose prompts are as they are, or of ``sft_dataset``.
    problems
        What is told of a problem, by problem id: it fills in statements that were withheld, and says how a program is
        called. Without it a row asks about its own ``input``, as a program over standard input.
    wording
        The words in which rows of ``sft_dataset`` ask.
    languages
        Only programs in these; plans are of no language and stay. Empty: all.
    """
    for batch in batches:
        read = _as_they_are if "completion" in batch.schema.names else _asked
        for row in batch.to_pylist():
            found = read(row, problems, wording)
            if not languages or found.language is None or found.language in languages:
                yield found


def _as_they_are(row: Mapping[str, Any], problems: Mapping[str, AskedProblem], wording: Wording) -> TrainingRow:
    del problems, wording
    return TrainingRow(
        row["id"],
        Task(row["task"]),
        row["prompt"],
        row["completion"],
        row["problem_id"],
        row["weight"],
        Language(row["language"]) if row.get("language") else None,
        row.get("prompt_sha256"),
    )


def _asked(row: Mapping[str, Any], problems: Mapping[str, AskedProblem], wording: Wording) -> TrainingRow:
    language = Language(row.get("language") or Language.PYTHON)
    problem = problems.get(row["problem_id"]) or AskedProblem(row["problem_id"], row["input"], IoMode.STDIN)
    is_there = problem.statement.strip() not in {"", PLACEHOLDER}
    prompt = replace(problem, language=language, wording=wording).code_prompt() if is_there else problem.statement
    return TrainingRow(
        row["sample_id"],
        Task.CODE,
        prompt,
        row["output"],
        row["problem_id"],
        language=language,
        words=wording.sha256,
    )
