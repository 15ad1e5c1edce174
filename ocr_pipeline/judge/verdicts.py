"""Judges one candidate against the tests of its problem.

Holds the expected outputs and the policy: what is accepted, what counts as whose failure, when to try again and when to
give up. How a program is isolated and run is not its business (``sandbox/``, ``programs.py``).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

from ocr_pipeline.engine import usable_cores
from ocr_pipeline.errors import InputError, JudgeError
from ocr_pipeline.judge.asserting import AssertTest, parse_assert_test, run_assert_test
from ocr_pipeline.judge.canaries import failing_canary
from ocr_pipeline.judge.checkers import CheckerBroken, CheckerProgram, Referee
from ocr_pipeline.judge.comparing import (
    ResultTooLargeError,
    Rule,
    expected_value,
    read_result,
    rule_for,
    same_text,
    same_value,
)
from ocr_pipeline.judge.gate import Gate
from ocr_pipeline.judge.grading import Grader
from ocr_pipeline.judge.interacting import ASLEEP_SHARE, Interactor, InteractorBroken
from ocr_pipeline.judge.newer import always_imports
from ocr_pipeline.judge.programs import Limits, Program, Runner, RunResult, RunStatus, Tiers, plan_for
from ocr_pipeline.judge.sandbox import (
    NO_FILES,
    PACKAGES,
    DisturbedError,
    JailFiles,
    JailGoneError,
    Tier,
    package_versions,
)
from ocr_pipeline.options import Options, option
from ocr_pipeline.tables import PYPY, PYTHONS, Checker, CheckerProtocol, IoMode

__all__ = [
    "Candidate",
    "Execution",
    "Isolation",
    "JudgeConfig",
    "ProblemSpec",
    "Reason",
    "Test",
    "TestResult",
    "TrustFlag",
    "Verdict",
    "judge_candidate",
]

DETAIL_CHARACTERS: Final = 2_000
NEAR_LIMIT: Final = 1.5
ASSERTS_TIME_FACTOR: Final = 3.0  # one program holds up to a hundred cases, all in one process
ASSERTS_MEMORY_FACTOR: Final = 4.0  # and its caches grow from case to case
PYPY_OWN_MIB: Final = 64.0  # what it holds before a program begins, which for other languages is nothing to speak of
IMPORT_LINE: Final = re.compile(r"^(?:import|from)[ \t]++(?!__future__)[^\n]+$", re.MULTILINE)
MISSING_MODULE: Final = re.compile(r"ModuleNotFoundError: No module named '(\w+)")
EXACT: Final = Rule()
TALKING: Final = (CheckerProtocol.KATTIS, CheckerProtocol.TESTLIB)  # whose checkers have a form that talks


class Verdict(StrEnum):
    """The outcome of a candidate, or of one of its tests."""

    ACCEPTED = "accepted"
    WRONG_ANSWER = "wrong_answer"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    RUNTIME_ERROR = "runtime_error"
    COMPILE_ERROR = "compile_error"
    NOT_RUN = "not_run"


class Reason(StrEnum):
    """Why a candidate was not run: never its own failure."""

    NO_CODE = "no_code"
    NO_PROBLEM = "no_problem"
    NO_TESTS = "no_tests"
    UNTRUSTED_TESTS = "untrusted_tests"
    INTERACTIVE = "interactive"
    NO_FUNCTION = "no_function"
    LANGUAGE = "language"
    MODULE = "module"
    NO_FILES = "no_files"
    INFRASTRUCTURE = "infrastructure"


class TrustFlag(StrEnum):
    """What correct reference solutions say of a problem or of a test: the ``flag`` of ``test_trust``."""

    TRUSTED = "trusted"
    TESTS_FLAGGED = "tests_flagged"
    NO_SOLUTION_PASSES = "no_solution_passes"
    UNCHECKED = "unchecked"
    REJECTS_SOLUTIONS = "rejects_solutions"


class Isolation(Options):
    """How programs are kept apart, and how many run at once."""

    workers: int | None = option(
        None,
        "Programs judged at once on this machine; none: one per core; 0: in this process",
        ge=0,
        affects_output=False,
    )
    tiers: Tiers = option(
        Tiers.AUTO, "How strong the sandbox is; unsandboxed is never chosen by itself and is stored in every row"
    )


class JudgeConfig(Isolation):
    """How candidates are judged; what a result depends on is its ``settings``."""

    python_time_factor: float = option(
        5.0,
        "Times the problem's own limit, which is made for compiled programs, for Python; the default is CodeChef's",
        gt=0,
        also="python_factor",
    )
    cpp_time_factor: float = option(1.0, "Times the problem's own limit, for C++", gt=0, also="cpp_factor")
    default_time_limit_s: float = option(
        10.0,
        "CPU time where the problem names no limit, in every language; CodeContests' own judge gave 10 s",
        unit="seconds",
        gt=0,
        also="time_limit",
    )
    default_memory_mib: float = option(
        256.0, "Memory where the problem names no limit: the usual one of Codeforces and CodeContests", unit="MiB", gt=0
    )
    least_memory_mib: float = option(
        64.0, "Least memory: smaller limits of old problems do not hold an interpreter", unit="MiB", gt=0
    )
    output_mib: float = option(64.0, "Most output of a program", unit="MiB", gt=0)
    checker_headers: Path | None = option(
        None,
        "Folder of headers that checkers and interactors include and no data set carries, such as testlib.h",
        affects_output=False,  # what is in them is part of each verdict's key
    )
    max_tests: int | None = option(None, "The first so many tests of each problem; none: all", ge=1)
    stop_at_first_failure: bool = option(False, "Leave out the tests after a failed one")
    give_up_after_time_limits: int = option(
        5, "Tests over their time limit after which the rest is not run and counts as failed", ge=1
    )
    retries: int = option(
        1, "How often a candidate is tried again after a failure of the sandbox", ge=0, affects_output=False
    )

    @property
    def processes(self) -> int:
        """How many processes judge on this machine; 0 judges in this one."""
        return usable_cores() if self.workers is None else self.workers

    def time_factor(self, language: str) -> float:
        """Return what a problem's own limit is multiplied by in a language."""
        return self.python_time_factor if language in PYTHONS else self.cpp_time_factor

    def limits_for(self, problem: ProblemSpec, language: str) -> Limits:
        """Return the limits of a problem in a language."""
        given = problem.time_limit_s
        seconds = self.default_time_limit_s if given is None else given * self.time_factor(language)
        memory = max(problem.memory_limit_mib or self.default_memory_mib, self.least_memory_mib)
        memory += PYPY_OWN_MIB if language in PYPY else 0.0
        return Limits(cpu_s=seconds, memory_mib=memory, output_mib=self.output_mib)


