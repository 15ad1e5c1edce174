"""MBPP: the full and the sanitized columns; lists may be Arrow lists or JSON texts."""

from __future__ import annotations

from typing import Final

from ocr_pipeline.sources.assertions import as_program, read_assertions
from ocr_pipeline.sources.licenses import license_of
from ocr_pipeline.sources.model import Layout, RawProblem, Row, SolutionText, solution_block, test_block
from ocr_pipeline.sources.rules import Reason, Repair, RowDefect
from ocr_pipeline.sources.starter import function_name_in
from ocr_pipeline.sources.text import normal_code, require_statement
from ocr_pipeline.sources.values import clean_id, optional_code, parse_json, quoted, require_text
from ocr_pipeline.tables import IoMode

__all__ = ["LAYOUTS"]

TEST_COLUMNS: Final = ("test_list", "challenge_test_list")


def _read(row: Row) -> RawProblem:
    repairs: set[Repair] = set()
    statement = require_text(row.get("text") or row.get("prompt"), "text")
    require_statement(statement)
    code = normal_code(require_text(row.get("code"), "code"), repairs)
    lines = [line for column in TEST_COLUMNS for line in _lines(row.get(column), column, repairs)]
    before = _lines(row.get("test_imports"), "test_imports", repairs)
    before.append(optional_code(row.get("test_setup_code"), repairs) or "")
    setup = "".join(f"{line}\n" for line in before if line)
    names = [part.function_name for part in map(read_assertions, lines) if part.function_name]
    name = names[0] if names else function_name_in(code)
    asserted = [read_assertions(line, entry_point=name) for line in lines]
    tests = [test for part in asserted for test in part.tests]
    if name is not None and any(part.is_program for part in asserted):
        repairs.add(Repair.ASSERT_PROGRAM)
        tests = [as_program(setup + line, name) for line, part in zip(lines, asserted, strict=True) if part.tests]
    if any(not part.tests for part in asserted):
        repairs.add(Repair.UNREADABLE_CALL)
    if not tests:
        repairs.add(Repair.NO_TESTS)
    if not code.strip():
        repairs.add(Repair.NO_SOLUTIONS)
    return RawProblem(
        native_id=clean_id(row.get("task_id")),
        identity=(statement, code),
        statement=statement,
        license=license_of("mbpp"),
        io_mode=IoMode.FUNCTION,
        function_name=name,
        tests=test_block(tests, repairs),
        solutions=solution_block([SolutionText(code)] if code.strip() else [], repairs),
        repairs=frozenset(repairs),
    )


def _lines(value: object, column: str, repairs: set[Repair]) -> list[str]:
    if isinstance(value, str):
        value = parse_json(value, column, repairs) if value.strip() else []
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
        raise RowDefect(Reason.WRONG_TYPE, f"{column} is no list of texts: {quoted(value)}")
    return [*value]


LAYOUTS: Final = (
    Layout("full columns", frozenset({"task_id", "text", "code", "test_list"}), "task_id", read=_read),
    Layout("sanitized columns", frozenset({"task_id", "prompt", "code", "test_list"}), "task_id", read=_read),
)
