"""``explain`` tells the whole life of a row, and says what to do when it knows none."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ocr_pipeline.cli import build_app
from ocr_pipeline.errors import InputError
from ocr_pipeline.evidence import Explanation, explain
from ocr_pipeline.evidence.funnel import FLOW
from ocr_pipeline.evidence.history import told
from ocr_pipeline.store import Store
from ocr_pipeline.tables import DUPLICATE_PAIRS, PLAN_SFT_DATASET, PROBLEMS, TABLES, TEST_TRUST
from tests.evidence import root as fixture


def verdicts(explanation: Explanation) -> list[tuple[str, str]]:
    """Return stage and verdict of each event."""
    return [(event.stage, event.verdict) for event in explanation.events]


def test_kept_problem_is_followed_to_the_released_rows(store: Store) -> None:
    """Source, neighbours, members, contamination, responses, each sample and plans, in the order of the flow."""
    assert verdicts(explain(store, fixture.SUM)) == [
        ("problems", "kept"),
        ("duplicate_pairs", "2 neighbours"),
        ("unique_problems", "kept"),
        ("contamination", "no evidence"),
        ("clean_problems", "kept"),
        ("responses", "asked"),
        ("samples", "kept"),
        ("samples", "kept"),
        ("samples", "loop"),
        ("plans", "kept"),
    ]


def test_every_stage_has_something_to_tell() -> None:
    """Each stage of the funnel is told by its room, in the order of the flow; training rows have no verdict."""
    names = [one.table.name for one in told()]
    assert names == [name for name in TABLES if name in names]
    assert {table.name for table in FLOW} - set(names) == {PLAN_SFT_DATASET.name}


def test_repairs_are_told(store: Store) -> None:
    """What the raw row needed stands with its source."""
    assert "repairs: nested_list" in explain(store, fixture.SUM).events[0].summary


def test_duplicate_names_its_witness_and_the_threshold_that_would_keep_it(store: Store) -> None:
    """A row dropped by the threshold says above which cosine it would stay."""
    dropped = explain(store, fixture.SUM_AGAIN).events[2]
    assert dropped.verdict == "dropped"
    assert f"duplicate of {fixture.SUM}" in dropped.summary
    assert "a threshold above 0.8300 would let it stay" in dropped.summary


def test_undecided_pairs_and_their_evidence_are_told_in_words(store: Store) -> None:
    """A kept problem says which pair waits for a person; what both sides say is never shown by its short name."""
    pair = {"left_id": fixture.SORT, "right_id": fixture.SUM, "cosine": 0.72, "lexical": 0.6, "decision": "undecided"}
    fixture.put(store, DUPLICATE_PAIRS, [pair | {"evidence": ["other_title", "some_cases"], "inputs_agreeing": 2}])
    told = {event.stage: event for event in explain(store, fixture.SORT).events}
    (neighbour,) = told["duplicate_pairs"].details
    assert neighbour["evidence"] == "different titles; some inputs in common, with the same outputs"
    assert (neighbour["decision"], neighbour["inputs_agreeing"]) == ("undecided", 2)
    assert f"1 undecided, the nearest {fixture.SUM} at cosine 0.7200" in told["unique_problems"].summary


def test_rule_does_not_depend_on_the_threshold(store: Store) -> None:
    """What a rule decided is not said to change with the threshold."""
    clean = explain(store, fixture.LEAKED).events[-1]
    assert (clean.stage, clean.verdict) == ("clean_problems", "dropped")
    assert "no threshold would change that" in clean.summary


def test_contamination_shows_the_shared_span(store: Store) -> None:
    """The evidence names the benchmark's problem and what both say."""
    found = next(event for event in explain(store, fixture.LEAKED).events if event.stage == "contamination")
    assert fixture.BENCHMARK_PROBLEM in found.summary
    assert found.details == ({"shared span": "two numbers closer than the threshold"},)


