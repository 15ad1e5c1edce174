"""The general door to the teacher: any requests in, their replies out, each paid once.

Plans, judges of pairs and whatever else needs a language model ask here. Prompts and the meaning of a reply are the
caller's; solutions to problems have a door of their own, :func:`ocr_pipeline.teacher.generate`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import orjson

from ocr_pipeline.answers import Ending, ending_of, split_thought
from ocr_pipeline.asking import Asking
from ocr_pipeline.console import SILENT, Progress
from ocr_pipeline.errors import BudgetError
from ocr_pipeline.teacher.book import Book, batched
from ocr_pipeline.teacher.budget import Account
from ocr_pipeline.teacher.client import wire_body
from ocr_pipeline.teacher.ledgers import open_ledger
from ocr_pipeline.teacher.records import Record
from ocr_pipeline.teacher.reply import ErrorKind, Usage
from ocr_pipeline.teacher.request import Identity, Message, Request, request_id
from ocr_pipeline.teacher.servers import Server
from ocr_pipeline.teacher.session import OUTSIDE, Call, Outside, Totals, converse, look_up_model
from ocr_pipeline.teacher.wanted import Wanted, WantedRow

__all__ = ["Reply", "Unusable", "ask"]

REPLIES_PER_READ = 128
RESERVE_BYTES_PER_CALL = 48_000  # an answer twice: in SQLite's log and in its file


class Unusable(StrEnum):
    """Why a reply holds no answer that could be read."""

    TEACHER_ERROR = "teacher_error"
    UNCLOSED_REASONING = "unclosed_reasoning"
    TRUNCATED = "truncated"


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply; ``error`` is set where there is no answer."""

    request: Request
    request_id: str
    text: str
    model: str
    finish_reason: str | None
    stop_reason: str | None
    usage: Usage
    latency_s: float
    attempts: int
    created_at: datetime
    error: str | None = None

    @property
    def unusable(self) -> Unusable | None:
        """Why there is no answer that ended; ``None`` where there is one."""
        if self.error is not None:
            return Unusable.TEACHER_ERROR
        if split_thought(self.text).answer is None:
            return Unusable.UNCLOSED_REASONING
        return None if ending_of(self.finish_reason) is Ending.WHOLE else Unusable.TRUNCATED


class Ask(Protocol):
    """The door as a step is given it; tests bring one without a server."""

    def __call__(
        self,
        requests: Iterable[Request],
        *,
        server: Server,
        ledger: Path,
        config: Asking,
        progress: Progress,
        on_totals: Callable[[Totals], None] | None,
    ) -> Iterator[Reply]:
        """Yield one reply per request, in order."""


def ask(
    requests: Iterable[Request],
    *,
    server: Server,
    ledger: Path,
    config: Asking,
    progress: Progress = SILENT,
    on_totals: Callable[[Totals], None] | None = None,
    clock: Callable[[], float] = time.time,
    outside: Outside = OUTSIDE,
) -> Iterator[Reply]:
    """Ask everything that the ledger does not hold yet, then yield all replies in the order of the requests.

    Parameters
    ----------
    requests
        May be a stream of any length; it is read once.
    server
        From :mod:`ocr_pipeline.teacher.servers`, already entered.
    ledger
        The ledger's file. Requests that an earlier run paid for are read from it.
    config
        Whom to ask, how many at a time, at what cost.
    progress
        Told what is settled.
    on_totals
        Called once with what was paid and reused, before the first reply.

    Yields
    ------
    Reply
        One per request, failures included; a request that the budget left unasked has the error ``budget``.

    Raises
    ------
    TeacherError
        When the teacher cannot be used as configured; what was answered is kept.
    StoreError
        When the ledger cannot be used.
    BudgetError
        When the budget has no room for a single request.
    """
    identity = look_up_model(server, Identity(config.model, config.revision), outside).identity
    reserve_bytes = config.window * RESERVE_BYTES_PER_CALL
    with (
        open_ledger(ledger, lock_timeout_s=config.lock_timeout_s, reserve_bytes=reserve_bytes) as book,
        Wanted() as wanted,
    ):
        totals = converse(
            _calls(requests, identity, wanted, config.sent_as),
            server=server,
            identity=identity,
            ledger=book,
            config=config,
            account=Account(config),
            progress=progress,
            clock=clock,
            outside=outside,
        )
        require_room(totals)
        if on_totals is not None:
            on_totals(totals)
        for rows in batched(wanted.in_order(), REPLIES_PER_READ):
            yield from _replies(rows, book, identity, totals)


def require_room(totals: Totals) -> None:
    """Refuse to call a run a success that could not ask anything.

    Raises
    ------
    BudgetError
        When a cap forbade the very first request.
    """
    if totals.stopped_by and not totals.done and not totals.reused:
        message = (
            f"{totals.stopped_by} has no room for a single request at its largest; raise the cap or lower max_tokens"
        )
        raise BudgetError(message)


def prepared_call(
    request: Request, identity: Identity, key: str, prompt_sha256: str, sent_as: Mapping[str, str | None] | None = None
) -> Call:
    """Return a request ready to be sent."""
    body = wire_body(request, identity.model, sent_as)
    max_tokens = int(request.params.get("max_tokens") or request.params.get("max_completion_tokens") or 0)
    return Call(
        request_id=key,
        body=body,
        prompt_sha256=prompt_sha256,
        params=request.params_json,
        subject=request.subject,
        largest=Usage(len(body), max_tokens),  # a token is at least one byte long
    )


def _calls(
    requests: Iterable[Request], identity: Identity, wanted: Wanted, sent_as: Mapping[str, str | None]
) -> Iterator[Call]:
    for request in requests:
        key = request_id(request, identity, prompt=_hashed_once(request))
        if wanted.add(key, _note(request)):
            yield prepared_call(request, identity, key, request.prompt_sha256, sent_as)


def _hashed_once(request: Request) -> list[str] | None:
    """Return the hashes of the messages where they are known: of a single message it is the prompt's."""
    return [request.prompt_sha256] if len(request.messages) == 1 else None


def _replies(rows: Sequence[WantedRow], ledger: Book, identity: Identity, totals: Totals) -> Iterator[Reply]:
    records = ledger.records([row.request_id for row in rows])
    for row in rows:
        request = _request(row.note)
        record = records.get(row.request_id)
        yield _reply(request, record) if record else _unasked(request, row.request_id, identity, totals)


def _note(request: Request) -> bytes:
    messages = [[message.role, message.content] for message in request.messages]
    return orjson.dumps([messages, dict(request.params), dict(request.key), dict(request.subject)])


def _request(note: bytes) -> Request:
    messages, params, key, subject = orjson.loads(note)
    return Request(tuple(Message(*message) for message in messages), params, key, subject)


def _reply(request: Request, record: Record) -> Reply:
    answer = record.answer
    return Reply(
        request=request,
        request_id=record.request_id,
        text=answer.text,
        model=answer.model,
        finish_reason=answer.finish_reason,
        stop_reason=answer.stop_reason,
        usage=answer.usage,
        latency_s=answer.latency_s,
        attempts=answer.attempts,
        created_at=moment(answer.created_ms),
        error=answer.error,
    )


def _unasked(request: Request, key: str, identity: Identity, totals: Totals) -> Reply:
    error = f"{ErrorKind.BUDGET}: {totals.stopped_by}"
    return Reply(request, key, "", str(identity), None, None, Usage(), 0.0, 0, moment(0), error)


def moment(created_ms: int) -> datetime:
    """Return milliseconds since 1970 as a time; 0 means never."""
    return datetime.fromtimestamp(created_ms / 1000, UTC)