class TrustConfig(JudgeConfig):
    """How correct solutions are asked about the tests."""

    solutions_per_language: int = option(
        3, "Correct solutions per problem and language that are asked about its tests", ge=1
    )


MOST_S: Final = 86_400
MOST_MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class ProblemSpec:
    """What the judge needs to know of a problem."""

    problem_id: str
    io_mode: str = IoMode.STDIN
    function_name: str | None = None
    starter_code: str | None = None
    time_limit_s: float | None = None
    memory_limit_mib: float | None = None
    checker: str = Checker.TOKENS
    float_tolerance: float | None = None
    input_file: str | None = None
    output_file: str | None = None
    checker_language: str | None = None
    checker_protocol: str | None = None
    checker_flags: str | None = None
    checker_code: str | None = None
    grader_code: str | None = None
    """Calls the functions of programs that have no `main`; not in ``problems``, the caller adds it."""
    grader_names: str | None = None
    """What its headers promise, separated by spaces."""

    def __post_init__(self) -> None:
        """Refuse ways of judging that nobody knows, and limits that no program can be given.

        Raises
        ------
        InputError
            With the problem and the value.
        """
        for name, word, known in (("io_mode", self.io_mode, IoMode), ("checker", self.checker, Checker)):
            if word not in set(known):
                message = f"problem `{self.problem_id}`: {name} must be one of {', '.join(known)}, got `{word}`"
                raise InputError(message)
        for name, value, most in (
            ("time_limit_s", self.time_limit_s, MOST_S),
            ("memory_limit_mib", self.memory_limit_mib, MOST_MIB),
        ):
            if value is not None and not 0 < value <= most:
                message = f"problem `{self.problem_id}`: {name} must be above 0 and at most {most:,}, got {value:g}"
                raise InputError(message)

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Self:
        """Read what a row of problems says; what it leaves empty has its default."""
        return cls(**{name: row[name] for name in cls.__dataclass_fields__ if row.get(name) not in (None, "")})

    @property
    def imports(self) -> str:
        """What the starter code imports, as Python to run before a candidate; a module that is not there is left out."""
        lines = filter(_is_import, IMPORT_LINE.findall(self.starter_code or ""))
        return "".join(f"try:\n    {line}\nexcept ImportError:\n    pass\n" for line in lines)

    @property
    def call(self) -> dict[str, object] | None:
        """What a runner is to do with a candidate's function; nothing where the candidate is a program."""
        if self.io_mode != IoMode.FUNCTION:
            return None
        return {"do": "call", "function": self.function_name, "prelude": self.imports}

    @property
    def grader(self) -> Grader | None:
        """What calls the functions of programs that have no `main`."""
        return Grader(self.grader_code, tuple((self.grader_names or "").split())) if self.grader_code else None

    @property
    def checker_program(self) -> CheckerProgram | None:
        """The source's own checker, for outputs that are texts."""
        return None if self.io_mode in {IoMode.FUNCTION, IoMode.INTERACTIVE} else self._program

    @property
    def interactor(self) -> CheckerProgram | None:
        """The source's own interactor, of a problem in which programs talk with one."""
        talks = self.io_mode == IoMode.INTERACTIVE and self.checker_protocol in TALKING
        return self._program if talks else None

    @property
    def _program(self) -> CheckerProgram | None:
        if not self.checker_code:
            return None
        language, protocol = self.checker_language or "", self.checker_protocol or ""
        return CheckerProgram(language, protocol, self.checker_code, self.checker_flags or "")

    @property
    def files(self) -> JailFiles:
        """The files that programs read and write."""
        if self.io_mode != IoMode.FILE:
            return NO_FILES
        return JailFiles(self.input_file or "input.txt", self.output_file or "output.txt")

    @property
    def needs_checker(self) -> bool:
        """Several outputs are right and nothing here can tell: passes are a lower bound."""
        return self.checker == Checker.SPECIAL and self.checker_program is None and self.interactor is None


