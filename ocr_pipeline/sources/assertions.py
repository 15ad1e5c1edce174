"""Tests written as Python assertions: ``assert name(arguments) == value`` becomes a call with JSON values.

Only literals that JSON keeps as they are become calls; nothing is evaluated. A program with an assertion of another
form, or with values that JSON would change (tuples, sets, numbers as keys), is one test as a whole, in the form that
the judge runs: ``{"assert": program, "entry_point": …}``. A problem has tests of one kind only.
"""

from __future__ import annotations

import ast
import builtins
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from ocr_pipeline.sources.model import TestCase
from ocr_pipeline.sources.rules import RowDefect
from ocr_pipeline.sources.values import json_text

__all__ = ["Assertions", "as_program", "read_assertions"]


@dataclass(frozen=True, slots=True)
class Assertions:
    """The tests of a test program."""

    function_name: str | None
    tests: tuple[TestCase, ...]
    is_program: bool = False
    """Some assertions are not plain calls: the program is the test."""


def read_assertions(code: str, *, entry_point: str | None = None) -> Assertions:
    """Read the assertions of a program, wherever they are in it; one that does not parse has no test."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
        asserted = [node.test for node in ast.walk(tree) if isinstance(node, ast.Assert) and not _is_true(node.test)]
        calls = [call for test in asserted for call in _calls(test)]
        called = [name for test in asserted for name in _called(test)]
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return Assertions(None, ())
    name = entry_point or (called[0] if called else None)
    if len(calls) < len(asserted) and name is not None:
        return Assertions(name, (as_program(code, name),), is_program=True)
    return Assertions(name, tuple(test for _, test in calls))


def as_program(code: str, entry_point: str) -> TestCase:
    """Return a program of asserts as a test."""
    return TestCase(json_text({"assert": code, "entry_point": entry_point}, "assert"), "")


def _is_true(test: ast.expr) -> bool:
    """Say whether an assertion holds whatever the candidate does."""
    return isinstance(test, ast.Constant) and bool(test.value)


def _called(test: ast.expr) -> Iterator[str]:
    """Yield the names of the functions that an assertion calls and Python does not bring along."""
    for node in ast.walk(test):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not hasattr(builtins, node.func.id):
            yield node.func.id


def _calls(test: ast.expr) -> Iterator[tuple[str, TestCase]]:
    """Yield the one call of an assertion, or nothing when it is of another form."""
    if not isinstance(test, ast.Compare) or len(test.ops) != 1 or not isinstance(test.ops[0], ast.Eq | ast.Is):
        return
    call = test.left
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        return
    if call.keywords:
        return
    try:
        values = [ast.literal_eval(argument) for argument in call.args]
        expected = ast.literal_eval(test.comparators[0])
        if not _is_json([values, expected]):
            return
        yield call.func.id, TestCase(json_text(values, "arguments"), json_text(expected, "value"))
    except (ValueError, TypeError, MemoryError, RecursionError, RowDefect):
        return


def _is_json(value: object) -> bool:
    """Whether JSON gives the value back as it was."""
    if isinstance(value, list):
        return all(map(_is_json, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(map(_is_json, value.values()))
    return value is None or isinstance(value, bool | int | float | str)
