"""kill -9 at random moments: nothing lost, nothing paid twice that was durable, and the same file at the end."""

import contextlib
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.teacher.scene import WINDOW, Scene, until
from tests.teacher.zygote import client


@pytest.fixture(params=["file", "postgres"])
def ledger(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Say where the ledger is, to this process and to those it starts."""
    if request.param == "postgres":
        monkeypatch.setenv("OCR_PIPELINE_LEDGER", request.getfixturevalue("database"))
    return str(request.param)


@pytest.fixture
def scene(tmp_path: Path, request: pytest.FixtureRequest, ledger: str) -> Iterator[Scene]:
    """Return a scene that is cleaned up."""
    assert ledger
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
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("OCR_PIPELINE_LEDGER", raising=False)  # a ledger of its own
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
