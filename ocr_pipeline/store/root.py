"""The data root: which partitions there are, reading them, and writing them one at a time."""

from __future__ import annotations

import itertools
import json
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import filelock
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs

from ocr_pipeline.errors import InputError, MissingInputError, StoreError
from ocr_pipeline.store.atomic import atomic_write
from ocr_pipeline.store.files import parquet_format
from ocr_pipeline.store.manifest import MANIFEST, InputRef, Manifest, fingerprint, sha256_of
from ocr_pipeline.store.objects import Objects, Stored, open_root, reaching, whoever
from ocr_pipeline.store.pieces import PartPlace, RowGroup, Version, guarantee_of, reading
from ocr_pipeline.store.places import REPLACED, LocalPlace, ObjectPlace, Place, held_files, named_files
from ocr_pipeline.store.writing import PartitionWriter
from ocr_pipeline.tables import Table, table_named

if TYPE_CHECKING:
    import pyarrow.dataset as ds

__all__ = ["Store", "open_table"]

GRACE_S: Final = 86_400.0
GROUPS_AHEAD: Final = 1
Partition = Mapping[str, str]
NO_ROWS: Final = "no rows"
"""In the place of a hash: a slice that holds nothing."""


class Store:
    """The data root: tables as folders of partitions.

    Parameters
    ----------
    root
        A local path, or any URI that :mod:`pyarrow.fs` opens (``s3://bucket/folder``).
    lock_timeout_s
        How long to wait for another writer of the same partition, in seconds.
    grace_s
        How long replaced part files stay on object storage for those who read them, in seconds; the default is
        OCR_PIPELINE_GRACE_S, or a day.
    run
        The run that writes, so that a machine that comes too late can say who was first.
    """

    def __init__(
        self, root: str | Path, *, lock_timeout_s: float = 600.0, grace_s: float | None = None, run: str = ""
    ) -> None:
        self.root = str(root)
        self.lock_timeout_s = lock_timeout_s
        self.grace_s = _grace_s() if grace_s is None else grace_s
        self.run = run
        self._filesystem, self._base = open_root(self.root)
        self._objects = Objects(self.root)

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
                message = f"{table.name}: `{value}` cannot be a {key}: it names a folder, so it must not be empty or hold / \\ = | %"
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
        with reaching(path):
            if self._filesystem.get_file_info(path).type != pafs.FileType.File:
                return None
            with self._filesystem.open_input_stream(path) as stream:
                text = stream.read().decode()
        return Manifest.from_json(text, path)

    def partitions(self, table: Table) -> list[dict[str, str]]:
        """Return the keys of every whole partition, sorted."""
        selector = pafs.FileSelector(f"{self._base}/{table.name}", recursive=True, allow_not_found=True)
        found = []
        with reaching(f"{self._base}/{table.name}"):
            infos = self._filesystem.get_file_info(selector)
        for info in infos:
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
        import pyarrow.dataset as ds

        fragments = [fragment for _, _, fragment in self._listed(table, partition)]
        return ds.FileSystemDataset(fragments, _schema_read(table), parquet_format(), self._filesystem)

    def _listed(self, table: Table, partition: Partition) -> list[tuple[dict[str, str], PartPlace, ds.Fragment]]:
        """Return every part file of the partitions that match: keys, place, and the file itself, held open where it is local."""
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
            raise MissingInputError(message)
        return [(keys, *part) for keys in matching for part in self._parts(table, keys)]

    def batches(
        self,
        table: Table,
        columns: Sequence[str] | None = None,
        *,
        where: pc.Expression | None = None,
        **partition: str,
    ) -> Iterator[pa.RecordBatch]:
        """Stream the partitions that match, a row group at a time and the next one ahead of it, in their order.

        What is held does not grow with the rows: a scanner of pyarrow reads whole files ahead of a slow step.

        Parameters
        ----------
        columns
            Those that are needed; all of them unless given.
        where
            Only rows that fulfil it; row groups that hold none are not read.

        Raises
        ------
        InputError
            When no partition matches; says which exist.
        StoreError
            When the storage fails in the middle, with what it said.
        """
        opened = self.open(table, **partition)
        wanted = list(opened.schema.names if columns is None else columns)

        name = "/".join([table.name, *partition.values()])

        def row_groups() -> Iterator[ds.Fragment]:
            with reading(self.root, name):
                for fragment in opened.get_fragments(where):
                    yield from fragment.split_by_row_group(where, schema=opened.schema)

        def read(group: ds.Fragment) -> pa.Table:
            with reading(self.root, name):
                return group.to_table(opened.schema, columns=wanted, filter=where, use_threads=False)

        groups = row_groups()
        with ThreadPoolExecutor(GROUPS_AHEAD, "read-ahead") as pool:
            ahead = deque(pool.submit(read, group) for group in itertools.islice(groups, GROUPS_AHEAD))
            while ahead:
                rows = ahead.popleft().result()
                ahead.extend(pool.submit(read, group) for group in itertools.islice(groups, 1))
                yield from rows.to_batches()

    def pieces(self, table: Table, columns: Sequence[str] | None = None, **partition: str) -> Iterator[RowGroup]:
        """Yield the row groups of the partitions that match, in their order, without reading a row.

        A piece can be read by any process that reaches the root, as the partition was when this was called, as long as this
        process keeps the piece.

        Raises
        ------
        InputError
            When no partition matches; says which exist.
        """
        schema = _schema_read(table)
        wanted = tuple(schema.names if columns is None else columns)
        name = "/".join([table.name, *partition.values()])
        for keys, place, fragment in self._listed(table, partition):
            with reading(self.root, name):
                groups = fragment.row_groups
            for group in groups:
                yield RowGroup(name, place, group.id, group.num_rows, schema, _unwritten(table, keys), wanted)

    def _parts(self, table: Table, keys: dict[str, str]) -> Iterator[tuple[PartPlace, ds.Fragment]]:
        make, guarantee = parquet_format().make_fragment, guarantee_of(_unwritten(table, keys))
        folder = self.path(table, **keys)
        if self.local_root is not None:
            for name, file in held_files(Path(folder)):
                place = PartPlace(self.root, f"{folder}/{name}", Version.of(file))
                yield place, make(file, partition_expression=guarantee)
            return
        manifest = self.manifest(table, **keys)
        for part in manifest.files if manifest else ():
            place = PartPlace(self.root, f"{folder}/{part.name}", None)
            yield place, make(place.path, self._filesystem, partition_expression=guarantee)

    def reference(self, table: Table, slice_of: str | None = None, **partition: str) -> InputRef:
        """Return a reference to a partition for the manifest of what is built from it.

        Parameters
        ----------
        slice_of
            The only value of the table's ``sliced_by`` whose rows are read.

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
        if slice_of is None or table.sliced_by is None or not manifest.slices:
            return InputRef(table.name, dict(partition), manifest.content_sha256)
        return InputRef(table.name, {table.sliced_by: slice_of}, manifest.slices.get(slice_of, NO_ROWS))

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
        keys = self.checked(table, partition or {})
        draft = Manifest(table.name, keys, (), dict(config), code_version, tuple(inputs), model=model)
        return PartitionWriter(table, self.uri(table, **keys), draft, lambda: self._staged(table, keys))

    @contextmanager
    def _staged(self, table: Table, partition: Partition) -> Iterator[Place]:
        """Hold the partition's lock and prepare a place to write in."""
        with self._locked(table, partition):
            try:
                place = self._place(table, partition)
            except OSError as error:
                message = f"data root `{self.root}` is not writable: {error}; check its owner or set OCR_PIPELINE_DATA"
                raise StoreError(message) from error
            yield place

    def _place(self, table: Table, partition: Partition) -> Place:
        target = self.path(table, **partition)
        if self.local_root is None:
            self._objects.require_conditional_puts(self._base)
            writer = whoever(self.run)
            return ObjectPlace(self._objects, self._filesystem, target, writer=writer, grace_s=self.grace_s)
        staging = self.local_root / "_staging" / "-".join([table.name, *partition.values()])
        return LocalPlace(Path(target), staging)

    def unnamed(self, *, older_than_s: float) -> Iterator[tuple[str, int]]:
        """Yield path and bytes of every part file on object storage that no manifest and no note of a replacement names.

        A writer that was killed leaves them; one that is still at work has them, too, until it publishes: so only those are
        given that are older than any writer works.
        """
        folders: dict[str, dict[str, Stored]] = {}
        for path, stored in self._objects.listed(self._base).items():
            folder, _, name = path.rpartition("/")
            folders.setdefault(folder, {})[name] = stored
        now = datetime.now(UTC)
        for folder, listed in sorted(folders.items()):
            named = {
                name
                for record in listed
                if record == MANIFEST or record.startswith(REPLACED)
                for name in self._named(f"{self._base}/{folder}/{record}")
            }
            for name, stored in sorted(listed.items()):
                is_old = (now - stored.modified).total_seconds() >= older_than_s
                if name.startswith("part-") and name not in named and is_old:
                    yield f"{self._base}/{folder}/{name}", stored.bytes

    def _named(self, path: str) -> set[str]:
        found = self._objects.get(path)
        return named_files(found) if path.endswith(MANIFEST) else set(json.loads(found.data) if found else ())

    def sweep(self, paths: Sequence[str]) -> None:
        """Delete objects that :meth:`unnamed` gave."""
        self._objects.delete(list(paths))

    def put_text(self, name: str, text: str) -> str:
        """Write a text document such as ``data_card/README.md`` into the root; return where it is."""
        path = f"{self._base}/{name}"
        if self.local_root:
            with atomic_write(Path(path)) as file:
                file.write(text.encode())
        else:
            self._objects.put_plainly(path, text.encode())  # an object appears when it is whole
        return path

    @contextmanager
    def _locked(self, table: Table, partition: Partition) -> Iterator[None]:
        """Hold the lock of one partition.

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
        try:
            (folder / f"{name}.owner").write_text(str(os.getpid()), encoding="utf-8")
            yield
        finally:
            lock.release()

    def _lock_folder(self) -> Path:
        if self.local_root:
            return self.local_root / "_locks"
        # Object storage has no locks; this keeps out the writers of this machine, the conditional put those of others.
        return Path(os.environ.get("XDG_RUNTIME_DIR", "/tmp")) / "ocr_pipeline" / sha256_of(self.root)[:16]  # noqa: S108


def _unwritten(table: Table, keys: Partition) -> dict[str, str]:
    """Return the keys that stand in the folder's name alone."""
    return {key: value for key, value in keys.items() if key not in table.schema.names}


def _schema_read(table: Table) -> pa.Schema:
    """Return what a reader sees: the table's columns, and the partition keys that are not among them."""
    extra = [key for key in table.partition_by if key not in table.schema.names]
    return pa.schema([*table.schema, *(pa.field(key, pa.string()) for key in extra)])


def _grace_s() -> float:
    """Return the grace period that the environment asks for.

    Raises
    ------
    InputError
        When it is not a number of seconds.
    """
    given = os.environ.get("OCR_PIPELINE_GRACE_S")
    try:
        seconds = GRACE_S if given is None else float(given)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        message = f"OCR_PIPELINE_GRACE_S must be a number of seconds, 0 or more, got `{given}`"
        raise InputError(message)
    return seconds


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
        With the table's columns, and the partition keys that are not columns of it. On a local root it holds the files
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
