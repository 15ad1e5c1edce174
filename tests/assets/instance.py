"""A real Dagster instance: web server, daemon, and GraphQL as the page calls it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

PROJECT: Final = Path(__file__).parents[2]
LOCATION: Final = "ocr_pipeline.definitions"
SETTINGS: Final = """
telemetry: {{enabled: false}}
storage: {{sqlite: {{base_dir: {home}/storage}}}}
local_artifact_storage:
  module: dagster._core.storage.root
  class: LocalArtifactStorage
  config: {{base_dir: {home}}}
compute_logs:
  module: dagster._core.storage.local_compute_log_manager
  class: LocalComputeLogManager
  config: {{base_dir: {home}/logs}}
concurrency: {{pools: {{granularity: op, default_limit: 1}}}}
run_monitoring: {{enabled: true, cancel_timeout_seconds: 60, poll_interval_seconds: 5}}
"""
LAUNCH: Final = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } } }
}"""
BACKFILL: Final = """
mutation Backfill($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) { __typename
  ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
BACKFILLED: Final = """
query Backfilled($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill {
  status isAssetBackfill runs(limit: 100) { id status } } } }"""
TERMINATE: Final = """
mutation Stop($id: String!) { terminateRun(runId: $id, terminatePolicy: SAFE_TERMINATE) { __typename } }"""
STATUS: Final = "query Status($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
LOG: Final = """
query Log($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events {
  ... on ExecutionStepFailureEvent { error { message } } ... on RunFailureEvent { error { message } } } } } }"""


def until(condition: Callable[[], Any], seconds: float = 120.0) -> Any:
    """Return what the condition gives as soon as it gives something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Instance:
    """The page of one instance."""

    def __init__(self, home: Path, port: int) -> None:
        """Remember where it is."""
        self.home = home
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Ask GraphQL."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})  # noqa: S310 - our own server
        with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310 - our own server
            answer: dict[str, Any] = json.load(reply)
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    def launch(self, assets: Sequence[str], tags: Mapping[str, str], config: Mapping[str, Any] | None = None) -> str:
        """Launch a run of some assets and return its id."""
        selector = {
            "repositoryLocationName": LOCATION,
            "repositoryName": "__repository__",
            "pipelineName": "__ASSET_JOB",
            "assetSelection": [{"path": [name]} for name in assets],
        }
        metadata = {"tags": [{"key": key, "value": value} for key, value in tags.items()]}
        params = {
            "selector": selector,
            "runConfigData": json.dumps(config or {}),
            "mode": "default",
            "executionMetadata": metadata,
        }
        launched = self.ask(LAUNCH, params=params)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run_id: str = launched["run"]["runId"]
        return run_id

    def backfill(self, assets: Sequence[str], partitions: Sequence[str]) -> list[str]:
        """Materialize partitions as the dialog of the page does, wait for the end, and return the runs it took."""
        params = {"assetSelection": [{"path": [name]} for name in assets], "partitionNames": list(partitions)}
        launched = self.ask(BACKFILL, params=params)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched

        def ended() -> Any:
            found = self.ask(BACKFILLED, id=launched["backfillId"])["partitionBackfillOrError"]
            return found if found["status"].startswith(("COMPLETED", "FAILED", "CANCELED")) else None

        found = until(ended, 900)
        assert found["status"] == "COMPLETED_SUCCESS", found
        return [run["id"] for run in found["runs"]]

    def status(self, run_id: str) -> str:
        """Return the status of a run."""
        status: str = self.ask(STATUS, id=run_id)["runOrError"]["status"]
        return status

    def terminate(self, run_id: str) -> None:
        """Press Terminate."""
        self.ask(TERMINATE, id=run_id)

    def finish(self, run_id: str, status: str = "SUCCESS") -> None:
        """Wait for the end of a run."""
        ended = until(lambda: self.status(run_id) in {"SUCCESS", "FAILURE", "CANCELED"} and self.status(run_id), 300)
        assert ended == status, [
            event for event in self.ask(LOG, id=run_id)["logsForRun"]["events"] if event.get("error")
        ]


@contextmanager
def serving(home: Path, root: Path, *, daemon: bool = False, **environment: str) -> Iterator[Instance]:
    """Start an instance for the length of the block."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text(SETTINGS.format(home=home))
    port = free_port()
    known = os.environ | {"DAGSTER_HOME": str(home), "OCR_PIPELINE_DATA": str(root)} | environment
    binary = Path(sys.executable).parent
    commands = [[str(binary / "dagster-webserver"), "-m", LOCATION, "-p", str(port)]]
    if daemon:
        commands.append([str(binary / "dagster-daemon"), "run", "-m", LOCATION])
    instance = Instance(home, port)
    with ExitStack() as stack:
        for command in commands:  # one after the other: each would make the tables of a fresh storage
            process = subprocess.Popen(
                command, cwd=PROJECT, env=known, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            stack.callback(process.wait, 60)
            stack.callback(process.terminate)
            until(lambda: answers(instance), 180)
        yield instance


def answers(instance: Instance) -> bool:
    """Whether the page is there, with the code location loaded."""
    try:
        found = instance.ask("{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }")
    except OSError:
        return False
    return bool(found["repositoriesOrError"].get("nodes"))


START_SENSOR: Final = """
mutation Start($selector: SensorSelector!) { startSensor(sensorSelector: $selector) { __typename } }"""


def turn_on(page: Instance, sensor: str) -> None:
    """Turn a sensor on, as its switch on the page does."""
    selector = {"repositoryLocationName": LOCATION, "repositoryName": "__repository__", "sensorName": sensor}
    started = page.ask(START_SENSOR, selector=selector)["startSensor"]["__typename"]
    assert started == "Sensor", started
