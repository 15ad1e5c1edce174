"""MBPP: the full and the sanitized columns; lists may be Arrow lists or JSON texts."""

from __future__ import annotations

from typing import Final

from ocr_pipeline.sources.assertions import as_program, read_assertions
from ocr_pipeline.sources.blocks import solution_block, test_block
from ocr_pipeline.sources.model import Layout, RawProblem, SolutionText
from ocr_pipeline.sources.reading import Reading
from ocr_pipeline.sources.rules import Reason, Repair, RowDefect
from ocr_pipeline.sources.starter import function_name_in
from ocr_pipeline.sources.text import require_statement
from ocr_pipeline.sources.values import quoted
from ocr_pipeline.tables import IoMode

__all__ = ["LAYOUTS"]

TEST_COLUMNS: Final = ("test_list", "challenge_test_list")


def _read(row: Reading) -> RawProblem:
    statement = row.text("text") or row.text("prompt")
    require_statement(statement)
    code = row.code("code")
    lines = [line for column in TEST_COLUMNS for line in _lines(row.get(column), column, row)]
    before = _lines(row.get("test_imports"), "test_imports", row)
    before.append(row.program("test_setup_code") or "")
    setup = "".join(f"{line}\n" for line in before if line)
    names = [part.function_name for part in map(read_assertions, lines) if part.function_name]
    name = names[0] if names else function_name_in(code)
    asserted = [read_assertions(line, entry_point=name) for line in lines]
    tests = [test for part in asserted for test in part.tests]
    if name is not None and any(part.is_program for part in asserted):
        row.note(Repair.ASSERT_PROGRAM)
        tests = [as_program(setup + line, name) for line, part in zip(lines, asserted, strict=True) if part.tests]
    if any(not part.tests for part in asserted):
        row.note(Repair.UNREADABLE_CALL)
    if not tests:
        row.note(Repair.NO_TESTS)
    if not code.strip():
        row.note(Repair.NO_SOLUTIONS)
    return RawProblem(
        native_id=row.native_id("task_id"),
        identity=(statement, code),
        statement=statement,
        io_mode=IoMode.FUNCTION,
        function_name=name,
        tests=test_block(tests, row),
        solutions=solution_block([SolutionText(code)] if code.strip() else [], row),
    )


def _lines(value: object, column: str, row: Reading) -> list[str]:
    if isinstance(value, str):
        value = row.json(value, column) if value.strip() else []
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
        raise RowDefect(Reason.WRONG_TYPE, f"{column} is not a list of texts: {quoted(value)}")
    return [*value]


LAYOUTS: Final = (
    Layout("full columns", frozenset({"task_id", "text", "code", "test_list"}), "task_id", read=_read),
    Layout("sanitized columns", frozenset({"task_id", "prompt", "code", "test_list"}), "task_id", read=_read),
)
