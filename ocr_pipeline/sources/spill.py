"""What ingest sets aside while it has not seen all rows: blobs in temporary files, found again by their place.

Sources come in any order and the tables are sorted, so every row waits here: memory holds only places, some hundred
bytes per problem. The tests of a problem, and its solutions, are a block: for each column the lengths of its texts and
then the texts themselves, so that the blocks of many problems are read into the columns of one Arrow batch without
another copy. The files have no name, so a run that is killed leaves none behind; a worker process reaches its file
through the descriptor of the process that made it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ocr_pipeline.errors import StoreError
from ocr_pipeline.sources.buffers import bytes_of

__all__ = ["Block", "Place", "SpillWriter", "Spills", "open_spills"]

LENGTH: Final = np.dtype(np.int64)
LONGEST_READ: Final = 1 << 30  # one call of the system returns no more than 2 GiB


class Place(NamedTuple):
    """Where a blob stands."""

    file: int
    offset: int
    length: int


class Block(NamedTuple):
    """Where rows stand, how many they are, and the bytes that each column has without its lengths."""

    place: Place
    rows: int
    sizes: tuple[int, ...]


class SpillWriter:
    """Appends blobs to one spill file; one writer at a time."""

    def __init__(self, file: IO[bytes], number: int) -> None:
        self._file = file
        self._number = number
        self._end = file.seek(0, os.SEEK_END)

    def put(self, blob: bytes) -> Place:
        """Append a blob."""
        start = self._end
        self._append(memoryview(blob))
        return Place(self._number, start, self._end - start)

    def put_batch(self, batch: pa.RecordBatch) -> Block:
        """Append rows of text and truth values, without nulls."""
        start = self._end
        sizes = tuple(map(self._put_column, batch.columns))
        return Block(Place(self._number, start, self._end - start), batch.num_rows, sizes)

    def _put_column(self, column: pa.Array) -> int:
        if column.null_count:
            message = f"a column that is set aside holds {column.null_count} nulls; it may hold none"
            raise ValueError(message)
        if pa.types.is_boolean(column.type):
            flags = column.to_numpy(zero_copy_only=False)
            self._append(flags.data)
            return len(flags)
        ends, texts = bytes_of(column)
        first, last = int(ends[0]), int(ends[-1])
        self._append((ends[1:] - ends[:-1]).astype(LENGTH, copy=False).data)
        self._append(texts[first:last].data)
        return last - first

    def _append(self, data: memoryview) -> None:
        self._file.write(data)
        self._end += data.nbytes

    def flush(self) -> None:
        """Let readers see everything that was put."""
        self._file.flush()


@dataclass(frozen=True, slots=True)
class Spills:
    """Spill files without names."""

    files: Sequence[IO[bytes]]

    def get(self, place: Place) -> bytes:
        """Return a blob that was flushed."""
        data = bytearray(place.length)
        self._read(place, [memoryview(data)])
        return bytes(data)

    def get_rows(self, blocks: Sequence[Block], schema: pa.Schema) -> pa.RecordBatch:
        """Return the rows of blocks that were flushed, one block after the other."""
        rows = sum(block.rows for block in blocks)
        widths = [0 if pa.types.is_boolean(field.type) else LENGTH.itemsize for field in schema]
        lengths = [np.empty(rows * width, np.uint8) for width in widths]
        data = [pa.allocate_buffer(sum(block.sizes[number] for block in blocks)) for number in range(len(schema))]
        pairs = zip(lengths, data, strict=True)
        # Two targets a column, in the order of the bytes on disk: one scattered read fills a block's slice of each.
        targets = [view for counts, texts in pairs for view in (counts.data, memoryview(texts))]
        starts = [0] * len(targets)
        for block in blocks:
            sizes = [size for pair in zip(widths, block.sizes, strict=True) for size in (pair[0] * block.rows, pair[1])]
            ends = list(map(int.__add__, starts, sizes))
            self._read(block.place, [view[start:end] for view, start, end in zip(targets, starts, ends, strict=True)])
            starts = ends
        columns = [
            _texts(field.type, counts.view(LENGTH), texts) if width else _flags(texts)
            for field, width, counts, texts in zip(schema, widths, lengths, data, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    def _read(self, place: Place, into: Sequence[memoryview]) -> None:
        """Fill views, one after the other, with the bytes of a place."""
        file, offset = self.files[place.file].fileno(), place.offset
        if os.preadv(file, into, offset) == place.length:
            return
        for view in into:  # the system reads no more than 2 GiB in one call
            rest = view
            while rest:
                count = os.preadv(file, [rest[:LONGEST_READ]], offset)
                if not count:
                    message = "a temporary file is shorter than what was put into it"
                    raise OSError(message)
                rest = rest[count:]
                offset += count

    def path(self, number: int) -> str:
        """Return a path under which this and other processes of this user open a file, while this process lives."""
        return f"/proc/{os.getpid()}/fd/{self.files[number].fileno()}"


def _texts(kind: pa.DataType, lengths: npt.NDArray[np.int64], data: pa.Buffer) -> pa.Array:
    offsets = np.zeros(len(lengths) + 1, np.int64 if pa.types.is_large_string(kind) else np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return pa.Array.from_buffers(kind, len(lengths), [None, pa.py_buffer(offsets), data])


def _flags(data: pa.Buffer) -> pa.BooleanArray:
    return pa.array(np.frombuffer(data, np.bool_) if data.size else [], pa.bool_())


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
