"""Starter code: the name of the function to call, and where starter code begins inside a rendered prompt."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["function_name_in", "split_starter"]

DEFINITION: Final = re.compile(r"^[ \t]*def[ \t]+([A-Za-z_]\w*)[ \t]*\(", re.MULTILINE)


def function_name_in(starter_code: str) -> str | None:
    """Return the name of the first function that is not a constructor."""
    return next((name for name in DEFINITION.findall(starter_code) if name != "__init__"), None)


def split_starter(text: str) -> tuple[str, str]:
    """Split a rendered question into statement and trailing starter code, which may be empty.

    Prompts were rendered without a separator: the starter code is the end of the text, from the last top-level class
    or function on, which may be behind the statement's last word on the same line.
    """
    start = max(text.rfind("class "), text.rfind("def "))
    enclosing = text.rfind("class ", 0, max(start, 0))
    if enclosing >= 0 and _is_body(text[enclosing:start]):
        start = enclosing
    return (text, "") if start < 0 or not _is_stub(text[start:]) else (text[:start], text[start:])


def _is_stub(code: str) -> bool:
    """Say whether the first line opens a block and every other line is indented, a comment or blank."""
    first, *rest = code.split("\n")
    return ":" in first and all(not line.strip() or line[0] in " \t#@" for line in rest)


def _is_body(code: str) -> bool:
    """Say whether what is between a class and a definition belongs to the class."""
    return "\n" in code and _is_stub(code.rstrip(" \t"))
