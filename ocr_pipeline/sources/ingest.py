"""Ingest: the raw files of a data set become problems, tests, solutions, and rejected rows with a reason.

Two passes over what matters: every raw row is read once and set aside in normal form, then the tables are written in
the order of the ids. Memory holds one batch of raw rows, one batch of output rows, and the places of the rest; neither
the order of the rows nor that of the files shows in the result.
"""

from __future__ import annotations

import hashlib
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
from ocr_pipeline.errors import InputError
from ocr_pipeline.sources.catalogue import source_named
from ocr_pipeline.sources.model import (
    SOLUTION_BLOCK,
    TEST_BLOCK,
    Attachment,
    Read,
    Row,
    SolutionText,
    TestCase,
    solution_block,
    test_block,
    text_array,
)
from ocr_pipeline.sources.normal import NormalProblem, normalise
from ocr_pipeline.sources.output import Output, RejectedRow
from ocr_pipeline.sources.overlap import Behind
from ocr_pipeline.sources.raw import Part, PartScan, RawRow, open_parts, raw_json
from ocr_pipeline.sources.rules import Reason, Rejection, RowDefect
from ocr_pipeline.sources.spill import Place, Spill
from ocr_pipeline.sources.tally import Tally
from ocr_pipeline.sources.values import clean_id
from ocr_pipeline.store import TableWriter

__all__ = ["ingest"]

ATTACHED_ROWS: Final = 4_096
ORDER: Final = pa.field("order", pa.large_string())
KIND_ORDER: Final = ("example", "public", "private", "generated")


class Seen(NamedTuple):
    """A row that was set aside: where it stood, and where its parts are."""

    part: int
    row: int
    columns: Place
    tests: Place
    solutions: Place


@dataclass
class Shelf:
    """Everything that was set aside, by native id."""

    spill: Spill
    problems: dict[str, list[Seen]] = field(default_factory=lambda: defaultdict(list))
    tests: dict[str, list[Place]] = field(default_factory=lambda: defaultdict(list))
    solutions: dict[str, list[Place]] = field(default_factory=lambda: defaultdict(list))
    rejected: list[tuple[str, str, bytes, Place]] = field(default_factory=list)

    def put_problem(self, part: int, row: int, problem: NormalProblem) -> None:
        """Set a problem aside."""
        columns = self.spill.put(orjson.dumps(problem.columns))
        places = self.spill.put_batch(problem.tests), self.spill.put_batch(problem.solutions)
        self.problems[problem.native_id].append(Seen(part, row, columns, *places))

    def put_rejected(self, row: RejectedRow) -> None:
        """Set a rejected row aside; ``sort`` is its content, so that its place in the file decides nothing."""
        blob = orjson.dumps(row._asdict())
        self.rejected.append((row.native_id, row.reason, hashlib.sha256(blob).digest(), self.spill.put(blob)))


def ingest(
    dataset: str,
    paths: Sequence[Path],
    *,
    split: str,
    writers: Mapping[str, TableWriter],
    progress: Progress = SILENT,
) -> StageCounts:
    """Read raw files of one data set and write its four tables, sorted by id.

    Parameters
    ----------
    dataset
        A name of :data:`ocr_pipeline.sources.SOURCES`.
    paths
        Parquet or JSONL files, problem folders, or folders of them.
    split
        Name of the split; in a folder whose file names carry splits, only the files of this one are read.
    writers
        Where the rows go: ``problems``, ``tests``, ``solutions`` and ``rejected``.

    Returns
    -------
    StageCounts
        In raw rows; ``notes`` counts repairs, suspicions, sites and modes.

    Raises
    ------
    InputError
        When the data set is unknown, or a path does not exist, has an unknown schema, or holds no rows.
    """
    source_named(dataset)
    parts = open_parts(dataset, paths, split)
    tally = Tally()
    with Spill() as spill:
        shelf = Shelf(spill)
        for number, part, read in _bound(parts):
            _set_aside(_Reader(dataset, split, number, read, part.layout.id_column, shelf, tally), part, progress)
        if tally.rows_in == 0:
            message = f"{', '.join(f'`{path}`' for path in paths)}: no rows; there is nothing to ingest"
            raise InputError(message)
        kept = _without_duplicates(shelf, parts)
        with Behind() as behind:
            _write(shelf, kept, Output(dataset, split, writers, tally, behind))
    return tally.counts().require_conserved(f"ingest {dataset}")


@dataclass(frozen=True, slots=True)
class _Reader:
    dataset: str
    split: str
    part: int
    read: Read | None
    id_column: str
    shelf: Shelf
    tally: Tally


def _bound(parts: Sequence[Part]) -> Iterator[tuple[int, Part, Read | None]]:
    """Yield the parts with their reading functions; problems come before what is attached to them."""
    reads: dict[str, Read | None] = {}
    for layout in {part.layout.name: part.layout for part in parts}.values():
        scan = PartScan([part for part in parts if part.layout.name == layout.name])
        reads[layout.name] = layout.bind(scan) if layout.bind else layout.read
    for number, part in enumerate(parts):
        yield number, part, reads[part.layout.name]


def _set_aside(reader: _Reader, part: Part, progress: Progress) -> None:
    if part.layout.attach is not None:
        _set_aside_attachments(reader, part.rows(), part.layout.attach, progress)
        return
    for number, raw in enumerate(part.rows()):
        reader.tally.rows_in += 1
        try:
            reader.shelf.put_problem(reader.part, number, _problem(reader, raw))
        except RowDefect as defect:
            _reject(reader, raw, defect.rejection)
        progress.advance(1)


def _problem(reader: _Reader, raw: RawRow) -> NormalProblem:
    if raw.rejection is not None or reader.read is None:
        rejection = raw.rejection or Rejection(Reason.UNREADABLE_ROW, "no reader")
        raise RowDefect(rejection.reason, rejection.detail)
    return normalise(reader.dataset, reader.split, reader.read(raw.row), raw.repairs)


