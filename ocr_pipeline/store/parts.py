"""One Parquet file while it is written: cut into row groups, hashed and counted on its way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ocr_pipeline.errors import StoreError
from ocr_pipeline.store.manifest import PartFile
from ocr_pipeline.store.objects import explained
from ocr_pipeline.tables import SCHEMA_VERSION, Table

__all__ = ["Part", "RowGroups", "Slices", "writing"]

ROW_GROUP_BYTES: Final = 64 << 20
COMPRESSION_LEVEL: Final = 1  # 91 % of raw zstd speed; level 3 costs 1.6 times the CPU for a third less disk


class _HashingStream:
    """A write-only file that hashes and counts what passes through."""

    def __init__(self, sink: IO[bytes] | pa.NativeFile) -> None:
        self._sink = sink
        self._hash = hashlib.sha256()
        self.bytes = 0
        self.closed = False

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        self._hash.update(view)
        self._sink.write(view)
        self.bytes += view.nbytes
        return view.nbytes

    def flush(self) -> None:
        self._sink.flush()

    def close(self) -> None:
        if not self.closed:
            self._sink.close()
            self.closed = True

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def sha256(self) -> str:
        return self._hash.hexdigest()


class RowGroups:
    """Cuts a stream of rows into row groups that do not depend on how the stream was batched."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._pending: list[pa.Table] = []
        self._rows = 0

    def add(self, rows: pa.Table) -> Iterator[pa.Table]:
        """Take rows and yield the row groups that are full."""
        while self._rows + rows.num_rows >= self._table.row_group_rows:
            missing = self._table.row_group_rows - self._rows
            self._pending.append(rows.slice(0, missing))
            rows = rows.slice(missing)
            yield from self.flush()
        if rows.num_rows:
            self._pending.append(rows)
            self._rows += rows.num_rows

    def flush(self) -> Iterator[pa.Table]:
        """Yield what is left."""
        if self._pending:
            group = pa.concat_tables(self._pending).combine_chunks()
            self._pending, self._rows = [], 0
            yield from _within(group, ROW_GROUP_BYTES)


def _within(group: pa.Table, limit_bytes: int) -> Iterator[pa.Table]:
    """Halve a row group until each piece is small enough or a single row."""
    if group.nbytes <= limit_bytes or group.num_rows <= 1:
        yield group
        return
    middle = group.num_rows // 2
    yield from _within(group.slice(0, middle), limit_bytes)
    yield from _within(group.slice(middle), limit_bytes)


def _parquet_writer(sink: Any, table: Table) -> pq.ParquetWriter:  # noqa: ANN401 - pyarrow takes any file-like
    metadata = {"table": table.name, "description": table.description, "schema_version": str(SCHEMA_VERSION)}
    short = [field.name for field in table.schema if pa.types.is_string(field.type)]
    return pq.ParquetWriter(
        sink,
        table.schema.with_metadata(metadata),
        compression="zstd",
        compression_level=COMPRESSION_LEVEL,
        use_dictionary=short,
        write_page_checksum=True,
    )


@contextmanager
def writing(path: str) -> Iterator[None]:
    """Turn what the file system says into one clear line."""
    try:
        yield
    except OSError as error:
        if "://" in path:
            raise explained(path, error) from error
        message = f"`{path}` cannot be written: {error}; free some space, check its owner or choose another folder"
        raise StoreError(message) from error


class Part:
    """One open Parquet file."""

    def __init__(self, path: str, sink: IO[bytes] | pa.NativeFile, table: Table) -> None:
        self._path = path
        self._stream = _HashingStream(sink)
        self._writer = _parquet_writer(pa.PythonFile(self._stream, mode="w"), table)
        self._rows = 0
        self.row_groups = 0

    def write(self, group: pa.Table) -> None:
        """Append one row group."""
        with writing(self._path):
            self._writer.write_table(group, row_group_size=group.num_rows or 1)
        self._rows += group.num_rows
        self.row_groups += 1

    def close(self) -> PartFile:
        """Write the end of the file and tell what it holds."""
        with writing(self._path):
            self._writer.close()
            self._stream.close()
        return PartFile(self._path.rsplit("/", 1)[-1], self._rows, self._stream.bytes, self._stream.sha256())

    def abandon(self) -> None:
        """Close the file, however little of it there is."""
        with suppress(OSError):  # the disk that was full stays full; the file is removed anyway
            self._writer.close()
        with suppress(OSError):
            self._stream.close()


class Slices:
    """Hashes the rows of each value of a column, as they would be in a file of their own."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._open: dict[str, tuple[RowGroups, Part]] = {}

    def write(self, rows: pa.Table) -> None:
        """Take rows."""
        if self._table.sliced_by is None:
            return
        column = rows.column(self._table.sliced_by)
        for value in pc.unique(column).to_pylist():
            if value not in self._open:
                self._open[value] = RowGroups(self._table), Part(value, pa.MockOutputStream(), self._table)
            groups, part = self._open[value]
            for group in groups.add(rows.filter(pc.equal(column, value))):
                part.write(group)

    def close(self) -> dict[str, str]:
        """Return the hash of each slice."""
        for groups, part in self._open.values():
            for group in groups.flush():
                part.write(group)
        return {value: part.close().sha256 for value, (_, part) in sorted(self._open.items())}
