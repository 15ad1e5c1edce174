"""Drives a stream of requests through the client into the ledger, with the window full from the first to the last.

::

    requests ─ feeder ─► queue ─ workers (one per place in the window) ─► arrived ─ committer ─► ledger

The feeder skips what the ledger holds and stops at a budget's cap; a worker takes the next request when the answer to
its last one is durable, a few milliseconds after it came, and never waits for other answers; the committer writes
what has arrived in groups. So what a kill can cost is at most the window, and the window has no batches to drain.
When the disk is full, nothing new is asked, and what is in flight is committed into space that was kept for it.
"""

from __future__ import annotations

import asyncio
import gc
import re
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from ocr_pipeline.asking import Asking
from ocr_pipeline.console import Progress
from ocr_pipeline.errors import PipelineError, StoreError, TeacherError
from ocr_pipeline.teacher.book import Book, batched
from ocr_pipeline.teacher.budget import Account
from ocr_pipeline.teacher.client import Client, Served, authorization, base_url, identify
from ocr_pipeline.teacher.records import Record
from ocr_pipeline.teacher.reply import Answer, ErrorKind, Usage, read_again
from ocr_pipeline.teacher.request import Identity
from ocr_pipeline.teacher.servers import Server
from ocr_pipeline.teacher.tokens import estimate
from ocr_pipeline.teacher.transport import HttpTransport, TransportFactory

__all__ = ["OUTSIDE", "Call", "Outside", "Totals", "converse", "look_up_model", "paid_notes"]

LOOKUP_CALLS: Final = 64
COMMIT_EVERY_S: Final = 0.005  # at full speed this gathers groups of 32 and more, which cost half of single commits
OBJECTS_PER_COLLECTION: Final = 50_000  # Python's 700 took a seventh of the CPU at 1,024 in flight
PROGRESS_EVERY_S: Final = 1.0
MOST_EQUAL_FAILURES: Final = 20
PAID_FAILURES: Final = (ErrorKind.WRONG_MODEL, ErrorKind.MALFORMED_REPLY, ErrorKind.BROKEN_OFF)
"""Failures whose reply was paid for and kept: what came may be an answer to another reader or under another name."""
NUMBER: Final = re.compile(r"\d+")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outside:
    """What a run touches outside its own memory; tests bring a clock of their own and a network without sockets."""

    transport: TransportFactory = HttpTransport
    loop: Callable[[], asyncio.AbstractEventLoop] | None = None
    executor: Callable[[], Executor] = field(default=lambda: ThreadPoolExecutor(1, "ledger"))


OUTSIDE: Final = Outside()


@dataclass(frozen=True, slots=True)
class Call:
    """One request, ready to be sent."""

    request_id: str
    body: bytes
    prompt_sha256: str
    params: str
    subject: Mapping[str, str | int]
    largest: Usage
    """The most it can cost."""


@dataclass(slots=True)
class Totals:
    """What a run did, while it does it."""

    reused: int = 0
    answered: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    retries: Mapping[str, int] = field(default_factory=dict)
    taken_out: int = 0
    stopped_by: str | None = None
    """The cap that stopped the run before the end of the requests."""

    @property
    def done(self) -> int:
        """Requests settled by this run."""
        return self.answered + self.failed


def paid_notes(totals: Iterable[Totals]) -> dict[str, int]:
    """Return what some runs asked, took from the ledger and paid, for the account of a step."""
    notes = {"reused": 0, "asked": 0, "completion_tokens": 0}
    for total in totals:
        notes["reused"] += total.reused
        notes["asked"] += total.done
        notes["completion_tokens"] += total.completion_tokens
    return notes


def look_up_model(server: Server, identity: Identity, outside: Outside) -> Served:
    """Ask the server what it serves, before anything is read or paid.

    Raises
    ------
    TeacherError
        When it cannot be reached, refuses the key, or serves another model.
    """
    urls = [base_url(url) for url in server.urls]

    async def ask() -> Served:
        async with outside.transport(authorization(server.api_key_env)) as transport:
            return await identify(urls, identity, transport)

    return run_loop(ask(), outside)


