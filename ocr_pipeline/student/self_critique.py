"""Critiques of a student's programs: the student, or another model, says which of them are right.

The critic reads the statement and the program, and is never told what any test said. All programs of a problem are read,
equal ones once. Critiques that were made elsewhere are joined by the id of the program.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from ocr_pipeline.answers.judgement import Judgement, read_judgement
from ocr_pipeline.errors import InputError
from ocr_pipeline.student.evaluation import FINAL_SAMPLINGS
from ocr_pipeline.student.rows import Task
from ocr_pipeline.tables import STUDENT_CANDIDATES, Language
from ocr_pipeline.tasks import CRITICIZED, CRITIQUE

if TYPE_CHECKING:
    from ocr_pipeline.student.generation import Sampling, Student

__all__ = ["joined_critiques", "with_critiques"]

UNNAMED: Final = "unnamed"
"""The critic of a file that does not say who it is."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What a critic says of a program."""

    critique: str | None
    judgement: str
    critic: str | None


def with_critiques(rows: pa.Table, statements: Mapping[str, str], critic: Student, sampling: Sampling) -> pa.Table:
    """Fill ``critique``, ``judgement`` and ``critic`` of every program that is handed in.

    A critique that was cut, or that ends in no judgement, has the judgement none.

    Raises
    ------
    InputError
        When a program is of a language that critics are not asked about; then nobody is asked.
    """
    asked = sorted(
        {_read(row) for row in rows.to_pylist() if row["sampling"] in FINAL_SAMPLINGS and row["code"].strip()}
    )
    unknown = sorted({language for _, language, _ in asked} - set(CRITICIZED))
    if unknown:
        raise InputError(
            f"critics are not asked about programs of language `{unknown[0]}`, only {', '.join(CRITICIZED)}; "
            "leave the critic or these programs out"
        )
    prompts = [
        CRITIQUE.fill(language=CRITICIZED[Language(language)], statement=statements[problem_id], code=code)
        for problem_id, language, code in asked
    ]
    answers = critic.complete(prompts, task=Task.CODE, n=1, sampling=sampling)
    found = {
        program: _Said(
            one.text, Judgement.NONE if one.finish_reason == "length" else read_judgement(one.text), critic.name
        )
        for program, [one] in zip(asked, answers, strict=True)
        if not one.failed
    }
    return _filled(
        rows,
        (found.get(_read(row)) if row["sampling"] in FINAL_SAMPLINGS else None for row in rows.to_pylist()),
    )


def joined_critiques(rows: pa.Table, critiques: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Fill them from rows of ``sample_id``, ``critique`` and ``judgement``, and ``model`` where it is known who said so.

    Programs without a critique keep what they have.

    Raises
    ------
    InputError
        When a judgement is another word than those of critiques, or no critique is of a program that is handed in.
    """
    given = [
        row for row in critiques if row["critique"] is not None and (row.get("kind") or CRITIQUE.name) == CRITIQUE.name
    ]
    unknown = [row for row in given if row["judgement"] not in {None, *Judgement}]
    if unknown:
        raise InputError(
            f"judgement `{unknown[0]['judgement']}` of the critique of `{unknown[0]['sample_id']}` is not one of "
            f"{', '.join(Judgement)}; write one of them"
        )
    found = {
        row["sample_id"]: _Said(
            row["critique"], Judgement(row["judgement"] or Judgement.NONE), row.get("model") or UNNAMED
        )
        for row in given
    }
    records = rows.to_pylist()
    handed_in = {row["sample_id"] for row in records if row["sampling"] in FINAL_SAMPLINGS}
    if not found.keys() & handed_in:
        raise InputError(
            f"none of {len(given):,} critiques has the sample_id of a program that is handed in; "
            "give critiques of these programs"
        )
    return _filled(
        rows, (found.get(row["sample_id"]) or _known(row) if row["sample_id"] in handed_in else None for row in records)
    )


def _known(row: Mapping[str, Any]) -> _Said | None:
    return _Said(row["critique"], row["judgement"], row["critic"]) if row["judgement"] else None


def _read(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["problem_id"], row["language"] or Language.PYTHON.value, row["code"]


def _filled(rows: pa.Table, found: Iterable[_Said | None]) -> pa.Table:
    said = list(found)
    for name in ("critique", "judgement", "critic"):
        position = STUDENT_CANDIDATES.schema.get_field_index(name)
        field = STUDENT_CANDIDATES.schema.field(position)
        column = [None if each is None else getattr(each, name) for each in said]
        rows = rows.set_column(position, field, pa.array(column, field.type))
    return rows
