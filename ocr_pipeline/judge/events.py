"""How trust in a problem's tests, and a sample's verdict on them, read in ``explain``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ocr_pipeline.events import Event, Found, SampleRef, Told
from ocr_pipeline.tables import EXECUTIONS, TEST_TRUST

__all__ = ["TOLD"]

SHOWN_TESTS: Final = 5


def _trusted(found: Found, problem_id: str) -> Iterator[Event]:
    """Tell what reference solutions said of the tests."""
    for _, rows in found.of_problem(TEST_TRUST, problem_id):
        tests = [row for row in rows if row["test_id"] is not None]
        shown = tuple({name: test[name] for name in ("test_id", "flag", "detail")} for test in tests[:SHOWN_TESTS])
        for row in (row for row in rows if row["test_id"] is None):
            summary = f"{row['n_passed']} of {row['n_solutions_run']} reference solutions pass"
            yield Event(TEST_TRUST.name, row["flag"], f"{summary}; {len(tests)} tests left out", shown)


def _executed(found: Found, sample: SampleRef) -> Iterator[Event]:
    for row in found.of_sample(EXECUTIONS, sample):
        rate = "not run" if row["pass_rate"] is None else f"{row['tests_passed']} of {row['tests_total']} tests"
        first = f", first failed: {row['first_failed_test']}" if row["first_failed_test"] else ""
        yield Event(EXECUTIONS.name, row["verdict"], rate + first)


TOLD: Final = (Told(TEST_TRUST, of_problem=_trusted), Told(EXECUTIONS, of_sample=_executed))
