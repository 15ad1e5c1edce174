"""The step of this room: tests are made for problems whose own are weak."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

import pyarrow as pa

from ocr_pipeline import generating
from ocr_pipeline.asking import Asking, Connection
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.engine.services import CLUSTER
from ocr_pipeline.generating.by_model import AskTeacher
from ocr_pipeline.generating.options import GeneratingConfig
from ocr_pipeline.generating.outcomes import CPU_NOTE
from ocr_pipeline.generating.showing import caught_side_by_side
from ocr_pipeline.generating.step import make_tests
from ocr_pipeline.judge.sandbox import require_hidden
from ocr_pipeline.steps import LEDGER, Folder, Job, Read, Step
from ocr_pipeline.tables import CLEAN_PROBLEMS, GENERATED_TESTS, SOLUTIONS, TEST_PROGRAMS, TESTS
from ocr_pipeline.teacher.ask import Reply
from ocr_pipeline.teacher.ask import ask as ask_teacher
from ocr_pipeline.teacher.request import Request
from ocr_pipeline.teacher.services import SERVER
from ocr_pipeline.teacher.session import Totals, paid_notes

__all__ = ["GENERATE_TESTS"]

MADE: Final = Folder(
    "generated", "Folder that keeps the finished tests of each problem for the next run.", "made", ".generate-tests"
)


def _generate(job: Job) -> StageCounts:
    require_hidden(job.places)
    job.read(TESTS).check()
    job.read(SOLUTIONS).check()
    earlier, totals = job.read(TEST_PROGRAMS), list[Totals]()
    counts = make_tests(
        job.read(CLEAN_PROBLEMS).batches(),
        job.read(TESTS).of,
        job.read(SOLUTIONS).of,
        config=job.options(GeneratingConfig),
        writer=job.writer(GENERATED_TESTS),
        programs=job.writer(TEST_PROGRAMS),
        finished=job.folder(MADE),
        ask=_teacher(job, totals) if _asks(job) else None,
        # A run that asks nobody, such as one that the sensor starts, or whose server fails, keeps what was paid for before.
        earlier=earlier.of if earlier.exist else None,
        progress=job.progress,
        engine=job.use(CLUSTER),
    )
    return replace(counts, notes={**counts.notes, **paid_notes(totals)}) if totals else counts


def _asks(job: Job) -> bool:
    """Whether the teacher is asked: the option says so, or a person names a server on the command line."""
    return job.options(GeneratingConfig).by_model or (not job.partition and bool(job.options(Connection).urls))


def _teacher(job: Job, totals: list[Totals]) -> AskTeacher:
    ledger = job.folder(LEDGER) / f"tests-{job.partition.get('dataset', 'all')}.sqlite"

    def ask(requests: Iterable[Request]) -> Iterator[Reply]:
        return ask_teacher(
            requests, server=job.use(SERVER), ledger=ledger, config=job.options(Asking), on_totals=totals.append
        )

    return ask


def _inspect(_: Job, counts: StageCounts) -> Iterator[str]:
    for who, what in (("wrong programs", "wrong"), ("mutants", "mutants")):
        known, caught, run = (
            counts.notes.get(name, 0) for name in (f"{what} caught by known tests", f"{what} caught", who)
        )
        yield f"{who} that fail a test: {known} of {run} before, {caught} of {run} with the tests that were made"
    spent, problems = counts.notes.get(CPU_NOTE, 0) / 1_000, counts.notes.get("problems", 0)
    if problems:
        yield f"programs took {spent:.1f} s of CPU in their jails, {spent / problems:.2f} s a problem"


def _shows(job: Job) -> Mapping[str, pa.Table]:
    return {"caught": caught_side_by_side(job.read(GENERATED_TESTS).batches(), job.read(SOLUTIONS).of)}


GENERATE_TESTS: Final = Step(
    name="generated_tests",
    group="5_samples",
    version=generating.VERSION,
    reads=(
        Read(CLEAN_PROBLEMS, ("problem_id", "statement")),
        Read(TESTS, ("problem_id", "test_id", "input", "expected")),
        Read(
            SOLUTIONS,
            ("problem_id", "solution_id", "language", "code", "is_correct"),
            renamed={"program_id": "solution_id"},
        ),
    ),
    writes=(GENERATED_TESTS, TEST_PROGRAMS),
    options=(GeneratingConfig,),
    uses=(CLUSTER, SERVER),
    folders=(MADE, LEDGER),
    partition_by=("dataset",),
    pool="sandbox",
    unit="problems",
    run=_generate,
    inspects=_inspect,
    shows=_shows,
)
