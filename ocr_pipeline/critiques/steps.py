"""The step of this room: a critic is asked about judged samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final

from ocr_pipeline import critiques
from ocr_pipeline.asking import Asking
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.critiques.make import Inputs, make_critiques
from ocr_pipeline.critiques.options import CritiqueConfig
from ocr_pipeline.engine import LocalEngine
from ocr_pipeline.engine.services import CLUSTER
from ocr_pipeline.judge.sandbox import require_hidden
from ocr_pipeline.judge.showing import Showing, shown_output
from ocr_pipeline.judge.tasks import close_workplaces
from ocr_pipeline.judge.verdicts import JudgeConfig
from ocr_pipeline.steps import LEDGER, Job, Read, Step
from ocr_pipeline.tables import CLEAN_PROBLEMS, CRITIQUES, EXECUTIONS, GENERATED_TESTS, SAMPLES, TESTS
from ocr_pipeline.teacher.services import SERVER

__all__ = ["CRITICIZE"]

TESTS_NEEDED: Final = ("problem_id", "test_id", "input", "expected")


def _criticize(job: Job) -> StageCounts:
    require_hidden(job.places)
    name = "-".join(("critiques", *job.partition.values()))
    return make_critiques(
        Inputs(
            job.read(EXECUTIONS),
            job.read(SAMPLES),
            job.read(CLEAN_PROBLEMS),
            (job.read(TESTS), job.read(GENERATED_TESTS)),
        ),
        config=job.options(CritiqueConfig),
        asking=job.options(Asking),
        server=job.use(SERVER),
        ledger=job.folder(LEDGER) / f"{name}.sqlite",
        writer=job.writer(CRITIQUES),
        show=partial(_show, job),
        progress=job.progress,
    )


def _show(job: Job, showings: Iterable[Showing]) -> Iterator[tuple[str, str]]:
    config = job.options(JudgeConfig)
    engine = job.use(CLUSTER) or LocalEngine(config.processes)
    yield from engine.spread(partial(shown_output, config=config), showings)
    close_workplaces()


CRITICIZE: Final = Step(
    name="critiques",
    group="6_dataset",
    version=critiques.VERSION,
    reads=(
        Read(EXECUTIONS, ("sample_id", "problem_id", "language", "verdict")),
        Read(SAMPLES, ("sample_id", "problem_id", "language", "code")),
        Read(CLEAN_PROBLEMS, ("problem_id", "statement")),
        Read(TESTS, TESTS_NEEDED, through=EXECUTIONS),
        Read(GENERATED_TESTS, TESTS_NEEDED, is_optional=True, through=EXECUTIONS),
    ),
    writes=(CRITIQUES,),
    options=(CritiqueConfig, JudgeConfig),
    uses=(SERVER, CLUSTER),
    folders=(LEDGER,),
    partition_by=("dataset", "language"),
    kinds=("vllm",),
    pool="teacher",
    unit="critiques",
    asks=Asking,
    by_hand=True,
    repeat_for=frozenset({"teacher_error"}),
    run=_criticize,
)
