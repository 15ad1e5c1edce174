"""open-r1/codeforces: the hub's columns, its table of generated tests, and a rendering with statement and tests.

The statement is put together as the released reasoning data does it: description, then the sections Input, Output,
Examples and Note, each if present. An interactive problem keeps its mode; its protocol is not part of that text. The
checkers are Python programs of the data set's own, which print 1 or 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Final

from ocr_pipeline.sources.blocks import test_block
from ocr_pipeline.sources.model import Attachment, CheckerProgram, Layout, RawProblem, TestCase
from ocr_pipeline.sources.reading import Reading
from ocr_pipeline.sources.rules import Reason, Repair, RowDefect
from ocr_pipeline.sources.text import require_statement
from ocr_pipeline.sources.values import (
    quoted,
)
from ocr_pipeline.tables import Checker, CheckerProtocol, IoMode, TestKind

__all__ = ["LAYOUTS"]

SITE: Final = "codeforces"
TRAILER: Final = re.compile(
    r"\nTags:\s*\n(?P<tags>[^\n]*)\n+Time Limit:\s*(?P<time>[^\n]*)\nMemory Limit:\s*(?P<memory>[^\n]*)\s*\Z"
)
LAST_SECOND: Final = 4_102_444_800  # the year 2100: later than any contest
LAST_YEAR: Final = 2100


def _read(row: Reading) -> RawProblem:
    row.note(Repair.NO_SOLUTIONS)
    description = row.text("description")
    require_statement(description)
    examples = list(_cases(row.get("examples"), "examples", TestKind.EXAMPLE, row))
    tests = [*examples, *_cases(row.get("official_tests"), "official_tests", TestKind.PRIVATE, row)]
    if not tests:
        row.note(Repair.NO_TESTS)
    checker = row.program("generated_checker")
    return RawProblem(
        native_id=row.native_id("id"),
        identity=(description,),
        statement="".join(_sections(row, description)),
        io_mode=_io_mode(row),
        site=SITE,
        title=row.line("title"),
        time_limit_s=row.seconds("time_limit"),
        memory_limit_mib=row.mebibytes("memory_limit"),
        checker=Checker.SPECIAL if checker else None,
        checker_program=CheckerProgram("python", CheckerProtocol.OPEN_R1, checker) if checker else None,
        rating=row.rating("rating"),
        tags=row.names("tags"),
        contest_date=_day(row),
        tests=test_block(tests, row),
    )


def _sections(row: Reading, description: str) -> Iterator[str]:
    yield description
    for heading, column in (("Input", "input_format"), ("Output", "output_format")):
        if text := row.text(column):
            yield f"\n\n{heading}\n\n{text}"
    examples = row.get("examples")
    if isinstance(examples, list) and examples:
        yield "\n\nExamples"
        for example in examples:
            for heading, side in (("Input", "input"), ("Output", "output")):
                if isinstance(example, Mapping) and isinstance(example.get(side), str):
                    yield f"\n\n{heading}\n\n{example[side]}"
    if note := row.text("note"):
        yield f"\n\nNote\n\n{note}"


def _cases(value: object, column: str, kind: TestKind, row: Reading) -> Iterator[TestCase]:
    if isinstance(value, str):
        value = row.json(value, column) if value.strip() else None
    if value is None:
        return
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise RowDefect(Reason.WRONG_TYPE, f"{column} is not a list of inputs and outputs: {quoted(value)}")
    for item in value:
        given, expected = item.get("input"), item.get("output")
        if isinstance(given, str) and isinstance(expected, str):
            yield TestCase(given, expected, kind)
        else:
            row.note(Repair.NULL_TESTS_DROPPED)


def _io_mode(row: Reading) -> IoMode:
    if row.line("interaction_format"):
        return IoMode.INTERACTIVE
    return IoMode.FILE if row.get("input_mode") == "file" else IoMode.STDIN


def _day(row: Reading) -> date | None:
    """Return the day of a start, which may be in seconds since 1970, else the first day of its year."""
    start, year = row.get("contest_start"), row.get("contest_start_year")
    if isinstance(start, date):
        return row.day("contest_start")
    if isinstance(start, int | float) and not isinstance(start, bool) and 0 < start < LAST_SECOND:
        return datetime.fromtimestamp(start, UTC).date()
    if isinstance(year, int) and 0 < year <= LAST_YEAR:
        return date(year, 1, 1)
    return row.day("contest_start") if isinstance(start, str) else None


def _attach_generated(row: Reading) -> Attachment:
    native_id = row.native_id("problem_id")
    given, expected = row.get("input"), row.get("output")
    if native_id is None or not isinstance(given, str) or not isinstance(expected, str):
        raise RowDefect(Reason.WRONG_TYPE, f"a generated test without problem, input or output: {quoted(native_id)}")
    return Attachment(native_id, TestCase(given, expected, TestKind.GENERATED))


def _read_rendered(row: Reading) -> RawProblem:
    row.note(Repair.NO_SOLUTIONS)
    text = row.text("problem")
    trailer = TRAILER.search(text)
    statement = text[: trailer.start()] if trailer else text
    require_statement(statement)
    tests = list(_cases(row.get("tests"), "tests", TestKind.PRIVATE, row))
    if not tests:
        row.note(Repair.NO_TESTS)
    limits = row.inside(trailer.groupdict() if trailer else {})
    return RawProblem(
        native_id=None,
        identity=(text,),
        statement=statement,
        site=SITE,
        time_limit_s=limits.seconds("time", unit="ms"),
        memory_limit_mib=limits.mebibytes("memory"),
        tags=limits.names("tags"),
        tests=test_block(tests, row),
    )


LAYOUTS: Final = (
    Layout(
        "hub columns", frozenset({"id", "description", "input_format", "output_format", "examples"}), "id", read=_read
    ),
    Layout("generated tests", frozenset({"problem_id", "input", "output"}), "problem_id", attach=_attach_generated),
    Layout("rendered statements", frozenset({"problem", "tests"}), read=_read_rendered),
)
