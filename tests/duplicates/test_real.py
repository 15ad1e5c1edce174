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

PLAIN_FOUND, PLAIN_WRONG = 585, 98  # sentence-transformers alone at cosine 0.7
SAME = 833
SHARED_PROBLEMS = 13
ORDERS = 20


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_the_tiers_find_as_much_and_err_half_as_often(real_data: Path) -> None:
    """No recall is lost against the plain threshold, at least half of its errors are gone, and the bundled table is true."""
    pairs = read_labelled(real_data / "dedup" / "labelled_pairs.parquet")
    assert sum(pair.is_same for pair in pairs) == SAME
    encoder = load_encoder()
    quality = quality_at(THRESHOLDS, pairs, encoder)
    precision, recall = quality[0.7]["precision"], quality[0.7]["recall"]
    assert precision is not None
    assert recall is not None
    found = round(recall * SAME)
    assert found >= PLAIN_FOUND
    assert round(found / precision) - found <= PLAIN_WRONG // 2
    bundled = json.loads(Path("ocr_pipeline/duplicates/quality.json").read_text("utf-8"))
    assert bundled["encoder"] == encoder.name
    assert {row["threshold"]: (row["precision"], row["recall"]) for row in bundled["by_threshold"]} == {
        threshold: (pytest.approx(one["precision"], abs=1e-3), pytest.approx(one["recall"], abs=1e-3))
        for threshold, one in quality.items()
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


def sides(row: dict[str, Any]) -> list[str]:
    """Return the data sets of a pair."""
    return sorted(str(row[name]).split("/")[0] for name in ("left_id", "right_id"))
