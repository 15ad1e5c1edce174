"""What each asset costs at two sizes, through Dagster, a process each: CPU, wall, peak memory and bytes, beside a floor.

``--problems`` statements, made of sentences of real ones, with 20 tests each are ingested as TACO; a server on loopback answers
five times for each with reasoning traces and programs of real models, made different by a number. Only CodeContests (165
problems, 4 samples each) is judged. Vectors are made from the hash of the text, in as many directions as give the pairs
of real statements; what encoding would cost is measured on a few and multiplied.

CPU, and bytes read and written (``/proc/self/io``: what was asked of files, pipes and sockets, whether or not from the
cache), are those of a process and all its workers, imports left out. The peak is the sum of resident sets, ten times a
second, so pages that workers share count twice. The floor reads the columns that the step needs with bare pyarrow,
row group by row group, and writes its tables again.

    python benchmarks/scale.py --data FOLDER --problems 2000 [--keep FOLDER]

``--data`` is a folder of public rows (OCR_REAL_DATA of the tests); ``--keep`` keeps the data root, for
``benchmarks/alternatives.py``.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import dagster as dg  # noqa: TID251 - what is measured is the flow as Dagster runs it
import numpy as np
import numpy.typing as npt
import orjson
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.incremental import ASSETS, DATASETS, RAW_NAME, Flow, cpu_s, server
from ocr_pipeline.similarity import services
from ocr_pipeline.store import Store
from ocr_pipeline.tables import RESPONSES, TABLES, table_named

SAMPLES: Final = 5
TESTS_PER_PROBLEM: Final = 20
ENCODED: Final = 200
LOOKS_PER_S: Final = 10
DIRECTIONS: Final = 20
"""Of the vectors: random ones then have a cosine of 0.7 as often as real statements of one field."""
ROWS_PER_FILE: Final = 1_000
STEPS: Final = {
    names: [one for one in partitions if not str(one).endswith("|cpp")] for names, partitions in ASSETS.items()
}
"""Python only: the answers are programs in it."""
READ: Final[Mapping[str, Mapping[str, Sequence[str]]]] = {
    "problems, tests, solutions, rejected": {},
    "duplicate_pairs": {"problems": (), "tests": ("problem_id", "input", "expected")},
    "unique_problems": {"problems": (), "duplicate_pairs": ("dropped_id", "kept_id", "decided_by", "rule")},
    "contamination": {"unique_problems": ()},
    "clean_problems": {"unique_problems": (), "contamination": ("problem_id", "benchmark", "decision", "decided_by")},
    "responses": {"clean_problems": ("problem_id", "statement", "starter_code")},
    "samples": {"responses": ("request_id", "problem_id", "language", "text", "finish_reason")},
    "test_trust": {"tests": ()},
    "executions": {"samples": ("sample_id", "problem_id", "code", "verdict")},
    "reasoning_patterns": {"responses": ("text",), "samples": ("sample_id", "reasoning_span")},
    "sft_dataset": {"responses": ("text",), "samples": (), "clean_problems": ()},
    "funnel": {},
}
"""What the floor reads; no column named: all of them. Raw files are read and parsed."""


class HashedEncoder:
    """Vectors from the hash of a text, in a few directions."""

    name = "hashed"

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return one unit row per text."""
        return self.encode_precisely(texts).astype(np.float32)

    def encode_precisely(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return the same in float64."""
        vectors = np.zeros((len(texts), 384))
        for row, text in enumerate(texts):
            seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
            vectors[row, :DIRECTIONS] = np.random.default_rng(seed).normal(size=DIRECTIONS)
        unit: npt.NDArray[np.float64] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


@dataclass
class Cost:
    """What a step took."""

    cpu_s: float
    wall_s: float
    read_mib: float
    written_mib: float
    peak_mib: float = 0.0


def statements(data: Path, count: int) -> Iterator[str]:
    """Yield statements of the length of real ones, made of the sentences of three of them."""
    rows = pq.read_table(data / DATASETS["taco"])["prompt"].to_pylist()
    real = [row.partition("QUESTION:\n")[2].partition("\nUse ")[0] for row in rows]
    sentences = [[one for one in re.split(r"(?<=[.!?])\s+", text) if one] for text in real]
    choose = random.Random(7)  # noqa: S311 - no secrets
    for number in range(count):
        three = choose.sample(sentences, 3)
        length = len(choose.choice(three))
        drawn = [choose.choice(choose.choice(three)) for _ in range(max(length, 3))]
        yield f"{number} " + " ".join(drawn)


def write_raw(data: Path, raw: Path, problems: int) -> None:
    """Write the raw files: made ones as TACO has them, CodeContests as it is."""
    (raw / "code_contests").mkdir(parents=True)
    (raw / "code_contests" / RAW_NAME).write_bytes((data / DATASETS["code_contests"]).read_bytes())
    (raw / "taco").mkdir()
    choose = random.Random(8)  # noqa: S311 - no secrets
    rows = []
    for number, statement in enumerate(statements(data, problems), 1):
        inputs = [" ".join(str(choose.randrange(10**9)) for _ in range(12)) + "\n" for _ in range(TESTS_PER_PROBLEM)]
        outputs = [f"{choose.randrange(10**9)}\n" for _ in range(TESTS_PER_PROBLEM)]
        tests = orjson.dumps({"inputs": inputs, "outputs": outputs}).decode()
        plain = {"solutions": "[]", "starter_code": "", "difficulty": "EASY", "raw_tags": "[]", "skill_types": "[]"}
        more = {"picture_num": "0", "name": f"made {number}", "source": "", "url": "", "time_limit": "", "tags": "[]"}
        rows.append({"question": statement, "input_output": tests} | plain | more)
        if len(rows) == ROWS_PER_FILE or number == problems:
            pq.write_table(pa.Table.from_pylist(rows), raw / "taco" / f"train-{number:06}.parquet")
            rows = []


def io_bytes() -> tuple[int, int]:
    """Return the bytes that this process, its workers and those that ended asked for, read and written."""
    here = psutil.Process()
    counted = [one.io_counters() for one in (here, *here.children(recursive=True))]
    return sum(one.read_chars for one in counted), sum(one.write_chars for one in counted)


def measured(work: Callable[[], object]) -> Cost:
    """Run something and return what it took."""
    cpu, wall, (read, written) = cpu_s(0), time.monotonic(), io_bytes()
    work()
    now_read, now_written = io_bytes()
    return Cost(cpu_s(0) - cpu, time.monotonic() - wall, (now_read - read) / 2**20, (now_written - written) / 2**20)


def run_step(folder: Path, names: str, url: str) -> Cost:
    """Materialize all partitions of an asset, here."""
    services.load_encoder = lambda *_, **__: HashedEncoder()  # type: ignore[assignment]
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        flow = Flow(folder / "data", folder / "raw", url, 0, SAMPLES, instance)

        def every_partition() -> None:
            for partition in STEPS[names]:
                flow.run(names, partition)

        return measured(every_partition)


def run_floor(folder: Path, names: str) -> Cost:
    """Read what the step reads, and write what it wrote, with bare pyarrow."""

    def copy() -> None:
        if names.startswith("problems"):
            _parse(folder / "raw")
        for table, columns in READ[names].items():
            for group in _row_groups(folder / "data", table, columns):
                del group
        for name in names.split(", "):
            with tempfile.TemporaryFile(dir=folder) as target:
                schema = table_named(name).schema
                with pq.ParquetWriter(target, schema, compression="zstd") as writer:
                    for group in _row_groups(folder / "data", name, schema.names):
                        writer.write_table(group.cast(schema))

    return measured(copy)


def _parse(raw: Path) -> None:
    for path in sorted(raw.rglob("*.parquet")):
        for tests in pq.read_table(path).to_pydict().get("input_output", ()):
            orjson.loads(tests)


def _row_groups(root: Path, name: str, columns: Sequence[str]) -> Iterator[pa.Table]:
    for path in sorted((root / name).rglob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=list(columns) or None)


def watched(command: Sequence[str], log: Path) -> Cost:
    """Run a program that prints its cost as its last line, and look at the memory of all its processes meanwhile."""
    with log.open("ab") as errors, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process:
        peak = 0
        ended = threading.Event()

        def look() -> None:
            nonlocal peak
            while not ended.wait(1 / LOOKS_PER_S):
                peak = max(peak, _resident(process.pid))

        thread = threading.Thread(target=look)
        thread.start()
        lines = process.stdout.read().splitlines() if process.stdout else []
        ended.set()
        thread.join()
    if process.wait():
        message = f"`{' '.join(command)}` failed; see {log}"
        raise SystemExit(message)
    return Cost(**orjson.loads(lines[-1]) | {"peak_mib": peak / 2**20})


def _resident(pid: int) -> int:
    total = 0
    try:
        here = psutil.Process(pid)
        for one in (here, *here.children(recursive=True)):
            total += one.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total


def encoding_s(data: Path) -> float:
    """Return the CPU seconds of encoding a statement, measured on a few."""
    from ocr_pipeline.similarity import load_encoder

    encoder, texts = load_encoder(), list(statements(data, ENCODED))
    encoder.encode(texts[:8])
    return measured(lambda: encoder.encode(texts)).cpu_s / ENCODED


def measure(folder: Path, data: Path, problems: int, only: Sequence[str]) -> None:
    """Materialize everything once and print the table."""
    if not (folder / "raw").exists():
        write_raw(data, folder / "raw", problems)
    print("| asset | CPU-s | floor | wall, s | floor | peak, MiB | read, MiB | floor | written, MiB | floor |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|", flush=True)
    with server(data) as (url, _):
        for names in only or STEPS:
            command = [sys.executable, __file__, "--keep", str(folder), "--only"]
            step, floor = (watched([*command, kind, names, url], folder / "log") for kind in ("step", "floor"))
            pairs = [
                (step.cpu_s, floor.cpu_s),
                (step.wall_s, floor.wall_s),
                (step.peak_mib,),
                (step.read_mib, floor.read_mib),
                (step.written_mib, floor.written_mib),
            ]
            cells = " | ".join(f"{value:,.{0 if value >= 100 else 1}f}" for pair in pairs for value in pair)
            print(f"| {names} | {cells} |", flush=True)
    store = Store(folder / "data")
    rows = {
        name: sum(m.rows for keys in store.partitions(t) if (m := store.manifest(t, **keys)))
        for name, t in TABLES.items()
    }
    print("\nrows: " + ", ".join(f"{name} {count:,}" for name, count in rows.items() if count))
    texts = [
        text for batch in store.batches(RESPONSES, ["text"]) for text in batch.column("text").slice(0, 5).to_pylist()
    ]
    size = sum(path.stat().st_size for path in (folder / "data").rglob("*.parquet"))
    print(f"mean characters of a response {sum(map(len, texts)) / len(texts):,.0f}; {size / 2**20:,.0f} MiB of Parquet")
    if not only or "duplicate_pairs" in only:
        one = encoding_s(data)
        print(
            f"encoding: {1000 * one:.0f} ms of CPU a statement, measured on {ENCODED}; {problems:,} would take {problems * one:,.0f} s"
        )


def main() -> None:
    """Print the table, or run one step where this is its process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=os.environ.get("OCR_REAL_DATA"))
    parser.add_argument("--problems", type=int, default=2_000)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--asset", action="append", default=[], help="only this row of the table; again for each")
    parser.add_argument("--only", nargs=3, metavar=("KIND", "ASSETS", "URL"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        kind, names, url = given.only
        cost = run_step(given.keep, names, url) if kind == "step" else run_floor(given.keep, names)
        print("\n" + orjson.dumps(asdict(cost)).decode())
        return
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        measure(folder, given.data, given.problems, given.asset)


if __name__ == "__main__":
    main()
