"""Forks teachers and servers that can be killed at any moment: one import, many processes.

Run as ``python -m tests.teacher.zygote FOLDER``; each line on standard input starts one process and prints its id, or
waits for one: ``server``, ``client``, ``wait PID``. The server appends a line to ``answered.log`` for each answer it
is about to send.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from ocr_pipeline.errors import PipelineError
from ocr_pipeline.store import FileWriter
from ocr_pipeline.tables import RESPONSES
from ocr_pipeline.teacher.faults import parse_faults
from ocr_pipeline.teacher.generate import generate
from ocr_pipeline.teacher.replay import Planned, Replayer, serve
from ocr_pipeline.teacher.servers import attach
from tests.teacher import world as tw


class Logged(Replayer):
    """A replay whose answers are on record before they are sent."""

    def __init__(self, log: Path, faults: str) -> None:
        super().__init__(tw.recordings(characters=2000), faults=parse_faults(faults))
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def plan(self, body: bytes) -> Planned:
        """Note the request, then answer."""
        request = json.loads(body)
        number = int(request["messages"][0]["content"].rsplit(" ", 1)[1])
        os.write(self._log, f"{number} {request['seed']}\n".encode())
        return super().plan(body)


def client(folder: Path, settings: dict[str, int]) -> None:
    """Generate everything and write the file."""
    with FileWriter(folder / "responses.parquet", RESPONSES) as writer:
        generate(
            tw.batches(tw.problems(settings["problems"])),
            config=tw.config(samples=2, window=settings["window"], lock_timeout_s=60.0),
            server=attach([f"http://127.0.0.1:{settings['port']}"]),
            ledger=folder / "ledger",
            dataset="toy",
            writer=writer,
        )


def server(folder: Path, settings: dict[str, int]) -> None:
    """Serve until killed."""
    delay = f"delay:uniform(0.001,{settings['delay_ms'] / 1000})"
    asyncio.run(serve(Logged(folder / "answered.log", delay), host="127.0.0.1", port=settings["port"]))


def child(name: str, folder: Path, settings: dict[str, int]) -> int:
    """Run one role in a forked process; return its id to the parent."""
    pid = os.fork()
    if pid:
        return pid
    log = os.open(folder / f"{name}.out", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    status = 0
    try:
        {"client": client, "server": server}[name](folder, settings)
    except PipelineError as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
        status = 1
    os._exit(status)


def main() -> None:
    """Follow the orders."""
    folder = Path(sys.argv[1])
    settings = json.loads((folder / "settings.json").read_text())
    for line in sys.stdin:
        name, *rest = line.split()
        answer = (
            os.waitstatus_to_exitcode(os.waitpid(int(rest[0]), 0)[1])
            if name == "wait"
            else child(name, folder, settings)
        )
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