def _is_import(line: str) -> bool:
    try:
        body = ast.parse(line).body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return all(isinstance(each, (ast.Import, ast.ImportFrom)) for each in body)


@dataclass(frozen=True, slots=True)
class Test:
    """One test of a problem."""

    __test__ = False  # not a test class, whatever its name says to pytest

    test_id: str
    input: str
    expected: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A program to judge."""

    language: str
    code: str


@dataclass(frozen=True, slots=True)
class TestResult:
    """The outcome of one test."""

    __test__ = False

    test_id: str
    verdict: Verdict
    cpu_time_s: float | None = None
    peak_memory_mib: float | None = None
    detail: str = ""
    trusts_candidate: bool = False
    """Its asserts used names that only the candidate defines, or ran in the candidate's process."""


@dataclass(frozen=True, slots=True)
class Execution:
    """The outcome of a candidate."""

    verdict: Verdict
    tests_total: int
    results: tuple[TestResult, ...] = ()
    detail: str | None = None
    reason: Reason | None = None
    tier: str | None = None
    runtime: str | None = None
    needs_checker: bool = False
    """Outputs were compared with one of several right ones: passes are a lower bound."""

    @property
    def trusts_candidate(self) -> bool:
        """Some asserts believed the candidate more than its results: passes are an upper bound."""
        return any(result.trusts_candidate for result in self.results)

    @property
    def tests_passed(self) -> int:
        """Tests with an accepted output."""
        return sum(result.verdict is Verdict.ACCEPTED for result in self.results)

    @classmethod
    def not_run(cls, reason: Reason, detail: str, tests_total: int = 0) -> Execution:
        """Return the outcome of a candidate that nobody can judge here."""
        return cls(Verdict.NOT_RUN, tests_total, detail=detail, reason=reason)


@dataclass(frozen=True, slots=True)
class _Job:
    """One candidate with everything that is needed to judge it."""

    runner: Runner
    problem: ProblemSpec
    rule: Rule
    limits: Limits
    config: JudgeConfig
    candidate: Candidate
    gate: Gate
    referee: Referee | None
    interactor: Interactor | None
    broken: list[str]
    """What a broken checker said: what it left undecided was compared with the one expected output."""
    alone: bool = False
    """An earlier try was disturbed: compile while nothing else runs."""


