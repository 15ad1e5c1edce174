"""The student's assets through Dagster: train, try on several benchmarks, from a folder or a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ocr_pipeline import open_table
from ocr_pipeline.definitions import build_defs
from ocr_pipeline.store import Store
from ocr_pipeline.student.benchmark import told_problems
from ocr_pipeline.tables import CLEAN_PROBLEMS, PLAN_SFT_DATASET, PROBLEMS, SFT_DATASET, TESTS
from ocr_pipeline.tasks import code_prompt
from ocr_pipeline.teacher.servers import Replay
from resources import StoreResource
from tests.evidence.root import put

pytestmark = pytest.mark.timeout(600)

EVALUATION = ["student_candidates", "student_evaluation", "evaluation_summary"]
PNG = "data:image/png;base64,"


def add(number: int, dataset: str) -> dict[str, Any]:
    """Build a problem that adds a number, of a contest on that day."""
    return {
        "problem_id": f"{dataset}/test/{number}",
        "dataset": dataset,
        "split": "test",
        "statement": f"Add {number}.",
        "io_mode": "stdin",
        "contest_date": date(2024, 8, number),
    }


def case(number: int, dataset: str) -> dict[str, Any]:
    """Build its test."""
    return {
        "problem_id": f"{dataset}/test/{number}",
        "test_id": "000000",
        "kind": "example",
        "input": "5",
        "expected": str(5 + number),
    }


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Path:
    """Two small data sets, and training rows of the first."""
    store = Store(str(tmp_path / "data"))
    for dataset in ("taco", "livecodebench"):
        put(store, PROBLEMS, [add(number, dataset) for number in (1, 2, 3)], {"dataset": dataset})
        put(store, TESTS, [case(number, dataset) for number in (1, 2, 3)], {"dataset": dataset})
    rows = [
        {"id": f"c{number}", "task": "code", "prompt": code_prompt(f"Add {number}.", io_mode="stdin"), "weight": 1.0}
        | {"completion": f"print(int(input()) + {number})", "problem_id": f"taco/test/{number}"}
        for number in (1, 2, 3)
    ]
    put(store, PLAN_SFT_DATASET, rows, {"dataset": "taco"})
    return tmp_path / "data"


@pytest.fixture(name="instance")
def _instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def run(
    root: Path, instance: dg.DagsterInstance, names: list[str], config: dict[str, Any]
) -> dg.ExecuteInProcessResult:
    """Materialize assets of the real definitions with a run config."""
    keys = [dg.AssetKey(name) for name in names]
    job = build_defs(store=StoreResource(root=str(root))).resolve_implicit_job_def_def_for_assets(keys)
    assert job is not None
    ops = {"ops": {name: {"config": values} for name, values in config.items()}}
    return job.execute_in_process(instance=instance, asset_selection=keys, run_config=ops)


def test_a_tiny_student_is_trained_and_tried(root: Path, instance: dg.DagsterInstance) -> None:
    """The losses are drawn, and the problems of the training rows are its benchmark."""
    pytest.importorskip("transformers", reason="needs the extra `train`")
    ran = run(root, instance, ["student"], {"student": {"epochs": 1.0}})
    [trained] = ran.asset_materializations_for_node("student")
    assert PNG in str(trained.metadata["losses"].value)
    assert trained.metadata["steps"].value == 1
    run(root, instance, EVALUATION, {"evaluate_student": {"n": 2, "k": "1,2", "max_tokens": 8}})
    rows = open_table(root, "evaluation_summary").to_table().to_pylist()
    direct = {row["k"]: row for row in rows if row["method"] == "direct"}
    assert {row["student"] for row in rows} == {"tiny"}
    assert (direct[1]["n_problems"], direct[1]["pass_at_k"], set(direct)) == (3, 0.0, {1, 2})


def test_rows_can_ask_as_a_benchmark_does(root: Path, instance: dg.DagsterInstance) -> None:
    """With `as_benchmark` the prompt of a function problem without starter code shows one of its tests as a call."""
    pytest.importorskip("transformers", reason="needs the extra `train`")
    store = Store(str(root))
    problem = add(1, "mbpp") | {"io_mode": "function", "function_name": "add_one"}
    put(store, CLEAN_PROBLEMS, [problem], {})
    put(store, TESTS, [case(1, "mbpp") | {"input": "[5]"}], {"dataset": "mbpp"})
    row = {"sample_id": "s", "problem_id": "mbpp/test/1", "input": "-", "output": "def add_one(x): return x + 1"}
    put(store, SFT_DATASET, [row | {"language": "python"}], {"dataset": "mbpp", "language": "python"})
    versions = set()
    for more in ({}, {"as_benchmark": True}):
        config = {"objective": "sft", "max_steps": 1, "name": "asked"} | more
        ran = run(root, instance, ["student"], {"student": config})
        [trained] = ran.asset_materializations_for_node("student")
        versions.add(trained.metadata["folder"].value)
    assert len(versions) == 2
    told = told_problems(*(store.batches(table) for table in (CLEAN_PROBLEMS, TESTS)))
    assert "For example, add_one(5) returns 6." in told["mbpp/test/1"].code_prompt()


def answers(path: Path, numbers: tuple[int, ...]) -> Path:
    """Write a recorded student that knows some of the problems."""
    lines = [
        {
            "match": [f"Add {number}."],
            "sample_index": 0,
            "message": {"role": "assistant", "content": f"print(int(input()) + {number})"},
            "finish_reason": "stop",
            "stop_reason": None,
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
            "created": 1_767_225_600,
            "processing_ms": 1,
        }
        for number in numbers
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_served_students_are_tried_on_days_of_benchmarks(
    root: Path, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """Run config names students, data sets and days; what was not answered is unscored, and asked again next time."""
    with Replay(answers(tmp_path / "one.jsonl", (2,)), strict=True, model="served") as server:
        wanted = {"students": ["served"], "benchmarks": ["taco", "livecodebench"], "urls": list(server.urls), "n": 1}
        config = {"evaluate_student": wanted | {"k": "1", "since": "2024-08-02", "split": "test"}}
        run(root, instance, EVALUATION, config)
        rows = open_table(root, "evaluation_summary").to_table().to_pylist()
        direct = {row["benchmark"]: row for row in rows if row["method"] == "direct"}
        assert direct.keys() == {"taco", "livecodebench"}
        assert {(row["n_problems"], row["n_unscored"], row["pass_at_k"]) for row in direct.values()} == {(1, 1, 1.0)}
        again = run(root, instance, EVALUATION, config)
        [summary] = [
            each
            for each in again.asset_materializations_for_node("evaluate_student")
            if each.asset_key.path[-1] == "evaluation_summary"
        ]
        assert summary.metadata["unchanged"].value is False


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"students": ["nobody"]}, "there is no student `nobody`"),
        ({"benchmarks": ["apps"], "urls": ["http://localhost:1/v1"]}, "no data set `apps` is ingested"),
        (
            {"benchmarks": ["taco"], "urls": ["http://localhost:1/v1"], "since": "August"},
            "since must be a day such as 2024-08-01, got `August`",
        ),
    ],
)
def test_wrong_run_config_fails_in_one_line(
    root: Path, instance: dg.DagsterInstance, config: dict[str, Any], message: str
) -> None:
    """The failure says what is wrong and what there is."""
    with pytest.raises(dg.Failure, match=message):
        run(root, instance, EVALUATION, {"evaluate_student": config})
