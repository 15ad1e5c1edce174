"""Every parser of bytes that a candidate, a checker or a jail writes: any bytes end in a value or in its one error.

A handful of examples runs with the other tests; the ``slow`` ones run for minutes (`make test-all`).
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocr_pipeline.errors import JudgeError
from ocr_pipeline.judge.asserting import parse_assert_test
from ocr_pipeline.judge.checkers import _printed
from ocr_pipeline.judge.comparing import (
    ResultTooLargeError,
    Rule,
    expected_value,
    read_result,
    rule_for,
    same_text,
    same_value,
)
from ocr_pipeline.judge.executables import ELF_HEADER, ELF_SEGMENT, static_image
from ocr_pipeline.judge.functions import calling_program, names_function
from ocr_pipeline.judge.newer import newer_syntax
from ocr_pipeline.judge.programs import RunResult, RunStatus
from ocr_pipeline.judge.sandbox.jails import Jail
from ocr_pipeline.judge.sandbox.protocol import REPLY, Reply
from ocr_pipeline.judge.verdicts import MISSING_MODULE, ProblemSpec
from tests.judge.test_comparing import DRIVER

Target = Callable[[Any], object]

RULES = [Rule(), Rule(tolerance=1e-6), Rule(any_order=True), Rule(ignore_case=True, tolerance=0.1), Rule(unwrap=True)]
NUMBERS = st.integers(-(2**70), 2**70) | st.floats() | st.sampled_from([0, 1, 2, 3, 7, 2**31, 2**63, 2**64 - 1])
ROW_KINDS = ["v", "l", "t", "s", "d", "n", "i", "f", "b", "c", "o", "k", "m", "a", "r", "h", "=", "", "x"]
LEAVES = (
    st.none() | st.booleans() | NUMBERS | st.text(max_size=8) | st.sampled_from(["nan", "inf", "ListNode", "TreeNode"])
)
JSON = st.recursive(
    LEAVES,
    lambda parts: st.lists(parts, max_size=5) | st.dictionaries(st.text(max_size=3), parts, max_size=3),
    max_leaves=25,
)
REFERENCES = st.lists(st.integers(-2, 12), max_size=5)
PAYLOADS = (
    JSON | REFERENCES | st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=4)
    | st.tuples(st.sampled_from(["ListNode", "TreeNode", "x"]),
                st.lists(st.tuples(st.sampled_from(["val", "next", "left", "right", "y"]), st.integers(0, 9)), max_size=4))
    | st.tuples(st.sampled_from(["Decimal", "Counter", "OrderedDict", "bytearray", "array", "x"]), st.integers(0, 9))
)  # fmt: skip
ROWS = st.lists(st.tuples(st.sampled_from(ROW_KINDS), PAYLOADS).map(list), max_size=10)


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Return valid bytes with some of them cut, changed or put twice, or bytes of no meaning."""
    data = bytearray(draw(whole))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        data[start : start + draw(st.integers(0, 12))] = draw(st.binary(max_size=12))
    return bytes(data)


