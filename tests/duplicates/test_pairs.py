"""Pairs, decisions and witnesses, with an encoder that counts words."""

import io
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_pipeline.duplicates import (
    DuplicateConfig,
    LabelledPair,
    Undecided,
    check_invariants,
    compare_problems,
    read_labelled,
    select_unique,
    threshold_curve,
)
from ocr_pipeline.errors import InputError
from ocr_pipeline.similarity import Reviews, pair_key, read_reviews
from ocr_pipeline.store import conform
from ocr_pipeline.tables import PROBLEMS, UNIQUE_PROBLEMS
from tests.similarity.stub import WordEncoder, problems

STORY = "a miller sells flour to every village along the old river and wants the cheapest tour"


class Sink:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.tables: list[pa.Table] = []

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Take rows in the form of the table."""
        self.tables.append(conform(rows, UNIQUE_PROBLEMS))


def pairs_of(batches: Sequence[pa.RecordBatch], **more: Any) -> list[dict[str, Any]]:
    """Find pairs with defaults."""
    given = {"tests": None, "config": DuplicateConfig(), "encoder": WordEncoder(), "reviews": Reviews()} | more
    return compare_problems(batches, **given).pairs.to_pylist()


def full_problems(rows: Sequence[tuple[str, str]]) -> list[pa.RecordBatch]:
    """Return rows of the whole problems table."""
    columns: dict[str, list[Any]] = {field.name: [] for field in PROBLEMS.schema if not field.nullable}
    for problem_id, statement in rows:
        given = {
            "problem_id": problem_id,
            "statement": statement,
            "dataset": problem_id.split("/")[0],
            "license": problem_id[:1],
        }
        for name, values in columns.items():
            field = PROBLEMS.schema.field(name)
            empty: Any = (
                []
                if pa.types.is_list(field.type)
                else False
                if pa.types.is_boolean(field.type)
                else 0
                if pa.types.is_integer(field.type)
                else ""
            )
            values.append(given.get(name, empty))
    return conform(pa.table(columns), PROBLEMS).to_batches()


def review(key: str, decision: str, **ids: str) -> Reviews:
    """Return one reviewer's opinion."""
    row = {"pair_key": key, "decision": decision, "reviewer": "ann", "reviewed_at": datetime(2026, 1, 1, tzinfo=UTC)}
    return read_reviews(pa.Table.from_pylist([row | ids]))


def test_equal_statements_are_exact_duplicates() -> None:
    """Layout and case aside, the same words are the same problem."""
    (pair,) = pairs_of(problems(("a/1", STORY), ("b/1", f"  {STORY.upper()}\n")))
    assert (pair["decision"], pair["decided_by"], pair["cosine"]) == ("duplicate", "exact", 1.0)
    assert (pair["kept_id"], pair["dropped_id"]) == ("b/1", "a/1")  # the longer statement stays


def test_other_bounds_are_another_problem() -> None:
    """The same words with n up to 100 and up to 10^5 are two problems, both kept."""
    (pair,) = pairs_of(problems(("x", f"{STORY} 1 <= n <= 100"), ("y", f"{STORY} 1 <= n <= 100000")))
    assert (pair["decision"], pair["rule"], pair["dropped_id"]) == ("distinct", "other_bounds", None)


def test_example_tests_of_the_tests_table_decide() -> None:
    """Where the tests show another answer to the same input, something else is asked."""
    tests = pa.table(
        {"problem_id": ["x", "y"], "kind": ["example"] * 2, "input": ["1 2 3"] * 2, "expected": ["6", "1"]}
    ).to_batches()
    (pair,) = pairs_of(problems(("x", f"{STORY} sum"), ("y", f"{STORY} least")), tests=tests)
    assert (pair["decision"], pair["rule"], pair["tests_equal"]) == ("distinct", "other_answers", False)


