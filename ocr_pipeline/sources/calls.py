"""Calls as texts: arguments and values of function problems, written in Python, in JSON, or a JSON value a line."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence
from typing import Final

from ocr_pipeline.sources.returns import Shape, shape_returned
from ocr_pipeline.sources.values import Json, exact_json

__all__ = ["call_arguments", "call_value", "is_wrapped", "line_arguments"]

LONGEST_VALUE: Final = 200_000
RETURNS_LIST: Final = re.compile(
    r"->\s*(?:typing\.)?(?:Optional\[\s*)?(?:List|list|Sequence|Tuple|tuple)\b"
    r"|\b[Rr]eturns?\s+(?:an?|the)\s+(?:\w+\s+)?(?:list|array|tuple)\b"
)
PYTHON_WORDS: Final = {"null": "None", "true": "True", "false": "False"}


def call_arguments(text: str) -> list[Json]:
    """Return the argument values of ``name = value, name = value``, or of one JSON value a line.

    Raises
    ------
    RowDefect
        When it is of neither form.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call = ast.parse(f"_({_pythonic(text)})", mode="eval").body
        if isinstance(call, ast.Call) and not call.args:
            return [ast.literal_eval(keyword.value) for keyword in call.keywords]
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    return line_arguments(text)


def line_arguments(text: str) -> list[Json]:
    """Return the JSON values of a text that has one on each line.

    Raises
    ------
    RowDefect
        When a line is not JSON.
    """
    return [exact_json(line, "arguments")[0] for line in text.split("\n") if line.strip()]


def call_value(text: str) -> Json:
    """Return an expected value, from JSON or from a Python literal.

    Raises
    ------
    RowDefect
        When it is neither.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.literal_eval(_pythonic(text.strip()))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return exact_json(text, "value")[0]


def _pythonic(text: str) -> str:
    if len(text) > LONGEST_VALUE:
        raise ValueError(len(text))
    return re.sub(r"\b(?:null|true|false)\b", lambda word: PYTHON_WORDS[word[0]], text)


def is_wrapped(expected: Sequence[Json], function_name: str, task: str, programs: Sequence[str]) -> bool:
    """Decide whether every expected value is the one item of a list that the source put around it.

    The testers of the sources compare with ``outputs`` and ``outputs[0]`` alike, so the field alone does not say. The
    row's solutions decide where they show what they return; else a function whose task (statement and starter code)
    says that it returns a list keeps its lists of one, unless what they hold are lists again.
    """
    if not expected or not all(isinstance(value, list) and len(value) == 1 for value in expected):
        return False
    holds_lists = all(isinstance(value[0], list) for value in expected)  # type: ignore[index]
    shape = shape_returned(programs, function_name)
    if shape is None:
        return not RETURNS_LIST.search(task) or holds_lists
    return shape is Shape.SCALAR or (shape is Shape.LIST and holds_lists)
