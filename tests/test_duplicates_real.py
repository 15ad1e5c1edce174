"""Quality on real labelled statements, and one problem in two real data sets."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ocr_pipeline.duplicates import DuplicateConfig, LabelledPair, find_pairs
from ocr_pipeline.duplicates.curve import decide_labelled
from ocr_pipeline.duplicates.decisions import DecidedBy, Decision
from ocr_pipeline.similarity import Reviews, load_encoder

PLAIN_FOUND, PLAIN_WRONG = 585, 98  # sentence-transformers alone at cosine 0.7


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_the_tiers_find_as_much_and_err_half_as_often(real_data: Path) -> None:
    """No recall is lost against the plain threshold, and at least half of its false positives are gone."""
    rows = pq.read_table(real_data / "dedup" / "labelled_pairs.parquet").to_pylist()
    pairs = [LabelledPair(row["text_a"], row["text_b"], is_same=row["label"] == 1) for row in rows]
    called = [
        verdict.decision is Decision.DUPLICATE and (cosine >= 0.7 or verdict.decided_by is DecidedBy.EXACT)
        for cosine, verdict in decide_labelled(pairs, load_encoder())
    ]
    found = sum(one and pair.is_same for one, pair in zip(called, pairs, strict=True))
    assert found >= PLAIN_FOUND
    assert sum(called) - found <= PLAIN_WRONG // 2


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_problems_that_stand_in_two_data_sets_are_found(real_data: Path) -> None:
    """Thirteen problems of CodeContests stand in TACO too; each is a duplicate across the two."""
    contests = pq.read_table(real_data / "code_contests" / "test_165.parquet").column("problem").to_pylist()
    taco = pq.read_table(real_data / "taco" / "test_statements.parquet").column("prompt").to_pylist()
    table = pa.table(
        {
            "problem_id": [*(f"cc/{n}" for n in range(len(contests))), *(f"taco/{n}" for n in range(len(taco)))],
            "statement": [*contests, *taco],
        }
    )
    pairs = find_pairs(
        table.to_batches(), tests=None, config=DuplicateConfig(), encoder=load_encoder(), reviews=Reviews()
    ).to_pylist()
    shared = {
        row["left_id"]
        for row in pairs
        if row["decision"] == "duplicate" and row["left_id"].startswith("cc/") and row["right_id"].startswith("taco/")
    }
    assert len(shared) >= 13
