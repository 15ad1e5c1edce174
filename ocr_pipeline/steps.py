"""What a step is: declared once, and everything else about it derives from the declaration.

::

    Step   tables written and read, options, services, version, and the function that does the work
      ├── asset      assets/flow.py       key, deps, lineage, description, kinds, pool, partitions, launchpad
      ├── command    ocr_pipeline/commands.py  arguments, options, help
      └── build      build_of()           what is built again when, and from what

A step's function gets a :class:`Job`: rows to read, writers, options and services. Whether the rows come from a data
root or from files is not its business. A service (a model, a server, a pool of processes) is named here and opened
lazily, at most once for all partitions of a run; a room that a step may not import is lent this way.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Generic, Protocol, Self, TypeVar, cast

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.building import Build
from ocr_pipeline.console import SILENT, Progress
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.options import Options
from ocr_pipeline.store import InputRef, Manifest, RowGroup, Store, TableWriter, among, open_files
from ocr_pipeline.tables import Table

__all__ = [
    "EMBEDDINGS",
    "JUDGED",
    "LEDGER",
    "FileRows",
    "Folder",
    "Job",
    "Part",
    "Raw",
    "Read",
    "Rows",
    "Service",
    "Services",
    "Step",
    "StoreRows",
    "Whose",
    "build_of",
    "stored_rows",
]

VERSION_LENGTH: Final = 12
O = TypeVar("O", bound=Options)  # noqa: E741 - the usual letter of options here
T = TypeVar("T")


class Whose(StrEnum):
    """Which partitions of a table a step without partitions of its own reads."""

    TRAINING = "train"
    """Those of training sets."""
    BENCHMARK = "benchmark"
    """Those of benchmarks."""
    EVERY = "every"


@dataclass(frozen=True, slots=True)
class Read:
    """A table that a step reads.

    Rows are those of the step's own partition: a table without the partition's keys is filtered by data set.
    """

    table: Table
    needed: Sequence[str] = ()
    """Columns that a file must have; others may be absent."""
    is_optional: bool = False
    """It may not exist: the step works without, and is done again when there is one."""
    is_feedback: bool = False
    """It is made after this step in the flow, so it is not something the asset waits for."""
    whose: Whose = Whose.EVERY
    option: str = ""
    """Its name on the command line, where that of the table is taken."""
    through: Table | None = None
    """Another table that the step reads and that is made from this one, so that waiting for that one is enough."""
    when: Callable[[Job], bool] | None = None
    """Whether this job reads it at all; only then is its content part of the fingerprint."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Other names that columns of files may have, and what they are called in the table."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder for what is not a table: answers that were paid for, caches, checkpoints."""

    name: str
    meaning: str
    option: str
    """Its name on the command line."""
    default: str | None = None
    """Where it is below the output folder of a command; without one nothing is kept."""


LEDGER: Final = Folder("ledger", "Folder of the ledgers, which hold every paid answer.", "ledger", "ledger")
EMBEDDINGS: Final = Folder("embeddings", "Folder that keeps embeddings between runs.", "cache")
JUDGED: Final = Folder("judged", "Folder that keeps finished verdicts for the next run.", "checkpoint", ".judge")


@dataclass(frozen=True, slots=True)
class Service(Generic[T]):
    """Something that a job uses and somebody else opens, such as an encoder or a server."""

    name: str
    options: tuple[type[Options] | str, ...]
    """Models, or ``module:class`` of a room that the step may not import."""
    opened_by: str
    """``module:function``, called with the :class:`Services`; it returns a context manager."""
    folders: tuple[Folder, ...] = ()


@dataclass(frozen=True, slots=True)
class Raw:
    """The raw files of one data set."""

    dataset: str
    paths: Sequence[Path]
    sha256: str = ""
    """Hash over the names and contents of the files, where somebody took it."""


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one data set, and which version of it."""

    name: str
    version: str
    batches: Callable[[Sequence[str] | None], Iterator[pa.RecordBatch]]


