"""Programs that ask for PyPy: run by it, in the same jail, and never by another interpreter."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ocr_pipeline.judge import JudgeConfig, Reason, Runner, Verdict
from ocr_pipeline.judge.gate import Gate
from ocr_pipeline.judge.sandbox import probing
from ocr_pipeline.judge.sandbox.visible import interpreter_files
from ocr_pipeline.judge.verdicts import Candidate, Execution, ProblemSpec, Test, judge_candidate

needs_pypy = pytest.mark.skipif(
    shutil.which("pypy3") is None, reason="pypy3 is not installed (Debian: apt install pypy3)"
)
PYPY_ONLY = "import sys\nassert sys.implementation.name == 'pypy'\n"
DEEP = "import sys, threading\nsys.setrecursionlimit(10**6)\ndef f(n): return 0 if n == 0 else 1 + f(n - 1)\n"
FUNCTION = {"io_mode": "function", "function_name": "add"}


def judged(
    runner: Runner,
    gate: Gate,
    code: str,
    given: str = "",
    expected: str = "6\n",
    language: str = "pypy",
    **problem: str,
) -> Execution:
    """Judge a program that asks for PyPy by one test."""
    candidate = Candidate(language, PYPY_ONLY + code)
    return judge_candidate(
        runner, ProblemSpec("p", **problem), [Test("0", given, expected)], candidate, JudgeConfig(), gate
    )


@needs_pypy
@pytest.mark.parametrize("language", ["pypy", "pypy3"])
def test_a_program_is_run_by_pypy_and_its_row_says_so(runner: Runner, gate: Gate, language: str) -> None:
    """Both names ask for it."""
    found = judged(runner, gate, "print(int(input()) * 2)", "3\n", language=language)
    assert found.verdict is Verdict.ACCEPTED, found.detail
    assert "PyPy" in (found.runtime or "")


@needs_pypy
@pytest.mark.parametrize(
    ("code", "given", "expected", "problem"),
    [
        ("class Solution:\n    def add(self, a, b): return a + b", "[1, 5]", "6", FUNCTION),
        ("def add(a, b): return a + b", '{"assert": "assert add(1, 5) == 6", "entry_point": "add"}', "", FUNCTION),
        (DEEP + "print(f(100_000))", "", "100000\n", {}),
        (DEEP + "threading.stack_size(1 << 27)\nt = threading.Thread(target=lambda: print(f(100_000)))\n"
         "t.start()\nt.join()", "", "100000\n", {}),
        ("print(1)", "", "1\n", {"memory_limit_mib": 64}),
        ("out = open(1, 'w', closefd=False)\nout.write('1')", "", "1", {}),
    ],
    ids=["function", "asserts", "deep recursion", "deep recursion in a thread", "small memory limit", "a file that nobody closes"],
)  # fmt: skip
def test_what_works_elsewhere_works_in_pypy(
    runner: Runner, gate: Gate, code: str, given: str, expected: str, problem: dict[str, str]
) -> None:
    """Functions, asserts, and room for a stack."""
    found = judged(runner, gate, code, given, expected, **problem)
    assert found.verdict is Verdict.ACCEPTED, found.detail


@needs_pypy
def test_a_package_that_pypy_lacks_is_nobodys_failure(runner: Runner, gate: Gate) -> None:
    """Packages with parts in C are installed for another interpreter."""
    found = judged(runner, gate, "import numpy\nprint(6)")
    assert (found.verdict, found.reason) == (Verdict.NOT_RUN, Reason.MODULE)


@needs_pypy
@pytest.mark.parametrize("code", ["import os\nos.fork()", "import os\nos.kill(os.getppid(), 9)", "open('/etc/passwd')"])
def test_pypy_has_the_same_walls(runner: Runner, gate: Gate, code: str) -> None:
    """No processes, no signals to others, no files of the machine."""
    assert judged(runner, gate, f"{code}\nprint(6)").verdict is Verdict.RUNTIME_ERROR


def test_without_pypy_its_programs_are_not_run(runner: Runner, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason says what is missing."""
    monkeypatch.setattr(probing.shutil, "which", lambda _: None)
    probing.pypy_plan.cache_clear()
    found = judged(runner, gate, "print(6)")
    probing.pypy_plan.cache_clear()
    assert (found.verdict, found.reason) == (Verdict.NOT_RUN, Reason.LANGUAGE)
    assert "apt install pypy3" in (found.detail or "")


def test_a_pypy_outside_the_system_shows_its_own_files_only(tmp_path: Path) -> None:
    """What an archive of PyPy holds beside its documents: the program, its library, its modules."""
    own = ["bin/pypy3.10", "bin/libpypy3.10-c.so", "lib/libffi.so.8", "lib/pypy3.10/os.py"]
    for name in (*own, "data/tests.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = interpreter_files(str(tmp_path / "bin/pypy3.10"))
    assert sorted(found) == sorted(str(tmp_path / name) for name in (*own[:3], "lib/pypy3.10"))
