"""The commands of the student: ``train``, ``evaluate``, and under ``student`` what works on students and their tables."""

from __future__ import annotations

import typer

from ocr_pipeline.student.command.choosing import budgets, select
from ocr_pipeline.student.command.evaluating import compare, evaluate, evaluate_student, score, summarize_candidates
from ocr_pipeline.student.command.exporting import edge, export
from ocr_pipeline.student.command.training import ablate, train, try_students

__all__ = ["evaluate", "student", "train"]

student = typer.Typer(help="Try students, compare them, hand their programs to other judges.", no_args_is_help=True)
for name, command in (
    ("try", try_students),
    ("evaluate", evaluate_student),
    ("ablate", ablate),
    ("summarize", summarize_candidates),
    ("select", select),
    ("budgets", budgets),
    ("edge", edge),
    ("compare", compare),
    ("score", score),
    ("export", export),
):
    student.command(name)(command)
