"""What travels to a worker and back, and what a worker does: one candidate, judged in the sandbox that the process keeps.

Tasks and results are plain values. The tests of a problem travel once, whatever the number of its candidates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ocr_pipeline.engine import Shared
from ocr_pipeline.judge.canaries import failing_canary
from ocr_pipeline.judge.checkpoint import Checkpoint
from ocr_pipeline.judge.gate import Gate
from ocr_pipeline.judge.programs import Runner, Tiers
from ocr_pipeline.judge.verdicts import (
    Candidate,
    Execution,
    JudgeConfig,
    ProblemSpec,
    Reason,
    Test,
    judge_candidate,
)

__all__ = ["Task", "close_workplaces", "judge_task", "workplace_of"]

CANDIDATES_PER_CANARY: Final = 32


@dataclass(frozen=True, slots=True)
class Task:
    """A candidate, the key of its result, and what it is judged by."""

    key: str
    candidate: Candidate
    problem: ProblemSpec
    tests: Shared[tuple[Test, ...]]
    n_bytes: int


@dataclass
class Workplace:
    """What a process keeps between tasks."""

    runner: Runner
    gate: Gate
    stores: dict[Path, Checkpoint] = field(default_factory=dict)
    tests: tuple[Shared[tuple[Test, ...]], tuple[Test, ...]] | None = None
    """Those of the last task: the next one often is of the same problem."""
    left: dict[str, int] = field(default_factory=dict)
    """By language: how many candidates are judged before the canaries run again."""

    def tests_of(self, task: Task) -> tuple[Test, ...]:
        """Return the tests of a task."""
        if self.tests is None or self.tests[0] != task.tests:
            self.tests = task.tests, task.tests.get()
        return self.tests[1]

    def store(self, folder: Path) -> Checkpoint:
        """Return an open checkpoint."""
        if folder not in self.stores:
            self.stores[folder] = Checkpoint(folder)
        return self.stores[folder]

    def sickness(self, language: str) -> str | None:
        """Return why a language cannot be judged: its canaries failed twice, the second time in a new sandbox."""
        if self.left.get(language, 0) == 0:
            failure = failing_canary(self.runner, language)
            if failure:
                self.restart()
                failure = failing_canary(self.runner, language)
            if failure:
                return failure
            self.left[language] = CANDIDATES_PER_CANARY
        self.left[language] -= 1
        return None

    def restart(self) -> None:
        """Replace the sandbox; nobody knows yet whether the new one is sound."""
        self.runner.restart()
        self.left.clear()

    def close(self) -> None:
        """End the sandbox and close the files."""
        self.runner.close()
        self.gate.close()
        for store in self.stores.values():
            store.close()


_workplaces: dict[Tiers, Workplace] = {}


def workplace_of(tiers: Tiers) -> Workplace:
    """Return what this process keeps, begun when it is first asked for."""
    if tiers not in _workplaces:
        _workplaces[tiers] = Workplace(Runner(tiers), Gate())
    return _workplaces[tiers]


def close_workplaces() -> None:
    """End what this process keeps."""
    for workplace in _workplaces.values():
        workplace.close()
    _workplaces.clear()


def judge_task(task: Task, *, config: JudgeConfig, checkpoint: Path | None) -> tuple[str, Execution]:
    """Judge a candidate; the result is kept at once."""
    workplace = workplace_of(config.tiers)
    tests = workplace.tests_of(task)
    sickness = workplace.sickness(task.candidate.language)
    if sickness:
        return task.key, Execution.not_run(Reason.INFRASTRUCTURE, sickness, len(tests))
    execution = judge_candidate(workplace.runner, task.problem, tests, task.candidate, config, workplace.gate)
    if execution.reason is Reason.INFRASTRUCTURE:
        workplace.left.clear()
    if checkpoint:
        workplace.store(checkpoint).put(task.key, execution)
    return task.key, execution
