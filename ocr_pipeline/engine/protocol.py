"""What every engine offers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

import pyarrow as pa

__all__ = ["BatchFunction", "Engine", "Piece", "Shared", "SizedTask"]

BatchFunction = Callable[[pa.RecordBatch], pa.RecordBatch]
"""A step over one batch. It must be picklable: a module-level function, or a ``functools.partial`` of one."""


class Piece(Protocol):
    """A picklable reference to rows, so that the process that works on them reads them itself."""

    def read(self) -> pa.RecordBatch:
        """Read the rows, in any process of the engine."""


Value = TypeVar("Value")
Kept_co = TypeVar("Kept_co", covariant=True)
Result = TypeVar("Result")


class SizedTask(Protocol):
    """A plain, picklable value that says how large it is."""

    @property
    def n_bytes(self) -> int:
        """About how much memory the task occupies, what it shares with others included."""


Task = TypeVar("Task", bound=SizedTask)


class Shared(Protocol[Kept_co]):
    """A value that many tasks need and that travels once; tasks carry the reference."""

    def get(self) -> Kept_co:
        """Return the value, in any process of the engine."""


class Engine(Protocol):
    """Runs a function over a stream of rows or of tasks."""

    def map(self, function: BatchFunction, rows: Iterable[pa.RecordBatch | Piece]) -> Iterator[pa.RecordBatch]:
        """Yield ``function(batch)`` for each batch or piece, in order; only a bounded number of them is in memory."""

    def spread(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """Yield ``function(task)`` for each task, as they are done; number and bytes of the waiting tasks are bounded."""

    def share(self, value: Value) -> Shared[Value]:
        """Put a value where every process of this engine can read it, until the reference is dropped."""