def judge_candidate(
    runner: Runner, problem: ProblemSpec, tests: Sequence[Test], candidate: Candidate, config: JudgeConfig, gate: Gate
) -> Execution:
    """Judge a candidate; a failure of the sandbox is tried again, then becomes ``not_run``."""
    refused = _refusal(runner, problem, tests, candidate)
    if refused is not None:
        return refused
    is_function = problem.io_mode == IoMode.FUNCTION
    rule = (
        EXACT  # what is not the expected text is the checker's to judge, tolerance and case included
        if problem.checker_program
        else rule_for(
            problem.checker, problem.float_tolerance, (test.expected for test in tests), is_function=is_function
        )
    )
    chosen = tests[: config.max_tests]
    limits = config.limits_for(problem, candidate.language)
    failure, gone = "", 0
    for attempt in range(config.retries + 1):
        referee = Referee(runner, problem.checker_program) if problem.checker_program else None
        interactor = Interactor(runner, problem.interactor) if problem.interactor else None
        job = _Job(runner, problem, rule, limits, config, candidate, gate, referee, interactor, [], alone=attempt > 0)
        try:
            return _with_notes(_judge(job, chosen), job)
        except InteractorBroken as broken:
            return _with_notes(Execution.not_run(Reason.INTERACTIVE, str(broken), len(chosen)), job)
        except MissingModuleError as missing:
            return _with_notes(Execution.not_run(Reason.MODULE, str(missing), len(chosen)), job)
        except JudgeError as error:
            failure = str(error)
            gone += isinstance(error, JailGoneError)
            runner.restart()
        finally:
            for program in (referee, interactor):
                if program:
                    program.close()
    if gone > config.retries and failing_canary(runner, candidate.language) is None:
        detail = f"its jail ended {gone} times, where an honest program's does not"
        return replace(Execution(Verdict.RUNTIME_ERROR, len(chosen), detail=detail), tier=runner.tier)
    return Execution.not_run(Reason.INFRASTRUCTURE, failure, len(chosen))


def _with_notes(execution: Execution, job: _Job) -> Execution:
    detail = "\n".join([*job.broken[:1], execution.detail or ""]).strip()[:DETAIL_CHARACTERS] or None
    needs_checker = job.problem.needs_checker or bool(job.broken)
    runtime = job.runner.runtime(job.candidate.language)
    return replace(execution, tier=job.runner.tier, runtime=runtime, detail=detail, needs_checker=needs_checker)


def _refusal(runner: Runner, problem: ProblemSpec, tests: Sequence[Test], candidate: Candidate) -> Execution | None:
    if not tests:
        return Execution.not_run(Reason.NO_TESTS, f"problem {problem.problem_id} has no tests")
    if problem.io_mode == IoMode.INTERACTIVE and problem.interactor is None:
        return Execution.not_run(Reason.INTERACTIVE, "interactive problems need their interactor", len(tests))
    if not candidate.code.strip():
        return Execution.not_run(Reason.NO_CODE, "the sample has no code", len(tests))
    plan = plan_for(runner.plan, candidate.language)
    if isinstance(plan, str):
        return Execution.not_run(Reason.LANGUAGE, plan, len(tests))
    if problem.io_mode == IoMode.FILE:
        return _refusal_of_files(runner, problem, len(tests))
    return None


def _refusal_of_files(runner: Runner, problem: ProblemSpec, tests_total: int) -> Execution | None:
    try:
        problem.files  # noqa: B018 - makes sure that the names are usable
    except JudgeError as error:
        return Execution.not_run(Reason.NO_FILES, str(error), tests_total)
    if runner.tier == Tier.B:
        return Execution.not_run(Reason.NO_FILES, "in tier B no program can write its output file", tests_total)
    return None


def _judge(job: _Job, tests: Sequence[Test]) -> Execution:
    asserts = _assert_tests(job, tests)
    if asserts is not None and job.candidate.language not in PYTHONS:
        return Execution.not_run(Reason.LANGUAGE, "tests that are asserts are written in Python", len(tests))
    if asserts is not None:
        results = [_assert_result(job, test, parsed) for test, parsed in zip(tests, asserts, strict=True)]
        return _summary(results, len(tests))
    files, call = job.problem.files, job.problem.call
    if call and not (job.problem.function_name or "").isidentifier():
        name = f"`{job.problem.function_name}` is not one" if job.problem.function_name else "it has none"
        return Execution.not_run(
            Reason.NO_FUNCTION, f"function problems need the name of a function; {name}", len(tests)
        )
    if call:
        call["mappings"] = any(_has_mapping(test) for test in tests)
    with job.gate.alone() if job.alone else nullcontext():
        candidate = job.candidate
        program = job.runner.open(candidate.code, candidate.language, job.limits, call, files, job.problem.grader)
    if isinstance(program, RunResult):
        return _not_compiled(program, len(tests))
    with program:
        return _summary(_run_tests(job, program, tests), len(tests))


