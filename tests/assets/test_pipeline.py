"""The whole pipeline through Dagster on the bundled sample: complete, repeatable, and idle when nothing changed."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ocr_pipeline import evidence, open_table
from ocr_pipeline.definitions import build_defs
from ocr_pipeline.flow import FLOW
from ocr_pipeline.steps import Step
from ocr_pipeline.store import Store
from ocr_pipeline.tables import EXECUTIONS, SFT_DATASET, Table
from resources import StoreResource

pytestmark = pytest.mark.timeout(900)

DATASETS = ("taco", "apps", "code_contests")
BY_DATASET = ("problems", "tests", "solutions", "rejected")
WHOLE = ("duplicate_pairs", "unique_problems", "contamination", "clean_problems")
TRUST = ("test_trust",)
GENERATED = ("generated_tests",)
FEW_INPUTS = {"inputs_per_way": 4, "mutants": 2, "rounds": 1}
"""Enough to see that the same problems get the same tests."""
QUALITY = ("test_quality",)
FEW_PROGRAMS = {"mutants": 2}
"""Enough to see that the same programs say the same."""
BY_LANGUAGE = ("responses", "samples", "executions", "reasoning_patterns", "problem_difficulty", "sft_dataset")
PLANS = ("plans", "plan_sft_dataset")
REPORT = ("funnel", "data_card")
VERDICTS = ["sample_id", "verdict", "tests_total", "tests_passed", "first_failed_test", "detail", "needs_checker"]
GOLDEN = Path(__file__).parents[1] / "golden" / "outputs.json"


class Pipeline:
    """Materializes assets of the real definitions into a root of its own."""

    def __init__(self, root: Path | str, instance: dg.DagsterInstance, **resources: Any) -> None:
        """Assemble the definitions over ``root``."""
        self.root = root
        self.defs = build_defs(store=StoreResource(root=str(root)), **resources)
        self.instance = instance

    def run(
        self,
        names: tuple[str, ...],
        first: str | None = None,
        last: str | None = None,
        config: dict[str, Any] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Materialize assets with their checks, for a range of partitions."""
        keys = [dg.AssetKey(name) for name in names]
        job = self.defs.resolve_implicit_job_def_def_for_assets(keys)
        assert job is not None
        tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last or first}
        given = {key: value for key, value in tags.items() if value}
        run_config = {"ops": {name: {"config": config} for name in names}} if config else None
        return job.execute_in_process(instance=self.instance, asset_selection=keys, tags=given, run_config=run_config)

    def run_everything(self) -> None:
        """Materialize every asset of the demo."""
        self.run(BY_DATASET, "taco", "code_contests")
        self.run(WHOLE)
        self.run(TRUST, "taco", "code_contests")
        self.run(GENERATED, "apps", config=FEW_INPUTS)
        self.run(QUALITY, "taco", "code_contests", config=FEW_PROGRAMS)
        for dataset in DATASETS:
            self.run(BY_LANGUAGE, f"{dataset}|python", f"{dataset}|cpp")
        self.run(PLANS, "taco", "code_contests")
        self.run(REPORT)

    def unchanged(self, name: str) -> list[bool]:
        """Return, for each materialization of an asset, whether it was found unchanged."""
        records = self.instance.fetch_materializations(dg.AssetKey(name), limit=100).records
        return [bool(record.asset_materialization.metadata["unchanged"].value) for record in records]


def parquet_hashes(root: Path) -> dict[str, str]:
    """Return the hash of every Parquet file but the executions, which hold measured times and memory."""
    files = (path for path in sorted(root.rglob("*.parquet")) if "executions" not in path.parts)
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


COMPARED = {EXECUTIONS.name: [name for name in VERDICTS if name != "detail"]}
"""Columns that are compared of a table whose others are measured, or hold words of compilers."""


