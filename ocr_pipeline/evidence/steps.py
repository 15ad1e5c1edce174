"""The step of this room that writes rows: what each reasoning does."""

from __future__ import annotations

from typing import Final

from ocr_pipeline import evidence
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.engine.services import ENGINE
from ocr_pipeline.evidence.patterns import KEPT, find_patterns
from ocr_pipeline.steps import Job, Read, Step
from ocr_pipeline.tables import REASONING_PATTERNS, RESPONSES, SAMPLES

__all__ = ["FIND_PATTERNS"]


def _find_patterns(job: Job) -> StageCounts:
    earlier = job.read(REASONING_PATTERNS)
    return find_patterns(
        job.read(SAMPLES).batches(["sample_id", "reasoning_span"]),
        job.read(RESPONSES).batches(["request_id", "text"]),
        engine=job.use(ENGINE),
        writer=job.writer(REASONING_PATTERNS),
        earlier=earlier.batches(list(KEPT)) if earlier.made_by(evidence.VERSION) else (),
    )


FIND_PATTERNS: Final = Step(
    name="reasoning_patterns",
    group="5_samples",
    version=evidence.VERSION,
    reads=(
        Read(SAMPLES, ("sample_id", "problem_id", "language", "reasoning_span", "verdict")),
        Read(RESPONSES, ("request_id", "text")),
    ),
    writes=(REASONING_PATTERNS,),
    uses=(ENGINE,),
    partition_by=("dataset", "language"),
    unit="samples",
    run=_find_patterns,
)
