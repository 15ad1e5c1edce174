"""The words that a response is judged with: how it came apart, what its code is, and what else was noticed.

Values only; the rules that choose among them stand in ``separation``, ``syntax`` and ``step``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

__all__ = ["KEPT", "SYNTAX_REASONS", "Case", "FencePolicy", "Separation", "SyntaxVerdict"]

KEPT: Final = "kept"


class FencePolicy(StrEnum):
    """Which of several complete fences holds the code."""

    LAST = "last"
    FIRST = "first"


class Separation(StrEnum):
    """How reasoning, answer and code came apart; everything but ``ok`` is a reason against the sample."""

    OK = "ok"
    REQUEST_FAILED = "request_failed"
    EMPTY_RESPONSE = "empty_response"
    TRUNCATED = "truncated"
    NO_THINK = "no_think"
    UNCLOSED_THINK = "unclosed_think"
    SEVERAL_CLOSINGS = "several_closings"
    EMPTY_REASONING = "empty_reasoning"
    EMPTY_ANSWER = "empty_answer"
    UNCLOSED_FENCE = "unclosed_fence"
    NO_CODE = "no_code"


class SyntaxVerdict(StrEnum):
    """What the code is; a response without code is ``empty``."""

    OK = "ok"
    ERROR = "error"
    WRONG_LANGUAGE = "wrong_language"
    PYTHON2 = "python2"
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported_language"


class Case(StrEnum):
    """A form worth counting that does not by itself speak against a sample."""

    ONLY_CLOSING_TAG = "only_closing_tag"
    TEXT_BEFORE_THINK = "text_before_think"
    QUOTED_TAG = "quoted_tag"
    SEVERAL_FENCES = "several_fences"
    NESTED_FENCE = "nested_fence"
    TILDE_FENCE = "tilde_fence"
    INDENTED_FENCE = "indented_fence"
    FENCE_WITHOUT_LANGUAGE = "fence_without_language"
    WRONG_FENCE_LANGUAGE = "wrong_fence_language"
    CODE_OUTSIDE_FENCE = "code_outside_fence"
    CRLF = "crlf"
    BOM = "bom"
    NON_ASCII_START = "non_ascii_start"


SYNTAX_REASONS: Final = {
    SyntaxVerdict.ERROR: "syntax_error",
    SyntaxVerdict.WRONG_LANGUAGE: "wrong_language",
    SyntaxVerdict.PYTHON2: "python2",
    SyntaxVerdict.EMPTY: "empty_code",
    SyntaxVerdict.TOO_LARGE: "code_too_large",
    SyntaxVerdict.UNSUPPORTED: "unsupported_language",
}
"""The name that a syntax verdict has among the reasons of a sample."""
