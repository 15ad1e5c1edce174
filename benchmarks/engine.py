"""CPU of a step over Ray against local processes, on the same rows, with the bytes compared.

Real thoughts with real programs (``OCR_REAL_DATA``) lie in a data root; separation with all compilers is done by two local
processes, then by two nodes of a Ray cluster on the loopback, one of which is killed when a third of the work is handed out; each
by references and by batches through the driver. CPU is user and system time of every process that worked; the cluster's own
(raylets, global store) is told apart.

    python benchmarks/engine.py [ROWS]
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil
import pyarrow as pa

from benchmarks.separate import real_thoughts_and_programs, rows_of, write_responses
from ocr_pipeline.engine import Engine, LocalEngine
from ocr_pipeline.engine.ray import RayEngine
from ocr_pipeline.samples import SampleConfig, separate
from ocr_pipeline.samples.step import READ_COLUMNS
from ocr_pipeline.store import FileWriter, RowGroup, Store
from ocr_pipeline.tables import RESPONSES, SAMPLES

KEYS: Final = {"dataset": "taco", "language": "python"}
CLUSTER: Final = ("raylet", "gcs_server")
COMPILERS: Final = ("cc1plus", "g++", "as")
Rows = Iterator[RowGroup | pa.RecordBatch]


class Cpu:
    """CPU seconds of this process and those below it, of ended ones as they were when last seen."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, float], tuple[str, float]] = {}
        self._ended = threading.Event()

    def look(self) -> Counter[str]:
        """Return the seconds so far: of the cluster's own processes, and of those that work."""
        own = psutil.Process()
        for process in (own, *own.children(recursive=True)):
            try:
                name, times = process.name(), process.cpu_times()
                seconds = times.user + times.system
                if name in COMPILERS:
                    continue  # who waits for them has their time
                kind = "cluster" if name in CLUSTER else "work"
                if kind == "work" and process != own:
                    seconds += times.children_user + times.children_system
                self._seen[process.pid, process.create_time()] = kind, seconds
            except psutil.Error:
                continue
        total = Counter[str]()
        for kind, seconds in self._seen.values():
            total[kind] += seconds
        return total

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look often, so that little is missed of what ends."""

        def watch() -> None:
            while not self._ended.wait(0.2):
                self.look()

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()


def killing(rows: Rows, total: int, victims: Iterable[int]) -> Rows:
    """Hand rows out, and kill processes when a third of them is gone."""
    handed, left = 0, list(victims)
    for each in rows:
        yield each
        handed += each.num_rows
        while left and handed >= total / 3:
            os.kill(left.pop(), signal.SIGKILL)


def measured(name: str, rows: Rows, engine: Engine, path: Path, count: int) -> bytes:
    """Separate, print what it took, and return the bytes that were written."""
    cpu = Cpu()
    before, start = cpu.look(), time.monotonic()
    with cpu.watched(), FileWriter(path, SAMPLES) as writer:
        separate(rows, config=SampleConfig(), engine=engine, writer=writer)
    wall, spent = time.monotonic() - start, cpu.look()
    spent.subtract(before)
    print(
        f"{name:40} {1e3 * spent['work'] / count:7.2f} ms CPU a row, cluster {spent['cluster']:5.1f} s, wall {wall:6.1f} s"
    )
    return path.read_bytes()


@contextmanager
def two_nodes() -> Iterator[tuple[str, list[int]]]:
    """Start a cluster; give its address and the processes of the second node."""
    from ray.cluster_utils import Cluster

    os.environ |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    node = {"num_cpus": 1, "object_store_memory": 500_000_000}
    cluster = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    try:
        second = cluster.add_node(**node)
        yield cluster.address, [process.pid for kind in second.live_processes() for process in kind[1:]]
    finally:
        for each in cluster.list_all_nodes():
            each.kill_all_processes(check_alive=False, allow_graceful=False)


def main() -> None:
    """Measure all ways on the same rows."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 4_000
    texts = list(real_thoughts_and_programs(Path(os.environ["OCR_REAL_DATA"])))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_responses(folder / "responses.parquet", (texts[row % len(texts)] for row in range(count)))
        store = Store(folder / "root")
        with store.writer(RESPONSES, KEYS, config={}, code_version="1") as writer:
            for batch in rows_of(folder / "responses.parquet"):
                writer.write(batch)
        ways: dict[str, Callable[[], Rows]] = {
            "by reference": lambda: store.pieces(RESPONSES, READ_COLUMNS, **KEYS),
            "by batches": lambda: store.batches(RESPONSES, READ_COLUMNS, **KEYS),
        }
        written = [
            measured(f"two processes, {way}", rows(), LocalEngine(2), folder / "samples.parquet", count)
            for way, rows in ways.items()
        ]
        for way, rows in ways.items():
            for victims, what in ((False, "Ray, two nodes"), (True, "Ray, one of two nodes killed")):
                with two_nodes() as (address, second):
                    handed = killing(rows(), count, second if victims else ())
                    written.append(
                        measured(f"{what}, {way}", handed, RayEngine(address), folder / "samples.parquet", count)
                    )
        print("bytes are equal" if len(set(written)) == 1 else "BYTES DIFFER")


if __name__ == "__main__":
    main()
