"""Partitions of Parquet on disk or object storage: streamed in, replaced as a whole, manifest last.

A partition is a folder ``<table>/dataset=<dataset>/language=<language>/`` of part files and one ``_manifest.json``.

* A local partition is staged in a folder of its own and exchanged in one system call, so nobody sees half of one.
* Object storage has no rename: part files get names of their own, the manifest is put last, and the files that it
  does not name are removed. :func:`open_table` reads what the manifest names.
* One lock per partition keeps a second writer out, also one that was orphaned when its parent was killed.

What a step does to the rows is not this module's business; neither is the ledger of the teacher.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import itertools
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Protocol, Self

import filelock
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import InputError, StoreError
from ocr_pipeline.tables import SCHEMA_VERSION, Table, table_named

__all__ = [
    "FileWriter",
    "InputRef",
    "Manifest",
    "PartitionWriter",
    "Store",
    "TableWriter",
    "canonical_json",
    "conform",
    "file_writers",
    "open_files",
    "open_table",
]

MANIFEST: Final = "_manifest.json"
ROW_GROUP_BYTES: Final = 64 << 20
ROW_GROUPS_PER_PART: Final = 64
COMPRESSION_LEVEL: Final = 1  # 91 % of raw zstd speed; level 3 costs 1.6 times the CPU for a third less disk
PARQUET: Final = ds.ParquetFileFormat(  # checked pages cost 4 of 50 µs per row of 30 kB; without, damaged ones are read
    default_fragment_scan_options=ds.ParquetFragmentScanOptions(page_checksum_verification=True)
)
JSON_LINES_AT_ONCE: Final = 512
AT_FDCWD: Final = -100
RENAME_EXCHANGE: Final = 2

Partition = Mapping[str, str]


def canonical_json(value: object) -> str:
    """Serialize so that equal values give equal text: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class PartFile:
    """One Parquet file of a partition."""

    name: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class InputRef:
    """A partition that another one was built from, by its content."""

    table: str
    partition: dict[str, str]
    content_sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a partition holds and what it was built from; its presence means that the partition is whole."""

    table: str
    partition: dict[str, str]
    files: tuple[PartFile, ...]
    config: dict[str, Any]
    code_version: str
    inputs: tuple[InputRef, ...]
    counts: dict[str, Any] = field(default_factory=dict)
    model: str | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def rows(self) -> int:
        """Rows of all part files."""
        return sum(file.rows for file in self.files)

    @property
    def bytes(self) -> int:
        """Bytes of all part files."""
        return sum(file.bytes for file in self.files)

    @property
    def content_sha256(self) -> str:
        """Hash of the content alone: a rebuild with the same bytes has the same one."""
        return _sha256(canonical_json([self.schema_version, [file.sha256 for file in self.files]]))

    @property
    def fingerprint(self) -> str:
        """Hash of what it was built from: when it has not changed, building again would give the same."""
        return fingerprint(self.config, self.code_version, self.inputs)

    @property
    def stage_counts(self) -> StageCounts:
        """The account that the step gave."""
        return StageCounts(**self.counts)

    def to_json(self) -> str:
        """Serialize for ``_manifest.json``."""
        derived = {
            "rows": self.rows,
            "config_sha256": _sha256(canonical_json(self.config)),
            "content_sha256": self.content_sha256,
            "fingerprint": self.fingerprint,
        }
        return json.dumps(asdict(self) | derived, sort_keys=True, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str) -> Manifest:
        """Parse ``_manifest.json``.

        Raises
        ------
        StoreError
            When the text is not a manifest.
        """
        try:
            raw = json.loads(text)
            known = {name: raw[name] for name in cls.__dataclass_fields__}
            known["files"] = tuple(PartFile(**file) for file in raw["files"])
            known["inputs"] = tuple(InputRef(**ref) for ref in raw["inputs"])
            return cls(**known)
        except (ValueError, KeyError, TypeError) as error:
            message = f"`{source}` is no manifest ({error!r}); remove the partition and build it again"
            raise StoreError(message) from error


def fingerprint(config: Mapping[str, Any], code_version: str, inputs: Iterable[InputRef]) -> str:
    """Hash everything that decides the bytes of a partition."""
    references = sorted(canonical_json(asdict(ref)) for ref in inputs)
    return _sha256(canonical_json([SCHEMA_VERSION, dict(config), code_version, references]))


class TableWriter(Protocol):
    """Where a step puts its rows."""

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Append rows; columns that are missing and may be null are filled with null."""