def _has_mapping(test: Test) -> bool:
    """Say whether a function gets or returns a mapping; an object of named arguments is not one."""
    given = expected_value(test.input)
    arguments = list(given.values()) if isinstance(given, dict) else given
    todo = [arguments, expected_value(test.expected)]
    while todo:
        each = todo.pop()
        if isinstance(each, dict):
            return True
        todo += each if isinstance(each, list) else ()
    return False


def _not_compiled(result: RunResult, tests_total: int) -> Execution:
    if result.status is RunStatus.NOT_RUN:
        return Execution.not_run(Reason.LANGUAGE, result.stderr, tests_total)
    return Execution(Verdict.COMPILE_ERROR, tests_total, detail=result.stderr[:DETAIL_CHARACTERS])


def _run_tests(job: _Job, program: Program, tests: Sequence[Test]) -> list[TestResult]:
    results: list[TestResult] = []
    time_limits = 0
    for test in tests:
        result = _run_test(job, program, test)
        results.append(result)
        time_limits += result.verdict is Verdict.TIME_LIMIT
        failed = result.verdict is not Verdict.ACCEPTED
        if (failed and job.config.stop_at_first_failure) or time_limits >= job.config.give_up_after_time_limits:
            break
    return results


def _run_test(job: _Job, program: Program, test: Test) -> TestResult:
    """Run a test; one that ends near its time limit, or only slept, is run once more while nothing else runs."""
    generous = replace(job.limits, cpu_s=job.limits.cpu_s * NEAR_LIMIT)
    try:
        with job.gate.shared():
            run, accepted = _try(job, program, test, generous)
        near = run.status is not RunStatus.TIME_LIMIT and (run.cpu_time_s or 0.0) > job.limits.cpu_s
        again = near or _may_be_starved(job, run)
    except DisturbedError:
        again = True
    if again:
        with job.gate.alone():
            run, accepted = _try(job, program, test, job.limits)
    return _result(job, test, run, accepted)


def _try(job: _Job, program: Program, test: Test, limits: Limits) -> tuple[RunResult, bool | None]:
    """Run a test once; the interactor's decision, where there is one, comes with it."""
    stdin, expected = (text.encode("utf-8", "surrogatepass") for text in (test.input, test.expected))
    if job.interactor is None:
        return program.run(stdin, limits), None
    talk = job.interactor.talk(program, stdin, expected, limits)
    return talk.run, talk.accepted


def _may_be_starved(job: _Job, run: RunResult) -> bool:
    """Say whether the wall clock stopped a program that was working, where the sandbox cannot see whether it waited."""
    return (
        job.runner.tier != Tier.A
        and run.stopped_by_wall
        and (run.cpu_time_s or 0.0) > ASLEEP_SHARE * (run.wall_time_s or 0.0)
    )


def _result(job: _Job, test: Test, run: RunResult, accepted: bool | None) -> TestResult:  # noqa: FBT001 - three-valued
    _require_modules(job, run)
    try:
        if run.status is not RunStatus.OK:
            verdict = Verdict(run.status)
        elif accepted is not None:
            verdict = Verdict.ACCEPTED if accepted else Verdict.WRONG_ANSWER
        else:
            verdict = _compared(job, test, run)
        detail = _detail(run, verdict)
    except ResultTooLargeError as error:
        verdict, detail = Verdict.OUTPUT_LIMIT, str(error)
    return TestResult(test.test_id, verdict, run.cpu_time_s, run.peak_memory_mib, detail)


class MissingModuleError(Exception):
    """A program needs a package that contest judges offer and this machine lacks."""


