"""Runs programs of one problem while its tests are made: judged, or only for what they print.

Where right programs need too long an input is rarely valid, so that small ones have little time and large ones few tries.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ocr_pipeline.generating.outcomes import Program
from ocr_pipeline.judge.checkers import OVER_TIME, CheckerBroken
from ocr_pipeline.judge.gate import Gate
from ocr_pipeline.judge.programs import Limits, Runner, RunResult, RunStatus
from ocr_pipeline.judge.programs import Program as Opened
from ocr_pipeline.judge.verdicts import Candidate, Execution, JudgeConfig, ProblemSpec, Test, judge_candidate
from ocr_pipeline.tables import CheckerProtocol, IoMode

__all__ = ["GIVE_UP_AFTER", "QUICK_CHARACTERS", "QUICK_GIVE_UP_AFTER", "Bench"]

GIVE_UP_AFTER: Final = 2
"""Inputs on which a program is over its time; the others, which are larger, are not tried."""
QUICK_CHARACTERS: Final = 2_000
QUICK_S: Final = 2.0
"""Time on so small an input: where right programs need more it is rarely valid, and they may never end."""
QUICK_GIVE_UP_AFTER: Final = 20


@dataclass(slots=True)
class Bench:
    """Runs programs of one problem."""

    runner: Runner
    gate: Gate
    spec: ProblemSpec
    config: JudgeConfig
    runs: int = 0
    cpu_s: float = 0.0
    """CPU of programs in their jails."""
    _over_time: int = 0

    def judged(
        self, program: Program, tests: Sequence[Test], *, stops: bool, limit_s: float | None = None, give_up: int = 1
    ) -> Execution:
        """Judge a program; a mutant within the time that right programs need.

        Raises
        ------
        CheckerBroken
            When the teacher's checker was over its time too often.
        """
        spec, config = self.spec, self.config.replaced(stop_at_first_failure=stops, max_tests=None)
        if limit_s is not None:
            spec = replace(spec, time_limit_s=limit_s)
            config = config.replaced(python_time_factor=1.0, cpp_time_factor=1.0, give_up_after_time_limits=give_up)
        done = judge_candidate(self.runner, spec, tests, Candidate(program.language, program.code), config, self.gate)
        # Nobody tells how often a checker was asked; it is at most once for each test.
        self.runs += len(done.results) * (2 if self.spec.checker_program else 1)
        self.cpu_s += sum(result.cpu_time_s or 0.0 for result in done.results)
        is_made = self.spec.checker_protocol == CheckerProtocol.MADE
        self._over_time += is_made and done.needs_checker and OVER_TIME in (done.detail or "")
        if self._over_time == GIVE_UP_AFTER:
            raise CheckerBroken(OVER_TIME)
        return done

    def written(self, code: str, inputs: Sequence[str], limits: Limits) -> Iterator[RunResult]:
        """Run a program of the teacher's on inputs, until it is over its time too often: the rest ends like that, too."""
        yield from self._each(self.runner.open(code, "python", limits), inputs, limits, None)

    def printed(self, done: RunResult) -> bytes:
        """Return what a program printed, or wrote into its file."""
        return done.result if self.spec.io_mode == IoMode.FILE and done.result else done.stdout

    def quick_limit(self, program: Program) -> float:
        """Return the time of a program on a small input."""
        return min(QUICK_S, self.config.limits_for(self.spec, program.language).cpu_s)

    def outputs(self, program: Program, inputs: Sequence[str]) -> Iterator[RunResult]:
        """Run a program on inputs, until it is over its time too often; what it prints is not compared with anything."""
        limits = self.config.limits_for(self.spec, program.language)
        opened = self.runner.open(program.code, program.language, limits, self.spec.call, self.spec.files)
        yield from self._each(opened, inputs, limits, replace(limits, cpu_s=self.quick_limit(program)))

    def _each(
        self, opened: Opened | RunResult, inputs: Sequence[str], limits: Limits, quick: Limits | None
    ) -> Iterator[RunResult]:
        """Run an opened program on each input, on a small one within other limits where there are any."""
        if isinstance(opened, RunResult):
            yield from (opened for _ in inputs)
            return
        over_time: Counter[bool] = Counter()
        with opened:
            for text in inputs:
                own = quick if quick is not None and len(text) <= QUICK_CHARACTERS else None
                is_quick = own is not None
                if over_time[is_quick] == (QUICK_GIVE_UP_AFTER if is_quick else GIVE_UP_AFTER):
                    yield RunResult(RunStatus.TIME_LIMIT)
                    continue
                self.runs += 1
                with self.gate.shared():
                    done = opened.run(text.encode("utf-8", "surrogatepass"), own or limits)
                self.cpu_s += done.cpu_time_s or 0.0
                over_time[is_quick] += done.status is RunStatus.TIME_LIMIT
                yield done
