"""Judging on a Ray cluster gives the verdicts that local processes give."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pyarrow as pa
import pytest

from ocr_pipeline.engine import Engine, LocalEngine
from ocr_pipeline.judge import JudgeConfig, judge
from ocr_pipeline.judge.lending import KeptRows
from tests.judge.test_step import PROBLEMS, SUM, all_tests, samples

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra ray"),
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore"),
]


def judged(table: pa.Table, engine: Engine, checkpoint: Path) -> list[dict[str, object]]:
    """Judge a table and return its rows without what is measured."""
    rows = KeptRows()
    judge(
        PROBLEMS.to_batches(), all_tests, table.to_batches(), config=JudgeConfig(), writer=rows, checkpoint=checkpoint,
        engine=engine,
    )  # fmt: skip
    return [{**row, "cpu_time_s": 0, "peak_memory_mib": 0, "results": 0} for row in rows.table.to_pylist()]


def test_ray_and_local_processes_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks travel, jails start in Ray's workers, results come back in order."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    from ocr_pipeline.engine.ray import RayEngine

    table = samples(
        *[("sum", "python", f"{SUM}\n# {number}") for number in range(20)], ("special", "python", "print(2)"),
        ("sum", "python", "print(3)"), ("sum", "python", ""),
    )  # fmt: skip
    head = {"num_cpus": 2, "include_dashboard": False, "object_store_memory": 100_000_000}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        over_ray = judged(table, RayEngine(cluster.address), tmp_path / "ray")
    finally:
        for node in cluster.list_all_nodes():
            node.kill_all_processes(check_alive=False, allow_graceful=False)
    assert over_ray == judged(table, LocalEngine(), tmp_path / "local")
