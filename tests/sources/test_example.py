"""The example of own problems is one that ingest takes and whose own solutions pass its tests."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ocr_pipeline.cli import build_app
from ocr_pipeline.errors import InputError
from ocr_pipeline.sources.example import FILES, new_source


def run(*words: str) -> None:
    """Run a command."""
    done = CliRunner().invoke(build_app([words[0]]), list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output


def test_the_example_is_ingested_whole(tmp_path: Path) -> None:
    """Every problem, test and solution of it is kept; each file explains its keys."""
    run("new-source", str(tmp_path / "mine"))
    run("ingest", "own", str(tmp_path / "mine"), "--split", "train", "--out", str(tmp_path / "out"))
    assert pq.read_table(tmp_path / "out" / "rejected.parquet").num_rows == 0
    for name in FILES:
        lines = [json.loads(line) for line in (tmp_path / "mine" / name).read_text(encoding="utf-8").splitlines()]
        assert pq.read_table(tmp_path / "out" / f"{Path(name).stem}.parquet").num_rows == len(lines)
        assert "#" in lines[0]
    problems = pq.read_table(tmp_path / "out" / "problems.parquet").to_pylist()
    assert {row["io_mode"] for row in problems} == {"stdin", "function"}
    assert {row["checker"] for row in problems} == {"tokens", "float"}


def test_its_solutions_are_what_they_say(tmp_path: Path) -> None:
    """Right ones pass all tests, the wrong one does not."""
    new_source(tmp_path / "mine")
    run("ingest", "own", str(tmp_path / "mine"), "--split", "train", "--out", str(tmp_path))
    solutions = pq.read_table(tmp_path / "solutions.parquet").to_pylist()
    samples = [row | {"sample_id": str(number)} for number, row in enumerate(solutions)]
    pq.write_table(pa.Table.from_pylist(samples), tmp_path / "samples.parquet")
    files = [
        word for name in ("problems", "tests", "samples") for word in (f"--{name}", str(tmp_path / f"{name}.parquet"))
    ]
    run("judge", *files, "--out", str(tmp_path / "out"), "--workers", "0")
    verdicts = pq.read_table(tmp_path / "out" / "executions.parquet")["verdict"].to_pylist()
    assert [verdict == "accepted" for verdict in verdicts] == [row["is_correct"] for row in solutions]


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """A folder that holds such files already stays as it is."""
    (tmp_path / "tests.jsonl").write_text("mine")
    with pytest.raises(InputError, match=r"holds tests\.jsonl already"):
        new_source(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["tests.jsonl"]
