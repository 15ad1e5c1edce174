"""How the teacher's answers read in ``explain``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ocr_pipeline.events import Event, Found, SampleRef, Told, narrow_columns
from ocr_pipeline.tables import RESPONSES

__all__ = ["TOLD"]

SHOWN: Final = (
    "finish_reason",
    "prompt_tokens",
    "completion_tokens",
    "latency_s",
    "attempts",
    "params",
    "prompt_sha256",
)


def _asked(found: Found, problem_id: str) -> Iterator[Event]:
    """Tell how often a problem was asked, one event per language."""
    for keys, responses in found.of_problem(RESPONSES, problem_id, narrow_columns(RESPONSES)):
        failed = sum(1 for row in responses if row["error"])
        summary = f"{len(responses)} in {keys['language']} by {responses[0]['model']}, {failed} failed"
        yield Event(RESPONSES.name, "asked", summary)


def _answered(found: Found, sample: SampleRef) -> Iterator[Event]:
    for row in found.of_sample(RESPONSES, sample):
        summary = f"sample {row['sample_index']} of {sample.problem_id} in {row['language']} by {row['model']}"
        details = {name: row[name] for name in SHOWN if row[name] is not None}
        yield Event(RESPONSES.name, "failed" if row["error"] else "answered", row["error"] or summary, (details,))


TOLD: Final = (Told(RESPONSES, of_problem=_asked, of_sample=_answered),)
