"""What the judge reads in the source of a Python program, with a parser that stands any source.

Tells syntax that only a newer Python knows from syntax that no Python knows, so that a row says which it was; and which
packages a program imports whatever it is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

import tree_sitter
import tree_sitter_python

__all__ = ["always_imports", "newer_syntax"]

LINE: Final = re.compile(r'File "main\.py", line (\d+)')
IMPORTED: Final = re.compile(rb"(?:from\s+|import\s+|,\s*)(\w+)")
IMPORTS: Final = ("import_statement", "import_from_statement")
TYPES: Final = ("type_alias_statement", "type_parameter")


def newer_syntax(code: str, report: str) -> str | None:
    """Say what of Python 3.12 a syntax error is about, given the interpreter's report of it; ``None``: not about that.

    Type parameters and ``type`` statements (PEP 695), and what only f-strings as of PEP 701 may hold in their braces, are
    looked for in the line of the error.
    """
    place = LINE.search(report)
    if place is None or "SyntaxError" not in report:
        return None
    line = int(place[1]) - 1
    root = _parser().parse(code.encode("utf-8", "surrogatepass")).root_node
    here = [node for node in _nodes(root) if node.start_point.row <= line <= node.end_point.row]
    if any(node.type in TYPES for node in here):
        return "syntax of Python 3.12 for types"
    if not root.has_error and any(node.type == "string" and _needs_new_f_strings(node) for node in here):
        return "f-strings as of Python 3.12"
    return None


def always_imports(code: str, package: str) -> bool:
    """Say whether a program imports a package at its top level, so that it cannot choose when to fail for want of it."""
    root = _parser().parse(code.encode("utf-8", "surrogatepass")).root_node
    statements = (node.text or b"" for node in root.children if node.type in IMPORTS)
    return any(package.encode() in IMPORTED.findall(statement) for statement in statements)


def _nodes(root: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    todo = [root]
    while todo:
        node = todo.pop()
        todo += node.children
        yield node


def _needs_new_f_strings(string: tree_sitter.Node) -> bool:
    """Whether the braces hold the string's own quotes, a backslash or a comment."""
    quotes = (string.children[0].text or b"").lstrip(b"rRbBfFuUtT")
    braces = [node.text or b"" for node in string.children if node.type == "interpolation"]
    return any(mark in text for text in braces for mark in (quotes, b"\\", b"#"))


@cache
def _parser() -> tree_sitter.Parser:
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_python.language()))
