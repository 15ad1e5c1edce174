"""The ``input_output`` field of APPS and TACO: JSON with ``inputs``, ``outputs`` and perhaps ``fn_name``.

Stdin tests are texts, or lists of lines. Call-based tests are lists of arguments and a value that may be wrapped in a
list of one; both become JSON text. Whatever else the field holds ends in a reason, never in an exception.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

from ocr_pipeline.sources.calls import is_wrapped, line_arguments
from ocr_pipeline.sources.model import TestCase
from ocr_pipeline.sources.reading import Reading
from ocr_pipeline.sources.rules import Reason, Rejection, Repair, RowDefect
from ocr_pipeline.sources.values import HugeNumber, Json, exact_json, holds_nan, json_text, quoted
from ocr_pipeline.tables import IoMode

__all__ = ["ParsedTests", "parse_input_output", "read_input_output"]

TAKES_TEXT: Final = re.compile(r"\bdef\s+\w+\s*\(\s*(?:self\s*,\s*)?\w+\s*:\s*(?:Optional\[\s*)?str\b")
INTEGER_KEY: Final = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class ParsedTests:
    """The tests of one field in normal form."""

    io_mode: IoMode
    function_name: str | None
    inputs: Sequence[str]
    expected: Sequence[str]
    repairs: frozenset[Repair] = frozenset()
    """What was repaired; a reader's own :class:`Reading` holds it instead."""

    @property
    def tests(self) -> tuple[TestCase, ...]:
        """The tests one by one."""
        return tuple(map(TestCase, self.inputs, self.expected))


def parse_input_output(
    text: object, *, starter_code: str = "", statement: str = "", solutions: Sequence[str] = ()
) -> ParsedTests | Rejection:
    """Parse an ``input_output`` field of APPS or TACO; total: any value gives tests or a reason.

    Parameters
    ----------
    text
        The raw field.
    starter_code, statement
        Whether they say that a list is returned decides whether a list of one is a wrapped value, where no solution does.
    solutions
        The row's accepted Python programs.
    """
    row = Reading({"input_output": text})
    try:
        return replace(read_input_output(row, starter_code, statement, solutions), repairs=frozenset(row.repairs))
    except RowDefect as defect:
        return defect.rejection


def read_input_output(row: Reading, starter_code: str, statement: str, solutions: Sequence[str]) -> ParsedTests:
    """Do as :func:`parse_input_output` with the column of a row, for readers.

    Raises
    ------
    RowDefect
        With the reason.
    """
    inputs, outputs, name = _lists(_field(row, row.json), row)
    if name is None and {*map(type, inputs), *map(type, outputs)} == {str}:
        return ParsedTests(IoMode.STDIN, None, cast("list[str]", inputs), cast("list[str]", outputs))
    # Numbers outside of text: read again with every digit.
    inputs, outputs, name = _lists(_field(row, row.exact_json), row)
    pairs = list(_without_nan(zip(inputs, outputs, strict=True), row))
    tests = (
        _calls(_from_lines(pairs, starter_code, row), name, f"{starter_code}\n{statement}", solutions, row)
        if name is not None
        else _stdin(pairs, row)
    )
    mode = IoMode.STDIN if name is None else IoMode.FUNCTION
    return ParsedTests(mode, name, [test[0] for test in tests], [test[1] for test in tests])


def _field(row: Reading, parse: Callable[[str, str], Json]) -> dict[str, Json]:
    text = row.json_text("input_output")
    if not text.strip():
        raise RowDefect(Reason.NO_TESTS, "input_output is empty")
    value = parse(text, "input_output")
    if value is None or value in ({}, [], ""):
        raise RowDefect(Reason.NO_TESTS, f"input_output is {quoted(value)}")
    if not isinstance(value, dict):
        raise RowDefect(
            Reason.WRONG_TYPE, f"input_output is a JSON {type(value).__name__}, not an object: {quoted(value)}"
        )
    return value


