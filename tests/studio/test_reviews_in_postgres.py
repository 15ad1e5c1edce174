"""Reviews are durable in Postgres where the team has one, and the table of the root is written from there."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ocr_pipeline.errors import InputError
from ocr_pipeline.similarity import ReviewDecision
from ocr_pipeline.store import Store
from ocr_pipeline.studio import PairKind, Review, append_reviews, stored_reviews
from ocr_pipeline.studio.decisions import restore_reviews

NOON = datetime(2026, 11, 26, 12, 0, 1, 500_000, tzinfo=UTC)


def review(key: str) -> Review:
    """Return a decision."""
    return Review(key, PairKind.DUPLICATE, ReviewDecision.DISTINCT, "ann", NOON, "p", "q", "a note\0 with a NUL")


def test_what_was_in_the_root_is_taken_along(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decisions of before are copied into the database with the first one after it was named."""
    monkeypatch.delenv("OCR_PIPELINE_LEDGER", raising=False)
    store = Store(tmp_path)
    append_reviews(store, [review("a")])
    monkeypatch.setenv("OCR_PIPELINE_LEDGER", database)
    append_reviews(store, [review("b")])
    assert stored_reviews(store)["pair_key"].to_pylist() == ["a", "b"]
    other = Store(tmp_path / "other")
    append_reviews(other, [review("c")])
    assert stored_reviews(other)["pair_key"].to_pylist() == ["a", "b", "c"]
    assert stored_reviews(other)["reviewed_at"].to_pylist() == [NOON] * 3
    assert stored_reviews(other)["note"].to_pylist()[1:] == ["a note with a NUL"] * 2


def test_a_root_that_is_lost_is_restored(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every decision is in the database; the same rows give the same table."""
    monkeypatch.setenv("OCR_PIPELINE_LEDGER", database)
    store = Store(tmp_path / "root")
    append_reviews(store, [review("a"), review("b")])
    before = stored_reviews(store)
    shutil.rmtree(tmp_path / "root")
    assert restore_reviews(Store(tmp_path / "root")) == 2
    assert stored_reviews(Store(tmp_path / "root")) == before


def test_without_a_database_there_is_nothing_to_restore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says what to set."""
    monkeypatch.delenv("OCR_PIPELINE_LEDGER", raising=False)
    with pytest.raises(InputError, match="set OCR_PIPELINE_LEDGER to postgresql://user@host/database"):
        restore_reviews(Store(tmp_path))
