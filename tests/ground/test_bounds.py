"""Bounds that a statement gives, and the tests that are outside of them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.bounds import bounds_in, plain_math
from ocr_pipeline.sources.outside import broken_bounds
from tests.sources import rows as raw
from tests.sources.rows import run

LINES = "Input\n\nThe first line contains {} — what is asked.\n\nOutput\n\nPrint it."


def outside(
    statement: str, inputs: list[str], kinds: list[str] | None = None, starter: str | None = None
) -> list[str | None]:
    """Return the bounds that tests break."""
    problem = {
        "statement": statement,
        "io_mode": "function" if starter else "stdin",
        "starter_code": starter,
        "function_name": "f" if starter else None,
    }
    return broken_bounds(problem, kinds or ["private"] * len(inputs), pa.array(inputs, pa.large_string()))


@pytest.mark.parametrize(
    "bound",
    [
        "5 ≤ n ≤ 100",
        "$5 \\leq n \\le 100$",
        "5 <= n <= 100",
        "5 < n < 101",
        "100 >= n >= 5",
        "5 &le; n &lt;= 100",
        "5 ≤ <i>n</i> ≤ 10<sup>2</sup>",
        "$$$5 \\leqslant n \\leqslant 10^{2}$$$",
        "5 ≤ n ≤ 10²",
        "5 ≤ n ≤ 10**2",
        "5 ≤ n ≤ 2 · 50",
        "5 ≦ n ≦ 100",
        "n is between 5 and 100",
        "n is an integer between 5 and 100, inclusive",
        "n ∈ [5, 100]",
        "n is in the range from 5 to 100",
        "n ≤ 100",
    ],
)
def test_a_value_outside_of_its_bound_is_found_in_any_notation(bound: str) -> None:
    """The bound and the value are named; what is inside is not."""
    found = outside(LINES.format(f"one integer n ({bound})"), ["50\n", "102\n", "100\n"])
    assert found[0] is found[2] is None
    assert found[1] is not None
    assert found[1].endswith("n = 102")


@pytest.mark.parametrize(
    ("statement", "inside", "beyond"),
    [
        (LINES.format("two integers n and m (1 ≤ n, m ≤ 10)"), "3 4\n", "3 11\n"),
        (LINES.format("three integers: n (1 ≤ n ≤ 9), k (1 ≤ k ≤ n) and x (1 ≤ x ≤ k)"), "5 4 3\n", "5 6 3\n"),
        (LINES.format("a string s (1 ≤ |s| ≤ 3)"), "abc\n", "abcd\n"),
        (LINES.format("the number of test cases t (1 ≤ t ≤ 3)"), "3\n1\n2\n3\n", "4\n1\n2\n3\n4\n"),
        (
            LINES.format("n (1 ≤ n ≤ 9). The second line contains n integers a_1, a_2, …, a_n (0 ≤ a_i ≤ 7)"),
            "2\n0 7\n",
            "2\n-1 7\n",
        ),
        ("The only line of input contains an integer N.\n\nConstraints:\n- 1 ≤ N ≤ 50\n", "50\n", "51\n"),
        (
            (
                "Constraints\n\n- $2 \\leq N \\leq 5$\n- $1 \\leq A_i \\leq N$\n\nInput\n\nIt is given in the following format:\n\n"
                "$N$\n$A_1$ $A_2$ $\\ldots$ $A_N$\n\nOutput\n\nPrint it."
            ),
            "3\n1 2 3\n",
            "3\n1 2 4\n",
        ),
    ],
)
def test_values_get_their_names_from_the_format(statement: str, inside: str, beyond: str) -> None:
    """Several names, a list, a string, and the formats of several sites."""
    found = outside(statement, [inside, beyond])
    assert found[0] is None
    assert found[1] is not None


@pytest.mark.parametrize(
    ("arguments", "is_outside"),
    [("[[1,2],1]", False), ("[[],1]", True), ("[[1,101],1]", True), ("[[1,2],3]", True), ("[[1,100],2]", False)],
)
def test_arguments_of_calls_have_the_names_of_the_parameters(arguments: str, *, is_outside: bool) -> None:
    """Lengths, elements, and a bound by another argument."""
    statement = "Constraints:\n\n1 <= nums.length <= 9\n-100 <= nums[i] <= 100\n1 <= k <= nums.length"
    starter = "class Solution:\n    def f(self, nums: List[int], k: int = 1) -> int:\n        "
    assert (outside(statement, [arguments], starter=starter)[0] is not None) is is_outside


@pytest.mark.parametrize(
    ("statement", "beyond"),
    [
        (LINES.format("one integer n (1 ≤ n ≤ 105)"), "100000\n"),  # 10^5, on a page that lost its superscripts
        (LINES.format("one integer n (1 ≤ n ≤ 2·105)"), "200000\n"),
        (LINES.format("one integer n (0 ≤ n < 231)"), "2147483647\n"),
        (LINES.format("one integer n. Subtask 1: 1 ≤ n ≤ 10. Subtask 2: 1 ≤ n ≤ 1000"), "1000\n"),
        (LINES.format("one integer n. If n ≤ 5, it is easy"), "6\n"),
        (LINES.format("one integer n (1 ≤ n ≤ 5 million)"), "6\n"),
        (LINES.format("one integer n (1 ≤ n ≤ 2k)"), "9\n"),
        (LINES.format("one integer n, and a word (1 ≤ n ≤ 5)"), "9 word\n"),
        ("The first line of each test case contains an integer n (1 ≤ n ≤ 5).", "9\n"),
        ("There are several datasets. The first line contains n (1 ≤ n ≤ 5). The last is 0.", "0\n"),
        (LINES.format("an integer t (1 ≤ t ≤ 9). The first line of each case contains n (1 ≤ n ≤ 5)"), "6\n1\n"),
        (LINES.format("n (1 ≤ n ≤ 9). The second line contains n integers a_1, …, a_n (1 ≤ a_i ≤ 7)"), "2\n8 8 8\n"),
    ],
)
def test_what_may_be_meant_otherwise_is_no_suspicion(statement: str, beyond: str) -> None:
    """Lost superscripts, subtasks, conditions, and inputs of another shape than the one that is described."""
    assert outside(statement, [beyond]) == [None]


def test_a_bound_that_an_example_breaks_is_not_believed() -> None:
    """The statement contradicts itself; then no test is suspect for it, nor where most tests are outside."""
    statement = LINES.format("one integer n (2 ≤ n ≤ 1)")
    assert outside(statement, ["3\n", "4\n"], ["example", "private"]) == [None, None]
    assert outside(LINES.format("one integer n (5 ≤ n ≤ 9)"), ["1\n", "2\n", "3\n", "6\n"]) == [None] * 4


@given(st.integers(-(10**6), 10**6), st.integers(0, 10**6), st.data())
def test_exactly_the_values_between_both_ends_are_inside(low: int, width: int, data: st.DataObject) -> None:
    """Whatever the numbers are; those that look like a lost power have a wider upper end."""
    high = low + width
    bounds = bounds_in(plain_math(f"one integer n ({low} ≤ n ≤ {high})"))
    value = data.draw(st.integers(low - 10, high + 10))
    if value <= high or not any(str(end).lstrip("-").startswith(("10", "23", "26")) for end in (low, high)):
        assert (bounds.broken("n", value, {}) is None) == (low <= value <= high) or value < low


@given(st.text("1n≤<=,. ()-*^5_a[]{}\\$|i\n", max_size=60))
def test_any_text_has_bounds_or_none(text: str) -> None:
    """Nothing that a statement holds ends the reading."""
    bounds = bounds_in(plain_math(text))
    assert all(bounds.broken(name, 7, {"n": 1}) is None or intervals for name, intervals in bounds.intervals.items())


def test_the_row_holds_the_bound(tmp_path: Path) -> None:
    """A suspect test stays, with the bound and the value; the others have none."""
    raw.parquet(tmp_path / "problems.parquet", [raw.own(statement=LINES.format("one integer n (5 ≤ n ≤ 100)"))])
    tests = [{"problem_id": "shelves", "input": f"{n}\n", "expected": "1\n"} for n in (50, 102)]
    raw.parquet(tmp_path / "tests.parquet", tests)
    result = run("own", [tmp_path], tmp_path / "out")
    assert [(test["bound"], test["suspicions"]) for test in result.rows("tests")] == [
        ("5 ≤ n ≤ 100: n = 102", ["out_of_bounds"]),
        (None, []),
    ]
    assert result.counts.notes["suspicion:out_of_bounds"] == 1
