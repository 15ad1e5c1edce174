"""The funnel: how many rows each stage received, kept and dropped, by reason, from the manifests alone.

Every step leaves its account in the manifest of the partition it wrote; this module gathers the accounts, refuses one
that does not add up, and prints them. Whether each single row is found again is :mod:`.accounting`'s question.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from ocr_pipeline.counts import KEPT, StageCounts
from ocr_pipeline.errors import StoreError
from ocr_pipeline.store import Manifest, Store
from ocr_pipeline.tables import (
    CLEAN_PROBLEMS,
    CRITIQUES,
    EXECUTIONS,
    FUNNEL,
    PLAN_SFT_DATASET,
    PLANS,
    PROBLEMS,
    RESPONSES,
    SAMPLES,
    SFT_DATASET,
    UNIQUE_PROBLEMS,
    Table,
)

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["FLOW", "account_of", "build_funnel", "manifests", "print_funnel", "stage_totals"]

FLOW: Final = (
    PROBLEMS,
    UNIQUE_PROBLEMS,
    CLEAN_PROBLEMS,
    RESPONSES,
    SAMPLES,
    EXECUTIONS,
    SFT_DATASET,
    PLANS,
    PLAN_SFT_DATASET,
    CRITIQUES,
)
"""The stages in the order of the flow; the problems' account starts at the raw rows."""

RECEIVES: Final = {
    PROBLEMS.name: "raw rows",
    UNIQUE_PROBLEMS.name: "problems",
    CLEAN_PROBLEMS.name: "problems",
    RESPONSES.name: "requests",
    SAMPLES.name: "responses",
    EXECUTIONS.name: "samples",
    SFT_DATASET.name: "samples",
    PLANS.name: "requests",
    PLAN_SFT_DATASET.name: "rows",
    CRITIQUES.name: "questions",
}
ALL: Final = "*"


def build_funnel(store: Store) -> pa.Table:
    """Gather the accounts of every partition into one table, in the order of the flow.

    Raises
    ------
    ConservationError
        When the account of a partition does not add up.
    StoreError
        When a partition has no account.
    """
    rows = [row for position, table in enumerate(FLOW, start=1) for row in _stage_rows(store, position, table)]
    return pa.Table.from_pylist(rows, schema=FUNNEL.schema)


def manifests(store: Store, table: Table) -> Iterator[Manifest]:
    """Yield the manifest of every whole partition of a table, in the order of the keys."""
    for keys in store.partitions(table):
        manifest = store.manifest(table, **keys)
        if manifest is not None:
            yield manifest


def account_of(manifest: Manifest) -> StageCounts:
    """Return the account of one partition, checked.

    Raises
    ------
    ConservationError
        When it does not add up.
    StoreError
        When there is none.
    """
    name = "/".join([manifest.table, *manifest.partition.values()])
    if not manifest.counts:
        message = f"the manifest of {name} gives no account of its rows; build that partition again"
        raise StoreError(message)
    return manifest.stage_counts.require_conserved(name)


def _stage_rows(store: Store, position: int, table: Table) -> Iterator[dict[str, object]]:
    for manifest in manifests(store, table):
        counts = account_of(manifest)
        place = {
            "position": position,
            "stage": table.name,
            "dataset": manifest.partition.get("dataset", ALL),
            "language": manifest.partition.get("language", ALL),
        }
        for reason, rows in [(KEPT, counts.kept), *sorted(counts.dropped.items())]:
            yield place | {"reason": reason, "rows": rows}


def stage_totals(funnel: pa.Table) -> dict[str, StageCounts]:
    """Add up a funnel over data sets and languages: one account per stage, in the order of the flow."""
    totals: dict[str, StageCounts] = {}
    for row in funnel.sort_by("position").to_pylist():
        kept = row["rows"] if row["reason"] == KEPT else 0
        dropped = {} if row["reason"] == KEPT else {row["reason"]: row["rows"]}
        one = StageCounts(rows_in=row["rows"], kept=kept, dropped=dropped)
        totals[row["stage"]] = totals[row["stage"]] + one if row["stage"] in totals else one
    return totals


def print_funnel(funnel: pa.Table, console: Console) -> None:
    """Print one line per stage with its reasons, most frequent first, so that every raw row can be followed."""
    if not funnel.num_rows:
        console.print("The funnel is empty: nothing has been materialized yet.")
        return
    from rich.table import Table as RichTable

    grid = RichTable(title="Funnel: in = kept + dropped, at every stage", title_justify="left")
    grid.add_column("stage", no_wrap=True)
    grid.add_column("in", justify="right", no_wrap=True)
    grid.add_column("of", no_wrap=True)
    grid.add_column("kept", justify="right", no_wrap=True, style="green")
    grid.add_column("dropped", justify="right", no_wrap=True, style="red")
    grid.add_column("why", overflow="fold")
    for stage, counts in stage_totals(funnel).items():
        dropped = sum(counts.dropped.values())
        grid.add_row(
            stage, f"{counts.rows_in:,}", RECEIVES[stage], f"{counts.kept:,}", f"{dropped:,}", _reasons(counts)
        )
    console.print(grid)


def _reasons(counts: StageCounts) -> str:
    by_frequency = sorted(counts.dropped.items(), key=lambda item: (-item[1], item[0]))
    return "\n".join(f"{rows:,} {reason}" for reason, rows in by_frequency if rows)