def converse(  # noqa: PLR0913 - everything a run is made of
    calls: Iterable[Call],
    *,
    server: Server,
    identity: Identity,
    ledger: Book,
    config: Asking,
    account: Account,
    progress: Progress,
    clock: Callable[[], float],
    outside: Outside,
    context_tokens: int | None = None,
) -> Totals:
    """Ask everything that the ledger does not hold; return when all of it is durable.

    Parameters
    ----------
    account
        The budget, with what was paid for the same requests before.

    Raises
    ------
    TeacherError
        When the configuration is wrong, or no server is alive for longer than the patience.
    StoreError
        When the ledger cannot be written. All that was committed is kept.
    """
    headers = authorization(server.api_key_env)
    urls = [base_url(url) for url in server.urls]
    totals = Totals()

    async def talk() -> Totals:
        async with outside.transport(headers) as transport:
            client = Client(
                urls, identity=identity, config=config, transport=transport, clock=clock, context_tokens=context_tokens
            )
            with outside.executor() as executor:
                await _Session(client, ledger, account, config, progress, executor, totals).run(calls)
        return totals

    with _rare_collections():
        return run_loop(talk(), outside)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for garbage less often: what is in flight lives long, and little of it is in cycles."""
    before = gc.get_threshold()
    gc.set_threshold(OBJECTS_PER_COLLECTION, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def run_loop(work: Coroutine[Any, Any, T], outside: Outside) -> T:
    """Run a coroutine to its end, also when the caller is inside an event loop of its own (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run_here(work, outside)
    results: list[T] = []
    errors: list[BaseException] = []

    def target() -> None:
        try:
            results.append(_run_here(work, outside))
        except BaseException as error:  # noqa: BLE001 - carried over to the caller's thread
            errors.append(error)

    thread = threading.Thread(target=target, name="teacher")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _run_here(work: Coroutine[Any, Any, T], outside: Outside) -> T:
    try:
        with asyncio.Runner(loop_factory=outside.loop) as runner:
            return runner.run(work)
    except BaseExceptionGroup as group:
        raise _first(group) from group


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error to show: one of ours if there is one."""
    ours = group.subgroup(PipelineError)
    chosen: BaseException = ours or group
    while isinstance(chosen, BaseExceptionGroup):
        chosen = chosen.exceptions[0]
    return chosen


class _Session:
    def __init__(
        self,
        client: Client,
        ledger: Book,
        account: Account,
        config: Asking,
        progress: Progress,
        executor: Executor,
        totals: Totals,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._account = account
        self._window = config.window
        self._progress = progress
        self._executor = executor
        self._totals = totals
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Call | None] = asyncio.Queue(maxsize=max(config.window // 4, 8))
        self._arrived: list[Record] = []
        self._all_arrived = False
        self._committing: list[Record] = []
        self._commit: Future[None] | None = None
        self._something_arrived = asyncio.Event()
        self._group_is_durable = asyncio.Event()
        self._freed = asyncio.Event()
        self._disk_error: StoreError | None = None
        self._equal_failures = 0
        self._last_failure: tuple[ErrorKind, str] | None = None
        self._stop_error: TeacherError | None = None
        self._shown = 0
        self._start_s = self._loop.time()
        self._retry_failed = config.retry_failed

    async def run(self, calls: Iterable[Call]) -> None:
        try:
            async with asyncio.TaskGroup() as side:
                committer = side.create_task(self._commit_what_arrives())
                reporter = side.create_task(self._report_forever())
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._feed(calls))
                    for _ in range(self._window):
                        group.create_task(self._work())
                self._all_arrived = True
                self._something_arrived.set()
                await committer
                reporter.cancel()
        finally:
            await self._client.replicas.close()
            self._finish()
        if self._disk_error is not None:
            raise self._disk_error
        if self._stop_error is not None:
            raise self._stop_error

    def _finish(self) -> None:
        """Commit what arrived last, also when the run was interrupted."""
        self._executor.shutdown(wait=True)
        if self._commit is not None and self._commit.exception() is None:
            self._committing = []
        rest = [*self._committing, *self._arrived]
        if rest:
            self._ledger.commit(rest)
        self._totals.retries = dict(self._client.statistics.retries)
        self._totals.taken_out = self._client.replicas.taken_out
        self._show()

    async def _feed(self, calls: Iterable[Call]) -> None:
        for chunk in batched(calls, LOOKUP_CALLS):
            ids = [call.request_id for call in chunk]
            await self._read_again(ids)
            settled = self._ledger.settled(
                ids, context_tokens=self._client.context_tokens, retry_failed=self._retry_failed
            )
            self._totals.reused += len(settled)
            for call in chunk:
                if call.request_id not in settled and not await self._send(call):
                    break
            if self._totals.stopped_by or self._disk_error or self._stop_error:
                break
            await asyncio.sleep(0)  # a long run of reused requests must not keep the window waiting
        for _ in range(self._window):
            await self._queue.put(None)

    async def _read_again(self, request_ids: Sequence[str]) -> None:
        """Make answers of kept replies that are read by now, or whose model is accepted by now: they were paid for."""
        kept = self._ledger.failures(request_ids, PAID_FAILURES)
        read = ((record, read_again(record.answer, self._client.names)) for record in kept)
        answers = [replace(record, answer=answer) for record, answer in read if answer is not None]
        if answers:
            await self._loop.run_in_executor(self._executor, self._ledger.commit, answers)

    async def _send(self, call: Call) -> bool:
        """Queue a call when the budget has room for it; ``False`` ends the run."""
        while not self._account.has_room(call.largest):
            self._totals.stopped_by = self._account.exhausted_by(call.largest)
            if self._totals.stopped_by or self._disk_error or self._stop_error:
                return False
            self._freed.clear()
            await self._freed.wait()
        cap_s = self._account.budget.budget_time_s
        if cap_s is not None and self._loop.time() - self._start_s >= cap_s:
            self._totals.stopped_by = f"budget_time_s {cap_s:g}"
        if self._totals.stopped_by or self._disk_error or self._stop_error:
            return False
        self._account.reserve(call.largest)
        await self._queue.put(call)
        return True

    async def _work(self) -> None:
        totals = self._totals
        while (call := await self._queue.get()) is not None:
            if self._disk_error is not None or self._stop_error is not None:
                continue
            totals.in_flight += 1
            totals.most_in_flight = max(totals.most_in_flight, totals.in_flight)
            try:
                self._book(call, await self._client.complete(call.body))
                await self._group_is_durable.wait()
            finally:
                totals.in_flight -= 1

    def _book(self, call: Call, answer: Answer) -> None:
        self._account.release(call.largest)
        self._freed.set()
        self._stop_when_all_fails_alike(answer)
        usage = _counted(call, answer)
        self._account.spend(usage)
        totals = self._totals
        totals.answered += answer.error_kind is None
        totals.failed += answer.error_kind is not None
        totals.prompt_tokens += usage.prompt_tokens or 0
        totals.completion_tokens += usage.completion_tokens or 0
        self._arrived.append(Record(call.request_id, call.prompt_sha256, call.params, dict(call.subject), answer))
        self._something_arrived.set()

    def _stop_when_all_fails_alike(self, answer: Answer) -> None:
        """End a run that only fails, before a million rows say so; what is in flight is still taken in."""
        failure = (answer.error_kind, NUMBER.sub("", answer.error_detail)) if answer.error_kind else None
        self._equal_failures = self._equal_failures + 1 if failure is not None and failure == self._last_failure else 1
        self._last_failure = failure
        if failure is None or self._stop_error is not None:
            return
        if answer.error_kind is ErrorKind.WRONG_MODEL or self._equal_failures >= MOST_EQUAL_FAILURES:
            many = self._equal_failures > 1
            self._stop_error = TeacherError(
                f"{f'{self._equal_failures} requests in a row failed alike' if many else 'a request failed'} ({answer.error_kind}): {answer.error_detail}; "
                "what was answered is kept, so run again when this is repaired"
            )
            self._freed.set()

    async def _commit_what_arrives(self) -> None:
        while self._arrived or not self._all_arrived:
            await self._something_arrived.wait()
            if not self._all_arrived:
                await asyncio.sleep(COMMIT_EVERY_S)
                self._something_arrived.clear()
            await self._commit_group()

    async def _commit_group(self) -> None:
        self._committing, self._arrived = self._arrived, []
        durable, self._group_is_durable = self._group_is_durable, asyncio.Event()
        self._commit = self._executor.submit(self._ledger.commit, self._committing)
        try:
            await asyncio.shield(asyncio.wrap_future(self._commit))  # an interrupted run still ends its commit
        except StoreError as error:
            self._disk_error = error
            self._freed.set()
            if not self._ledger.release_reserve():
                raise
            self._arrived = self._committing + self._arrived
            self._something_arrived.set()
        durable.set()
        self._committing, self._commit = [], None

    async def _report_forever(self) -> None:
        while True:
            await asyncio.sleep(PROGRESS_EVERY_S)
            self._show()

    def _show(self) -> None:
        totals = self._totals
        elapsed_s = max(self._loop.time() - self._start_s, 1e-9)
        self._progress.advance(
            totals.done - self._shown,
            in_flight=totals.in_flight,
            tokens_per_s=round(totals.completion_tokens / elapsed_s),
            retries=sum(self._client.statistics.retries.values()),
            errors=totals.failed,
        )
        self._shown = totals.done


def _counted(call: Call, answer: Answer) -> Usage:
    """Return the tokens of an answer: the server's count, or an estimate where it gives none."""
    prompt, completion = answer.usage.prompt_tokens, answer.usage.completion_tokens
    if answer.error_kind is not None or (prompt is not None and completion is not None):
        return answer.usage
    return Usage(
        prompt if prompt is not None else estimate(len(call.body)),
        completion if completion is not None else estimate(len(answer.text)),
    )
