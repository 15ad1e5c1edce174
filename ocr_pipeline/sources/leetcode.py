"""LeetCodeDataset: function problems with tests as ``name = value`` texts and a solution each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ocr_pipeline.sources.examples import call_arguments, call_examples, call_value
from ocr_pipeline.sources.licenses import license_of
from ocr_pipeline.sources.model import Layout, RawProblem, Row, SolutionText, TestCase, solution_block, test_block
from ocr_pipeline.sources.rules import Reason, Repair, RowDefect
from ocr_pipeline.sources.starter import function_name_in
from ocr_pipeline.sources.text import normal_code, require_statement
from ocr_pipeline.sources.values import (
    clean_id,
    date_of,
    json_text,
    literal_names,
    optional_text,
    parse_json,
    quoted,
    require_text,
)
from ocr_pipeline.tables import IoMode, TestKind

__all__ = ["LAYOUTS"]


def _read(row: Row) -> RawProblem:
    repairs: set[Repair] = set()
    statement = require_text(row.get("problem_description"), "problem_description")
    tests = _tests(row.get("input_output"), repairs)
    require_statement(statement)
    if not tests:
        tests = list(call_examples(statement))
        repairs.add(Repair.EXAMPLES_FROM_STATEMENT if tests else Repair.NO_TESTS)
    starter = normal_code(require_text(row.get("starter_code"), "starter_code"), repairs)
    code = normal_code(require_text(row.get("completion"), "completion"), repairs)
    if not code.strip():
        repairs.add(Repair.NO_SOLUTIONS)
    entry = optional_text(row.get("entry_point"), repairs)
    return RawProblem(
        native_id=clean_id(row.get("task_id")) or clean_id(row.get("question_id")),
        identity=(statement,),
        statement=statement,
        license=license_of("leetcode"),
        io_mode=IoMode.FUNCTION,
        site="leetcode",
        starter_code=starter if starter.strip() else None,
        function_name=entry.rsplit(".", 1)[-1] if entry else function_name_in(starter),
        difficulty=optional_text(row.get("difficulty"), repairs),
        tags=literal_names(row.get("tags"), repairs),
        contest_date=date_of(row.get("estimated_date"), repairs),
        tests=test_block(tests, repairs),
        solutions=solution_block([SolutionText(code)] if code.strip() else [], repairs),
        repairs=frozenset(repairs),
    )


def _tests(value: object, repairs: set[Repair]) -> list[TestCase]:
    if isinstance(value, str):
        value = parse_json(value, "input_output", repairs) if value.strip() else None
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise RowDefect(Reason.WRONG_TYPE, f"input_output is no list of inputs and outputs: {quoted(value)}")
    tests = []
    for item in value:
        try:
            given, expected = require_text(item.get("input"), "input"), require_text(item.get("output"), "output")
            arguments = json_text(call_arguments(given), "input")
            tests.append(TestCase(arguments, call_value(expected), TestKind.PRIVATE))
        except RowDefect:
            repairs.add(Repair.UNREADABLE_CALL)
    return tests


LAYOUTS: Final = (
    Layout("hub columns", frozenset({"task_id", "problem_description", "input_output"}), "task_id", read=_read),
)
