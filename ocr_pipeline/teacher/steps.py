"""The step of this room: the teacher is asked about every clean problem."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from ocr_pipeline import teacher
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.steps import LEDGER, Job, Read, Step
from ocr_pipeline.tables import CLEAN_PROBLEMS, EXECUTIONS, RESPONSES, SAMPLES
from ocr_pipeline.teacher.forecast import forecast
from ocr_pipeline.teacher.generate import NEEDED_COLUMNS, generate
from ocr_pipeline.teacher.options import GenerateConfig
from ocr_pipeline.teacher.reply import ErrorKind
from ocr_pipeline.teacher.rounds import policy_of
from ocr_pipeline.teacher.services import SERVER

__all__ = ["GENERATE", "POOL"]

POOL: Final = "teacher"
FILES: Final = "problems"
"""What the ledger of a command is called: its problems are of no particular data set."""
TRANSIENT: Final = frozenset(
    kind.value for kind in ErrorKind if not kind.is_permanent and kind is not ErrorKind.SAME_REQUEST
)


def _generate(job: Job) -> StageCounts:
    config = job.options(GenerateConfig)
    problems = job.read(CLEAN_PROBLEMS).batches
    asked: dict[str, Any] = {
        "config": config,
        "server": job.use(SERVER),
        "ledger": job.folder(LEDGER),
        "dataset": job.partition.get("dataset", FILES),
        "policy": policy_of(config, job.read(SAMPLES), job.read(EXECUTIONS)),
    }
    expected = forecast(problems, **asked)
    for line in expected.lines():
        job.services.log(line)
    job.observe("forecast", asdict(expected))
    job.progress.expect(expected.requests)
    return generate(problems, **asked, writer=job.writer(RESPONSES), progress=job.progress)


def _goes_by_rounds(job: Job) -> bool:
    return job.options(GenerateConfig).enough_accepted is not None


GENERATE: Final = Step(
    name="responses",
    group="4_teacher",
    version=teacher.VERSION,
    reads=(
        Read(CLEAN_PROBLEMS, NEEDED_COLUMNS),
        Read(SAMPLES, is_optional=True, is_feedback=True, when=_goes_by_rounds),
        Read(EXECUTIONS, is_optional=True, is_feedback=True, when=_goes_by_rounds),
    ),
    writes=(RESPONSES,),
    options=(GenerateConfig,),
    uses=(SERVER,),
    folders=(LEDGER,),
    partition_by=("dataset", "language"),
    kinds=("vllm",),
    pool=POOL,
    unit="requests",
    asks=GenerateConfig,
    repeat_for=TRANSIENT,
    run=_generate,
)
