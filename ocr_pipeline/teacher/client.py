"""One request to an answer, whatever the servers do on the way.

::

    answered                    the answer
    429, 503                    the replica is left alone as long as it asks; then again, elsewhere if there is another
    408, 5xx, broken reply,     again after a growing, jittered wait
    reply of another model
    deadline passed             again
    cannot connect, reset       again; the replica is taken out and probed; does not count as an attempt
    prompt too long, moderated  the question's own failure: a row with its error, final
    402, other 4xx              the account's or the setting's failure: a row with its error, asked again by the next run
    ended by error or abort     again; ended by a filter: asked again by the next run
    401, 403, 404, redirects    the configuration is wrong: the run ends with one line

Waits come from tenacity. Attempts count the replies of a server and its passed deadlines, not broken connections: a
server that was killed and started again leaves no trace in the data.
"""

from __future__ import annotations

import asyncio
import email.utils
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson
import tenacity

from ocr_pipeline.answers import Ending, ending_of
from ocr_pipeline.asking import Asking
from ocr_pipeline.errors import OptionError, TeacherError
from ocr_pipeline.teacher.bodies import error_in
from ocr_pipeline.teacher.refusals import is_account, is_moderated, kind_of_refusal
from ocr_pipeline.teacher.replicas import Replica, Replicas
from ocr_pipeline.teacher.reply import Answer, Completion, ErrorKind, MalformedReplyError, Usage, read_completion
from ocr_pipeline.teacher.request import Identity, Request
from ocr_pipeline.teacher.transport import (
    BrokenConnectionError,
    DeadlineError,
    HttpReply,
    Transport,
    UnreachableError,
)

__all__ = ["Client", "Served", "authorization", "base_url", "identify", "wire_body"]

LONGEST_WAIT_S: Final = 60.0
LONGEST_RETRY_AFTER_S: Final = 600.0
MAX_BROKEN_CONNECTIONS: Final = 50
PROBE_TIMEOUT_S: Final = 10.0
DETAIL_CHARACTERS: Final = 500
FILTERED: Final = frozenset({"content_filter", "safety", "recitation", "tool_calls", "function_call", "refusal"})
REDIRECTS: Final = frozenset({301, 302, 303})
NO_MODEL_LIST: Final = frozenset({404, 405, 501})
REFUSED: Final = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class Served:
    """What a server says about the model it serves."""

    identity: Identity
    max_context_tokens: int | None = None


class TransientError(Exception):
    """A failure that may pass."""

    def __init__(self, kind: ErrorKind, detail: str, *, wait_s: float = 0.0, raw: bytes = b"") -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.wait_s = wait_s
        self.raw = raw


class RefusedError(Exception):
    """The server does not answer this request as things are."""

    def __init__(self, kind: ErrorKind, detail: str, *, raw: bytes = b"") -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.raw = raw


class ForeignError(RefusedError):
    """A model of another name answered."""


@dataclass(slots=True)
class Tries:
    """What happened to one request so far."""

    answered: int = 0
    broken: int = 0


@dataclass(slots=True)
class ClientStatistics:
    """Retries by kind."""

    retries: dict[str, int] = field(default_factory=dict)

    def count(self, kind: ErrorKind) -> None:
        """Count one failure that is tried again."""
        self.retries[kind] = self.retries.get(kind, 0) + 1


