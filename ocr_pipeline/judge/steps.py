"""The steps of this room: correct solutions are asked about the tests, and samples are judged by them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from ocr_pipeline import judge
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.engine.services import CLUSTER
from ocr_pipeline.errors import InputError
from ocr_pipeline.judge.policy import TestsOptions, TestsPolicy, chosen_tests, quality_of
from ocr_pipeline.judge.sandbox import require_hidden
from ocr_pipeline.judge.spool import Shelf
from ocr_pipeline.judge.step import TestSource
from ocr_pipeline.judge.step import judge as judge_samples
from ocr_pipeline.judge.trust import check_tests
from ocr_pipeline.judge.verdicts import JudgeConfig, TrustConfig
from ocr_pipeline.made_checkers import with_made_checkers
from ocr_pipeline.steps import JUDGED, Job, Read, Step
from ocr_pipeline.store import rows_of
from ocr_pipeline.tables import (
    CLEAN_PROBLEMS,
    EXECUTIONS,
    GENERATED_TESTS,
    SAMPLES,
    SOLUTIONS,
    TEST_PROGRAMS,
    TEST_QUALITY,
    TEST_TRUST,
    TESTS,
)

__all__ = ["CHECK_TESTS", "JUDGE"]

GROUP: Final = "5_samples"
POOL: Final = "sandbox"
PROBLEMS_READ: Final = Read(CLEAN_PROBLEMS, ("problem_id",))
TRUST_COLUMNS: Final = ("problem_id", "test_id", "flag")
QUALITY_COLUMNS: Final = ("problem_id", "policy", "tpr", "tnr", "band")
SAMPLES_READ: Final = Read(SAMPLES, ("sample_id", "problem_id", "language", "code"))
TESTS_READ: Final = Read(TESTS, ("problem_id", "test_id", "input", "expected"))
SOLUTIONS_READ: Final = Read(SOLUTIONS, ("problem_id", "solution_id", "language", "code", "is_correct"))
LINES: Final = (".jsonl", ".ndjson", ".json")


def _takes_generated(job: Job) -> bool:
    return job.options(TestsOptions).tests_policy is not TestsPolicy.SOURCE


@contextmanager
def _by_problem(job: Job, read: Read) -> Iterator[TestSource]:
    """Give the rows of a table by their problems, after all were read once: what cannot be read is refused before any work.

    Parquet is read where the problems are; lines are kept on disk, or each lookup would read them all.
    """
    rows = job.read(read.table)
    if not any(path.suffix in LINES for path in rows.places):
        rows.check()
        yield rows.of
        return
    with Shelf(read.table.schema_of(read.needed)) as shelf:
        for batch in rows.batches(read.needed):
            shelf.add(batch)
        yield shelf.of


def _check_tests(job: Job) -> StageCounts:
    require_hidden(job.places)
    with _by_problem(job, TESTS_READ) as tests, _by_problem(job, SOLUTIONS_READ) as solutions:
        return check_tests(
            job.read(CLEAN_PROBLEMS).batches,
            tests,
            solutions,
            config=job.options(TrustConfig),
            writer=job.writer(TEST_TRUST),
            checkpoint=job.folder(JUDGED),
            progress=job.progress,
            engine=job.use(CLUSTER),
        )


def _judge(job: Job) -> StageCounts:
    require_hidden(job.places)
    policy = job.options(TestsOptions).tests_policy
    trust, measured, generated = job.read(TEST_TRUST), job.read(TEST_QUALITY), job.read(GENERATED_TESTS)
    flags = list(rows_of(trust.batches(TRUST_COLUMNS) if trust.exist else ()))
    if policy is not TestsPolicy.SOURCE and not generated.exist:
        raise InputError(
            f"tests_policy is {policy}, but there are no generated tests; materialize generated_tests, or give --generated-tests"
        )
    problems, checkers = job.read(CLEAN_PROBLEMS).batches(), job.read(TEST_PROGRAMS)
    if policy is not TestsPolicy.SOURCE and checkers.exist:
        problems = with_made_checkers(problems, checkers.batches())
    with _by_problem(job, TESTS_READ) as tests:
        return judge_samples(
            problems,
            chosen_tests(policy, tests, generated.of, flags),
            job.read(SAMPLES).batches(SAMPLES_READ.needed),
            config=job.options(JudgeConfig),
            writer=job.writer(EXECUTIONS),
            trust=trust.batches() if trust.exist else (),
            quality=quality_of(policy, measured.batches(), flags) if measured.exist else {},
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
        SOLUTIONS_READ,
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
    version=f"{judge.VERSION}.2",  # rows have further columns; verdicts that are kept stay as they are
    reads=(
        SAMPLES_READ,
        PROBLEMS_READ,
        replace(TESTS_READ, through=TEST_TRUST),
        Read(TEST_TRUST, is_optional=True),
        Read(TEST_QUALITY, QUALITY_COLUMNS, is_optional=True),
        Read(GENERATED_TESTS, TESTS_READ.needed, is_optional=True, when=_takes_generated),
        Read(TEST_PROGRAMS, is_optional=True, option="checkers", through=GENERATED_TESTS, when=_takes_generated),
    ),
    writes=(EXECUTIONS,),
    options=(JudgeConfig, TestsOptions),
    uses=(CLUSTER,),
    folders=(JUDGED,),
    partition_by=("dataset", "language"),
    pool=POOL,
    unit="samples",
    run=_judge,
)
