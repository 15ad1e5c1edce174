"""Worker processes behind a bounded queue; a worker that dies is replaced, and what it had is answered with 503."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, suppress
from typing import TypeVar

from ocr_pipeline.engine.processes import worker_pool
from ocr_pipeline.errors import PipelineError
from ocr_pipeline.serving.refusals import NotRun, Refused

__all__ = ["Pool"]

Task = TypeVar("Task")
Result = TypeVar("Result")


class Pool:
    """Runs functions in worker processes.

    Parameters
    ----------
    workers
        Processes.
    queue
        Tasks that may wait beside those that run.
    """

    def __init__(self, workers: int, queue: int) -> None:
        self.workers = workers
        self._most = workers + queue
        self.in_flight = 0
        """Tasks that run or wait, also those whose asker is gone."""
        self._open()

    def _open(self) -> None:
        self._stack = ExitStack()
        self._pool: ProcessPoolExecutor = self._stack.enter_context(worker_pool(self.workers))

    def start(self, function: Callable[[Task], Result], task: Task) -> list[Result]:
        """Start the processes and run a first task for each, so that nobody waits for them later."""
        return [each.result() for each in [self._pool.submit(function, task) for _ in range(self.workers)]]

    @property
    def waiting(self) -> int:
        """Tasks that wait for a worker."""
        return max(0, self.in_flight - self.workers)

    async def run(self, function: Callable[[Task], Result], task: Task) -> Result:
        """Run a function on a task and return what it returns.

        Raises
        ------
        Refused
            With 429 when the queue is full.
        NotRun
            When the worker died.
        """
        if self.in_flight >= self._most:
            message = f"{self.waiting} programs wait already; ask again later"
            raise Refused(429, message, headers={"Retry-After": "1"})
        pool = self._pool
        try:
            future: Future[Result] = pool.submit(function, task)
        except BrokenProcessPool as error:
            self._replace(pool)
            raise NotRun("a worker process died; ask again") from error
        self.in_flight += 1
        loop = asyncio.get_running_loop()

        def count(_: Future[Result]) -> None:
            with suppress(RuntimeError):  # the loop is gone when the service stops
                loop.call_soon_threadsafe(self._done)

        future.add_done_callback(count)
        try:
            return await asyncio.wrap_future(future)
        except BrokenProcessPool as error:
            self._replace(pool)
            raise NotRun("a worker process died; ask again") from error

    def _done(self) -> None:
        self.in_flight -= 1

    def _replace(self, broken: ProcessPoolExecutor) -> None:
        """Open a new pool, once for all tasks that the old one lost."""
        if self._pool is broken:
            broken.shutdown(cancel_futures=True)  # its workers are dead: nothing is waited for
            self._open()

    def close(self) -> None:
        """End the processes once they are done with what they run; tasks that wait are cancelled."""
        self._pool.shutdown(cancel_futures=True)
        with suppress(PipelineError):
            self._stack.close()
