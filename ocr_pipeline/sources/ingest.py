"""Ingest: the raw files of a data set become problems, tests, solutions, and rejected rows with a reason.

Two passes over what matters: every raw row is read once and set aside in normal form, by several processes if wanted,
then the tables are written in the order of the ids. Memory holds one batch of raw rows per process, one batch of output
rows, and the places of the rest; neither the order of the rows, nor that of the files, nor the number of processes
shows in the result.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.console import SILENT, Progress
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.engine.processes import worker_pool
from ocr_pipeline.errors import InputError, OptionError
from ocr_pipeline.sources.blocks import solution_block, test_block
from ocr_pipeline.sources.catalogue import source_named
from ocr_pipeline.sources.model import (
    SOLUTION_BLOCK,
    TEST_BLOCK,
    Attachment,
    Read,
    SolutionText,
    TestCase,
)
from ocr_pipeline.sources.normal import NormalProblem, normalise
from ocr_pipeline.sources.output import Output, RejectedRow
from ocr_pipeline.sources.overlap import Behind
from ocr_pipeline.sources.raw import Part, PartScan, open_parts, raw_json, rows_of
from ocr_pipeline.sources.reading import Reading
from ocr_pipeline.sources.rules import Reason, Rejection, RowDefect
from ocr_pipeline.sources.spill import LENGTH, Block, Place, Spills, SpillWriter, open_spills
from ocr_pipeline.sources.tally import Tally
from ocr_pipeline.store import TableWriter

__all__ = ["ingest"]

SHOWN_STRAYS: Final = 20
ATTACHED_ROWS: Final = 4_096
PARALLEL_BYTES: Final = 32 << 20  # below this a worker process takes longer to start than to read
ORDER: Final = pa.field("order", pa.large_string())
SPLIT: Final = re.compile(r"[\w.-]+")  # it is between slashes in the ids of problems
TEST_ORDER: Final = ("expected", "input")
SOLUTION_ORDER: Final = ("is_correct", "code", "language", "is_judged", "verdict")
KIND_ORDER: Final = ("example", "public", "private", "generated")


class Seen(NamedTuple):
    """A row that was set aside: where it stood, and where its parts are."""

    part: int
    row: int
    columns: Place
    tests: Block
    solutions: Block


@dataclass
class Shelf:
    """Where everything is that was set aside, by native id."""

    rows_in: int = 0
    problems: dict[str, list[Seen]] = field(default_factory=lambda: defaultdict(list))
    tests: dict[str, list[Block]] = field(default_factory=lambda: defaultdict(list))
    solutions: dict[str, list[Block]] = field(default_factory=lambda: defaultdict(list))
    rejected: list[tuple[str, str, bytes, Place]] = field(default_factory=list)

    def put_rejected(self, spill: SpillWriter, row: RejectedRow) -> None:
        """Set a rejected row aside; it is sorted by its content, so that its place in the file decides nothing."""
        blob = orjson.dumps(row._asdict())
        self.rejected.append((row.native_id, row.reason, hashlib.sha256(blob).digest(), spill.put(blob)))

    def add(self, other: Shelf) -> None:
        """Take over what another one holds."""
        self.rows_in += other.rows_in
        self.rejected += other.rejected
        for mine, theirs in (
            (self.problems, other.problems),
            (self.tests, other.tests),
            (self.solutions, other.solutions),
        ):
            for native_id, places in theirs.items():
                mine[native_id].extend(places)  # type: ignore[arg-type]


def ingest(
    dataset: str,
    paths: Sequence[Path],
    *,
    split: str,
    writers: Mapping[str, TableWriter],
    columns: Mapping[str, str] | None = None,
    workers: int = 1,
    progress: Progress = SILENT,
) -> StageCounts:
    """Read raw files of one data set and write its four tables, sorted by id.

    Parameters
    ----------
    dataset
        A name of :data:`ocr_pipeline.sources.SOURCES`.
    paths
        Parquet, Arrow, CSV or JSON files, packages, or folders of them.
    split
        Name of the split; in a folder whose file names carry splits, only the files of this one are read.
    writers
        Where the rows go: ``problems``, ``tests``, ``solutions`` and ``rejected``.
    columns
        Their name of our columns, where they differ: ``{"statement": "question"}``.
    workers
        Processes that read; each takes some 0.5 GB of memory. Small data sets are read by this process alone.

    Returns
    -------
    StageCounts
        In raw rows; ``notes`` counts repairs, suspicions, sites and modes.

    Raises
    ------
    InputError
        When the data set is unknown, the split has no plain name, or a path does not exist, has an unknown schema, or holds no rows.
    """
    source_named(dataset)
    if not SPLIT.fullmatch(split):
        message = f"`{split}` is not a name for a split; write letters, digits, `.`, `_` and `-`, such as train"
        raise OptionError(message)
    files = open_parts(dataset, paths, split, columns)
    parts = files.parts
    progress.expect(rows_of(parts))
    tally = Tally()
    tally.notes.update({f"stray_file:{name}": 1 for name in files.strays[:SHOWN_STRAYS]})
    tally.notes["stray_files"] += len(files.strays)
    with open_spills(len(parts) + 1) as spills:
        shelf = _read_parts(dataset, split, parts, spills, workers, progress)
        if shelf.rows_in == 0:
            message = f"{', '.join(f'`{path}`' for path in paths)}: no rows; there is nothing to ingest"
            raise InputError(message)
        tally.rows_in = shelf.rows_in
        spill = SpillWriter(spills.files[len(parts)], len(parts))
        kept = _without_duplicates(shelf, parts, spills, spill)
        with Behind() as first, Behind() as second:
            _write(shelf, kept, spills, spill, Output(dataset, split, writers, tally, spills, first, second))
    return tally.counts().require_conserved(f"ingest {dataset}")


def _read_parts(
    dataset: str, split: str, parts: Sequence[Part], spills: Spills, workers: int, progress: Progress
) -> Shelf:
    tasks = [_Task(dataset, split, number, part, read, spills.path(number)) for number, part, read in _bound(parts)]
    shelf = Shelf()
    large = sum(part.size for part in parts) >= PARALLEL_BYTES
    if workers <= 1 or len(tasks) <= 1 or not large:
        for task in tasks:
            shelf.add(_set_aside(task, progress))
        return shelf
    with worker_pool(min(workers, len(tasks))) as pool:
        for found in pool.map(_set_aside, tasks):
            shelf.add(found)
            progress.advance(found.rows_in)
    return shelf


@dataclass(frozen=True, slots=True)
class _Task:
    """One part to be read, and the spill file that takes its rows."""

    dataset: str
    split: str
    number: int
    part: Part
    read: Read | None
    spill_path: str

    def problem(self, raw: Reading) -> NormalProblem:
        if raw.rejection is not None or self.read is None:
            rejection = raw.rejection or Rejection(Reason.UNREADABLE_ROW, "no reader")
            raise RowDefect(rejection.reason, rejection.detail)
        return normalise(self.dataset, self.split, self.read(raw), raw)

    def rejected(self, raw: Reading, rejection: Rejection) -> RejectedRow:
        text = raw_json(raw.row)
        native_id = raw.native_id(self.part.layout.id_column)
        native_id = native_id or f"row:{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        return RejectedRow(native_id, rejection.reason.value, rejection.detail, text)


def _bound(parts: Sequence[Part]) -> Iterator[tuple[int, Part, Read | None]]:
    """Yield the parts with their reading functions."""
    reads: dict[str, Read | None] = {}
    for layout in {part.layout.name: part.layout for part in parts}.values():
        scan = PartScan([part for part in parts if part.layout.name == layout.name])
        reads[layout.name] = layout.bind(scan) if layout.bind else layout.read
    for number, part in enumerate(parts):
        yield number, part, reads[part.layout.name]


def _set_aside(task: _Task, progress: Progress = SILENT) -> Shelf:
    """Read one part; its rows are in the spill file when this returns."""
    shelf = Shelf()
    with open(task.spill_path, "r+b") as file:  # noqa: PTH123 - a descriptor's path, which pathlib would resolve
        spill = SpillWriter(file, task.number)
        if task.part.layout.attach is not None:
            _set_aside_attachments(task, task.part.layout.attach, shelf, spill, progress)
        else:
            _set_aside_problems(task, shelf, spill, progress)
    return shelf


def _set_aside_problems(task: _Task, shelf: Shelf, spill: SpillWriter, progress: Progress) -> None:
    for number, raw in enumerate(task.part.rows()):
        shelf.rows_in += 1
        try:
            problem = task.problem(raw)
        except RowDefect as defect:
            shelf.put_rejected(spill, task.rejected(raw, defect.rejection))
        else:
            columns = spill.put(orjson.dumps(problem.columns))
            blocks = spill.put_batch(problem.tests), spill.put_batch(problem.solutions)
            shelf.problems[problem.native_id].append(Seen(task.number, number, columns, *blocks))
        progress.advance(1)


def _set_aside_attachments(
    task: _Task, attach: Callable[[Reading], Attachment], shelf: Shelf, spill: SpillWriter, progress: Progress
) -> None:
    """Set tests and solutions that come in tables of their own aside, by the id of their problem."""
    waiting: dict[str, list[Attachment]] = defaultdict(list)
    for number, raw in enumerate(task.part.rows(), start=1):
        try:
            attachment = attach(raw)
            waiting[attachment.native_id].append(attachment)
        except RowDefect as defect:
            shelf.rows_in += 1  # a row that is lost is accounted for like a problem
            shelf.put_rejected(spill, task.rejected(raw, defect.rejection))
        if number % ATTACHED_ROWS == 0:
            _put_attachments(shelf, spill, waiting)
        progress.advance(0, attached=number)
    _put_attachments(shelf, spill, waiting)


def _put_attachments(shelf: Shelf, spill: SpillWriter, waiting: dict[str, list[Attachment]]) -> None:
    for native_id, attached in waiting.items():
        tests = [(each.item, each.order) for each in attached if isinstance(each.item, TestCase)]
        solutions = [(each.item, each.order) for each in attached if isinstance(each.item, SolutionText)]
        if tests:
            block = test_block([item for item, _ in tests], Reading({}))
            shelf.tests[native_id].append(spill.put_batch(_ordered(block, [order for _, order in tests])))
        if solutions:
            block = solution_block([item for item, _ in solutions], Reading({}))
            shelf.solutions[native_id].append(spill.put_batch(_ordered(block, [order for _, order in solutions])))
    waiting.clear()


def _ordered(block: pa.RecordBatch, order: Sequence[str]) -> pa.RecordBatch:
    return block.append_column(ORDER, Reading({}).text_array(order))


def _without_duplicates(shelf: Shelf, parts: Sequence[Part], spills: Spills, spill: SpillWriter) -> dict[str, Seen]:
    """Return one row per native id; the others are rejected. Content decides which stays, never the order."""
    kept = {native_id: rows[0] for native_id, rows in shelf.problems.items()}
    repeated = {native_id: rows for native_id, rows in shelf.problems.items() if len(rows) > 1}
    if not repeated:
        return kept
    raw = _raw_again(spill, repeated, parts)
    spill.flush()
    for native_id, rows in repeated.items():
        ranked = sorted(rows, key=lambda seen: (_content(spills, seen), spills.get(raw[seen.part, seen.row])))
        kept[native_id] = ranked[0]
        for seen in ranked[1:]:
            detail = f"{len(rows)} raw rows have the id `{native_id}`; another one was kept"
            text = spills.get(raw[seen.part, seen.row]).decode()
            shelf.put_rejected(spill, RejectedRow(native_id, Reason.DUPLICATE_ID.value, detail, text))
    spill.flush()
    return kept


def _raw_again(
    spill: SpillWriter, repeated: Mapping[str, Sequence[Seen]], parts: Sequence[Part]
) -> dict[tuple[int, int], Place]:
    """Read the raw rows of repeated ids again, to hold them against each other and to show them."""
    wanted = {(seen.part, seen.row) for rows in repeated.values() for seen in rows}
    found = {}
    for number in sorted({part for part, _ in wanted}):
        for row, raw in enumerate(parts[number].rows()):
            if (number, row) in wanted:
                found[number, row] = spill.put(raw_json(raw.row).encode())
    return found


def _content(spills: Spills, seen: Seen) -> bytes:
    digest = hashlib.sha256()
    for place in (seen.columns, seen.tests.place, _programs(seen.solutions)):
        digest.update(spills.get(place))
    return digest.digest()


def _programs(block: Block) -> Place:
    """Return where languages, programs and truth values are: the verdicts' words, which come last, decide nothing."""
    file, start, _ = block.place
    return Place(file, start, 2 * LENGTH.itemsize * block.rows + sum(block.sizes[:3]))


