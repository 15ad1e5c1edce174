"""Lists to choose a row from: problems with what became of them, rejected rows, samples with their verdicts.

Only narrow columns are read, and at most a screenful is returned; the whole life of a row is told by
:mod:`ocr_pipeline.evidence`.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.store import Store
from ocr_pipeline.tables import (
    CLEAN_PROBLEMS,
    PROBLEMS,
    REJECTED,
    RESPONSES,
    SAMPLES,
    UNIQUE_PROBLEMS,
    Table,
)

__all__ = ["answer_of", "problem_list", "rejected_list", "sample_list"]

MOST_ROWS: Final = 2_000
PROBLEM_COLUMNS: Final = ["problem_id", "title", "site", "difficulty", "rating", "io_mode", "n_tests", "n_solutions"]
SAMPLE_COLUMNS: Final = ["sample_id", "problem_id", "verdict", "separation", "syntax", "reasoning_tokens"]


def problem_list(store: Store, dataset: str, words: str = "") -> pa.Table:
    """Return the problems of a data set whose id or title holds ``words``, with their fate."""
    rows = store.open(PROBLEMS, dataset=dataset).head(
        MOST_ROWS, columns=PROBLEM_COLUMNS, filter=_holding(words, "problem_id", "title")
    )
    return rows.add_column(1, "fate", _fates(store, rows["problem_id"]))


def _fates(store: Store, ids: pa.ChunkedArray) -> pa.Array:
    """Say how far each problem came."""
    if not store.partitions(UNIQUE_PROBLEMS):
        return pa.repeat("ingested", len(ids))
    unique = _is_in(store, UNIQUE_PROBLEMS, ids)
    if not store.partitions(CLEAN_PROBLEMS):
        return pc.if_else(unique, "unique", "not unique")
    return pc.if_else(unique, pc.if_else(_is_in(store, CLEAN_PROBLEMS, ids), "clean", "contaminated"), "not unique")


def _is_in(store: Store, table: Table, ids: pa.ChunkedArray) -> pa.ChunkedArray:
    known = store.open(table).to_table(columns=["problem_id"])["problem_id"].combine_chunks()
    return pc.is_in(ids, value_set=known)


def rejected_list(store: Store, dataset: str, words: str = "") -> pa.Table:
    """Return the rejected raw rows of a data set whose id, reason or detail holds ``words``."""
    condition = _holding(words, "native_id", "reason", "detail")
    columns = ["split", "native_id", "reason", "detail"]
    return store.open(REJECTED, dataset=dataset).head(MOST_ROWS, columns=columns, filter=condition)


def sample_list(store: Store, dataset: str, language: str, words: str = "") -> pa.Table:
    """Return the samples of a partition whose id, problem or verdict holds ``words``."""
    condition = _holding(words, "sample_id", "problem_id", "verdict")
    opened = store.open(SAMPLES, dataset=dataset, language=language)
    return opened.head(MOST_ROWS, columns=SAMPLE_COLUMNS, filter=condition)


def answer_of(store: Store, sample_id: str) -> str | None:
    """Return the whole answer that a sample was made from."""
    wanted = pc.field("request_id") == sample_id
    for keys in store.partitions(RESPONSES):
        found = store.open(RESPONSES, **keys).head(1, columns=["text"], filter=wanted)
        if found.num_rows:
            text: str = found["text"][0].as_py()
            return text
    return None


def _holding(words: str, *columns: str) -> pc.Expression | None:
    """Return the condition that one of the columns holds the words, whatever their letter case."""
    if not words.strip():
        return None
    condition = None
    for column in columns:
        holds = pc.match_substring(pc.field(column), words.strip(), ignore_case=True)
        condition = holds if condition is None else condition | holds
    return condition
