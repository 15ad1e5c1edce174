"""TACO: the 17 text columns of the hub's ``ALL`` files, and the test split as rendered prompts.

The hub's rows have no id, so a problem is named by what it is: the hash of question, starter code, tests, name and
address. Its position in the hub's files, which the released data set joins by, is :mod:`ocr_pipeline.sources.join`.
"""

from __future__ import annotations

from typing import Final

from ocr_pipeline.sources.examples import call_examples, stdin_examples
from ocr_pipeline.sources.licenses import license_of
from ocr_pipeline.sources.model import Layout, RawProblem, Row, test_block
from ocr_pipeline.sources.question import read_question
from ocr_pipeline.sources.rules import Repair
from ocr_pipeline.sources.sites import site_of
from ocr_pipeline.sources.starter import function_name_in, split_starter
from ocr_pipeline.sources.text import require_statement
from ocr_pipeline.sources.values import (
    clean_id,
    date_of,
    leading_number,
    literal_names,
    optional_text,
    require_text,
)
from ocr_pipeline.tables import Checker, IoMode

__all__ = ["LAYOUTS"]

COLUMNS: Final = frozenset({"question", "solutions", "input_output", "raw_tags", "skill_types", "picture_num"})
RENDERED_START: Final = "\nQUESTION:\n"
RENDERED_END: Final = {
    "\nUse Standard Input format\nANSWER:\n": IoMode.STDIN,
    "\nUse Call-Based format\nANSWER:\n": IoMode.FUNCTION,
}
# The classes of the published special-judge list; a row that is listed without one needs a judge all the same.
SPECIAL_CASES: Final = {1: Checker.SPECIAL, 2: Checker.CASE_INSENSITIVE, 3: Checker.FLOAT}
BYTES_PER_MIB: Final = {"gigabytes": 1024.0, "kilobytes": 1 / 1024, "bytes": 1 / 1024**2}


def _read(row: Row) -> RawProblem:
    repairs: set[Repair] = set()
    question = read_question(row, repairs)
    url = optional_text(row.get("url"), repairs)
    title = optional_text(row.get("name"), repairs)
    return RawProblem(
        native_id=None,
        identity=(*question.identity, title or "", url or ""),
        statement=question.statement,
        license=license_of("taco"),
        io_mode=question.io_mode,
        site=site_of(url, optional_text(row.get("source"), repairs)),
        url=url,
        title=title,
        starter_code=question.starter_code,
        function_name=question.function_name,
        time_limit_s=_seconds(row.get("time_limit"), repairs),
        memory_limit_mib=_mebibytes(row.get("memory_limit"), repairs),
        difficulty=optional_text(row.get("difficulty"), repairs),
        tags=_tags(row, repairs),
        has_image=_pictures(row.get("picture_num")),
        contest_date=date_of(optional_text(row.get("date"), repairs), repairs),
        tests=question.tests,
        solutions=question.solutions,
        repairs=frozenset(repairs),
    )


def _seconds(value: object, repairs: set[Repair]) -> float | None:
    number = leading_number(value, repairs)
    milliseconds = isinstance(value, str) and "millisecond" in value
    return number / 1000 if number is not None and milliseconds else number


def _mebibytes(value: object, repairs: set[Repair]) -> float | None:
    number = leading_number(value, repairs)
    if number is None or not isinstance(value, str):
        return number
    unit = value.lower().split()[-1]
    return number * BYTES_PER_MIB.get(unit, 1.0)


def _tags(row: Row, repairs: set[Repair]) -> tuple[str, ...]:
    names = (literal_names(row.get(column), repairs) for column in ("raw_tags", "tags", "skill_types"))
    return tuple(sorted({tag for group in names for tag in group}))


def _pictures(value: object) -> bool:
    return isinstance(value, str) and value.strip().isdecimal() and int(value[:9]) > 0


def _read_rendered(row: Row) -> RawProblem:
    repairs: set[Repair] = set()
    statement, mode = _unrendered(require_text(row.get("prompt"), "prompt"))
    starter = ""
    if mode is IoMode.FUNCTION:
        statement, starter = split_starter(statement)
        repairs.add(Repair.STARTER_CODE_SPLIT)
    require_statement(statement)
    shown = call_examples(statement) if mode is IoMode.FUNCTION else stdin_examples(statement)
    repairs.update((Repair.EXAMPLES_FROM_STATEMENT if shown else Repair.NO_TESTS, Repair.NO_SOLUTIONS))
    return RawProblem(
        native_id=clean_id(row.get("task_id")),
        identity=(statement,),
        statement=statement,
        license=license_of("taco"),
        io_mode=mode,
        starter_code=starter or None,
        function_name=function_name_in(starter),
        checker=_special_judge(row),
        tests=test_block(shown, repairs),
        repairs=frozenset(repairs),
    )


def _unrendered(prompt: str) -> tuple[str, IoMode]:
    text = prompt.removeprefix(RENDERED_START)
    for end, mode in RENDERED_END.items():
        if text.endswith(end):
            return text.removesuffix(end), mode
    return text, IoMode.STDIN


def _special_judge(row: Row) -> Checker | None:
    if row.get("special_judge") is not True:
        return None
    case = row.get("special_judge_case")
    return SPECIAL_CASES.get(case, Checker.SPECIAL) if isinstance(case, int) else Checker.SPECIAL


LAYOUTS: Final = (
    Layout("hub columns", COLUMNS, read=_read),
    Layout(
        "rendered prompts", frozenset({"prompt", "special_judge", "special_judge_case"}), "task_id", read=_read_rendered
    ),
)