def as_json(values: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """Write values as the driver does."""
    return values.map(lambda value: json.dumps(value).encode())


def results(data: bytes) -> None:
    """Read what a function returned, as a table and as JSON, and compare it by every rule."""
    for is_table in (True, False):
        try:
            value = read_result(data, "[[1, 2], {}]", is_table=is_table)
        except (ValueError, ResultTooLargeError):
            continue
        for rule in RULES:
            for expected in ("[1, [2]]", '{"a": [1]}', "1.5", "null", "NaN", '[[1, 2], {"1": null}]'):
                assert isinstance(same_value(value, expected_value(expected), rule), bool)


def texts(pair: tuple[bytes, bytes]) -> None:
    """Compare outputs by every rule."""
    for rule in RULES:
        assert isinstance(same_text(*pair, rule), bool)
    assert same_text(pair[0], pair[0], Rule())


def executables(data: bytes) -> None:
    """Read the header of what a compiler made of a hostile source."""
    image = static_image(data)
    assert image.memory_bytes >= 0


def replies(data: bytes) -> None:
    """Take what a jail sends for an answer to a test: a result, or the sandbox's own error."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if data:
        theirs.send(data)
    theirs.close()
    try:
        Jail(ours).finish(1.0)
    except JudgeError:
        pass
    finally:
        ours.close()


def messages(rows: Any) -> None:
    """Rebuild, beside the asserts, what the candidate's side describes; it may fail, but what it builds is data."""
    peer = DRIVER.Peer({}, "f", guarded=True)
    with suppress(Exception):  # which ends the asserts as failed, whatever it is; SystemExit would not
        peer._unpack(rows, [[], {}])


def requests(request: Any) -> None:
    """Serve, beside the asserts, what the candidate's side asks for: nothing was handed over, so nothing is done."""
    said: list[Any] = []
    peer = DRIVER.Peer({}, "f", guarded=True)
    DRIVER._say, before = said.append, DRIVER._say
    try:
        peer.serve(request)
    except (TypeError, AttributeError):
        return  # not even an object: the process ends, and the asserts have not passed
    finally:
        DRIVER._say = before
    assert [set(answer) for answer in said] == [{"error"}]


def assertions(text: str) -> None:
    """Read the input of a function's test."""
    parsed = parse_assert_test(text, "f")
    assert parsed is None or isinstance(parsed.program, str)


def sources(code: str) -> None:
    """Look into a candidate's source."""
    names_function(code, "f")
    assert code in calling_program(code, "f")
    newer_syntax(code, 'File "main.py", line 1\nSyntaxError: x')
    MISSING_MODULE.match(code)
    compile(ProblemSpec("p", starter_code=code).imports, "imports", "exec")


def judgements(data: bytes) -> None:
    """Read what a checker printed."""
    assert _printed(RunResult(RunStatus.OK, stdout=data)) in {True, False, None}


def expectations(outputs: list[str]) -> None:
    """Choose a rule from a problem's expected outputs, which are a data set's own."""
    for is_function in (True, False):
        rule_for("tokens", None, outputs, is_function=is_function)


HEADERS = st.builds(
    lambda kind, start, size, count, segments: (
        ELF_HEADER.pack(b"\x7fELF\x02\x01" + bytes(10), kind, 62, 1, 0, start, 0, 0, 64, size, count, 0, 0, 0) + segments
    ),
    st.integers(0, 3), st.integers(0, 2**64 - 1) | st.just(64), st.just(ELF_SEGMENT.size) | st.integers(0, 99),
    st.integers(0, 65_535) | st.integers(0, 3), st.binary(max_size=200),
)  # fmt: skip
ANSWERS = st.lists(
    st.integers(0, 2**64 - 1) | st.integers(0, 12), min_size=len(Reply._fields), max_size=len(Reply._fields)
).map(lambda numbers: struct.pack(REPLY.format, *numbers))
SOURCE_PARTS = st.sampled_from(
    ["import os\n", "from a import b\n", "class Solution:\n", "def f(x):\n", "/*", "*/", "//", '"', "'", "f'{", "}", "\\",
     "#define f g\n", "int f(int a) {", "struct ListNode {", "type X = int\n", "def g[T](x): pass\n", "\0", "\ud800", "\n", " "]
)  # fmt: skip
SOURCES = st.lists(SOURCE_PARTS | st.text(max_size=6), max_size=12).map("".join)
WORDS = st.lists(
    st.sampled_from(["1", "-1.5", "1e9", "nan", "inf", "0x1", "yes", "\n", "  ", "1_0", "9" * 1_100]), max_size=9
)
OUTPUTS = damaged(WORDS.map(lambda words: " ".join(words).encode()))

TARGETS: dict[str, tuple[Target, st.SearchStrategy[Any]]] = {
    "tables of results": (results, damaged(as_json(ROWS | JSON))),
    "outputs": (texts, st.tuples(OUTPUTS, OUTPUTS)),
    "executables": (executables, damaged(HEADERS)),
    "replies of a jail": (replies, damaged(ANSWERS)),
    "values between two jails": (messages, ROWS | JSON),
    "requests between two jails": (
        requests,
        st.fixed_dictionaries({"do": st.sampled_from([*DRIVER.ACTIONS, "x"]), "on": LEAVES, "arguments": ROWS | JSON})
        | JSON,
    ),
    "asserts": (assertions, JSON.map(json.dumps) | SOURCES | st.text()),
    "sources": (sources, SOURCES.map(lambda text: text.encode("utf-8", "replace").decode())),
    "checkers' words": (judgements, damaged(WORDS.map(lambda words: " ".join(words).encode()))),
    "expected outputs": (expectations, st.lists(JSON.map(json.dumps) | st.text(max_size=9), max_size=4)),
}
MANY = int(os.environ.get("FUZZ_EXAMPLES", "15000"))


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("examples", [150, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(1_800)])])
def test_any_bytes_end_in_a_value_or_the_one_error(name: str, examples: int) -> None:
    """Nothing else is raised, nothing hangs."""
    target, inputs = TARGETS[name]

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(inputs)
    def once(given_input: Any) -> None:
        target(given_input)

    once()
