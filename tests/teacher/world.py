"""A world for the teacher in which time jumps and no socket is open: days of traffic in seconds, always the same.

The client, session and ledger are the real ones. Sleeping costs nothing: when nothing can run, the clock moves to
the next timer; when there is no timer either, the run hangs, and that is an error here.
"""

from __future__ import annotations

import asyncio
import json
import selectors
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.store import TableWriter
from ocr_pipeline.teacher.faults import parse_faults
from ocr_pipeline.teacher.generate import generate
from ocr_pipeline.teacher.options import GenerateConfig
from ocr_pipeline.teacher.recordings import Recording, Recordings
from ocr_pipeline.teacher.replay import Replayer
from ocr_pipeline.teacher.servers import attach
from ocr_pipeline.teacher.session import Outside
from ocr_pipeline.teacher.transport import (
    BrokenConnectionError,
    DeadlineError,
    HttpReply,
    UnreachableError,
)

WALL_START_S = 1_800_000_000.0
MODEL = "replay/sample"
URL = "http://teacher-0:8000/v1"


class JumpingSelector(selectors.SelectSelector):
    """Never waits: moves the clock instead."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        """Return what is ready, after moving the clock by the timeout."""
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "the run hangs: nothing is ready and no timer is set"
            self.now_s += timeout
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop on that clock."""

    def __init__(self, selector: JumpingSelector) -> None:
        self.selector = selector
        super().__init__(selector)

    def time(self) -> float:
        """Return seconds since the start."""
        return self.selector.now_s


class InlineExecutor(Executor):
    """Runs a job at once, in this thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Return a future that is done."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - an executor carries every error to its future
            future.set_exception(error)
        return future


@dataclass
class World:
    """Servers by URL, and what happened to them."""

    servers: dict[str, Replayer]
    is_down: Callable[[str, float], bool] = lambda _url, _now_s: False
    seen: list[tuple[str, bytes]] = field(default_factory=list)
    arrived: Counter[str] = field(default_factory=Counter)
    headers: dict[str, str] = field(default_factory=dict)
    in_flight: int = 0
    most_in_flight: int = 0
    occupancy: list[tuple[float, int]] = field(default_factory=list)
    selector: JumpingSelector = field(default_factory=JumpingSelector)

    @property
    def now_s(self) -> float:
        """Seconds of simulated time."""
        return self.selector.now_s

    def wall_s(self) -> float:
        """Return the simulated wall clock."""
        return WALL_START_S + self.selector.now_s

    @property
    def outside(self) -> Outside:
        """What the teacher is given."""
        return Outside(transport=self._open, loop=lambda: JumpingLoop(self._fresh_selector()), executor=InlineExecutor)

    def _fresh_selector(self) -> JumpingSelector:
        now_s, self.selector = self.selector.now_s, JumpingSelector()
        self.selector.now_s = now_s
        return self.selector

    @asynccontextmanager
    async def _open(self, headers: Mapping[str, str]) -> Any:
        self.headers = dict(headers)
        yield self

    async def get(self, url: str, *, timeout_s: float) -> HttpReply:
        """Answer ``/models``."""
        del timeout_s
        base = url.removesuffix("/models")
        if self.is_down(base, self.now_s):
            raise UnreachableError("connection refused")
        return HttpReply(200, {}, self.servers[base].models())

    async def post(self, url: str, body: bytes, *, timeout_s: float) -> HttpReply:
        """Answer a chat completion as the replayer plans it."""
        base = url.removesuffix("/chat/completions")
        if self.is_down(base, self.now_s):
            raise UnreachableError("connection refused")
        self.seen.append((base, body))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self.occupancy.append((self.now_s, self.in_flight))
        try:
            async with asyncio.timeout(timeout_s):
                return await self._played(base, body)
        except TimeoutError:
            raise DeadlineError(f"no whole reply in {timeout_s:g} s") from None
        finally:
            self.in_flight -= 1

    async def _played(self, base: str, body: bytes) -> HttpReply:
        planned = self.servers[base].plan(body)
        if planned.is_stalled:
            await asyncio.Event().wait()
        await asyncio.sleep(planned.delay_s)
        if planned.is_reset or self.is_down(base, self.now_s):
            raise BrokenConnectionError("connection reset")
        self.arrived[json.loads(body)["messages"][0]["content"] + f"#{json.loads(body)['seed']}"] += 1
        return HttpReply(planned.status, {name.lower(): value for name, value in planned.headers.items()}, planned.body)


def recordings(count: int = 4, *, characters: int = 200) -> Recordings:
    """Return ``count`` answers that fit every prompt."""
    return Recordings(
        [
            Recording(
                match=("Problem",),
                prompt_sha256=None,
                sample_index=number,
                message={"role": "assistant", "content": f"<think>\nthought {number}\n</think>\n\n" + "x" * characters},
                finish_reason="stop",
                stop_reason=None,
                usage={"prompt_tokens": 100, "completion_tokens": 50 + number, "total_tokens": 150 + number},
                created=1_767_225_600 + number,
                processing_ms=1000.0 + number,
            )
            for number in range(count)
        ]
    )


def world(faults: str = "", *, replicas: int = 1, **options: Any) -> World:
    """Return a world with replicas that misbehave alike."""
    servers = {
        f"http://teacher-{number}:8000/v1": Replayer(recordings(), faults=parse_faults(faults, seed=number))
        for number in range(replicas)
    }
    return World(servers, **options)


class Rows:
    """A writer that keeps the rows."""

    def __init__(self) -> None:
        self.batches: list[pa.Table] = []

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Append rows."""
        self.batches.append(pa.table(rows) if isinstance(rows, pa.RecordBatch) else rows)

    @property
    def table(self) -> pa.Table:
        """Everything written."""
        return pa.concat_tables(self.batches)

    def list(self) -> list[dict[str, Any]]:
        """Everything written, as plain rows."""
        return [row for batch in self.batches for row in batch.to_pylist()]


def problems(count: int, *, start: int = 0) -> list[dict[str, Any]]:
    """Return problems whose statements differ."""
    return [
        {"problem_id": f"toy/train/{n:06d}", "statement": f"Problem number {n}"} for n in range(start, start + count)
    ]


def batches(rows: Sequence[Mapping[str, Any]], *, size: int = 100) -> Callable[[], Iterator[pa.RecordBatch]]:
    """Return a function that streams the rows."""

    def stream() -> Iterator[pa.RecordBatch]:
        for start in range(0, len(rows), size):
            yield pa.RecordBatch.from_pylist([dict(row) for row in rows[start : start + size]])

    return stream


def config(**changes: Any) -> GenerateConfig:
    """Return a configuration for the replayed model."""
    return GenerateConfig(
        **({"model": MODEL, "language": "python", "samples": 1, "window": 8, "deadline_s": 600.0} | changes)
    )


def run(
    here: World,
    rows: Sequence[Mapping[str, Any]],
    folder: Path,
    *,
    writer: TableWriter | None = None,
    settings: GenerateConfig | None = None,
    **options: Any,
) -> tuple[StageCounts, list[dict[str, Any]]]:
    """Generate in that world; return the counts and the rows."""
    kept = Rows()
    counts = generate(
        batches(rows),
        config=settings or config(),
        server=attach(list(here.servers)),
        ledger=folder,
        dataset="toy",
        writer=writer or kept,
        clock=here.wall_s,
        outside=here.outside,
        **options,
    )
    return counts, kept.list()
