"""What a worker process does: judge a program by its tests, or run it once and hand its output back.

A process keeps its sandbox, and the programs it ran last: a client that sends one request per test compiles once.
"""

from __future__ import annotations

import signal
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from types import FrameType
from typing import Final

from ocr_pipeline.errors import JudgeError
from ocr_pipeline.judge.gate import Gate
from ocr_pipeline.judge.programs import Limits, Program, Runner, RunResult, RunStatus, Tiers
from ocr_pipeline.judge.sandbox import DisturbedError
from ocr_pipeline.judge.tasks import Workplace
from ocr_pipeline.judge.verdicts import (
    Candidate,
    Execution,
    JudgeConfig,
    ProblemSpec,
    Reason,
    Test,
    judge_candidate,
)

__all__ = ["Judging", "Ran", "Running", "judge_program", "run_code"]

KEPT_PROGRAMS: Final = 4
NEAR_LIMIT: Final = 1.5
WALL_EXTRA_S: Final = 2.0
"""A program that sleeps is stopped so long after its limit: clients wait for little more."""


@dataclass(frozen=True, slots=True)
class Judging:
    """A program to be judged."""

    candidate: Candidate
    problem: ProblemSpec
    tests: tuple[Test, ...]
    config: JudgeConfig
    longest_s: float


@dataclass(frozen=True, slots=True)
class Running:
    """A program to be run once."""

    candidate: Candidate
    stdin: str
    cpu_s: float
    memory_mib: float
    output_mib: float
    tiers: Tiers
    longest_s: float


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run ended."""

    run: RunResult
    compile_s: float
    is_compiled: bool = True


class _Place:
    """The sandbox of this process, and the programs that are open in it, the last one last."""

    def __init__(self, tiers: Tiers) -> None:
        self.work = Workplace(Runner(tiers), Gate())
        self._programs: OrderedDict[tuple[str, str, float], Program] = OrderedDict()

    def program(self, running: Running, limits: Limits) -> Program | RunResult:
        """Return the compiled program, or how its compilation ended."""
        candidate = running.candidate
        key = (candidate.language, candidate.code, running.memory_mib)
        if key in self._programs:
            self._programs.move_to_end(key)
            return self._programs[key]
        opened = self.work.runner.open(candidate.code, candidate.language, limits)
        if isinstance(opened, Program):
            self._programs[key] = opened
            while len(self._programs) > KEPT_PROGRAMS:
                self._programs.popitem(last=False)[1].close()
        return opened

    def restart(self) -> None:
        """Replace the sandbox; its programs are gone with it."""
        while self._programs:
            with suppress(OSError):
                self._programs.popitem()[1].close()
        self.work.restart()


_places: dict[Tiers, _Place] = {}


def _place(tiers: Tiers) -> _Place:
    if tiers not in _places:
        _places[tiers] = _Place(tiers)
    return _places[tiers]


class TooLongError(Exception):
    """A program kept its worker longer than a request may."""


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Interrupt the block when it takes too long; the work of a process is done in its main thread.

    Raises
    ------
    TooLongError
        When it does.
    """

    def interrupt(_: int, __: FrameType | None) -> None:
        message = f"it took longer than {seconds:g} seconds, the most for one request here"
        raise TooLongError(message)

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def judge_program(judging: Judging) -> Execution:
    """Judge a program: compiled once, run on all its tests."""
    place = _place(judging.config.tiers)
    try:
        with _within(judging.longest_s):
            return _judge(place.work, judging)
    except TooLongError as error:
        place.restart()
        return Execution.not_run(Reason.INFRASTRUCTURE, str(error), len(judging.tests))


def _judge(work: Workplace, judging: Judging) -> Execution:
    sickness = work.sickness(judging.candidate.language)
    if sickness:
        return Execution.not_run(Reason.INFRASTRUCTURE, sickness, len(judging.tests))
    execution = judge_candidate(
        work.runner, judging.problem, judging.tests, judging.candidate, judging.config, work.gate
    )
    if execution.reason is Reason.INFRASTRUCTURE:
        work.left.clear()
    return execution


def run_code(running: Running) -> Ran:
    """Run a program once; a failure of the sandbox is tried again, then it was not run."""
    place = _place(running.tiers)
    try:
        with _within(running.longest_s):
            return _run_twice(place, running)
    except TooLongError as error:
        place.restart()
        return _not_run(str(error))


def _run_twice(place: _Place, running: Running) -> Ran:
    failure = place.work.sickness(running.candidate.language)
    for _ in range(0 if failure else 2):
        try:
            return _run(place, running)
        except JudgeError as error:
            failure = str(error)
            place.restart()
    return _not_run(failure or "")


def _not_run(failure: str) -> Ran:
    return Ran(RunResult(RunStatus.NOT_RUN, stderr=failure), 0.0, is_compiled=False)


def _run(place: _Place, running: Running) -> Ran:
    limits = Limits(running.cpu_s, running.memory_mib, running.output_mib, wall_s=running.cpu_s + WALL_EXTRA_S)
    started = time.monotonic()
    program = place.program(running, limits)
    compile_s = time.monotonic() - started
    if isinstance(program, RunResult):
        return Ran(program, compile_s, is_compiled=False)
    stdin = running.stdin.encode("utf-8", "surrogatepass")
    generous = replace(limits, cpu_s=NEAR_LIMIT * limits.cpu_s, wall_s=NEAR_LIMIT * limits.wall)
    try:
        with place.work.gate.shared():
            run = program.run(stdin, generous)
        again = run.status is not RunStatus.TIME_LIMIT and (run.cpu_time_s or 0.0) > limits.cpu_s
    except DisturbedError:
        again = True
    if again:  # near its limit, or disturbed: once more while nothing else runs
        with place.work.gate.alone():
            run = program.run(stdin, limits)
    return Ran(run, compile_s)
