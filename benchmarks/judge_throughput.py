"""What the judge makes of many cores and of much data: how busy workers are, and how much memory the supervisor needs.

    python benchmarks/judge_throughput.py busy [--slow 64] [--fast 1000] [--workers 2] [--svg FILE]
    python benchmarks/judge_throughput.py memory [--samples 20000] [--tests-per-problem 30] [--max-tests N]

``busy`` judges slow candidates of one problem beside fast ones of others and draws when each worker worked. ``memory``
judges one sample per problem and prints the largest resident memory of the supervisor and its workers together, without
the sandbox's processes.
"""

from __future__ import annotations

import argparse
import functools
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from ocr_pipeline.engine import LocalEngine, Shared
from ocr_pipeline.judge import JudgeConfig, judge
from ocr_pipeline.store import FileWriter, among
from ocr_pipeline.tables import EXECUTIONS, TESTS

SLOW = "n = int(input())\ntotal = 0\nfor i in range(9_000_000): total += i & n\nprint(n)\n# {}"
FAST = "n = int(input())\nprint(n)\n# {}"
BAR, WIDTH = 26, 900


@dataclass
class Watched:
    """An engine that notes when each process worked, and on what."""

    inner: LocalEngine
    spans: list[tuple[int, float, float, bool]] = field(default_factory=list)

    def spread(self, function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Any]:
        """Yield results as they are done."""
        for span, result in self.inner.spread(functools.partial(timed, function), tasks):
            self.spans.append(span)
            yield result

    def share(self, value: Any) -> Shared[Any]:  # noqa: ANN401
        """Share as the engine does."""
        return self.inner.share(value)

    def map(self, function: Callable[[Any], Any], batches: Iterable[Any]) -> Iterator[Any]:
        """Map as the engine does."""
        return self.inner.map(function, batches)


def timed(function: Callable[[Any], Any], task: Any) -> tuple[tuple[int, float, float, bool], Any]:  # noqa: ANN401
    """Call, and say who worked from when to when, and whether the task was a slow one."""
    start = time.monotonic()
    result = function(task)
    return (os.getpid(), start, time.monotonic(), task.problem.problem_id == "slow"), result


def busy(options: argparse.Namespace) -> None:
    """Judge slow candidates of one problem beside fast ones of others."""
    names = [f"fast/{number // 10:04}" for number in range(options.fast)] + ["slow"] * options.slow
    ids = sorted(set(names))
    problems = pa.table({"problem_id": ids, "time_limit_s": [10.0] * len(ids), "n_tests": [3] * len(ids)})
    tests = pa.table({
        "problem_id": [name for name in ids for _ in range(3)], "test_id": ["0", "1", "2"] * len(ids),
        "input": ["5"] * 3 * len(ids), "expected": ["5"] * 3 * len(ids),
    })  # fmt: skip
    codes = [(SLOW if name == "slow" else FAST).format(number) for number, name in enumerate(names)]
    samples = pa.table({
        "sample_id": list(map(str, range(len(names)))), "problem_id": names, "language": ["python"] * len(names),
        "code": codes,
    })  # fmt: skip
    engine = Watched(LocalEngine(options.workers))
    with tempfile.TemporaryDirectory() as folder, FileWriter(Path(folder) / "e.parquet", EXECUTIONS) as writer:
        start = time.monotonic()
        judge(problems.to_batches(), lambda _: tests.to_batches(), samples.to_batches(), config=JudgeConfig(),
              writer=writer, engine=engine)  # fmt: skip
        wall = time.monotonic() - start
    first, last = min(span[1] for span in engine.spans), max(span[2] for span in engine.spans)
    for process in sorted({span[0] for span in engine.spans}):
        mine = [span for span in engine.spans if span[0] == process]
        worked = sum(end - begun for _, begun, end, _ in mine)
        print(f"worker {process}: {len(mine)} candidates, busy {worked:.1f} s of {last - first:.1f} s "
              f"({100 * worked / (last - first):.1f} %), idle at the end {last - max(span[2] for span in mine):.2f} s")  # fmt: skip
    print(f"{len(names)} candidates in {wall:.1f} s")
    if options.svg:
        options.svg.write_text(drawing(engine.spans), encoding="utf-8")


