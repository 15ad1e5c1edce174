"""What ingest sets aside while it has not seen all rows: blobs in temporary files, found again by their place.

Sources come in any order and the tables are sorted, so every row waits here. A blob is one problem with its tests:
memory holds only places, some hundred bytes per problem. The files have no name, so a run that is killed leaves none
behind; a worker process reaches its file through the descriptor of the process that made it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, NamedTuple

import pyarrow as pa

from ocr_pipeline.errors import StoreError

__all__ = ["Place", "SpillWriter", "Spills", "open_spills"]


class Place(NamedTuple):
    """Where a blob stands."""

    file: int
    offset: int
    length: int


class SpillWriter:
    """Appends blobs to one spill file; one writer at a time."""

    def __init__(self, file: IO[bytes], number: int) -> None:
        self._file = file
        self._number = number
        self._end = file.seek(0, os.SEEK_END)

    def put(self, blob: bytes | pa.Buffer) -> Place:
        """Append a blob."""
        place = Place(self._number, self._end, memoryview(blob).nbytes)
        self._file.write(memoryview(blob))
        self._end += place.length
        return place

    def put_batch(self, batch: pa.RecordBatch) -> Place:
        """Append a record batch."""
        return self.put(batch.serialize())

    def flush(self) -> None:
        """Let readers see everything that was put."""
        self._file.flush()


@dataclass(frozen=True, slots=True)
class Spills:
    """Spill files without names."""

    files: Sequence[IO[bytes]]

    def get(self, place: Place) -> bytes:
        """Return a blob that was flushed."""
        return os.pread(self.files[place.file].fileno(), place.length, place.offset)

    def get_batch(self, place: Place, schema: pa.Schema) -> pa.RecordBatch:
        """Return a record batch that was flushed."""
        return pa.ipc.read_record_batch(pa.py_buffer(self.get(place)), schema)

    def path(self, number: int) -> str:
        """Return a path under which this and other processes of this user open a file, while this process lives."""
        return f"/proc/{os.getpid()}/fd/{self.files[number].fileno()}"


@contextmanager
def open_spills(count: int) -> Iterator[Spills]:
    """Open empty spill files; they are gone when the block ends.

    Raises
    ------
    StoreError
        When they cannot be opened, or do not hold what is put into them.
    """
    try:
        with ExitStack() as stack:
            yield Spills([stack.enter_context(tempfile.TemporaryFile(prefix="ocr_pipeline_")) for _ in range(count)])
    except OSError as error:
        message = f"rows cannot be set aside in temporary files: {error}; free some space there, or set TMPDIR"
        raise StoreError(message) from error
