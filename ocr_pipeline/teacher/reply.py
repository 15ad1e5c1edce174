"""What came back, in one normal form: text with its reasoning in tags, why it ended, what it cost, or why it failed.

Servers give the reasoning in a field of many names, in parts of the content, in channels, or inline. Here it becomes
``<think>`` text once, and where the server told it from the answer, the border is kept. A failure says what it is a failure
of: only the question's own are final.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson

from ocr_pipeline.answers import CLOSING, OPENING, Ending, ending_of, split_thought

__all__ = ["Answer", "ErrorKind", "MalformedReplyError", "Scope", "Usage", "normal_form", "read_completion"]

INT32_MAX: Final = 2**31 - 1


class Scope(StrEnum):
    """What a failure is a failure of."""

    QUESTION = "question"
    ACCOUNT = "account"
    SERVER = "server"
    SETTING = "setting"


class ErrorKind(StrEnum):
    """Why there is no answer; the first word of the ``error`` column."""

    PROMPT_TOO_LONG = "prompt_too_long"
    MODERATION = "moderation"
    ACCOUNT = "account"
    SETTING = "setting"
    BAD_REQUEST = "bad_request"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    BROKEN_OFF = "broken_off"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    MALFORMED_REPLY = "malformed_reply"
    WRONG_MODEL = "wrong_model"
    SAME_REQUEST = "same_request"
    BUDGET = "budget"

    @property
    def scope(self) -> Scope:
        """What caused it."""
        return SCOPES.get(self, Scope.SERVER)

    @property
    def is_permanent(self) -> bool:
        """Asking again would fail again, so the failure is kept like an answer."""
        return self.scope is Scope.QUESTION


SCOPES: Final = {
    ErrorKind.PROMPT_TOO_LONG: Scope.QUESTION,  # of this server's context: see ``Answer.context_tokens``
    ErrorKind.MODERATION: Scope.QUESTION,
    ErrorKind.SAME_REQUEST: Scope.QUESTION,
    ErrorKind.ACCOUNT: Scope.ACCOUNT,
    ErrorKind.BUDGET: Scope.ACCOUNT,
    ErrorKind.SETTING: Scope.SETTING,
    ErrorKind.BAD_REQUEST: Scope.SETTING,
    ErrorKind.WRONG_MODEL: Scope.SETTING,
}


class MalformedReplyError(Exception):
    """The body is not a chat completion."""


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
    answer_start: int | None = None
    """Where the answer begins in the text, in bytes, when the server told it from the reasoning."""
    raw: bytes = b""
    """The reply as it came, so that a new reader can read it again without paying."""
    context_tokens: int | None = None
    """The server's context when it failed: a prompt too long for it may fit into another."""

    @property
    def error(self) -> str | None:
        """The ``error`` column: the kind, then what the server said."""
        return f"{self.error_kind}: {self.error_detail}" if self.error_kind else None

    @property
    def is_final(self) -> bool:
        """Whether it is kept and never asked again; a prompt was too long only for a context that is known."""
        if self.error_kind is ErrorKind.PROMPT_TOO_LONG:
            return self.context_tokens is not None and str(self.context_tokens) in self.error_detail
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
    answer_start: int | None = None


REASONING_FIELDS: Final = ("reasoning", "reasoning_content", "thinking", "thinking_blocks", "reasoning_details")
NESTED_FIELDS: Final = ("provider_specific_fields", "model_extra")
REASONING_PARTS: Final = ("thinking", "reasoning")
LENGTH: Final = "length"
HARMONY: Final = "<|channel|>"


def normal_form(content: str | None, reasoning: str | None) -> str:
    """Join reasoning and answer; inline tags stay as they came.

    Content that is absent means that the thought never ended: the tag stays open, and a reader can tell.
    """
    return _joined(content, reasoning)[0]


