"""Which piece of code is a program, how whole it is, and whether it is only a part of one.

A program reads input, or defines what is asked, or at least prints. The signs are looked for in the text: code that
does not parse is judged elsewhere. Whether a program is right is nobody's business here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from ocr_pipeline.tables import Language

__all__ = ["Wholeness", "is_piece", "may_hold_program", "wholeness"]


class Wholeness(IntEnum):
    """How much of a program a piece of code is, from nothing up."""

    NOTHING = 0
    """It neither reads nor prints nor defines anything: a trace, an output, an expression."""
    PRINTS = 1
    DEFINES = 2
    """It defines a function or a class, which may be what is asked."""
    READS = 3
    """It reads input, or has the entry point that its language asks for."""


READS: Final = {
    Language.PYTHON: (b"input(", b"stdin", b"open(", b"fileinput", b"os.read", b"input (", b"open ("),
    Language.CPP: (b"main(", b"main ("),
}
PRINTS: Final = {
    Language.PYTHON: (b"print", b"stdout", b".write(", b"exec(", b".write ("),
    Language.CPP: (b"cout", b"cin", b"printf", b"scanf", b"puts", b"putchar"),
}
DEFINES: Final = {
    Language.PYTHON: re.compile(
        rb"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+\w|^[ \t]*\w+[ \t]*=[ \t]*lambda\b", re.MULTILINE
    ),
    Language.CPP: re.compile(rb"\b(?:class|struct)\s+\w|\)\s*(?:const\s*)?(?:noexcept\s*)?\{"),
}
HINTS: Final = {
    Language.PYTHON: (b"print", b"input", b"stdin", b"stdout", b"def ", b"lambda"),
    Language.CPP: (b"{",),
}
"""One of these is in nearly every text that holds a program."""
COMMENT: Final = {
    Language.PYTHON: re.compile(rb"#[^\n]*"),
    Language.CPP: re.compile(rb"//[^\n]*|/\*(?:[^*]|\*(?!/))*\*/"),
}
COMMENT_SIGN: Final = {Language.PYTHON: b"#", Language.CPP: b"/"}
DEFINED: Final = {
    Language.PYTHON: re.compile(rb"^(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE),
    Language.CPP: re.compile(
        rb"^(?:(?:class|struct|enum|union)\s+(\w+)|(?!return\b|else\b|throw\b|case\b)[\w:<>,&*]+[ \t&*]+(\w+)\s*\([^;{}]*\)\s*\{)",
        re.MULTILINE,
    ),
}
ASSIGNED: Final = re.compile(rb"^([A-Za-z_]\w*(?:[ \t]*,[ \t]*[A-Za-z_]\w*)*)[ \t]*=(?!=)", re.MULTILINE)
NAME: Final = re.compile(rb"\w+")
EVERYTHING: Final = re.compile(rb"\bimport\s+\*")
MOST_NAMES: Final = 64


def wholeness(code: bytes, language: Language | None) -> Wholeness:
    """Return how whole a program is; where no language was asked for, any text may be one."""
    if language is None:
        return Wholeness.READS
    bare = COMMENT[language].sub(b"", code) if COMMENT_SIGN[language] in code else code
    if _holds(bare, READS[language]):
        return Wholeness.READS
    if DEFINES[language].search(bare):
        return Wholeness.DEFINES
    return Wholeness.PRINTS if _holds(bare, PRINTS[language]) else Wholeness.NOTHING


def _holds(code: bytes, words: Sequence[bytes]) -> bool:
    return any(word in code for word in words)


def may_hold_program(text: bytes, start: int, end: int, language: Language | None) -> bool:
    """Tell quickly that a range may hold a program; most prose holds none."""
    return language is None or any(text.find(hint, start, end) >= 0 for hint in HINTS[language])


def is_piece(code: bytes, others: Sequence[bytes], language: Language | None) -> bool:
    """Tell that ``code`` needs what only another piece of the same answer holds, so that neither is the program.

    It calls what another piece defines and itself does not, or it reads and never prints while another piece prints
    what it reads.
    """
    if language is None or not others or EVERYTHING.search(code):
        return False
    if any(_calls(code, name, language) for other in others for name in _defined(other, language)):
        return True
    if language is not Language.PYTHON or _holds(code, PRINTS[language]):
        return False
    names = {name for found in ASSIGNED.findall(code) for name in NAME.findall(found)}
    return any(_holds(other, PRINTS[language]) and names & _loaded(other) for other in others)


def _defined(code: bytes, language: Language) -> set[bytes]:
    found = DEFINED[language].findall(code)[:MOST_NAMES]
    return {name for match in found for name in (match if isinstance(match, tuple) else (match,)) if name} - {b"main"}


def _calls(code: bytes, name: bytes, language: Language) -> bool:
    """Tell that ``code`` calls a name that it does not itself bring into being; in doubt it does."""
    if name not in code:
        return False
    word = re.escape(name)
    if not re.search(rb"(?<![\w.>:])" + word + rb"\s*[(<{]", code):
        return False
    if language is Language.PYTHON:
        binds = (
            rb"\b(?:def|class|as|import|for|global|nonlocal|lambda)\b[^\n]*\b%(name)s\b"
            rb"|\b%(name)s\b[ \t]*(?::[^=\n]*)?(?:,[ \w,]*)?=(?!=)"
        )
    else:
        binds = (
            rb"\b(?:class|struct|enum|union|typename|using|typedef|define|auto|namespace)\b[^\n]*\b%(name)s\b"
            rb"|(?<=[\w>&*])(?<!\breturn)(?<!\belse)(?<!\bthrow)(?<!\bcase)[ \t]+[&*]*%(name)s\s*[({=]"
        )
    return re.search(binds.replace(b"%(name)s", word), code) is None


def _loaded(code: bytes) -> set[bytes]:
    """Return the names of a piece that it does not assign itself."""
    own = {name for found in ASSIGNED.findall(code) for name in NAME.findall(found)}
    return set(NAME.findall(code)) - own
