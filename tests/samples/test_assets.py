"""Separation and selection through Dagster: run configuration reaches them, and nothing before them runs again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from ocr_pipeline import open_table
from ocr_pipeline.definitions import build_defs
from ocr_pipeline.store import Store
from ocr_pipeline.tables import CLEAN_PROBLEMS, EXECUTIONS, RESPONSES, SAMPLES, Table
from resources import StoreResource
from tests.samples.rows import ALL_SHAPES, rows

PARTITION = {"dataset": "taco", "language": "python"}
TWO_FENCES = "<think>Two.</think>\n```python\nprint(1)\n```\nor\n```python\nprint(2)\n```\n"
TEXTS = [*ALL_SHAPES[:2], ALL_SHAPES[5], TWO_FENCES]


class Pipeline:
    """A root with responses, problems and executions of one partition."""

    def __init__(self, root: Path) -> None:
        """Write what comes before: a passing, a failing, a reasoning with code, and one that was not run."""
        self.root = root
        names = [f"s{number}" for number in range(len(TEXTS))]
        plain = {"problem_id": "taco/train/1", "language": "python"}
        asked = [plain | {"request_id": name, "text": text} for name, text in zip(names, TEXTS, strict=True)]
        outcomes = [("accepted", 1.0), ("wrong_answer", 0.5), ("accepted", 1.0), ("not_run", None)]
        ran = [
            plain | {"sample_id": name, "verdict": verdict, "pass_rate": rate}
            for name, (verdict, rate) in zip(names, outcomes, strict=True)
        ]
        self._write(RESPONSES, rows(RESPONSES, asked), **PARTITION)
        self._write(EXECUTIONS, rows(EXECUTIONS, ran), **PARTITION)
        self._write(CLEAN_PROBLEMS, rows(CLEAN_PROBLEMS, [{"problem_id": "taco/train/1", "dataset": "taco"}]))
        self.defs = build_defs(store=StoreResource(root=str(root)))

    def _write(self, table: Table, batch: pa.RecordBatch, **partition: str) -> None:
        with Store(self.root).writer(table, partition, config={}, code_version="1") as writer:
            writer.write(batch)

    def run(self, name: str, **config: Any) -> dg.ExecuteInProcessResult:
        """Materialize one asset of the partition with a run configuration."""
        job = self.defs.resolve_implicit_job_def_def_for_assets([dg.AssetKey(name)])
        assert job is not None
        return job.execute_in_process(
            partition_key="taco|python",
            asset_selection=[dg.AssetKey(name)],
            run_config={"ops": {name: {"config": config}}},
            raise_on_error=False,
        )

    def ids(self) -> list[str]:
        """Return the ids of the selected samples."""
        return list(open_table(self.root, "sft_dataset", **PARTITION).to_table()["sample_id"].to_pylist())


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """Return a root in which the responses are separated."""
    made = Pipeline(tmp_path / "data")
    assert made.run("samples").success
    return made


@pytest.mark.parametrize(
    ("config", "kept"),
    [
        ({}, ["s0", "s1", "s3"]),
        ({"execution": "passing"}, ["s0"]),
        ({"execution": "failing"}, ["s1"]),
        ({"pass_rate_min": 0.3, "pass_rate_max": 0.7}, ["s1"]),
        ({"drop_reasoning_with_code": False}, ["s0", "s1", "s2", "s3"]),
        ({"drop_duplicates": True}, ["s0", "s3"]),
        ({"samples_per_problem_max": 1}, None),
    ],
)
def test_run_configuration_selects(pipeline: Pipeline, config: dict[str, Any], kept: list[str] | None) -> None:
    """The ablation sets, bands and switches are run configurations over one judged table, which stays as it was."""
    samples = Store(pipeline.root).reference(SAMPLES, **PARTITION)
    assert pipeline.run("sft_dataset", **config).success
    found = pipeline.ids()
    assert found == kept if kept is not None else len(found) == 1
    assert Store(pipeline.root).reference(SAMPLES, **PARTITION) == samples


def test_fence_policy_is_run_configuration(pipeline: Pipeline) -> None:
    """The first fence instead of the last one is one word; both fences stand in the row."""
    assert pipeline.run("samples", fence_policy="first").success
    row = open_table(pipeline.root, "samples", **PARTITION).to_table().to_pylist()[3]
    assert (row["code"], len(row["fence_spans"])) == ("print(1)", 2)


@pytest.mark.parametrize(
    ("name", "config"), [("sft_dataset", {"execution": "some"}), ("samples", {"fence_policy": "middle"})]
)
def test_a_wrong_word_is_one_clear_line(pipeline: Pipeline, name: str, config: dict[str, str]) -> None:
    """The launchpad knows the words, so it refuses before anything starts and names what is wrong."""
    with pytest.raises(dg.DagsterInvalidConfigError, match=next(iter(config.values()))):
        pipeline.run(name, **config)


def test_selections_with_a_name_are_assets_of_their_own(pipeline: Pipeline) -> None:
    """Passing and failing samples lie beside each other, and a run of one leaves the other as it is."""
    for name in ("sft_dataset", "sft_dataset_passing", "sft_dataset_failing"):
        assert pipeline.run(name).success

    def ids(name: str) -> set[str]:
        return set(
            open_table(pipeline.root, name, **PARTITION).to_table(columns=["sample_id"])["sample_id"].to_pylist()
        )

    assert (ids("sft_dataset_passing"), ids("sft_dataset_failing")) == ({"s0"}, {"s1"})
    assert ids("sft_dataset") == {"s0", "s1", "s3"}
