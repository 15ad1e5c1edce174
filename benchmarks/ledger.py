"""CPU and time per durable answer of 30 kB: the SQLite file and Postgres on this machine, in one run.

Postgres writes in processes of its own, so its CPU is shown beside the client's. ``fsync`` is on in both.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))
from ocr_pipeline.teacher.book import Book
from ocr_pipeline.teacher.ledger import Ledger
from ocr_pipeline.teacher.ledger_postgres import PostgresLedger
from ocr_pipeline.teacher.records import Record
from ocr_pipeline.teacher.reply import Answer, Usage
from tests.store.postgres_server import PostgresServer, serving_postgres

ANSWERS = 4_000
CHARACTERS = 30_000
GROUPS = (1, 32)
WORDS = [f"w{number}" for number in range(4_000)]


def records(first: int, texts: list[str]) -> list[Record]:
    """Return records with keys of their own."""
    found = []
    for number, text in enumerate(texts, start=first):
        raw = json.dumps({"choices": [{"message": {"content": text}}]}).encode()
        answer = Answer(text, "m", number, 1.0, 1, "stop", None, Usage(500, 8_000), raw=raw)
        found.append(Record(f"{number:064x}", f"{number:064x}", "{}", {"problem_id": f"p{number}"}, answer))
    return found


def texts(count: int) -> list[str]:
    """Return texts that compress like words."""
    choose = random.Random(7)  # noqa: S311 - no secrets
    return [" ".join(choose.choices(WORDS, k=CHARACTERS // 6)) for _ in range(count)]


def server_cpu_s(server: PostgresServer | None) -> float:
    """Return the CPU that the server's processes have used, those that ended included."""
    if server is None:
        return 0.0
    pid = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
    parent = psutil.Process(pid)
    total = 0.0
    for process in (parent, *parent.children()):
        used = process.cpu_times()
        total += used.user + used.system
        if process is parent:
            total += used.children_user + used.children_system
    return total


def measure(name: str, make: Callable[[], Book], group: int, server: PostgresServer | None = None) -> None:
    """Commit all answers in groups and print what one costs."""
    written = records(0, texts(256))
    with make() as ledger:
        start_s, cpu_s, theirs_s = time.perf_counter(), time.process_time(), server_cpu_s(server)
        for first in range(0, ANSWERS, group):
            batch = [written[number % len(written)] for number in range(first, first + group)]
            ledger.commit(
                [
                    Record(f"{first + i:064x}", r.prompt_sha256, r.params, r.subject, r.answer)
                    for i, r in enumerate(batch)
                ]
            )
        wall, own = time.perf_counter() - start_s, time.process_time() - cpu_s
        theirs = server_cpu_s(server) - theirs_s
    row = [1e3 * each / ANSWERS for each in (own, theirs, own + theirs, wall)]
    print(
        f"{name:<10} groups of {group:>3}: client {row[0]:.3f} + server {row[1]:.3f} = {row[2]:.3f} ms CPU, {row[3]:.3f} ms wall"
    )


def main() -> None:
    """Print the table."""
    with serving_postgres(fsync=True) as server, tempfile.TemporaryDirectory() as folder:
        for group in GROUPS:
            measure("SQLite", lambda group=group: Ledger(Path(folder) / f"l{group}.sqlite"), group)  # type: ignore[misc]
            measure("Postgres", lambda group=group: PostgresLedger(server.url, f"l{group}"), group, server)  # type: ignore[misc]


if __name__ == "__main__":
    main()
