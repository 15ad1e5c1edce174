"""Tries the programs that the teacher wrote on known tests, and makes inputs with those that are believed.

All run in the judge's jail, generators with fixed seeds. What the teacher is asked is in ``by_model.py``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, Protocol

from ocr_pipeline.generating.by_model import Role, Written
from ocr_pipeline.generating.calls import CallMaker
from ocr_pipeline.generating.making import MadeBy, Maker
from ocr_pipeline.generating.options import GeneratingConfig
from ocr_pipeline.generating.outcomes import Case, Fate, Problem, Use, Used
from ocr_pipeline.judge.checkers import CheckerBroken, CheckerProgram, Referee
from ocr_pipeline.judge.programs import Limits, Runner, RunStatus, run_program
from ocr_pipeline.judge.verdicts import Test
from ocr_pipeline.tables import CheckerProtocol

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

    def __init__(self, problem: Problem, tests: Sequence[Test], config: GeneratingConfig, runner: Runner) -> None:
        self._config = config
        self._runner = runner
        self._validators: list[str] = []
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
            elif problem.spec.needs_checker:
                self._try_checker(each, tests)
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
        said = self._accepts(written.code, [*known, "", "\0 this is no input"])
        use = (
            Use.REFUSES_KNOWN
            if not all(said[:-2]) or not known
            else Use.ACCEPTS_ANYTHING
            if any(said[-2:])
            else Use.USED
        )
        self.used.append(Used(written, use))
        if use is Use.USED:
            self._validators.append(written.code)

    def _accepts(self, code: str, inputs: Sequence[str]) -> list[bool]:
        done = run_program(code, "python", list(inputs), VALIDATOR_LIMITS, runner=self._runner)
        return [run.status is RunStatus.OK for run in done]

    def _try_checker(self, written: Written, tests: Sequence[Test]) -> None:
        program = CheckerProgram("python", CheckerProtocol.OPEN_R1.value, written.code)
        referee = Referee(self._runner, program)
        try:
            asked = [
                (test.input.encode(), test.expected.encode(), output.encode())
                for test in tests[:KNOWN_TESTS]
                for output in (test.expected, "", "no output at all")
            ]
            said = [referee.accepts(*each) for each in asked]
            right, wrong = said[::3], [*said[1::3], *said[2::3]]
            use = Use.REFUSES_KNOWN if not all(right) or not right else Use.ACCEPTS_ANYTHING if any(wrong) else Use.USED
        except CheckerBroken:
            use = Use.REFUSES_KNOWN
        finally:
            referee.close()
        self.used.append(Used(written, use))
        if use is Use.USED:
            self.checker = written.code

    def refuses(self, texts: Sequence[str]) -> list[bool]:
        """Say of each input whether a validator refuses it."""
        refused = [False] * len(texts)
        for code in self._validators:
            refused = [was or not accepts for was, accepts in zip(refused, self._accepts(code, texts), strict=True)]
        return refused

    def cases(self, maker: AnyMaker | None, work: Account) -> list[Case]:
        """Return what the generators make with fixed seeds, as far as the gate lets it pass."""
        found: list[Case] = []
        size_mib = self._config.max_test_kib / 1024
        limits = Limits(cpu_s=GENERATOR_CPU_S, memory_mib=1024.0, output_mib=size_mib)
        for written in self._generators:
            asked = [f"{way} {seed}\n" for seed in range(self._config.inputs_per_seed) for way in WAYS]
            made = 0
            for run in run_program(written.code, "python", asked, limits, runner=self._runner):
                if run.status is not RunStatus.OK or not run.stdout.strip():
                    work.funnel[Fate.GENERATOR_FAILS] += 1
                    continue
                made += 1
                text = run.stdout.decode("utf-8", "replace").rstrip() + "\n"
                if work.is_new(text):
                    found.append(Case(text, MadeBy.MODEL, request_id=written.request_id))
            self.used.append(Used(written, Use.USED if made else Use.FAILS, made))
        self._generators.clear()
        return [case for case in self.passed(found, work) if maker is None or work.obeys(case.text, maker)]

    def passed(self, cases: Sequence[Case], work: Account) -> list[Case]:
        """Return the inputs that no validator refuses; others are counted."""
        refused = self.refuses([case.text for case in cases]) if self._validators else [False] * len(cases)
        work.funnel[Fate.VALIDATOR] += sum(refused)
        return [case for case, is_refused in zip(cases, refused, strict=True) if not is_refused]
