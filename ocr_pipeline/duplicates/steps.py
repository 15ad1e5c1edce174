"""The steps of this room: similar problems are compared, and one of each group of duplicates stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline import duplicates
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.duplicates.curve import LabelledPair, read_labelled, threshold_curve
from ocr_pipeline.duplicates.execution import Execution, PairJudge
from ocr_pipeline.duplicates.pairs import DuplicateConfig, compare_problems
from ocr_pipeline.duplicates.selection import DROPPING, select_unique
from ocr_pipeline.options import Options, option
from ocr_pipeline.similarity.services import ENCODER, OPINIONS, reviews_of
from ocr_pipeline.steps import JUDGED, Job, Read, Service, Step, Whose
from ocr_pipeline.tables import DUPLICATE_PAIRS, PROBLEMS, REVIEWS, SOLUTIONS, TESTS, UNIQUE_PROBLEMS

__all__ = ["COMPARE", "KEEP_ONE", "CurveOptions"]

GROUP: Final = "2_duplicates"
NEAREST: Final = 8
NEAREST_FIRST: Final = [(name, "ascending") for name in ("distance", "left_id", "right_id")]
PROBLEMS_READ: Final = Read(PROBLEMS, ("problem_id", "statement"), whose=Whose.TRAINING)


JUDGE_OF_PAIRS: Final[Service[PairJudge | None]] = Service(
    "judge_of_pairs",
    ("ocr_pipeline.judge.verdicts:Isolation",),
    "ocr_pipeline.judge.lending:open_judge_of_pairs",
    (JUDGED,),
)


class CurveOptions(Options):
    """What the threshold curve is measured on; the curve decides nothing."""

    labelled_pairs: Path | None = option(
        None,
        "Parquet with text_a, text_b and label: the curve's precision and recall are then those on these pairs",
        affects_output=False,
        also="labelled",
    )


def _compare(job: Job) -> StageCounts:
    tests, reviews = job.read(TESTS), reviews_of(job.read(REVIEWS))
    _labelled(job)  # what cannot be read is refused now, not after hours of work
    compared = compare_problems(
        job.read(PROBLEMS).batches(),
        tests=tests.batches() if tests.exist else None,
        config=job.options(DuplicateConfig),
        encoder=job.use(ENCODER),
        reviews=reviews,
        opinions=job.use(OPINIONS),
        execution=_execution(job),
    )
    for line in reviews.warnings(compared.reviewed):
        job.services.log(line)
    for batch in compared.batches():
        job.writer(DUPLICATE_PAIRS).write(batch)
    return StageCounts(rows_in=compared.rows, kept=compared.rows, notes=compared.notes)


def _execution(job: Job) -> Execution | None:
    """Return the judge with what it runs; none without tests, solutions, a budget or a sandbox."""
    tests, solutions = job.read(TESTS), job.read(SOLUTIONS)
    if not (tests.exist and solutions.exist and _runs_programs(job)):
        return None
    judge = job.use(JUDGE_OF_PAIRS)
    if judge is None:
        job.services.log("no sandbox works here: no solution is run, and pairs stay undecided")
        return None
    return Execution(judge, problems=job.read(PROBLEMS).batches, tests=tests.of, solutions=solutions.of)


def _runs_programs(job: Job) -> bool:
    return job.options(DuplicateConfig).execution_pairs > 0


def _labelled(job: Job) -> Sequence[LabelledPair]:
    path = job.options(CurveOptions).labelled_pairs
    return read_labelled(path) if path else ()


def _shows(job: Job) -> Mapping[str, pa.Table]:
    """Show what other thresholds would keep, and the pairs that are nearest to this one."""
    tests = job.read(TESTS)
    curve = threshold_curve(
        job.read(PROBLEMS).batches(),
        tests=tests.batches() if tests.exist else None,
        encoder=job.use(ENCODER),
        reviews=reviews_of(job.read(REVIEWS)),
        labelled=_labelled(job),
        undecided=job.options(DuplicateConfig).undecided,
    )
    return {"threshold_curve": curve, "pairs_near_the_threshold": _nearest(job)}


def _nearest(job: Job) -> pa.Table:
    """Return the pairs nearest to the threshold, of any number."""
    columns = ["left_id", "right_id", "cosine", "lexical", "decision"]
    schema = DUPLICATE_PAIRS.schema_of(columns)
    nearest = schema.append(pa.field("distance", pa.float64())).empty_table()
    for batch in job.read(DUPLICATE_PAIRS).batches(columns):
        distance = pc.abs(
            pc.subtract(batch.column("cosine").cast(pa.float64()), job.options(DuplicateConfig).threshold)
        )
        found = pa.table(batch).append_column("distance", distance)
        nearest = pa.concat_tables([nearest, found]).sort_by(NEAREST_FIRST).slice(0, NEAREST)
    return nearest.drop_columns("distance")


def _keep_one(job: Job) -> StageCounts:
    pairs = job.read(DUPLICATE_PAIRS).batches(DROPPING)
    return select_unique(job.read(PROBLEMS).batches, pairs, job.writer(UNIQUE_PROBLEMS))


COMPARE: Final = Step(
    name="duplicate_pairs",
    group=GROUP,
    version=duplicates.VERSION,
    reads=(
        PROBLEMS_READ,
        Read(TESTS, ("problem_id", "input", "expected"), is_optional=True, whose=Whose.TRAINING),
        Read(
            SOLUTIONS,
            ("problem_id", "language", "code", "is_correct"),
            is_optional=True,
            whose=Whose.TRAINING,
            when=_runs_programs,
        ),
        Read(REVIEWS, is_optional=True),
    ),
    writes=(DUPLICATE_PAIRS,),
    options=(DuplicateConfig, CurveOptions),
    uses=(ENCODER, OPINIONS, JUDGE_OF_PAIRS),
    unit="problems",
    run=_compare,
    shows=_shows,
    shows_for=frozenset({"labelled_pairs"}),
)
KEEP_ONE: Final = Step(
    name="unique_problems",
    group=GROUP,
    version=duplicates.VERSION,
    reads=(PROBLEMS_READ, Read(DUPLICATE_PAIRS)),
    writes=(UNIQUE_PROBLEMS,),
    run=_keep_one,
)
