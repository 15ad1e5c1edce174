"""Training rows in one form, from ``plan_sft_dataset`` or from ``sft_dataset``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import pyarrow as pa

from ocr_pipeline.tables import IoMode
from ocr_pipeline.tasks import code_prompt

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

    @property
    def is_usable(self) -> bool:
        """The statement is there, and so is something to learn."""
        return self.prompt.strip() not in {"", PLACEHOLDER} and bool(self.completion.strip())


def read_rows(
    batches: Iterable[pa.RecordBatch], prompts: Mapping[str, str] = MappingProxyType({})
) -> Iterator[TrainingRow]:
    """Read either table; it is told by its columns. The reasoning of ``sft_dataset`` stays in the completion.

    Parameters
    ----------
    batches
        Rows of ``plan_sft_dataset``, whose prompts are as they are, or of ``sft_dataset``.
    prompts
        What a student is asked about a problem, by problem id: it fills in statements that were withheld, and says
        how a program is called. Without it a row asks about its own ``input``, as a program over standard input.
    """
    for batch in batches:
        if "completion" in batch.schema.names:
            yield from (
                TrainingRow(
                    row["id"], Task(row["task"]), row["prompt"], row["completion"], row["problem_id"], row["weight"]
                )
                for row in batch.to_pylist()
            )
        else:
            wanted = batch.select(["sample_id", "input", "output", "problem_id"])
            yield from (
                TrainingRow(
                    row["sample_id"],
                    Task.CODE,
                    prompts.get(row["problem_id"]) or _prompt(row["input"]),
                    row["output"],
                    row["problem_id"],
                )
                for row in wanted.to_pylist()
            )


def _prompt(statement: str) -> str:
    """Ask in the words in which students are asked; a statement that is withheld stays what it is."""
    is_there = statement.strip() not in {"", PLACEHOLDER}
    return code_prompt(statement, io_mode=IoMode.STDIN) if is_there else statement
