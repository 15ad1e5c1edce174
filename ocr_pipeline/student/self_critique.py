"""Critiques of a student's programs: the student, or another model, says which of them are right.

The critic reads the statement and the program, and is never told what any test said. All programs of a problem are read,
equal ones once. Critiques that were made elsewhere are joined by the id of the program.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from ocr_pipeline.answers.judgement import Judgement, read_judgement
from ocr_pipeline.student.rows import Task
from ocr_pipeline.tables import STUDENT_CANDIDATES, Language
from ocr_pipeline.tasks import CRITICIZED, CRITIQUE

if TYPE_CHECKING:
    from ocr_pipeline.student.generation import Sampling, Student

__all__ = ["FINAL_SAMPLINGS", "joined_critiques", "with_critiques"]

FINAL_SAMPLINGS: Final = frozenset({"direct", "plan_sampling", "chain_of_thought"})
"""What is handed in; a program that only tried a plan is not."""


def with_critiques(rows: pa.Table, statements: Mapping[str, str], critic: Student, sampling: Sampling) -> pa.Table:
    """Fill ``critique`` and ``judgement`` of every program that is handed in.

    A critique that was cut, or that ends in no judgement, has the judgement none.
    """
    asked = sorted(
        {_read(row) for row in rows.to_pylist() if row["sampling"] in FINAL_SAMPLINGS and row["code"].strip()}
    )
    prompts = [
        CRITIQUE.fill(language=CRITICIZED[Language(language)], statement=statements[problem_id], code=code)
        for problem_id, language, code in asked
    ]
    answers = critic.complete(prompts, task=Task.CODE, n=1, sampling=sampling)
    found = {
        program: (one.text, Judgement.NONE if one.finish_reason == "length" else read_judgement(one.text))
        for program, [one] in zip(asked, answers, strict=True)
        if not one.failed
    }
    return _filled(
        rows,
        (found.get(_read(row)) if row["sampling"] in FINAL_SAMPLINGS else None for row in rows.to_pylist()),
    )


def joined_critiques(rows: pa.Table, critiques: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Fill them from rows of ``sample_id``, ``critique`` and ``judgement``; programs without one keep what they have."""
    found = {
        row["sample_id"]: (row["critique"], row["judgement"])
        for row in critiques
        if row["critique"] is not None and (row.get("kind") or CRITIQUE.name) == CRITIQUE.name
    }
    return _filled(
        rows,
        (
            found.get(row["sample_id"], (row["critique"], row["judgement"]) if row["judgement"] else None)
            for row in rows.to_pylist()
        ),
    )


def _read(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["problem_id"], row["language"] or Language.PYTHON.value, row["code"]


def _filled(rows: pa.Table, found: Iterable[tuple[str, str] | None]) -> pa.Table:
    pairs = list(found)
    for number, name in enumerate(("critique", "judgement")):
        position = STUDENT_CANDIDATES.schema.get_field_index(name)
        field = STUDENT_CANDIDATES.schema.field(position)
        column = [None if pair is None else str(pair[number]) for pair in pairs]
        rows = rows.set_column(position, field, pa.array(column, field.type))
    return rows
