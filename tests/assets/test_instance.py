"""What the page says is the case: a real web server and daemon, asked through GraphQL as the page asks them."""

from __future__ import annotations

import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.store import Store
from ocr_pipeline.tables import DUPLICATE_PAIRS, RESPONSES, REVIEWS, Language
from ocr_pipeline.teacher.servers import Replay
from tests.assets.instance import Instance, serving, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_200)]

INGEST = ("problems", "tests", "solutions", "rejected")
CHOSEN = ("duplicate_pairs", "unique_problems", "contamination", "clean_problems")
GRID = ("responses", "samples", "executions", "reasoning_patterns", "problem_difficulty", "sft_dataset")
STATS = """
query S($keys: [AssetKeyInput!]) { assetNodes(assetKeys: $keys) { assetKey { path }
  partitionStats { numMaterialized numPartitions numFailed } } }"""
NODES = "{ assetNodes { assetKey { path } partitionKeys staleStatus } }"
PARTITIONS = (
    "query P($keys: [AssetKeyInput!]) { assetNodes(assetKeys: $keys) { assetKey { path } staleStatusByPartition } }"
)
EVENTS = """
query Events($key: AssetKeyInput!) { assetOrError(assetKey: $key) { ... on Asset {
  assetMaterializations(limit: 100) { partition runId tags { key value } } } } }"""


def key(dataset: str, language: str) -> dict[str, str]:
    """Return the tags of a run of one partition."""
    return {
        "dagster/partition": f"{dataset}|{language}",
        "dagster/partition/dataset": dataset,
        "dagster/partition/language": language,
    }


def span(first: str, last: str) -> dict[str, str]:
    """Return the tags of a run over a range of partitions."""
    return {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}


def stale(page: Instance) -> set[str]:
    """Return everything that the page shows as stale."""
    nodes = {node["assetKey"]["path"][-1]: node for node in page.ask(NODES)["assetNodes"]}
    found = {name for name, node in nodes.items() if not node["partitionKeys"] and node["staleStatus"] == "STALE"}
    partitioned = [node["assetKey"] for node in nodes.values() if node["partitionKeys"]]
    for node in page.ask(PARTITIONS, keys=partitioned)["assetNodes"]:
        name = node["assetKey"]["path"][-1]
        by_partition = zip(nodes[name]["partitionKeys"], node["staleStatusByPartition"], strict=True)
        found |= {f"{name} {partition}" for partition, status in by_partition if status == "STALE"}
    return found


def events(page: Instance, name: str) -> list[dict[str, Any]]:
    """Return the materializations of an asset, the latest first."""
    found: list[dict[str, Any]] = page.ask(EVENTS, key={"path": [name]})["assetOrError"]["assetMaterializations"]
    return found


def answers(url: str) -> int:
    """Return how many answers the teacher has sent."""
    with urllib.request.urlopen(url.replace("/v1", "/metrics"), timeout=30) as reply:  # noqa: S310 - our own server
        lines = reply.read().decode().splitlines()
    return sum(int(line.rsplit(" ", 1)[1]) for line in lines if '"answers"' in line)


@contextmanager
def chosen(base: Path) -> Iterator[tuple[Instance, str]]:
    """Yield the page of an instance in which two data sets came as far as clean problems, and its slow teacher."""
    with (
        Replay(strict=True, faults="delay:lognormal(0.7,0.1)") as server,
        serving(base / "home", base / "data", daemon=True, OCR_PIPELINE_TEACHER_URL=server.urls[0]) as page,
    ):
        page.finish(page.launch(INGEST, span("taco", "apps")))
        page.finish(page.launch(CHOSEN, {}))
        yield page, server.urls[0]


