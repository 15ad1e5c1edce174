"""Fills withheld statements of the data set in from the user's own copy of its sources.

A row says which text it needs: its ``id`` is the hash of the statement that the teacher was shown, so a text that is found
is known to be that one, whatever the copy calls the problem. Where no text has that hash, the problem's id tells a copy
that lacks the problem from one that tells it in other words.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import pyarrow as pa

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.exports.statements import WITHHELD
from ocr_pipeline.store import TableWriter
from ocr_pipeline.tables import SFT_DATASET

__all__ = ["Copies", "join", "needed_of"]

HASH: Final = re.compile(r"[0-9a-f]{32}")
ASKED: Final = ("id", "input", "problem_id", "dataset", "split", "index")
Batches = Callable[[], Iterable[pa.RecordBatch]]


class NotJoined(StrEnum):
    """Why a statement stays withheld."""

    NO_COPY = "no_copy_of_its_data_set"
    NOT_IN_COPY = "not_in_the_copy"
    OTHER_WORDS = "told_in_other_words"


def _hash(statement: str) -> str:
    return hashlib.sha256(statement.encode()).hexdigest()[:32]


def _names(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield the ids that a row's problem may have."""
    if row["problem_id"]:
        yield row["problem_id"]
    yield from (f"{dataset}/{row['split']}/{row['index']}" for dataset in (row["dataset"] or "").split(", ") if dataset)


def _datasets(row: Mapping[str, Any]) -> set[str]:
    return {name.partition("/")[0] for name in _names(row)}


@dataclass(frozen=True, slots=True)
class Needed:
    """What the withheld rows need."""

    hashes: frozenset[str]
    names: frozenset[str]
    splits: Mapping[str, frozenset[str]]
    """Of each data set, those of its splits that rows come from."""


def needed_of(rows: Iterable[pa.RecordBatch]) -> Needed:
    """Find out which statements are withheld."""
    hashes: set[str] = set()
    names: set[str] = set()
    splits: dict[str, set[str]] = {}
    for row in _asked(rows):
        hashes.add(row["id"])
        names.update(_names(row))
        for dataset in _datasets(row):
            splits.setdefault(dataset, set()).add(row["split"])
    known = {dataset: frozenset(found) for dataset, found in splits.items()}
    return Needed(frozenset(hashes), frozenset(names), known)


def _asked(batches: Iterable[pa.RecordBatch]) -> Iterator[dict[str, Any]]:
    for batch in batches:
        yield from (row for row in batch.select(ASKED).to_pylist() if row["input"] == WITHHELD)


@dataclass(slots=True)
class Copies:
    """Statements of the user's own copies, as far as they are needed; takes rows of ``problems`` as a writer does."""

    needed: Needed
    datasets: set[str] = field(default_factory=set)
    _by_hash: dict[str, str] = field(default_factory=dict)
    _by_name: dict[str, str] = field(default_factory=dict)

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Keep what is needed of some problems."""
        narrow = rows.select(["problem_id", "dataset", "statement"])
        for row in narrow.to_pylist():
            statement, name = row["statement"], row["problem_id"]
            self.datasets |= {row["dataset"], name.partition("/")[0]}
            if statement == WITHHELD:
                continue
            digest = _hash(statement)
            if digest in self.needed.hashes:
                self._by_hash.setdefault(digest, statement)
            if name in self.needed.names:
                self._by_name.setdefault(name, statement)

    def statement_of(self, row: Mapping[str, Any]) -> tuple[str | None, NotJoined | None]:
        """Return the statement of a withheld row, or why there is none."""
        if row["id"] in self._by_hash:
            return self._by_hash[row["id"]], None
        found = next((self._by_name[name] for name in _names(row) if name in self._by_name), None)
        if found is not None and not HASH.fullmatch(row["id"] or ""):
            return found, None  # a row that does not say which words were shown
        if found is not None:
            return None, NotJoined.OTHER_WORDS
        return None, NotJoined.NOT_IN_COPY if _datasets(row) & self.datasets else NotJoined.NO_COPY


def join(rows: Batches, copies: Copies, *, keep_unjoined: bool, writer: TableWriter) -> StageCounts:
    """Write the data set with the statements filled in and return the account.

    Parameters
    ----------
    rows
        Opens the data set.
    copies
        What the user's own copies hold.
    keep_unjoined
        Keep rows whose statement was not found, as they are.
    writer
        Takes the rows.
    """
    reasons: Counter[str] = Counter()
    notes: Counter[str] = Counter()
    rows_in = 0
    for batch in rows():
        rows_in += batch.num_rows
        inputs = batch["input"].to_pylist()
        kept = []
        for place, row in enumerate(batch.select(ASKED).to_pylist()):
            if row["input"] != WITHHELD:
                notes["had a statement"] += 1
                kept.append(place)
                continue
            statement, reason = copies.statement_of(row)
            inputs[place] = statement if statement is not None else WITHHELD
            (reasons if reason else notes)[reason or "filled in"] += 1
            if reason is None or keep_unjoined:
                kept.append(place)
        filled = batch.set_column(
            batch.schema.get_field_index("input"),
            SFT_DATASET.schema.field("input"),
            pa.array(inputs, pa.large_string()),
        )
        if kept:
            writer.write(filled.take(pa.array(kept)))
    if keep_unjoined:
        notes.update({f"still withheld: {reason}": count for reason, count in reasons.items()})
        reasons.clear()
    return StageCounts(rows_in, rows_in - reasons.total(), dict(reasons), dict(notes)).require_conserved("join")