def test_what_reference_solutions_say_of_the_tests_is_told(store: Store) -> None:
    """A problem's flag with its flagged tests stands between the contamination and the answers."""
    rows = [
        {"problem_id": fixture.SUM, "flag": "tests_flagged", "n_solutions_run": 3, "n_passed": 2},
        {"problem_id": fixture.SUM, "test_id": "000004", "flag": "rejects_solutions", "detail": "wrong_answer 1"},
    ]
    fixture.put(store, TEST_TRUST, rows, {"dataset": fixture.SUM.split("/")[0]})
    (event,) = (event for event in explain(store, fixture.SUM).events if event.stage == "test_trust")
    assert (event.verdict, event.summary) == ("tests_flagged", "2 of 3 reference solutions pass; 1 tests left out")
    assert event.details[0]["test_id"] == "000004"


def test_rejected_row_gives_its_reason(store: Store) -> None:
    """A raw row that became no problem is found under the id it would have had."""
    explanation = explain(store, "taco/train/3")
    assert explanation.kind == "rejected"
    assert verdicts(explanation) == [("rejected", "no_statement")]


def test_benchmark_problem_is_not_called_lost(store: Store) -> None:
    """A problem that was never to be deduplicated is told as such."""
    absent = next(event for event in explain(store, fixture.BENCHMARK_PROBLEM).events if event.verdict == "absent")
    assert "was not among its inputs" in absent.summary


def test_sample_is_followed_from_answer_to_selection(store: Store) -> None:
    """Response, verdict, execution, patterns and selection."""
    explanation = explain(store, fixture.WRONG_SAMPLE)
    assert verdicts(explanation) == [
        ("responses", "answered"),
        ("samples", "kept"),
        ("executions", "wrong_answer"),
        ("reasoning_patterns", "unlabelled"),
        ("sft_dataset", "dropped"),
    ]
    assert "first failed: 0002" in explanation.events[2].summary


def test_start_of_a_sample_id_is_enough(store: Store) -> None:
    """Eight characters find the sample, as long as only one begins with them."""
    assert explain(store, fixture.KEPT_SAMPLE[:8]).identifier == fixture.KEPT_SAMPLE


def test_unknown_id_names_the_nearest(store: Store) -> None:
    """A typing mistake is answered with the ids that were meant."""
    with pytest.raises(InputError, match=r"taco/train/11.*ids look like taco/train/1"):
        explain(store, "taco/train/11")


def test_empty_root_says_what_to_do(tmp_path: Path) -> None:
    """Nothing to explain is an error of the data root, not of the id."""
    with pytest.raises(InputError, match="holds no problems; materialize some"):
        explain(Store(tmp_path), fixture.SUM)


def test_problem_alone_is_explained_before_any_other_step(tmp_path: Path) -> None:
    """A root that was only ingested explains what there is."""
    store = Store(tmp_path)
    fixture.put(store, PROBLEMS, [fixture.problem(fixture.SUM)], {"dataset": "taco"})
    assert verdicts(explain(store, fixture.SUM)) == [("problems", "kept")]


def test_command_prints_json_for_programs(store: Store) -> None:
    """``--json`` is one object with the events."""
    result = CliRunner().invoke(
        build_app(["explain", "funnel"]), ["explain", fixture.SUM, "--data", store.root, "--json"]
    )
    assert result.exit_code == 0
    assert json.loads(result.stdout)["events"][0]["stage"] == "problems"


def test_funnel_of_no_data_root_is_an_error(tmp_path: Path) -> None:
    """A mistyped folder does not account for every row."""
    app = build_app(["funnel", "explain"])
    result = CliRunner().invoke(app, ["funnel", "--data", str(tmp_path / "dtaa")])
    assert isinstance(result.exception, InputError)
    assert "dtaa" in str(result.exception)


def test_funnel_command_fails_when_a_row_is_lost(store: Store) -> None:
    """The exit code tells a script that the account does not close."""
    app = build_app(["explain", "funnel"])
    assert "Every row is accounted for." in CliRunner().invoke(app, ["funnel", "--data", store.root]).stdout
    fixture.put(store, PROBLEMS, [], {"dataset": "apps"})
    assert CliRunner().invoke(app, ["funnel", "--data", store.root]).exit_code == 1