def _joined(content: str | None, reasoning: str | None) -> tuple[str, int | None]:
    """Return the text, and where the answer begins in it if the server told it from the reasoning."""
    if not reasoning:
        return content or "", None
    opening, closing = OPENING.decode(), CLOSING.decode()
    bare = reasoning.strip().removeprefix(opening)
    is_wrapped = bare.endswith(closing) and bare.count(closing) == 1
    if bare != reasoning.strip() or is_wrapped:
        reasoning = bare.removesuffix(closing) if is_wrapped else bare
    thought = f"{opening}\n{reasoning.strip(chr(10))}"
    if content is None or (not content and closing in reasoning):
        return thought, None
    head = f"{thought}\n{closing}"
    return f"{head}\n\n{_without_thought(content, opening).lstrip(chr(10))}", len(head.encode("utf-8", "replace"))


def _without_thought(content: str, opening: str) -> str:
    """Leave out a thought that the content repeats: the server gave it in a field of its own."""
    if not content.lstrip().startswith(opening):
        return content
    answer = split_thought(content).answer
    return content if answer is None else answer


def read_completion(body: bytes) -> Completion:
    """Read a chat completion.

    Raises
    ------
    MalformedReplyError
        When the body is not JSON or holds no answer; says what was wrong.
    """
    try:
        reply = _json(body)
        choice = reply["choices"][0]
        message = choice["message"]
        content, reasoning = _content(message.get("content")), _reasoning(message)
        ending = _finish(choice)
        text, answer_start = _joined(_unended(content, ending, reasoning), reasoning)
        if HARMONY in text and not reasoning:
            thought, answer = split_thought(text)
            text, answer_start = _joined(answer, thought) if thought else (text, None)
        created = reply.get("created")
        return Completion(
            text=text,
            model=_text(reply.get("model")) or "",
            created_s=int(created) if isinstance(created, int | float) and 0 < created < 2**40 else None,
            finish_reason=ending,
            stop_reason=_stop(choice.get("stop_reason")),
            usage=_usage(reply.get("usage")),
            answer_start=answer_start,
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        message = f"{type(error).__name__}: {error} in {body[:120]!r}"
        raise MalformedReplyError(message) from error


def _json(body: bytes) -> Any:  # noqa: ANN401 - a reply
    """Parse a reply; half characters and bytes that are not UTF-8 are replaced, for the answer was paid for."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        parsed = json.loads(body.decode("utf-8", "replace"), strict=False)
        return orjson.loads(
            json.dumps(parsed, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        )


def _content(value: object) -> str | None:
    """Return the text of the content, which may be a list of parts; reasoning among them is read elsewhere."""
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, list):
        message = f"content must be text or a list of parts, got {type(value).__name__}"
        raise TypeError(message)
    return "".join(_plain(part) for part in value if not _is_reasoning(part))


def _reasoning(message: dict[str, Any]) -> str | None:
    found = [message.get(name) for name in REASONING_FIELDS]
    for name in NESTED_FIELDS:
        nested = message.get(name)
        found += [nested.get(field) for field in REASONING_FIELDS] if isinstance(nested, dict) else []
    content = message.get("content")
    found.append([part for part in content if _is_reasoning(part)] if isinstance(content, list) else None)
    return next((text for value in found if (text := _plain(value))), None)


def _is_reasoning(part: object) -> bool:
    return isinstance(part, dict) and str(part.get("type", "")).startswith(REASONING_PARTS)


def _plain(value: object) -> str:
    """Return the text in a field: a string, a part with one, or a list of them."""
    if isinstance(value, list):
        return "".join(map(_plain, value))
    if isinstance(value, dict):
        return next(
            (text for name in (*REASONING_PARTS, "text", "summary", "content") if (text := _plain(value.get(name)))), ""
        )
    return value if isinstance(value, str) else ""


def _finish(choice: dict[str, Any]) -> str | None:
    """Return why the answer ended: ``length`` in one word, an error of the choice or an object by its type."""
    reason = choice.get("finish_reason")
    if isinstance(reason, dict):
        reason = reason.get("type") or "error"
    if choice.get("error"):
        reason = "error"
    reason = _text(reason)
    return LENGTH if ending_of(reason) is Ending.LENGTH else reason


def _unended(content: str | None, ending: str | None, reasoning: str | None) -> str | None:
    """Return null for an empty content when the thought was cut: some servers do not tell them apart."""
    return None if reasoning and content == "" and ending == LENGTH else content


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
