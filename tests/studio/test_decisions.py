"""Decisions are only ever added, survive every interruption, and are counted with those of others."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.errors import StoreError
from ocr_pipeline.similarity import ReviewDecision, read_reviews
from ocr_pipeline.store import Store
from ocr_pipeline.studio import (
    PairKind,
    Review,
    agreements,
    append_reviews,
    last_standing,
    standing,
    stored_reviews,
)
from ocr_pipeline.studio.queue import progress_of, queue_for, uncertain_pairs
from ocr_pipeline.tables import CONTAMINATION, REVIEWS
from tests.evidence.root import put
from tests.studio import root as studio_root

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DUPLICATE, DISTINCT, WITHDRAWN = ReviewDecision.DUPLICATE, ReviewDecision.DISTINCT, ReviewDecision.WITHDRAWN


def review(key: str, decision: ReviewDecision, reviewer: str = "ann", minute: int = 0) -> Review:
    """Return a review made some minutes after noon."""
    return Review(key, PairKind.DUPLICATE, decision, reviewer, NOON + timedelta(minutes=minute))


def test_rows_are_added_and_never_changed(tmp_path: Path) -> None:
    """Each append leaves the earlier rows as they were, in their order."""
    store = Store(tmp_path)
    append_reviews(store, [review("a", DUPLICATE), review("b", DISTINCT)])
    before = stored_reviews(store).to_pylist()
    append_reviews(store, [review("a", WITHDRAWN, minute=1)])
    after = stored_reviews(store).to_pylist()
    assert after[:2] == before
    assert [row["decision"] for row in after] == ["duplicate", "distinct", "withdrawn"]


def test_the_table_is_an_ordinary_partition(tmp_path: Path) -> None:
    """Assets read it as they read any input, and its content hash changes with every decision."""
    store = Store(tmp_path)
    append_reviews(store, [review("a", DUPLICATE)])
    first = store.reference(REVIEWS).content_sha256
    append_reviews(store, [review("b", DISTINCT)])
    assert store.reference(REVIEWS).content_sha256 != first
    assert read_reviews(store.open(REVIEWS)).decision("b") == DISTINCT


def test_a_failed_append_leaves_the_table_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was decided before a full disk is still there, whole."""
    store = Store(tmp_path)
    append_reviews(store, [review("a", DUPLICATE)])
    monkeypatch.setattr("ocr_pipeline.store.places.sync", _full_disk)
    with pytest.raises(StoreError, match="No space left"):
        append_reviews(store, [review("b", DISTINCT)])
    assert [row["pair_key"] for row in stored_reviews(store).to_pylist()] == ["a"]


def _full_disk(path: Path) -> None:
    raise OSError(28, "No space left", str(path))


def test_two_reviewers_at_once_lose_nothing(tmp_path: Path) -> None:
    """Appends from several threads are all found."""

    def work(name: str) -> None:
        for number in range(5):
            append_reviews(Store(tmp_path), [review(str(number), DUPLICATE, name)])

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, ["ann", "bob", "cid"]))
    assert stored_reviews(Store(tmp_path)).num_rows == 15


