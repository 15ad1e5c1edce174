"""What came back, in one normal form: text with its reasoning in tags, why it ended, what it cost, or why it failed.

Servers give the reasoning in a field of many names, in parts of the content, in channels, or inline. Here it becomes
``<think>`` text once, and where the server told it from the answer, the border is kept. A failure says what it is a failure
of: only the question's own are final.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from ocr_pipeline.answers import CLOSING, OPENING, Ending, ending_of, split_thought
from ocr_pipeline.teacher.bodies import completion_in

__all__ = [
    "READER",
    "Answer",
    "ErrorKind",
    "MalformedReplyError",
    "Scope",
    "Usage",
    "normal_form",
    "read_again",
    "read_completion",
]

READER: Final = 2
"""Raised with each change of what is read out of a reply: replies that an earlier reader read are then read again."""

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
    repairs: tuple[str, ...] = ()
    """What was replaced in the reply because it cannot be a character."""
    reader: int = READER
    """Which reader made the text out of the raw reply."""
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
    repairs: tuple[str, ...] = ()


REASONING_FIELDS: Final = (
    *("reasoning", "reasoning_content", "thinking", "thinking_blocks", "reasoning_details", "thoughts", "thought"),
    *("reasoning_text", "thinking_content", "thinking_text", "chain_of_thought"),
)
NESTED_FIELDS: Final = ("provider_specific_fields", "model_extra", "extra_fields", "metadata")
REASONING_PARTS: Final = ("thinking", "reasoning")
TEXT_FIELDS: Final = (*REASONING_PARTS, "reasoning_content", "text", "summary", "content", "value")
PROMPT_FIELDS: Final = ("prompt_tokens", "input_tokens", "promptTokens", "promptTokenCount", "inputTokens")
COMPLETION_FIELDS: Final = (
    *("completion_tokens", "output_tokens", "completionTokens", "candidatesTokenCount", "outputTokens"),
)
ENDING_FIELDS: Final = ("finish_reason", "finishReason", "done_reason", "stop_reason")
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
        reply, repairs = completion_in(body)
        choice = _first(reply["choices"])
        told = _message_of(choice)
        content, reasoning = _content(told.get("content")), _reasoning(told, choice)
        ending = _finish(choice, reply, has_refused=bool(told.get("refusal")) and not content)
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
            repairs=repairs,
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        message = f"{type(error).__name__}: {error} in {body[:120]!r}"
        raise MalformedReplyError(message) from error


def read_again(answer: Answer, names: Container[str] | None = None) -> Answer | None:
    """Return an answer as the present reader reads its raw reply; ``None`` when the reply holds none.

    A failure to read, an end that was not understood, and a name that was not accepted become an answer if the reply
    is one by now.

    Parameters
    ----------
    answer
        With its raw reply.
    names
        Names under which the model may have answered; any by default.
    """
    if not answer.raw:
        return None
    try:
        completion = read_completion(answer.raw)
    except MalformedReplyError:
        return None
    is_foreign = names is not None and completion.model and completion.model not in names
    if is_foreign or (answer.error_kind is not None and ending_of(completion.finish_reason) is Ending.BROKEN):
        return None
    return replace(
        answer,
        text=completion.text,
        finish_reason=completion.finish_reason,
        stop_reason=completion.stop_reason,
        usage=completion.usage,
        answer_start=completion.answer_start,
        repairs=completion.repairs,
        reader=READER,
        error_kind=None,
        error_detail="",
    )


def _first(choices: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the choice of number 0, or the first where none says so."""
    return next((choice for choice in choices if choice.get("index") == 0), choices[0])


def _message_of(choice: Mapping[str, Any]) -> dict[str, Any]:
    """Return the message of a choice, which some servers call a delta, or give as text alone."""
    found = choice.get("message") or choice.get("delta")
    if found is None and isinstance(choice.get("text"), str):
        return {"content": choice["text"]}
    message: dict[str, Any] = found if isinstance(found, dict) else choice["message"]
    return message


def _content(value: object) -> str | None:
    """Return the text of the content, which may be a list of parts; reasoning among them is read elsewhere."""
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, list | dict):
        message = f"content must be text or a list of parts, got {type(value).__name__}"
        raise TypeError(message)
    return "".join(_plain(part) for part in (value if isinstance(value, list) else [value]) if not _is_reasoning(part))


def _reasoning(message: Mapping[str, Any], choice: Mapping[str, Any]) -> str | None:
    """Return the reasoning from wherever it is: the message, its parts, what a gateway puts beside them, the choice."""
    found: list[object] = []
    for place in (message, choice):
        found += [place.get(name) for name in REASONING_FIELDS]
        nested = [inner for name in NESTED_FIELDS if isinstance(inner := place.get(name), dict)]
        found += [inner.get(name) for inner in nested for name in REASONING_FIELDS]
    content = message.get("content")
    found.append([part for part in content if _is_reasoning(part)] if isinstance(content, list) else None)
    return next((text for value in found if (text := _plain(value))), None)


def _is_reasoning(part: object) -> bool:
    if not isinstance(part, dict):
        return False
    kind = str(part.get("type", ""))
    return kind.startswith(REASONING_PARTS) or kind == "redacted_thinking" or part.get("thought") is True


def _plain(value: object) -> str:
    """Return the text in a field: a string, a part with one, or a list of them."""
    if isinstance(value, list):
        return "".join(map(_plain, value))
    if isinstance(value, dict):
        return next((text for name in TEXT_FIELDS if (text := _plain(value.get(name)))), "")
    return value if isinstance(value, str) else ""


def _finish(choice: Mapping[str, Any], reply: Mapping[str, Any], *, has_refused: bool) -> str | None:
    """Return why the answer ended: ``length`` in one word, an error of the choice or an object by its type."""
    if choice.get("error") or reply.get("error"):
        return "error"
    if has_refused:
        return "refusal"
    told = [choice.get(name) for name in ENDING_FIELDS[:-1]]
    incomplete = reply.get("incomplete_details")
    told.append(incomplete.get("reason") if isinstance(incomplete, dict) else None)
    reason = next((each for each in told if each), None)
    if isinstance(reason, dict):
        reason = reason.get("type") or "error"
    words = [_text(each) for each in (reason, choice.get("native_finish_reason"), choice.get(ENDING_FIELDS[-1]))]
    return LENGTH if any(word and ending_of(word) is Ending.LENGTH for word in words) else words[0]


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
    return Usage(*(_count(value, names) for names in (PROMPT_FIELDS, COMPLETION_FIELDS)))


def _count(usage: Mapping[str, object], names: Sequence[str]) -> int | None:
    value = next((usage[name] for name in names if usage.get(name) is not None), None)
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    is_count = isinstance(value, int | float) and 0 <= value <= INT32_MAX and value == int(value)
    return int(value) if is_count and isinstance(value, int | float) else None
