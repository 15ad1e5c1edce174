"""The default engine: a pool of local processes, or this process alone."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass

import pyarrow as pa

from ocr_pipeline.engine.processes import worker_pool
from ocr_pipeline.engine.protocol import BatchFunction

__all__ = ["LocalEngine", "from_ipc", "to_ipc"]

BATCHES_PER_WORKER = 2


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """Maps batches over ``workers`` spawned processes; 0 or 1 works in this process, and so does a single batch."""

    workers: int = 0

    @classmethod
    def for_this_machine(cls) -> LocalEngine:
        """Use every core this process may run on."""
        return cls(workers=len(os.sched_getaffinity(0)))

    def map(self, function: BatchFunction, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield ``function(batch)`` for each batch, in order.

        Raises
        ------
        PipelineError
            When a worker process dies, with what to do about it.
        """
        stream = iter(batches)
        first = list(itertools.islice(stream, 2))
        if self.workers <= 1 or len(first) <= 1:
            yield from map(function, itertools.chain(first, stream))
            return
        with worker_pool(self.workers) as pool:
            for result in self._in_order(pool, function, itertools.chain(first, stream)):
                yield from_ipc(result)

    def _in_order(
        self, pool: ProcessPoolExecutor, function: BatchFunction, batches: Iterable[pa.RecordBatch]
    ) -> Iterator[bytes]:
        waiting: deque[Future[bytes]] = deque()
        for batch in batches:
            waiting.append(pool.submit(_call, function, to_ipc(batch)))
            if len(waiting) >= self.workers * BATCHES_PER_WORKER:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


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


def _call(function: BatchFunction, data: bytes) -> bytes:
    return to_ipc(function(from_ipc(data)))
