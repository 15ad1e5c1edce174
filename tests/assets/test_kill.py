"""A Dagster run that is killed: what it leaves, and what the next one does."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ocr_pipeline.store import Store
from ocr_pipeline.tables import PROBLEMS, REJECTED, SOLUTIONS, TESTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TABLES = (PROBLEMS, TESTS, SOLUTIONS, REJECTED)
PROJECT = Path(__file__).parents[2]
SELECTION = "key:problems or key:tests or key:solutions or key:rejected"


def start(root: Path) -> subprocess.Popen[bytes]:
    """Start the ingest of the three bundled data sets as CI would, in a process group of its own."""
    command = [str(Path(sys.executable).with_name("dagster")), "asset", "materialize", "-m", "ocr_pipeline.definitions"]
    options = ["--select", SELECTION, "--partition-range", "taco...code_contests"]
    environment = os.environ | {"OCR_PIPELINE_DATA": str(root), "DAGSTER_HOME": str(root.parent)}
    return subprocess.Popen(
        [*command, *options],
        cwd=PROJECT,
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_for(condition: Path, process: subprocess.Popen[bytes]) -> None:
    """Return when the path exists, or the process has ended before it could be killed."""
    while not condition.exists() and process.poll() is None:
        time.sleep(0.001)


def broken_partitions(root: Path) -> list[str]:
    """Return every partition that a reader would find half written."""
    store = Store(root)
    places = [(table, keys) for table in TABLES for keys in store.partitions(table)]
    return [
        f"{table.name}/{file.name}"
        for table, keys in places
        for manifest in [store.manifest(table, **keys)]
        for file in (manifest.files if manifest else ())
        if hashlib.sha256(Path(store.path(table, **keys), file.name).read_bytes()).hexdigest() != file.sha256
    ]


@pytest.mark.parametrize("moment", ["_staging/problems-taco", "_staging/tests-apps", "rejected/dataset=apps"])
def test_a_killed_run_leaves_no_half_partition_and_the_next_completes_it(tmp_path: Path, moment: str) -> None:
    """Whatever was being written when the run was killed is absent or whole, and the next run finishes the job."""
    root = tmp_path / "data"
    killed = start(root)
    wait_for(root / moment, killed)
    os.killpg(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert broken_partitions(root) == []
    assert start(root).wait() == 0
    assert broken_partitions(root) == []
    assert {table.name: len(Store(root).partitions(table)) for table in TABLES} == {table.name: 3 for table in TABLES}
    assert not list((root / "_staging").glob("*"))
