"""Tests that are programs of asserts, as HumanEval, MBPP and LeetCodeDataset write them.

Asserts carry the expected values, so they must not run where the candidate can see or patch them. The program of
asserts runs in one jail, the candidate in another, and between them travel calls and values; what is not a plain value
stays where it is and is used from the other side (``sandbox/native/driver.py``). Of the candidate's names only the entry point
counts; a name that nobody but the candidate defines may be used too, and the result says so.

In a tests table such a test is a row of a ``function`` problem whose ``input`` is the program itself, or a JSON object
``{"assert": program, "prelude": imports and helpers, "entry_point": expression}``; ``expected`` stays empty. With
``"one_process": true`` the data set has both run in one process, where a candidate can forge success; the result says so.
"""

from __future__ import annotations

import ast
import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pyarrow as pa

from ocr_pipeline.judge.programs import (
    Limits,
    Program,
    Runner,
    RunResult,
    RunStatus,
    test_files,
)
from ocr_pipeline.judge.sandbox.protocol import AssertExit
from ocr_pipeline.store import canonical_json

__all__ = ["AssertOutcome", "AssertProblem", "AssertTest", "assert_tests", "parse_assert_test", "run_assert_test"]


@dataclass(frozen=True, slots=True)
class AssertTest:
    """One program of asserts."""

    program: str
    entry_point: str
    prelude: str = ""
    one_process: bool = False


@dataclass(frozen=True, slots=True)
class AssertOutcome:
    """How a program of asserts ended."""

    run: RunResult
    passed: bool = False
    trusts_candidate: bool = False
    """It used names that only the candidate defines, or ran in the candidate's process."""


@dataclass(frozen=True, slots=True)
class AssertProblem:
    """A problem of a benchmark that comes with asserts."""

    problem_id: str
    program: str
    """Asserts, or a function ``check(candidate)`` that holds them."""
    entry_point: str
    """What is tested: ``add`` or ``Solution().add``."""
    prelude: str = ""
    """Imports and helpers that both sides expect."""


def assert_tests(problems: Iterable[AssertProblem]) -> tuple[pa.Table, pa.Table]:
    """Return the ``problems`` and ``tests`` rows with which :func:`judge` runs these problems, one test each."""
    rows = list(problems)
    inputs = [
        canonical_json({"assert": row.program, "prelude": row.prelude, "entry_point": row.entry_point}) for row in rows
    ]
    ids = [row.problem_id for row in rows]
    functions = [row.entry_point for row in rows]
    problem_table = pa.table({"problem_id": ids, "io_mode": ["function"] * len(ids), "function_name": functions})
    test_table = pa.table(
        {"problem_id": ids, "test_id": ["000000"] * len(ids), "input": inputs, "expected": [""] * len(ids)}
    )
    return problem_table, test_table


def parse_assert_test(text: str, entry_point: str | None) -> AssertTest | None:
    """Read the input of a function problem's test; ``None`` when it holds arguments instead of asserts."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = {"assert": text} if _has_asserts(text) else None
    if not isinstance(value, dict) or "assert" not in value:
        return None
    entry = str(value.get("entry_point") or entry_point or "None")
    program = _calling_check(str(value["assert"]))
    return AssertTest(program, entry, str(value.get("prelude") or ""), value.get("one_process") is True)


def _has_asserts(text: str) -> bool:
    try:
        return any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError, RecursionError):
        return False


def _calling_check(program: str) -> str:
    """Call ``check`` at the end of a program that only defines it."""
    try:
        body = ast.parse(program).body
    except (SyntaxError, ValueError, RecursionError):
        return program
    defines = any(isinstance(node, ast.FunctionDef) and node.name == "check" for node in body)
    calls = any(
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "check"
        for node in body
    )
    return f"{program}\ncheck(__entry_point__)\n" if defines and not calls else program


def run_assert_test(runner: Runner, code: str, language: str, test: AssertTest, limits: Limits) -> AssertOutcome:
    """Run the asserts against a candidate.

    Raises
    ------
    JudgeError
        When the sandbox failed.
    """
    if test.one_process:
        return _run_together(runner, code, language, test, limits)
    shared: dict[str, object] = {"prelude": test.prelude, "entry_point": test.entry_point}
    candidate = runner.open(code, language, limits, {"do": "objects", **shared})
    if isinstance(candidate, RunResult):
        return AssertOutcome(candidate)
    with candidate, runner.trusted({"do": "check", "usual_names": True, **shared}, test.program, limits) as checker:
        run, check = _converse(candidate, checker, limits)
    return _outcome(run, check)


def _converse(candidate: Program, checker: Program, limits: Limits) -> tuple[RunResult, RunResult]:
    """Run both with a socket between them."""
    left, right = socket.socketpair()
    generous = replace(limits, cpu_s=2 * limits.cpu_s, memory_mib=4 * limits.memory_mib)
    with test_files(b"") as files, test_files(b"") as checker_files:
        jail = candidate.begin(replace(files, result=left.fileno()), limits)
        checker_jail = checker.begin(replace(checker_files, result=right.fileno()), generous)
        left.close()
        right.close()
        check = checker.read(checker_jail.finish(generous.wall), checker_files, generous)
        run = candidate.read(jail.finish(limits.wall), files, limits)
    return run, check


def _outcome(run: RunResult, check: RunResult) -> AssertOutcome:
    if run.status is not RunStatus.OK:
        return AssertOutcome(run)
    if check.exit_code in (AssertExit.RAISED, AssertExit.GONE):
        return AssertOutcome(replace(run, status=RunStatus.RUNTIME_ERROR, exit_code=1, stderr=check.stderr))
    if check.status is RunStatus.TIME_LIMIT:
        return AssertOutcome(replace(run, status=RunStatus.TIME_LIMIT, stderr="the asserts did not come to an end"))
    passed = check.exit_code in (0, AssertExit.LEANING)
    return AssertOutcome(replace(run, stderr=check.stderr), passed, check.exit_code == AssertExit.LEANING)


def _run_together(runner: Runner, code: str, language: str, test: AssertTest, limits: Limits) -> AssertOutcome:
    job: dict[str, object] = {"do": "together", "prelude": test.prelude, "entry_point": test.entry_point,
                              "program": test.program}  # fmt: skip
    program = runner.open(code, language, limits, job)
    if isinstance(program, RunResult):
        return AssertOutcome(program, trusts_candidate=True)
    with program:
        run = program.run(b"", limits)
    passed = run.status is RunStatus.OK and run.result == b"passed"
    if run.exit_code == AssertExit.FAILED:
        run = replace(run, status=RunStatus.OK)
    return AssertOutcome(run, passed, trusts_candidate=True)