class Rows(Protocol):
    """What a step reads of one table."""

    @property
    def exist(self) -> bool:
        """Whether there is such a table at all."""

    @property
    def places(self) -> Sequence[Path]:
        """Where on this machine they lie."""

    @property
    def source(self) -> Any:  # noqa: ANN401 - a path or a data set, for readers of special files
        """The file or the data set itself."""

    def follow(self, other: Rows) -> bool:
        """Whether they were made from the present rows of the other table."""

    def made_by(self, version: str) -> bool:
        """Whether a step of this version wrote them, so that it may take from them what it would write again."""

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Stream the rows."""

    def pieces(self, columns: Sequence[str] | None = None) -> Iterator[RowGroup | pa.RecordBatch]:
        """Yield the same rows unread, for others to read; those that cannot be referred to are read."""

    def of(self, problem_ids: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Stream the rows of some problems, and maybe others."""

    def check(self) -> None:
        """Make sure that all rows can be read."""

    def parts(self) -> Iterator[Part]:
        """Yield the data sets they come from, one by one."""


@dataclass(frozen=True, slots=True)
class StoreRows:
    """Rows of a data root."""

    store: Store
    table: Table
    partitions: tuple[Mapping[str, str], ...]
    dataset: str | None = None
    """Only rows of this data set, of a table that holds all."""

    @property
    def exist(self) -> bool:
        """Whether one of the partitions is there."""
        return any(self.store.manifest(self.table, **keys) is not None for keys in self.partitions)

    @property
    def _made(self) -> Manifest | None:
        """The manifest of the only partition; nothing where there are none or several."""
        return self.store.manifest(self.table, **self.partitions[0]) if len(self.partitions) == 1 else None

    @property
    def is_empty_slice(self) -> bool:
        """Whether the table is there and holds no row of the data set that is read."""
        made = self._made
        return (
            made is not None
            and self.dataset is not None
            and (not made.rows or (bool(made.slices) and self.dataset not in made.slices))
        )

    @property
    def places(self) -> Sequence[Path]:
        """The data root, where it is a folder."""
        return () if self.store.local_root is None else (self.store.local_root,)

    @property
    def source(self) -> Any:  # noqa: ANN401 - pyarrow's data set
        """The data set of the only partition."""
        return self.store.open(self.table, **self.partitions[0])

    @property
    def references(self) -> list[InputRef]:
        """What a manifest says was read."""
        return [self.store.reference(self.table, self.dataset, **keys) for keys in self.partitions]

    def follow(self, other: Rows) -> bool:
        """Whether the manifest of the only partition names the present rows of the other table."""
        made = self._made
        return made is not None and all(one in made.inputs for one in cast("StoreRows", other).references)

    def made_by(self, version: str) -> bool:
        """Whether the manifest of the only partition names the version."""
        made = self._made
        return made is not None and made.code_version == version

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Stream the rows of all partitions."""
        wanted = None if self.dataset is None else pc.field("dataset") == self.dataset
        for keys in self.partitions:
            yield from self.store.batches(self.table, columns, where=wanted, **keys)

    def pieces(self, columns: Sequence[str] | None = None) -> Iterator[RowGroup | pa.RecordBatch]:
        """Yield the row groups of all partitions; rows of one data set out of many are read."""
        if self.dataset is not None:
            yield from self.batches(columns)
            return
        for keys in self.partitions:
            yield from self.store.pieces(self.table, columns, **keys)

    def parts(self) -> Iterator[Part]:
        """Yield the partitions, each as its data set."""
        for keys in self.partitions:
            version = self.store.reference(self.table, **keys).content_sha256[:VERSION_LENGTH]
            yield Part(keys["dataset"], version, StoreRows(self.store, self.table, (keys,)).batches)

    def of(self, problem_ids: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Stream the rows of some problems."""
        wanted = among("problem_id", problem_ids)
        for keys in self.partitions:
            yield from self.store.batches(self.table, where=wanted, **keys)

    def check(self) -> None:
        """Do nothing: rows of a data root were checked when they were written."""


