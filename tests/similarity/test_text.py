"""The normal form keeps meaning and drops dress; keys depend on it alone."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.similarity import content_key, normalise, pair_key
from ocr_pipeline.similarity.text import is_placeholder


def test_markup_layout_and_case_do_not_matter() -> None:
    """HTML, TeX, Markdown and plain text of one sentence have one normal form."""
    forms = [
        "Given $n$ ($1 \\le n \\leq 10^{5}$), print **it**.",
        "<p>Given <code>n</code> (1 &lt;= n &lt;= 10<sup>5</sup>), print it.</p>",
        "Given n (1 ≤ n ≤ 10⁵),\n   print it.",
        "GIVEN `n` (1<=n<=10^5), print it.",
    ]
    assert {normalise(form).replace("( ", "(").replace(" )", ")") for form in forms} == {normalise(forms[2])}


def test_a_power_is_not_a_number() -> None:
    """10⁵ does not become 105."""
    assert normalise("n ≤ 10⁵") != normalise("n ≤ 105")


def test_comparisons_are_no_tags() -> None:
    """What stands between < and > is not dropped as if it were HTML."""
    assert normalise("a <b and c> d") != normalise("a < x and y > d")
    assert "b and c" in normalise("if a <b and c> d")


@given(st.text(), st.text())
def test_pair_keys_have_no_order(one: str, other: str) -> None:
    """A pair has one key, whichever statement comes first."""
    assert pair_key(one, other) == pair_key(other, one)


@given(st.text())
def test_the_normal_form_is_stable_under_layout(text: str) -> None:
    """Surrounding and doubled white space changes no key."""
    assert content_key(f"  \n{text}\n ") == content_key(text)


def test_a_giant_statement_takes_no_quadratic_time() -> None:
    """Long runs of spaces, angle brackets or dollars is normalised at once."""
    start = time.process_time()
    for piece in (" ", "<", "$", "< ", "^{", "\\", "a <b "):
        normalise(piece * (300_000 // len(piece)))
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    "text",
    [
        "", " .\n", "N/A", "None", "Statement withheld.", "The statement of this problem is not available in English.",
        "See the attached PDF.", "Please see the original problem statement.", "Problem statement", "TODO",
        "This problem was deleted from the contest, because it was used at another one.", "No description",
        "Placeholder for problem B.", "Available to premium members only.",
    ],
)  # fmt: skip
def test_what_is_written_in_place_of_a_statement_is_a_placeholder(text: str) -> None:
    """It says nothing about the problem, so its being equal says nothing either."""
    assert is_placeholder(normalise(text))


@pytest.mark.parametrize(
    "text",
    [
        "Print a+b.", "Given a string s, remove the vowels from it.", "Given an integer x, return true if x is a palindrome.",
        "Two strings are equal when both are typed into empty text editors.", "Given the head of a linked list, rotate it.",
        "Delete all links between the pictures; print -1 if the description of the graph is wrong. " * 4,
    ],
)  # fmt: skip
def test_a_short_statement_is_not_a_placeholder(text: str) -> None:
    """Short problems are problems."""
    assert not is_placeholder(normalise(text))
