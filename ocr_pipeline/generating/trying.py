"""Tries the programs that the teacher wrote on known tests, and makes inputs with those that are believed.

All run in the judge's jail, generators with fixed seeds. What the teacher is asked is in ``by_model.py``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, Protocol

from ocr_pipeline.generating.bench import GIVE_UP_AFTER, Bench
from ocr_pipeline.generating.by_model import Role, Written
from ocr_pipeline.generating.calls import CallMaker
from ocr_pipeline.generating.checker_trial import SPOILED_TESTS, TestOutput, try_checker
from ocr_pipeline.generating.making import MadeBy, Maker
from ocr_pipeline.generating.options import GeneratingConfig
from ocr_pipeline.generating.outcomes import Case, Fate, Problem, Program, Use, Used, in_turn
from ocr_pipeline.judge.checkers import CheckerProgram, Referee
from ocr_pipeline.judge.programs import Limits, RunStatus
from ocr_pipeline.judge.verdicts import Test
from ocr_pipeline.tables import CheckerProtocol, IoMode

__all__ = ["KNOWN_TESTS", "AnyMaker", "ByModel"]

KNOWN_TESTS: Final = 30
"""Known tests that programs are run on before they count as right or wrong."""
WAYS: Final = ("random", "extreme", "aimed")
VALIDATOR_LIMITS: Final = Limits(cpu_s=5.0, memory_mib=1024.0, output_mib=1.0)
GENERATOR_CPU_S: Final = 5.0
AnyMaker = Maker | CallMaker


class Account(Protocol):
    """Counts what becomes of inputs."""

    funnel: Counter[str]

    def is_new(self, text: str) -> bool:
        """Say whether an input was not seen yet."""

    def obeys(self, text: str, maker: AnyMaker) -> bool:
        """Say whether the grammar accepts an input."""


class ByModel:
    """The teacher's programs of one problem, each tried before it is used."""

    def __init__(
        self, problem: Problem, tests: Sequence[Test], shown: Sequence[Test], config: GeneratingConfig, bench: Bench
    ) -> None:
        self._problem = problem
        self._config = config
        self._bench = bench
        self._validators: list[Written] = []
        self._generators: list[Written] = []
        """Those that were not tried yet."""
        self.checker: str | None = None
        self.used: list[Used] = []
        for each in problem.written:
            if each.failure:
                self.used.append(Used(each, Use(each.failure)))
            elif each.role is Role.GENERATOR:
                self._generators.append(each)
            elif each.role is Role.VALIDATOR:
                self._try_validator(each, tests)
            elif problem.spec.needs_checker and problem.spec.io_mode in {IoMode.STDIN, IoMode.FILE}:
                self._try_checker(each, tests, shown[:SPOILED_TESTS])
            else:
                self.used.append(Used(each, Use.NOT_TRIED))

    @property
    def accounted(self) -> tuple[Used, ...]:
        """Every program of the teacher's with what became of it."""
        return (*self.used, *(Used(each, Use.NOT_TRIED) for each in self._generators))

    @property
    def may_make(self) -> bool:
        """Whether inputs can be made without a grammar: there is a generator, and a validator that guards it."""
        return bool(self._generators and self._validators)

    def _try_validator(self, written: Written, tests: Sequence[Test]) -> None:
        known = [test.input for test in tests[:KNOWN_TESTS]]
        asked = [*known, "", "\0 this is no input"]
        said = [run.status for run in self._bench.written(written.code, asked, VALIDATOR_LIMITS)]
        use = (
            Use.REFUSES_KNOWN
            if not known or set(said[:-2]) != {RunStatus.OK}
            else Use.ACCEPTS_ANYTHING
            if RunStatus.OK in said[-2:]
            else Use.TIME_LIMIT
            if said.count(RunStatus.TIME_LIMIT) == GIVE_UP_AFTER
            else Use.USED
        )
        self.used.append(Used(written, use))
        if use is Use.USED:
            self._validators.append(written)

    def _try_checker(self, written: Written, tests: Sequence[Test], shown: Sequence[Test]) -> None:
        program = CheckerProgram("python", CheckerProtocol.MADE.value, written.code)
        right, wrong = in_turn(self._problem.right), in_turn(self._problem.wrong)[: self._config.wrong_programs]
        referee = Referee(self._bench.runner, program)
        try:
            use = try_checker(referee, tests[:KNOWN_TESTS], self._others(right, shown), self._others(wrong, shown))
        finally:
            referee.close()
        self._bench.runs += referee.runs
        self.used.append(Used(written, use))
        if use is Use.USED:
            self.checker = written.code

    def _others(self, programs: Sequence[Program], tests: Sequence[Test]) -> Iterator[TestOutput]:
        """Yield the outputs of programs that differ from the answer."""
        for program in programs:
            runs = self._bench.outputs(program, [test.input for test in tests])
            for test, run in zip(tests, runs, strict=True):
                output = self._bench.printed(run)
                if run.status is RunStatus.OK and output.split() != test.expected.encode("utf-8", "replace").split():
                    yield test, output

    def give_up_checker(self) -> None:
        """Take back the checker, which was over its time too often."""
        self.used = [
            replace(each, use=Use.TIME_LIMIT) if each.written.role is Role.CHECKER and each.use is Use.USED else each
            for each in self.used
        ]
        self.checker = None

    def refuses(self, texts: Sequence[str]) -> list[bool]:
        """Say of each input whether a validator refuses it; one that is over its time twice is given up and says nothing."""
        refused = [False] * len(texts)
        for written in list(self._validators):
            said = [run.status for run in self._bench.written(written.code, texts, VALIDATOR_LIMITS)]
            if said.count(RunStatus.TIME_LIMIT) >= GIVE_UP_AFTER:
                self._validators.remove(written)
                self.used[self.used.index(Used(written, Use.USED))] = Used(written, Use.TIME_LIMIT)
            else:
                refused = [was or status is not RunStatus.OK for was, status in zip(refused, said, strict=True)]
        return refused

    def cases(self, maker: AnyMaker | None, work: Account) -> list[Case]:
        """Return what the generators make with fixed seeds, as far as the gate lets it pass."""
        found: list[Case] = []
        size_mib = self._config.max_test_kib / 1024
        limits = Limits(cpu_s=GENERATOR_CPU_S, memory_mib=1024.0, output_mib=size_mib)
        for written in self._generators:
            asked = [f"{way} {seed}\n" for seed in range(self._config.inputs_per_seed) for way in WAYS]
            made = 0
            for run in self._bench.written(written.code, asked, limits):
                if run.status is not RunStatus.OK or not run.stdout.strip():
                    work.funnel[Fate.GENERATOR_FAILS] += 1
                    continue
                made += 1
                text = run.stdout.decode("utf-8", "replace").rstrip() + "\n"
                if work.is_new(text):
                    found.append(Case(text, MadeBy.MODEL, request_id=written.request_id))
            self.used.append(Used(written, Use.USED if made else Use.FAILS, made))
        self._generators.clear()
        passed = self.passed(found, work)
        if maker is None and not self._validators:  # the last one was given up, and nobody else guards
            work.funnel[Fate.VALIDATOR] += len(passed)
            return []
        return [case for case in passed if maker is None or work.obeys(case.text, maker)]

    def passed(self, cases: Sequence[Case], work: Account) -> list[Case]:
        """Return the inputs that no validator refuses; others are counted."""
        refused = self.refuses([case.text for case in cases]) if self._validators else [False] * len(cases)
        work.funnel[Fate.VALIDATOR] += sum(refused)
        return [case for case, is_refused in zip(cases, refused, strict=True) if not is_refused]