@dataclass(frozen=True, slots=True)
class FileRows:
    """Rows of files that a person gave."""

    paths: tuple[Path, ...]
    read: Read

    @property
    def exist(self) -> bool:
        """Whether any file was given."""
        return bool(self.paths)

    @property
    def places(self) -> Sequence[Path]:
        """The files."""
        return self.paths

    @property
    def source(self) -> Any:  # noqa: ANN401 - a path
        """The only file."""
        return self.paths[0]

    def follow(self, other: Rows) -> bool:
        """Whether there are rows of both: files do not say what they were made from."""
        return self.exist and other.exist

    def made_by(self, version: str) -> bool:  # noqa: ARG002 - the protocol's
        """Say no: files do not say what wrote them."""
        return False

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Stream the rows with all columns of the table; absent ones have their defaults."""
        for batch in open_files(self.paths, self.read.table, required=self.read.needed, renamed=self.read.renamed):
            yield batch if columns is None else batch.select(list(columns))

    def pieces(self, columns: Sequence[str] | None = None) -> Iterator[RowGroup | pa.RecordBatch]:
        """Yield the rows, read: files of a person may be anything."""
        yield from self.batches(columns)

    def parts(self) -> Iterator[Part]:
        """Yield nothing: files do not say what data set they are."""
        yield from ()

    def of(self, problem_ids: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Stream the rows of some problems; Parquet files skip what is not needed."""
        yield from open_files(
            self.paths,
            self.read.table,
            required=self.read.needed,
            problem_ids=problem_ids,
            renamed=self.read.renamed,
        )

    def check(self) -> None:
        """Read everything once, so that what cannot be read is refused before hours of work depend on it."""
        for _ in self.batches():
            pass


def _imported(path: str) -> Any:  # noqa: ANN401 - whatever is there
    module, name = path.split(":")
    return getattr(importlib.import_module(module), name)


class Services:
    """Opens services, each at most once, and closes them in the end.

    Parameters
    ----------
    given
        Gives the options of a model.
    folder
        Gives the path of a folder, or ``None`` where nothing is kept.
    log
        Takes lines of what a service does, such as a server's log.
    """

    def __init__(
        self,
        given: Callable[[type[Options]], Options],
        folder: Callable[[Folder], Path | None],
        log: Callable[[str], None],
    ) -> None:
        self._given = given
        self.folder = folder
        self.log = log
        self._facts: dict[str, str | int] = {}
        self._stack = ExitStack()
        self._open: dict[str, Any] = {}

    def __enter__(self) -> Self:
        """Open nothing yet."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close what was opened, the last first."""
        self._stack.__exit__(*cast("Any", error))

    def options(self, model: type[O]) -> O:
        """Return the options of a model."""
        return cast("O", self._given(model))

    def note(self, name: str, value: str | int) -> None:
        """Keep what a service says of itself, such as where its page is; numbers of one name are added."""
        known = self._facts.get(name)
        self._facts[name] = known + value if isinstance(known, int) and isinstance(value, int) else value

    def taken_facts(self) -> dict[str, str | int]:
        """Return what was noted, for the metadata of what was just made, and forget it."""
        facts, self._facts = self._facts, {}
        return facts

    def enter(self, context: AbstractContextManager[T]) -> T:
        """Open something that a service is made of, until the services close."""
        return self._stack.enter_context(context)

    def __getitem__(self, service: Service[T]) -> T:
        """Return a service, opened when it is first asked for."""
        if service.name not in self._open:
            opened = _imported(service.opened_by)(self)
            self._open[service.name] = self._stack.enter_context(opened)
        return cast("T", self._open[service.name])


