"""LeetCodeDataset: function problems with tests as ``name = value`` texts and a solution each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ocr_pipeline.sources.blocks import solution_block, test_block
from ocr_pipeline.sources.calls import call_arguments, call_value
from ocr_pipeline.sources.examples import call_examples
from ocr_pipeline.sources.model import Layout, RawProblem, SolutionText, TestCase
from ocr_pipeline.sources.reading import Reading
from ocr_pipeline.sources.returns import Shape, shape_returned
from ocr_pipeline.sources.rules import Reason, Repair, RowDefect
from ocr_pipeline.sources.starter import function_name_in
from ocr_pipeline.sources.text import require_statement
from ocr_pipeline.sources.values import (
    Json,
    json_text,
    quoted,
)
from ocr_pipeline.tables import IoMode, TestKind

__all__ = ["LAYOUTS"]


def _read(row: Reading) -> RawProblem:
    statement = row.text("problem_description")
    starter = row.code("starter_code")
    code = row.code("completion")
    entry = row.line("entry_point")
    function_name = entry.rsplit(".", 1)[-1] if entry else function_name_in(starter)
    tests = _tests(row, function_name, code)
    require_statement(statement)
    if not tests:
        tests = list(call_examples(statement))
        row.note(Repair.EXAMPLES_FROM_STATEMENT if tests else Repair.NO_TESTS)
    if not code.strip():
        row.note(Repair.NO_SOLUTIONS)
    return RawProblem(
        native_id=row.native_id("task_id", "question_id"),
        identity=(statement,),
        statement=statement,
        io_mode=IoMode.FUNCTION,
        site="leetcode",
        starter_code=starter if starter.strip() else None,
        function_name=function_name,
        difficulty=row.line("difficulty"),
        tags=row.names("tags"),
        contest_date=row.day("estimated_date"),
        tests=test_block(tests, row),
        solutions=solution_block([SolutionText(code)] if code.strip() else [], row),
    )


def _tests(row: Reading, function_name: str | None, code: str) -> list[TestCase]:
    value = row.get("input_output")
    if isinstance(value, str):
        value = row.json(value, "input_output") if value.strip() else None
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise RowDefect(Reason.WRONG_TYPE, f"input_output is not a list of inputs and outputs: {quoted(value)}")
    calls = [call for item in value if (call := _call(row.inside(item))) is not None]
    values = [value for _, value in calls]
    is_listed = values and all(isinstance(value, list) and len(value) == 1 for value in values)
    if is_listed and _returns_scalar(code, function_name):
        row.note(Repair.UNWRAPPED_EXPECTED)
        values = [value[0] for value in values if isinstance(value, list)]
    return [
        TestCase(arguments, json_text(expected, "output"), TestKind.PRIVATE)
        for (arguments, _), expected in zip(calls, values, strict=True)
    ]


def _call(item: Reading) -> tuple[str, Json] | None:
    """Return arguments as JSON and the expected value of a test; a text that is neither is noted."""
    try:
        arguments = json_text(call_arguments(item.text("input")), "input")
        value = call_value(item.text("output"))
        json_text(value, "output")  # what JSON cannot hold is not an expected value
    except RowDefect:
        item.note(Repair.UNREADABLE_CALL)
        return None
    return arguments, value


def _returns_scalar(code: str, function_name: str | None) -> bool:
    return bool(function_name) and shape_returned([code], function_name or "") is Shape.SCALAR


LAYOUTS: Final = (
    Layout("hub columns", frozenset({"task_id", "problem_description", "input_output"}), "task_id", read=_read),
)
