"""Lets a candidate talk with the interactor of its problem: two jails, two pipes, limits for each.

The interactor decides, as it does on the site that it comes from. If it breaks, it is tried on a program that says nothing: if
it rejects that one, what the candidate said broke it, and the candidate is wrong; if it breaks again, nobody is judged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from ocr_pipeline.errors import JudgeError
from ocr_pipeline.judge.checkers import FEEDBACK_FOLDER, CheckerProgram, why_it_does_not_compile
from ocr_pipeline.judge.programs import Limits, Program, Runner, RunResult, RunStatus, TestFiles, test_files
from ocr_pipeline.judge.relaying import Relay
from ocr_pipeline.judge.sandbox import MIB, DisturbedError, JailFiles
from ocr_pipeline.judge.sandbox.protocol import BUSY_FACTOR
from ocr_pipeline.tables import CheckerProtocol

__all__ = ["ASLEEP_SHARE", "Interactor", "InteractorBroken", "Talk"]

LIMITS: Final = Limits(cpu_s=20.0, memory_mib=1024.0, output_mib=1.0)
INPUT, ANSWER, RESULT = "/proc/self/fd/4", "/proc/self/fd/5", "/proc/self/fd/3"
ASLEEP_SHARE: Final = 0.1  # of the wall time: who used less CPU than that was asleep
STARVED_SHARE: Final = 0.5  # more than an interactor can work by itself in the time that it has
SILENT: Final = "pass"
SIGPIPE: Final = 13
DEADLOCK: Final = "both sides waited for each other until the wall clock stopped the program"


class InteractorBroken(Exception):  # noqa: N818 - a state of the interactor, met and handled here and in verdicts.py
    """The interactor cannot decide; the text says why."""


@dataclass(frozen=True, slots=True)
class Talk:
    """How a talk ended."""

    run: RunResult
    """The candidate's side: its end, its use, and in ``stderr`` what the row is to say."""
    accepted: bool


@dataclass(frozen=True, slots=True)
class _Ends:
    """Both sides of a talk, and who ended first."""

    candidate: RunResult
    interactor: RunResult
    interactor_first: bool

    @property
    def interactor_worked(self) -> float:
        """For which share of the program's time its interactor used a core or waited for one."""
        worked = (self.interactor.cpu_time_s or 0.0) + self.interactor.waited_s
        return worked / max(self.candidate.wall_time_s or 0.0, 1e-6)


class Interactor:
    """The interactor of one candidate's tests; it starts with the first of them."""

    def __init__(self, runner: Runner, program: CheckerProgram) -> None:
        self._runner = runner
        self._source = program
        self._program: Program | None = None

    def talk(self, candidate: Program, given: bytes, answer: bytes, limits: Limits) -> Talk:
        """Run one test.

        Raises
        ------
        InteractorBroken
            When the interactor decides nothing, whatever a program says.
        JudgeError
            When the sandbox failed.
        """
        ends = self._connect(candidate, given, answer, limits)
        if ends.candidate.stopped_by_wall and ends.interactor_worked > ASLEEP_SHARE:
            patient = replace(limits, wall_s=limits.wall + LIMITS.wall)  # as long as the interactor may work
            ends = self._connect(candidate, given, answer, patient)
            if ends.candidate.stopped_by_wall and ends.interactor_worked > STARVED_SHARE:
                message = "the machine gave the interactor no core"
                raise DisturbedError(message)
        decision = self._decision(ends.interactor)
        if ends.candidate.status is not RunStatus.OK and not self._is_over(ends, decision):
            return Talk(_explained(ends.candidate), accepted=False)
        if decision is None:
            self._require_sound(ends.interactor, given, answer, limits)
            decision = False
        run = replace(ends.candidate, status=RunStatus.OK, stderr=ends.interactor.stderr)
        return Talk(run, decision)

    def _is_over(self, ends: _Ends, decision: bool | None) -> bool:  # noqa: FBT001 - three-valued
        """Whether the candidate failed only after the talk had ended: its pipe was closed, or it was rejected."""
        if not ends.interactor_first or decision is None:
            return ends.interactor_first and ends.candidate.status is RunStatus.RUNTIME_ERROR
        return decision is False or ends.candidate.signal == SIGPIPE

    def _require_sound(self, broken: RunResult, given: bytes, answer: bytes, limits: Limits) -> None:
        """Make sure that the interactor rejects a program that says nothing."""
        silent = self._runner.open(SILENT, "python", limits)
        if isinstance(silent, Program):
            with silent:
                if self._decision(self._connect(silent, given, answer, limits).interactor) is False:
                    return
        ended = f"signal {broken.signal}" if broken.signal else f"exit status {broken.exit_code}"
        message = f"the interactor ended with {broken.status}, {ended}\n{broken.stderr}".strip()
        raise InteractorBroken(message)

    def _decision(self, run: RunResult) -> bool | None:
        if run.signal or run.status not in {RunStatus.OK, RunStatus.RUNTIME_ERROR}:
            return None
        return self._source.exit_says(run)

    def _connect(self, candidate: Program, given: bytes, answer: bytes, limits: Limits) -> _Ends:
        """Run both, each with pipes to the relay between them."""
        program = self._open()
        patient = replace(LIMITS, wall_s=BUSY_FACTOR * limits.wall + LIMITS.wall)
        with (
            test_files(b"") as files,
            test_files(b"", given, answer) as own_files,
            Relay(int(limits.output_mib * MIB)) as relay,
        ):
            own_jail = program.begin(_with_pipes(own_files, relay.interactor), patient)
            try:
                jail = candidate.begin(_with_pipes(files, relay.candidate), limits)
                relay.hand_over()
                interactor_first = relay.carry()
                run = candidate.read(jail.finish(limits.wall), files, limits)
            except JudgeError:
                program.leave()  # nobody waits for its end, and the next talk must not take it for its own
                raise
            own = program.read(own_jail.finish(patient.wall), own_files, patient)
        if relay.answer.flooded:
            run = replace(run, status=RunStatus.OUTPUT_LIMIT)
        return _Ends(run, own, interactor_first)

    def _open(self) -> Program:
        if self._program is None:
            self._program = self._opened()
        return self._program

    def _opened(self) -> Program:
        source = self._source
        arguments: tuple[str, ...] = (INPUT, RESULT, ANSWER)
        if source.protocol == CheckerProtocol.KATTIS:
            arguments = (INPUT, ANSWER, FEEDBACK_FOLDER, *source.flags.split())
        try:
            files = JailFiles(arguments=arguments if source.language == "cpp" else ())
        except JudgeError as error:
            raise InteractorBroken(str(error)) from error
        program = self._runner.open(source.code, source.language, LIMITS, {"do": "run", "arguments": arguments}, files)
        if isinstance(program, RunResult):
            message = f"the interactor cannot be run: {why_it_does_not_compile(program.stderr)}"
            raise InteractorBroken(message)
        return program

    def close(self) -> None:
        """End the interactor's jail."""
        if self._program is not None:
            self._program.close()


def _explained(run: RunResult) -> RunResult:
    """Say why the clock stopped a program, where it did."""
    return replace(run, stderr=f"{DEADLOCK}\n{run.stderr}".strip()) if run.stopped_by_wall else run


def _with_pipes(files: TestFiles, pipes: tuple[int, int]) -> TestFiles:
    """Return the files of a test whose input and output are pipes."""
    return replace(files, stdin=pipes[0], stdout=pipes[1])
