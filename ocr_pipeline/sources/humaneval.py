"""HumanEval: the original columns, and a rendering that holds each prompt with its solution as one program."""

from __future__ import annotations

import ast
from typing import Final

from ocr_pipeline.sources.assertions import read_assertions
from ocr_pipeline.sources.blocks import solution_block, test_block
from ocr_pipeline.sources.model import Layout, RawProblem, SolutionText
from ocr_pipeline.sources.reading import Reading
from ocr_pipeline.sources.rules import Repair
from ocr_pipeline.sources.starter import function_name_in
from ocr_pipeline.sources.text import require_statement
from ocr_pipeline.tables import IoMode

__all__ = ["LAYOUTS"]


def _read(row: Reading) -> RawProblem:
    prompt = row.text("prompt")
    body = row.text("canonical_solution")
    test = row.text("test")
    name = row.line("entry_point")
    return _problem(row.native_id("task_id"), prompt, prompt + body if body.strip() else "", test, name, row)


def _read_program(row: Reading) -> RawProblem:
    text = row.text("text")
    return _problem(None, _prompt_of(text), text, "", None, row)


def _problem(native_id: str | None, prompt: str, program: str, test: str, name: str | None, row: Reading) -> RawProblem:
    require_statement(prompt)
    asserted = read_assertions(test, entry_point=name or _last_function(prompt))
    if asserted.is_program:
        row.note(Repair.ASSERT_PROGRAM)
    if not asserted.tests:
        row.note(Repair.NO_TESTS)
    code = row.normal_code(program)
    if not code.strip():
        row.note(Repair.NO_SOLUTIONS)
    return RawProblem(
        native_id=native_id,
        identity=(prompt,),
        statement=prompt,
        io_mode=IoMode.FUNCTION,
        starter_code=row.normal_code(prompt),
        function_name=name or _last_function(prompt),
        tests=test_block(asserted.tests, row),
        solutions=solution_block([SolutionText(code)] if code.strip() else [], row),
    )


def _last_function(prompt: str) -> str | None:
    """Return the function to complete: prompts may define helpers before it."""
    start = prompt.rfind("\ndef ")
    return function_name_in(prompt[start + 1 :] if start >= 0 else prompt)


def _prompt_of(program: str) -> str:
    """Return a program up to the end of its last function's docstring."""
    try:
        functions = [node for node in ast.parse(program).body if isinstance(node, ast.FunctionDef)]
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return program
    documented = [node.body[0] for node in functions if ast.get_docstring(node, clean=False) is not None]
    if not documented or documented[-1].end_lineno is None:
        return program
    return "".join(program.splitlines(keepends=True)[: documented[-1].end_lineno])


LAYOUTS: Final = (
    Layout("original columns", frozenset({"task_id", "prompt", "entry_point", "test"}), "task_id", read=_read),
    Layout("programs alone", frozenset({"text"}), read=_read_program),
)