class Client:
    """Asks a pool of replicas; lives inside one running event loop.

    Parameters
    ----------
    urls
        Base URLs, as :func:`base_url` gives them.
    identity
        The model to ask.
    config
        Window, deadline, attempts, patience.
    transport
        Sends the bytes.
    clock
        Wall clock in seconds, for answers whose server does not say when it made them.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        identity: Identity,
        config: Asking,
        transport: Transport,
        clock: Callable[[], float] = time.time,
        context_tokens: int | None = None,
    ) -> None:
        self._identity = identity
        self.names = {identity.model, *config.accept_models} | ({identity.revision} if identity.revision else set())
        self._config = config
        self._transport = transport
        self._clock = clock
        self.context_tokens = context_tokens
        self._has_answered = False
        self._asking = 0
        self._foreign = 0
        self._knows_names = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.replicas = Replicas(urls, limit=config.window, probe=self._is_alive, patience_s=config.patience_s)
        self.statistics = ClientStatistics()
        self._backoff = tenacity.wait_random_exponential(multiplier=0.5, max=LONGEST_WAIT_S)

    async def complete(self, body: bytes) -> Answer:
        """Return the answer to a request's body, or the failure that took its place.

        Raises
        ------
        TeacherError
            When the configuration is wrong or no server has been alive for longer than the patience.
        """
        tries = Tries()
        self._asking += 1
        try:
            return await self._complete(body, tries)
        finally:
            self._asking -= 1
            self._know_names_when_all_are_foreign()

    async def _complete(self, body: bytes, tries: Tries) -> Answer:
        try:
            return await self._attempt(body, tries)
        except TransientError as error:
            self.statistics.count(error.kind)
            first = error
        except RefusedError as refusal:
            return self._failure(refusal, tries)
        return await self._again(body, tries, first)

    async def _again(self, body: bytes, tries: Tries, first: TransientError) -> Answer:
        """Retry with growing waits; apart from :meth:`complete`, whose common case needs none of this."""
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(TransientError),
            stop=lambda _: self._is_hopeless(tries),
            wait=self._wait_s,
            before_sleep=self._count_retry,
            sleep=asyncio.sleep,
            reraise=True,
        )
        waits = _Replayed(first)
        try:
            return await retrying(waits, self._attempt, body, tries)
        except (TransientError, RefusedError) as error:
            return self._failure(error, tries)

    def _is_hopeless(self, tries: Tries) -> bool:
        return tries.answered >= self._config.max_attempts or tries.broken >= MAX_BROKEN_CONNECTIONS

    def _wait_s(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked_s = error.wait_s if isinstance(error, TransientError) else 0.0
        return max(asked_s, self._backoff(state))

    def _count_retry(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, TransientError) and state.attempt_number > 1:  # the first was counted by `complete`
            self.statistics.count(error.kind)

    async def _attempt(self, body: bytes, tries: Tries) -> Answer:
        try:
            return await self._attempt_once(body, tries)
        except ForeignError as foreign:
            error = foreign
        self._foreign += 1
        self._know_names_when_all_are_foreign()
        await self._knows_names.wait()
        self._foreign -= 1
        if self._has_answered:  # it does serve the model: this reply went astray, so it is asked again
            raise TransientError(ErrorKind.WRONG_MODEL, error.detail, raw=error.raw)
        raise RefusedError(ErrorKind.WRONG_MODEL, error.detail, raw=error.raw)

    def _know_names_when_all_are_foreign(self) -> None:
        """End the waiting for a reply under the asked name when nothing in flight can bring one any more."""
        if self._foreign and self._foreign >= self._asking:
            self._knows_names.set()

    async def _attempt_once(self, body: bytes, tries: Tries) -> Answer:
        replica = await self.replicas.acquire()
        start_s = self._loop.time()
        try:
            reply = await self._transport.post(
                f"{replica.url}/chat/completions", body, timeout_s=self._config.deadline_s
            )
            tries.answered += 1
            completion = self._completion(reply, replica)
        except (UnreachableError, BrokenConnectionError) as error:
            tries.broken += 1
            self._note_broken(replica, error)
            raise TransientError(ErrorKind.CONNECTION, str(error)) from error
        except DeadlineError as error:
            tries.answered += 1
            self.replicas.report_failure(replica)
            raise TransientError(ErrorKind.TIMEOUT, str(error)) from error
        finally:
            self.replicas.release(replica)
        self.replicas.report_success(replica)
        return self._answer(completion, reply, tries, self._loop.time() - start_s)

    def _note_broken(self, replica: Replica, error: Exception) -> None:
        if isinstance(error, UnreachableError):
            self.replicas.take_out(replica)
        else:
            self.replicas.report_failure(replica)

    def _completion(self, reply: HttpReply, replica: Replica) -> Completion:
        """Return what was answered, or raise what the reply means."""
        if reply.status != 200:  # noqa: PLR2004 - the one good status
            raise self._failed(reply, replica)
        try:
            completion = read_completion(reply.body)
        except MalformedReplyError as error:
            if (status := error_in(reply.body)) is not None:  # an error that came as if all were well
                raise self._failed(replace(reply, status=status), replica) from error
            raise TransientError(ErrorKind.MALFORMED_REPLY, str(error), raw=reply.body) from error
        if completion.model and completion.model not in self.names:
            detail = (
                f"asked `{self._identity.model}`, `{completion.model}` answered; "
                f"if that is right, give --accept-model {completion.model}"
            )
            raise ForeignError(ErrorKind.WRONG_MODEL, detail, raw=reply.body)
        if ending_of(completion.finish_reason) is Ending.BROKEN:
            detail = f"the server ended the answer with `{completion.finish_reason}`"
            is_filtered = (completion.finish_reason or "").lower() in FILTERED
            raise (RefusedError if is_filtered else TransientError)(ErrorKind.BROKEN_OFF, detail, raw=reply.body)
        self._has_answered = True
        self._knows_names.set()
        return completion

    def _failed(self, reply: HttpReply, replica: Replica) -> Exception:
        detail, words = _detail(reply), reply.body.decode("utf-8", "replace").lower()
        if reply.status == 404 and self._has_answered:  # noqa: PLR2004 - HTTP; it did answer before: it starts again
            return TransientError(ErrorKind.SERVER_ERROR, f"HTTP 404: {detail}")
        if reply.status in {429, 503} and not is_account(words):
            wait_s = _retry_after_s(reply.headers, self._clock())
            self.replicas.report_overload(replica, wait_s)
            kind = ErrorKind.RATE_LIMITED if reply.status == 429 else ErrorKind.SERVER_ERROR  # noqa: PLR2004 - HTTP
            return TransientError(kind, detail, wait_s=wait_s)
        if reply.status < 300 or reply.status >= 500:  # noqa: PLR2004 - HTTP
            self.replicas.report_failure(replica)
            return TransientError(ErrorKind.SERVER_ERROR, f"HTTP {reply.status}: {detail}")
        return _misconfiguration(reply, replica.url, detail, words) or _refusal(reply.status, detail, words, reply.body)

    def _answer(self, completion: Completion, reply: HttpReply, tries: Tries, measured_s: float) -> Answer:
        return Answer(
            text=completion.text,
            model=str(self._identity),
            created_ms=completion.created_s * 1000 if completion.created_s else int(self._clock() * 1000),
            latency_s=_server_latency_s(reply.headers, measured_s),
            attempts=tries.answered,
            finish_reason=completion.finish_reason,
            stop_reason=completion.stop_reason,
            usage=completion.usage,
            answer_start=completion.answer_start,
            repairs=completion.repairs,
            raw=reply.body,
        )

    def _failure(self, error: TransientError | RefusedError, tries: Tries) -> Answer:
        return Answer(
            text="",
            model=str(self._identity),
            created_ms=int(self._clock() * 1000),
            latency_s=0.0,
            attempts=tries.answered,
            usage=Usage(),
            error_kind=error.kind,
            error_detail=error.detail,
            raw=error.raw,
            context_tokens=self.context_tokens,
        )

    async def _is_alive(self, url: str) -> bool:
        try:
            reply = await self._transport.get(f"{url}/models", timeout_s=PROBE_TIMEOUT_S)
        except (UnreachableError, BrokenConnectionError, DeadlineError):
            return False
        return reply.status < 500  # noqa: PLR2004 - HTTP


class _Replayed:
    """Gives tenacity the first failure, which already happened, before it really tries again."""

    def __init__(self, first: TransientError) -> None:
        self._first: TransientError | None = first

    async def __call__(self, attempt: Callable[..., Any], body: bytes, tries: Tries) -> Answer:
        if self._first is not None:
            first, self._first = self._first, None
            raise first
        answer: Answer = await attempt(body, tries)
        return answer


def wire_body(request: Request, model: str, sent_as: Mapping[str, str | None] | None = None) -> bytes:
    """Return the body that is sent: exactly the fields that were hashed, some under other names or left out."""
    messages = [{"role": message.role, "content": message.content} for message in request.messages]
    params = request.params
    if sent_as:
        named = ((sent_as.get(name, name), value) for name, value in params.items())
        params = {name: value for name, value in named if name is not None}
    return orjson.dumps({"model": model, "messages": messages, **params})


def base_url(url: str) -> str:
    """Return the URL that ``/chat/completions`` is appended to; a bare host gets ``/v1``.

    Raises
    ------
    OptionError
        When it is not an HTTP address.
    """
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if "@" in url:  # it would stand in every message
        message = "the address of a server must hold no user name or password; name the variable with its key as --api-key-env"
        raise OptionError(message)
    if not usable:
        message = f"`{url}` is not an address of a server; give one such as http://localhost:8000/v1"
        raise OptionError(message)
    stripped = url.strip().rstrip("/").removesuffix("/chat/completions")
    return stripped if urlsplit(stripped).path else f"{stripped}/v1"


def authorization(api_key_env: str | None, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the header with the key from the environment; the key itself is kept nowhere else.

    Raises
    ------
    TeacherError
        When the variable is not set, or holds what no key holds.
    """
    if api_key_env is None:
        return {}
    key = environment.get(api_key_env, "").strip()
    if not key:
        message = f"the environment variable `{api_key_env}` holds no key; set it, or leave out --api-key-env for a server without one"
        raise TeacherError(message)
    if not (key.isascii() and key.isprintable()):  # a line feed would begin a header of its own
        message = f"the environment variable `{api_key_env}` must hold a key of plain letters, digits and signs; copy it again"
        raise TeacherError(message)
    return {"Authorization": f"Bearer {key}"}


