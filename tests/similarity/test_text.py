"""The normal form keeps meaning and drops dress; keys depend on it alone."""

import time

from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.similarity import content_key, normalise, pair_key


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
