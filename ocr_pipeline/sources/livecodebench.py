"""LiveCodeBench code_generation_lite: the hub's columns, and rendered prompts without tests.

Private tests are JSON, or JSON inside a pickled text inside zlib inside base64. The pickle is read opcode by opcode:
anything but one text is refused, so nothing in it can run or allocate what is not there.
"""

from __future__ import annotations

import base64
import binascii
import pickletools
import re
import struct
import zlib
from typing import Final

from ocr_pipeline.sources.blocks import test_block
from ocr_pipeline.sources.examples import call_examples, stdin_examples
from ocr_pipeline.sources.model import Layout, RawProblem, TestCase
from ocr_pipeline.sources.reading import Reading
from ocr_pipeline.sources.rules import Reason, Repair, RowDefect
from ocr_pipeline.sources.sites import site_of
from ocr_pipeline.sources.starter import function_name_in
from ocr_pipeline.sources.text import require_statement
from ocr_pipeline.sources.values import (
    Json,
    json_text,
    quoted,
)
from ocr_pipeline.tables import IoMode, TestKind

__all__ = ["LAYOUTS", "unpickled_text"]

MOST_UNPACKED_BYTES: Final = 1 << 30
HARMLESS_OPCODES: Final = frozenset({"PROTO", "FRAME", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "STOP"})
TEXT_OPCODES: Final = frozenset({"UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"})
CALLING_OPCODES: Final = frozenset(
    {"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "REDUCE", "NEWOBJ", "NEWOBJ_EX", "BUILD"}
    | {"EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID"}
)
RENDERED: Final = re.compile(
    r"\A[^\n]*\n\nQuestion: (?P<statement>.*?)\n+(?:Read the inputs from stdin solve the problem"
    r"|You will use the following starter code)[^\n]*\n```python\n(?P<starter>.*?)```\s*\Z",
    re.DOTALL,
)
PLACEHOLDER: Final = "# YOUR CODE HERE"


def _read(row: Reading) -> RawProblem:
    row.note(Repair.NO_SOLUTIONS)
    statement = row.text("question_content")
    starter = row.code("starter_code")
    public = _cases(row, "public_test_cases", TestKind.PUBLIC)
    private = _cases(row, "private_test_cases", TestKind.PRIVATE)
    require_statement(statement)
    if not public and not private:
        row.note(Repair.NO_TESTS)
    return RawProblem(
        native_id=row.native_id("question_id"),
        identity=(statement,),
        statement=statement,
        io_mode=IoMode.FUNCTION if starter.strip() else IoMode.STDIN,
        site=site_of(None, row.line("platform")),
        title=row.line("question_title"),
        starter_code=starter if starter.strip() else None,
        function_name=_function_name(row) or function_name_in(starter),
        difficulty=row.line("difficulty"),
        contest_date=row.day("contest_date"),
        tests=test_block([*public, *private], row),
    )


def _function_name(row: Reading) -> str | None:
    text = row.json_text("metadata")
    metadata = row.json(text, "metadata") if text.strip() else {}
    return row.inside(metadata).line("func_name") if isinstance(metadata, dict) else None


def _cases(row: Reading, field: str, kind: TestKind) -> list[TestCase]:
    text = row.json_text(field)
    if not text.strip():
        return []
    try:
        listed = row.json(text, field)
    except RowDefect:
        if text.lstrip().startswith("["):
            raise
        listed = row.json(_unpacked(text, field), field)
    if listed is None:
        return []
    if not isinstance(listed, list):
        raise RowDefect(Reason.WRONG_TYPE, f"{field} is a JSON {type(listed).__name__}, not a list")
    return [_case(item, field, kind, row) for item in listed]


def _case(item: Json, field: str, kind: TestKind, row: Reading) -> TestCase:
    given, expected = (item.get("input"), item.get("output")) if isinstance(item, dict) else (None, None)
    if not isinstance(given, str) or not isinstance(expected, str):
        raise RowDefect(Reason.WRONG_TYPE, f"{field}: a test without input and output texts: {quoted(item)}")
    if not isinstance(item, dict) or item.get("testtype") != "functional":
        return TestCase(given, expected, kind)
    arguments = [row.exact_json(line, field) for line in given.split("\n") if line.strip()]
    return TestCase(json_text(arguments, field), json_text(row.exact_json(expected, field), field), kind)


def _unpacked(text: str, field: str) -> str:
    try:
        packed = base64.b64decode(text, validate=True)
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(packed, MOST_UNPACKED_BYTES)
    except (binascii.Error, ValueError, zlib.error) as error:
        detail = f"{field} is neither JSON nor base64 of zlib: {error}; it starts {quoted(text[:40])}"
        raise RowDefect(Reason.UNREADABLE_TESTS, detail) from None
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise RowDefect(
            Reason.UNREADABLE_TESTS, f"{field} is cut off or unpacks to more than {MOST_UNPACKED_BYTES} bytes"
        )
    return unpickled_text(data, field)


def unpickled_text(data: bytes, field: str) -> str:
    """Return the one text that a pickle holds.

    Raises
    ------
    RowDefect
        ``forbidden_pickle`` when it would call anything, ``unreadable_tests`` when it holds anything but a text.
    """
    texts: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name in CALLING_OPCODES:
                raise RowDefect(Reason.FORBIDDEN_PICKLE, f"{field} holds a pickle that calls code ({opcode.name})")
            if opcode.name in TEXT_OPCODES:
                texts.append(str(argument))
            elif opcode.name not in HARMLESS_OPCODES:
                raise RowDefect(Reason.UNREADABLE_TESTS, f"{field} holds a pickle of more than a text ({opcode.name})")
    except (ValueError, IndexError, KeyError, OverflowError, struct.error) as error:
        raise RowDefect(Reason.UNREADABLE_TESTS, f"{field} holds no whole pickle: {error}") from None
    if len(texts) != 1:
        raise RowDefect(Reason.UNREADABLE_TESTS, f"{field} holds a pickle of {len(texts)} texts, not one")
    return texts[0]


def _read_rendered(row: Reading) -> RawProblem:
    row.note(Repair.NO_SOLUTIONS)
    text = row.text("prompt")
    parts = RENDERED.search(text)
    statement = parts["statement"] if parts else text
    starter = parts["starter"] if parts and parts["starter"].strip() != PLACEHOLDER else ""
    require_statement(statement)
    shown = call_examples(statement) if starter else stdin_examples(statement)
    row.note(Repair.EXAMPLES_FROM_STATEMENT if shown else Repair.NO_TESTS)
    native_id = row.native_id("question_id")
    return RawProblem(
        native_id=native_id,
        identity=(statement,),
        statement=statement,
        io_mode=IoMode.FUNCTION if starter else IoMode.STDIN,
        site=_platform(native_id or ""),
        starter_code=starter or None,
        function_name=function_name_in(starter),
        contest_date=row.day("contest_date"),
        tests=test_block(shown, row),
    )


def _platform(question_id: str) -> str | None:
    """Return the platform that a question id belongs to: ``3571``, ``abc365_b`` or ``1873_A``."""
    if question_id.isdecimal():
        return "leetcode"
    return "atcoder" if re.match(r"[a-z]+\d+_", question_id) else "codeforces" if question_id[:1].isdecimal() else None


LAYOUTS: Final = (
    Layout(
        "hub columns",
        frozenset({"question_id", "question_content", "public_test_cases", "private_test_cases"}),
        "question_id",
        read=_read,
    ),
    Layout(
        "rendered prompts", frozenset({"question_id", "prompt", "contest_date"}), "question_id", read=_read_rendered
    ),
)
