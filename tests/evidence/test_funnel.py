"""The funnel adds up, and the account by id notices every row that is lost."""

import contextlib
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from ocr_pipeline.errors import ConservationError, StoreError
from ocr_pipeline.evidence import build_funnel, print_funnel, unaccounted, undecided_pairs
from ocr_pipeline.evidence.command import funnel
from ocr_pipeline.store import Store
from ocr_pipeline.tables import (
    CLEAN_PROBLEMS,
    CONTAMINATION,
    DUPLICATE_PAIRS,
    EXECUTIONS,
    FUNNEL,
    PLANS,
    PROBLEMS,
    REASONING_PATTERNS,
    REJECTED,
    RESPONSES,
    SAMPLES,
    SFT_DATASET,
    TESTS,
    UNIQUE_PROBLEMS,
)
from tests.evidence import root as fixture

TACO = {"dataset": "taco"}


def printed(store: Store) -> str:
    """Return what a person reads on a wide terminal."""
    sink = io.StringIO()
    print_funnel(build_funnel(store), Console(file=sink, width=160))
    return sink.getvalue()


def test_funnel_balances_at_every_stage(store: Store) -> None:
    """The rows of a stage, kept and dropped, add up to what its steps received."""
    rows = build_funnel(store).to_pylist()
    per_stage = {
        stage: sum(row["rows"] for row in rows if row["stage"] == stage) for stage in {r["stage"] for r in rows}
    }
    assert per_stage == {
        "problems": 6,
        "unique_problems": 4,
        "clean_problems": 3,
        "responses": 4,
        "samples": 4,
        "executions": 2,
        "sft_dataset": 4,
        "plans": 1,
    }


def test_funnel_follows_the_flow(store: Store) -> None:
    """Stages stand in the order of the flow, in the table's own schema."""
    funnel = build_funnel(store)
    assert funnel.schema.equals(FUNNEL.schema)
    positions = funnel["position"].to_pylist()
    assert positions == sorted(positions)
    assert funnel["stage"].to_pylist()[0] == "problems"


def test_whole_tables_stand_for_all_data_sets(store: Store) -> None:
    """A table without partitions has ``*`` as its data set and language."""
    rows = [row for row in build_funnel(store).to_pylist() if row["stage"] == "unique_problems"]
    assert {(row["dataset"], row["language"]) for row in rows} == {("*", "*")}


def test_printed_funnel_shows_every_reason(store: Store) -> None:
    """A person reads why rows were dropped, rejected raw rows included."""
    text = printed(store)
    for expected in ("raw rows", "1 no_statement", "1 duplicate", "1 contaminated", "1 loop"):
        assert expected in text


@pytest.mark.parametrize(
    ("policy", "decided", "says"),
    [
        ("keep", {"decision": "undecided"}, "1; 1 are kept and wait for a review, 0 are dropped by the threshold alone (undecided: keep)"),
        ("drop", {"decision": "duplicate", "decided_by": "threshold"}, "1; 0 are kept and wait for a review, 1 are dropped by the threshold alone (undecided: drop)"),
    ],
)  # fmt: skip
def test_the_funnel_says_what_became_of_undecided_pairs(
    store: Store, capsys: pytest.CaptureFixture[str], policy: str, decided: dict[str, str], says: str
) -> None:
    """With either policy, as text and as JSON; what evidence decided is not counted."""
    pairs = [{"left_id": "apps/train/7", "right_id": "taco/train/1"} | decided, {"left_id": "a", "right_id": "b", "decision": "distinct", "decided_by": "rule"}]  # fmt: skip
    fixture.put(store, DUPLICATE_PAIRS, pairs, config={"undecided": policy})
    line = f"duplicate_pairs: of 2 pairs of problems no evidence decides {says}"
    assert next(undecided_pairs(store)) == line
    with contextlib.suppress(ConservationError):
        funnel(str(store.local_root))
    assert line in capsys.readouterr().out


def test_empty_root_prints_a_sentence(tmp_path: Path) -> None:
    """Nothing materialized is said, not drawn as an empty table."""
    assert "nothing has been materialized" in printed(Store(tmp_path))


