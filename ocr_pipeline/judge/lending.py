"""The judge for other steps, lent by the roof: programs in, rows of ``executions`` out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import pyarrow as pa

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.engine import Engine
from ocr_pipeline.engine.services import CLUSTER
from ocr_pipeline.errors import JudgeError
from ocr_pipeline.judge.programs import Tiers
from ocr_pipeline.judge.sandbox import choose_plan
from ocr_pipeline.judge.step import TestSource, judge
from ocr_pipeline.judge.verdicts import Isolation, JudgeConfig
from ocr_pipeline.steps import JUDGED, Services
from ocr_pipeline.tables import EXECUTIONS

__all__ = [
    "MOST_TESTS",
    "KeptRows",
    "LentJudge",
    "judge_of_pairs",
    "judge_with",
    "lend_judge",
    "open_judge",
    "open_judge_of_pairs",
]

MOST_TESTS: Final = 20
"""Tests of one problem that a solution of another one is run on: more cost time and say no more."""
PYTHON_TIME_FACTOR: Final = 2.0

LentJudge: TypeAlias = "Callable[[Iterable[pa.RecordBatch], TestSource, Iterable[pa.RecordBatch]], pa.Table]"


@contextmanager
def open_judge(services: Services) -> Iterator[Callable[..., StageCounts]]:
    """Lend the judge as it judges samples, with its own options, its checkpoint and the cluster."""
    yield judge_with(services.options(JudgeConfig), services.folder(JUDGED), services[CLUSTER])


def judge_with(
    config: JudgeConfig, checkpoint: Path | None, engine: Engine | None = None
) -> Callable[..., StageCounts]:
    """Return the judge with its options, called as :func:`~ocr_pipeline.judge.step.judge` is.

    ``changes`` are options that the borrower wants otherwise.
    """

    def run(
        problems: Iterable[pa.RecordBatch],
        tests: TestSource,
        samples: Iterable[pa.RecordBatch],
        *,
        changes: Mapping[str, Any],
        **given: Any,
    ) -> StageCounts:
        return judge(
            problems, tests, samples, config=config.replaced(**changes), checkpoint=checkpoint, engine=engine, **given
        )

    return run


class KeptRows:
    """A writer of executions that keeps them in memory."""

    def __init__(self) -> None:
        self._batches: list[pa.RecordBatch] = []

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Take rows as a table's writer does."""
        self._batches += rows.to_batches() if isinstance(rows, pa.Table) else [rows]

    @property
    def table(self) -> pa.Table:
        """All rows."""
        return pa.Table.from_batches(self._batches, schema=EXECUTIONS.schema)


@contextmanager
def open_judge_of_pairs(services: Services) -> Iterator[LentJudge | None]:
    """Lend the judge as a service of steps."""
    folder = services.folder(JUDGED)
    if folder is None:
        raise AssertionError("verdicts are always kept")
    yield lend_judge(judge_of_pairs(services.options(Isolation)), folder)


def judge_of_pairs(isolation: Isolation) -> JudgeConfig:
    """Return how a program is run on another problem's tests: one over its time is most often waiting for other input."""
    return JudgeConfig.of(
        isolation, max_tests=MOST_TESTS, give_up_after_time_limits=1, python_time_factor=PYTHON_TIME_FACTOR
    )


def lend_judge(config: JudgeConfig, checkpoint: Path) -> LentJudge | None:
    """Return the judge, whose results are kept in ``checkpoint``; ``None`` where no sandbox works."""
    if config.tiers is not Tiers.UNSANDBOXED:
        try:
            choose_plan(str(config.tiers))
        except JudgeError:
            return None

    def run(problems: Iterable[pa.RecordBatch], tests: TestSource, samples: Iterable[pa.RecordBatch]) -> pa.Table:
        kept = KeptRows()
        judge(problems, tests, samples, config=config, writer=kept, checkpoint=checkpoint)
        return kept.table

    return run