def test_reviews_override_every_tier() -> None:
    """A person's word counts more than equality, rules and threshold."""
    near = f"{STORY} quickly"
    (pair,) = pairs_of(problems(("x", STORY), ("y", near)), reviews=review(pair_key(STORY, near), "distinct"))
    assert (pair["decision"], pair["decided_by"]) == ("distinct", "review")
    (pair,) = pairs_of(problems(("x", STORY), ("y", STORY)), reviews=review(pair_key(STORY, STORY), "distinct"))
    assert (pair["decision"], pair["decided_by"], pair["dropped_id"]) == ("distinct", "review", None)


def test_a_reviewed_duplicate_below_the_threshold_is_followed() -> None:
    """What people called duplicates under a lower threshold stays decided."""
    other = "nothing in common here at all"
    said = review(pair_key(STORY, other), "duplicate", left_id="x", right_id="y")
    (pair,) = pairs_of(problems(("x", STORY), ("y", other)), reviews=said)
    assert (pair["decision"], pair["decided_by"]) == ("duplicate", "review")
    assert pairs_of(problems(("x", "changed since"), ("y", other)), reviews=said) == []


def test_a_model_is_asked_in_both_orders_about_open_pairs_only() -> None:
    """Agreement decides; contradiction and malformed answers decide nothing."""

    class Model:
        def __init__(self, *answers: str | None) -> None:
            self.answers = answers
            self.prompts: list[str] = []

        def answer(self, prompts: Sequence[str]) -> Sequence[str | None]:
            self.prompts += prompts
            return self.answers[: len(prompts)]

    rows = problems(("x", STORY), ("y", f"{STORY} quickly"), ("z", f"{STORY}  "))
    agreed = Model("They differ.\nDIFFERENT", "**Different**")
    decided = {(one["left_id"], one["right_id"]): one for one in pairs_of(rows, opinions=agreed)}
    assert decided["x", "y"]["decided_by"] == "opinion"
    assert decided["x", "y"]["decision"] == "distinct"
    assert len(agreed.prompts) == 2
    assert agreed.prompts[0] != agreed.prompts[1]
    for answers in (("SAME", "DIFFERENT"), ("perhaps", "perhaps"), (None, None)):
        decided = {(one["left_id"], one["right_id"]): one for one in pairs_of(rows, opinions=Model(*answers))}
        assert (decided["x", "y"]["decision"], decided["x", "y"]["decided_by"]) == ("undecided", None)


def test_chains_do_not_drop() -> None:
    """A like B like C, but A unlike C: only the middle one is dropped, for a witness of its own."""
    words = [f"w{number}" for number in range(30)]
    chain = [" ".join(words[start : start + 12]) for start in (0, 3, 6)]
    batches = full_problems([(f"s/{name}", text) for name, text in zip("abc", chain, strict=True)])
    config = DuplicateConfig(undecided=Undecided.DROP)
    pairs = compare_problems(batches, tests=None, config=config, encoder=WordEncoder(), reviews=Reviews()).pairs
    sink = Sink()
    counts = select_unique(lambda: batches, pairs.to_batches(), sink)
    kept = sink.tables[0].column("problem_id").to_pylist()
    assert kept == ["s/a", "s/c"]
    assert (counts.rows_in, counts.kept, dict(counts.dropped)) == (3, 2, {"threshold": 1})


def test_what_has_tests_stays() -> None:
    """Tests count before solutions, licence, length and id."""
    rows = problems(("a", f"{STORY} and more words"), ("b", STORY), n_tests=[0, 5])
    (pair,) = pairs_of(rows, config=DuplicateConfig(undecided=Undecided.DROP))
    assert pair["kept_id"] == "b"


def test_provenance_and_licences_are_merged() -> None:
    """The kept row names every member, data set and licence it stands for."""
    batches = full_problems([("taco/1", STORY), ("apps/1", STORY), ("codes/9", "another thing entirely")])
    pairs = compare_problems(
        batches, tests=None, config=DuplicateConfig(), encoder=WordEncoder(), reviews=Reviews()
    ).pairs
    sink = Sink()
    counts = select_unique(lambda: batches, pairs.to_batches(), sink)
    row = sink.tables[0].to_pylist()[0]
    assert (row["member_ids"], row["datasets"], row["licenses"]) == (["apps/1", "taco/1"], ["apps", "taco"], ["a", "t"])
    assert dict(counts.dropped) == {"exact": 1}


