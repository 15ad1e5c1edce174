"""The steps of this room: correct solutions are asked about the tests, and samples are judged by them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ocr_pipeline import judge
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.engine.services import CLUSTER
from ocr_pipeline.judge.sandbox import require_hidden
from ocr_pipeline.judge.step import judge as judge_samples
from ocr_pipeline.judge.trust import check_tests
from ocr_pipeline.judge.verdicts import JudgeConfig, TrustConfig
from ocr_pipeline.steps import JUDGED, Job, Read, Step
from ocr_pipeline.tables import CLEAN_PROBLEMS, EXECUTIONS, SAMPLES, SOLUTIONS, TEST_TRUST, TESTS

__all__ = ["CHECK_TESTS", "JUDGE"]

GROUP: Final = "5_samples"
POOL: Final = "sandbox"
PROBLEMS_READ: Final = Read(CLEAN_PROBLEMS, ("problem_id",))
TESTS_READ: Final = Read(TESTS, ("problem_id", "test_id", "input", "expected"))


def _check_tests(job: Job) -> StageCounts:
    require_hidden(job.places)
    job.read(TESTS).check()
    job.read(SOLUTIONS).check()
    return check_tests(
        job.read(CLEAN_PROBLEMS).batches,
        job.read(TESTS).of,
        job.read(SOLUTIONS).of,
        config=job.options(TrustConfig),
        writer=job.writer(TEST_TRUST),
        checkpoint=job.folder(JUDGED),
        progress=job.progress,
        engine=job.use(CLUSTER),
    )


def _judge(job: Job) -> StageCounts:
    require_hidden(job.places)
    job.read(TESTS).check()
    trust = job.read(TEST_TRUST)
    return judge_samples(
        job.read(CLEAN_PROBLEMS).batches(),
        job.read(TESTS).of,
        job.read(SAMPLES).batches(),
        config=job.options(JudgeConfig),
        writer=job.writer(EXECUTIONS),
        trust=trust.batches() if trust.exist else (),
        checkpoint=job.folder(JUDGED),
        progress=job.progress,
        engine=job.use(CLUSTER),
    )


CHECK_TESTS: Final = Step(
    name="test_trust",
    group=GROUP,
    version=judge.VERSION,
    reads=(
        PROBLEMS_READ,
        TESTS_READ,
        Read(SOLUTIONS, ("problem_id", "solution_id", "language", "code", "is_correct")),
    ),
    writes=(TEST_TRUST,),
    options=(TrustConfig,),
    uses=(CLUSTER,),
    folders=(JUDGED,),
    partition_by=("dataset",),
    pool=POOL,
    unit="solutions",
    run=_check_tests,
)
JUDGE: Final = Step(
    name="executions",
    group=GROUP,
    version=judge.VERSION,
    reads=(
        Read(SAMPLES, ("sample_id", "problem_id", "language", "code")),
        PROBLEMS_READ,
        replace(TESTS_READ, through=TEST_TRUST),
        Read(TEST_TRUST, is_optional=True),
    ),
    writes=(EXECUTIONS,),
    options=(JudgeConfig,),
    uses=(CLUSTER,),
    folders=(JUDGED,),
    partition_by=("dataset", "language"),
    pool=POOL,
    unit="samples",
    run=_judge,
)
