"""Writing tables: one file as a whole, several files together, or a partition that replaces the old one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

import pyarrow as pa

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.store.atomic import atomic_write, sync
from ocr_pipeline.store.manifest import Manifest, PartFile
from ocr_pipeline.store.parts import Part, RowGroups, Slices, writing
from ocr_pipeline.store.places import Place
from ocr_pipeline.store.rows import conform
from ocr_pipeline.tables import Table, table_named

__all__ = ["FileWriter", "PartitionWriter", "TableWriter", "file_writers"]

ROW_GROUPS_PER_PART: Final = 64


class TableWriter(Protocol):
    """Where a step puts its rows."""

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Append rows; columns that are missing and may be null are filled with null."""


class FileWriter:
    """Writes one table into one Parquet file, which appears under its name only when the block ends well."""

    def __init__(self, path: Path, table: Table) -> None:
        self._path = path
        self._table = table
        self._is_complete = False
        self.rows = 0

    def __enter__(self) -> Self:
        """Open a temporary file beside the target."""
        self._groups = RowGroups(self._table)
        self._stack = ExitStack()
        with writing(str(self._path)):
            file = self._stack.enter_context(atomic_write(self._path))
            self._temporary = Path(file.name)
            self._part = Part(str(self._path), file, self._table)
        return self

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Append rows."""
        self.rows += rows.num_rows
        for group in self._groups.add(conform(rows, self._table)):
            self._part.write(group)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Rename into place, or remove what was written."""
        if kind is not None:
            self._part.abandon()
            self._stack.__exit__(kind, error, trace)
            return
        with writing(str(self._path)), self._stack:
            try:
                self.complete()
            finally:
                self._part.abandon()

    @property
    def unnamed(self) -> Path:
        """The temporary file, which is whole after :meth:`complete`."""
        return self._temporary

    def complete(self) -> None:
        """Write what is left; only the name is missing then."""
        if self._is_complete:
            return
        for group in self._groups.flush():
            self._part.write(group)
        self._part.close()
        with writing(str(self._path)):
            sync(self._temporary)
        self._is_complete = True


@contextmanager
def file_writers(folder: Path, tables: Iterable[str]) -> Iterator[dict[str, FileWriter]]:
    """Write several tables, each as ``<table>.parquet``: all of them appear, or none when one cannot be written."""
    with ExitStack() as stack:
        writers = {name: FileWriter(folder / f"{name}.parquet", table_named(name)) for name in tables}
        for writer in writers.values():
            stack.enter_context(writer)
        yield writers
        for writer in writers.values():
            writer.complete()


class PartitionWriter:
    """Writes one partition; it replaces the old one only when the block ends well.

    Parameters
    ----------
    table
        What the rows are.
    uri
        Where the partition is, for a person.
    draft
        Its manifest, but for files and counts.
    staged
        Holds the partition's lock and gives the place to write in.
    """

    def __init__(
        self, table: Table, uri: str, draft: Manifest, staged: Callable[[], AbstractContextManager[Place]]
    ) -> None:
        self._table = table
        self._uri = uri
        self._draft = draft
        self._staged = staged
        self._files: list[PartFile] = []
        self._part: Part | None = None
        self._groups = RowGroups(table)
        self._slices = Slices(table)
        self._stack = ExitStack()
        self.counts: StageCounts | None = None
        """The account of the step, for the manifest."""
        self.manifest: Manifest | None = None
        """The manifest, once the block has ended well."""

    def __enter__(self) -> Self:
        """Take the partition's lock and prepare a place to write."""
        self._place = self._stack.enter_context(self._staged())
        return self

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Append rows."""
        conformed = conform(rows, self._table)
        self._slices.write(conformed)
        for group in self._groups.add(conformed):
            self._write_group(group)

    def _write_group(self, group: pa.Table) -> None:
        if self._part is not None and self._part.row_groups >= ROW_GROUPS_PER_PART:
            self._close_part()
        if self._part is None:
            name = self._place.part_name(len(self._files))
            path = f"{self._uri}/{name}"
            with writing(path):
                self._part = Part(path, self._place.open(name), self._table)
        self._part.write(group)

    def _close_part(self) -> None:
        if self._part is not None:
            self._files.append(self._part.close())
            self._part = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Publish the partition, or leave the old one as it was."""
        with self._stack:
            try:
                if kind is None:
                    self._finish()
            finally:
                if self.manifest is None:
                    self._abandon()

    def _finish(self) -> None:
        for group in self._groups.flush():
            self._write_group(group)
        if not self._files and self._part is None:
            self._write_group(self._table.schema.empty_table())
        self._close_part()
        counts = self.counts.as_dict() if self.counts else {}
        manifest = replace(self._draft, files=tuple(self._files), counts=counts, slices=self._slices.close())
        with writing(self._uri):
            self._place.publish(manifest)
        self.manifest = manifest

    def _abandon(self) -> None:
        if self._part is not None:
            self._part.abandon()
        self._place.discard()
