"""Why a server stopped: the answer ended, ran out of tokens, or was broken off by something else.

Servers have many words for the same three things. Absent means that nothing is known against the answer.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

__all__ = ["Ending", "ending_of"]

WHOLE_WORDS: Final = frozenset(
    {"stop", "eos", "eos_token", "end_turn", "end_of_turn", "stop_sequence", "stop_str", "stop_token", "end"}
    | {"complete", "completed", "finished", "finish", "done", "success"}
)
LENGTH_WORDS: Final = frozenset(
    {"length", "max_tokens", "model_length", "max_length", "max_new_tokens", "max_output_tokens", "incomplete"}
    | {"max_completion_tokens", "token_limit", "context_length", "model_context_window_exceeded", "limit"}
)


class Ending(StrEnum):
    """How an answer ended."""

    WHOLE = "whole"
    LENGTH = "length"
    BROKEN = "broken"


def ending_of(finish_reason: str | None) -> Ending:
    """Return what a server's word means; an unknown word is not known to be good."""
    word = (finish_reason or "stop").strip().lower().replace("-", "_").removeprefix("finish_reason_")
    if word in LENGTH_WORDS:
        return Ending.LENGTH
    return Ending.WHOLE if word in WHOLE_WORDS else Ending.BROKEN