def test_account_that_does_not_add_up_is_refused(store: Store) -> None:
    """A manifest whose counts lose a row stops the funnel and names the partition."""
    fixture.put(store, SAMPLES, [fixture.sample("a" * 64)], fixture.PYTHON, rows_in=2)
    with pytest.raises(ConservationError, match="samples/taco/python"):
        build_funnel(store)


def test_partition_without_an_account_is_refused(store: Store) -> None:
    """A manifest without counts is not passed over."""
    with store.writer(CLEAN_PROBLEMS, config={}, code_version="1") as writer:
        writer.write(CLEAN_PROBLEMS.schema.empty_table())
    with pytest.raises(StoreError, match="clean_problems gives no account"):
        build_funnel(store)


def test_nothing_is_unaccounted_for_in_a_whole_root(store: Store) -> None:
    """Every id of the fixture is found again."""
    assert unaccounted(store) == []


def test_nothing_is_unaccounted_for_in_an_empty_root(tmp_path: Path) -> None:
    """Tables that are not there yet are not missed."""
    assert unaccounted(Store(tmp_path)) == []


def lose_a_rejected_row(store: Store) -> None:
    """Empty ``rejected`` while its rows stay counted."""
    fixture.put(store, REJECTED, [], TACO)


def lose_a_problem(store: Store) -> None:
    """Count three raw rows, of which one is in no table."""
    fixture.put(store, PROBLEMS, [fixture.problem(fixture.SUM)], TACO, dropped={"no_statement": 1}, rows_in=3)
    fixture.put(store, REJECTED, [], TACO)


def forget_a_member(store: Store) -> None:
    """Let a unique problem name only itself."""
    fixture.put(store, UNIQUE_PROBLEMS, [fixture.unique(fixture.SUM), fixture.unique(fixture.SORT)])


def drop_without_a_pair(store: Store) -> None:
    """Forget why a problem was dropped."""
    fixture.put(store, DUPLICATE_PAIRS, [])


def drop_for_a_dropped_witness(store: Store) -> None:
    """Name a witness that is not kept."""
    pair = {"left_id": fixture.SUM_AGAIN, "right_id": fixture.SUM, "dropped_id": fixture.SUM_AGAIN}
    fixture.put(store, DUPLICATE_PAIRS, [pair | {"kept_id": "apps/train/99"}])


def keep_a_dropped_problem(store: Store) -> None:
    """Drop a problem by a pair and keep it."""
    pair = {"left_id": fixture.SORT, "right_id": fixture.SUM, "kept_id": fixture.SUM, "dropped_id": fixture.SORT}
    known = {"left_id": fixture.SUM_AGAIN, "right_id": fixture.SUM, "kept_id": fixture.SUM}
    fixture.put(store, DUPLICATE_PAIRS, [pair, known | {"dropped_id": fixture.SUM_AGAIN}])


def drop_a_clean_problem(store: Store) -> None:
    """Drop a problem that no benchmark holds."""
    fixture.put(store, CLEAN_PROBLEMS, [fixture.unique(fixture.SUM, fixture.SUM_AGAIN)], dropped={"contaminated": 2})


def keep_a_contaminated_problem(store: Store) -> None:
    """Keep a problem that a benchmark holds."""
    row = {"problem_id": fixture.SORT, "benchmark": "humaneval", "benchmark_id": "x", "decision": "contaminated"}
    leaked = row | {"problem_id": fixture.LEAKED}
    fixture.put(store, CONTAMINATION, [row, leaked], inputs=[store.reference(PROBLEMS, dataset="humaneval")])


def lose_a_sample(store: Store) -> None:
    """Give two of four responses no verdict."""
    fixture.put(
        store, SAMPLES, [fixture.sample(fixture.KEPT_SAMPLE), fixture.sample(fixture.WRONG_SAMPLE)], fixture.PYTHON
    )


def invent_a_sample(store: Store) -> None:
    """Let three samples stand without a response."""
    fixture.put(store, RESPONSES, [{"request_id": fixture.KEPT_SAMPLE, "problem_id": fixture.SUM}], fixture.PYTHON)