def test_silent_statements_are_duplicates_of_nothing() -> None:
    """Empty statements are all kept, and counted."""
    found = compare_problems(
        problems(("a", ""), ("b", "  \n"), ("c", "***"), ("d", STORY)),
        tests=None, config=DuplicateConfig(), encoder=WordEncoder(), reviews=Reviews(),
    )  # fmt: skip
    assert found.pairs.num_rows == 0
    assert found.notes == {"silent_statements": 3}


def test_repeated_ids_are_named() -> None:
    """Two problems of one id cannot be told apart in any table."""
    with pytest.raises(InputError, match="1 problem ids are repeated: `a`"):
        pairs_of(problems(("a", "x"), ("a", "y"), ("b", "z")))


def test_a_giant_statement_is_compared_like_any_other() -> None:
    """Hundreds of kilobytes neither stop the run nor match everything."""
    giant = "word " * 60_000
    (pair,) = pairs_of(problems(("a", giant), ("b", giant), ("c", STORY)))
    assert pair["decided_by"] == "exact"


def test_a_placeholder_on_many_problems_gives_no_quadratic_table() -> None:
    """300 equal statements give one row per dropped problem, all for one witness."""
    rows = pairs_of(problems(*((f"p/{number:03}", STORY) for number in range(300))))
    assert len(rows) == 299
    assert {row["kept_id"] for row in rows} == {"p/000"}


def random_statements(seed: int, count: int) -> list[tuple[str, str]]:
    """Return statements of which many are near each other, some equal, some silent."""
    chooser = random.Random(seed)  # noqa: S311 - no secret
    words = STORY.split()
    texts = ["", *(" ".join(chooser.choices(words, k=8)) for _ in range(count - 1))]
    return [(f"d{chooser.randrange(3)}/{number}", chooser.choice(texts)) for number in range(count)]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), threshold=st.sampled_from([0.5, 0.7, 0.9]))
def test_the_invariants_hold_for_any_problems(seed: int, threshold: float) -> None:
    """Every dropped problem has a kept witness, no kept pair is a duplicate, no row is lost."""
    batches = full_problems(random_statements(seed, 25))
    pairs = compare_problems(
        batches, tests=None, config=DuplicateConfig(threshold=threshold), encoder=WordEncoder(), reviews=Reviews()
    ).pairs
    sink = Sink()
    select_unique(lambda: batches, pairs.to_batches(), sink).require_conserved("dedup")
    table = pa.concat_tables(sink.tables)
    members = [one for ids in table.column("member_ids").to_pylist() for one in ids]
    assert check_invariants(members, table.column("problem_id").to_pylist(), pairs.to_batches(), threshold) == []
    assert sorted(members) == sorted(one for batch in batches for one in batch.column("problem_id").to_pylist())


def test_twenty_orders_give_the_same_bytes() -> None:
    """Neither the order of the problems nor how they are batched changes a byte of either table."""
    rows = random_statements(7, 60)
    seen = set()
    for seed in range(20):
        shuffled = random.Random(seed).sample(rows, len(rows))  # noqa: S311 - no secret
        batches = [
            batch for start in range(0, 60, 7 + seed) for batch in full_problems(shuffled[start : start + 7 + seed])
        ]
        encoder = WordEncoder(noise=2e-8, seed=seed)
        pairs = compare_problems(
            batches, tests=None, config=DuplicateConfig(), encoder=encoder, reviews=Reviews()
        ).pairs
        sink = Sink()
        select_unique(lambda batches=batches: batches, pairs.to_batches(), sink)
        written = io.BytesIO()
        pq.write_table(pairs, written)
        pq.write_table(pa.concat_tables(sink.tables).combine_chunks(), written)
        seen.add(written.getvalue())
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kept_id": "b", "dropped_id": "a"}, "dropped and kept"),
        ({"cosine": 0.5}, "below 0.7"),
        ({"decision": "distinct"}, "by a pair that is distinct"),
        ({"kept_id": "c"}, "not the other one of its pair"),
        ({"kept_id": None, "dropped_id": None}, "neither kept nor dropped"),
    ],
)
def test_a_broken_invariant_is_named(change: dict[str, Any], says: str) -> None:
    """Each invariant has a line of its own."""
    row = {
        "left_id": "a",
        "right_id": "b",
        "cosine": 0.8,
        "decision": "duplicate",
        "decided_by": "threshold",
        "kept_id": "a",
        "dropped_id": "b",
    }
    assert check_invariants(["a", "b", "c"], ["a", "c"], pa.Table.from_pylist([row]).to_batches(), 0.7) == []
    lines = check_invariants(["a", "b", "c"], ["a", "c"], pa.Table.from_pylist([row | change]).to_batches(), 0.7)
    assert any(says in line for line in lines), lines


