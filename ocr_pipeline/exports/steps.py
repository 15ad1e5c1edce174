"""The step of this room that writes a table: how hard each problem is."""

from __future__ import annotations

from typing import Final

from ocr_pipeline import exports
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.exports.difficulty import ASKED, TESTED, measure
from ocr_pipeline.steps import Job, Read, Step
from ocr_pipeline.tables import EXECUTIONS, PROBLEM_DIFFICULTY, RESPONSES

__all__ = ["MEASURE_DIFFICULTY"]


def _measure(job: Job) -> StageCounts:
    responses = job.read(RESPONSES)
    return measure(
        job.read(EXECUTIONS).batches(TESTED),
        responses.batches(ASKED) if responses.exist else (),
        writer=job.writer(PROBLEM_DIFFICULTY),
    )


MEASURE_DIFFICULTY: Final = Step(
    name="problem_difficulty",
    group="6_dataset",
    version=exports.VERSION,
    reads=(
        Read(EXECUTIONS, ("sample_id", "problem_id", "language", "verdict")),
        Read(RESPONSES, ("request_id", "model"), is_optional=True),
    ),
    writes=(PROBLEM_DIFFICULTY,),
    partition_by=("dataset", "language"),
    unit="attempts",
    run=_measure,
)