def _reject(reader: _Reader, raw: RawRow, rejection: Rejection) -> None:
    text = raw_json(raw.row)
    native_id = clean_id(raw.row.get(reader.id_column)) or f"row:{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    reader.shelf.put_rejected(RejectedRow(native_id, rejection.reason.value, rejection.detail, text))


def _set_aside_attachments(
    reader: _Reader, rows: Iterator[RawRow], attach: Callable[[Row], Attachment], progress: Progress
) -> None:
    """Set tests and solutions that come in tables of their own aside, by the id of their problem."""
    waiting: dict[str, list[Attachment]] = defaultdict(list)
    for number, raw in enumerate(rows, start=1):
        try:
            attachment = attach(raw.row)
            waiting[attachment.native_id].append(attachment)
        except RowDefect as defect:
            reader.tally.rows_in += 1  # a row that is lost is accounted for like a problem
            _reject(reader, raw, defect.rejection)
        if number % ATTACHED_ROWS == 0:
            _put_attachments(reader.shelf, waiting)
        progress.advance(0, attached=number)
    _put_attachments(reader.shelf, waiting)


def _put_attachments(shelf: Shelf, waiting: dict[str, list[Attachment]]) -> None:
    for native_id, attached in waiting.items():
        tests = [(each.item, each.order) for each in attached if isinstance(each.item, TestCase)]
        solutions = [(each.item, each.order) for each in attached if isinstance(each.item, SolutionText)]
        if tests:
            block = test_block([item for item, _ in tests], set())
            shelf.tests[native_id].append(shelf.spill.put_batch(_ordered(block, [order for _, order in tests])))
        if solutions:
            block = solution_block([item for item, _ in solutions], set())
            shelf.solutions[native_id].append(shelf.spill.put_batch(_ordered(block, [order for _, order in solutions])))
    waiting.clear()


def _ordered(block: pa.RecordBatch, order: Sequence[str]) -> pa.RecordBatch:
    return block.append_column(ORDER, text_array(order, set()))


def _without_duplicates(shelf: Shelf, parts: Sequence[Part]) -> dict[str, Seen]:
    """Return one row per native id; the others are rejected. Content decides which stays, never the order."""
    kept = {native_id: rows[0] for native_id, rows in shelf.problems.items()}
    repeated = {native_id: rows for native_id, rows in shelf.problems.items() if len(rows) > 1}
    raw = _raw_again(shelf.spill, repeated, parts) if repeated else {}
    for native_id, rows in repeated.items():
        ranked = sorted(rows, key=lambda seen: (_content(shelf.spill, seen), shelf.spill.get(raw[seen.part, seen.row])))
        kept[native_id] = ranked[0]
        for seen in ranked[1:]:
            detail = f"{len(rows)} raw rows have the id `{native_id}`; another one was kept"
            text = shelf.spill.get(raw[seen.part, seen.row]).decode()
            shelf.put_rejected(RejectedRow(native_id, Reason.DUPLICATE_ID.value, detail, text))
    return kept


def _raw_again(
    spill: Spill, repeated: Mapping[str, Sequence[Seen]], parts: Sequence[Part]
) -> dict[tuple[int, int], Place]:
    """Read the raw rows of repeated ids again, to hold them against each other and to show them."""
    wanted = {(seen.part, seen.row) for rows in repeated.values() for seen in rows}
    found = {}
    for number in sorted({part for part, _ in wanted}):
        for row, raw in enumerate(parts[number].rows()):
            if (number, row) in wanted:
                found[number, row] = spill.put(raw_json(raw.row).encode())
    return found


def _content(spill: Spill, seen: Seen) -> bytes:
    digest = hashlib.sha256()
    for place in (seen.columns, seen.tests, seen.solutions):
        digest.update(spill.get(place))
    return digest.digest()


def _write(shelf: Shelf, kept: Mapping[str, Seen], output: Output) -> None:
    for native_id in sorted(kept):
        seen = kept[native_id]
        columns = orjson.loads(shelf.spill.get(seen.columns))
        tests = _with_attached(shelf, seen.tests, shelf.tests.get(native_id, ()), TEST_BLOCK)
        solutions = _with_attached(shelf, seen.solutions, shelf.solutions.get(native_id, ()), SOLUTION_BLOCK)
        output.add_problem(columns, tests, solutions)
    orphans = sum(len(places) for name in (shelf.tests.keys() - kept.keys()) for places in (shelf.tests[name],))
    if orphans:
        output.tally.notes["tests_of_unknown_problems"] += orphans
    for _, _, _, place in sorted(shelf.rejected):
        output.add_rejected(RejectedRow(**orjson.loads(shelf.spill.get(place))))
    output.finish()


def _with_attached(shelf: Shelf, own: Place, attached: Sequence[Place], schema: pa.Schema) -> pa.RecordBatch:
    """Return a problem's rows with those from tables of their own, which are put into an order of their content."""
    batch = shelf.spill.get_batch(own, schema)
    if not attached:
        return batch
    loose = pa.concat_batches([shelf.spill.get_batch(place, schema.append(ORDER)) for place in attached])
    sortable = pa.table(loose.columns, schema=loose.schema)
    first = "order"
    if schema is TEST_BLOCK:
        first = "rank"
        sortable = sortable.append_column(first, pc.index_in(loose["kind"], pa.array(KIND_ORDER)))
    names = list(dict.fromkeys((first, "order", *reversed(schema.names))))
    places = pc.sort_indices(sortable, [(name, "ascending") for name in names if name != "kind"])
    return pa.concat_batches([batch, loose.select(schema.names).take(places)])
