"""What ingest sets aside while it has not seen all rows: blobs in a temporary file, found again by their place.

Sources come in any order and the tables are sorted, so every row waits here. A blob is one problem with its tests:
memory holds only places, some hundred bytes per problem.
"""

from __future__ import annotations

import os
import tempfile
from types import TracebackType
from typing import NamedTuple, Self

import pyarrow as pa

__all__ = ["Place", "Spill"]


class Place(NamedTuple):
    """Where a blob stands."""

    offset: int
    length: int


class Spill:
    """An append-only temporary file, gone when the block ends."""

    def __enter__(self) -> Self:
        """Open a file that has no name."""
        self._file = tempfile.TemporaryFile(prefix="ocr_pipeline_ingest_")
        self._end = 0
        self._flushed = 0
        return self

    def put(self, blob: bytes | pa.Buffer) -> Place:
        """Append a blob."""
        place = Place(self._end, memoryview(blob).nbytes)
        self._file.write(memoryview(blob))
        self._end += place.length
        return place

    def put_batch(self, batch: pa.RecordBatch) -> Place:
        """Append a record batch."""
        return self.put(batch.serialize())

    def get(self, place: Place) -> bytes:
        """Return a blob."""
        if place.offset + place.length > self._flushed:
            self._file.flush()
            self._flushed = self._end
        return os.pread(self._file.fileno(), place.length, place.offset)

    def get_batch(self, place: Place, schema: pa.Schema) -> pa.RecordBatch:
        """Return a record batch."""
        return pa.ipc.read_record_batch(pa.py_buffer(self.get(place)), schema)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file, which removes it."""
        self._file.close()