def test_the_curve_keeps_more_at_higher_thresholds() -> None:
    """Kept rows grow with the threshold, pairs fall, and quality comes from the labelled pairs."""
    labelled = [
        LabelledPair(STORY, f"  {STORY.upper()}", is_same=True),
        LabelledPair(STORY, "nothing alike", is_same=False),
    ]
    curve = threshold_curve(
        full_problems(random_statements(3, 40)), tests=None, encoder=WordEncoder(), reviews=Reviews(), labelled=labelled
    ).to_pylist()
    assert [row["threshold"] for row in curve] == [0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9]
    assert [row["kept"] for row in curve] == sorted(row["kept"] for row in curve)
    assert [row["pairs"] for row in curve] == sorted((row["pairs"] for row in curve), reverse=True)
    assert (curve[2]["precision"], curve[2]["recall"], curve[2]["queued"]) == (1.0, 1.0, 0.0)


def test_the_curve_leaves_out_thresholds_that_bring_too_many_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts at the lowest threshold that is bounded, with the very points of an unbounded curve."""
    batches = full_problems(random_statements(3, 40))

    def draw() -> list[dict[str, Any]]:
        return threshold_curve(batches, tests=None, encoder=WordEncoder(), reviews=Reviews()).to_pylist()

    every = draw()
    monkeypatch.setattr("ocr_pipeline.duplicates.curve.MOST_PAIRS", every[3]["pairs"])
    assert 0 < len(draw()) < len(every)
    assert draw() == every[-len(draw()) :]


def test_a_point_of_the_curve_is_what_a_run_at_that_threshold_gives() -> None:
    """Pairs, duplicates and kept problems of each point are those of deduplication itself."""
    batches = full_problems(random_statements(5, 60))
    curve = threshold_curve(batches, tests=None, encoder=WordEncoder(noise=2e-8), reviews=Reviews()).to_pylist()
    for point in curve:
        config = DuplicateConfig(threshold=point["threshold"])
        pairs = compare_problems(batches, tests=None, config=config, encoder=WordEncoder(), reviews=Reviews()).pairs
        sink = Sink()
        kept = select_unique(lambda: batches, pairs.to_batches(), sink).kept
        duplicates = sum(decision == "duplicate" for decision in pairs["decision"].to_pylist())
        assert (point["kept"], point["pairs"], point["duplicate_pairs"]) == (kept, pairs.num_rows, duplicates)


def test_precision_and_recall_are_those_measured_with_the_encoder() -> None:
    """Without labelled pairs the measured table stands for the encoder it was measured with, and for no other."""
    batches = full_problems(random_statements(3, 10))
    encoder = WordEncoder()
    assert threshold_curve(batches, tests=None, encoder=encoder, reviews=Reviews())["recall"].null_count == 7
    encoder.name = "all-MiniLM-L6-v2@53aa51172d14+windows-1"
    assert threshold_curve(batches, tests=None, encoder=encoder, reviews=Reviews())["recall"].null_count == 0


def test_labelled_pairs_that_are_none_are_one_line(tmp_path: Path) -> None:
    """A file without the columns is named."""
    pq.write_table(pa.table({"left": ["a"]}), tmp_path / "pairs.parquet")
    with pytest.raises(InputError, match=r"labelled pairs .* cannot be read"):
        read_labelled(tmp_path / "pairs.parquet")
