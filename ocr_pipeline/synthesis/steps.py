"""The step of this room: new problems are made from known ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from ocr_pipeline import synthesis
from ocr_pipeline.asking import Asking
from ocr_pipeline.contamination.steps import BenchmarkOptions, benchmarks_of
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.engine import LocalEngine
from ocr_pipeline.engine.services import CLUSTER
from ocr_pipeline.generating.options import GeneratingConfig
from ocr_pipeline.generating.steps import MADE
from ocr_pipeline.judge.sandbox import require_hidden
from ocr_pipeline.similarity.services import ENCODER, reviews_of
from ocr_pipeline.steps import LEDGER, Job, Read, Step, Whose
from ocr_pipeline.synthesis.novelty import Known
from ocr_pipeline.synthesis.options import SynthesisConfig
from ocr_pipeline.synthesis.step import Writers, synthesize
from ocr_pipeline.tables import (
    CLEAN_PROBLEMS,
    PROBLEMS,
    REVIEWS,
    SOLUTIONS,
    SYNTHETIC_PROBLEMS,
    SYNTHETIC_SOLUTIONS,
    SYNTHETIC_TESTS,
)
from ocr_pipeline.teacher.ask import Reply
from ocr_pipeline.teacher.ask import ask as ask_teacher
from ocr_pipeline.teacher.request import Request
from ocr_pipeline.teacher.services import SERVER

__all__ = ["SYNTHESIZE"]


def _synthesize(job: Job) -> StageCounts:
    config = job.options(SynthesisConfig)
    if not config.count:
        return StageCounts(0, 0)
    require_hidden(job.places)
    job.read(SOLUTIONS).check()
    making = job.options(GeneratingConfig)

    def ask(requests: Iterable[Request]) -> Iterator[Reply]:
        ledger = job.folder(LEDGER) / "synthesis.sqlite"
        return ask_teacher(requests, server=job.use(SERVER), ledger=ledger, config=job.options(Asking))

    known = Known(
        job.read(CLEAN_PROBLEMS).batches,
        benchmarks_of(job),
        job.use(ENCODER),
        reviews_of(job.read(REVIEWS)),
        config.novelty_threshold,
    )
    return synthesize(
        known,
        job.read(SOLUTIONS).of,
        config=config,
        making=making,
        ask=ask,
        writers=Writers(*map(job.writer, (SYNTHETIC_PROBLEMS, SYNTHETIC_TESTS, SYNTHETIC_SOLUTIONS))),
        finished=job.folder(MADE),
        engine=job.use(CLUSTER) or LocalEngine(making.processes),
        progress=job.progress,
    )


SYNTHESIZE: Final = Step(
    name="synthetic_problems",
    group="5_samples",
    version=synthesis.VERSION,
    reads=(
        Read(CLEAN_PROBLEMS, ("problem_id", "statement")),
        Read(SOLUTIONS, ("problem_id", "solution_id", "language", "code", "is_correct"), whose=Whose.TRAINING),
        Read(PROBLEMS, is_optional=True, whose=Whose.BENCHMARK, option="benchmark-problems"),
        Read(REVIEWS, is_optional=True),
    ),
    writes=(SYNTHETIC_PROBLEMS, SYNTHETIC_TESTS, SYNTHETIC_SOLUTIONS),
    options=(SynthesisConfig, GeneratingConfig, BenchmarkOptions),
    uses=(CLUSTER, SERVER, ENCODER),
    folders=(MADE, LEDGER),
    outside=("benchmarks",),
    pool="teacher",
    unit="problems",
    asks=Asking,
    by_hand=True,
    keeps=lambda job: not job.options(SynthesisConfig).count,
    repeat_for=frozenset({"teacher_error", "not_run"}),
    run=_synthesize,
)
