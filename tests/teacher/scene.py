"""A server and teachers as processes of their own, which can be killed at any moment, and what the server was asked."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ocr_pipeline.teacher.ledgers import open_ledger
from ocr_pipeline.teacher.servers import free_port, is_healthy

WINDOW = 16


class Scene:
    """A server and a teacher as processes of their own, and what the server was asked."""

    def __init__(self, folder: Path, problems: int) -> None:
        self.folder = folder
        self.port = free_port()
        settings = {"port": self.port, "problems": problems, "window": WINDOW, "delay_ms": 40}
        (folder / "settings.json").write_text(json.dumps(settings))
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", "tests.teacher.zygote", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        self._alive: set[int] = set()
        self.known: list[tuple[int, set[str]]] = []

    def order(self, line: str) -> int:
        """Start or wait for a process; return its id or status."""
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        self._zygote.stdin.write(line + "\n")
        self._zygote.stdin.flush()
        return int(self._zygote.stdout.readline())

    def start(self, name: str) -> int:
        """Start a client, or a server that then answers."""
        pid = self.order(name)
        self._alive.add(pid)
        if name == "server":
            until(lambda: is_healthy(f"http://127.0.0.1:{self.port}/health"))
        return pid

    def kill(self, pid: int) -> None:
        """Kill without warning."""
        os.kill(pid, signal.SIGKILL)
        self.wait(pid)

    def wait(self, pid: int) -> int:
        """Return the exit status."""
        self._alive.discard(pid)
        return self.order(f"wait {pid}")

    def answered(self) -> list[str]:
        """Return the requests that the server took up, in order."""
        log = self.folder / "answered.log"
        return log.read_text().splitlines() if log.exists() else []

    def note_what_is_durable(self) -> None:
        """Remember what the ledger holds now: none of it may be asked again."""
        with open_ledger(self.folder / "ledger" / "toy-python.sqlite") as ledger:
            self.known.append((len(self.answered()), {each.request_id for each in ledger.all_records()}))

    def close(self) -> None:
        """End everything."""
        for pid in list(self._alive):
            self.kill(pid)
        self._zygote.communicate()


def until(done: Callable[[], bool]) -> None:
    """Wait for something that happens in another process."""
    deadline_s = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline_s, "it did not happen in a minute"
        time.sleep(0.005)
