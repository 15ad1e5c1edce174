"""Asks a source's own checker about an output: in a jail of its own, where no candidate ever is.

A checker that answers neither yes nor no is tried on the expected answer. If it accepts that, the output broke it and
is wrong; if not, the checker is broken and decides nothing. One that a model wrote has no such credit: it decides nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ocr_pipeline.errors import JudgeError
from ocr_pipeline.judge.programs import Limits, Program, Runner, RunResult, RunStatus
from ocr_pipeline.judge.sandbox import JailFiles
from ocr_pipeline.tables import JUDGED_LANGUAGES, CheckerProtocol

__all__ = ["OVER_TIME", "CheckerBroken", "CheckerProgram", "Referee", "why_it_does_not_compile", "with_headers"]

LIMITS: Final = Limits(cpu_s=10.0, memory_mib=1024.0, output_mib=1.0)
OVER_TIME: Final = f"the checker ended with {RunStatus.TIME_LIMIT}"
INPUT, ANSWER, OUTPUT = (
    "/proc/self/fd/4",
    "/proc/self/fd/5",
    "/proc/self/fd/0",
)  # as sandbox/native/protocol.h installs them
INCLUDE: Final = re.compile(r'^[ \t]*#[ \t]*include[ \t]*["<]([\w.+-]+)[">][^\n]*$', re.MULTILINE)
MOST_TIME_LIMITS: Final = 2
"""A model's checker that is over its time so often is asked no more."""
MISSING_HEADER: Final = re.compile(r"fatal error: (\S+): No such file")
FEEDBACK_FOLDER: Final = "/tmp/"  # noqa: S108 - inside the jail
PRINTING: Final = {CheckerProtocol.OPEN_R1, CheckerProtocol.MADE}
ACCEPTING: Final = {CheckerProtocol.KATTIS: {42}, CheckerProtocol.TESTLIB: {0}}
REJECTING: Final = {CheckerProtocol.KATTIS: {43}, CheckerProtocol.TESTLIB: {1, 2, 4, 8}}


class CheckerBroken(Exception):  # noqa: N818 - a state of the checker, met and handled here and in verdicts.py
    """The checker cannot decide; the text says why."""


@dataclass(frozen=True, slots=True)
class CheckerProgram:
    """A checker, as the problems table holds it."""

    language: str
    protocol: str
    code: str
    flags: str = ""

    def arguments(self) -> tuple[str, ...]:
        """Return what it is started with."""
        if self.protocol == CheckerProtocol.KATTIS:
            return INPUT, ANSWER, FEEDBACK_FOLDER, *self.flags.split()
        return (INPUT, OUTPUT, ANSWER) if self.protocol == CheckerProtocol.TESTLIB else (INPUT, ANSWER, OUTPUT)

    def exit_says(self, run: RunResult) -> bool | None:
        """Return what its exit status says by the protocol; ``None``: neither yes nor no."""
        protocol = CheckerProtocol(self.protocol)
        if run.exit_code in ACCEPTING[protocol]:
            return True
        return False if run.exit_code in REJECTING[protocol] else None


class Referee:
    """Keeps a checker compiled for one candidate's tests; it starts when the first output differs from the answer."""

    def __init__(self, runner: Runner, checker: CheckerProgram) -> None:
        self._runner = runner
        self._checker = checker
        self._program: Program | None = None
        self._over_time = 0
        self.runs = 0

    @property
    def has_given_up(self) -> bool:
        """Whether it was over its time too often to be asked again."""
        return self._over_time == MOST_TIME_LIMITS

    def accepts(self, given: bytes, answer: bytes, output: bytes) -> bool:
        """Say whether the checker accepts an output.

        Raises
        ------
        CheckerBroken
            When it says neither yes nor no, of the answer too; a model's checker: of this output, or too late too often.
        JudgeError
            When the sandbox failed.
        """
        verdict = self._ask(given, answer, output)
        if isinstance(verdict, bool):
            return verdict
        if self._checker.protocol != CheckerProtocol.MADE and self._ask(given, answer, answer) is True:
            return False
        raise CheckerBroken(verdict)

    def _ask(self, given: bytes, answer: bytes, output: bytes) -> bool | str:
        """Return the checker's answer, or why it gave none."""
        if self._program is None:
            self._program = self._open()
        if self.has_given_up:
            return OVER_TIME
        self.runs += 1
        run = self._program.run(output, LIMITS, given, answer)
        is_made = self._checker.protocol == CheckerProtocol.MADE
        self._over_time += is_made and run.status is RunStatus.TIME_LIMIT
        if run.signal or run.status not in {RunStatus.OK, RunStatus.RUNTIME_ERROR}:
            return OVER_TIME if run.status is RunStatus.TIME_LIMIT else f"the checker ended with {run.status}"
        said = _printed(run) if self._checker.protocol in PRINTING else self._checker.exit_says(run)
        return f"the checker ended with exit status {run.exit_code}\n{run.stderr}".strip() if said is None else said

    def _open(self) -> Program:
        checker = self._checker
        if checker.language not in JUDGED_LANGUAGES or checker.protocol not in set(CheckerProtocol):
            message = f"no checkers are run in `{checker.language}` with the protocol `{checker.protocol}`"
            raise CheckerBroken(message)
        job: dict[str, object] = {"do": "run", "arguments": checker.arguments()}
        try:
            files = JailFiles(arguments=checker.arguments() if checker.language == "cpp" else ())
        except JudgeError as error:
            raise CheckerBroken(str(error)) from error
        program = self._runner.open(checker.code, checker.language, LIMITS, job, files)
        if isinstance(program, RunResult):
            message = f"the checker does not compile: {why_it_does_not_compile(program.stderr)}"
            raise CheckerBroken(message)
        return program

    def close(self) -> None:
        """End the checker's jail."""
        if self._program is not None:
            self._program.close()


def with_headers(code: str, folder: Path | None) -> str:
    """Put headers of a folder where a C++ program first includes them, such as ``testlib.h``, which no source carries."""
    if folder is None:
        return code
    seen: set[str] = set()

    def included(match: re.Match[str]) -> str:
        header = folder / match[1]
        if match[1] in seen:
            return ""
        if not header.is_file():
            return match[0]
        seen.add(match[1])
        return INCLUDE.sub(included, header.read_text(encoding="utf-8", errors="replace"))

    return INCLUDE.sub(included, code)


def why_it_does_not_compile(said: str) -> str:
    """Return what a compiler said of a data set's program; one that lacks a header names the option that gives it."""
    missing = MISSING_HEADER.search(said)
    return f"there is no `{missing[1]}`; give a folder that holds it with --checker-headers" if missing else said


def _printed(run: RunResult) -> bool | None:
    """Read the last number: 1 accepts, what is below rejects."""
    words = run.stdout.split()
    try:
        return float(words[-1]) >= 1.0 if words and run.status is RunStatus.OK else None
    except ValueError:
        return None
