"""How the tests that were made for a problem read in ``explain``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from ocr_pipeline.events import Event, Found, Told
from ocr_pipeline.tables import GENERATED_TESTS

__all__ = ["TOLD"]


def _made(found: Found, problem_id: str) -> Iterator[Event]:
    for _, tests in found.of_problem(GENERATED_TESTS, problem_id, ["made_by", "catches"]):
        rows = list(tests)
        ways = ", ".join(f"{way} {count}" for way, count in sorted(Counter(row["made_by"] for row in rows).items()))
        caught = {program for row in rows for program in row["catches"]}
        yield Event(GENERATED_TESTS.name, "made", f"{len(rows)} tests ({ways}) that catch {len(caught)} wrong programs")


TOLD: Final = (Told(GENERATED_TESTS, of_problem=_made),)
