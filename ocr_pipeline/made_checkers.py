"""Checkers that the teacher wrote, put where the judge looks for the source's own.

Tests that were made with such a checker say nothing without it: another right output would fail them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import pyarrow as pa

from ocr_pipeline.store import rows_of
from ocr_pipeline.tables import Checker, CheckerProtocol, Language

__all__ = ["decides_by_model", "with_made_checkers"]

GIVEN: Final = {"checker_language": Language.PYTHON.value, "checker_protocol": CheckerProtocol.MADE.value}


def with_made_checkers(
    problems: Iterable[pa.RecordBatch], programs: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Yield problems with the checker that was written for them, where several outputs are right and the source has none.

    ``programs`` are rows of ``test_programs``; only checkers that were used count.
    """
    codes = {
        row["problem_id"]: row["code"]
        for row in rows_of(programs, ["problem_id", "role", "code", "verdict"])
        if (row["role"], row["verdict"]) == ("checker", "used")
    }
    for batch in problems:
        yield _with_checkers(batch, codes) if codes and "checker" in batch.schema.names else batch


def decides_by_model(problem: Mapping[str, Any]) -> bool:
    """Say whether a problem's checker was written by a model, so that verdicts of the source's tests do not rest on it."""
    return problem.get("checker_protocol") == CheckerProtocol.MADE


def _with_checkers(batch: pa.RecordBatch, codes: dict[str, str]) -> pa.RecordBatch:
    rows = [
        row | GIVEN | {"checker_code": codes[row["problem_id"]]}
        if row["checker"] == Checker.SPECIAL and not row.get("checker_code") and row["problem_id"] in codes
        else row
        for row in batch.to_pylist()
    ]
    missing = [name for name in (*GIVEN, "checker_code") if name not in batch.schema.names]
    schema = pa.schema([*batch.schema, *(pa.field(name, pa.large_string()) for name in missing)])
    return pa.RecordBatch.from_pylist(rows, schema=schema)
