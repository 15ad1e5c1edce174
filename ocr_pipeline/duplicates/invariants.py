"""What must hold after every deduplication, whatever the data: checked on the tables alone, not on how they were made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.duplicates.decisions import DecidedBy, Decision

__all__ = ["INVARIANT_COLUMNS", "check_invariants"]

INVARIANT_COLUMNS: Final = ("left_id", "right_id", "cosine", "decision", "decided_by", "kept_id", "dropped_id")

WITHOUT_THRESHOLD: Final = frozenset({DecidedBy.EXACT.value, DecidedBy.ORIGIN.value, DecidedBy.REVIEW.value})


def check_invariants(
    problem_ids: Sequence[str], unique_ids: Sequence[str], pairs: Iterable[pa.RecordBatch], threshold: float
) -> list[str]:
    """Say what is wrong, a line each; an empty list means that all invariants hold.

    Every problem is there once, kept or dropped; a dropped one has exactly one witness, which is kept, is its duplicate
    and is at or above the threshold unless equality, origin or people decided; two kept problems are not duplicates.
    Undecided pairs drop nothing. Pairs are streamed, for they grow with the square of the problems.
    """
    return list(_violations(problem_ids, unique_ids, pairs, threshold))


def _violations(
    problem_ids: Sequence[str], unique_ids: Sequence[str], pairs: Iterable[pa.RecordBatch], threshold: float
) -> Iterator[str]:
    yield from (f"problem `{one}` is there {count} times" for one, count in Counter(problem_ids).items() if count > 1)
    yield from (f"unique `{one}` is there {count} times" for one, count in Counter(unique_ids).items() if count > 1)
    everyone, kept = set(problem_ids), set(unique_ids)
    yield from (f"`{one}` is kept but is not a problem" for one in sorted(kept - everyone))
    drops: Counter[str] = Counter()
    for row in _of_duplicates(pairs):
        if row["dropped_id"] is not None:
            drops[row["dropped_id"]] += 1
            yield from _witness_violations(row, kept, threshold)
        elif row["decision"] == Decision.DUPLICATE and {row["left_id"], row["right_id"]} <= kept:
            yield f"`{row['left_id']}` and `{row['right_id']}` are duplicates and both kept"
    yield from (f"`{one}` is dropped {count} times" for one, count in drops.items() if count > 1)
    yield from (f"`{one}` is neither kept nor dropped" for one in sorted(everyone - kept - drops.keys()))
    yield from (f"`{one}` is dropped but is not a problem" for one in sorted(drops.keys() - everyone))


def _of_duplicates(pairs: Iterable[pa.RecordBatch]) -> Iterator[dict[str, Any]]:
    """Yield the pairs that say something about who stays; nearly all are distinct."""
    for batch in pairs:
        is_duplicate = pc.equal(batch.column("decision"), Decision.DUPLICATE.value)
        yield from batch.filter(pc.or_(is_duplicate, pc.is_valid(batch.column("dropped_id")))).to_pylist()


def _witness_violations(row: dict[str, Any], kept: set[str], threshold: float) -> Iterator[str]:
    dropped, witness = row["dropped_id"], row["kept_id"]
    if {dropped, witness} != {row["left_id"], row["right_id"]}:
        yield f"`{dropped}` is dropped for `{witness}`, which is not the other one of its pair"
    if dropped in kept:
        yield f"`{dropped}` is dropped and kept"
    if witness not in kept:
        yield f"`{dropped}` is dropped for `{witness}`, which is not kept"
    if row["decision"] != Decision.DUPLICATE:
        yield f"`{dropped}` is dropped by a pair that is {row['decision']}"
    if row["cosine"] < threshold and row["decided_by"] not in WITHOUT_THRESHOLD:
        yield f"`{dropped}` is dropped for `{witness}` at cosine {row['cosine']:.4f}, below {threshold:g}"
