"""Pairs that no evidence decides, and what the policy made of them: a line for each comparison of problems.

Counted in the tables themselves, so that the funnel and the data card say what a reader will find there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pyarrow.compute as pc

from ocr_pipeline.store import Store
from ocr_pipeline.tables import CONTAMINATION, DUPLICATE_PAIRS, Table

__all__ = ["undecided_pairs"]

UNDECIDED: Final = "undecided"
BY_THRESHOLD: Final = "threshold"
DROPPING: Final = ("duplicate", "contaminated")


def undecided_pairs(store: Store) -> Iterator[str]:
    """Say for duplicates and contamination how many pairs no evidence decides, and what became of them."""
    yield from _line(store, DUPLICATE_PAIRS, "pairs of problems")
    yield from _line(store, CONTAMINATION, "suspects of contamination")


def _line(store: Store, table: Table, what: str) -> Iterator[str]:
    manifest = store.manifest(table)
    if manifest is None:
        return
    rows = store.open(table)
    kept = rows.count_rows(filter=pc.field("decision") == UNDECIDED)
    dropped = rows.count_rows(
        filter=(pc.field("decided_by") == BY_THRESHOLD) & pc.field("decision").isin(list(DROPPING))
    )
    policy = manifest.config.get(UNDECIDED, "not recorded")
    yield (
        f"{table.name}: of {rows.count_rows():,} {what} no evidence decides {kept + dropped:,}; "
        f"{kept:,} are kept and wait for a review, {dropped:,} are dropped by the threshold alone (undecided: {policy})"
    )
