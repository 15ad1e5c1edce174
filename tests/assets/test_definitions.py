"""The code location: what it offers, and that it loads fast and whole."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from ocr_pipeline.definitions import build_defs
from ocr_pipeline.flow import FLOW
from ocr_pipeline.tables import TABLES

HEAVY = ("torch", "transformers", "sentence_transformers", "ray", "trl", "matplotlib")
NOT_ASSETS = {"reviews", "findings"}


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    """Return the definitions as the code location offers them."""
    return build_defs()


def test_definitions_are_loadable(defs: dg.Definitions) -> None:
    """Everything that the definitions name exists."""
    dg.Definitions.validate_loadable(defs)


def test_asset_graph_is_the_published_one(defs: dg.Definitions, golden: Callable[[str, object], None]) -> None:
    """Keys, groups, dependencies and partitions change only on purpose."""
    graph = defs.resolve_asset_graph()
    seen = {
        key.to_user_string(): {
            "group": graph.get(key).group_name,
            "deps": sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
            "partitions": graph.get(key).partitions_def.get_partition_keys()[:3]
            if graph.get(key).partitions_def
            else [],
            "checks": sorted(check.name for check in graph.get_check_keys_for_assets({key})),
        }
        for key in graph.get_all_asset_keys()
    }
    golden("asset_graph", seen)


def test_every_table_of_the_design_is_an_asset(defs: dg.Definitions) -> None:
    """A table that nobody can materialize is no table of the flow."""
    keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    assert set(TABLES) - NOT_ASSETS <= keys


def test_partition_keys_read_dataset_then_language(defs: dg.Definitions) -> None:
    """Keys are what people and CI type: taco|python."""
    partitions = defs.resolve_asset_graph().get(dg.AssetKey("sft_dataset")).partitions_def
    assert partitions is not None
    assert "taco|python" in partitions.get_partition_keys()


def test_every_asset_shows_its_columns_and_owner(defs: dg.Definitions) -> None:
    """The page of each table names its owner and describes every column."""
    graph = defs.resolve_asset_graph()
    for name in set(TABLES) - NOT_ASSETS:
        node = graph.get(dg.AssetKey(name))
        columns = node.metadata["dagster/column_schema"].columns
        assert node.owners
        assert node.description
        assert [column.name for column in columns] == TABLES[name].schema.names
        assert all(column.description for column in columns)


ASK_THE_TEACHER = {"responses", "plans", "critiques", "pattern_labels", "synthetic_problems"}


def test_every_step_says_what_it_costs_and_where_its_code_stands(defs: dg.Definitions) -> None:
    """The page links the function that does the work; the teacher's are told apart from what costs CPU only."""
    graph = defs.resolve_asset_graph()
    for step in FLOW:
        node = graph.get(dg.AssetKey(step.writes[0].name))
        (reference,) = node.metadata["dagster/code_references"].code_references
        assert f"def {step.run.__name__}(" in Path(reference.file_path).read_text(encoding="utf-8").splitlines()[reference.line_number - 1]  # fmt: skip
        assert node.tags["costs"] == ("teacher" if step.name in ASK_THE_TEACHER else "cpu")


def test_jobs_schedules_and_sensors(defs: dg.Definitions) -> None:
    """Every stage of the main flow has a job, and a time at which it runs."""
    jobs = {"ingest_raw", "choose_problems", "ask_teacher", "check_tests", "judge_samples", "report"}
    assert {f"nightly_{name}" for name in jobs - {"ingest_raw", "report"}} | {"weekly_ingest", "weekly_report"} == {
        schedule.name for schedule in defs.schedules or []
    }
    assert {"killed_runs", "raw_files_changed", "outside_changed", "alert_on_failure"} <= {
        sensor.name for sensor in defs.sensors or []
    }
    assert jobs | {"tiny_student"} <= {job.name for job in defs.resolve_all_job_defs()}


def test_definitions_import_nothing_heavy() -> None:
    """The code server starts without torch and its kind."""
    code = f"import ocr_pipeline.definitions, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_one_of_several_tables_can_be_selected(defs: dg.Definitions) -> None:
    """`--select problems` works although one pass writes four tables."""
    keys = [dg.AssetKey("problems")]
    job = defs.resolve_implicit_job_def_def_for_assets(keys)
    assert job is not None
    assert job.get_subset(asset_selection=set(keys)).asset_layer.executable_asset_keys == set(keys)


def test_what_an_instance_stores_follows_dagster_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two homes share nothing, wherever Dagster is started."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    (home / "dagster.yaml").write_text((Path(__file__).parents[2] / "dagster.yaml").read_text())
    monkeypatch.chdir(elsewhere)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        dg.materialize([dg.AssetsDefinition.from_op(dg.op(name="anything")(lambda: None))], instance=instance)
        assert len(instance.get_run_records()) == 1
    assert list(elsewhere.iterdir()) == []
    assert {path.name for path in home.iterdir()} >= {"history", "storage"}
