"""Tests written as Python assertions: ``assert name(arguments) == value`` becomes a call with JSON values.

Only literals are read; nothing is evaluated. An assertion of another form cannot be a row of the tests table and is
left out, noted by the reader.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from ocr_pipeline.sources.model import TestCase
from ocr_pipeline.sources.rules import RowDefect
from ocr_pipeline.sources.values import json_text

__all__ = ["Assertions", "read_assertions"]


@dataclass(frozen=True, slots=True)
class Assertions:
    """The calls of a test program, and how many of its assertions are of another form."""

    function_name: str | None
    tests: tuple[TestCase, ...]
    unread: int


def read_assertions(code: str) -> Assertions:
    """Read the assertions of a program, wherever they stand in it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
        asserted = [node.test for node in ast.walk(tree) if isinstance(node, ast.Assert)]
        calls = [call for test in asserted for call in _calls(test)]
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return Assertions(None, (), unread=1)
    names = [name for name, _ in calls]
    return Assertions(names[0] if names else None, tuple(test for _, test in calls), unread=len(asserted) - len(calls))


def _calls(test: ast.expr) -> Iterator[tuple[str, TestCase]]:
    """Yield the one call of an assertion, or nothing when it is of another form."""
    if not isinstance(test, ast.Compare) or len(test.ops) != 1 or not isinstance(test.ops[0], ast.Eq | ast.Is):
        return
    call = test.left
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        return
    try:
        values = [ast.literal_eval(argument) for argument in (*call.args, *(word.value for word in call.keywords))]
        expected = ast.literal_eval(test.comparators[0])
        yield call.func.id, TestCase(json_text(values, "arguments"), json_text(expected, "value"))
    except (ValueError, TypeError, MemoryError, RecursionError, RowDefect):
        return
