"""Ingest beside a bare read: rows per second, MB per second, peak memory, at the real sizes of TACO and CodeContests.

Writes synthetic raw files in the hub's schemas (25,000 TACO rows; 13,000 CodeContests problems with 200 tests each) and
then measures, each in a process of its own: reading them with pyarrow into Python objects with ``json.loads`` on the
JSON columns, reading them with pyarrow alone, and ingesting them into four Parquet files with two workers. CPU and
memory are those of all processes together. ``--scale`` makes the files smaller. What the rows say is noise; their sizes and nesting are the real ones.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ocr_pipeline.sources import ingest
from ocr_pipeline.store import FileWriter
from ocr_pipeline.tables import table_named

TACO_ROWS = 25_000
TACO_TESTS = 202  # the published mean
TACO_SOLUTIONS = 55
CONTEST_ROWS = 13_000
CONTEST_TESTS = 200
FILE_ROWS = 1_000
WORKERS = 2
WORDS = [
    "print",
    "input",
    "range",
    "for",
    "in",
    "while",
    "if",
    "else",
    "return",
    "list",
    "map",
    "int",
    "sum",
    "max",
    "min",
    "sorted",
    "len",
    "append",
    "n",
    "m",
    "k",
    "a",
    "b",
    "x",
    "y",
]
NUMBERS = [str(random.Random(number).randrange(10**6)) for number in range(20_000)]  # noqa: S311 - noise
TWICE = NUMBERS * 2
JSON_COLUMNS = ("solutions", "input_output")
TEXT_COLUMNS = (
    *("question", "solutions", "starter_code", "input_output", "difficulty", "raw_tags", "name", "source", "tags"),
    *("skill_types", "url", "Expected Auxiliary Space", "time_limit", "date", "picture_num", "memory_limit"),
    "Expected Time Complexity",
)


def numbers(chance: random.Random, mean_characters: int) -> str:
    """Return numbers in a row, of a length that scatters as real tests do: most short, some long."""
    words = max(1, int(chance.expovariate(6 / mean_characters)))
    start = chance.randrange(len(NUMBERS))
    return " ".join((TWICE)[start : start + min(words, len(NUMBERS))]) + "\n"


def text(chance: random.Random, words: int) -> str:
    """Return words in a row."""
    return " ".join(chance.choices(WORDS, k=words))


def taco_row(chance: random.Random, number: int) -> dict[str, str]:
    """Return one row in TACO's columns."""
    tests = {
        "inputs": [numbers(chance, 250) for _ in range(TACO_TESTS)],
        "outputs": [numbers(chance, 60) for _ in range(TACO_TESTS)],
    }
    row = dict.fromkeys(TEXT_COLUMNS, "")
    return row | {
        "question": f"Problem {number}. {text(chance, 300)}",
        "solutions": json.dumps([text(chance, 120).replace(" n ", "\n") for _ in range(TACO_SOLUTIONS)]),
        "input_output": json.dumps(tests),
        "difficulty": "EASY",
        "raw_tags": "['math', 'greedy']",
        "tags": "['Mathematics']",
        "skill_types": "[]",
        "source": "codeforces",
        "time_limit": "2.0 seconds",
        "memory_limit": "256.0 megabytes",
        "url": f"https://codeforces.com/problemset/problem/{number}/A",
    }


def contest_row(chance: random.Random, number: int) -> dict[str, object]:
    """Return one row in CodeContests' columns."""

    def tests(count: int) -> dict[str, list[str]]:
        return {
            "input": [numbers(chance, 350) for _ in range(count)],
            "output": [numbers(chance, 100) for _ in range(count)],
        }

    programs = {"language": [3, 2] * 20, "solution": [text(chance, 200) for _ in range(40)]}
    return {
        "name": f"{chance.randrange(10**9)}_{number}. Problem",
        "description": text(chance, 300),
        "public_tests": tests(2),
        "private_tests": tests(8),
        "generated_tests": tests(CONTEST_TESTS - 10),
        "source": 2,
        "difficulty": 7,
        "solutions": programs,
        "incorrect_solutions": programs,
        "cf_contest_id": number,
        "cf_index": "A",
        "cf_points": 500.0,
        "cf_rating": 1500,
        "cf_tags": ["math"],
        "is_description_translated": False,
        "untranslated_description": "",
        "time_limit": {"seconds": 2, "nanos": 0},
        "memory_limit_bytes": 256_000_000,
        "input_file": "",
        "output_file": "",
    }


