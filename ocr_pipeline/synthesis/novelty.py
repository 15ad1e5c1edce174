"""Whether a new problem is new: the evidence that known problems and benchmarks are compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import pyarrow as pa

from ocr_pipeline.contamination import Benchmark, ContaminationConfig, ContaminationDecision, check
from ocr_pipeline.duplicates import Decision, DuplicateConfig, compare_problems
from ocr_pipeline.similarity import Encoder, Reviews
from ocr_pipeline.store import rows_of
from ocr_pipeline.tables import PROBLEMS

__all__ = ["Known", "too_like"]


@dataclass(frozen=True, slots=True)
class Known:
    """What new problems are compared with."""

    problems: Callable[[], Iterable[pa.RecordBatch]]
    benchmarks: Sequence[Benchmark]
    encoder: Encoder
    reviews: Reviews
    threshold: float


def too_like(rows: Sequence[dict[str, object]], known: Known) -> dict[str, tuple[str, str]]:
    """Return the problems that are not new, each with the decision and its witness.

    Of two new problems that are one problem the later stays out. A pair that no evidence decides is not new either:
    a problem more costs little, and the same problem twice is what this is to prevent.
    """
    if not rows:
        return {}
    places = {str(row["problem_id"]): place for place, row in enumerate(rows)}
    found: dict[str, tuple[str, str]] = {}
    for problem_id, witness, decision in chain(_pairs(rows, known, places), _suspects(rows, known)):
        worse = decision != Decision.UNDECIDED and found.get(problem_id, ("", ""))[0] == Decision.UNDECIDED
        if problem_id not in found or worse:
            found[problem_id] = decision, witness
    return found


def _batches(rows: Sequence[dict[str, object]]) -> list[pa.RecordBatch]:
    batches: list[pa.RecordBatch] = pa.Table.from_pylist(list(rows), schema=PROBLEMS.schema).to_batches()
    return batches


def _pairs(rows: Sequence[dict[str, object]], known: Known, places: dict[str, int]) -> Iterator[tuple[str, str, str]]:
    columns = PROBLEMS.schema.names
    listed = (batch.select([name for name in columns if name in batch.schema.names]) for batch in known.problems())
    found = compare_problems(
        chain(listed, _batches(rows)),
        tests=None,
        config=DuplicateConfig(threshold=known.threshold, execution_pairs=0),
        encoder=known.encoder,
        reviews=known.reviews,
    )
    for pair in found.pairs.select(["left_id", "right_id", "decision"]).to_pylist():
        ids = sorted((pair["left_id"], pair["right_id"]), key=lambda name: places.get(name, -1))
        if ids[1] in places and pair["decision"] != Decision.DISTINCT:
            yield ids[1], ids[0], pair["decision"]


def _suspects(rows: Sequence[dict[str, object]], known: Known) -> Iterator[tuple[str, str, str]]:
    config = ContaminationConfig(threshold=known.threshold)
    found = check(_batches(rows), known.benchmarks, config=config, encoder=known.encoder, reviews=known.reviews)
    for row in rows_of(found, ["problem_id", "benchmark_id", "decision"]):
        if row["decision"] != ContaminationDecision.CLEAN:
            yield row["problem_id"], row["benchmark_id"], row["decision"]
