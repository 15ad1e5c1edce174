"""The words that the code of a response is judged with, and the names that they have among the reasons of a sample.

Values only; the rules that choose among them are in ``syntax`` and ``step``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

__all__ = ["KEPT", "NO_PROGRAM", "SYNTAX_REASONS", "SyntaxVerdict"]

KEPT: Final = "kept"
NO_PROGRAM: Final = "no_program"
"""The code is fine, but reads, prints and defines nothing, or needs another piece of the answer."""


class SyntaxVerdict(StrEnum):
    """What the code is; a response without code is ``empty``."""

    OK = "ok"
    ERROR = "error"
    WRONG_LANGUAGE = "wrong_language"
    PYTHON2 = "python2"
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported_language"


SYNTAX_REASONS: Final = {
    SyntaxVerdict.ERROR: "syntax_error",
    SyntaxVerdict.WRONG_LANGUAGE: "wrong_language",
    SyntaxVerdict.PYTHON2: "python2",
    SyntaxVerdict.EMPTY: "empty_code",
    SyntaxVerdict.TOO_LARGE: "code_too_large",
    SyntaxVerdict.UNSUPPORTED: "unsupported_language",
}
"""The name that a syntax verdict has among the reasons of a sample."""
