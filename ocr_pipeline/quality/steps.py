"""The step of this room: the tests of every problem are measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import pyarrow as pa

from ocr_pipeline import quality
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.engine.services import Cluster
from ocr_pipeline.errors import OptionError
from ocr_pipeline.made_checkers import with_made_checkers
from ocr_pipeline.quality.measuring import measure_tests
from ocr_pipeline.quality.metering import CPU_NOTE, MeteredJudge
from ocr_pipeline.quality.options import QualityConfig
from ocr_pipeline.quality.problems import LeftOut
from ocr_pipeline.quality.reading import Inputs, nothing
from ocr_pipeline.quality.running import EVERY_TEST, LentJudge
from ocr_pipeline.quality.summary import summary_lines, summary_of
from ocr_pipeline.steps import JUDGED, Job, Read, Rows, Service, Step
from ocr_pipeline.tables import (
    CLEAN_PROBLEMS,
    GENERATED_TESTS,
    SAMPLES,
    SOLUTIONS,
    TEST_PROGRAMS,
    TEST_QUALITY,
    TEST_TRUST,
    TESTS,
)

__all__ = ["MEASURE_TESTS"]

JUDGE: Final[Service[LentJudge]] = Service(
    "judge",
    ("ocr_pipeline.judge.verdicts:JudgeConfig", Cluster),
    "ocr_pipeline.judge.lending:open_judge",
    (JUDGED,),
)
TESTS_NEEDED: Final = ("problem_id", "test_id", "input", "expected")
PROGRAMS: Final = ("problem_id", "solution_id", "language", "code", "is_correct")


def _takes_samples(job: Job) -> bool:
    return job.options(QualityConfig).sampled_programs > 0


def _refuse_fewer_tests(job: Job) -> None:
    """Refuse options of the judge that would leave tests out; in a data root they are those of other assets, too."""
    for model in () if job.partition else MEASURE_TESTS.all_options:
        given = job.options(model)
        for name, value in EVERY_TEST.items():
            if getattr(given, name, value) != value:
                raise OptionError(f"{name} has no effect on test-quality, which runs every test; leave it out")


def _measure(job: Job) -> StageCounts:
    _refuse_fewer_tests(job)
    job.read(TESTS).check()
    job.read(SOLUTIONS).check()
    trust, generated = job.read(TEST_TRUST), job.read(GENERATED_TESTS)
    programs = job.read(TEST_PROGRAMS)
    judge = MeteredJudge(job.use(JUDGE))
    inputs = Inputs(
        with_made_checkers(job.read(CLEAN_PROBLEMS).batches(), programs.batches() if programs.exist else ()),
        tests=job.read(TESTS).of,
        generated=generated.of if generated.exist else nothing,
        programs=job.read(SOLUTIONS).of,
        samples=job.read(SAMPLES).of if _takes_samples(job) and job.read(SAMPLES).exist else nothing,
        trust=trust.batches() if trust.exist else (),
    )
    config, writer = job.options(QualityConfig), job.writer(TEST_QUALITY)
    counts = measure_tests(inputs, judge=judge, config=config, writer=writer, progress=job.progress)
    strangers = _programs_of_other_problems(job)
    left_out = {f"programs left out: {LeftOut.UNKNOWN_PROBLEM}": strangers} if strangers else {}
    return replace(counts, notes={**counts.notes, **left_out, CPU_NOTE: round(1_000 * judge.cpu_s)})


def _programs_of_other_problems(job: Job) -> int:
    """Count programs of problems that are not there; whoever reads problem by problem does not see them."""
    known = set(_problem_ids(job.read(CLEAN_PROBLEMS)))
    return sum(name not in known for name in _problem_ids(job.read(SOLUTIONS)))


def _problem_ids(rows: Rows) -> Iterator[str]:
    for batch in rows.batches(("problem_id",)):
        yield from batch.column("problem_id").to_pylist()


def _inspect(job: Job, counts: StageCounts) -> Iterator[str]:
    yield from summary_lines(job.read(TEST_QUALITY).batches())
    if counts.rows_in:
        spent = counts.notes.get(CPU_NOTE, 0) / 1_000
        yield f"programs took {spent:.1f} s of CPU in their jails, {spent / counts.rows_in:.2f} s a problem"


def _shows(job: Job) -> Mapping[str, pa.Table]:
    return {"test_quality_summary": summary_of(job.read(TEST_QUALITY).batches())}


MEASURE_TESTS: Final = Step(
    name="test_quality",
    group="5_samples",
    version=quality.VERSION,
    reads=(
        Read(CLEAN_PROBLEMS, ("problem_id",)),
        Read(TESTS, TESTS_NEEDED),
        Read(GENERATED_TESTS, TESTS_NEEDED, is_optional=True),
        Read(SOLUTIONS, PROGRAMS, option="programs", renamed={"program_id": "solution_id"}),
        Read(TEST_PROGRAMS, is_optional=True, option="checkers", through=GENERATED_TESTS),
        Read(TEST_TRUST, is_optional=True),
        Read(
            SAMPLES,
            ("sample_id", "problem_id", "language", "code"),
            is_optional=True,
            is_feedback=True,
            when=_takes_samples,
        ),
    ),
    writes=(TEST_QUALITY,),
    options=(QualityConfig,),
    uses=(JUDGE,),
    partition_by=("dataset",),
    pool="sandbox",
    unit="programs",
    run=_measure,
    inspects=_inspect,
    shows=_shows,
)
