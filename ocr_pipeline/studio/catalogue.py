"""Lists to choose a row from: problems with what became of them, rejected rows, samples with both of their verdicts.

Only narrow columns are read, and a screenful is returned, with how many there are in all and by each value of a filter; the whole
life of a row is told by :mod:`ocr_pipeline.evidence`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.errors import InputError
from ocr_pipeline.store import Store
from ocr_pipeline.tables import (
    CLEAN_PROBLEMS,
    EXECUTIONS,
    PROBLEMS,
    REJECTED,
    SAMPLES,
    UNIQUE_PROBLEMS,
    Table,
)

__all__ = ["LISTS", "PAGE_ROWS", "Listing", "listing", "partitions_of"]

PAGE_ROWS: Final = 50


@dataclass(frozen=True, slots=True)
class ListOf:
    """A kind of rows that can be listed."""

    table: Table
    columns: tuple[str, ...]
    searched: tuple[str, ...]
    filters: tuple[str, ...]


LISTS: Final[Mapping[str, ListOf]] = {
    "samples": ListOf(
        SAMPLES,
        ("sample_id", "problem_id", "verdict", "separation", "syntax", "reasoning_tokens"),
        ("sample_id", "problem_id"),
        ("verdict", "execution", "separation", "syntax"),
    ),
    "problems": ListOf(
        PROBLEMS,
        ("problem_id", "title", "site", "difficulty", "rating", "io_mode", "n_tests", "n_solutions"),
        ("problem_id", "title"),
        ("fate", "site", "difficulty", "io_mode"),
    ),
    "rejected": ListOf(
        REJECTED, ("split", "native_id", "reason", "detail"), ("native_id", "detail"), ("reason", "split")
    ),
}


@dataclass(frozen=True, slots=True)
class Listing:
    """A screenful of rows."""

    rows: pa.Table
    total: int
    """Rows of the partition."""
    matching: int
    """Those that have the words and the values that were asked for."""
    values: Mapping[str, Mapping[str, int]]
    """By filter: how many rows with the words and the values of the other filters have each value."""


def partitions_of(store: Store, what: str) -> dict[str, dict[str, str]]:
    """Return the partitions of a kind of rows, by the name that the page shows.

    Raises
    ------
    InputError
        When there is no such kind.
    """
    if what not in LISTS:
        message = f"there is no list of `{what}`; there are {', '.join(LISTS)}"
        raise InputError(message)
    return {"|".join(keys.values()): keys for keys in store.partitions(LISTS[what].table)}


def listing(
    store: Store, what: str, partition: Mapping[str, str], words: str, wanted: Mapping[str, str], first: int
) -> Listing:
    """Return the rows of a partition whose id or text holds ``words`` and that have the wanted values."""
    kind = LISTS[what]
    rows = store.open(kind.table, **partition).to_table(columns=list(kind.columns))
    total = rows.num_rows
    if words.strip():
        holds = [pc.match_substring(rows[name], words.strip(), ignore_case=True) for name in kind.searched]
        rows = rows.filter(pc.fill_null(_any(holds), fill_value=False))
    if what == "samples":
        rows = _with_execution(store, partition, rows)
    if what == "problems":
        rows = rows.add_column(1, "fate", _fates(store, rows["problem_id"]))
    masks = {name: _is(rows[name], wanted[name]) for name in kind.filters if wanted.get(name)}
    values = {
        name: _counted(
            rows.filter(_all(others)) if (others := [m for n, m in masks.items() if n != name]) else rows, name
        )
        for name in kind.filters
    }
    found = rows.filter(_all(list(masks.values()))) if masks else rows
    return Listing(found.slice(first, PAGE_ROWS), total, found.num_rows, values)


def _any(masks: list[pa.ChunkedArray]) -> pa.ChunkedArray:
    first, *rest = (pc.fill_null(mask, fill_value=False) for mask in masks)
    for mask in rest:
        first = pc.or_(first, mask)
    return first


def _all(masks: list[pa.ChunkedArray]) -> pa.ChunkedArray:
    first, *rest = masks
    for mask in rest:
        first = pc.and_(first, mask)
    return first


def _is(column: pa.ChunkedArray, value: str) -> pa.ChunkedArray:
    return pc.equal(pc.fill_null(column, ""), value)


def _counted(rows: pa.Table, name: str) -> dict[str, int]:
    counts = pc.value_counts(pc.fill_null(rows[name], "")).to_pylist()
    return {one["values"]: one["counts"] for one in sorted(counts, key=lambda one: (-one["counts"], one["values"]))}


def _with_execution(store: Store, partition: Mapping[str, str], rows: pa.Table) -> pa.Table:
    """Add what the tests said of each sample; empty where nobody asked them."""
    if dict(partition) not in store.partitions(EXECUTIONS):
        return rows.add_column(3, "execution", pa.repeat("", rows.num_rows).cast(pa.string()))
    judged = store.open(EXECUTIONS, **partition).to_table(columns=["sample_id", "verdict"])
    places = pc.index_in(rows["sample_id"], value_set=judged["sample_id"].combine_chunks())
    return rows.add_column(3, "execution", judged["verdict"].combine_chunks().take(places.combine_chunks()))


def _fates(store: Store, ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Say how far each problem came."""
    if not store.partitions(UNIQUE_PROBLEMS):
        return pa.chunked_array([pa.repeat("ingested", len(ids))])
    unique = _is_in(store, UNIQUE_PROBLEMS, ids)
    if not store.partitions(CLEAN_PROBLEMS):
        return pc.if_else(unique, "unique", "not unique")
    return pc.if_else(unique, pc.if_else(_is_in(store, CLEAN_PROBLEMS, ids), "clean", "contaminated"), "not unique")


def _is_in(store: Store, table: Table, ids: pa.ChunkedArray) -> pa.ChunkedArray:
    known = store.open(table).to_table(columns=["problem_id"])["problem_id"].combine_chunks()
    return pc.is_in(ids, value_set=known)
