"""The columns that APPS and TACO share: question, starter code, ``input_output`` and solutions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from ocr_pipeline.sources.blocks import accepted_python, test_block, tests_of
from ocr_pipeline.sources.examples import call_examples, stdin_examples
from ocr_pipeline.sources.input_output import ParsedTests, read_input_output
from ocr_pipeline.sources.json_solutions import read_solutions
from ocr_pipeline.sources.model import TestCase
from ocr_pipeline.sources.reading import Reading
from ocr_pipeline.sources.rules import Reason, Repair, RowDefect
from ocr_pipeline.sources.starter import function_name_in
from ocr_pipeline.sources.text import require_statement
from ocr_pipeline.tables import IoMode, TestKind

__all__ = ["Question", "read_question"]

MORE_WHITE_SPACE: Final = 64  # characters by which a test may be longer than the example it is


@dataclass(frozen=True, slots=True)
class Question:
    """What the shared columns say."""

    statement: str
    starter_code: str | None
    io_mode: IoMode
    function_name: str | None
    tests: pa.RecordBatch
    solutions: pa.RecordBatch
    identity: tuple[str, ...]


def read_question(row: Reading) -> Question:
    """Read the shared columns.

    Raises
    ------
    RowDefect
        With the reason, when the row cannot become a problem.
    """
    statement = row.text("question")
    starter = row.code("starter_code")
    solutions = read_solutions(row)
    parsed = _tests(row, starter, statement, solutions)
    require_statement(statement)
    return Question(
        statement=statement,
        starter_code=starter if starter.strip() else None,
        io_mode=parsed.io_mode,
        function_name=parsed.function_name,
        tests=_block(parsed, statement, row),
        solutions=accepted_python(solutions, row),
        identity=(statement, starter, str(row.get("input_output"))),
    )


def _tests(row: Reading, starter: str, statement: str, solutions: Sequence[str]) -> ParsedTests:
    """Read the tests; that there are none is noted, anything unreadable is a defect."""
    try:
        return read_input_output(row, starter, statement, solutions)
    except RowDefect as defect:
        if defect.rejection.reason is not Reason.NO_TESTS:
            raise
        mode = IoMode.FUNCTION if starter.strip() else IoMode.STDIN
        return ParsedTests(mode, function_name_in(starter), (), ())


def _block(parsed: ParsedTests, statement: str, row: Reading) -> pa.RecordBatch:
    shown = call_examples(statement) if parsed.io_mode is IoMode.FUNCTION else stdin_examples(statement)
    if parsed.inputs:
        return tests_of(_kinds(parsed, shown), parsed.inputs, parsed.expected, row)
    row.note(Repair.EXAMPLES_FROM_STATEMENT if shown else Repair.NO_TESTS)
    return test_block(shown, row)


def _kinds(parsed: ParsedTests, shown: Sequence[TestCase]) -> TestKind | pa.Array:
    """Call a test an example when the statement shows it, whatever the white space; the source does not say which are."""
    if not shown:
        return TestKind.PRIVATE
    known = {(_words(test.input), _words(test.expected)) for test in shown}
    longest = max(len(test.input) + len(test.expected) for test in shown) + MORE_WHITE_SPACE
    is_example = [
        len(given) + len(expected) <= longest and (_words(given), _words(expected)) in known
        for given, expected in zip(parsed.inputs, parsed.expected, strict=True)
    ]
    return pa.array([TestKind.EXAMPLE if each else TestKind.PRIVATE for each in is_example], pa.string())


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())
