"""The words for how an answer came apart, which fence is taken, and what else was noticed.

Values only; the rules that choose among them are in ``separation`` and ``fences``.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Case", "FencePolicy", "Separation"]


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
    BROKEN_OFF = "broken_off"
    """The server stopped for another reason than the end or the length: an error, an abort, a filter."""
    NO_THINK = "no_think"
    UNCLOSED_THINK = "unclosed_think"
    SEVERAL_CLOSINGS = "several_closings"
    EMPTY_REASONING = "empty_reasoning"
    EMPTY_ANSWER = "empty_answer"
    UNCLOSED_FENCE = "unclosed_fence"
    NO_CODE = "no_code"


class Case(StrEnum):
    """A form worth counting that does not by itself speak against a sample."""

    ONLY_CLOSING_TAG = "only_closing_tag"
    TEXT_BEFORE_THINK = "text_before_think"
    QUOTED_TAG = "quoted_tag"
    OTHER_TAG = "other_think_tag"
    SEVERAL_FENCES = "several_fences"
    NESTED_FENCE = "nested_fence"
    OTHER_FORM = "other_form"
    """The code is set apart in another way than by a fence."""
    TILDE_FENCE = "tilde_fence"
    INDENTED_FENCE = "indented_fence"
    FENCE_WITHOUT_LANGUAGE = "fence_without_language"
    WRONG_FENCE_LANGUAGE = "wrong_fence_language"
    CODE_OUTSIDE_FENCE = "code_outside_fence"
    CRLF = "crlf"
    BOM = "bom"
    NON_ASCII_START = "non_ascii_start"
