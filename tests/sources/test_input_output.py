"""The ``input_output`` field: whatever it holds, tests or a reason come out, never an exception."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.sources.input_output import ParsedTests, parse_input_output
from ocr_pipeline.sources.rules import Reason, Rejection, Repair
from ocr_pipeline.tables import IoMode

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def parsed(value: object, *, starter_code: str = "") -> ParsedTests:
    """Parse what must be readable."""
    text = value if isinstance(value, str) else json.dumps(value)
    result = parse_input_output(text, starter_code=starter_code)
    assert isinstance(result, ParsedTests), result
    return result


def reason(value: object) -> Reason:
    """Parse what must not be readable."""
    result = parse_input_output(value)
    assert isinstance(result, Rejection), result
    return result.reason


def test_stdin_texts_are_taken_verbatim() -> None:
    """Texts of stdin tests are not trimmed or changed."""
    result = parsed({"inputs": ["3\r\n1 2 \n"], "outputs": [" 6"]})
    assert [(test.input, test.expected) for test in result.tests] == [("3\r\n1 2 \n", " 6")]
    assert result.io_mode is IoMode.STDIN
    assert not result.repairs


def test_lists_of_lines_are_joined() -> None:
    """A stdin test given as a list of lines becomes text, and says so."""
    result = parsed({"inputs": [["2", "1 2"]], "outputs": [["3"]]})
    assert [(test.input, test.expected) for test in result.tests] == [("2\n1 2", "3")]
    assert Repair.JOINED_LINES in result.repairs


def test_numbers_become_text_on_stdin() -> None:
    """A bare number as a stdin value is written as text."""
    result = parsed({"inputs": [[[1, 2], [3]], 5], "outputs": [6, True]})
    assert list(result.inputs) == ["1 2\n3", "5"]
    assert list(result.expected) == ["6", "True"]
    assert Repair.STRINGIFIED_VALUES in result.repairs


def test_calls_become_json() -> None:
    """Arguments and values of call-based tests are JSON text."""
    result = parsed({"fn_name": "add", "inputs": [[1, [2, "é"]]], "outputs": [3]})
    assert result.io_mode is IoMode.FUNCTION
    assert result.function_name == "add"
    assert [(json.loads(test.input), json.loads(test.expected)) for test in result.tests] == [([1, [2, "é"]], 3)]


def test_a_wrapped_value_is_unwrapped_when_every_one_is() -> None:
    """A value in a list of one is unwrapped only when all values of the problem are."""
    wrapped = parsed({"fn_name": "f", "inputs": [[1], [2]], "outputs": [[True], [False]]})
    assert list(wrapped.expected) == ["true", "false"]
    assert Repair.UNWRAPPED_EXPECTED in wrapped.repairs
    mixed = parsed({"fn_name": "f", "inputs": [[1], [2]], "outputs": [[1], [1, 2]]})
    assert list(mixed.expected) == ["[1]", "[1,2]"]


def test_a_function_that_returns_lists_keeps_its_lists_of_one() -> None:
    """A return annotation decides whether a list of one is a value or a wrapping."""
    value = {"fn_name": "f", "inputs": [[1]], "outputs": [[7]]}
    assert list(parsed(value, starter_code="def f(n: int) -> List[int]:\n").expected) == ["[7]"]
    assert list(parsed(value, starter_code="def f(n: int) -> int:\n").expected) == ["7"]


def test_integers_of_any_length_keep_every_digit() -> None:
    """Integers beyond 64 bits, and beyond Python's own limit of 4,300 digits, are kept digit by digit."""
    huge = "9" * 20_000
    result = parsed(f'{{"fn_name": "f", "inputs": [[{huge}, 12345678901234567890]], "outputs": [-{huge}]}}')
    assert list(result.inputs) == [f"[{huge},12345678901234567890]"]
    assert list(result.expected) == [f"-{huge}"]
    assert Repair.HUGE_INTEGERS in result.repairs
    assert list(parsed(f'{{"inputs": ["1"], "outputs": [{huge}]}}').expected) == [huge]


