"""Your own problems: files in our problems, tests and solutions columns, or problem packages.

A problem needs a ``statement``; every other column of the problems table may be absent. Tests and solutions name
their problem by ``problem_id``.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, TypeVar

from ocr_pipeline.sources import kattis
from ocr_pipeline.sources.model import Attachment, CheckerProgram, Layout, RawProblem, SolutionText, TestCase
from ocr_pipeline.sources.reading import Reading
from ocr_pipeline.sources.rules import Reason, Repair, RowDefect
from ocr_pipeline.sources.sites import site_of
from ocr_pipeline.sources.starter import function_name_in
from ocr_pipeline.sources.text import require_statement
from ocr_pipeline.sources.values import (
    quoted,
)
from ocr_pipeline.tables import Checker, CheckerProtocol, IoMode, TestKind

__all__ = ["FOLDERS", "LAYOUTS"]

OWN_PREFIX: Final = re.compile(r"own/[^/]+/(?=.)")
Word = TypeVar("Word", bound=StrEnum)


def _native_id(row: Reading) -> str | None:
    """Return the id under which tests find their problem, without the prefix that we would put before it."""
    given = row.native_id("problem_id", "native_id")
    return OWN_PREFIX.sub("", given, count=1) if given else None


def _word(row: Reading, column: str, known: type[Word]) -> Word | None:
    text = row.line(column)
    if text is None:
        return None
    if text not in set(known):
        row.note(Repair.UNKNOWN_ENUM)
        return None
    return known(text)


def _read(row: Reading) -> RawProblem:
    statement = row.text("statement")
    require_statement(statement)
    starter = row.code("starter_code")
    url = row.line("url")
    mode = _word(row, "io_mode", IoMode)
    return RawProblem(
        native_id=_native_id(row),
        identity=(statement, starter),
        statement=statement,
        license=row.get("license"),
        io_mode=mode or (IoMode.FUNCTION if starter.strip() else IoMode.STDIN),
        site=row.line("site") or site_of(url),
        url=url,
        title=row.line("title"),
        starter_code=starter if starter.strip() else None,
        function_name=row.line("function_name") or function_name_in(starter),
        input_file=row.file_name("input_file"),
        output_file=row.file_name("output_file"),
        time_limit_s=row.seconds("time_limit_s"),
        memory_limit_mib=row.mebibytes("memory_limit_mib"),
        checker=_word(row, "checker", Checker),
        float_tolerance=row.number("float_tolerance"),
        checker_program=_checker_program(row),
        difficulty=row.line("difficulty"),
        rating=row.rating("rating"),
        tags=row.names("tags"),
        has_image=row.flag("has_image") is True,
        contest_date=row.day("contest_date"),
    )


def _checker_program(row: Reading) -> CheckerProgram | None:
    code, language = (
        row.program("checker_code"),
        row.line("checker_language"),
    )
    protocol = _word(row, "checker_protocol", CheckerProtocol)
    if not code or not language or protocol is None:
        return None
    return CheckerProgram(language, protocol, code, row.line("checker_flags"))


def _attach_test(row: Reading) -> Attachment:
    native_id, given, expected = _native_id(row), row.get("input"), row.get("expected")
    if native_id is None or not isinstance(given, str) or not isinstance(expected, str):
        raise RowDefect(Reason.WRONG_TYPE, f"a test without problem, input or expected output: {quoted(native_id)}")
    kind = _word(row, "kind", TestKind) or TestKind.PRIVATE
    return Attachment(native_id, TestCase(given, expected, kind), order=row.native_id("test_id") or "")


def _attach_solution(row: Reading) -> Attachment:
    native_id, code = _native_id(row), row.get("code")
    if native_id is None or not isinstance(code, str):
        raise RowDefect(Reason.WRONG_TYPE, f"a solution without problem or code: {quoted(native_id)}")
    language = row.line("language") or "python"
    order = row.native_id("solution_id") or ""
    return Attachment(native_id, SolutionText(row.normal_code(code), language, _is_correct(row)), order)


def _is_correct(row: Reading) -> bool | None:
    """Return what the row says; a row without the column is right, one with a null is undecided."""
    return row.flag("is_correct") if "is_correct" in row.row else True


FOLDERS: Final = kattis.FOLDERS
LAYOUTS: Final = (
    *kattis.LAYOUTS,
    Layout("tests table", frozenset({"problem_id", "input", "expected"}), "problem_id", attach=_attach_test),
    Layout("solutions table", frozenset({"problem_id", "code"}), "problem_id", attach=_attach_solution),
    Layout("problems table", frozenset({"statement"}), "problem_id", read=_read),
)
