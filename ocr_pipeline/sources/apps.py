"""APPS: the columns of the hub, the original folders, and a table that holds ``input_output`` alone.

A folder is read into the hub's columns by :mod:`ocr_pipeline.sources.folders`, so both forms give the same tables.
"""

from __future__ import annotations

from typing import Final

from ocr_pipeline.sources.licenses import license_of
from ocr_pipeline.sources.model import Layout, RawProblem, Row
from ocr_pipeline.sources.question import read_question
from ocr_pipeline.sources.rules import Repair
from ocr_pipeline.sources.sites import site_of
from ocr_pipeline.sources.values import clean_id, optional_text

__all__ = ["LAYOUTS"]


def _read(row: Row) -> RawProblem:
    repairs: set[Repair] = set()
    question = read_question(row, repairs)
    url = optional_text(row.get("url"), repairs)
    difficulty = optional_text(row.get("difficulty"), repairs)
    return RawProblem(
        native_id=clean_id(row.get("problem_id")) or clean_id(row.get("id")),
        identity=question.identity,
        statement=question.statement,
        license=license_of("apps"),
        io_mode=question.io_mode,
        site=site_of(url),
        url=url,
        starter_code=question.starter_code,
        function_name=question.function_name,
        difficulty=difficulty,
        tests=question.tests,
        solutions=question.solutions,
        repairs=frozenset(repairs),
    )


def _read_tests_only(row: Row) -> RawProblem:
    return _read({"problem_id": row.get("apps_test_id"), "input_output": row.get("input_output")})


LAYOUTS: Final = (
    Layout(
        "hub columns or folders",
        frozenset({"problem_id", "question", "solutions", "input_output"}),
        "problem_id",
        read=_read,
    ),
    Layout("hub lines", frozenset({"id", "question", "solutions", "input_output"}), "id", read=_read),
    Layout("tests alone", frozenset({"apps_test_id", "input_output"}), "apps_test_id", read=_read_tests_only),
)