def test_a_root_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    """The page shows it; nothing is half stored."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="not writable"):
        append_reviews(Store(tmp_path / "file" / "root"), [review("a", DUPLICATE)])


def test_last_standing_goes_back_one_decision_at_a_time(tmp_path: Path) -> None:
    """Undo after undo walks back through the reviewer's own decisions, not another's."""
    store = Store(tmp_path)
    append_reviews(store, [review("a", DUPLICATE), review("b", DISTINCT, minute=1), review("c", DISTINCT, "bob", 2)])
    seen = []
    for minute in range(3, 6):
        last = last_standing(stored_reviews(store), "ann")
        seen.append(last and last.pair_key)
        if last:
            append_reviews(store, [review(last.pair_key, WITHDRAWN, minute=minute)])
    assert seen == ["b", "a", None]
    assert standing(store).votes == {"c": {"bob": DISTINCT}}


def test_agreement_of_two_reviewers_is_counted(tmp_path: Path) -> None:
    """Share and kappa over the pairs that both decided: 3 of 4 agree, kappa 0.5 by hand."""
    store = Store(tmp_path)
    ann = [DUPLICATE, DUPLICATE, DISTINCT, DISTINCT]
    bob = [DUPLICATE, DUPLICATE, DISTINCT, DUPLICATE]
    append_reviews(store, [review(str(n), word) for n, word in enumerate(ann)])
    append_reviews(store, [review(str(n), word, "bob") for n, word in enumerate(bob)])
    append_reviews(store, [review("alone", DISTINCT, "bob")])
    (found,) = agreements(standing(store))
    assert (found.reviewers, found.pairs, found.agreed) == (("ann", "bob"), 4, 3)
    assert found.kappa == pytest.approx(0.5)


def test_kappa_of_reviewers_who_know_one_word_is_unknown(tmp_path: Path) -> None:
    """When both always say the same word, chance explains it all: no kappa, not 0 or 1."""
    store = Store(tmp_path)
    append_reviews(store, [review("a", DISTINCT), review("a", DISTINCT, "bob")])
    assert agreements(standing(store))[0].kappa is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["ann", "bob"]), st.sampled_from(ReviewDecision))))
def test_votes_depend_on_the_latest_row_of_each_reviewer(events: list[tuple[str, str, ReviewDecision]]) -> None:
    """Whatever was decided and undone before, the last word of a reviewer on a pair is what counts."""
    import pyarrow as pa

    rows = [
        {
            "pair_key": key,
            "kind": "duplicate",
            "decision": word,
            "reviewer": who,
            "reviewed_at": NOON + timedelta(minutes=n),
        }
        for n, (key, who, word) in enumerate(events)
    ]
    expected = {(key, who): word for key, who, word in events}
    votes = read_reviews(pa.Table.from_pylist(rows, schema=REVIEWS.schema)).votes
    assert {(key, who): word for key, by in votes.items() for who, word in by.items()} == {
        place: word for place, word in expected.items() if word != WITHDRAWN
    }


def test_least_certain_pairs_come_first(tmp_path: Path) -> None:
    """What nobody decided, the most alike first, before opinions; contamination and duplicates share one queue."""
    rows = [
        studio_root.pair(1, decision="undecided", decided_by=None, lexical=0.3),
        studio_root.pair(2, lexical=0.7),
        studio_root.pair(3, decision="undecided", decided_by=None, lexical=0.8),
        studio_root.pair(4, decided_by="opinion"),
    ]
    pairs = uncertain_pairs(studio_root.build_root(tmp_path, *rows))
    assert [pair.right_id for pair in pairs] == [
        "taco/train/3",
        "taco/train/2",
        "humaneval/test/0",
        "taco/train/1",
        "taco/train/4",
    ]


@pytest.mark.parametrize(("decided_by", "rule"), [("exact", None), ("origin", "same_origin"), ("rule", "other_bounds")])
def test_what_evidence_decides_is_not_asked(tmp_path: Path, decided_by: str, rule: str | None) -> None:
    """Equal texts, one origin and rules need no person."""
    store = studio_root.build_root(tmp_path, studio_root.pair(1, decided_by=decided_by, rule=rule))
    assert [pair.kind for pair in uncertain_pairs(store)] == [PairKind.CONTAMINATION]


def test_pairs_below_the_threshold_are_not_asked(tmp_path: Path) -> None:
    """The contamination check stores each problem's nearest benchmark problem, though nothing makes it suspect."""
    store = studio_root.build_root(tmp_path)
    below = {"cosine": 0.65, "decision": "clean"}
    rows = [
        studio_root.contaminated(),
        studio_root.contaminated() | below | {"problem_id": "apps/train/4", "pair_key": "below"},
    ]
    put(store, CONTAMINATION, rows, config={"threshold": studio_root.THRESHOLD})
    asked = [pair.left_id for pair in uncertain_pairs(store) if pair.kind is PairKind.CONTAMINATION]
    assert asked == ["apps/train/3"]


def test_the_same_two_texts_are_asked_once(tmp_path: Path) -> None:
    """Two pairs with one content key are one question."""
    again = studio_root.pair(1) | {"left_id": "apps/train/2"}
    store = studio_root.build_root(tmp_path, studio_root.pair(1), again)
    assert [pair.pair_key for pair in uncertain_pairs(store)].count(studio_root.key_of(1)) == 1


def test_queue_puts_disputes_first_and_second_opinions_last(tmp_path: Path) -> None:
    """Own decisions leave the queue; skipped pairs stand at its end."""
    store = studio_root.build_root(tmp_path)
    pairs = uncertain_pairs(store)
    keys = {number: studio_root.key_of(number) for number in studio_root.COSINES}
    append_reviews(store, [review(keys[2], DUPLICATE, "bob"), review(keys[2], DISTINCT, "cid")])
    append_reviews(store, [review(keys[1], DUPLICATE, "bob"), review(keys[4], DUPLICATE)])
    queue = queue_for("ann", pairs, standing(store), skipped=[keys[3]])
    assert [pair.right_id for pair in queue] == ["taco/train/2", "humaneval/test/0", "taco/train/1", "taco/train/3"]
    progress = progress_of("ann", pairs, standing(store))
    assert (progress.pairs, progress.decided_by_reviewer, progress.decided_by_anyone, progress.disputed) == (5, 1, 3, 1)


def test_empty_root_has_no_queue(tmp_path: Path) -> None:
    """Nothing materialized is nothing to review."""
    assert uncertain_pairs(Store(tmp_path)) == []
