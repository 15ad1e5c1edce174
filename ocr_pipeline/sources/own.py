"""Your own problems: files in our problems, tests and solutions columns, or problem packages.

A problem needs a ``statement``; every other column of the problems table may be absent. Tests and solutions name
their problem by ``problem_id``.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, TypeVar

from ocr_pipeline.sources import kattis
from ocr_pipeline.sources.licenses import license_of
from ocr_pipeline.sources.model import Attachment, CheckerProgram, Layout, RawProblem, Row, SolutionText, TestCase
from ocr_pipeline.sources.rules import Reason, Repair, RowDefect
from ocr_pipeline.sources.sites import site_of
from ocr_pipeline.sources.starter import function_name_in
from ocr_pipeline.sources.text import normal_code, require_statement
from ocr_pipeline.sources.values import (
    clean_id,
    date_of,
    file_name,
    leading_number,
    literal_names,
    optional_code,
    optional_text,
    quoted,
    require_text,
    whole_number,
)
from ocr_pipeline.tables import Checker, CheckerProtocol, IoMode, TestKind

__all__ = ["LAYOUTS"]

OWN_PREFIX: Final = re.compile(r"own/[^/]+/(?=.)")
Word = TypeVar("Word", bound=StrEnum)


def _native_id(row: Row) -> str | None:
    """Return the id under which tests find their problem, without the prefix that we would put before it."""
    given = clean_id(row.get("problem_id")) or clean_id(row.get("native_id"))
    return OWN_PREFIX.sub("", given, count=1) if given else None


def _word(value: object, known: type[Word], repairs: set[Repair]) -> Word | None:
    text = optional_text(value, repairs)
    if text is None:
        return None
    if text not in set(known):
        repairs.add(Repair.UNKNOWN_ENUM)
        return None
    return known(text)


def _read(row: Row) -> RawProblem:
    repairs: set[Repair] = set()
    statement = require_text(row.get("statement"), "statement")
    require_statement(statement)
    starter = normal_code(require_text(row.get("starter_code"), "starter_code"), repairs)
    url = optional_text(row.get("url"), repairs)
    mode = _word(row.get("io_mode"), IoMode, repairs)
    return RawProblem(
        native_id=_native_id(row),
        identity=(statement, starter),
        statement=statement,
        license=license_of("own", row.get("license")),
        io_mode=mode or (IoMode.FUNCTION if starter.strip() else IoMode.STDIN),
        site=optional_text(row.get("site"), repairs) or site_of(url),
        url=url,
        title=optional_text(row.get("title"), repairs),
        starter_code=starter if starter.strip() else None,
        function_name=optional_text(row.get("function_name"), repairs) or function_name_in(starter),
        input_file=file_name(row.get("input_file"), repairs),
        output_file=file_name(row.get("output_file"), repairs),
        time_limit_s=leading_number(row.get("time_limit_s"), repairs),
        memory_limit_mib=leading_number(row.get("memory_limit_mib"), repairs),
        checker=_word(row.get("checker"), Checker, repairs),
        float_tolerance=leading_number(row.get("float_tolerance"), repairs),
        checker_program=_checker_program(row, repairs),
        difficulty=optional_text(row.get("difficulty"), repairs),
        rating=whole_number(row.get("rating"), repairs),
        tags=literal_names(row.get("tags"), repairs),
        has_image=row.get("has_image") is True,
        contest_date=date_of(row.get("contest_date"), repairs),
        repairs=frozenset(repairs),
    )


def _checker_program(row: Row, repairs: set[Repair]) -> CheckerProgram | None:
    code, language = (
        optional_code(row.get("checker_code"), repairs),
        optional_text(row.get("checker_language"), repairs),
    )
    protocol = _word(row.get("checker_protocol"), CheckerProtocol, repairs)
    if not code or not language or protocol is None:
        return None
    return CheckerProgram(language, protocol, code, optional_text(row.get("checker_flags"), repairs))


def _attach_test(row: Row) -> Attachment:
    native_id, given, expected = _native_id(row), row.get("input"), row.get("expected")
    if native_id is None or not isinstance(given, str) or not isinstance(expected, str):
        raise RowDefect(Reason.WRONG_TYPE, f"a test without problem, input or expected output: {quoted(native_id)}")
    kind = _word(row.get("kind"), TestKind, set()) or TestKind.PRIVATE
    return Attachment(native_id, TestCase(given, expected, kind), order=clean_id(row.get("test_id")) or "")


def _attach_solution(row: Row) -> Attachment:
    native_id, code = _native_id(row), row.get("code")
    if native_id is None or not isinstance(code, str):
        raise RowDefect(Reason.WRONG_TYPE, f"a solution without problem or code: {quoted(native_id)}")
    language = optional_text(row.get("language"), set()) or "python"
    order = clean_id(row.get("solution_id")) or ""
    return Attachment(
        native_id, SolutionText(normal_code(code, set()), language, row.get("is_correct") is not False), order
    )


LAYOUTS: Final = (
    *kattis.LAYOUTS,
    Layout("tests table", frozenset({"problem_id", "input", "expected"}), "problem_id", attach=_attach_test),
    Layout("solutions table", frozenset({"problem_id", "code"}), "problem_id", attach=_attach_solution),
    Layout("problems table", frozenset({"statement"}), "problem_id", read=_read),
)
