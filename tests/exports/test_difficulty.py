"""How hard a problem is: what is counted, what is not, and how sure it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from ocr_pipeline.cli import build_app
from ocr_pipeline.evidence.accounting import unaccounted
from ocr_pipeline.evidence.history import explain
from ocr_pipeline.exports.difficulty import Band, band_of, measure, standard_error
from ocr_pipeline.tables import EXECUTIONS, PROBLEM_DIFFICULTY, RESPONSES
from tests.evidence import root as evidence_root
from tests.kept import Rows
from tests.samples.rows import rows


def attempts(*verdicts: str, model: str = "r1", problem: str = "p", **columns: Any) -> list[dict[str, Any]]:
    """Return executions of one problem, with the model in a column that only the tests know."""
    return [
        {"sample_id": f"{problem}-{model}-{number}", "problem_id": problem, "language": "python", "verdict": verdict}
        | columns
        | {"model": model}
        for number, verdict in enumerate(verdicts)
    ]


def measured(*groups: list[dict[str, Any]]) -> tuple[Any, list[dict[str, Any]]]:
    """Measure attempts whose responses name the models."""
    every = [row for group in groups for row in group]
    kept = Rows()
    executions = rows(
        EXECUTIONS, [{name: row[name] for name in row if name not in {"model", "error"}} for row in every]
    )
    asked = [
        {"request_id": row["sample_id"], "model": row["model"], "error": row.get("error")}
        for row in every
        if row["model"]
    ]
    schema = pa.schema([(name, pa.string()) for name in ("request_id", "model", "error")])
    counts = measure([executions], [pa.RecordBatch.from_pylist(asked, schema)] if asked else [], writer=kept)
    return counts, kept.rows


def test_an_attempt_that_nobody_could_score_is_in_no_estimate() -> None:
    """Two of three scored attempts pass; the one that was not run counts apart."""
    counts, (row,) = measured(attempts("accepted", "wrong_answer", "accepted", "not_run"))
    assert (row["n"], row["accepted"], row["unscored"]) == (3, 2, 1)
    assert row["pass_at_1"] == pytest.approx(2 / 3)
    assert (counts.rows_in, counts.kept, dict(counts.dropped)) == (4, 3, {"not_run": 1})


def test_an_answer_without_a_program_is_a_failure() -> None:
    """A request that got no answer is not, nor is what nobody knows."""
    nothing = {"reason": "no_code"}
    _, (row,) = measured(
        attempts("accepted"),
        [one | {"sample_id": "a"} for one in attempts("not_run", **nothing)],
        [one | {"sample_id": "b", "error": "server_error"} for one in attempts("not_run", **nothing)],
    )
    assert (row["n"], row["accepted"], row["unscored"]) == (2, 1, 1)
    _, (row,) = measured(attempts("not_run", model="", **nothing))
    assert (row["n"], row["unscored"]) == (0, 1)


def test_a_missing_checker_is_no_evidence() -> None:
    """Neither failures nor passes count where several outputs are right and nothing can tell."""
    counts, (row,) = measured(attempts("wrong_answer", "accepted", needs_checker=True))
    assert (row["n"], row["pass_at_1"], row["standard_error"], row["band"]) == (0, None, None, None)
    assert counts.dropped == {"needs_checker": 2}


def test_models_are_measured_apart_and_solvers_named() -> None:
    """Each model has its own row, and each row says who solved the problem."""
    _, found = measured(attempts("accepted", "accepted", model="a"), attempts("wrong_answer", model="b"))
    assert [(row["model"], row["pass_at_1"], row["solved_by"]) for row in found] == [
        ("a", 1.0, ["a"]),
        ("b", 0.0, ["a"]),
    ]


def test_languages_are_measured_apart() -> None:
    """A problem that is easy in one language may be hard in the other."""
    _, found = measured(
        attempts("accepted", problem="p"),
        [row | {"language": "cpp", "sample_id": "c"} for row in attempts("time_limit", problem="p")],
    )
    assert [(row["language"], row["pass_at_1"]) for row in found] == [("cpp", 0.0), ("python", 1.0)]


def test_an_attempt_without_response_is_of_an_unknown_model() -> None:
    """Nothing disappears because a response is not there."""
    _, (row,) = measured(attempts("accepted", model=""))
    assert row["model"] == "unknown"


def test_bands_need_four_attempts() -> None:
    """Ends belong to the lower band; fewer attempts say too little."""
    assert band_of(3, 0) is None
    assert [band_of(4, accepted) for accepted in range(5)] == [
        Band.HARD,
        Band.HARD,
        Band.NORMAL,
        Band.NORMAL,
        Band.EASY,
    ]


@given(st.lists(st.booleans(), min_size=2, max_size=30))
def test_the_standard_error_is_that_of_a_mean(passes: list[bool]) -> None:
    """It is the square root of the unbiased sample variance over n."""
    n, mean = len(passes), sum(passes) / len(passes)
    variance = sum((one - mean) ** 2 for one in passes) / (n - 1)
    assert standard_error(n, sum(passes)) == pytest.approx((variance / n) ** 0.5)


def test_the_order_of_rows_does_not_show() -> None:
    """The same attempts in another order give the same rows."""
    group = [*attempts("accepted", "not_run", model="a"), *attempts("wrong_answer", model="b", problem="q")]
    assert measured(group)[1] == measured(group[::-1])[1]


def test_the_command(tmp_path: Path) -> None:
    """Files in, the table and the account out; responses may be left out."""
    executions, responses = tmp_path / "executions.parquet", tmp_path / "responses.parquet"
    every = attempts("accepted", "not_run")
    table = rows(EXECUTIONS, [{name: row[name] for name in row if name != "model"} for row in every])
    pq.write_table(pa.Table.from_batches([table]), executions)
    asked = rows(RESPONSES, [{"request_id": row["sample_id"], "model": "r1"} for row in every])
    pq.write_table(pa.Table.from_batches([asked]), responses)
    arguments = ["difficulty", str(executions), "--out", str(tmp_path / "out"), "--json"]
    for more, model in (([], "unknown"), (["--responses", str(responses)], "r1")):
        done = CliRunner().invoke(build_app(["difficulty"]), [*arguments, *more], catch_exceptions=False)
        assert json.loads(done.stdout)["dropped"] == {"not_run": 1}
        assert pq.read_table(tmp_path / "out" / "problem_difficulty.parquet")["model"].to_pylist() == [model]


def test_a_problem_tells_how_hard_it_was(tmp_path: Path) -> None:
    """Explain names attempts and band; the account misses what was tried and not measured."""
    store = evidence_root.build_root(tmp_path)
    (keys,) = store.partitions(EXECUTIONS)
    tried = sorted(set(store.open(EXECUTIONS, **keys).to_table()["problem_id"].to_pylist()))
    row = {"model": "r1", "language": "python", "n": 4, "accepted": 1, "unscored": 2, "band": "hard"}
    evidence_root.put(store, PROBLEM_DIFFICULTY, [row | {"problem_id": name} for name in tried], keys)
    events = [event for event in explain(store, tried[0]).events if event.stage == "problem_difficulty"]
    assert [(event.verdict, event.summary) for event in events] == [
        ("hard", "r1, python: 1 of 4 attempts accepted, 2 unscored")
    ]
    assert not [line for line in unaccounted(store) if "problem_difficulty" in line]
    evidence_root.put(store, PROBLEM_DIFFICULTY, [row | {"problem_id": "taco/train/none"}], keys)
    assert len([line for line in unaccounted(store) if line.startswith("problem_difficulty")]) == 2
