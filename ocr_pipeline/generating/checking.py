"""Whether a made test refuses a right program: asked again of some problems, from the tables alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import pyarrow as pa

from ocr_pipeline.generating.step import RowSource
from ocr_pipeline.judge import JudgeConfig, Verdict, judge
from ocr_pipeline.tables import Language

__all__ = ["refused_right_programs"]

LANGUAGES = frozenset(language.value for language in Language)


class _Kept:
    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Take rows as a table's writer does."""
        self.rows += rows.to_pylist()


def refused_right_programs(
    problems: Iterable[pa.RecordBatch], tests: RowSource, made: RowSource, solutions: RowSource, *, most: int
) -> Iterator[str]:
    """Yield a line for each right program that passes every known test and fails a made one, of the first problems."""
    listed = pa.Table.from_batches(islice(problems, 1)).slice(0, most)
    ids = listed["problem_id"].to_pylist()
    own = {row["problem_id"] for batch in made(ids) for row in batch.select(["problem_id"]).to_pylist()}
    samples = [
        {
            "sample_id": row["solution_id"],
            "problem_id": row["problem_id"],
            "language": row["language"],
            "code": row["code"],
        }
        for batch in solutions(ids)
        for row in batch.to_pylist()
        if row["is_correct"] and row["problem_id"] in own & set(ids) and row["language"] in LANGUAGES
    ]
    verdicts = []
    for source in (tests, made):
        kept = _Kept()
        config = JudgeConfig(workers=0, stop_at_first_failure=True)
        judge(
            listed.to_batches(),
            source,
            pa.Table.from_pylist(samples).to_batches() if samples else (),
            config=config,
            writer=kept,
        )
        verdicts.append(kept.rows)
    for known, row in zip(*verdicts, strict=True):
        is_refused = row["verdict"] not in {Verdict.ACCEPTED, Verdict.NOT_RUN, Verdict.COMPILE_ERROR}
        if known["verdict"] == Verdict.ACCEPTED and is_refused:
            yield f"{row['problem_id']}: test {row['first_failed_test']} refuses {row['sample_id']} ({row['verdict']})"
