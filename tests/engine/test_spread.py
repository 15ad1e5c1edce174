"""Tasks are spread over processes: results as they are done, what waits is bounded, shared values travel once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ocr_pipeline.engine import Engine, LocalEngine, Shared
from ocr_pipeline.engine.local import MOST_WAITING_BYTES, TASKS_PER_WORKER


@dataclass(frozen=True)
class Numbered:
    """A task that waits for another one's mark before it returns."""

    number: int
    folder: Path
    waits_for: int | None = None
    n_bytes: int = 1


def mark(task: Numbered) -> int:
    """Wait for the other task, leave a mark, return the number."""
    while task.waits_for is not None and not (task.folder / str(task.waits_for)).exists():
        time.sleep(0.01)
    (task.folder / str(task.number)).touch()
    return task.number


def test_a_slow_task_holds_up_nobody(tmp_path: Path) -> None:
    """The first task ends last, and every other result was there before it."""
    tasks = [Numbered(0, tmp_path, waits_for=29), *(Numbered(number, tmp_path) for number in range(1, 30))]
    found = list(LocalEngine(2).spread(mark, tasks))
    assert sorted(found) == list(range(30))
    assert found[-1] == 0


@pytest.mark.parametrize(
    ("n_bytes", "most"), [(1, 2 * TASKS_PER_WORKER), (MOST_WAITING_BYTES, 2)], ids=["small tasks", "large tasks"]
)
def test_what_waits_is_bounded_by_number_and_bytes(tmp_path: Path, n_bytes: int, most: int) -> None:
    """No more tasks are taken than that, and every worker may have one of any size."""
    taken = 0

    def tasks() -> Iterator[Numbered]:
        nonlocal taken
        for number in range(40):
            taken += 1
            yield Numbered(number, tmp_path, n_bytes=n_bytes)

    for done, _ in enumerate(LocalEngine(2).spread(mark, tasks())):
        assert taken <= done + most + 1  # the one more was taken before this result was handed out
    assert taken == 40


@dataclass(frozen=True)
class Reading:
    """A task that reads a shared value."""

    shared: Shared[list[int]]
    n_bytes: int = 1


def read(task: Reading) -> tuple[int, list[int]]:
    """Return who read what."""
    return os.getpid(), task.shared.get()


@pytest.mark.parametrize("engine", [LocalEngine(), LocalEngine(2)], ids=["this process", "two processes"])
def test_shared_values_are_read_by_every_task(engine: Engine) -> None:
    """Also after the caller dropped its own reference; the file of the last one is closed in the end."""
    found = [value for _, value in engine.spread(read, (Reading(engine.share([number])) for number in range(20)))]
    assert sorted(found) == [[number] for number in range(20)]
    assert not [each for each in map(target, Path("/proc/self/fd").iterdir()) if "memfd:shared" in each]


def target(link: Path) -> str:
    """Return what a descriptor is of; listing them opens one that is gone at once."""
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""
