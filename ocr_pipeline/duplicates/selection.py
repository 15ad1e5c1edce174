"""From problems and decided pairs to the problems that stay, each with the provenance of all it stands for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.store import TableWriter
from ocr_pipeline.tables import UNIQUE_PROBLEMS

if TYPE_CHECKING:
    import pyarrow.dataset as ds

__all__ = ["DROPPING", "ProblemSource", "select_unique"]

DROPPING: Final = ("dropped_id", "kept_id", "decided_by", "rule")
"""What is read of the pairs."""

ProblemSource: TypeAlias = "Callable[[], Iterable[pa.RecordBatch]] | ds.Dataset"


@dataclass
class _Members:
    """What one kept problem stands for."""

    ids: set[str] = field(default_factory=set)
    datasets: set[str] = field(default_factory=set)
    licenses: set[str] = field(default_factory=set)


def select_unique(problems: ProblemSource, pairs: Iterable[pa.RecordBatch], writer: TableWriter) -> StageCounts:
    """Write the problems that no pair drops, sorted by id, and count the others by what dropped them.

    The problems are read twice: for the provenance of all, then for the rows that stay. These are sorted in memory.
    """
    rows = {
        row["dropped_id"]: row
        for batch in pairs
        for row in batch.filter(pc.is_valid(batch.column("dropped_id"))).select(DROPPING).to_pylist()
    }
    members = _read_members(problems, {dropped: row["kept_id"] for dropped, row in rows.items()})
    kept = [_kept_rows(batch, members) for batch in _batches(problems)]
    if kept:
        writer.write(pa.concat_tables(kept).sort_by("problem_id"))
    reasons = Counter(_reason(row) for row in rows.values())
    rows_in = sum(len(one.ids) for one in members.values())
    return StageCounts(
        rows_in=rows_in, kept=sum(table.num_rows for table in kept), dropped=dict(sorted(reasons.items()))
    )


def _batches(problems: ProblemSource) -> Iterable[pa.RecordBatch]:
    return problems() if callable(problems) else problems.to_batches()


def _read_members(problems: ProblemSource, witnesses: Mapping[str, str]) -> dict[str, _Members]:
    members: dict[str, _Members] = defaultdict(_Members)
    for batch in _batches(problems):
        columns = (batch.column(name).to_pylist() for name in ("problem_id", "dataset", "license"))
        for problem_id, dataset, license_name in zip(*columns, strict=True):
            one = members[witnesses.get(problem_id, problem_id)]
            one.ids.add(problem_id)
            one.datasets.add(dataset)
            one.licenses.add(license_name)
    return members


def _kept_rows(batch: pa.RecordBatch, members: Mapping[str, _Members]) -> pa.Table:
    rows = pa.table(batch)
    rows = rows.filter(pc.is_in(rows["problem_id"], value_set=pa.array(list(members), pa.string())))
    standing = [members[problem_id] for problem_id in rows["problem_id"].to_pylist()]
    names = UNIQUE_PROBLEMS.schema.field("member_ids").type
    for column, sets in (
        ("member_ids", [one.ids for one in standing]),
        ("datasets", [one.datasets for one in standing]),
        ("licenses", [one.licenses for one in standing]),
    ):
        rows = rows.append_column(column, pa.array([sorted(values) for values in sets], names))
    return rows


def _reason(row: Mapping[str, Any]) -> str:
    return f"{row['decided_by']}:{row['rule']}" if row["rule"] else str(row["decided_by"])
