"""The counts of one ingest: kept and rejected rows, and everything else a person wants to see beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from ocr_pipeline.counts import StageCounts

__all__ = ["Tally"]

NOTED_COLUMNS = ("site", "io_mode", "checker", "difficulty", "license")


@dataclass
class Tally:
    """Counts while the tables are written."""

    rows_in: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)

    def keep(self, problem: Mapping[str, object]) -> None:
        """Count a problem that was written."""
        self.kept += 1
        for column in NOTED_COLUMNS:
            self.notes[f"{column}:{problem[column] or 'unknown'}"] += 1
        if problem["has_image"]:
            self.notes["has_image"] += 1
        repairs = problem["repairs"]
        for repair in repairs if isinstance(repairs, list) else ():
            self.notes[f"repair:{repair}"] += 1

    def counts(self) -> StageCounts:
        """Return the account."""
        return StageCounts(
            self.rows_in,
            self.kept,
            dict(sorted(self.dropped.items())),
            {name: count for name, count in sorted(self.notes.items()) if count},
        )
