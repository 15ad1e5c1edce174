"""How a problem, and a raw row that became none, read in ``explain``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pyarrow.compute as pc

from ocr_pipeline.counts import KEPT
from ocr_pipeline.events import Event, Found, Told, clipped, narrow_columns
from ocr_pipeline.tables import PROBLEMS, REJECTED

__all__ = ["TOLD"]

SHOWN: Final = ("title", "url", "difficulty", "checker", "statement_sha256")


def _problem(found: Found, problem_id: str) -> Iterator[Event]:
    for _, rows in found.of_problem(PROBLEMS, problem_id, narrow_columns(PROBLEMS)):
        for row in rows:
            summary = (
                f"row `{row['native_id']}` of {row['dataset']}/{row['split']}: {row['io_mode']}, "
                f"{row['n_tests']} tests, {row['n_solutions']} solutions, licence {row['license']}, "
                f"repairs: {', '.join(row['repairs']) or 'none'}"
            )
            shown = {name: row[name] for name in SHOWN if row[name] is not None}
            yield Event(PROBLEMS.name, KEPT, summary, (shown,))


def _rejected(found: Found, problem_id: str) -> Iterator[Event]:
    """Tell the raw rows that would have had this id."""
    dataset, _, rest = problem_id.partition("/")
    split, _, native_id = rest.partition("/")
    wanted = pc.field("split") == split
    wanted &= pc.field("native_id") == native_id
    for keys in found.partitions_of(REJECTED, problem_id):
        for row in found.rows(REJECTED, wanted & (pc.field("dataset") == dataset), **keys):
            raw = ({"raw": clipped(row["raw"])},)
            yield Event(REJECTED.name, row["reason"], clipped(row["detail"]), raw)


TOLD: Final = (Told(PROBLEMS, of_problem=_problem), Told(REJECTED, of_problem=_rejected))
