"""The asset that asks reference solutions, the executions that use it, and what both show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ocr_pipeline.definitions import build_defs
from ocr_pipeline.store import Store
from ocr_pipeline.tables import CLEAN_PROBLEMS, EXECUTIONS, SAMPLES, SOLUTIONS, TESTS
from resources import SandboxResource, StoreResource
from tests.evidence import root as fixture

SUM = "print(sum(map(int, input().split())))"
SMALL, WRONG = "taco/train/1", "taco/train/2"
CASES = [(SMALL, "000000", "1 2", "3"), (SMALL, "000001", "3 4", "8"), (WRONG, "000000", "1 2", "4")]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a root with two problems, one wrong test of each, and a right program for each."""
    opened = Store(tmp_path / "root")
    dataset = {"dataset": "taco"}
    fixture.put(opened, CLEAN_PROBLEMS, [fixture.unique(SMALL), fixture.unique(WRONG)])
    tests = [dict(zip(("problem_id", "test_id", "input", "expected"), case, strict=True)) for case in CASES]
    fixture.put(opened, TESTS, tests, dataset)
    solutions = [
        {"problem_id": name, "solution_id": "0", "language": "python", "code": SUM, "is_correct": True}
        for name in (SMALL, WRONG)
    ]
    fixture.put(opened, SOLUTIONS, solutions, dataset)
    samples = [fixture.sample(f"s{name}", problem_id=name, code=SUM, language="python") for name in (SMALL, WRONG)]
    fixture.put(opened, SAMPLES, samples, fixture.PYTHON)
    return opened


def materialize(root: Path, name: str, partition: str, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """Materialize one asset with its checks."""
    sandbox = SandboxResource(workers=0, solutions_per_language=1)
    job = build_defs(store=StoreResource(root=str(root)), sandbox=sandbox).resolve_implicit_job_def_def_for_assets(
        [dg.AssetKey(name)]
    )
    assert job is not None
    return job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey(name)], partition_key=partition)


def metadata_of(result: dg.ExecuteInProcessResult, name: str) -> dict[str, Any]:
    """Return what the materialization of an asset shows."""
    (event,) = result.asset_materializations_for_node(name)
    return {key: value.value for key, value in event.metadata.items()}


def test_flagged_tests_reach_rows_metadata_and_a_check(store: Store, tmp_path: Path) -> None:
    """Without the table samples are judged by every test; with it, built again, by those that can be trusted."""
    root = tmp_path / "root"
    with dg.DagsterInstance.ephemeral() as instance:
        materialize(root, "executions", "taco|python", instance)
        before = store.open(EXECUTIONS, **fixture.PYTHON).to_table().to_pylist()
        assert [(row["verdict"], row["tests_untrusted"]) for row in before] == [("wrong_answer", None)] * 2
        checked = materialize(root, "test_trust", "taco", instance)
        judged = materialize(root, "executions", "taco|python", instance)
    rows = store.open(EXECUTIONS, **fixture.PYTHON).to_table().to_pylist()
    assert [(row["verdict"], row["tests_total"], row["tests_untrusted"]) for row in rows] == [
        ("accepted", 1, 1),
        ("not_run", 0, 0),
    ]
    shown = metadata_of(judged, "executions")
    assert shown["untrusted_tests"] == 1
    assert shown["most_untrusted"] == [{"problem_id": SMALL, "tests_untrusted_max": 1}]
    evaluations = {each.check_name: each for each in checked.get_asset_check_evaluations()}
    check = evaluations["few_tests_are_not_trusted"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.metadata["untrusted_shares"].value == {"taco": {"tests": pytest.approx(1 / 3), "problems": 0.5}}
    assert all(each.passed for name, each in evaluations.items() if name != "few_tests_are_not_trusted")


@pytest.mark.parametrize(
    ("name", "partition"),
    [
        ("test_trust", "apps"),
        ("generated_tests", "apps"),
        ("test_quality", "apps"),
        ("plans", "apps"),
        ("plan_sft_dataset", "apps"),
        ("executions", "apps|python"),
    ],
)
def test_a_data_set_that_nobody_ingested_is_empty_and_checked(store: Store, name: str, partition: str) -> None:
    """So that a whole grid can be made: neither the step nor a check misses its tables."""
    with dg.DagsterInstance.ephemeral() as instance:
        assert materialize(Path(store.root), name, partition, instance).success
