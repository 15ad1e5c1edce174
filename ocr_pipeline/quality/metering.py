"""Adds up the CPU that programs need while tests are measured.

It differs between runs, so that it is told in the account and is in no table.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.quality.reading import Lookup
from ocr_pipeline.quality.running import LentJudge
from ocr_pipeline.store import TableWriter

__all__ = ["CPU_NOTE", "MeteredJudge"]

CPU_NOTE: Final = "CPU of programs in ms"
"""In their jails, without compilers and checkers; of verdicts that were kept, what they took when they were found."""


class MeteredJudge:
    """A judge that adds up what its programs take."""

    def __init__(self, judge: LentJudge) -> None:
        self._judge = judge
        self.cpu_s = 0.0

    def __call__(
        self,
        problems: Iterable[pa.RecordBatch],
        tests: Lookup,
        samples: Iterable[pa.RecordBatch],
        *,
        writer: TableWriter,
        **given: Any,
    ) -> StageCounts:
        """Run samples as the judge does."""
        return self._judge(problems, tests, samples, writer=_Metered(writer, self), **given)


class _Metered:
    """Hands rows of ``executions`` on, and notes the CPU of their tests."""

    def __init__(self, writer: TableWriter, meter: MeteredJudge) -> None:
        self._writer = writer
        self._meter = meter

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Take rows as a table's writer does."""
        results = pc.list_flatten(rows.column("results"))
        self._meter.cpu_s += pc.sum(pc.struct_field(results, "cpu_time_s")).as_py() or 0.0
        self._writer.write(rows)
