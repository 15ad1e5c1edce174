"""What every engine offers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import pyarrow as pa

__all__ = ["BatchFunction", "Engine"]

BatchFunction = Callable[[pa.RecordBatch], pa.RecordBatch]
"""A step over one batch. It must be picklable: a module-level function, or a ``functools.partial`` of one."""


class Engine(Protocol):
    """Runs a function over a stream of batches."""

    def map(self, function: BatchFunction, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield ``function(batch)`` for each batch, in order; only a bounded number of batches is in memory."""
