"""What came back, in one normal form: text with its reasoning in tags, why it ended, what it cost, or why it failed.

Servers give the reasoning in three ways: as ``reasoning``, as ``reasoning_content``, or inline. Here it becomes
``<think>`` text once; nothing is cut, moved or repaired. Separating reasoning from code is another step's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson

from ocr_pipeline.answers import CLOSING, OPENING

__all__ = ["Answer", "ErrorKind", "MalformedReplyError", "Usage", "normal_form", "read_completion"]

INT32_MAX: Final = 2**31 - 1


class ErrorKind(StrEnum):
    """Why there is no answer; the first word of the ``error`` column."""

    PROMPT_TOO_LONG = "prompt_too_long"
    BAD_REQUEST = "bad_request"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    MALFORMED_REPLY = "malformed_reply"
    WRONG_MODEL = "wrong_model"
    SAME_REQUEST = "same_request"
    BUDGET = "budget"

    @property
    def is_permanent(self) -> bool:
        """Asking again would fail again, so the failure is kept like an answer."""
        return self in {ErrorKind.PROMPT_TOO_LONG, ErrorKind.BAD_REQUEST}


class MalformedReplyError(Exception):
    """The body is no chat completion."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the server counted them."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    @property
    def tokens(self) -> int:
        """Both together; what is unknown counts as nothing."""
        return (self.prompt_tokens or 0) + (self.completion_tokens or 0)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, or one failure, as the ledger keeps it."""

    text: str
    model: str
    created_ms: int
    latency_s: float
    attempts: int
    finish_reason: str | None = None
    stop_reason: str | None = None
    usage: Usage = Usage()
    error_kind: ErrorKind | None = None
    error_detail: str = ""

    @property
    def error(self) -> str | None:
        """The ``error`` column: the kind, then what the server said."""
        return f"{self.error_kind}: {self.error_detail}" if self.error_kind else None

    @property
    def is_final(self) -> bool:
        """Whether it is kept and never asked again."""
        return self.error_kind is None or self.error_kind.is_permanent


@dataclass(frozen=True, slots=True)
class Completion:
    """The fields of a chat completion that the pipeline reads."""

    text: str
    model: str
    created_s: int | None
    finish_reason: str | None
    stop_reason: str | None
    usage: Usage


def normal_form(content: str | None, reasoning: str | None) -> str:
    """Join reasoning and answer; inline tags stay as they came.

    Content that is absent means that the thought never ended: the tag stays open, and a reader can tell.
    """
    if not reasoning:
        return content or ""
    thought = f"{OPENING.decode()}\n{reasoning.strip(chr(10))}"
    if content is None:
        return thought
    return f"{thought}\n{CLOSING.decode()}\n\n{content.lstrip(chr(10))}"


def read_completion(body: bytes) -> Completion:
    """Read a chat completion.

    Raises
    ------
    MalformedReplyError
        When the body is not JSON or holds no answer; says what was wrong.
    """
    try:
        reply = orjson.loads(body)
        choice = reply["choices"][0]
        message = choice["message"]
        content, reasoning = message.get("content"), message.get("reasoning") or message.get("reasoning_content")
        created = reply.get("created")
        completion = Completion(
            text=normal_form(_unended(content, choice, reasoning), reasoning),
            model=_text(reply.get("model")) or "",
            created_s=created if isinstance(created, int) and 0 < created < 2**40 else None,
            finish_reason=_text(choice.get("finish_reason")),
            stop_reason=_stop(choice.get("stop_reason")),
            usage=_usage(reply.get("usage")),
        )
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, AttributeError) as error:
        message = f"{type(error).__name__}: {error} in {body[:120]!r}"
        raise MalformedReplyError(message) from error
    if not isinstance(content, str | None) or not isinstance(reasoning, str | None):
        message = f"content and reasoning must be text, not {type(content).__name__} and {type(reasoning).__name__}"
        raise MalformedReplyError(message)
    return completion


def _unended(content: Any, choice: dict[str, Any], reasoning: object) -> Any:  # noqa: ANN401 - a field of a reply
    """Return null for an empty content when the thought was cut: some servers do not tell them apart."""
    return None if reasoning and content == "" and choice.get("finish_reason") == "length" else content


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _stop(value: object) -> str | None:
    """Return a stop string, or the number of a stop token as text."""
    return None if value is None else str(value)


def _usage(value: object) -> Usage:
    if not isinstance(value, dict):
        return Usage()
    return Usage(_count(value.get("prompt_tokens")), _count(value.get("completion_tokens")))


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and 0 <= value <= INT32_MAX else None