def _require_modules(job: _Job, run: RunResult) -> None:
    """Raise where a program ended for want of a known package; it has to import it in any case, not only to say so."""
    last = run.stderr.strip().rpartition("\n")[2] if run.status is RunStatus.RUNTIME_ERROR else ""
    found = MISSING_MODULE.match(last)
    name = found[1] if found else ""
    plan = plan_for(job.runner.plan, job.candidate.language)
    if job.candidate.language not in PYTHONS or isinstance(plan, str) or name not in PACKAGES:
        return
    if name not in package_versions(plan.python) and always_imports(job.candidate.code, name):
        hint = "here; run `make install-judge`, or `pip install 'ocr_pipeline[judge]'`"
        message = f"`{name}` is not installed {'for PyPy' if job.candidate.language in PYPY else hint}"
        raise MissingModuleError(message)


def _detail(run: RunResult, verdict: Verdict) -> str:
    if verdict in (Verdict.ACCEPTED, Verdict.WRONG_ANSWER):
        return ""
    ended = f"signal {run.signal}" if run.signal else f"exit code {run.exit_code}"
    if run.stopped_by_wall:
        ended = "stopped by the wall clock"
    return f"{ended}\n{run.stderr}".strip()


def _compared(job: _Job, test: Test, run: RunResult) -> Verdict:
    if job.problem.io_mode == IoMode.FUNCTION:
        return _compared_result(job, test, run.result)
    output = run.result if job.problem.io_mode == IoMode.FILE and run.result else run.stdout
    expected = test.expected.encode("utf-8", "surrogatepass")
    same = same_text(output, expected, job.rule) or _checker_accepts(job, test, expected, output)
    return Verdict.ACCEPTED if same else Verdict.WRONG_ANSWER


def _checker_accepts(job: _Job, test: Test, expected: bytes, output: bytes) -> bool:
    if job.referee is None or job.broken:
        return False
    try:
        return job.referee.accepts(test.input.encode("utf-8", "surrogatepass"), expected, output)
    except CheckerBroken as broken:
        job.broken.append(f"no checker: {broken}")
        return False


def _compared_result(job: _Job, test: Test, result: bytes) -> Verdict:
    """Compare what a function returned; a program that ended without returning has failed."""
    if not result:
        return Verdict.RUNTIME_ERROR
    try:
        value = read_result(result, test.expected, is_table=job.candidate.language in PYTHONS)  # C++ writes JSON
    except ValueError:
        return Verdict.WRONG_ANSWER
    return Verdict.ACCEPTED if same_value(value, expected_value(test.expected), job.rule) else Verdict.WRONG_ANSWER


def _summary(results: Sequence[TestResult], tests_total: int) -> Execution:
    failed = [result for result in results if result.verdict is not Verdict.ACCEPTED]
    left = tests_total - len(results)
    detail = failed[0].detail if failed else ""
    if left:
        detail = f"{left} tests were not run after this failure and count as failed\n{detail}"
    verdict = failed[0].verdict if failed else Verdict.ACCEPTED
    return Execution(verdict, tests_total, tuple(results), detail=detail.strip()[:DETAIL_CHARACTERS] or None)


def _assert_tests(job: _Job, tests: Sequence[Test]) -> list[AssertTest] | None:
    """Return the tests as programs of asserts, when that is what they are."""
    if job.problem.io_mode != IoMode.FUNCTION:
        return None
    parsed = [parse_assert_test(test.input, job.problem.function_name) for test in tests]
    imports = job.problem.imports
    known = [replace(each, prelude=imports + each.prelude) for each in parsed if each is not None]
    return known if len(known) == len(tests) else None


def _assert_result(job: _Job, test: Test, parsed: AssertTest) -> TestResult:
    wider = replace(
        job.limits,
        cpu_s=ASSERTS_TIME_FACTOR * job.limits.cpu_s,
        memory_mib=ASSERTS_MEMORY_FACTOR * job.limits.memory_mib,
    )
    code, language = job.candidate.code, job.candidate.language
    try:
        with job.gate.shared():
            outcome = run_assert_test(job.runner, code, language, parsed, wider)
    except DisturbedError:
        with job.gate.alone():
            outcome = run_assert_test(job.runner, code, language, parsed, wider)
    run = outcome.run
    _require_modules(job, run)
    if run.status is not RunStatus.OK:
        verdict = Verdict(run.status)
    else:
        verdict = Verdict.ACCEPTED if outcome.passed else Verdict.WRONG_ANSWER
    return TestResult(
        test.test_id, verdict, run.cpu_time_s, run.peak_memory_mib, _detail(run, verdict), outcome.trusts_candidate
    )