def conform(rows: pa.RecordBatch | pa.Table, table: Table, *, source: str = "input") -> pa.Table:
    """Return ``rows`` with exactly the columns of ``table``: ordered, cast, absent optional ones null.

    Raises
    ------
    InputError
        When a required column is absent, or one cannot be cast or holds nulls.
    """
    plain = pa.table(rows) if isinstance(rows, pa.RecordBatch) else rows
    columns = [_conform_column(plain, column, table, source) for column in table.schema]
    return pa.Table.from_arrays(columns, schema=table.schema)


def _conform_column(rows: pa.Table, column: pa.Field, table: Table, source: str) -> pa.ChunkedArray:
    if column.name not in rows.column_names:
        if not column.nullable:
            message = (
                f"{source}: no column `{column.name}`, which {table.name} needs; it has {', '.join(rows.column_names)}"
            )
            raise InputError(message)
        return pa.chunked_array([pa.nulls(rows.num_rows, column.type)])
    values = rows.column(column.name)
    if not column.nullable and values.null_count:
        message = f"{source}: column `{column.name}` of {table.name} holds {values.null_count} nulls; it may hold none"
        raise InputError(message)
    try:
        return values if values.type == column.type else values.cast(column.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        message = f"{source}: column `{column.name}` is {values.type}, {table.name} needs {column.type}: {error}"
        raise InputError(message) from error


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


class _RowGroups:
    """Cuts a stream of rows into row groups that do not depend on how the stream was batched."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._pending: list[pa.Table] = []
        self._rows = 0

    def add(self, rows: pa.Table) -> Iterator[pa.Table]:
        while self._rows + rows.num_rows >= self._table.row_group_rows:
            missing = self._table.row_group_rows - self._rows
            self._pending.append(rows.slice(0, missing))
            rows = rows.slice(missing)
            yield from self.flush()
        if rows.num_rows:
            self._pending.append(rows)
            self._rows += rows.num_rows

    def flush(self) -> Iterator[pa.Table]:
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
def _writing(path: str) -> Iterator[None]:
    """Turn what the file system says into one clear line."""
    try:
        yield
    except OSError as error:
        message = f"`{path}` cannot be written: {error}; free some space, check its owner or choose another folder"
        raise StoreError(message) from error


class _Part:
    """One open Parquet file."""

    def __init__(self, path: str, sink: IO[bytes] | pa.NativeFile, table: Table) -> None:
        self._path = path
        self._stream = _HashingStream(sink)
        self._writer = _parquet_writer(pa.PythonFile(self._stream, mode="w"), table)
        self._rows = 0
        self.row_groups = 0

    def write(self, group: pa.Table) -> None:
        with _writing(self._path):
            self._writer.write_table(group, row_group_size=group.num_rows or 1)
        self._rows += group.num_rows
        self.row_groups += 1

    def close(self) -> PartFile:
        with _writing(self._path):
            self._writer.close()
            self._stream.close()
        return PartFile(self._path.rsplit("/", 1)[-1], self._rows, self._stream.bytes, self._stream.sha256())

    def abandon(self) -> None:
        with suppress(OSError):  # the disk that was full stays full; the file is removed anyway
            self._writer.close()
        with suppress(OSError):
            self._stream.close()


class FileWriter:
    """Writes one table into one Parquet file, which appears under its name only when the block ends well."""

    def __init__(self, path: Path, table: Table) -> None:
        self._path = path
        self._table = table
        self._is_complete = False
        self.rows = 0

    def __enter__(self) -> Self:
        """Open a temporary file beside the target."""
        self._temporary = self._path.with_name(f".{self._path.name}.{uuid.uuid4().hex}.tmp")
        self._groups = _RowGroups(self._table)
        with _writing(str(self._path)):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(self._path)
            sink = self._temporary.open("wb")
            fcntl.flock(sink, fcntl.LOCK_EX)  # gone with the process: a file without its lock is abandoned
            self._lock = os.dup(sink.fileno())  # holds the lock until the file has its name
            self._part = _Part(str(self._path), sink, self._table)
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
        try:
            if kind is None:
                self.complete()
                with _writing(str(self._path)):
                    self._temporary.replace(self._path)
        finally:
            self._part.abandon()
            self._temporary.unlink(missing_ok=True)
            os.close(self._lock)

    def complete(self) -> None:
        """Write what is left; only the name is missing then."""
        if self._is_complete:
            return
        for group in self._groups.flush():
            self._part.write(group)
        self._part.close()
        with _writing(str(self._path)):
            _sync(self._temporary)
        self._is_complete = True


def _remove_abandoned(path: Path) -> None:
    """Remove the temporary files of writers that were killed before they could."""
    for temporary in path.parent.glob(f".{path.name}.*.tmp"):
        with suppress(OSError), temporary.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            temporary.unlink()


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
    """Writes one partition; it replaces the old one only when the block ends well."""

    def __init__(
        self,
        store: Store,
        table: Table,
        partition: Partition,
        *,
        config: Mapping[str, Any],
        code_version: str,
        inputs: Sequence[InputRef] = (),
        model: str | None = None,
    ) -> None:
        self._store = store
        self._table = table
        self._partition = store.checked(table, partition)
        self._config = dict(config)
        self._code_version = code_version
        self._inputs = tuple(inputs)
        self._model = model
        self._files: list[PartFile] = []
        self._part: _Part | None = None
        self._groups = _RowGroups(table)
        self.counts: StageCounts | None = None
        """The account of the step; stands in the manifest."""
        self.manifest: Manifest | None = None
        """The manifest, once the block has ended well."""

    def __enter__(self) -> Self:
        """Take the partition's lock and prepare a place to write."""
        self._lock = self._store.lock(self._table, self._partition)
        try:
            self._place = self._store.stage(self._table, self._partition)
        except OSError as error:
            self._lock.release()
            message = (
                f"data root `{self._store.root}` is not writable: {error}; check its owner or set OCR_PIPELINE_DATA"
            )
            raise StoreError(message) from error
        return self

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Append rows."""
        for group in self._groups.add(conform(rows, self._table)):
            self._write_group(group)

    def _write_group(self, group: pa.Table) -> None:
        if self._part is not None and self._part.row_groups >= ROW_GROUPS_PER_PART:
            self._close_part()
        if self._part is None:
            name = self._place.part_name(len(self._files))
            path = f"{self._store.uri(self._table, **self._partition)}/{name}"
            with _writing(path):
                self._part = _Part(path, self._place.open(name), self._table)
        self._part.write(group)

    def _close_part(self) -> None:
        if self._part is not None:
            self._files.append(self._part.close())
            self._part = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Publish the partition, or leave the old one as it was."""
        try:
            if kind is None:
                self._finish()
        finally:
            if self.manifest is None:
                self._abandon()
            self._lock.release()

    def _finish(self) -> None:
        for group in self._groups.flush():
            self._write_group(group)
        if not self._files and self._part is None:
            self._write_group(self._table.schema.empty_table())
        self._close_part()
        manifest = Manifest(
            table=self._table.name,
            partition=dict(self._partition),
            files=tuple(self._files),
            config=self._config,
            code_version=self._code_version,
            inputs=self._inputs,
            counts=self.counts.as_dict() if self.counts else {},
            model=self._model,
        )
        with _writing(self._store.uri(self._table, **self._partition)):
            self._place.publish(manifest)
        self.manifest = manifest

    def _abandon(self) -> None:
        if self._part is not None:
            self._part.abandon()
        self._place.discard()


class _LocalPlace:
    """A staging folder that is exchanged with the partition's."""

    def __init__(self, target: Path, staging: Path) -> None:
        self._target = target
        self._folder = staging / f"{os.getpid()}-{uuid.uuid4().hex}"
        shutil.rmtree(staging, ignore_errors=True)  # what a killed writer left; the lock says that nobody else is here
        self._folder.mkdir(parents=True)

    def part_name(self, number: int) -> str:
        return f"part-{number:05d}.parquet"

    def open(self, name: str) -> IO[bytes]:
        return (self._folder / name).open("wb")

    def publish(self, manifest: Manifest) -> None:
        for file in manifest.files:
            _sync(self._folder / file.name)
        (self._folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
        _sync(self._folder / MANIFEST)
        self._target.parent.mkdir(parents=True, exist_ok=True)
        _replace_folder(self._folder, self._target)
        self.discard()

    def discard(self) -> None:
        shutil.rmtree(self._folder.parent, ignore_errors=True)


class _ObjectPlace:
    """Objects with names of their own, made valid by the manifest that is put last."""

    def __init__(self, filesystem: pafs.FileSystem, target: str) -> None:
        self._filesystem = filesystem
        self._target = target
        self._token = uuid.uuid4().hex[:12]
        self._written: list[str] = []
        filesystem.create_dir(target, recursive=True)

    def part_name(self, number: int) -> str:
        return f"part-{number:05d}-{self._token}.parquet"

    def open(self, name: str) -> pa.NativeFile:
        self._written.append(name)
        return self._filesystem.open_output_stream(f"{self._target}/{name}")

    def publish(self, manifest: Manifest) -> None:
        with self._filesystem.open_output_stream(f"{self._target}/{MANIFEST}") as sink:
            sink.write(manifest.to_json().encode())
        kept = {file.name for file in manifest.files} | {MANIFEST}
        for info in self._filesystem.get_file_info(pafs.FileSelector(self._target)):
            if info.base_name not in kept:
                self._filesystem.delete_file(info.path)

    def discard(self) -> None:
        for name in self._written:
            self._filesystem.delete_file(f"{self._target}/{name}")


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _replace_folder(new: Path, target: Path) -> None:
    """Put ``new`` in the place of ``target``; the old content ends up under the name of ``new``."""
    if not target.exists():
        new.rename(target)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    exchange = getattr(libc, "renameat2", None)
    if exchange and exchange(AT_FDCWD, os.fsencode(new), AT_FDCWD, os.fsencode(target), RENAME_EXCHANGE) == 0:
        return
    aside = new.with_name(
        f"{new.name}.old"
    )  # a file system without exchange: a reader may find no partition, never half
    target.rename(aside)
    new.rename(target)


def _held_files(folder: Path) -> list[pa.NativeFile]:
    """Open every part file of one version: a partition that is replaced during a scan is still read as it was.

    Raises
    ------
    StoreError
        When the manifest names a file that is not there.
    """
    while True:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        held = Path(f"/dev/fd/{handle}")  # this very folder, even when another one takes over its name
        try:
            manifest = Manifest.from_json((held / MANIFEST).read_text(encoding="utf-8"), str(folder / MANIFEST))
            return [pa.OSFile(str(held / file.name)) for file in manifest.files]
        except FileNotFoundError as error:
            if folder.exists() and folder.stat().st_ino == os.fstat(handle).st_ino:
                message = f"partition `{folder}` is damaged: {error}; remove it and build it again"
                raise StoreError(message) from error
        finally:
            os.close(handle)


class Store:
    """The data root: tables as folders of partitions.

    Parameters
    ----------
    root
        A local path, or any URI that :mod:`pyarrow.fs` opens (``s3://bucket/folder``).
    lock_timeout_s
        How long to wait for another writer of the same partition, in seconds.
    """

    def __init__(self, root: str | Path, *, lock_timeout_s: float = 600.0) -> None:
        self.root = str(root)
        self.lock_timeout_s = lock_timeout_s
        self._filesystem, self._base = _filesystem(self.root)

    @property
    def local_root(self) -> Path | None:
        """The root as a local folder; ``None`` on object storage."""
        return Path(self._base) if isinstance(self._filesystem, pafs.LocalFileSystem) else None

    def checked(self, table: Table, partition: Partition) -> dict[str, str]:
        """Return the partition's keys in the table's order.

        Raises
        ------
        InputError
            When a key is missing, unknown, or not fit for a folder name.
        """
        if set(partition) != set(table.partition_by):
            message = f"{table.name} is partitioned by {table.partition_by or 'nothing'}, not by {tuple(partition)}"
            raise InputError(message)
        for key, value in partition.items():
            if not value or set(value) & set("/\\=|%") or value.startswith("."):
                message = (
                    f"{table.name}: `{value}` is no {key}: it names a folder, so it may not be empty or hold / \\ = | %"
                )
                raise InputError(message)
        return {key: partition[key] for key in table.partition_by}

    def path(self, table: Table, **partition: str) -> str:
        """Return the partition's folder inside the store's file system."""
        keys = self.checked(table, partition)
        return "/".join([self._base, table.name, *(f"{key}={value}" for key, value in keys.items())])

    def uri(self, table: Table, **partition: str) -> str:
        """Return where a person finds the partition."""
        folder = self.path(table, **partition)
        return folder if self.local_root else f"{self.root.split('://', 1)[0]}://{folder}"

    def manifest(self, table: Table, **partition: str) -> Manifest | None:
        """Return the partition's manifest, or ``None`` when there is no whole partition."""
        path = f"{self.path(table, **partition)}/{MANIFEST}"
        if self._filesystem.get_file_info(path).type != pafs.FileType.File:
            return None
        with self._filesystem.open_input_stream(path) as stream:
            return Manifest.from_json(stream.read().decode(), path)

    def partitions(self, table: Table) -> list[dict[str, str]]:
        """Return the keys of every whole partition, sorted."""
        selector = pafs.FileSelector(f"{self._base}/{table.name}", recursive=True, allow_not_found=True)
        found = []
        for info in self._filesystem.get_file_info(selector):
            if info.base_name == MANIFEST:
                relative = info.path.removeprefix(f"{self._base}/{table.name}").strip("/")
                pairs = [part.split("=", 1) for part in relative.split("/")[:-1]]
                found.append(dict(pairs))
        return sorted(found, key=lambda keys: tuple(keys.values()))

    def open(self, table: Table, **partition: str) -> ds.Dataset:
        """Open the partitions that match; leaving out a key means all its values.

        Raises
        ------
        InputError
            When no partition matches; says which exist.
        """
        unknown = set(partition) - set(table.partition_by)
        if unknown:
            message = (
                f"{table.name} is partitioned by {table.partition_by or 'nothing'}, not by {', '.join(sorted(unknown))}"
            )
            raise InputError(message)
        every = self.partitions(table)
        matching = [keys for keys in every if all(keys[key] == value for key, value in partition.items())]
        if not matching:
            wanted = "/".join(f"{key}={value}" for key, value in partition.items())
            existing = ", ".join("/".join(keys.values()) for keys in every) or "none"
            message = (
                f"no partition {table.name}/{wanted} under `{self.root}`; materialize it first (existing: {existing})"
            )
            raise InputError(message)
        extra = [key for key in table.partition_by if key not in table.schema.names]
        schema = pa.schema([*table.schema, *(pa.field(key, pa.string()) for key in extra)])
        fragments = [fragment for keys in matching for fragment in self._fragments(table, keys, extra)]
        return ds.FileSystemDataset(fragments, schema, PARQUET, self._filesystem)

    def _fragments(self, table: Table, keys: dict[str, str], extra: Sequence[str]) -> Iterator[ds.Fragment]:
        guarantee = pc.scalar(True)  # noqa: FBT003 - an Arrow literal
        for key in extra:
            guarantee = guarantee & (pc.field(key) == keys[key])
        make = PARQUET.make_fragment
        if self.local_root is not None:
            for file in _held_files(Path(self.path(table, **keys))):
                yield make(file, partition_expression=guarantee)
            return
        manifest = self.manifest(table, **keys)
        for part in manifest.files if manifest else ():
            yield make(f"{self.path(table, **keys)}/{part.name}", self._filesystem, partition_expression=guarantee)

    def reference(self, table: Table, **partition: str) -> InputRef:
        """Return a reference to a partition for the manifest of what is built from it.

        Raises
        ------
        InputError
            When the partition does not exist.
        """
        manifest = self.manifest(table, **partition)
        if manifest is None:
            self.open(table, **partition)  # raises, and says which partitions exist
            message = f"partition {table.name}/{partition} vanished while it was read; run the step again"
            raise StoreError(message)
        return InputRef(table.name, dict(partition), manifest.content_sha256)

    def references(self, table: Table) -> list[InputRef]:
        """Return references to every partition of a table, sorted."""
        return [self.reference(table, **keys) for keys in self.partitions(table)]

    def current(
        self,
        table: Table,
        partition: Partition,
        *,
        config: Mapping[str, Any],
        code_version: str,
        inputs: Sequence[InputRef],
    ) -> Manifest | None:
        """Return the manifest when building again would give the same bytes, else ``None``."""
        manifest = self.manifest(table, **partition)
        wanted = fingerprint(config, code_version, inputs)
        return manifest if manifest is not None and manifest.fingerprint == wanted else None

    def writer(
        self,
        table: Table,
        partition: Partition | None = None,
        *,
        config: Mapping[str, Any],
        code_version: str,
        inputs: Sequence[InputRef] = (),
        model: str | None = None,
    ) -> PartitionWriter:
        """Return a context manager that writes one partition."""
        return PartitionWriter(
            self, table, partition or {}, config=config, code_version=code_version, inputs=inputs, model=model
        )

    def put_text(self, name: str, text: str) -> str:
        """Write a text document such as ``data_card/README.md`` into the root; return where it is."""
        path = f"{self._base}/{name}"
        self._filesystem.create_dir(path.rsplit("/", 1)[0], recursive=True)
        temporary = f"{path}.{uuid.uuid4().hex}.tmp"
        with self._filesystem.open_output_stream(temporary) as stream:
            stream.write(text.encode())
        self._filesystem.move(temporary, path)
        return path

    def lock(self, table: Table, partition: Partition) -> filelock.BaseFileLock:
        """Take the lock of one partition; release it with ``release()``.

        Raises
        ------
        StoreError
            When another process holds it for longer than ``lock_timeout_s``, or the root cannot be written.
        """
        name = "-".join([table.name, *partition.values()])
        folder = self._lock_folder()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(folder / f"{name}.lock", timeout=self.lock_timeout_s)
            lock.acquire()
        except filelock.Timeout:
            owner = _read_text(folder / f"{name}.owner")
            message = (
                f"{table.name}/{'/'.join(partition.values())} is being written by process {owner or 'unknown'}; "
                f"waited {self.lock_timeout_s:g} s. Let it finish or end it, then run again"
            )
            raise StoreError(message) from None
        except OSError as error:
            message = f"data root `{self.root}` is not writable: {error}; check its owner or set OCR_PIPELINE_DATA"
            raise StoreError(message) from error
        (folder / f"{name}.owner").write_text(str(os.getpid()), encoding="utf-8")
        return lock

    def _lock_folder(self) -> Path:
        if self.local_root:
            return self.local_root / "_locks"
        # Object storage has no locks; this keeps out the writers of this machine, the manifest decides between machines.
        return Path(os.environ.get("XDG_RUNTIME_DIR", "/tmp")) / "ocr_pipeline" / _sha256(self.root)[:16]  # noqa: S108

    def stage(self, table: Table, partition: Partition) -> _LocalPlace | _ObjectPlace:
        """Prepare a place to write a partition in; the caller holds its lock."""
        target = self.path(table, **partition)
        if self.local_root is None:
            return _ObjectPlace(self._filesystem, target)
        staging = self.local_root / "_staging" / "-".join([table.name, *partition.values()])
        return _LocalPlace(Path(target), staging)


def _filesystem(root: str) -> tuple[pafs.FileSystem, str]:
    if "://" not in root:
        return pafs.LocalFileSystem(), str(Path(root).absolute())
    try:
        filesystem, base = pafs.FileSystem.from_uri(root)
    except (pa.ArrowInvalid, OSError) as error:
        message = f"data root `{root}` cannot be opened: {error}; give a folder or a URI such as s3://bucket/folder"
        raise StoreError(message) from error
    return filesystem, base.rstrip("/")


def _read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def open_table(root: str | Path, name: str, **partition: str) -> ds.Dataset:
    """Open a table of a data root, for reading only.

    Parameters
    ----------
    root
        The data root: a folder or a URI.
    name
        Name of the table, such as ``sft_dataset``.
    **partition
        ``dataset=…`` and ``language=…``, where the table has them; leaving one out means all.

    Returns
    -------
    pyarrow.dataset.Dataset
        With the table's columns, and the partition keys that are no columns of it. On a local root it holds the files
        open, so what it reads stays one version even while the partition is replaced; it cannot be pickled.

    Raises
    ------
    InputError
        When there is no such table or partition; says which exist.
    """
    try:
        table = table_named(name)
    except KeyError as error:
        raise InputError(str(error.args[0])) from None
    return Store(root).open(table, **partition)


def open_files(
    paths: Sequence[str | Path], table: Table, *, required: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Stream rows of ``table`` from files that a person names: Parquet, JSONL, or folders of Parquet.

    Parameters
    ----------
    paths
        Files or folders; a folder may be a partition or a whole table of a data root.
    table
        What the rows are.
    required
        Columns that must be there; all other absent columns are filled with null, 0, false or an empty text or list.

    Yields
    ------
    pyarrow.RecordBatch
        In the table's schema, in the order of the files.

    Raises
    ------
    InputError
        When a path does not exist, is not readable, or lacks a required column.
    """
    needed = set(table.required if required is None else required)
    for path in (Path(path) for path in paths):
        for batch in _open_one(path, table):
            yield from conform(_filled(batch, table, needed, str(path)), table, source=str(path)).to_batches()


def _open_one(path: Path, table: Table) -> Iterator[pa.RecordBatch]:
    if not path.exists():
        message = f"`{path}` does not exist; give a Parquet or JSONL file, or a folder of Parquet files"
        raise InputError(message)
    is_json = path.suffix in {".jsonl", ".ndjson", ".json"}
    try:
        if is_json:
            yield from _json_lines(path, table)
        else:
            opened = _parquet_folder(path, table) if path.is_dir() else ds.dataset(path, format=PARQUET)
            yield from opened.to_batches(batch_size=2_048)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
        message = f"`{path}` cannot be read as {'JSONL' if is_json else 'Parquet'}: {error}"
        raise InputError(message) from error


def _parquet_folder(path: Path, table: Table) -> ds.Dataset:
    """Open a folder; a key of its folder names becomes a column only where the files have none of that name."""
    opened = ds.dataset(path, format=PARQUET)
    if not opened.files:
        message = f"`{path}` holds no Parquet files"
        raise InputError(message)
    keys = [pa.field(key, pa.string()) for key in table.partition_by if key not in opened.schema.names]
    return ds.dataset(path, format=PARQUET, partitioning=ds.partitioning(pa.schema(keys), flavor="hive"))


def _json_lines(path: Path, table: Table) -> Iterator[pa.RecordBatch]:
    """Stream a JSONL file; columns that the table does not know are there, but empty."""
    with path.open("rb") as file:
        numbered = ((number, line) for number, line in enumerate(file, start=1) if line.strip())
        while rows := [
            _json_row(path, number, line) for number, line in itertools.islice(numbered, JSON_LINES_AT_ONCE)
        ]:
            names = sorted({name for row in rows for name in row})
            columns = [_json_column(path, name, [row.get(name) for row in rows], table) for name in names]
            yield pa.RecordBatch.from_arrays(columns, names)


def _json_row(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        message = f"`{path}` line {number} is no JSON: {error}"
        raise InputError(message) from error
    if not isinstance(row, dict):
        message = f"`{path}` line {number} is a {type(row).__name__}, not an object with columns"
        raise InputError(message)
    return row


def _json_column(path: Path, name: str, values: list[Any], table: Table) -> pa.Array:
    """Give values the table's own type: guessing would turn a text that looks like a date into a date."""
    if name not in table.schema.names:
        return pa.nulls(len(values))
    kind = table.schema.field(name).type
    try:
        if pa.types.is_temporal(kind) and any(isinstance(value, str) for value in values):
            return pa.array(values, pa.string()).cast(kind)
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        message = f"`{path}`: column `{name}` of {table.name} must be {kind}: {error}"
        raise InputError(message) from error


def _filled(batch: pa.RecordBatch, table: Table, needed: set[str], source: str) -> pa.Table:
    rows = pa.table(batch)
    missing = sorted(needed - set(rows.column_names))
    if missing:
        message = (
            f"{source}: no column {', '.join(f'`{name}`' for name in missing)}; it has {', '.join(rows.column_names)}"
        )
        raise InputError(message)
    for column in table.schema:
        if column.name not in rows.column_names and not column.nullable:
            rows = rows.append_column(column, _defaults(column.type, rows.num_rows))
    return rows


def _defaults(kind: pa.DataType, rows: int) -> pa.Array:
    """Return the value of an absent column that may not be null: 0, false, empty."""
    if pa.types.is_list(kind) or pa.types.is_map(kind):
        return pa.array([[]] * rows, kind)
    if pa.types.is_boolean(kind):
        return pa.repeat(pa.scalar(value=False), rows)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pa.repeat(pa.scalar("", kind), rows)
    return pa.repeat(pa.scalar(0, pa.int64()), rows).cast(kind)
