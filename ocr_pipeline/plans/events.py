"""How a problem's solution plans read in ``explain``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ocr_pipeline.events import Event, Found, Told
from ocr_pipeline.tables import PLANS

__all__ = ["TOLD"]


def _planned(found: Found, problem_id: str) -> Iterator[Event]:
    for _, plans in found.of_problem(PLANS, problem_id, ["plan_id", "solution_id", "verdict", "reasons"]):
        for row in plans:
            read_from = f"from solution {row['solution_id']}" if row["solution_id"] else "from the statement"
            name = f"{row['plan_id'].removeprefix(f'{problem_id}/')} {read_from}"
            yield Event(PLANS.name, row["verdict"], ", ".join([name, *row["reasons"]]))


TOLD: Final = (Told(PLANS, of_problem=_planned),)