@dataclass(frozen=True, slots=True)
class Job:
    """One partition of a step that is to be built, with all it needs."""

    partition: Mapping[str, str]
    rows: Mapping[str, Rows]
    services: Services
    given: Callable[[type[Options]], Options]
    raw: Raw | None = None
    progress: Progress = SILENT
    observe: Callable[[str, Mapping[str, Any]], None] = lambda _, __: None
    """Shows what is known before the work is done, such as a forecast."""
    writers: Mapping[str, TableWriter] = field(default_factory=dict)

    def options(self, model: type[O]) -> O:
        """Return the options of a model."""
        return cast("O", self.given(model))

    def read(self, table: Table) -> Rows:
        """Return the rows of a table that the step declares."""
        return self.rows[table.name]

    def writer(self, table: Table) -> TableWriter:
        """Return the writer of a table that the step declares."""
        return self.writers[table.name]

    @property
    def places(self) -> set[Path]:
        """Where on this machine the data lies that is read."""
        return {place for rows in self.rows.values() for place in rows.places}

    def use(self, service: Service[T]) -> T:
        """Return a service that the step declares."""
        return self.services[service]

    def folder(self, folder: Folder) -> Path:
        """Return a folder that the step declares and that has a default."""
        path = self.services.folder(folder)
        if path is None:
            raise AssertionError(f"the folder {folder.name} has no default")
        return path


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the flow."""

    name: str
    writes: tuple[Table, ...]
    run: Callable[[Job], StageCounts]
    """Reads, works, writes all tables, and returns the account."""
    version: str
    """Changes when the same input gives other bytes; a test refuses a change without."""
    group: str
    reads: tuple[Read, ...] = ()
    reads_raw: bool = False
    outside: tuple[str, ...] = ()
    """What it reads beside tables and raw files: names of things that people change, such as benchmark files."""
    options: tuple[type[Options], ...] = ()
    uses: tuple[Service[Any], ...] = ()
    folders: tuple[Folder, ...] = ()
    partition_by: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    pool: str | None = None
    unit: str = "rows"
    """What its progress counts."""
    asks: type[Options] | None = None
    """Options whose ``model`` and ``revision`` name who was asked, for the manifest."""
    by_hand: bool = False
    """Nothing of the flow waits for it: it is made when a person asks for it, and never by itself."""
    repeat_for: frozenset[str] = frozenset()
    """Reasons that may be gone next time: rows dropped for one make the partition built again."""
    keeps: Callable[[Job], bool] | None = None
    """Whether these options ask for nothing, so that rows that are there stay whatever else changed."""
    foretells: Callable[[Job], Iterable[str]] | None = None
    """What doing it would ask and cost, in lines, without doing it; a command then has ``--dry-run``."""
    inspects: Callable[[Job, StageCounts], Iterable[str]] | None = None
    """Looks at what was written: yields lines for a person, and raises where it is not what anybody wants."""
    shows: Callable[[Job], Mapping[str, pa.Table]] | None = None
    """Small tables about what was built that a person looks at."""
    shows_for: frozenset[str] = frozenset()
    """Options that ask for these tables by being given."""

    @property
    def all_options(self) -> tuple[type[Options], ...]:
        """Its own options and those of its services, each once."""
        services = (
            _imported(model) if isinstance(model, str) else model for service in self.uses for model in service.options
        )
        return tuple(dict.fromkeys((*self.options, *services)))

    @property
    def all_folders(self) -> tuple[Folder, ...]:
        """Its own folders and those of its services, each once."""
        return tuple(dict.fromkeys((*self.folders, *(one for service in self.uses for one in service.folders))))


def stored_rows(
    step: Step, store: Store, partition: Mapping[str, str], roles: Callable[[str], str]
) -> dict[str, StoreRows]:
    """Return what a step reads for one partition in a data root, and what it has written there.

    Parameters
    ----------
    roles
        Says of a data set whether it is for training or a benchmark.
    """
    rows = {read.table.name: _stored(read, store, partition, roles) for read in step.reads}
    if any(each.is_empty_slice for each in rows.values()):
        # A data set without problems needs nothing else: it has empty partitions, so that a whole grid can be made.
        rows = {name: each if each.exist else replace(each, partitions=()) for name, each in rows.items()}
    return rows | {table.name: StoreRows(store, table, (partition,)) for table in step.writes}


def build_of(step: Step, job: Job) -> Build:
    """Say how a job in a data root is done, and what its result depends on."""
    settings: dict[str, Any] = {}
    for model in step.all_options:
        settings |= job.options(model).settings
    rows = cast("Mapping[str, StoreRows]", job.rows)
    inputs = [
        reference
        for read in step.reads
        if (rows[read.table.name].exist or not read.is_optional) and (read.when is None or read.when(job))
        for reference in rows[read.table.name].references
    ]
    if job.raw is not None:
        inputs.append(InputRef("raw", dict(job.partition), job.raw.sha256))
    return Build(
        tables=step.writes,
        partition=dict(job.partition),
        config=settings,
        code_version=step.version,
        inputs=inputs,
        run=lambda writers: step.run(replace(job, writers=writers)),
        model=getattr(job.options(step.asks), "model", None) if step.asks else None,
        repeat_for=step.repeat_for,
        keeps=step.keeps is not None and step.keeps(job),
    )


def _stored(read: Read, store: Store, partition: Mapping[str, str], roles: Callable[[str], str]) -> StoreRows:
    """Return the rows of a table that belong to a partition."""
    own = {key: partition[key] for key in read.table.partition_by if key in partition}
    if len(own) == len(read.table.partition_by):
        return StoreRows(store, read.table, (own,), None if own else partition.get("dataset"))
    found: Iterable[Mapping[str, str]] = store.partitions(read.table)
    if read.whose is not Whose.EVERY:
        found = (keys for keys in found if roles(keys["dataset"]) == read.whose.value)
    return StoreRows(store, read.table, tuple(found))
