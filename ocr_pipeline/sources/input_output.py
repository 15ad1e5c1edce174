"""The ``input_output`` field of APPS and TACO: JSON with ``inputs``, ``outputs`` and perhaps ``fn_name``.

Stdin tests are texts, or lists of lines. Call-based tests are lists of arguments and a value that may be wrapped in a
list of one; both become JSON text. Whatever else the field holds ends in a reason, never in an exception.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, cast

from ocr_pipeline.sources.model import TestCase
from ocr_pipeline.sources.rules import Reason, Rejection, Repair, RowDefect
from ocr_pipeline.sources.values import (
    HugeNumber,
    Json,
    field_text,
    holds_nan,
    json_text,
    optional_text,
    parse_exact_json,
    parse_json,
    quoted,
)
from ocr_pipeline.tables import IoMode

__all__ = ["ParsedTests", "parse_input_output", "read_input_output"]

RETURNS_LIST: Final = re.compile(r"->\s*(?:typing\.)?(?:Optional\[\s*)?(?:List|list|Sequence|Tuple|tuple)\b")
INTEGER_KEY: Final = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class ParsedTests:
    """The tests of one field in normal form."""

    io_mode: IoMode
    function_name: str | None
    inputs: Sequence[str]
    expected: Sequence[str]
    repairs: frozenset[Repair]

    @property
    def tests(self) -> tuple[TestCase, ...]:
        """The tests one by one."""
        return tuple(map(TestCase, self.inputs, self.expected))


def parse_input_output(text: object, *, starter_code: str = "") -> ParsedTests | Rejection:
    """Parse an ``input_output`` field of APPS or TACO; total: any value gives tests or a reason.

    Parameters
    ----------
    text
        The raw field.
    starter_code
        Its return annotation decides whether an expected list of one is a wrapped value.
    """
    try:
        return read_input_output(text, starter_code=starter_code)
    except RowDefect as defect:
        return defect.rejection


def read_input_output(text: object, *, starter_code: str = "") -> ParsedTests:
    """Do as :func:`parse_input_output`, for readers.

    Raises
    ------
    RowDefect
        With the reason.
    """
    repairs: set[Repair] = set()
    inputs, outputs, name = _lists(_field(text, repairs, exact=False), repairs)
    if name is None and {*map(type, inputs), *map(type, outputs)} == {str}:
        return ParsedTests(
            IoMode.STDIN, None, cast("list[str]", inputs), cast("list[str]", outputs), frozenset(repairs)
        )
    # Numbers outside of text: read again with every digit.
    inputs, outputs, name = _lists(_field(text, repairs, exact=True), repairs)
    pairs = list(_without_nan(zip(inputs, outputs, strict=True), repairs))
    tests = _calls(pairs, starter_code, repairs) if name is not None else _stdin(pairs, repairs)
    mode = IoMode.STDIN if name is None else IoMode.FUNCTION
    given, expected = [test[0] for test in tests], [test[1] for test in tests]
    return ParsedTests(mode, name, given, expected, frozenset(repairs))


def _field(text: object, repairs: set[Repair], *, exact: bool) -> dict[str, Json]:
    if text is None or (isinstance(text, str) and not text.strip()):
        raise RowDefect(Reason.NO_TESTS, "input_output is empty")
    parse = parse_exact_json if exact else parse_json
    value = parse(field_text(text, "input_output"), "input_output", repairs)
    if value is None or value in ({}, [], ""):
        raise RowDefect(Reason.NO_TESTS, f"input_output is {quoted(value)}")
    if not isinstance(value, dict):
        raise RowDefect(
            Reason.WRONG_TYPE, f"input_output is a JSON {type(value).__name__}, not an object: {quoted(value)}"
        )
    return value


def _lists(value: dict[str, Json], repairs: set[Repair]) -> tuple[list[Json], list[Json], str | None]:
    name = optional_text(value.get("fn_name"), repairs)
    inputs, outputs = value.get("inputs"), value.get("outputs")
    if not inputs and not outputs:
        raise RowDefect(Reason.NO_TESTS, "input_output holds neither inputs nor outputs")
    if isinstance(inputs, str) and isinstance(outputs, str):
        repairs.add(Repair.SINGLE_TEST_NOT_LISTED)
        inputs, outputs = [inputs], [outputs]
    if not isinstance(inputs, list) or not isinstance(outputs, list):
        kinds = f"{type(inputs).__name__} and {type(outputs).__name__}"
        raise RowDefect(Reason.WRONG_TYPE, f"inputs and outputs are {kinds}, not lists")
    if len(inputs) != len(outputs):
        raise RowDefect(Reason.MISMATCHED_COUNTS, f"{len(inputs)} inputs but {len(outputs)} outputs")
    return inputs, outputs, name


def _without_nan(pairs: Iterator[tuple[Json, Json]], repairs: set[Repair]) -> Iterator[tuple[Json, Json]]:
    for pair in pairs:
        if holds_nan(list(pair)):
            repairs.add(Repair.NAN_TESTS_DROPPED)
        else:
            yield pair


def _stdin(pairs: Sequence[tuple[Json, Json]], repairs: set[Repair]) -> list[tuple[str, str]]:
    tests = []
    for number, (given, expected) in enumerate(pairs):
        if given is None or expected is None:
            repairs.add(Repair.NULL_TESTS_DROPPED)
            continue
        tests.append((_lines(given, f"inputs[{number}]", repairs), _lines(expected, f"outputs[{number}]", repairs)))
    return tests


def _lines(value: Json, field: str, repairs: set[Repair]) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        repairs.add(Repair.JOINED_LINES)
        return "\n".join(_line(item, field, repairs) for item in value)
    return _line(value, field, repairs)


def _line(value: Json, field: str, repairs: set[Repair]) -> str:
    if isinstance(value, str):
        return value
    repairs.add(Repair.STRINGIFIED_VALUES)
    if isinstance(value, HugeNumber):
        repairs.add(Repair.HUGE_INTEGERS)
        return value.digits
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, list) and all(isinstance(item, str | bool | int | float | HugeNumber) for item in value):
        return " ".join(_line(item, field, repairs) for item in value)
    raise RowDefect(Reason.WRONG_TYPE, f"{field} of a stdin test is {type(value).__name__}: {quoted(value)}")


def _calls(pairs: Sequence[tuple[Json, Json]], starter_code: str, repairs: set[Repair]) -> list[tuple[str, str]]:
    unwrap = _is_wrapped([expected for _, expected in pairs], starter_code)
    if unwrap:
        repairs.add(Repair.UNWRAPPED_EXPECTED)
    tests = []
    for number, (given, expected) in enumerate(pairs):
        if not isinstance(given, list):
            repairs.add(Repair.WRAPPED_ARGUMENTS)
        arguments = given if isinstance(given, list) else [given]
        value = expected[0] if unwrap and isinstance(expected, list) else expected
        _note_shape([arguments, value], repairs)
        tests.append((json_text(arguments, f"inputs[{number}]"), json_text(value, f"outputs[{number}]")))
    return tests


def _is_wrapped(expected: Sequence[Json], starter_code: str) -> bool:
    """Decide whether every expected value is the one item of a list that the source put around it.

    The testers of the sources compare with ``outputs`` and ``outputs[0]`` alike, so the field alone does not say. A
    function that declares to return a list keeps its lists of one, unless what they hold are lists again.
    """
    if not expected or not all(isinstance(value, list) and len(value) == 1 for value in expected):
        return False
    return not RETURNS_LIST.search(starter_code) or all(isinstance(value[0], list) for value in expected)  # type: ignore[index]


def _note_shape(value: Json, repairs: set[Repair]) -> None:
    stack = [value]
    while stack:
        top = stack.pop()
        if isinstance(top, HugeNumber):
            repairs.add(Repair.HUGE_INTEGERS)
        elif isinstance(top, list):
            stack.extend(top)
        elif isinstance(top, dict):
            if top and all(INTEGER_KEY.fullmatch(key) for key in top):
                repairs.add(Repair.INTEGER_KEYS)
            stack.extend(top.values())
