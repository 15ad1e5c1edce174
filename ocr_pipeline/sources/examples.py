"""Example tests read out of a statement, for rows whose tests the source does not carry.

Known forms: the headed sections of Codeforces, AtCoder, CodeChef and Aizu texts (``Input … Output …`` below
``Example``, ``Sample Input 1 … Sample Output 1``), and LeetCode's ``Input: name = value, … Output: value``. A section
that does not fit is left out; statements are written for people.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ocr_pipeline.sources.calls import call_arguments, call_value
from ocr_pipeline.sources.model import TestCase
from ocr_pipeline.sources.rules import RowDefect
from ocr_pipeline.sources.values import json_text
from ocr_pipeline.tables import TestKind

__all__ = ["call_examples", "stdin_examples"]

DECORATION: Final = "-=#*[]<>{}/:$\\ \t"
# A heading is matched as a whole line, stripped of decoration: no pattern here ever looks across lines.
HEADINGS: Final = (
    ("sample_input", re.compile(r"(?:sample|example) inputs?(?: (?:#|no\.?)? ?\d{1,3})?")),
    ("sample_output", re.compile(r"(?:sample|example) outputs?(?: (?:#|no\.?)? ?\d{1,3})?")),
    ("output", re.compile(r"outputs?(?: for (?:the )?(?:sample|example).{0,20})?(?: (?:#|no\.?)? ?\d{1,3})?")),
    ("input", re.compile(r"inputs?(?: (?:#|no\.?)? ?\d{1,3})?")),
    (
        "examples",
        re.compile(r"(?:sample|example)s?(?: tests?| (?:test )?cases?| io)?(?:\(s\))?(?: (?:#|no\.?)? ?\d{1,3})?"),
    ),
    (
        "end",
        re.compile(r"(?:explanation|notes?|constraints?|hints?|scoring|sub-?tasks?|limits|problem source)\b.{0,30}"),
    ),
)
LONGEST_HEADING: Final = 60
PROSE: Final = re.compile(r"[A-Za-z]{2,}(?:[ ,]+[A-Za-z]{2,}){6,}")
WORDS: Final = re.compile(r"[A-Za-z]{2,}[^\nA-Za-z]{1,20}[A-Za-z]{2,}|^\s*- \S", re.MULTILINE)
"""Two words in one line, or a bullet."""
MOST_EXAMPLES: Final = 20


def stdin_examples(statement: str) -> tuple[TestCase, ...]:
    """Return the example tests that a statement of a stdin problem shows."""
    found = []
    for given, expected in _pairs(statement):
        if expected.strip() and not PROSE.search(given):
            found.append(TestCase(f"{given.strip(chr(10))}\n", f"{expected.strip(chr(10))}\n", TestKind.EXAMPLE))
    return tuple(found[:MOST_EXAMPLES])


def _pairs(statement: str) -> Iterator[tuple[str, str]]:
    """Yield the texts below an input heading and the output heading that follows it."""
    given: str | None = None
    inside = False  # below a heading that announces examples: a bare `Input` is then no description of the format
    for kind, body in _sections(statement):
        if kind in {"examples", "end"}:
            inside, given = kind == "examples", None
        elif kind == "sample_input" or (kind == "input" and inside):
            given = body
        elif given is not None and kind in {"sample_output", "output"}:
            yield given, _first_paragraph_block(body)
            given = None


def _sections(statement: str) -> Iterator[tuple[str, str]]:
    """Yield each known heading with the text below it."""
    kind, lines = "", list[str]()
    for line in statement.split("\n"):
        heading = _heading(line)
        if heading:
            yield kind, "\n".join(lines)
            kind, lines = heading, []
        else:
            lines.append(line)
    yield kind, "\n".join(lines)


def _heading(line: str) -> str:
    """Return the kind of heading that a line is; empty when it is none."""
    if len(line) > LONGEST_HEADING or not line.strip():
        return ""
    title = " ".join(line.strip(DECORATION).lower().split())
    return next((kind for kind, pattern in HEADINGS if pattern.fullmatch(title)), "")


def _first_paragraph_block(body: str) -> str:
    """Cut an output where an explanation begins: a later paragraph with words, below an output that has none.

    Where the output itself is words, only a later paragraph of whole sentences ends it.
    """
    blocks = re.split(r"\n[ \t]*\n", body.strip("\n"))
    kept: list[str] = []
    for block in blocks:
        if kept and (PROSE.search(block) or (WORDS.search(block) and not WORDS.search(kept[0]))):
            break
        kept.append(block)
    return "\n\n".join(kept)


def call_examples(statement: str) -> tuple[TestCase, ...]:
    """Return the example calls that a LeetCode statement shows, as JSON arguments and value."""
    found = []
    for given, expected in _shown_calls(statement):
        try:
            arguments = json_text(call_arguments(given), "input")
            found.append(TestCase(arguments, json_text(call_value(expected), "output"), TestKind.EXAMPLE))
        except RowDefect:
            continue
    return tuple(found[:MOST_EXAMPLES])


def _shown_calls(statement: str) -> Iterator[tuple[str, str]]:
    """Yield the texts behind ``Input:`` (which may go on for lines) and the ``Output:`` that follows."""
    given: list[str] = []
    for line in statement.split("\n"):
        label, colon, rest = line.strip(" \t*").partition(":")
        if colon and label.strip("* ") == "Input":
            given = [rest.strip("* ")]
        elif colon and label.strip("* ") == "Output" and given:
            yield " ".join(given), rest.strip("* ")
            given = []
        elif given:
            given.append(line.strip())
