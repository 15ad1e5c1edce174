"""A process that writes the tests partition, for tests that kill it. Modes: versions, hold, die, readonly."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from ocr_pipeline.errors import StoreError
from ocr_pipeline.store import Manifest, Store, open_table, places, writing
from ocr_pipeline.store.manifest import MANIFEST
from ocr_pipeline.store.objects import Objects
from ocr_pipeline.tables import TESTS, Table

SMALL = Table(TESTS.name, TESTS.description, TESTS.schema, TESTS.key, TESTS.partition_by, row_group_rows=2)
ROWS = 24
NOBODY = 65_534


def rows_of(version: int) -> pa.Table:
    """Return rows that all tell their version."""
    columns = {"problem_id": "p", "kind": "public", "input": str(version), "expected": "1"}
    table = pa.table({name: [value] * ROWS for name, value in columns.items()})
    table = table.append_column("test_id", pa.array([f"{i:04}" for i in range(ROWS)]))
    return table.append_column("suspicions", pa.array([[]] * ROWS, pa.list_(pa.string())))


def write_version(store: Store, version: int) -> None:
    """Replace the partition by one version, in several part files."""
    with store.writer(SMALL, {"dataset": "taco"}, config={}, code_version=str(version)) as writer:
        for batch in rows_of(version).to_batches(max_chunksize=5):
            writer.write(batch)


def say(word: object) -> None:
    """Tell the parent."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def versions(root: str, first: str) -> None:
    """Write one version after the other until killed."""
    version = int(first)
    while True:
        write_version(Store(root), version)
        say(version)
        version += 1


def hold(root: str) -> None:
    """Be in the middle of a partition until told to finish."""
    with Store(root).writer(SMALL, {"dataset": "taco"}, config={}, code_version="held") as writer:
        writer.write(rows_of(7))
        say(os.getpid())
        sys.stdin.readline()
    say("done")


def die(root: str, where: str) -> None:
    """Write a version and be killed at one point of it."""
    name, moment = where.split(":")

    def deadly(function: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> None:
            if name == "put" and not str(arguments[1]).endswith(MANIFEST):
                function(*arguments, **options)
                return
            if after:
                function(*arguments, **options)
            os.kill(os.getpid(), signal.SIGKILL)

        return call

    target = {"to_json": Manifest, "put": Objects}.get(name, places)
    setattr(target, name, deadly(getattr(target, name), after=moment == "after"))
    write_version(Store(root), 2)


def readonly(root: str) -> None:
    """Read and then write as somebody who may only read."""
    if os.getuid() == 0:
        os.setuid(NOBODY)
    say(open_table(root, "tests", dataset="taco").count_rows())
    try:
        write_version(Store(root), 2)
    except StoreError as error:
        say(error)


if __name__ == "__main__":
    writing.ROW_GROUPS_PER_PART = 3  # type: ignore[misc]  # several part files without many rows
    {"versions": versions, "hold": hold, "die": die, "readonly": readonly}[sys.argv[1]](*sys.argv[2:])
