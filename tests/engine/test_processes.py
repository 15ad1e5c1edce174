"""Worker processes end with their parent, and a worker that dies is one clear error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from ocr_pipeline.engine import LocalEngine
from ocr_pipeline.engine.processes import worker_pool
from ocr_pipeline.errors import PipelineError

PARENT = """
import time
from ocr_pipeline.engine.processes import worker_pool
import os
if __name__ == "__main__":
    with worker_pool(2) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 600).result()
"""
PATIENCE_S = 30.0


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    """Neither an idle nor a busy worker outlives a parent that got no chance to say so."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT, encoding="utf-8")
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    end = time.monotonic() + PATIENCE_S
    while _is_running(worker):
        assert time.monotonic() < end, f"worker {worker} is still there"
        time.sleep(0.05)


def _is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="ascii").rsplit(") ", 1)[1][0] != "Z"
    except FileNotFoundError:
        return False


def test_a_worker_that_dies_is_one_clear_error() -> None:
    """What happened and what to do stand in the message."""
    with pytest.raises(PipelineError, match="use fewer workers"), worker_pool(1) as pool:
        pool.submit(os._exit, 1).result()


def _name_process(batch: pa.RecordBatch) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"process": [os.getpid()] * batch.num_rows})


@pytest.mark.parametrize(("count", "works_here"), [(0, True), (1, True), (3, False)])
def test_only_several_batches_are_worth_processes(count: int, works_here: bool) -> None:  # noqa: FBT001 - a parameter
    """One batch stays in this process, whatever the engine may use; several do not; none is lost."""
    batches = [pa.RecordBatch.from_pydict({"row": [number]}) for number in range(count)]
    found = [batch["process"][0].as_py() for batch in LocalEngine(2).map(_name_process, batches)]
    assert len(found) == count
    assert all((process == os.getpid()) is works_here for process in found)
