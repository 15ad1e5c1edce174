"""The default engine: a pool of local processes, or this process alone."""

from __future__ import annotations

import itertools
import os
import pickle
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import pyarrow as pa

from ocr_pipeline.engine.cores import usable_cores
from ocr_pipeline.engine.processes import worker_pool
from ocr_pipeline.engine.protocol import BatchFunction, Piece, Shared, SizedTask

__all__ = ["MOST_WAITING_BYTES", "LocalEngine", "call_packed", "from_ipc", "packed", "read_piece"]

BATCHES_PER_WORKER = 2
TASKS_PER_WORKER = 4  # so that a worker whose task was short finds another one while the caller reads the next
MOST_WAITING_BYTES = 128 << 20

Value = TypeVar("Value")
Result = TypeVar("Result")
Task = TypeVar("Task", bound=SizedTask)


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """Maps batches over ``workers`` spawned processes; 0 or 1 works in this process, and so does a single batch."""

    workers: int = 0

    @classmethod
    def for_this_machine(cls) -> LocalEngine:
        """Use every core this process may run on."""
        return cls(workers=usable_cores())

    def map(self, function: BatchFunction, rows: Iterable[pa.RecordBatch | Piece]) -> Iterator[pa.RecordBatch]:
        """Yield ``function(batch)`` for each batch or piece, in order; a piece is read by the process that works on it.

        Raises
        ------
        PipelineError
            When a worker process dies, with what to do about it.
        """
        stream = iter(rows)
        first = list(itertools.islice(stream, 2))
        if self.workers <= 1 or len(first) <= 1:
            yield from (function(read_piece(each)) for each in itertools.chain(first, stream))
            return
        with worker_pool(self.workers) as pool:
            for result in self._in_order(pool, function, itertools.chain(first, stream)):
                yield from_ipc(result)

    def _in_order(
        self, pool: ProcessPoolExecutor, function: BatchFunction, rows: Iterable[pa.RecordBatch | Piece]
    ) -> Iterator[bytes]:
        waiting: deque[tuple[Future[bytes], bytes | Piece]] = deque()  # what they refer to is there while they wait
        for each in map(packed, rows):
            waiting.append((pool.submit(call_packed, function, each), each))
            if len(waiting) >= self.workers * BATCHES_PER_WORKER:
                yield waiting[0][0].result()
                waiting.popleft()
        while waiting:
            yield waiting[0][0].result()
            waiting.popleft()

    def spread(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """Yield ``function(task)`` for each task, as they are done.

        Raises
        ------
        PipelineError
            When a worker process dies, with what to do about it.
        """
        stream = iter(tasks)
        first = list(itertools.islice(stream, 2))
        if self.workers <= 1 or len(first) <= 1:
            yield from map(function, itertools.chain(first, stream))
            return
        with worker_pool(self.workers) as pool:
            yield from self._as_done(pool, function, itertools.chain(first, stream))

    def _as_done(
        self, pool: ProcessPoolExecutor, function: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Iterator[Result]:
        waiting: dict[Future[Result], Task] = {}  # the tasks too: what they share lives as long as they do
        for task in tasks:
            waiting[pool.submit(function, task)] = task
            yield from _results(waiting, timeout_s=0)
            while self._is_full(waiting.values()):
                yield from _results(waiting)
        while waiting:
            yield from _results(waiting)

    def _is_full(self, waiting: Iterable[SizedTask]) -> bool:
        """Every worker may have one task, whatever its size, and more only within the bounds."""
        sizes = [task.n_bytes for task in waiting]
        return len(sizes) >= self.workers and (
            len(sizes) >= TASKS_PER_WORKER * self.workers or sum(sizes) >= MOST_WAITING_BYTES
        )

    def share(self, value: Value) -> Shared[Value]:
        """Put a value in a file in memory that the workers open, and that ends with this process or the reference."""
        return _Here(value) if self.workers <= 1 else _InMemory.of(value)


@dataclass(frozen=True, slots=True)
class _Here(Generic[Value]):
    """A value of this process."""

    value: Value

    def get(self) -> Value:
        """Return it."""
        return self.value


@dataclass(frozen=True)  # weakly referenced, so without slots
class _InMemory(Generic[Value]):
    """A pickled value in a file in memory of the process that shares it."""

    path: str

    @classmethod
    def of(cls, value: Value) -> _InMemory[Value]:
        """Write a value; the file is closed with the last reference in this process."""
        descriptor = os.memfd_create("shared", os.MFD_CLOEXEC)
        with open(descriptor, "wb", closefd=False) as file:
            pickle.dump(value, file, pickle.HIGHEST_PROTOCOL)
        shared: _InMemory[Value] = cls(f"/proc/{os.getpid()}/fd/{descriptor}")
        weakref.finalize(shared, os.close, descriptor)
        return shared

    def get(self) -> Value:
        """Read the value."""
        with Path(self.path).open("rb") as file:
            value: Value = pickle.load(file)  # noqa: S301 - this engine wrote it
        return value


def _results(waiting: dict[Future[Result], Task], timeout_s: float | None = None) -> Iterator[Result]:
    """Yield what is done; without a timeout wait for at least one."""
    for future in wait(waiting, timeout_s, FIRST_COMPLETED).done:
        del waiting[future]
        yield future.result()


def to_ipc(batch: pa.RecordBatch) -> bytes:
    """Serialize a batch; unlike pickle it leaves behind what a slice does not show."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def from_ipc(data: bytes) -> pa.RecordBatch:
    """Read back what :func:`to_ipc` wrote."""
    with pa.ipc.open_stream(data) as reader:
        return reader.read_next_batch()


def packed(rows: pa.RecordBatch | Piece) -> bytes | Piece:
    """Return what travels to a worker: a reference as it is, rows serialized."""
    return to_ipc(rows) if isinstance(rows, pa.RecordBatch) else rows


def call_packed(function: BatchFunction, rows: bytes | Piece) -> bytes:
    """Work on what :func:`packed` made, in a worker."""
    return to_ipc(function(from_ipc(rows) if isinstance(rows, bytes) else rows.read()))


def read_piece(rows: pa.RecordBatch | Piece) -> pa.RecordBatch:
    """Return the rows themselves."""
    return rows if isinstance(rows, pa.RecordBatch) else rows.read()