def drawing(spans: list[tuple[int, float, float, bool]]) -> str:
    """Return a picture: a lane per worker, slow candidates dark, fast ones light."""
    first, last = min(span[1] for span in spans), max(span[2] for span in spans)
    scale, processes = WIDTH / (last - first), sorted({span[0] for span in spans})
    lanes = []
    for lane, process in enumerate(processes):
        merged: list[tuple[float, float, bool]] = []
        for _, start, end, slow in sorted(span for span in spans if span[0] == process):
            if merged and not slow and not merged[-1][2] and (start - merged[-1][1]) * scale < 1:
                merged[-1] = (merged[-1][0], end, False)
            else:
                merged.append((start, end, slow))
        lanes += [
            f'<rect x="{70 + (start - first) * scale:.1f}" y="{10 + lane * (BAR + 6)}" '
            f'width="{max((end - start) * scale - 0.4, 0.3):.1f}" height="{BAR}" fill="{"#2b5d8a" if slow else "#9ec5e8"}"/>'
            for start, end, slow in merged
        ]
        lanes.append(f'<text x="4" y="{28 + lane * (BAR + 6)}">worker {lane + 1}</text>')
    bottom = 30 + len(processes) * (BAR + 6)
    lanes.append(f'<text x="70" y="{bottom}">0 s</text><text x="{30 + WIDTH}" y="{bottom}">{last - first:.0f} s</text>')
    lanes.append(f'<text x="300" y="{bottom}">dark: slow candidates of one problem; light: fast ones of others</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + 90}" height="{bottom + 10}" font-family="sans-serif" '
        f'font-size="12">\n' + "\n".join(lanes) + "\n</svg>\n"
    )


def memory(options: argparse.Namespace) -> None:
    """Judge one sample per problem and watch the memory of the supervisor's processes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tests(folder / "tests.parquet", options.samples, options.tests_per_problem)
        source = ds.dataset(folder / "tests.parquet")
        ids = [f"made/{number:06}" for number in range(options.samples)]
        problems = pa.table(
            {"problem_id": ids, "n_tests": pa.array([options.tests_per_problem] * len(ids), pa.int32())}
        )
        samples = pa.table({
            "sample_id": ids, "problem_id": ids[::-1], "language": ["python"] * len(ids),
            "code": [FAST.format("x" * 2_000)] * len(ids),
        })  # fmt: skip
        watch = Memory()
        start = time.monotonic()
        with watch, FileWriter(folder / "e.parquet", EXECUTIONS) as writer:
            counts = judge(
                problems.to_batches(),
                lambda wanted: source.to_batches(filter=among("problem_id", wanted)),
                samples.to_batches(max_chunksize=1_024),
                config=JudgeConfig(workers=options.workers, max_tests=options.max_tests),
                writer=writer, checkpoint=folder / "kept",
            )  # fmt: skip
        print(f"{counts.rows_in} samples, {options.samples * options.tests_per_problem} tests, "
              f"{time.monotonic() - start:.0f} s: {counts.notes}")  # fmt: skip
        for share, mib in watch.curve():
            print(f"  after {share:4.0%}: {mib:6.0f} MiB")
        print(f"largest: {watch.largest:.0f} MiB")


def write_tests(path: Path, problems: int, each: int) -> None:
    """Write tests in parts."""
    with pq.ParquetWriter(path, TESTS.schema, compression="zstd") as writer:
        for start in range(0, problems, 500):
            names = [f"made/{number:06}" for number in range(start, min(start + 500, problems)) for _ in range(each)]
            values = [f"{number}\n" + f"{number} " * 100 for number in range(len(names))]
            rows = {"problem_id": names, "test_id": [f"{number % each:06}" for number in range(len(names))],
                    "kind": ["private"] * len(names), "suspicions": [[]] * len(names), "input": values,
                    "expected": [str(number) for number in range(len(names))]}  # fmt: skip
            writer.write_table(pa.table(rows, schema=TESTS.schema))


class Memory:
    """Samples the resident memory of this process and its workers, without the sandbox."""

    def __init__(self) -> None:
        self.samples: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def largest(self) -> float:
        """The largest sample, in MiB."""
        return max(self.samples)

    def curve(self) -> Iterator[tuple[float, float]]:
        """Yield the largest memory of each tenth of the run."""
        for tenth in range(10):
            part = self.samples[len(self.samples) * tenth // 10 : len(self.samples) * (tenth + 1) // 10]
            if part:
                yield (tenth + 1) / 10, max(part)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        own = psutil.Process()
        while not self._stop.wait(0.5):
            total = own.memory_info().rss
            for child in own.children(recursive=False):
                try:
                    total += 0 if "driver.py" in " ".join(child.cmdline()) else child.memory_info().rss
                except psutil.Error:
                    continue
            self.samples.append(total / 2**20)


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("busy")
    one.add_argument("--slow", type=int, default=64)
    one.add_argument("--fast", type=int, default=1_000)
    one.add_argument("--workers", type=int, default=2)
    one.add_argument("--svg", type=Path)
    one.set_defaults(run=busy)
    other = commands.add_parser("memory")
    other.add_argument("--samples", type=int, default=20_000)
    other.add_argument("--tests-per-problem", type=int, default=30)
    other.add_argument("--max-tests", type=int)
    other.add_argument("--workers", type=int, default=2)
    other.set_defaults(run=memory)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
