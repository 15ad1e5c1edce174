"""A server that answers like vLLM from recordings, and misbehaves on request: for the demo, tests and trying settings.

:class:`Replayer` decides what a request gets and touches no network, so that tests can run days of traffic at a
clock of their own; :func:`serve` puts it behind HTTP. It generates nothing: sampling fields other than the seed
change nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson

from ocr_pipeline.answers import CLOSING, OPENING
from ocr_pipeline.listening import serve_app
from ocr_pipeline.teacher.faults import AnswerFault, Faults, TransportFault
from ocr_pipeline.teacher.recordings import Recording, Recordings

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["Planned", "Replayer", "serve"]

DEFAULT_MODEL: Final = "replay/sample"
FOREIGN_MODEL: Final = "another/model"
RETRY_AFTER_S: Final = 1
LOOP_WORDS: Final = 40
LOOP_COPIES: Final = 60
LARGEST_BODY_BYTES: Final = 64 << 20
ATTEMPTS_REMEMBERED: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Planned:
    """What one request gets, and when."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    is_reset: bool = False
    """The connection breaks in the middle of the body."""
    is_stalled: bool = False
    """Nothing ever comes."""


class Replayer:
    """Picks the answer to each request.

    Parameters
    ----------
    recordings
        What can be answered.
    faults
        What goes wrong.
    model
        Name under which it serves.
    is_strict
        Refuse prompts that nothing matches.
    """

    def __init__(
        self, recordings: Recordings, *, faults: Faults, model: str = DEFAULT_MODEL, is_strict: bool = False
    ) -> None:
        self._recordings = recordings
        self._faults = faults
        self._is_strict = is_strict
        self._attempts: Counter[bytes] = Counter()
        self.model = model
        self.served: Counter[str] = Counter()

    def plan(self, body: bytes) -> Planned:
        """Return what the request gets."""
        try:
            request = orjson.loads(body)
            prompt = "".join(_content(message) for message in request["messages"])
            seed = int(request.get("seed") or 0)
            model = request["model"]
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
            return self._refused(400, f"the request is not a chat completion: {error!r}", "BadRequestError")
        if model != self.model:
            return self._refused(404, f"The model `{model}` does not exist.", "NotFoundError")
        if request.get("n") not in {None, 1} or request.get("stream"):
            return self._refused(400, "only n=1 without stream is replayed", "BadRequestError")
        return self._answered(prompt, seed)

    def _answered(self, prompt: str, seed: int) -> Planned:
        attempt = self._count_attempt(prompt, seed)
        delay_s = self._faults.delay_s(prompt, seed, attempt)
        fault = self._faults.of_attempt(prompt, seed, attempt)
        if fault in FAILURES:
            self.served[FAILURES[fault].name] += 1
            return Planned(FAILURES[fault].status, FAILURES[fault].body, FAILURES[fault].headers, delay_s)
        recording = self._recordings.matching(prompt, seed)
        if recording is None and self._is_strict:
            head = " ".join(prompt.split())[:80]
            return self._refused(400, f"no recording matches the prompt `{head}…`", "BadRequestError")
        recording = recording or self._recordings.any_for(prompt, seed)
        text = self._completion(recording, self._faults.of_answer(prompt, seed), prompt, seed, fault)
        self.served[fault or "answers"] += 1
        return Planned(
            200,
            text,
            {"openai-processing-ms": f"{recording.processing_ms:g}"},
            delay_s,
            is_reset=fault is TransportFault.RESET,
            is_stalled=fault is TransportFault.STALL,
        )

    def _count_attempt(self, prompt: str, seed: int) -> int:
        if not self._faults.transport and not self._faults.delay.first:
            return 0
        key = hashlib.blake2b(f"{seed}\0{prompt}".encode(), digest_size=16).digest()
        if len(self._attempts) > ATTEMPTS_REMEMBERED:
            self._attempts.clear()
        self._attempts[key] += 1
        return self._attempts[key]

    def _completion(
        self, recording: Recording, fault: AnswerFault | None, prompt: str, seed: int, failure: TransportFault | None
    ) -> bytes:
        message, finish_reason = _spoiled(recording, fault)
        identity = hashlib.sha256(f"{seed}\0{prompt}".encode()).hexdigest()[:24]
        reply = {
            "id": f"chatcmpl-{identity}",
            "object": "chat.completion",
            "created": recording.created,
            "model": FOREIGN_MODEL if failure is TransportFault.WRONG_MODEL else self.model,
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "logprobs": None,
                    "finish_reason": finish_reason,
                    "stop_reason": recording.stop_reason,
                }
            ],
            "usage": recording.usage or None,
        }
        return orjson.dumps(reply)

    def _refused(self, status: int, message: str, kind: str) -> Planned:
        self.served[str(status)] += 1
        return Planned(
            status, orjson.dumps({"error": {"message": message, "type": kind, "param": None, "code": status}})
        )

    def models(self) -> bytes:
        """Return the body of ``/v1/models``."""
        model = {"id": self.model, "object": "model", "created": 1, "owned_by": "replay", "root": self.model}
        return orjson.dumps({"object": "list", "data": [model]})

    def metrics(self) -> str:
        """Return counters in the text form that Prometheus reads."""
        lines = [f'replay_requests_total{{kind="{kind}"}} {count}\n' for kind, count in sorted(self.served.items())]
        return "".join(["# TYPE replay_requests_total counter\n", *lines])