def test_nan_tests_are_left_out_and_noted() -> None:
    """A call-based test with NaN or an infinity cannot be JSON: it goes, the others stay."""
    result = parsed('{"fn_name": "f", "inputs": [[NaN], [1], [2]], "outputs": [1, -Infinity, 3]}')
    assert list(result.inputs) == ["[2]"]
    assert Repair.NAN_TESTS_DROPPED in result.repairs


def test_integer_keys_are_noted() -> None:
    """Keys that were integers before JSON made them texts are noted."""
    result = parsed({"fn_name": "f", "inputs": [[{"1": 2, "-3": 4}]], "outputs": [0]})
    assert Repair.INTEGER_KEYS in result.repairs


def test_control_characters_are_read_leniently() -> None:
    """A raw line break inside a JSON text is read, and noted."""
    result = parsed('{"inputs": ["1\n2"], "outputs": ["3"]}')
    assert list(result.inputs) == ["1\n2"]
    assert Repair.LENIENT_JSON in result.repairs


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", Reason.NO_TESTS),
        (None, Reason.NO_TESTS),
        ("null", Reason.NO_TESTS),
        ("{}", Reason.NO_TESTS),
        ('{"inputs": [], "outputs": []}', Reason.NO_TESTS),
        ("{", Reason.INVALID_JSON),
        ("not json", Reason.INVALID_JSON),
        ("[1]", Reason.WRONG_TYPE),
        (7, Reason.WRONG_TYPE),
        ('{"inputs": ["1"], "outputs": 1}', Reason.WRONG_TYPE),
        ('{"inputs": [{"a": 1}], "outputs": ["1"]}', Reason.WRONG_TYPE),
        ('{"inputs": ["1"], "outputs": ["1", "2"]}', Reason.MISMATCHED_COUNTS),
        ("[" * 100_000, Reason.NESTED_TOO_DEEPLY),
        ('{"fn_name": "f", "inputs": [' + "[" * 300 + "]" * 300 + '], "outputs": [1]}', Reason.NESTED_TOO_DEEPLY),
    ],
)
def test_every_defect_has_its_reason(value: object, expected: Reason) -> None:
    """Each kind of defect ends in the reason of its name."""
    assert reason(value) is expected


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_any_text_gives_tests_or_a_reason(text: str) -> None:
    """No text at all raises."""
    assert isinstance(parse_input_output(text), ParsedTests | Rejection)


@given(JSON_VALUES, JSON_VALUES, st.none() | st.text(max_size=3))
def test_any_values_give_tests_or_a_reason(inputs: object, outputs: object, name: str | None) -> None:
    """No JSON in the known fields raises, and what is kept pairs up and is JSON where it must be."""
    result = parse_input_output(json.dumps({"inputs": inputs, "outputs": outputs, "fn_name": name}))
    if isinstance(result, ParsedTests):
        assert len(result.inputs) == len(result.expected)
        if result.io_mode is IoMode.FUNCTION:
            assert all(isinstance(json.loads(test.input), list) for test in result.tests)


@given(st.integers(), st.lists(st.integers()))
def test_integers_survive_the_round_trip(value: int, arguments: list[int]) -> None:
    """Whatever its size, an integer comes back as it was."""
    result = parsed({"fn_name": "f", "inputs": [arguments], "outputs": [value]})
    assert json.loads(result.inputs[0]) == arguments
    assert json.loads(result.expected[0]) == value


def test_all_real_strings_parse_or_have_a_reason() -> None:
    """The 5,000 real strings of APPS test: none is lost, none raises, and only the empty ones are refused."""
    folder = Path(os.environ.get("OCR_REAL_DATA", "../shared/data"))
    path = folder / "apps" / "test_example_io.parquet"
    if not path.is_file():
        pytest.skip(f"no real rows at {path}: set OCR_REAL_DATA")
    results = [parse_input_output(text) for text in pq.read_table(path)["input_output"].to_pylist()]
    refused = [result.reason for result in results if isinstance(result, Rejection)]
    assert len(results) == 5_000
    assert set(refused) <= {Reason.NO_TESTS}
    assert len(refused) == 63
