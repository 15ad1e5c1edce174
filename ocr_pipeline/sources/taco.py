"""TACO: the 17 text columns of the hub's ``ALL`` files, and the test split as rendered prompts.

The hub's rows have no id, so a problem is named by what it is: the hash of question, starter code, tests, name and
address. Its position in the hub's files is not kept: it changes when a file is shuffled (docs/decisions/010).
"""

from __future__ import annotations

from typing import Final

from ocr_pipeline.sources.blocks import test_block
from ocr_pipeline.sources.examples import call_examples, stdin_examples
from ocr_pipeline.sources.model import Layout, RawProblem
from ocr_pipeline.sources.question import read_question
from ocr_pipeline.sources.reading import Reading
from ocr_pipeline.sources.rules import Repair
from ocr_pipeline.sources.sites import site_of
from ocr_pipeline.sources.starter import function_name_in, split_starter
from ocr_pipeline.sources.text import require_statement
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


def _read(row: Reading) -> RawProblem:
    question = read_question(row)
    url = row.line("url")
    title = row.line("name")
    return RawProblem(
        native_id=None,
        identity=(*question.identity, title or "", url or ""),
        statement=question.statement,
        io_mode=question.io_mode,
        site=site_of(url, row.line("source")),
        url=url,
        title=title,
        starter_code=question.starter_code,
        function_name=question.function_name,
        time_limit_s=row.seconds("time_limit"),
        memory_limit_mib=row.mebibytes("memory_limit"),
        difficulty=row.line("difficulty"),
        tags=row.names("raw_tags", "tags", "skill_types"),
        has_image=_pictures(row.get("picture_num")),
        contest_date=row.day("date"),
        tests=question.tests,
        solutions=question.solutions,
    )


def _pictures(value: object) -> bool:
    return isinstance(value, str) and value.strip().isdecimal() and int(value[:9]) > 0


def _read_rendered(row: Reading) -> RawProblem:
    statement, mode = _unrendered(row.text("prompt"))
    starter = ""
    if mode is IoMode.FUNCTION:
        statement, starter = split_starter(statement)
        row.note(Repair.STARTER_CODE_SPLIT)
    require_statement(statement)
    shown = call_examples(statement) if mode is IoMode.FUNCTION else stdin_examples(statement)
    row.note(Repair.EXAMPLES_FROM_STATEMENT if shown else Repair.NO_TESTS, Repair.NO_SOLUTIONS)
    return RawProblem(
        native_id=row.native_id("task_id"),
        identity=(statement,),
        statement=statement,
        io_mode=mode,
        starter_code=starter or None,
        function_name=function_name_in(starter),
        checker=_special_judge(row),
        tests=test_block(shown, row),
    )


def _unrendered(prompt: str) -> tuple[str, IoMode]:
    text = prompt.removeprefix(RENDERED_START)
    for end, mode in RENDERED_END.items():
        if text.endswith(end):
            return text.removesuffix(end), mode
    return text, IoMode.STDIN


def _special_judge(row: Reading) -> Checker | None:
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