def outputs(root: Path | str) -> dict[str, dict[str, str]]:
    """Return version, inputs and output of every step, as hashes over rows: files may be laid out in another way."""
    seen: dict[str, str] = {}
    found: dict[str, dict[str, str]] = {}
    for step in FLOW:
        if step.by_hand:  # nobody recorded a critic, or who labels
            continue
        read = {read.table.name: seen.get(read.table.name, "") for read in step.reads if not read.is_feedback}
        seen |= {table.name: hash_of_rows(root, table) for table in step.writes}
        found[step.name] = {
            "version": step.version,
            "read": hash_of([read, settings(root, step)]),
            "wrote": hash_of([seen[table.name] for table in step.writes]),
        }
    return found


def settings(root: Path | str, step: Step) -> list[Any]:
    """Return what the manifests say the step was told, and which raw files it read."""
    store = Store(root)
    found = [store.manifest(step.writes[0], **keys) for keys in store.partitions(step.writes[0])]
    return [[one.config, *(ref for ref in one.inputs if ref.table == "raw")] for one in found if one is not None]


def hash_of_rows(root: Path | str, table: Table) -> str:
    """Hash the rows of a table in the order of its key."""
    rows = open_table(root, table.name).to_table(columns=COMPARED.get(table.name))
    return hash_of(rows.sort_by([(name, "ascending") for name in table.key]).to_pylist())


def hash_of(value: object) -> str:
    """Hash anything that JSON can say."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def verdicts(root: Path) -> list[dict[str, object]]:
    """Return all that the judge decided; what it measured differs from run to run and is no decision."""
    rows: list[dict[str, object]] = (
        open_table(root, "executions").to_table(columns=VERDICTS).sort_by("sample_id").to_pylist()
    )
    return rows


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    """Return a Dagster instance that is gone afterwards."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, instance: dg.DagsterInstance) -> Pipeline:
    """Return a pipeline that ran everything once."""
    pipeline = Pipeline(tmp_path_factory.mktemp("pipeline") / "data", instance)
    pipeline.run_everything()
    return pipeline


def test_every_row_is_kept_or_dropped_with_a_reason(finished: Pipeline) -> None:
    """No problem and no sample of the bundled sample is lost on the way."""
    assert evidence.unaccounted(Store(finished.root)) == []


def test_the_data_set_holds_both_languages_and_all_sources(finished: Pipeline) -> None:
    """Every partition of the demo ends in rows that a student can train on."""
    partitions = Store(finished.root).partitions(SFT_DATASET)
    assert len(partitions) == len(DATASETS) * 2
    assert all(open_table(finished.root, "sft_dataset", **keys).count_rows() > 0 for keys in partitions)


def test_a_second_run_does_nothing_twice(finished: Pipeline) -> None:
    """When nothing changed, no partition is built again and no byte changes."""
    before = parquet_hashes(finished.root)
    finished.run_everything()
    assert parquet_hashes(finished.root) == before
    for name in (*WHOLE, *BY_LANGUAGE):
        assert any(finished.unchanged(name)), name


def test_an_empty_root_gets_the_same_bytes(finished: Pipeline, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    """The same input gives the same Parquet, byte for byte, on any root; the judge gives the same verdicts."""
    again = Pipeline(tmp_path / "data", instance)
    again.run_everything()
    assert parquet_hashes(again.root) == parquet_hashes(finished.root)
    assert verdicts(again.root) == verdicts(finished.root)


def test_a_step_whose_output_changes_has_another_version(
    finished: Pipeline, golden: Callable[[str, object], None]
) -> None:
    """The same input, options and version give the rows of the golden file, which cannot be told otherwise."""
    before, now = json.loads(GOLDEN.read_text()), outputs(finished.root)
    same = [
        name for name in now if name in before and all(now[name][k] == before[name][k] for k in ("version", "read"))
    ]
    changed = [name for name in same if now[name]["wrote"] != before[name]["wrote"]]
    assert not changed, f"{changed} write other rows than before: raise VERSION of the room"
    golden("outputs", now)