def write(folder: Path, make: Callable[[random.Random, int], dict[str, object]], rows: int) -> None:
    """Write rows as the hub does: several files, snappy, the default row groups of a thousand rows."""
    folder.mkdir(parents=True)
    chance = random.Random(7)  # noqa: S311 - noise, not secrets
    for part, start in enumerate(range(0, rows, FILE_ROWS)):
        table = pa.Table.from_pylist([make(chance, number) for number in range(start, min(rows, start + FILE_ROWS))])
        pq.write_table(table, folder / f"train-{part:05}.parquet")


def batches(folder: Path) -> Iterator[pa.RecordBatch]:
    """Read as plainly as it goes."""
    for path in sorted(folder.glob("*.parquet")):
        yield from pq.ParquetFile(path).iter_batches(batch_size=64)


def bare_read(folder: Path, _: str) -> None:
    """Read into Python objects, and parse the JSON columns."""
    for batch in batches(folder):
        for row in batch.to_pylist():
            for column in JSON_COLUMNS:
                if isinstance(row.get(column), str):
                    json.loads(row[column])


def arrow_read(folder: Path, _: str) -> None:
    """Read into Arrow memory and no further."""
    for _batch in batches(folder):
        pass


def ingested(folder: Path, dataset: str) -> None:
    """Ingest into four Parquet files."""
    with tempfile.TemporaryDirectory() as out, ExitStack() as stack:
        tables = ("problems", "tests", "solutions", "rejected")
        writers = {
            name: stack.enter_context(FileWriter(Path(out) / f"{name}.parquet", table_named(name))) for name in tables
        }
        ingest(dataset, [folder], split="train", writers=writers, workers=WORKERS)


def measure(work: Callable[[Path, str], None], folder: Path, dataset: str) -> tuple[float, float, float]:
    """Return wall seconds, CPU seconds and peak MiB of ``work`` in a fresh process."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measured, args=(work, folder, dataset, sender))
    process.start()
    result: tuple[float, float, float] = receiver.recv()
    process.join()
    return result


def _measured(work: Callable[[Path, str], None], folder: Path, dataset: str, sender: object) -> None:
    start, cpu = time.perf_counter(), _cpu_s()
    work(folder, dataset)
    wall, used = time.perf_counter() - start, _cpu_s() - cpu
    sender.send((wall, used, _peak_mib()))  # type: ignore[attr-defined]


def _cpu_s() -> float:
    """Return the CPU seconds of this process and of its workers that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _peak_mib() -> float:
    """Return this process's own peak and, for each worker, that of the largest one: an upper bound of all together.

    Its own is no ru_maxrss, which would be that of the process it was started from.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    workers = WORKERS * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return (int(status.split("VmHWM:")[1].split()[0]) + workers) / 1024


def run(dataset: str, rows: int, folder: Path, repeats: int) -> None:
    """Measure one data set and print its lines."""
    write(folder, taco_row if dataset == "taco" else contest_row, rows)
    size_mb = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    print(f"{dataset}: {rows:,} rows, {size_mb:,.0f} MB of Parquet")
    seconds, cpu_seconds = {}, {}
    for name, work in (("bare read + json.loads", bare_read), ("pyarrow alone", arrow_read), ("ingest", ingested)):
        wall, cpu, peak = min(measure(work, folder, dataset) for _ in range(repeats))
        seconds[name], cpu_seconds[name] = wall, cpu
        print(
            f"  {name:<24} {wall:7.1f} s  {cpu:7.1f} CPU-s  {rows / wall:9,.0f} rows/s  {size_mb / wall:7.1f} MB/s  peak {peak:7.0f} MiB"
        )
    for kind, used in (("wall", seconds), ("CPU", cpu_seconds)):
        print(f"  ingest / bare read, {kind}: {used['ingest'] / used['bare read + json.loads']:.2f}")


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the real number of rows")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each, of which the fastest counts")
    parser.add_argument("--dataset", choices=("taco", "code_contests"), help="only this one")
    arguments = parser.parse_args()
    for dataset, rows in (("taco", TACO_ROWS), ("code_contests", CONTEST_ROWS)):
        if arguments.dataset in {None, dataset}:
            with tempfile.TemporaryDirectory() as folder:
                run(dataset, int(rows * arguments.scale), Path(folder) / dataset, arguments.repeats)
    return 0


if __name__ == "__main__":
    sys.exit(main())
