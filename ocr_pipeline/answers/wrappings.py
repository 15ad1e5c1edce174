"""Programs inside something else that is set apart: a notebook, a session, JSON, a shell's here-document, a new file of a diff.

What is set apart in an answer is usually the program itself, and is returned as it is. Which of several programs is
taken is decided in :mod:`ocr_pipeline.answers.choice`; where something is set apart, in ``fences`` and ``shapes``.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator
from typing import Final, NamedTuple

from ocr_pipeline.answers.fences import code_of, find_fences
from ocr_pipeline.answers.tags import NO_TAG, Tag, tag_of

__all__ = ["Value", "is_change", "programs_in", "values_in"]

PROMPT: Final = re.compile(rb"^[ \t]*In[ \t]?\[\d*\]:[ \t]?", re.MULTILINE)
OUTPUT: Final = re.compile(rb"^[ \t]*Out[ \t]?\[\d*\]:.*\Z", re.MULTILINE | re.DOTALL)
CONTINUED: Final = re.compile(rb"^[ \t]*\.\.\.:[ ]?", re.MULTILINE)
SESSION_LINE: Final = re.compile(rb"^[ \t]*(?:>>>|\.\.\.)(?: |$)(.*)$", re.MULTILINE)
NUMBERED: Final = re.compile(rb"^[ \t]*(\d{1,4})(?:[ \t]?[|:.)\xe2\x94\x82]+)?(?:[ \t]|$)", re.MULTILINE)
FEWEST_NUMBERED: Final = 2
MAGIC: Final = re.compile(rb"%%[a-zA-Z!]\w*[^\n]*\n")
CHARACTER_DATA: Final = (b"<![CDATA[", b"]]>")
DIFF_HEAD: Final = re.compile(
    rb"(?:diff --git |index [0-9a-f]{4,40}\.\.|new file mode |--- \S|\+\+\+ \S|@@ -\d)[^\n]*(?:\n|\Z)"
)
HERE: Final = re.compile(
    rb"^(?:\$ )?(?:cat|tee|python3?|pypy3?)\b[^\n<]*<<-?[ \t]*['\"]?(\w+)['\"]?[^\n]*\n(.*?)\n\1\b",
    re.MULTILINE | re.DOTALL,
)
HERE_STARTS: Final = (b"cat ", b"tee ", b"python", b"pypy", b"$ ", b"#!/bin", b"mkdir ")
KEYS: Final = (
    rb"code|solution|program|answer|final_answer|source|source_code|script|python|python3|cpp|implementation|completion|"
    rb"content|arguments|submission|response|output|text|input"
)
VALUE: Final = re.compile(
    rb"[\"'](?:" + KEYS + rb")[\"'][ \t\r\n]*:[ \t\r\n]*\[?[ \t\r\n]*"
    rb"(?P<texts>(?P<text>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')(?:[ \t\r\n]*,[ \t\r\n]*\"(?:[^\"\\]|\\.)*\")*(?=[ \t\r\n]*[,}\]]))",
    re.DOTALL,
)
LANGUAGE: Final = re.compile(rb"[\"'](?:language|lang)[\"'][ \t\r\n]*:[ \t\r\n]*[\"']([^\"'\n]{1,20})[\"']")
MOST_VALUES: Final = 64
DEEPEST: Final = 3
UNUSUAL: Final = frozenset(b"{[>I0123456789%+-@<dc$tpm#")
"""With what anything that is wrapped begins; most programs begin otherwise, and are not looked at."""


class Value(NamedTuple):
    """A text in JSON or in a Python dictionary that may be a program, by its bytes."""

    start: int
    end: int
    tag: Tag


def programs_in(code: bytes, *, is_quoted: bool = False) -> list[bytes]:
    """Return the programs of what is set apart; itself, if it is none of the known wrappings."""
    if is_quoted:
        return list(_texts(_decoded(code), DEEPEST))
    bare = code.lstrip()
    if not bare or bare[0] not in UNUSUAL:
        return [code]
    return list(_unwrapped(code, bare, DEEPEST)) or [code]


def values_in(text: bytes, start: int, end: int) -> Iterator[Value]:
    """Yield the texts of an object in ``text[start:end]`` that may be programs: those under a key that says so."""
    for number, found in enumerate(VALUE.finditer(text, start, end)):
        if number == MOST_VALUES:
            return
        first = text.rfind(b"{", start, found.start())
        last = text.find(b"}", found.end(), end)
        named = LANGUAGE.search(text, max(first, 0), found.start()) or LANGUAGE.search(text, found.end(), max(last, 0))
        yield Value(*found.span("texts"), tag_of(named[1]) if named else NO_TAG)


def _unwrapped(code: bytes, bare: bytes, depth: int) -> Iterator[bytes]:
    """Yield what is inside; nothing for a plain program."""
    if bare.startswith((b"{", b"[")):
        for value in values_in(code, 0, len(code)):
            yield from _texts(_decoded(code[value.start : value.end]), depth)
    elif bare.startswith(b">>> "):
        yield b"\n".join(SESSION_LINE.findall(code))
    elif PROMPT.match(bare):
        yield from (CONTINUED.sub(b"", OUTPUT.sub(b"", cell)).strip(b"\n") for cell in PROMPT.split(code)[1:])
    elif bare[:1].isdigit():
        yield from _without_numbers(code)
    elif MAGIC.match(bare):
        yield MAGIC.sub(b"", bare, count=1)
    elif bare.startswith(CHARACTER_DATA[0]):
        yield bare.removeprefix(CHARACTER_DATA[0]).rstrip().removesuffix(CHARACTER_DATA[1]).strip(b"\n")
    elif DIFF_HEAD.match(bare) or bare.startswith((b"+", b"-")):
        yield from _new_file(bare)
    elif bare.startswith(HERE_STARTS):
        yield from (body for _, body in HERE.findall(code))


def _decoded(value: bytes) -> bytes:
    """Return the text of one or several quoted texts, joined as lines; nothing where they cannot be read."""
    text = value.decode("utf-8", "replace")
    try:
        texts = json.loads(f"[{text}]", strict=False)
    except ValueError:
        texts = _literals(text)
    if not all(isinstance(each, str) for each in texts):
        return b""
    ends_lines = all(each.endswith("\n") for each in texts[:-1])
    return ("" if ends_lines else "\n").join(texts).encode("utf-8", "replace").strip(b"\n")


def _literals(text: str) -> list[object]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an unknown escape in a text is not worth a warning
            return list(ast.literal_eval(f"[{text}]"))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []


def _texts(text: bytes, depth: int) -> Iterator[bytes]:
    """Yield the programs of a text that was inside JSON: those of its fences or of JSON in it, else itself."""
    fences = find_fences(text).complete
    if fences:
        yield from (code_of(text, fence) for fence in fences)
    elif depth and text.startswith((b"{", b"[")):
        yield from list(_unwrapped(text, text, depth - 1)) or [text]
    elif text:
        yield text


def _without_numbers(code: bytes) -> Iterator[bytes]:
    """Yield the lines without their numbers, if they count from one line to the next."""
    lines = [line for line in code.split(b"\n") if line.strip()]
    found = [NUMBERED.match(line) for line in lines]
    numbers = [int(match[1]) for match in found if match]
    if len(lines) < FEWEST_NUMBERED or numbers != list(
        range(numbers[0] if numbers else 0, (numbers or [0])[0] + len(lines))
    ):
        return
    bare = [line[match.end() :] for line, match in zip(lines, found, strict=True) if match]
    common = min((len(line) - len(line.lstrip(b" ")) for line in bare if line.strip()), default=0)
    yield b"\n".join(line[common:] for line in bare)


def _new_file(code: bytes) -> Iterator[bytes]:
    """Yield the file that a diff makes; a change of another file is not a program, and nothing of it is yielded."""
    lines = DIFF_HEAD.sub(b"", code).split(b"\n") if DIFF_HEAD.match(code) else code.split(b"\n")
    if all(line.startswith((b"+", b"\\")) for line in lines if line.strip()):
        yield b"\n".join(line[1:] for line in lines if line.startswith(b"+"))


def is_change(code: bytes) -> bool:
    """Tell that code is a change of a file, which is not a program."""
    return DIFF_HEAD.match(code) is not None and not list(_new_file(code))