async def identify(urls: Sequence[str], identity: Identity, transport: Transport) -> Served:
    """Ask the servers whether they serve the model, and as what.

    Raises
    ------
    TeacherError
        When none can be reached, the key is refused, the model is unknown, or the replicas serve different models.
    """
    replies = await asyncio.gather(*(_models(url, transport) for url in urls))
    told = [
        _served(reply, url, identity) for reply, url in zip(replies, urls, strict=True) if isinstance(reply, HttpReply)
    ]
    if not told:
        message = f"the teacher at `{urls[0]}` cannot be reached: {replies[0]}; start the server, or check --url"
        raise TeacherError(message)
    if len({served.identity for served in told}) > 1:
        names = ", ".join(sorted({str(served.identity) for served in told}))
        message = f"the servers do not serve the same model: {names}; give only replicas of one model"
        raise TeacherError(message)
    contexts = [served.max_context_tokens for served in told if served.max_context_tokens]
    return replace(told[0], max_context_tokens=min(contexts, default=None))


async def _models(url: str, transport: Transport) -> HttpReply | str:
    try:
        return await transport.get(f"{url}/models", timeout_s=PROBE_TIMEOUT_S)
    except (UnreachableError, BrokenConnectionError, DeadlineError) as error:
        return str(error)


def _served(reply: HttpReply, url: str, identity: Identity) -> Served:
    if reply.status in REFUSED:
        raise _misconfigured(url, reply.status, _detail(reply))
    try:
        models = {model["id"]: model for model in orjson.loads(reply.body)["data"]}
    except (orjson.JSONDecodeError, KeyError, TypeError):
        models = {}
    if reply.status in NO_MODEL_LIST or not models:
        return Served(identity)
    if identity.model not in models and any("*" in name or name.endswith(f"/{identity.model}") for name in models):
        return Served(identity)
    if identity.model not in models:
        message = f"`{url}` serves {', '.join(sorted(models))}, not `{identity.model}`; give one of these as --model"
        raise TeacherError(message)
    model = models[identity.model]
    root, context = model.get("root"), model.get("max_model_len")
    revision = identity.revision or (root if isinstance(root, str) and root != identity.model else None)
    return Served(Identity(identity.model, revision), context if isinstance(context, int) else None)


