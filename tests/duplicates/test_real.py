"""Quality on real labelled statements, and one problem in two real data sets, through the command line."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ocr_pipeline.cli import build_app
from ocr_pipeline.duplicates.curve import THRESHOLDS, quality_at, read_labelled
from ocr_pipeline.similarity import load_encoder

SAME = 833
FOUND = 597  # of the same, dropped or queued; sentence-transformers alone at cosine 0.7: 585
WRONG = 2  # of those that look alike, dropped; sentence-transformers alone: 98
LEETCODE = 228
SHARED_PROBLEMS = 13
ORDERS = 20


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_what_is_not_dropped_is_queued_and_look_alikes_stay(real_data: Path) -> None:
    """No recall is lost against the plain threshold, its errors are gone, and the bundled table is true."""
    pairs = read_labelled(real_data / "dedup" / "labelled_pairs.parquet")
    assert sum(pair.is_same for pair in pairs) == SAME
    encoder = load_encoder()
    quality = quality_at(THRESHOLDS, pairs, encoder)
    precision, recall, queued = (quality[0.7][name] for name in ("precision", "recall", "queued"))
    assert precision is not None
    assert recall is not None
    assert queued is not None
    dropped = round(recall * SAME)
    assert dropped + round(queued * SAME) >= FOUND
    assert round(dropped / precision) - dropped <= WRONG
    bundled = json.loads(Path("ocr_pipeline/duplicates/quality.json").read_text("utf-8"))
    assert bundled["encoder"] == encoder.name
    names = ("precision", "recall", "queued")
    assert {row["threshold"]: tuple(row[name] for name in names) for row in bundled["by_threshold"]} == {
        threshold: tuple(pytest.approx(one[name], abs=1e-3) for name in names) for threshold, one in quality.items()
    }


def run(*arguments: str | Path) -> None:
    """Run a command of the pipeline."""
    result = CliRunner().invoke(build_app(["ingest", "dedup"]), [str(one) for one in arguments])
    assert result.exit_code == 0, result.output


@pytest.fixture
def problems(real_data: Path, tmp_path: Path) -> pa.Table:
    """Return the ingested problems of CodeContests; of TACO those that begin like one of them, and every fifth stranger."""
    raw = {"code_contests": "code_contests/test_165.parquet", "taco": "taco/test_statements.parquet"}
    for dataset, file in raw.items():
        run("ingest", dataset, real_data / file, "--split", "test", "--out", tmp_path / dataset)
    contests, taco = (pq.read_table(tmp_path / dataset / "problems.parquet") for dataset in raw)
    assert (contests.num_rows, taco.num_rows) == (165, 1_000)
    beginnings = {beginning(text) for text in contests["statement"].to_pylist()}
    chosen = [beginning(text) in beginnings or n % 5 == 0 for n, text in enumerate(taco["statement"].to_pylist())]
    return pa.concat_tables([contests, taco.filter(pa.array(chosen))])


def beginning(statement: str) -> tuple[str, ...]:
    """Return the first eight words."""
    return tuple(re.findall("[a-z0-9]+", statement.lower())[:8])


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_problems_of_two_data_sets_are_found_in_any_order(problems: pa.Table, tmp_path: Path) -> None:
    """Thirteen problems of CodeContests stand in TACO too; ``dedup`` finds them, in 20 orders byte for byte."""
    source, out = tmp_path / "problems.parquet", tmp_path / "out"
    seen = set()
    for seed in range(ORDERS):
        order = np.random.default_rng(seed).permutation(problems.num_rows)
        pq.write_table(problems.take(order), source, row_group_size=50 + seed)
        run("dedup", source, "--out", out, "--cache", tmp_path / "embeddings")
        files = sorted(out.glob("*.parquet"))
        assert [path.name for path in files] == ["duplicate_pairs.parquet", "unique_problems.parquet"]
        seen.add(tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in files))
    assert len(seen) == 1
    pairs = pq.read_table(out / "duplicate_pairs.parquet").to_pylist()
    shared = [row for row in pairs if row["rule"] == "same_examples" and sides(row) == ["code_contests", "taco"]]
    assert len({row["left_id"] for row in shared}) == SHARED_PROBLEMS
    unique = set(pq.read_table(out / "unique_problems.parquet")["problem_id"].to_pylist())
    assert all(len({row["left_id"], row["right_id"]} & unique) <= 1 for row in shared)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("is_blind", [False, True], ids=["as ingested", "texts alone"])
def test_no_two_problems_of_one_judge_are_taken_for_one(real_data: Path, tmp_path: Path, *, is_blind: bool) -> None:
    """LeetCode's rows are all different, series with common text and examples among them, with and without names and tests."""
    run("ingest", "leetcode", real_data / "leetcode" / "v0_3_1_test.parquet", "--split", "test", "--out", tmp_path)
    if is_blind:
        rows = pq.read_table(tmp_path / "problems.parquet", columns=["problem_id", "statement"])
        pq.write_table(rows, tmp_path / "problems.parquet")
    tests = [] if is_blind else ["--tests", tmp_path / "tests.parquet"]
    run("dedup", tmp_path / "problems.parquet", "--out", tmp_path / "out", *tests)
    assert pq.read_metadata(tmp_path / "out" / "unique_problems.parquet").num_rows == LEETCODE
    pairs = pq.read_table(tmp_path / "out" / "duplicate_pairs.parquet")
    assert pairs.num_rows > LEETCODE
    assert "duplicate" not in pairs["decision"].to_pylist()


def sides(row: dict[str, Any]) -> list[str]:
    """Return the data sets of a pair."""
    return sorted(str(row[name]).split("/")[0] for name in ("left_id", "right_id"))
