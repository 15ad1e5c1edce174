"""From problems and the contamination table to the problems that no benchmark holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.contamination.decisions import ContaminationDecision, Tier
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.store import TableWriter

__all__ = ["DROPPING", "select_clean"]

DROPPING: Final = ("problem_id", "benchmark", "decision", "decided_by")
"""Columns of ``contamination`` that say what is dropped."""

ProblemSource: TypeAlias = "Iterable[pa.RecordBatch] | Callable[[], Iterable[pa.RecordBatch]]"


def select_clean(problems: ProblemSource, contamination: Iterable[pa.RecordBatch], writer: TableWriter) -> StageCounts:
    """Write the problems that no benchmark holds, in the order given, and count the others by benchmark.

    Of ``contamination`` the columns :data:`DROPPING` are needed.
    What evidence shows counts as ``in:<benchmark>``, what only the policy for undecided suspects drops as
    ``undecided:<benchmark>``; of several the first counts, evidence before policy.
    """
    first: dict[str, str] = {}
    for batch in contamination:
        held_by_one = batch.filter(pc.equal(batch["decision"], ContaminationDecision.CONTAMINATED.value))
        for row in held_by_one.select(["problem_id", "benchmark", "decided_by"]).to_pylist():
            reason = f"{'undecided' if row['decided_by'] == Tier.THRESHOLD else 'in'}:{row['benchmark']}"
            first[row["problem_id"]] = min(reason, first.get(row["problem_id"], reason))
    held = pa.array(list(first), pa.string())
    kept, dropped = 0, Counter[str]()
    for batch in problems() if callable(problems) else problems:
        is_held = pc.is_in(batch.column("problem_id"), value_set=held)
        clean = batch.filter(pc.invert(is_held))
        writer.write(clean)
        kept += clean.num_rows
        dropped.update(first[one] for one in batch.filter(is_held).column("problem_id").to_pylist())
    return StageCounts(rows_in=kept + dropped.total(), kept=kept, dropped=dict(sorted(dropped.items())))