def _lists(value: dict[str, Json], row: Reading) -> tuple[list[Json], list[Json], str | None]:
    name = row.inside(value).line("fn_name")
    inputs, outputs = value.get("inputs"), value.get("outputs")
    if not inputs and not outputs:
        raise RowDefect(Reason.NO_TESTS, "input_output holds neither inputs nor outputs")
    if isinstance(inputs, str) and isinstance(outputs, str):
        row.note(Repair.SINGLE_TEST_NOT_LISTED)
        inputs, outputs = [inputs], [outputs]
    if not isinstance(inputs, list) or not isinstance(outputs, list):
        kinds = f"{type(inputs).__name__} and {type(outputs).__name__}"
        raise RowDefect(Reason.WRONG_TYPE, f"inputs and outputs are {kinds}, not lists")
    if len(inputs) != len(outputs):
        raise RowDefect(Reason.MISMATCHED_COUNTS, f"{len(inputs)} inputs but {len(outputs)} outputs")
    return inputs, outputs, name


def _without_nan(pairs: Iterator[tuple[Json, Json]], row: Reading) -> Iterator[tuple[Json, Json]]:
    for pair in pairs:
        if holds_nan(list(pair)):
            row.note(Repair.NAN_TESTS_DROPPED)
        else:
            yield pair


def _stdin(pairs: Sequence[tuple[Json, Json]], row: Reading) -> list[tuple[str, str]]:
    tests = []
    for number, (given, expected) in enumerate(pairs):
        if given is None or expected is None:
            row.note(Repair.NULL_TESTS_DROPPED)
            continue
        tests.append((_lines(given, f"inputs[{number}]", row), _lines(expected, f"outputs[{number}]", row)))
    return tests


def _lines(value: Json, field: str, row: Reading) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        row.note(Repair.JOINED_LINES)
        return "\n".join(_line(item, field, row) for item in value)
    return _line(value, field, row)


def _line(value: Json, field: str, row: Reading) -> str:
    if isinstance(value, str):
        return value
    row.note(Repair.STRINGIFIED_VALUES)
    if isinstance(value, HugeNumber):
        row.note(Repair.HUGE_INTEGERS)
        return value.digits
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, list) and all(isinstance(item, str | bool | int | float | HugeNumber) for item in value):
        return " ".join(_line(item, field, row) for item in value)
    raise RowDefect(Reason.WRONG_TYPE, f"{field} of a stdin test is {type(value).__name__}: {quoted(value)}")


def _calls(
    pairs: Sequence[tuple[Json, Json]], name: str, task: str, solutions: Sequence[str], row: Reading
) -> list[tuple[str, str]]:
    unwrap = is_wrapped([expected for _, expected in pairs], name, task, solutions)
    if unwrap:
        row.note(Repair.UNWRAPPED_EXPECTED)
    tests = []
    for number, (given, expected) in enumerate(pairs):
        if not isinstance(given, list):
            row.note(Repair.WRAPPED_ARGUMENTS)
        arguments = given if isinstance(given, list) else [given]
        value = expected[0] if unwrap and isinstance(expected, list) else expected
        _note_shape([arguments, value], row)
        tests.append((json_text(arguments, f"inputs[{number}]"), json_text(value, f"outputs[{number}]")))
    return tests


def _from_lines(pairs: Sequence[tuple[Json, Json]], starter_code: str, row: Reading) -> Sequence[tuple[Json, Json]]:
    """Split raw call texts, a JSON value a line, when all inputs are such texts with equally many values.

    Where the function takes a text first, ``5`` is that text unless it is in quotes.
    """
    try:
        split = [line_arguments(given) if isinstance(given, str) else [] for given, _ in pairs]
    except RowDefect:
        return pairs
    takes_text = TAKES_TEXT.search(starter_code) is not None
    if not all(split) or len({*map(len, split)}) > 1 or (takes_text and not isinstance(split[0][0], str)):
        return pairs
    row.note(Repair.CALL_TEXT_SPLIT)
    return [(given, _value(expected)) for given, (_, expected) in zip(split, pairs, strict=True)]


def _value(expected: Json) -> Json:
    """Return the value of a raw text; what is not JSON is the text itself."""
    try:
        return exact_json(expected, "output")[0] if isinstance(expected, str) else expected
    except RowDefect:
        return expected


def _note_shape(value: Json, row: Reading) -> None:
    stack = [value]
    while stack:
        top = stack.pop()
        if isinstance(top, HugeNumber):
            row.note(Repair.HUGE_INTEGERS)
        elif isinstance(top, list):
            stack.extend(top)
        elif isinstance(top, dict):
            if top and all(INTEGER_KEY.fullmatch(key) for key in top):
                row.note(Repair.INTEGER_KEYS)
            stack.extend(top.values())
