"""What programs take is added up on its way through."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.quality.metering import MeteredJudge
from ocr_pipeline.tables import EXECUTIONS


class Rows:
    """Takes rows as a table's writer does."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self.rows: list[dict[str, Any]] = []

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Take rows."""
        self.rows += rows.to_pylist()


def rows_of(times: list[list[float | None]]) -> pa.Table:
    """Return rows of executions whose tests took such times."""
    results = EXECUTIONS.schema.field("results").type
    rows = [[{"test_id": "1", "verdict": "accepted", "cpu_time_s": each} for each in some] for some in times]
    return pa.table({"results": pa.array(rows, results)})


def test_the_cpu_of_every_test_is_added_and_rows_are_handed_on() -> None:
    """Several calls add up; a test whose time nobody knows adds nothing, and neither does a program without tests."""
    given = [rows_of([[0.5, None], []]), rows_of([[0.25]]), rows_of([])]

    def judge(*_: object, writer: Rows, **__: object) -> StageCounts:
        for rows in given:
            writer.write(rows)
        return StageCounts(3, 3)

    metered, kept = MeteredJudge(judge), Rows()
    for _ in range(2):
        metered([], lambda _: [], [], writer=kept, changes={}, trust=(), progress=None)
    assert metered.cpu_s == 1.5
    assert kept.rows == 2 * [row for rows in given for row in rows.to_pylist()]
