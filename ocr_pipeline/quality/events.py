"""How the quality of a problem's tests reads in ``explain``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ocr_pipeline.events import Event, Found, Told
from ocr_pipeline.quality.rates import Rate
from ocr_pipeline.tables import TEST_QUALITY

__all__ = ["TOLD"]


def _measured(found: Found, problem_id: str) -> Iterator[Event]:
    for _, rows in found.of_problem(TEST_QUALITY, problem_id):
        for row in rows:
            right = Rate(row["right_passed"], row["right_run"])
            wrong = Rate(row["wrong_failed"], row["wrong_run"])
            mutants = f"{row['mutants_killed']} of {row['mutants_run']} mutants fail"
            summary = f"{row['tests']} tests ({row['policy']}): right programs pass {right}, wrong ones fail {wrong}, {mutants}"
            details = [("right, but refused", row["refused_right"]), ("wrong, but let through", row["missed_wrong"])]
            shown = tuple({"programs": what, "ids": ", ".join(ids)} for what, ids in details if ids)
            yield Event(TEST_QUALITY.name, row["reason"] or row["band"] or "no band", summary, shown)


TOLD: Final = (Told(TEST_QUALITY, of_problem=_measured),)
