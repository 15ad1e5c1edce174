"""Pools of worker processes that end with their parent and say clearly when one of them dies."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess
from types import ModuleType

from ocr_pipeline.errors import PipelineError

__all__ = ["worker_pool"]


class _Worker(SpawnProcess):
    """A process that does not run the main module of its parent again: it needs nothing of it, and Dagster's takes a second."""

    def start(self) -> None:
        """Start it."""
        main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
        try:
            super().start()
        finally:
            sys.modules["__main__"] = main


class _Spawning(SpawnContext):
    Process = _Worker


@contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Open a pool of spawned processes; a killed parent leaves none of them behind.

    What they run must be importable: functions of the main module are not there.

    Raises
    ------
    PipelineError
        When a worker process dies, with what to do about it.
    """
    # Spawn: a forked copy of a process that holds threads (Arrow's, gRPC's) may deadlock.
    with ProcessPoolExecutor(workers, mp_context=_Spawning(), initializer=_end_with_parent) as pool:
        try:
            yield pool
        except BrokenProcessPool as error:
            message = f"a worker process died ({error}); it was killed or ran out of memory: use fewer workers or smaller batches"
            raise PipelineError(message) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _end_with_parent() -> None:
    """Watch the parent: the pool's own pipes do not tell a worker that it was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent.sentinel,), daemon=True).start()


def _exit_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
