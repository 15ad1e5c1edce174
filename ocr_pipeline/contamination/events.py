"""How a problem's nearest benchmark problems, and whether it stays clean, read in ``explain``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pyarrow.compute as pc

from ocr_pipeline.counts import KEPT
from ocr_pipeline.events import Event, Found, Told, clipped
from ocr_pipeline.similarity.profile import spoken
from ocr_pipeline.similarity.what_if import another_threshold, decider
from ocr_pipeline.tables import CLEAN_PROBLEMS, CONTAMINATION, UNIQUE_PROBLEMS

__all__ = ["TOLD"]

NEAREST: Final = 5


def _evidence(found: Found, problem_id: str) -> list[dict[str, Any]]:
    rows = found.rows(CONTAMINATION, pc.field("problem_id") == problem_id)
    return sorted(rows, key=lambda row: -row["cosine"])


def _nearest(found: Found, problem_id: str) -> Iterator[Event]:
    if not found.has(CONTAMINATION):
        return
    rows = _evidence(found, problem_id)
    if not rows:
        yield Event(CONTAMINATION.name, "no evidence", "no benchmark problem is near, or it was not checked")
    for row in rows[:NEAREST]:
        summary = (
            f"{row['benchmark']} {row['benchmark_version']} `{row['benchmark_id']}`: cosine {row['cosine']:.4f}, "
            f"lexical {row['lexical']:.2f}, {decider(row)}; {another_threshold(row)}"
        )
        if row["evidence"]:
            summary += f" ({spoken(row['evidence'])})"
        span = ({"shared span": clipped(row["span"])},) if row["span"] else ()
        yield Event(CONTAMINATION.name, row["decision"], summary, span)


def _clean(found: Found, problem_id: str) -> Iterator[Event]:
    """Tell whether a unique problem is clean; of another one there is nothing to tell."""
    checked = found.has(CONTAMINATION) and found.has(CLEAN_PROBLEMS)
    if not checked or not found.of_problem(UNIQUE_PROBLEMS, problem_id, ["problem_id"]):
        return
    if found.of_problem(CLEAN_PROBLEMS, problem_id, ["problem_id"]):
        yield Event(CLEAN_PROBLEMS.name, KEPT, "")
        return
    witnesses = [row for row in _evidence(found, problem_id) if row["decision"] == "contaminated"]
    if witnesses:
        first = witnesses[0]
        why = f"contaminated by {first['benchmark']} `{first['benchmark_id']}`; {another_threshold(first)}"
    else:
        why = "without a witness: clean_problems is older than contamination; materialize it again"
    yield Event(CLEAN_PROBLEMS.name, "dropped", why)


TOLD: Final = (Told(CONTAMINATION, of_problem=_nearest), Told(CLEAN_PROBLEMS, of_problem=_clean))
