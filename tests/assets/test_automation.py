"""The pipeline runs by itself, in a real instance, once its sensors are on; nothing is on before."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ocr_pipeline import sample
from ocr_pipeline.definitions import build_defs
from ocr_pipeline.store import Store
from ocr_pipeline.tables import SFT_DATASET
from tests.assets.instance import LOCATION, Instance, serving, turn_on, until

DRY_RUN = """
mutation Dry($selector: ScheduleSelector!, $time: Float!) { scheduleDryRun(selectorData: $selector, timestamp: $time) {
  __typename ... on DryRunInstigationTick { evaluationResult { runRequests { runKey tags { key value } } } } } }"""
MONDAY = 1_795_000_000.0


def test_everything_is_off_at_first() -> None:
    """But the sensor that ends runs whose process is gone, which starts nothing."""
    defs = build_defs()
    on = {one.name for one in defs.sensors or [] if one.default_status is dg.DefaultSensorStatus.RUNNING}
    assert on == {"killed_runs"}
    assert all(one.default_status is dg.DefaultScheduleStatus.STOPPED for one in defs.schedules or [])  # type: ignore[union-attr]


def test_jobs_schedules_and_sensors_say_what_they_do() -> None:
    """Their pages are not empty."""
    defs = build_defs()
    described = [*(defs.sensors or []), *(defs.schedules or []), *(defs.jobs or [])]
    assert [one.name for one in described if not one.description] == []
    # Owners of schedules and sensors are a beta of Dagster's, which warns of them at each start.
    assert [one.name for one in defs.jobs or [] if not one.owners] == []


class Hook(BaseHTTPRequestHandler):
    """Keeps what it is sent."""

    received: list[dict[str, Any]]

    def do_POST(self) -> None:
        """Take one alert."""
        self.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:  # type: ignore[override]
        """Print nothing."""


@contextmanager
def hook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Serve a web hook; give its address and what it received."""
    received: list[dict[str, Any]] = []
    server = HTTPServer(("127.0.0.1", 0), type("Kept", (Hook,), {"received": received}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", received
    finally:
        server.shutdown()
        server.server_close()


def run_requests(page: Instance, schedule: str) -> list[dict[str, str]]:
    """Return the tags of the runs that a schedule would start."""
    selector = {"repositoryLocationName": LOCATION, "repositoryName": "__repository__", "scheduleName": schedule}
    tick = page.ask(DRY_RUN, selector=selector, time=MONDAY)["scheduleDryRun"]
    assert tick["__typename"] == "DryRunInstigationTick"
    return [{tag["key"]: tag["value"] for tag in one["tags"]} for one in tick["evaluationResult"]["runRequests"]]


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_new_raw_file_becomes_rows_of_the_data_set(tmp_path: Path) -> None:
    """With no further click; then a nightly backfill starts what it says, and a run that fails is told to the hook."""
    raw, root = tmp_path / "raw", tmp_path / "data"
    raw.mkdir()
    with (
        hook() as (address, received),
        serving(
            tmp_path / "home", root, daemon=True, OCR_PIPELINE_RAW=str(raw), OCR_PIPELINE_ALERT_URL=address
        ) as page,
    ):
        for sensor in ("outside_changed", "automation", "teacher_automation", "alert_on_failure"):
            turn_on(page, sensor)
        shutil.copytree(sample.path("raw") / "taco", raw / "taco")

        def rows() -> int:
            keys = {"dataset": "taco", "language": "python"}
            store = Store(root)
            return store.open(SFT_DATASET, **keys).count_rows() if store.manifest(SFT_DATASET, **keys) else 0

        assert until(rows, 1_200) > 0
        [tags] = run_requests(page, "nightly_judge_samples")
        assert tags["dagster/asset_partition_range_start"] == "taco|python"
        run = page.launch(["problems", "tests", "solutions", "rejected"], {"dagster/partition": "apps"})
        page.finish(run, "FAILURE")
        told = until(lambda: [one for one in received if one["run_id"] == run])
        assert "no raw files for `apps`" in told[0]["text"]


class Ticks:
    """The conditions of all assets, evaluated one tick after the other."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        """Start before the first tick."""
        self.instance = instance
        self.defs = build_defs()
        self.cursor: Any = None

    def built(self, name: str, partition: str | None = None) -> None:
        """Record a materialization."""
        self.instance.report_runless_asset_event(dg.AssetMaterialization(name, partition=partition))

    def asked_for(self, name: str) -> bool:
        """Evaluate a tick; return whether it asks for an asset."""
        return self.requested(name) > 0

    def requested(self, name: str) -> int:
        """Evaluate a tick; return how many partitions of an asset it asks for."""
        result = dg.evaluate_automation_conditions(self.defs, instance=self.instance, cursor=self.cursor)
        self.cursor = result.cursor
        return result.get_num_requested(dg.AssetKey(name))


@pytest.fixture(name="ticks")
def _ticks() -> Iterator[Ticks]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Ticks(instance)


def test_nothing_is_compared_before_something_is_ingested(ticks: Ticks) -> None:
    """Reviews that somebody looks at in an empty instance start no empty comparison; the first problems do."""
    assert not ticks.asked_for("duplicate_pairs")
    ticks.instance.report_runless_asset_event(dg.AssetObservation("reviews", tags={"dagster/data_version": "1"}))
    assert not ticks.asked_for("duplicate_pairs")
    ticks.built("problems", "taco")
    assert ticks.asked_for("clean_problems")  # in the same run as what comes before it, though no benchmark is there


def test_a_change_in_the_tick_after_a_request_is_not_lost(ticks: Ticks) -> None:
    """It came too late for the run that was asked for, so another is."""
    ticks.asked_for("duplicate_pairs")
    ticks.built("problems", "taco")
    assert ticks.asked_for("duplicate_pairs")
    ticks.built("problems", "apps")
    assert ticks.asked_for("duplicate_pairs")
    assert not ticks.asked_for("duplicate_pairs")


def test_files_that_were_there_before_are_ingested_once(ticks: Ticks) -> None:
    """Whoever turns the sensor on need not touch them; a data set without files is not asked for."""
    ticks.instance.report_runless_asset_event(
        dg.AssetObservation("raw", partition="taco", tags={"dagster/data_version": "1"})
    )
    assert ticks.requested("problems") == 1
    assert ticks.requested("problems") == 0


def test_nobody_pays_for_what_was_there_before(ticks: Ticks) -> None:
    """Turning the teacher's sensor on asks nothing until problems change."""
    ticks.built("clean_problems")
    assert ticks.requested("responses") == 0
    ticks.built("clean_problems")
    assert ticks.requested("responses") > 0