def _write(shelf: Shelf, kept: Mapping[str, Seen], spills: Spills, spill: SpillWriter, output: Output) -> None:
    for native_id in sorted(kept):
        seen = kept[native_id]
        columns = orjson.loads(spills.get(seen.columns))
        tests = _with_attached(spills, spill, seen.tests, shelf.tests.get(native_id, ()), TEST_BLOCK)
        solutions = _with_attached(spills, spill, seen.solutions, shelf.solutions.get(native_id, ()), SOLUTION_BLOCK)
        output.add_problem(columns, tests, solutions)
    for table, attached in (("tests", shelf.tests), ("solutions", shelf.solutions)):
        lost = [block.rows for native_id in attached.keys() - kept.keys() for block in attached[native_id]]
        if lost:
            output.tally.notes[f"{table}_of_unknown_problems"] += sum(lost)
    for _, _, _, place in sorted(shelf.rejected):
        output.add_rejected(RejectedRow(**orjson.loads(spills.get(place))))
    output.finish()


def _with_attached(
    spills: Spills, spill: SpillWriter, own: Block, attached: Sequence[Block], schema: pa.Schema
) -> Block:
    """Return a problem's rows with those from tables of their own, which are put into an order of their content."""
    if not attached:
        return own
    loose = spills.get_rows(attached, schema.append(ORDER))
    sortable = pa.table(loose.columns, schema=loose.schema)
    first = "order"
    if schema is TEST_BLOCK:
        first = "rank"
        sortable = sortable.append_column(first, pc.index_in(loose["kind"], pa.array(KIND_ORDER)))
    names = (first, "order", *(TEST_ORDER if schema is TEST_BLOCK else SOLUTION_ORDER))
    places = pc.sort_indices(sortable, [(name, "ascending") for name in dict.fromkeys(names)])
    together = pa.concat_batches([spills.get_rows([own], schema), loose.select(schema.names).take(places)])
    block = spill.put_batch(together)
    spill.flush()
    return block
