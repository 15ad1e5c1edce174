"""HumanEval: the original columns, and a rendering that holds each prompt with its solution as one program."""

from __future__ import annotations

import ast
from typing import Final

from ocr_pipeline.sources.assertions import read_assertions
from ocr_pipeline.sources.licenses import license_of
from ocr_pipeline.sources.model import Layout, RawProblem, Row, SolutionText, solution_block, test_block
from ocr_pipeline.sources.rules import Repair
from ocr_pipeline.sources.starter import function_name_in
from ocr_pipeline.sources.text import normal_code, require_statement
from ocr_pipeline.sources.values import clean_id, optional_text, require_text
from ocr_pipeline.tables import IoMode

__all__ = ["LAYOUTS"]


def _read(row: Row) -> RawProblem:
    repairs: set[Repair] = set()
    prompt = require_text(row.get("prompt"), "prompt")
    body = require_text(row.get("canonical_solution"), "canonical_solution")
    test = require_text(row.get("test"), "test")
    name = optional_text(row.get("entry_point"), repairs)
    return _problem(clean_id(row.get("task_id")), prompt, prompt + body if body.strip() else "", test, name, repairs)


def _read_program(row: Row) -> RawProblem:
    text = require_text(row.get("text"), "text")
    return _problem(None, _prompt_of(text), text, "", None, set())


def _problem(
    native_id: str | None, prompt: str, program: str, test: str, name: str | None, repairs: set[Repair]
) -> RawProblem:
    require_statement(prompt)
    asserted = read_assertions(test, entry_point=name or _last_function(prompt))
    if asserted.is_program:
        repairs.add(Repair.ASSERT_PROGRAM)
    if not asserted.tests:
        repairs.add(Repair.NO_TESTS)
    code = normal_code(program, repairs)
    if not code.strip():
        repairs.add(Repair.NO_SOLUTIONS)
    return RawProblem(
        native_id=native_id,
        identity=(prompt,),
        statement=prompt,
        license=license_of("humaneval"),
        io_mode=IoMode.FUNCTION,
        starter_code=normal_code(prompt, repairs),
        function_name=name or _last_function(prompt),
        tests=test_block(asserted.tests, repairs),
        solutions=solution_block([SolutionText(code)] if code.strip() else [], repairs),
        repairs=frozenset(repairs),
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
