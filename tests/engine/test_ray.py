"""The Ray engine gives the same bytes as local processes, also when a node dies in the middle."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from ocr_pipeline.engine import LocalEngine
from ocr_pipeline.errors import PipelineError
from ocr_pipeline.samples.step import READ_COLUMNS
from ocr_pipeline.steps import Services
from ocr_pipeline.store import RowGroup, Store
from ocr_pipeline.tables import RESPONSES
from resources import EngineResource
from tests.assets.test_pipeline import BY_DATASET, GOLDEN, WHOLE, Pipeline, outputs
from tests.samples.rows import ALL_SHAPES, responses, rows, separated

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra ray"),
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore"),
]
BATCHES = 40
KILL_AT = 12
STORE_BYTES = 100_000_000


def batches(kill: list[int]) -> Iterator[pa.RecordBatch]:
    """Yield batches of distinct rows, and kill the given processes on the way."""
    for number in range(BATCHES):
        if number == KILL_AT:
            for process in kill:
                os.kill(process, signal.SIGKILL)
        texts = [text.replace("print", f"print({number}), print") for text in ALL_SHAPES]
        names = [f"{number:02}-{row:02}" for row in range(len(texts))]
        yield responses(texts, request_id=names)


def pieces(root: Path, kill: list[int]) -> Iterator[RowGroup]:
    """Write the same rows into a data root and yield its row groups; kill as above."""
    store, keys = Store(root), {"dataset": "taco", "language": "python"}
    table = replace(RESPONSES, row_group_rows=len(ALL_SHAPES))
    with store.writer(table, keys, config={}, code_version="1") as writer:
        for batch in batches([]):
            writer.write(rows(RESPONSES, batch.to_pylist()))
    for number, piece in enumerate(store.pieces(table, READ_COLUMNS, **keys)):
        for process in kill if number == KILL_AT else ():
            os.kill(process, signal.SIGKILL)
        yield piece


@pytest.fixture
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the loopback nobody else is there, so no token is needed."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")


@dataclass
class TwoNodes:
    """A cluster on the loopback."""

    address: str
    second: list[int]
    """The processes of the second node."""


@pytest.fixture
def two_nodes(no_token: None) -> Iterator[TwoNodes]:  # noqa: ARG001 - before the cluster starts
    """Start a head and another node."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "include_dashboard": False, "object_store_memory": STORE_BYTES},
    )
    try:
        node = cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
        yield TwoNodes(cluster.address, [process.pid for kind in node.live_processes() for process in kind[1:]])
    finally:
        for node in cluster.list_all_nodes():
            node.kill_all_processes(check_alive=False, allow_graceful=False)


def test_same_bytes_when_a_node_dies(tmp_path: Path, two_nodes: TwoNodes) -> None:
    """Two nodes on the loopback, one killed in the middle: the file is the one that one process writes.

    Rows travel, or references to the row groups of a data root that every node reads.
    """
    from ocr_pipeline.engine.ray import RayEngine

    services = Services(lambda model: model(), lambda _: None, print)
    engine = RayEngine(two_nodes.address, note=services.note)
    local, _ = separated(tmp_path / "local.parquet", batches([]), engine=LocalEngine())
    by_batch, _ = separated(tmp_path / "batches.parquet", batches([]), engine=engine)
    by_reference, _ = separated(tmp_path / "pieces.parquet", pieces(tmp_path / "root", two_nodes.second), engine=engine)
    assert local == by_batch == by_reference
    for name in ("batches", "pieces"):
        assert (tmp_path / f"{name}.parquet").read_bytes() == (tmp_path / "local.parquet").read_bytes()
    assert services.taken_facts() == {"ray_address": two_nodes.address, "ray_tasks": 2 * BATCHES}


def test_the_demo_on_a_cluster_has_the_content_of_one_machine(tmp_path: Path, two_nodes: TwoNodes) -> None:
    """Every row of every table, with a node lost before the samples are made; the metadata say where the work was done."""
    with dg.DagsterInstance.ephemeral() as instance:
        pipeline = Pipeline(tmp_path / "root", instance, engine=EngineResource(ray_address=two_nodes.address))
        pipeline.run(BY_DATASET, "taco", "code_contests")
        pipeline.run(WHOLE)
        for process in two_nodes.second:
            os.kill(process, signal.SIGKILL)
        pipeline.run_everything()
        for name in ("duplicate_pairs", "samples", "executions", "reasoning_patterns"):
            records = instance.fetch_materializations(dg.AssetKey(name), limit=100).records
            assert any("ray_tasks" in record.asset_materialization.metadata for record in records), name
    assert outputs(tmp_path / "root") == json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.usefixtures("no_token")
def test_no_cluster() -> None:
    """An address where nobody listens is one clear line."""
    from ocr_pipeline.engine.ray import RayEngine

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(PipelineError, match=f"no Ray cluster at `127.0.0.1:{port}`"):
        list(RayEngine(f"127.0.0.1:{port}").map(_same, batches([])))


def _same(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch
