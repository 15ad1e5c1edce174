"""The step of this room: the teacher is asked about every clean problem."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from ocr_pipeline import teacher
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import TeacherError
from ocr_pipeline.steps import LEDGER, Job, Read, Step
from ocr_pipeline.tables import CLEAN_PROBLEMS, EXECUTIONS, RESPONSES, SAMPLES
from ocr_pipeline.teacher.forecast import Forecast, forecasts
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

UNASKED: Final = (ErrorKind.SAME_REQUEST, ErrorKind.BUDGET)
"""Left out as somebody wants it, so no failure: the next run asks what a cap left."""


def _generate(job: Job) -> StageCounts:
    told: dict[str, Any] = {}
    for model, expected in _forecasts(job):
        for line in _lines(model, expected, job):
            job.services.log(line)
        if isinstance(expected, Forecast):
            told[model] = asdict(expected)
    job.observe("forecast", told if len(told) != 1 else next(iter(told.values())))
    job.progress.expect(sum(each["requests"] for each in told.values()))
    problems = job.read(CLEAN_PROBLEMS).batches
    return generate(problems, **_asked(job), writer=job.writer(RESPONSES), progress=job.progress)


def _forecasts(job: Job) -> Iterator[tuple[str, Forecast | TeacherError]]:
    return forecasts(job.read(CLEAN_PROBLEMS).batches, **_asked(job))


def _lines(model: str, expected: Forecast | TeacherError, job: Job) -> Iterator[str]:
    """Describe a forecast; of several teachers each line begins with the model."""
    head = f"{model}: " if job.options(GenerateConfig).teachers else ""
    said = expected.lines() if isinstance(expected, Forecast) else [str(expected)]
    return (f"{head}{line}" for line in said)


def _foretold(job: Job) -> Iterator[str]:
    for model, expected in _forecasts(job):
        yield from _lines(model, expected, job)


def _asked(job: Job) -> dict[str, Any]:
    config = job.options(GenerateConfig)
    return {
        "config": config,
        "server": job.use(SERVER),
        "ledger": job.folder(LEDGER),
        "dataset": job.partition.get("dataset", FILES),
        "policy": policy_of(config, job.read(SAMPLES), job.read(EXECUTIONS)),
    }


def _inspect(job: Job, counts: StageCounts) -> Iterator[str]:
    """Yield the first failure of each kind; too many failures are an error."""
    seen = set[str]()
    for batch in job.read(RESPONSES).batches(["error"]) if counts.dropped else ():
        for error in filter(None, batch["error"].to_pylist()):
            kind = error.partition(":")[0]
            if kind not in seen:
                seen.add(kind)
                yield f"first failure: {error}"
    share = job.options(GenerateConfig).max_failed_share
    unasked = sum(counts.dropped.get(kind, 0) for kind in UNASKED)
    asked, failed = counts.rows_in - unasked, sum(counts.dropped.values()) - unasked
    if failed > share * asked:
        message = (
            f"{failed:,} of {asked:,} requests failed, more than the share of {share:g} that max_failed_share allows"
        )
        raise TeacherError(message)


def _goes_by_rounds(job: Job) -> bool:
    return job.options(GenerateConfig).enough_accepted is not None


GENERATE: Final = Step(
    name="responses",
    group="4_teacher",
    version=teacher.VERSION,
    reads=(
        Read(CLEAN_PROBLEMS, NEEDED_COLUMNS),
        Read(SAMPLES, is_optional=True, is_feedback=True, when=_goes_by_rounds, option="judged-samples"),
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
    foretells=_foretold,
    inspects=_inspect,
)
