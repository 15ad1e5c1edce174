"""What the quality of tests comes to over a data set."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ocr_pipeline.quality.summary import summary_lines, summary_of
from ocr_pipeline.store import open_files
from ocr_pipeline.tables import TEST_QUALITY
from tests.samples.rows import rows


def test_a_file_of_before_samples_were_asked_has_a_summary(tmp_path: Path) -> None:
    """It lacks the columns; sums over it are nought, and no line tells of samples."""
    row = {"problem_id": "p", "policy": "source", "right_run": 2, "right_passed": 2, "wrong_run": 4, "wrong_failed": 3}
    known = rows(TEST_QUALITY, [row])
    names = [name for name in known.schema.names if not name.startswith("samples_")]
    pq.write_table(pa.table(known.select(names)), tmp_path / "rows.parquet")
    batches = list(open_files([tmp_path / "rows.parquet"], TEST_QUALITY))
    assert summary_of(batches)["samples_wrong"].to_pylist() == [0]
    (line,) = summary_lines(batches)
    assert "wrong programs that fail (TNR) 75.0 %" in line
