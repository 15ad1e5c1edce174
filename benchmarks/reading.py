"""Reading a partition of long rows: CPU and peak memory of a scanner and of :meth:`Store.batches`, a process each.

Run as ``python benchmarks/reading.py [PARTS]``; each part holds 64 row groups of 512 rows of 30 kB, and the reader takes 5 ms for each batch.
"""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[1]))
from ocr_pipeline.store import Store
from ocr_pipeline.tables import RESPONSES

GROUPS_PER_PART = 64
ROWS = 512
CHARACTERS = 30_000
KEYS = {"dataset": "taco", "language": "python"}


def write(root: str, parts: int) -> None:
    """Write the partition."""
    choose = random.Random(5)  # noqa: S311 - no secrets
    words = [f"w{number}" for number in range(5_000)]
    texts = [" ".join(choose.choices(words, k=CHARACTERS // 6)) for _ in range(ROWS)]
    plain = {
        field.name: pa.array([[]] * ROWS, field.type) if pa.types.is_list(field.type) else _ones(field.type)
        for field in RESPONSES.schema
        if not field.nullable and field.name != "text"
    }
    batch = pa.table(plain | {"text": pa.array(texts, pa.large_string())})
    with Store(root).writer(RESPONSES, KEYS, config={}, code_version="1") as writer:
        for _ in range(parts * GROUPS_PER_PART):
            writer.write(batch)


def _ones(kind: pa.DataType) -> pa.Array:
    return pa.array(["1" if pa.types.is_string(kind) else 1] * ROWS).cast(kind)


def read(root: str, how: str) -> None:
    """Read it one way and print what it cost."""
    store = Store(root)
    start, wall = time.process_time(), time.perf_counter()
    columns = ["sample_index"] if how.endswith("column") else None
    if how.startswith("scanner"):
        batches = store.open(RESPONSES, **KEYS).to_batches(columns=columns)
    else:
        batches = store.batches(RESPONSES, columns, **KEYS)
    rows = 0
    for batch in batches:
        rows += batch.num_rows
        time.sleep(0.005)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cpu = 1e6 * (time.process_time() - start) / rows
    print(
        f"{how:<20} {rows:>8,} rows: {cpu:6.1f} us CPU a row, {time.perf_counter() - wall:5.1f} s, peak {peak:6.0f} MiB"
    )


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as root:
        write(root, int(sys.argv[1]) if len(sys.argv) > 1 else 2)
        for how in ("scanner", "batches", "scanner, one column", "batches, one column"):
            subprocess.run([sys.executable, __file__, "--read", root, how], check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--read"]:
        read(*sys.argv[2:])
    else:
        main()
