"""The statements of a pair, fetched one by one when it is shown.

A problem's statement is in ``problems``. So does a benchmark's when it was ingested; else it is read from the
benchmark's file. Of the data root nothing is kept in memory but what was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.contamination import read_benchmark
from ocr_pipeline.store import Store
from ocr_pipeline.studio.decisions import PairKind
from ocr_pipeline.studio.queue import Pair
from ocr_pipeline.tables import PROBLEMS

__all__ = ["Statement", "excerpts_of", "problem_statement", "statements_of"]

FACTS: Final = ("title", "site", "difficulty", "rating", "n_tests", "license", "url")
BENCHMARK_FILES: Final = (".jsonl", ".parquet")


@dataclass(frozen=True, slots=True)
class Statement:
    """The text of a problem and the facts worth showing beside it."""

    text: str
    facts: Mapping[str, Any]


def statements_of(store: Store, pair: Pair, benchmarks: Path) -> tuple[Statement | None, Statement | None]:
    """Return both texts of a pair; ``None`` for one that cannot be found any more."""
    left = problem_statement(store, pair.left_id)
    if pair.kind is PairKind.DUPLICATE:
        return left, problem_statement(store, pair.right_id)
    name = pair.benchmark or ""
    return left, problem_statement(store, pair.right_id, name) or _from_file(benchmarks, name, pair.right_id)


def excerpts_of(store: Store, pairs: Iterable[Pair], benchmarks: Path, characters: int) -> dict[str, str]:
    """Return the starts of all texts of many pairs, by id, in one pass over the problems."""
    every = list(pairs)
    wanted = sorted({name for pair in every for name in (pair.left_id, pair.right_id)})
    found: dict[str, str] = {}
    for keys in store.partitions(PROBLEMS):
        rows = store.open(PROBLEMS, **keys)
        chosen = pc.is_in(pc.field("problem_id"), pa.array(wanted, pa.string()))
        for batch in rows.to_batches(columns=["problem_id", "statement"], filter=chosen):
            starts = pc.utf8_slice_codeunits(batch.column("statement"), 0, characters)
            found.update(zip(batch.column("problem_id").to_pylist(), starts.to_pylist(), strict=True))
    for pair in every:
        if pair.right_id not in found and (statement := _from_file(benchmarks, pair.benchmark or "", pair.right_id)):
            found[pair.right_id] = statement.text[:characters]
    return found


def problem_statement(store: Store, problem_id: str, dataset: str | None = None) -> Statement | None:
    """Return the statement of an ingested problem; ``None`` when it is not there (any more)."""
    place = {"dataset": dataset or problem_id.split("/", 1)[0]}
    if place not in store.partitions(PROBLEMS):
        return None
    wanted = pc.field("problem_id") == problem_id
    found = store.open(PROBLEMS, **place).to_table(columns=["statement", *FACTS], filter=wanted)
    for row in found.slice(0, 1).to_pylist():
        return Statement(row.pop("statement"), {name: value for name, value in row.items() if value is not None})
    return None


def _from_file(folder: Path, benchmark: str, benchmark_id: str) -> Statement | None:
    for path in (folder / f"{benchmark}{suffix}" for suffix in BENCHMARK_FILES):
        if path.is_file():
            text = _benchmark_texts(path).get(benchmark_id)
            return None if text is None else Statement(text, {})
    return None


@lru_cache(maxsize=16)
def _benchmark_texts(path: Path) -> Mapping[str, str]:
    problems = read_benchmark(path.stem, path).problems
    return dict(zip(problems["problem_id"].to_pylist(), problems["statement"].to_pylist(), strict=True))
