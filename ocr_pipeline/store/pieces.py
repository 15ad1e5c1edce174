"""Rows that nobody has read yet: where a row group lies, so that the process that needs its rows reads them itself.

A reference is small and can be pickled; only it travels to a worker, on this machine or on another. It is tied to one
version of its file: a partition that was replaced in the meantime is read as it was, or refused, never mixed.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs

from ocr_pipeline.errors import StoreError
from ocr_pipeline.store.files import parquet_format
from ocr_pipeline.store.objects import open_root, reaching

if TYPE_CHECKING:
    import pyarrow.dataset as ds

__all__ = ["PartPlace", "RowGroup", "Version", "as_batch", "finely", "guarantee_of", "reading"]

FEW: Final = 16
"""Row groups: with more of them every worker has its share."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a local file, and where the process that listed it holds it open."""

    bytes: int
    modified_ns: int
    held: str
    file: pa.NativeFile | None = field(default=None, compare=False, repr=False)
    """Keeps it open, in the process that listed it, for as long as anybody refers to it there."""

    @classmethod
    def of(cls, file: pa.NativeFile) -> Version:
        """Return the version of an open file."""
        status = os.fstat(file.fileno())
        return cls(status.st_size, status.st_mtime_ns, f"/proc/{os.getpid()}/fd/{file.fileno()}", file)

    def __reduce__(self) -> tuple[type[Version], tuple[int, int, str]]:
        """Leave the file behind: what travels says where it is held."""
        return Version, (self.bytes, self.modified_ns, self.held)

    def is_of(self, file: pa.NativeFile) -> bool:
        """Whether an open file is this one."""
        status = os.fstat(file.fileno())
        return (status.st_size, status.st_mtime_ns) == (self.bytes, self.modified_ns)


@dataclass(frozen=True, slots=True)
class PartPlace:
    """A part file of a data root, as it was when somebody listed it."""

    root: str
    path: str
    """Inside the file system of the root."""
    version: Version | None
    """Unless it is an object, whose name is never used again."""

    def fragment(self, keys: Mapping[str, str], row_group: int | None = None) -> ds.Fragment:
        """Open it, or one row group of it.

        Parameters
        ----------
        keys
            Of the partition, which the file does not hold.

        Raises
        ------
        StoreError
            When it is another version now, and the process that listed this one is gone or on another machine.
        """
        make, wanted = parquet_format().make_fragment, None if row_group is None else [row_group]
        if self.version is None:
            return make(self.path, _filesystem(self.root), guarantee_of(keys), wanted)
        for path in (self.path, self.version.held):
            try:
                file = pa.OSFile(path)
            except OSError:
                continue
            if self.version.is_of(file):
                return make(file, None, guarantee_of(keys), wanted)
        message = f"`{self.path}` was replaced while it was read; run the step again"
        raise StoreError(message)


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A row group, or some rows of one."""

    table: str
    place: PartPlace
    number: int
    num_rows: int
    schema: pa.Schema
    keys: Mapping[str, str]
    columns: tuple[str, ...]
    first_row: int = 0

    def read(self) -> pa.RecordBatch:
        """Read the rows.

        Raises
        ------
        StoreError
            When the storage fails, or the file is damaged or was replaced.
        """
        with reading(self.place.root, self.table):
            fragment = self.place.fragment(self.keys, self.number)
            rows = as_batch(fragment.to_table(self.schema, columns=list(self.columns), use_threads=False))
        return rows.slice(self.first_row, self.num_rows)

    def divided(self, rows: int) -> Iterator[RowGroup]:
        """Yield it in pieces of so many rows; each of them reads the whole row group."""
        for start in range(0, self.num_rows, rows):
            yield replace(self, first_row=self.first_row + start, num_rows=min(rows, self.num_rows - start))


def finely(pieces: Iterable[RowGroup | pa.RecordBatch], rows: int) -> Iterator[RowGroup | pa.RecordBatch]:
    """Divide row groups into pieces of so many rows where there are so few that a worker might have none."""
    stream = iter(pieces)
    first = []
    for each in stream:
        first.append(each)
        if isinstance(each, pa.RecordBatch) or len(first) >= FEW:  # rows that are read are not kept waiting
            break
    for each in itertools.chain(first, stream):
        if isinstance(each, pa.RecordBatch) or len(first) >= FEW:
            yield each
        else:
            yield from each.divided(rows)


def as_batch(rows: pa.Table) -> pa.RecordBatch:
    """Return the rows as one batch."""
    batches = rows.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=rows.schema)


def guarantee_of(keys: Mapping[str, str]) -> pc.Expression:
    """Return what holds of every row of a partition."""
    guarantee = pc.scalar(True)  # noqa: FBT003 - an Arrow literal
    for key, value in keys.items():
        guarantee = guarantee & (pc.field(key) == value)
    return guarantee


@contextmanager
def reading(root: str, name: str) -> Iterator[None]:
    """Turn what a storage, or a damaged file, says into one line."""
    try:
        with reaching(root):
            yield
    except pa.ArrowInvalid as error:
        message = f"a part of {name} under `{root}` is no Parquet file: {error}; materialize the partition again"
        raise StoreError(message) from error


@cache
def _filesystem(root: str) -> pafs.FileSystem:
    return open_root(root)[0]
