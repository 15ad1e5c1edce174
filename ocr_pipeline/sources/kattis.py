"""Contest problems in the Kattis/ICPC package format: folders, or three tables (problems, tests, submissions).

Folders are read into the rows of the three tables by :mod:`ocr_pipeline.sources.folders`. The default validator of
the format compares without regard to case unless told otherwise; flags and the kind of validation decide the rest.
"""

from __future__ import annotations

import re
from typing import Final

from ocr_pipeline.sources.licenses import license_of
from ocr_pipeline.sources.model import Attachment, CheckerProgram, Layout, RawProblem, Row, SolutionText, TestCase
from ocr_pipeline.sources.rules import Reason, Repair, RowDefect
from ocr_pipeline.sources.text import normal_code, require_statement
from ocr_pipeline.sources.values import (
    clean_id,
    leading_number,
    literal_names,
    optional_code,
    optional_text,
    quoted,
    require_text,
)
from ocr_pipeline.tables import Checker, CheckerProtocol, IoMode, TestKind

__all__ = ["LAYOUTS"]

TOLERANCE: Final = re.compile(r"\bfloat(?:_absolute|_relative)?_tolerance\s+([0-9.]+(?:[eE][-+]?\d{1,3})?)")
NAME: Final = re.compile(r"\\problemname\{([^{}\n]*)\}")
INTERACTIVE: Final = ("interactive", "multi-pass", "multipass")  # the validator talks back
KINDS: Final = {"sample": TestKind.EXAMPLE, "secret": TestKind.PRIVATE}


def _read(row: Row) -> RawProblem:
    repairs: set[Repair] = set()
    if unreadable := optional_text(row.get("settings"), repairs):
        raise RowDefect(Reason.UNREADABLE_ROW, unreadable)
    statement = require_text(row.get("statement"), "statement")
    require_statement(statement)
    if row.get("statement_language") not in {None, "en"}:
        repairs.add(Repair.OTHER_LANGUAGE)
    validation = optional_text(row.get("validation"), repairs) or ""
    flags = require_text(row.get("validator_flags"), "validator_flags")
    interactive = any(word in validation for word in INTERACTIVE)
    program = None if interactive else _checker_program(row, flags)
    checker, tolerance = (Checker.SPECIAL, None) if program else _checker(validation, flags)
    heading = NAME.search(statement)
    return RawProblem(
        native_id=clean_id(row.get("problem")),
        identity=(statement,),
        statement=statement,
        license=license_of("kattis", row.get("license")),
        io_mode=IoMode.INTERACTIVE if interactive else IoMode.STDIN,
        site="kattis",
        title=optional_text(row.get("name"), repairs) or (heading[1].strip() if heading else None),
        time_limit_s=leading_number(row.get("time_limit"), repairs),
        memory_limit_mib=leading_number(row.get("memory_limit"), repairs),
        checker=checker,
        float_tolerance=tolerance,
        checker_program=program,
        tags=literal_names(row.get("keywords"), repairs),
        repairs=frozenset(repairs),
    )


def _checker_program(row: Row, flags: str) -> CheckerProgram | None:
    code, language = optional_code(row.get("checker_code"), set()), row.get("checker_language")
    if not code or not isinstance(language, str):
        return None
    return CheckerProgram(language, CheckerProtocol.KATTIS, code, flags or None)


def _checker(validation: str, flags: str) -> tuple[Checker, float | None]:
    if "custom" in validation:
        return Checker.SPECIAL, None
    tolerances = [float(number) for number in TOLERANCE.findall(flags) if number.strip(".")]
    if tolerances:
        return Checker.FLOAT, max(tolerances)  # absolute and relative: the validator accepts either
    return (Checker.TOKENS if "case_sensitive" in flags else Checker.CASE_INSENSITIVE), None


def _attach_test(row: Row) -> Attachment:
    native_id, name = clean_id(row.get("problem")), row.get("name")
    given, expected = row.get("input"), row.get("output")
    if native_id is None or not isinstance(given, str) or not isinstance(expected, str):
        raise RowDefect(Reason.WRONG_TYPE, f"a test without problem, input or output: {quoted(name)}")
    kind = KINDS.get(str(row.get("kind")), TestKind.PRIVATE)
    return Attachment(native_id, TestCase(given, expected, kind), order=str(name))


def _attach_submission(row: Row) -> Attachment:
    native_id, name, code = clean_id(row.get("problem")), row.get("name"), row.get("code")
    if native_id is None or not isinstance(code, str):
        raise RowDefect(Reason.WRONG_TYPE, f"a submission without problem, or not of one program: {quoted(name)}")
    language = optional_text(row.get("language"), set()) or "unknown"
    is_correct = row.get("expected") == "accepted"
    return Attachment(native_id, SolutionText(normal_code(code, set()), language, is_correct), order=str(name))


LAYOUTS: Final = (
    Layout("problems or packages", frozenset({"problem", "statement"}), "problem", read=_read),
    Layout("tests", frozenset({"problem", "kind", "name", "input", "output"}), "problem", attach=_attach_test),
    Layout("submissions", frozenset({"problem", "name", "expected", "code"}), "problem", attach=_attach_submission),
)