def _misconfiguration(reply: HttpReply, url: str, detail: str, words: str) -> TeacherError | None:
    """Return why no request can be answered there, or ``None`` when only this one was refused."""
    if reply.status in REDIRECTS:
        place = reply.headers.get("location", "another address")
        return TeacherError(f"`{url}` sends requests on to `{place}`, which loses them; give that address as --url")
    is_of_request = is_moderated(words) or is_account(words)
    if reply.status in {401, 404} or (reply.status == 403 and not is_of_request):  # noqa: PLR2004 - HTTP
        return _misconfigured(url, reply.status, detail)
    return None


def _refusal(status: int, detail: str, words: str, raw: bytes) -> Exception:
    """Return what a 4xx means: the server's failure is tried again, any other is a row."""
    kind = kind_of_refusal(status, words)
    return (TransientError if kind is ErrorKind.SERVER_ERROR else RefusedError)(kind, detail, raw=raw)


def _misconfigured(url: str, status: int, detail: str) -> TeacherError:
    if status in REFUSED:
        return TeacherError(
            f"`{url}` refused the key (HTTP {status}); set the variable that --api-key-env names to a valid key"
        )
    return TeacherError(f"`{url}` answered HTTP {status}: {detail}; check --url and --model")


def _detail(reply: HttpReply) -> str:
    """Return what the server said, on one line."""
    try:
        body = orjson.loads(reply.body)
        error = body.get("error", body)
        text = error.get("message", error) if isinstance(error, dict) else error
    except (orjson.JSONDecodeError, AttributeError):
        text = reply.body.decode(errors="replace")
    plain = text if isinstance(text, str) else json.dumps(text)
    return " ".join(plain.split())[:DETAIL_CHARACTERS]


def _retry_after_s(headers: Mapping[str, str], now_s: float) -> float:
    """Read ``Retry-After``: seconds or a date."""
    value = headers.get("retry-after", "")
    try:
        wait_s = float(value)
    except ValueError:
        date = email.utils.parsedate_to_datetime(value) if _is_date(value) else None
        wait_s = date.timestamp() - now_s if date else 0.0
    return min(max(wait_s, 0.0), LONGEST_RETRY_AFTER_S) if wait_s == wait_s else 0.0  # noqa: PLR0124 - NaN


def _is_date(value: str) -> bool:
    return email.utils.parsedate(value) is not None


def _server_latency_s(headers: Mapping[str, str], measured_s: float) -> float:
    """Prefer the server's own figure: it does not hold our queue, and a replay can repeat it."""
    said_ms = headers.get("openai-processing-ms")
    try:
        return round(measured_s, 3) if said_ms is None else float(said_ms) / 1000
    except ValueError:
        return round(measured_s, 3)
