"""Whether a made test refuses a right program: asked again of some problems, from the tables alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.generating.step import RowSource, other_right_programs, right_programs, rows_by_problem
from ocr_pipeline.judge import JudgeConfig, Verdict, judge
from ocr_pipeline.judge.lending import KeptRows
from ocr_pipeline.made_checkers import with_made_checkers

__all__ = ["refused_right_programs"]


def refused_right_programs(
    problems: Iterable[pa.RecordBatch],
    tests: RowSource,
    made: RowSource,
    solutions: RowSource,
    *,
    config: JudgeConfig,
    most: int,
    programs: Iterable[pa.RecordBatch] = (),
) -> Iterator[str]:
    """Yield a line for each right program that passes every known test and fails a made one.

    Only the first ``most`` problems that have made tests are asked about, and of each the right programs that its tests
    were made with, and some that took no part: the tests were chosen so that the former pass.
    ``programs`` are rows of ``test_programs``, whose checkers decide where several outputs are right.
    """
    listed = _with_made(with_made_checkers(problems, programs), made, most)
    ids = [row["problem_id"] for batch in listed for row in batch.select(["problem_id"]).to_pylist()]
    if not ids:
        return
    known = rows_by_problem(solutions(ids), ids, ["problem_id", "solution_id", "language", "code", "is_correct"])
    samples = [
        {"sample_id": each.program_id, "problem_id": name, "language": each.language, "code": each.code}
        for name in ids
        for each in (*right_programs(known[name]), *other_right_programs(known[name]))
    ]
    if not samples:
        return
    config = config.replaced(workers=0, stop_at_first_failure=True, max_tests=None)
    verdicts = []
    for source in (tests, made):
        kept = KeptRows()
        judge(listed, source, pa.Table.from_pylist(samples).to_batches(), config=config, writer=kept)
        verdicts.append(kept.table.to_pylist())
    for before, row in zip(*verdicts, strict=True):
        is_refused = not row["needs_checker"] and row["verdict"] not in {
            Verdict.ACCEPTED,
            Verdict.NOT_RUN,
            Verdict.COMPILE_ERROR,
        }
        if before["verdict"] == Verdict.ACCEPTED and is_refused:
            yield f"{row['problem_id']}: test {row['first_failed_test']} refuses {row['sample_id']} ({row['verdict']})"


def _with_made(problems: Iterable[pa.RecordBatch], made: RowSource, most: int) -> list[pa.RecordBatch]:
    """Return the first problems that have made tests."""
    found: list[pa.RecordBatch] = []
    for batch in problems:
        own = pc.unique(
            pa.chunked_array([rows["problem_id"] for rows in made(batch["problem_id"].to_pylist())], pa.string())
        )
        having = batch.filter(pc.is_in(batch["problem_id"], own))
        found.append(having.slice(0, most))
        most -= found[-1].num_rows
        if not most:
            break
    return found
