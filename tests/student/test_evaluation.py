"""From judged samples to rows by problem."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from typer.testing import CliRunner

from ocr_pipeline.cli import build_app


def test_an_answer_without_a_program_is_wrong(tmp_path: Path) -> None:
    """It had nothing to judge, which is not the same as what could not be judged, or what nobody answered."""
    judged = pa.table(
        {
            "sample_id": ["a", "b", "c", "d"],
            "problem_id": ["p", "p", "p", "p"],
            "language": ["python"] * 4,
            "verdict": ["accepted", "not_run", "not_run", "not_run"],
            "reason": [None, "no_code", "infrastructure", "no_code"],
        }
    )
    samples = pa.table({"sample_id": ["d"], "reasoning_tokens": [3], "verdict": ["request_failed"]})
    pq.write_table(judged, tmp_path / "e.parquet")
    pq.write_table(samples, tmp_path / "s.parquet")
    arguments = ["evaluate", str(tmp_path / "e.parquet"), "--k", "1", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(build_app(["evaluate", "funnel"]), [*arguments, "--samples", str(tmp_path / "s.parquet")])
    assert done.exit_code == 0, done.output
    row = pq.read_table(tmp_path / "out" / "student_evaluation.parquet").to_pylist()[0]
    assert (row["n"], row["correct"], row["not_run"]) == (2, 1, 2)
    assert pq.read_table(tmp_path / "out" / "evaluation_summary.parquet")["pass_at_k"].to_pylist() == [0.5]
    alone = CliRunner().invoke(build_app(["evaluate", "funnel"]), arguments)
    assert "2 samples without a program count as wrong, failed requests among them; --samples" in alone.output
