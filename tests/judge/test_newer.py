"""Syntax of a newer Python is told apart from a syntax error."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.judge import Runner, RunStatus, run_program
from ocr_pipeline.judge.newer import always_imports, newer_syntax


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python knows them")
@pytest.mark.parametrize(
    ("code", "newer"),
    [
        ("def f[T](x: T) -> T:\n    return x\nprint(f(6))", True),
        ("class A[T]: pass\nprint(6)", True),
        ("x = 1\ntype X = int\nprint(6)", True),
        ("a = {'b': 6}\nprint(f'{a['b']}')", True),
        ("print(f'{'\\n'.join('ab')}')", True),
        ("def f(x) return x", False),
        ("print f(6)", False),
        ("print(f'{6')", False),
        ("type = 3 4", False),
    ],
)
def test_the_detail_says_so(code: str, newer: bool) -> None:  # noqa: FBT001 - a parameter
    """It is a compile error all the same, as the machine's interpreter does not run it."""
    with Runner() as runner:
        (result,) = run_program(code, "python", [""], runner=runner)
    assert result.status is RunStatus.COMPILE_ERROR
    assert ("3.12" in result.stderr) is newer, result.stderr
    assert result.stderr.startswith(("SyntaxError", "IndentationError"))


@given(st.text(max_size=80), st.text(max_size=40))
def test_any_program_and_any_report(code: str, report: str) -> None:
    """Both are a candidate's to write."""
    newer_syntax(code, report)
    newer_syntax(code, f'File "main.py", line 1\nSyntaxError: {report}')


@pytest.mark.parametrize(
    ("code", "always"),
    [
        ("import numba", True),
        ("import sys, numba as nb", True),
        ("from numba import njit\n@njit\ndef f(): pass", True),
        ("import sys\nfrom numba.core import types", True),
        ("try:\n    import numba\nexcept ImportError: pass", False),
        ("def give_up():\n    import numba", False),
        ("if input() == '7':\n    import numba", False),
        ("'''\nimport numba\n'''", False),
        ("import numbadiff", False),
        ("# import numba", False),
    ],
)
def test_a_package_that_a_program_always_imports(code: str, always: bool) -> None:  # noqa: FBT001
    """Only what is at its top level cannot be reached on purpose."""
    assert always_imports(code, "numba") is always
