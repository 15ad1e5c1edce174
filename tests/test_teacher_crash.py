"""kill -9 at random moments: nothing lost, nothing paid twice that was durable, and the same file at the end."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ocr_pipeline.teacher.ledger import Ledger
from ocr_pipeline.teacher.servers import free_port, is_healthy
from tests.teacher_zygote import client

WINDOW = 16


class Scene:
    """A server and a teacher as processes of their own, and what the server was asked."""

    def __init__(self, folder: Path, problems: int) -> None:
        self.folder = folder
        self.port = free_port()
        settings = {"port": self.port, "problems": problems, "window": WINDOW, "delay_ms": 40}
        (folder / "settings.json").write_text(json.dumps(settings))
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", "tests.teacher_zygote", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent,
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
        with Ledger(self.folder / "ledger" / "toy-python.sqlite") as ledger:
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


@pytest.fixture
def scene(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """Return a scene that is cleaned up."""
    with contextlib.closing(Scene(tmp_path, request.param)) as opened:
        yield opened


def keys_of(scene: Scene) -> dict[str, str]:
    """Return the key of each request, by problem and seed as the server's log names them."""
    keys = {}
    table = pq.read_table(scene.folder / "responses.parquet", columns=["request_id", "problem_id", "params"])
    for row in table.to_pylist():
        keys[f"{int(row['problem_id'].rsplit('/', 1)[1])} {json.loads(row['params'])['seed']}"] = row["request_id"]
    return keys


def check(scene: Scene, kills: int) -> None:
    """Compare with a run that nobody disturbed."""
    keys = keys_of(scene)
    asked = scene.answered()
    assert set(asked) == set(keys), "every wanted request was asked, and no other"
    for after, durable in scene.known:
        again = [line for line in asked[after:] if keys[line] in durable]
        assert not again, f"paid twice although durable: {again}"
    twice = sum(count - 1 for count in Counter(asked).values())
    assert twice <= kills * WINDOW, "only what was in flight at a kill is asked again"
    undisturbed = scene.folder / "undisturbed"
    undisturbed.mkdir()
    client(undisturbed, json.loads((scene.folder / "settings.json").read_text()))
    disturbed_bytes = (scene.folder / "responses.parquet").read_bytes()
    assert disturbed_bytes == (undisturbed / "responses.parquet").read_bytes()


def crash(scene: Scene, kills: int, seed: int) -> None:
    """Kill client, server or both at random moments, then let it finish."""
    choose = random.Random(seed)  # noqa: S311 - which process dies when
    server = scene.start("server")
    teacher = scene.start("client")
    for _ in range(kills):
        goal = len(scene.answered()) + choose.randint(1, 25)
        until(lambda goal=goal: len(scene.answered()) >= goal)  # type: ignore[misc]
        victim = choose.choice(["client", "server", "both"])
        if victim != "client":
            scene.kill(server)
        if victim != "server":
            scene.kill(teacher)
            scene.note_what_is_durable()
        if victim != "client":
            server = scene.start("server")
        if victim != "server":
            teacher = scene.start("client")
    assert scene.wait(teacher) == 0, (scene.folder / "client.out").read_text()
    check(scene, kills)


@pytest.mark.parametrize("scene", [150], indirect=True)
def test_a_few_kills_lose_nothing(scene: Scene) -> None:
    """Five kills of client, server or both: 0 lost, 0 paid twice that was durable, 0 foreign, the same bytes."""
    crash(scene, 5, seed=3)


@pytest.mark.slow
@pytest.mark.parametrize("scene", [800], indirect=True)
def test_fifty_kills_lose_nothing(scene: Scene) -> None:
    """The same with fifty kills."""
    crash(scene, 50, seed=4)


@pytest.mark.parametrize("scene", [60], indirect=True)
def test_an_orphan_and_its_retry_never_write_together(scene: Scene) -> None:
    """A retry waits while the orphan of a killed parent still works, and goes on where that one was killed."""
    scene.start("server")
    orphan = scene.start("client")
    until(lambda: len(scene.answered()) > 20)
    retry = scene.start("client")
    until(lambda: len(scene.answered()) > 40)
    scene.kill(orphan)
    assert scene.wait(retry) == 0, (scene.folder / "client.out").read_text()
    check(scene, 1)
