"""The columns that APPS and TACO share: question, starter code, ``input_output`` and solutions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from ocr_pipeline.sources.examples import call_examples, stdin_examples
from ocr_pipeline.sources.input_output import ParsedTests, read_input_output
from ocr_pipeline.sources.json_solutions import read_solutions
from ocr_pipeline.sources.model import Row, TestCase, accepted_python, test_block, tests_of
from ocr_pipeline.sources.rules import Reason, Repair, RowDefect
from ocr_pipeline.sources.starter import function_name_in
from ocr_pipeline.sources.text import normal_code, require_statement
from ocr_pipeline.sources.values import require_text
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


def read_question(row: Row, repairs: set[Repair]) -> Question:
    """Read the shared columns.

    Raises
    ------
    RowDefect
        With the reason, when the row cannot become a problem.
    """
    statement = require_text(row.get("question"), "question")
    starter = normal_code(require_text(row.get("starter_code"), "starter_code"), repairs)
    parsed = _tests(row.get("input_output"), starter, repairs)
    solutions = read_solutions(row.get("solutions"), repairs)
    require_statement(statement)
    return Question(
        statement=statement,
        starter_code=starter if starter.strip() else None,
        io_mode=parsed.io_mode,
        function_name=parsed.function_name,
        tests=_block(parsed, statement, repairs),
        solutions=accepted_python(solutions, repairs),
        identity=(statement, starter, str(row.get("input_output"))),
    )


def _tests(value: object, starter: str, repairs: set[Repair]) -> ParsedTests:
    """Read the tests; that there are none is noted, anything unreadable is a defect."""
    try:
        parsed = read_input_output(value, starter_code=starter)
    except RowDefect as defect:
        if defect.rejection.reason is not Reason.NO_TESTS:
            raise
        mode = IoMode.FUNCTION if starter.strip() else IoMode.STDIN
        parsed = ParsedTests(mode, function_name_in(starter), (), (), frozenset())
    repairs.update(parsed.repairs)
    return parsed


def _block(parsed: ParsedTests, statement: str, repairs: set[Repair]) -> pa.RecordBatch:
    shown = call_examples(statement) if parsed.io_mode is IoMode.FUNCTION else stdin_examples(statement)
    if parsed.inputs:
        return tests_of(_kinds(parsed, shown), parsed.inputs, parsed.expected, repairs)
    repairs.add(Repair.EXAMPLES_FROM_STATEMENT if shown else Repair.NO_TESTS)
    return test_block(shown, repairs)


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