def ask_a_stranger(store: Store) -> None:
    """Ask a problem that is not clean."""
    fixture.put(store, RESPONSES, [{"request_id": "f" * 64, "problem_id": "taco/train/77"}], fixture.PYTHON)


def judge_one_sample_only(store: Store) -> None:
    """Leave a kept sample unjudged."""
    fixture.put(store, EXECUTIONS, [{"sample_id": fixture.KEPT_SAMPLE}], fixture.PYTHON)


def release_a_stranger(store: Store) -> None:
    """Release a row that is no sample."""
    fixture.put(store, SFT_DATASET, [{"sample_id": "9" * 64}], fixture.PYTHON, dropped={"loop": 3})


def release_fewer_than_counted(store: Store) -> None:
    """Leave two samples out of the account."""
    fixture.put(store, SFT_DATASET, [{"sample_id": fixture.KEPT_SAMPLE}], fixture.PYTHON, dropped={"loop": 1})


def lose_patterns(store: Store) -> None:
    """Label no reasoning at all."""
    fixture.put(store, REASONING_PATTERNS, [], fixture.PYTHON)


def attach_tests_to_a_stranger(store: Store) -> None:
    """Store a test of a problem that does not exist."""
    fixture.put(store, TESTS, [{"problem_id": "taco/train/77", "test_id": "0000"}], TACO)


def plan_a_stranger(store: Store) -> None:
    """Plan a problem that does not exist."""
    fixture.put(store, PLANS, [{"plan_id": "1", "problem_id": "taco/train/77"}], TACO)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lose_a_rejected_row, "rejected/taco: 1 raw rows counted as `no_statement`, 0 in the table"),
        (lose_a_problem, "problems/taco: 3 rows in, but 1 kept + 1 dropped"),
        (forget_a_member, "are not a member of any unique problem: apps/train/7, apps/train/8"),
        (drop_without_a_pair, "are dropped without a kept witness: apps/train/7"),
        (drop_for_a_dropped_witness, "are dropped without a kept witness: apps/train/7"),
        (keep_a_dropped_problem, "are dropped by a pair, yet kept: taco/train/2"),
        (drop_a_clean_problem, "are dropped without a benchmark witness: taco/train/2"),
        (keep_a_contaminated_problem, "are contaminated, yet kept: taco/train/2"),
        (lose_a_sample, "2 are responses without a verdict"),
        (invent_a_sample, "3 are samples without a response"),
        (ask_a_stranger, "were asked but are not clean problems: taco/train/77"),
        (judge_one_sample_only, f"are kept samples without a judgement: {fixture.WRONG_SAMPLE}"),
        (release_a_stranger, "are not samples: 9999"),
        (release_fewer_than_counted, "1 of 2 samples counted as kept, 1 of 4 in the tables"),
        (lose_patterns, "3 have a reasoning but no patterns"),
        (attach_tests_to_a_stranger, "belong to no problem: taco/train/77"),
        (plan_a_stranger, "have a plan but are not problems: taco/train/77"),
    ],
)
def test_damage_is_named_with_its_rows(store: Store, damage: Callable[[Store], None], expected: str) -> None:
    """Each way to lose or invent a row is found, with the ids."""
    damage(store)
    assert any(expected in line for line in unaccounted(store)), unaccounted(store)


@pytest.mark.parametrize("damage", [forget_a_member, drop_for_a_dropped_witness, lose_a_sample, ask_a_stranger])
def test_the_account_says_the_same_in_many_buckets(
    store: Store, damage: Callable[[Store], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit into memory goes through files, and gives the very lines."""
    damage(store)
    whole = unaccounted(store)
    monkeypatch.setattr("ocr_pipeline.store.buckets.ROWS_PER_BUCKET", 1)
    assert unaccounted(store) == whole != []


@pytest.mark.usefixtures("store")
def test_the_account_reads_no_column_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns are streamed: a scanner that reads a whole table would take memory for every row."""
    monkeypatch.setattr(Store, "open", lambda *_, **__: pytest.fail("a table was opened as a whole"))
    monkeypatch.setattr(Store, "batches", lambda *_, **__: iter(()))
    unaccounted(store)
