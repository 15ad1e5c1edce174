"""The model that is asked about pairs, through Dagster: the real assets, the real client, recorded answers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ocr_pipeline.definitions import build_defs
from ocr_pipeline.prompts import Prompt
from ocr_pipeline.similarity import opinion_config
from ocr_pipeline.store import Store
from ocr_pipeline.tables import CONTAMINATION, DUPLICATE_PAIRS, PROBLEMS, UNIQUE_PROBLEMS, Table
from ocr_pipeline.teacher.ledger import Ledger
from ocr_pipeline.teacher.servers import Replay
from resources import BenchmarksResource, StoreResource, TeacherResource
from tests.evidence.root import put
from tests.similarity.stub import opinion

pytestmark = pytest.mark.timeout(300)

MILLER = "A miller sells flour to every village along the old river. Print how many sacks he needs."
BEES = "Seven bees fly over nine lakes to find some honey. Print how far the last bee flies."
KING = "A king gives each guest two cups of red wine. Print how many barrels the feast takes."
STATEMENTS = {
    "taco/test/a": MILLER,
    "apps/test/b": f"{MILLER} He starts at the mountain.",
    "taco/test/c": BEES,
    "apps/test/d": f"{BEES} They start at the hive.",
    "taco/test/e": KING,
    "apps/test/f": f"{KING} He starts at sunset.",
}
ANSWERS = {
    "taco/test/a": "<think>SAME at first sight.</think>The units differ.\nDIFFERENT",
    "apps/test/b": "They differ.\n**Different**",
    "taco/test/c": "SAME",
    "apps/test/d": "I would rather not say whether they are the same.",
    "taco/test/e": "SAME",
    "apps/test/f": "DIFFERENT",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a data root with three pairs of problems that no rule decides, and one of them as a benchmark's."""
    store = Store(tmp_path / "data")
    for dataset in ("taco", "apps"):
        rows = [
            {"problem_id": name, "statement": text} for name, text in STATEMENTS.items() if name.startswith(dataset)
        ]
        put(store, PROBLEMS, [row | {"dataset": dataset} for row in rows], {"dataset": dataset})
    leaked = {"problem_id": "humaneval/test/z", "dataset": "humaneval", "statement": STATEMENTS["apps/test/b"]}
    put(store, PROBLEMS, [leaked], {"dataset": "humaneval"})
    return tmp_path / "data"


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Replay]:
    """Return a server with one recorded opinion per pair and order, which refuses any other prompt."""
    path = tmp_path / "opinions.jsonl"
    recorded = [opinion(STATEMENTS[name], answer) for name, answer in ANSWERS.items()]
    path.write_text("".join(json.dumps(one) + "\n" for one in recorded), encoding="utf-8")
    with Replay(path, strict=True) as server:
        yield server


def materialize(root: Path, server: Replay, table: Table, **config: Any) -> dg.ExecuteInProcessResult:
    """Materialize one asset with its checks; of benchmarks only the ingested ones are there."""
    no_files = root / "no_files"
    no_files.mkdir(exist_ok=True)
    defs = build_defs(
        store=StoreResource(root=str(root)),
        teacher=TeacherResource(urls=list(server.urls)),
        benchmarks=BenchmarksResource(folder=str(no_files)),
    )
    keys = [dg.AssetKey(table.name)]
    job = defs.resolve_implicit_job_def_def_for_assets(keys)
    assert job is not None
    ops = {"ops": {table.name: {"config": config}}} if config else {}
    with dg.DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(instance=instance, asset_selection=keys, run_config=ops)


def decided(root: Path, table: Table, *ids: str) -> dict[str, tuple[str, str | None]]:
    """Return decision and decider of each row, by the last letters of its ids."""
    rows = Store(root).open(table).to_table().to_pylist()
    return {"".join(row[name][-1] for name in ids): (row["decision"], row["decided_by"]) for row in rows}


def test_the_assets_follow_a_model_that_is_sure_and_no_other(root: Path, model: Replay) -> None:
    """Both orders agree: the model decides; one malformed or against the other: the pair stays undecided."""
    assert materialize(root, model, DUPLICATE_PAIRS, opinion_model=model.model).success
    assert decided(root, DUPLICATE_PAIRS, "left_id", "right_id") == {
        "ba": ("distinct", "opinion"),
        "dc": ("undecided", None),
        "fe": ("undecided", None),
    }
    manifest = Store(root).manifest(DUPLICATE_PAIRS)
    assert manifest is not None
    assert manifest.config["opinion_model"] == model.model
    assert materialize(root, model, UNIQUE_PROBLEMS).success
    assert Store(root).open(UNIQUE_PROBLEMS).to_table().num_rows == 6
    assert materialize(root, model, CONTAMINATION, opinion_model=model.model).success
    assert decided(root, CONTAMINATION, "problem_id")["a"] == ("clean", "opinion")
    with Ledger(root / "_ledger" / "pairs.sqlite") as ledger:
        assert ledger.summary().answers == 6  # three pairs in both orders; the benchmark's pair was paid before


def test_another_prompt_makes_the_pairs_stale(root: Path, model: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked is part of what the pairs were made from."""
    materialize(root, model, DUPLICATE_PAIRS, opinion_model=model.model)
    manifest = Store(root).manifest(DUPLICATE_PAIRS)
    assert manifest is not None
    asked = opinion_config(model.model)
    assert asked.items() <= manifest.config.items()
    other = Prompt("same_problem", "Are {first} and {second} the same?")
    monkeypatch.setattr(Prompt, "load", lambda *_: other)
    assert opinion_config(model.model)["opinion_prompt_sha256"] != asked["opinion_prompt_sha256"]
    assert opinion_config("") == {}


def test_another_threshold_pays_no_answer_twice(root: Path, model: Replay) -> None:
    """A second materialization takes its answers from the ledger, with the server gone; without a model none decides."""
    materialize(root, model, DUPLICATE_PAIRS, opinion_model=model.model)
    first = decided(root, DUPLICATE_PAIRS, "left_id", "right_id")
    with Replay(strict=True) as other:
        assert materialize(root, other, DUPLICATE_PAIRS, opinion_model=model.model, threshold=0.71).success
        assert decided(root, DUPLICATE_PAIRS, "left_id", "right_id") == first
        materialize(root, other, DUPLICATE_PAIRS)
    assert set(decided(root, DUPLICATE_PAIRS, "left_id", "right_id").values()) == {("undecided", None)}
