"""The bytes of a reply as one chat completion, whatever a server, a gateway or a proxy makes of it.

::

    bytes      UTF-8, or UTF-16 by its mark; a stream of events that was not asked for is put together
    JSON       strict, else leniently: what cannot be a character is replaced, and noted
    wrappers   ``{"response": …}``, ``{"data": …}``, a list of one
    natives    messages, responses, candidates and chats of other interfaces than chat completions

What the fields of a completion mean is in :mod:`ocr_pipeline.teacher.reply`.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

__all__ = ["INVALID_UTF8", "LONE_SURROGATES", "Body", "completion_in", "error_in"]

INVALID_UTF8: Final = "invalid_utf8"
LONE_SURROGATES: Final = "lone_surrogates"
WRAPPERS: Final = ("response", "data", "result", "body", "completion", "output")
MOST_WRAPPERS: Final = 3
DONE: Final = b"[DONE]"
EVENTS: Final = (b"data:", b"event:", b":", b"id:")
LARGEST_STATUS: Final = 599


class Body(NamedTuple):
    """A chat completion, and which of its characters were replaced."""

    completion: dict[str, Any]
    repairs: tuple[str, ...] = ()


def completion_in(body: bytes) -> Body:
    """Return the chat completion of a reply.

    Raises
    ------
    ValueError, KeyError, IndexError, TypeError, AttributeError
        When there is none.
    """
    data, repairs = _plain(body), set[str]()
    reply = _events(data, repairs) if data.startswith(EVENTS) else _parsed(data, repairs)
    reply = _unwrapped(reply)
    if not reply.get("choices"):
        reply = next((read(reply) for sign, read in NATIVES if sign in reply), reply)
    return Body(reply, tuple(sorted(repairs)))


def error_in(body: bytes) -> int | None:
    """Return the status of an error that came as if all were well; ``None`` when the reply is not one."""
    try:
        reply = _unwrapped(_parsed(_plain(body), set()))
    except (ValueError, TypeError, AttributeError):
        return None
    error = reply.get("error")
    if not error or reply.get("choices"):
        return None
    told = [error.get(name) for name in ("code", "status", "http_status")] if isinstance(error, dict) else []
    codes = [int(code) for code in map(str, told) if code.isdecimal()]
    return next((code for code in codes if 400 <= code <= LARGEST_STATUS), 500)  # noqa: PLR2004 - HTTP


def _plain(body: bytes) -> bytes:
    """Return a body as UTF-8 without its mark and the white space around it."""
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        body = body.decode("utf-16", "replace").encode("utf-8", "replace")
    return body.removeprefix(codecs.BOM_UTF8).strip()


def _parsed(data: bytes, repairs: set[str]) -> Any:  # noqa: ANN401 - any JSON value
    """Parse JSON; what cannot be a character is replaced, for the answer was paid for, and what is not a number is null."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        text = data.decode("utf-8", "replace")
    if text.encode() != data:
        repairs.add(INVALID_UTF8)
    text = json.dumps(json.loads(text, strict=False, parse_constant=lambda _: None), ensure_ascii=False)
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if whole.count("\ufffd") > text.count("\ufffd"):
        repairs.add(LONE_SURROGATES)
    return orjson.loads(whole)


def _events(data: bytes, repairs: set[str]) -> dict[str, Any]:
    """Put a stream of events together that came although none was asked for."""
    lines = (line.strip() for line in data.split(b"\n"))
    told = [
        line.removeprefix(b"data:").strip() for line in lines if line and not line.startswith((b":", b"event:", b"id:"))
    ]
    chunks = [_parsed(line, repairs) for line in told if line != DONE]
    deltas = [choice for chunk in chunks for choice in chunk.get("choices") or () if "delta" in choice]
    if not deltas:
        whole: dict[str, Any] = chunks[-1]
        return whole
    merged: dict[str, Any] = {}
    for chunk in chunks:
        merged |= {name: value for name, value in chunk.items() if value is not None}
    message: dict[str, Any] = {}
    for name, value in ((name, value) for choice in deltas for name, value in (choice.get("delta") or {}).items()):
        if value is not None:
            message[name] = message[name] + value if name in message and name != "role" else value
    # Without a reason, a stream that was not ended was broken off.
    unsaid = None if DONE in told else "error"
    endings = [choice["finish_reason"] for choice in deltas if choice.get("finish_reason")] or [unsaid]
    return merged | {"choices": [{"index": 0, "message": message, "finish_reason": endings[-1]}]}


def _unwrapped(reply: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    for _ in range(MOST_WRAPPERS):
        if isinstance(reply, list) and len(reply) == 1:
            reply = reply[0]
        inner = (
            [reply[name] for name in WRAPPERS if isinstance(reply.get(name), dict)] if isinstance(reply, dict) else []
        )
        if not inner or reply.get("choices"):
            break
        reply = inner[0]
    if not isinstance(reply, dict):
        message = f"the reply is a {type(reply).__name__}, not an object"
        raise TypeError(message)
    return reply


def _message(content: object, finish: object, reply: Mapping[str, Any], **fields: object) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **fields}, "finish_reason": finish}
    return {**reply, "choices": [choice]}


def _of_messages(reply: dict[str, Any]) -> dict[str, Any]:
    """Read a reply whose content is a list of blocks, as Anthropic's interface gives it."""
    return _message(reply["content"], reply.get("stop_reason"), reply)


def _of_responses(reply: dict[str, Any]) -> dict[str, Any]:
    """Read a reply whose output is a list of items, as OpenAI's responses give it."""
    items = [item for item in reply["output"] if isinstance(item, dict)]
    thoughts = [
        part for item in items if item.get("type") == "reasoning" for part in _parts(item, "summary", "content")
    ]
    content = [part for item in items if item.get("type") == "message" for part in _parts(item, "content")]
    told = (reply.get("incomplete_details") or {}).get("reason")
    status = reply.get("status", "completed")
    return _message(content, told or status, reply, reasoning=thoughts)


def _parts(item: Mapping[str, Any], *names: str) -> Iterator[Any]:
    for name in names:
        value = item.get(name)
        yield from value if isinstance(value, list) else [value] if value else []


def _of_candidates(reply: dict[str, Any]) -> dict[str, Any]:
    """Read a reply of candidates, as Google's interface gives it."""
    candidate = reply["candidates"][0]
    usage = reply.get("usageMetadata") or {}
    named = {"model": reply.get("modelVersion"), "usage": usage} | reply
    return _message(candidate.get("content", {}).get("parts"), candidate.get("finishReason"), named)


def _of_chat(reply: dict[str, Any]) -> dict[str, Any]:
    """Read a reply with one message beside its counts, as Ollama's interface gives it."""
    usage = {"prompt_tokens": reply.get("prompt_eval_count"), "completion_tokens": reply.get("eval_count")}
    choice = {"message": reply["message"], "finish_reason": reply.get("done_reason")}
    return {"usage": usage, **reply, "choices": [choice]}


NATIVES: Final[Sequence[tuple[str, Callable[[dict[str, Any]], dict[str, Any]]]]] = (
    ("candidates", _of_candidates),
    ("message", _of_chat),
    ("output", _of_responses),
    ("content", _of_messages),
)
"""What other interfaces than chat completions hold, and who reads it."""
