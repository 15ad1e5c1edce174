"""How the difficulty of a problem reads in ``explain``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ocr_pipeline.events import Event, Found, Told
from ocr_pipeline.tables import PROBLEM_DIFFICULTY

__all__ = ["TOLD"]


def _measured(found: Found, problem_id: str) -> Iterator[Event]:
    for _, rows in found.of_problem(PROBLEM_DIFFICULTY, problem_id):
        for row in rows:
            summary = f"{row['model']}, {row['language']}: {row['accepted']} of {row['n']} attempts accepted"
            unscored = f", {row['unscored']} unscored" if row["unscored"] else ""
            yield Event(PROBLEM_DIFFICULTY.name, row["band"] or "no band", summary + unscored)


TOLD: Final = (Told(PROBLEM_DIFFICULTY, of_problem=_measured),)
