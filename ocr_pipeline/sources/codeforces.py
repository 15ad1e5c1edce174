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

from ocr_pipeline.sources.licenses import license_of
from ocr_pipeline.sources.model import Attachment, CheckerProgram, Layout, RawProblem, Row, TestCase, test_block
from ocr_pipeline.sources.rules import Reason, Repair, RowDefect
from ocr_pipeline.sources.text import require_statement
from ocr_pipeline.sources.values import (
    clean_id,
    date_of,
    leading_number,
    literal_names,
    optional_code,
    optional_text,
    parse_json,
    quoted,
    require_text,
    whole_number,
)
from ocr_pipeline.tables import Checker, CheckerProtocol, IoMode, TestKind

__all__ = ["LAYOUTS"]

SITE: Final = "codeforces"
TRAILER: Final = re.compile(
    r"\nTags:\s*\n(?P<tags>[^\n]*)\n+Time Limit:\s*(?P<time>[^\n]*)\nMemory Limit:\s*(?P<memory>[^\n]*)\s*\Z"
)
MILLISECONDS_PER_S: Final = 1000.0
LAST_SECOND: Final = 4_102_444_800  # the year 2100: later than any contest
LAST_YEAR: Final = 2100


def _read(row: Row) -> RawProblem:
    repairs = {Repair.NO_SOLUTIONS}
    description = require_text(row.get("description"), "description")
    require_statement(description)
    examples = list(_cases(row.get("examples"), "examples", TestKind.EXAMPLE, repairs))
    tests = [*examples, *_cases(row.get("official_tests"), "official_tests", TestKind.PRIVATE, repairs)]
    if not tests:
        repairs.add(Repair.NO_TESTS)
    year = row.get("contest_start_year")
    checker = optional_code(row.get("generated_checker"), repairs)
    return RawProblem(
        native_id=clean_id(row.get("id")),
        identity=(description,),
        statement="".join(_sections(row, description)),
        license=license_of(SITE),
        io_mode=_io_mode(row, repairs),
        site=SITE,
        title=optional_text(row.get("title"), repairs),
        time_limit_s=leading_number(row.get("time_limit"), repairs),
        memory_limit_mib=leading_number(row.get("memory_limit"), repairs),
        checker=Checker.SPECIAL if checker else None,
        checker_program=CheckerProgram("python", CheckerProtocol.OPEN_R1, checker) if checker else None,
        rating=whole_number(row.get("rating"), repairs),
        tags=literal_names(row.get("tags"), repairs),
        contest_date=_day(row.get("contest_start"), year, repairs),
        tests=test_block(tests, repairs),
        repairs=frozenset(repairs),
    )


def _sections(row: Row, description: str) -> Iterator[str]:
    yield description
    for heading, column in (("Input", "input_format"), ("Output", "output_format")):
        if text := require_text(row.get(column), column):
            yield f"\n\n{heading}\n\n{text}"
    examples = row.get("examples")
    if isinstance(examples, list) and examples:
        yield "\n\nExamples"
        for example in examples:
            for heading, side in (("Input", "input"), ("Output", "output")):
                if isinstance(example, Mapping) and isinstance(example.get(side), str):
                    yield f"\n\n{heading}\n\n{example[side]}"
    if note := require_text(row.get("note"), "note"):
        yield f"\n\nNote\n\n{note}"


def _cases(value: object, column: str, kind: TestKind, repairs: set[Repair]) -> Iterator[TestCase]:
    if isinstance(value, str):
        value = parse_json(value, column, repairs) if value.strip() else None
    if value is None:
        return
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise RowDefect(Reason.WRONG_TYPE, f"{column} is no list of inputs and outputs: {quoted(value)}")
    for item in value:
        given, expected = item.get("input"), item.get("output")
        if isinstance(given, str) and isinstance(expected, str):
            yield TestCase(given, expected, kind)
        else:
            repairs.add(Repair.NULL_TESTS_DROPPED)


def _io_mode(row: Row, repairs: set[Repair]) -> IoMode:
    if optional_text(row.get("interaction_format"), repairs):
        return IoMode.INTERACTIVE
    return IoMode.FILE if row.get("input_mode") == "file" else IoMode.STDIN


def _day(start: object, year: object, repairs: set[Repair]) -> date | None:
    """Return the day of a start, which may be in seconds since 1970, else the first day of its year."""
    if isinstance(start, date):
        return date_of(start, repairs)
    if isinstance(start, int | float) and not isinstance(start, bool) and 0 < start < LAST_SECOND:
        return datetime.fromtimestamp(start, UTC).date()
    if isinstance(year, int) and 0 < year <= LAST_YEAR:
        return date(year, 1, 1)
    return date_of(start, repairs) if isinstance(start, str) else None


def _attach_generated(row: Row) -> Attachment:
    native_id = clean_id(row.get("problem_id"))
    given, expected = row.get("input"), row.get("output")
    if native_id is None or not isinstance(given, str) or not isinstance(expected, str):
        raise RowDefect(Reason.WRONG_TYPE, f"a generated test without problem, input or output: {quoted(native_id)}")
    return Attachment(native_id, TestCase(given, expected, TestKind.GENERATED))


def _read_rendered(row: Row) -> RawProblem:
    repairs = {Repair.NO_SOLUTIONS}
    text = require_text(row.get("problem"), "problem")
    trailer = TRAILER.search(text)
    statement = text[: trailer.start()] if trailer else text
    require_statement(statement)
    tests = list(_cases(row.get("tests"), "tests", TestKind.PRIVATE, repairs))
    if not tests:
        repairs.add(Repair.NO_TESTS)
    milliseconds = leading_number(trailer["time"], repairs) if trailer else None
    return RawProblem(
        native_id=None,
        identity=(text,),
        statement=statement,
        license=license_of(SITE),
        site=SITE,
        time_limit_s=milliseconds / MILLISECONDS_PER_S if milliseconds else None,
        memory_limit_mib=leading_number(trailer["memory"], repairs) if trailer else None,
        tags=literal_names(trailer["tags"], repairs) if trailer else (),
        tests=test_block(tests, repairs),
        repairs=frozenset(repairs),
    )


LAYOUTS: Final = (
    Layout(
        "hub columns", frozenset({"id", "description", "input_format", "output_format", "examples"}), "id", read=_read
    ),
    Layout("generated tests", frozenset({"problem_id", "input", "output"}), "problem_id", attach=_attach_generated),
    Layout("rendered statements", frozenset({"problem", "tests"}), read=_read_rendered),
)
