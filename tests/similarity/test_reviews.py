"""Reviews settle into votes; what is wrong with a row is counted."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ocr_pipeline.errors import InputError
from ocr_pipeline.similarity import ReviewDecision, read_reviews


def rows(*reviews: tuple[str, str, str, int]) -> pa.Table:
    """Return reviews of (pair key, decision, reviewer, minute)."""
    return pa.Table.from_pylist(
        [
            {
                "pair_key": key,
                "decision": decision,
                "reviewer": who,
                "reviewed_at": datetime(2026, 1, 1, 0, minute, tzinfo=UTC),
            }
            for key, decision, who, minute in reviews
        ]
    )


def test_the_latest_of_one_reviewer_counts() -> None:
    """A reviewer may change her mind, whatever the order of the rows."""
    reviews = read_reviews(rows(("k", "distinct", "ann", 5), ("k", "duplicate", "ann", 1)))
    assert reviews.decision("k") is ReviewDecision.DISTINCT


def test_reviewers_who_disagree_decide_nothing() -> None:
    """A disputed pair is undecided, and counted."""
    reviews = read_reviews(rows(("k", "distinct", "ann", 1), ("k", "duplicate", "bob", 2)))
    assert reviews.decision("k") is None
    assert reviews.notes(["k"]) == {"reviews_disputed": 1}


def test_a_withdrawn_review_is_undone() -> None:
    """After a withdrawal the other reviewer's vote stands alone."""
    reviews = read_reviews(
        rows(("k", "distinct", "ann", 1), ("k", "duplicate", "bob", 2), ("k", "withdrawn", "ann", 3))
    )
    assert reviews.decision("k") is ReviewDecision.DUPLICATE


def test_unknown_pairs_and_bad_rows_are_counted() -> None:
    """A key that no pair has and a decision that is none are no errors."""
    reviews = read_reviews(
        rows(("k", "duplicate", "ann", 1), ("gone", "distinct", "ann", 1), ("k2", "perhaps", "ann", 1))
    )
    assert reviews.notes(["k"]) == {"reviews_invalid": 1, "reviews_of_unknown_pairs": 1}


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_every_file_form_reads_the_same(tmp_path: Path, suffix: str) -> None:
    """Parquet, CSV and JSONL of the same rows give the same votes."""
    table = rows(("k", "distinct", "ann", 1), ("k", "duplicate", "ann", 2))
    path = tmp_path / f"reviews.{suffix}"
    plain = [row | {"reviewed_at": row["reviewed_at"].isoformat()} for row in table.to_pylist()]
    if suffix == "parquet":
        pq.write_table(table, path)
    elif suffix == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in plain), encoding="utf-8")
    else:
        lines = [",".join(plain[0]), *(",".join(row.values()) for row in plain)]
        path.write_text("\ufeff" + "\n".join(lines), encoding="utf-8")
    assert read_reviews(path).decision("k") is ReviewDecision.DUPLICATE
    assert read_reviews(tmp_path).votes == read_reviews(path).votes


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("gone.csv", None, "do not exist"),
        ("no_columns.csv", "a,b\n1,2\n", "no column pair_key, decision"),
        ("broken.jsonl", "{nope", "cannot be read"),
        ("broken.parquet", "nope", "cannot be read"),
    ],
)
def test_an_unusable_file_is_named(tmp_path: Path, name: str, content: str | None, says: str) -> None:
    """A file that is missing, broken or of other columns gives one line with its name."""
    path = tmp_path / name
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=says) as caught:
        read_reviews(path)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