@dataclass(frozen=True, slots=True)
class _Failure:
    name: str
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def _failure(status: int, message: str, **headers: str) -> _Failure:
    body = orjson.dumps({"error": {"message": message, "type": "injected", "code": status}})
    return _Failure(str(status), status, body, {name.replace("_", "-"): value for name, value in headers.items()})


FAILURES: Final[Mapping[TransportFault | None, _Failure]] = {
    TransportFault.TOO_MANY_REQUESTS: _failure(429, "too many requests", Retry_After=str(RETRY_AFTER_S)),
    TransportFault.SERVER_ERROR: _failure(500, "internal error"),
    TransportFault.UNAVAILABLE: _failure(503, "unavailable", Retry_After=str(RETRY_AFTER_S)),
    TransportFault.GARBAGE: _Failure("garbage", 200, b'{"choices": [{"message": {"content": "cut in the mi'),
}


def _content(message: Mapping[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _spoiled(recording: Recording, fault: AnswerFault | None) -> tuple[dict[str, Any], str | None]:
    """Return message and finish reason with the fault applied."""
    message = dict(recording.message)
    name = "content" if message.get("content") else next((key for key in REASONING if message.get(key)), "content")
    text = message.get(name) or ""
    if fault is AnswerFault.TRUNCATE:
        return message | {name: text[: len(text) // 2]}, "length"
    if fault is AnswerFault.LOOP:
        return message | {name: text + _loop(text)}, "length"
    if fault is AnswerFault.NO_THINK:
        thought = "".join(message.pop(key) or "" for key in REASONING if key in message)
        plain = (thought + text).replace(OPENING.decode(), "").replace(CLOSING.decode(), "")
        return message | {"content": plain}, recording.finish_reason
    return message, recording.finish_reason


REASONING: Final = ("reasoning", "reasoning_content")


def _loop(text: str) -> str:
    words = text.split()[-LOOP_WORDS:]
    return (" " + " ".join(words)) * LOOP_COPIES


def build_app(replayer: Replayer) -> web.Application:
    """Return the HTTP side: chat completions, models, health and metrics."""
    from aiohttp import web

    async def chat(request: web.Request) -> web.StreamResponse:
        planned = replayer.plan(await request.read())
        if planned.is_stalled:
            await asyncio.Event().wait()  # ends when the client goes away
        if planned.delay_s:
            await asyncio.sleep(planned.delay_s)
        if planned.is_reset:
            return await _break_off(request, planned)
        return _json(planned.body, planned.status, planned.headers)

    async def models(_: web.Request) -> web.Response:
        return _json(replayer.models())

    async def health(_: web.Request) -> web.Response:
        return _json(b"{}")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=replayer.metrics())

    app = web.Application(client_max_size=LARGEST_BODY_BYTES)
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_get("/v1/models", models)
    app.router.add_get("/health", health)
    app.router.add_get("/metrics", metrics)
    return app


def _json(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    from aiohttp import web

    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


async def _break_off(request: web.Request, planned: Planned) -> web.StreamResponse:
    """Send half of the body, then break the connection."""
    from aiohttp import web

    response = web.StreamResponse(headers={"Content-Length": str(len(planned.body))})
    response.content_type = "application/json"
    await response.prepare(request)
    await response.write(planned.body[: len(planned.body) // 2])
    if request.transport is not None:
        request.transport.abort()
    return response


async def serve(replayer: Replayer, *, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; port 0 takes a free one. The address is printed when it listens.

    Raises
    ------
    InputError
        When the port is taken.
    """
    await serve_app(
        build_app(replayer),
        host=host,
        port=port,
        greeting=lambda address: f"replaying `{replayer.model}` at {address}/v1",
        shutdown_timeout_s=0.2,
    )