@pytest.fixture(name="page", scope="module")
def _page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Return a page that the tests share, in any order."""
    with chosen(tmp_path_factory.mktemp("instance")) as (page, _):
        yield page


def data_root(page: Instance) -> Path:
    """Return where its data is."""
    return page.home.parent / "data"


@pytest.fixture(name="unasked")
def _unasked(tmp_path: Path) -> Iterator[tuple[Instance, str]]:
    """Return a page of its own, whose teacher nobody asked yet."""
    with chosen(tmp_path) as found:
        yield found


def test_terminate_stops_paying_and_a_later_run_goes_on(unasked: tuple[Instance, str]) -> None:
    """No request a second after Terminate; the next run pays for the rest only."""
    page, teacher = unasked
    slow = {"resources": {"teacher": {"config": {"window": 1}}}}
    run = page.launch(["responses"], key("taco", "python"), slow)
    before = until(lambda: answers(teacher))
    page.terminate(run)
    until(lambda: page.status(run) == "CANCELED", 60)
    time.sleep(1)
    stopped = answers(teacher)
    time.sleep(6)  # three answers' worth
    assert answers(teacher) == stopped
    assert Store(data_root(page)).manifest(RESPONSES, dataset="taco", language="python") is None
    page.finish(
        page.launch(["responses"], key("taco", "python"), {"resources": {"teacher": {"config": {"window": 8}}}})
    )
    rows = Store(data_root(page)).open(RESPONSES, dataset="taco", language="python").count_rows()
    in_flight = 1
    assert before <= stopped
    assert answers(teacher) - rows <= in_flight


def test_one_event_per_partition_with_its_own_content(page: Instance) -> None:
    """After a range and a single run of unchanged data, each run recorded each partition once, and nothing is stale."""
    before = stale(page)
    page.finish(page.launch(INGEST, span("taco", "apps")))
    page.finish(page.launch(INGEST, {"dagster/partition": "taco"}))
    for name in INGEST:
        seen = events(page, name)
        assert set(Counter((event["runId"], event["partition"]) for event in seen).values()) == {1}, name
        versions = {(event["partition"], tag["value"]) for event in seen for tag in event["tags"] if tag["key"] == "dagster/data_version"}  # fmt: skip
        assert len(versions) == len({event["partition"] for event in seen}), name
    assert stale(page) == before


def test_a_range_goes_as_far_as_it_can(page: Instance) -> None:
    """What cannot be built is left out, what can be is built, and the run says so."""
    page.finish(page.launch(["responses"], key("taco", "python")))
    asked = {"|".join(keys.values()) for keys in Store(data_root(page)).partitions(RESPONSES)}
    run = page.launch(["samples"], span("taco|python", "apps|cpp"))
    page.finish(run)
    built = {event["partition"] for event in events(page, "samples") if event["runId"] == run}
    assert built == {name for name in asked if name.startswith(("taco", "apps"))}


def test_a_full_grid_from_the_page_reaches_the_end(page: Instance) -> None:
    """Every partition of the teacher and of what follows is made, also those of data sets that nobody ingested."""
    nodes = {node["assetKey"]["path"][-1]: node["partitionKeys"] for node in page.ask(NODES)["assetNodes"]}
    runs = page.backfill(GRID, nodes["responses"])
    stats = page.ask(STATS, keys=[{"path": [name]} for name in GRID])["assetNodes"]
    assert {node["assetKey"]["path"][-1]: node["partitionStats"] for node in stats} == {
        name: {"numMaterialized": len(nodes[name]), "numPartitions": len(nodes[name]), "numFailed": 0} for name in GRID
    }
    assert len(runs) == len(Language)  # Dagster cuts a grid into ranges along one of its dimensions


def test_a_review_makes_exactly_what_depends_on_it_stale(page: Instance) -> None:
    """Pairs, and what is made from them; not what was ingested."""
    store, before = Store(data_root(page)), stale(page)
    pair = store.open(DUPLICATE_PAIRS).head(1).to_pylist()[0]
    row = {"pair_key": pair["pair_key"], "kind": "duplicate", "decision": "distinct", "reviewer": "a", "reviewed_at": datetime.now(UTC).replace(microsecond=0)}  # fmt: skip
    with store.writer(REVIEWS, {"reviewer": "a"} if REVIEWS.partition_by else {}, config={}, code_version="1") as out:
        out.write(pa.Table.from_pylist([row]))
        out.counts = StageCounts(1, 1)
    assert stale(page) == before  # nobody looked yet
    page.finish(page.launch(["reviews"], {}))
    found = {name.split(" ")[0] for name in stale(page)}
    assert {"duplicate_pairs", "contamination"} <= found
    assert not found & {*INGEST}
    page.finish(page.launch(CHOSEN, {}))
    assert "duplicate_pairs" not in {name.split(" ")[0] for name in stale(page)}
