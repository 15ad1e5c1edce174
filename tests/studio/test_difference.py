"""Differences are marked, nothing of the texts is lost, and no text becomes markup."""

import html
import re

from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.studio.difference import SHOWN_CHARACTERS, side_by_side

TEXT = st.text(alphabet=st.sampled_from("ab <>&'\"\n1é"), max_size=80)


def shown(marked: str) -> str:
    """Return what a reader sees, without the marks."""
    return html.unescape(re.sub(r"</?mark>", "", marked))


def unmarked(marked: str) -> list[str]:
    """Return the words outside the marks."""
    return re.findall(r"\w+|[^\w\s]", html.unescape(re.sub(r"<mark>.*?</mark>", " ", marked, flags=re.DOTALL)))


def test_words_of_one_side_are_marked() -> None:
    """Neighbouring words share a mark; white space alone is no difference."""
    left, right = side_by_side("sort in rising order", "sort  in strictly falling order")
    assert left == "sort in <mark>rising</mark> order"
    assert right == "sort  in <mark>strictly falling</mark> order"


@given(TEXT, TEXT)
def test_every_character_is_shown_as_text(left: str, right: str) -> None:
    """Both sides read as they were, whatever signs they hold."""
    marked = side_by_side(left, right)
    assert (shown(marked[0]), shown(marked[1])) == (left, right)
    assert set(re.findall(r"<[^>]*>", marked[0] + marked[1])) <= {"<mark>", "</mark>"}


@given(TEXT, TEXT)
def test_what_is_not_marked_is_common(left: str, right: str) -> None:
    """The unmarked words of both sides are the same sequence."""
    marked = side_by_side(left, right)
    assert unmarked(marked[0]) == unmarked(marked[1])


@given(TEXT)
def test_equal_texts_have_no_mark(text: str) -> None:
    """The same text twice shows no difference."""
    assert "<mark>" not in "".join(side_by_side(text, text))


def test_giant_statement_is_cut_and_says_so() -> None:
    """A giant text does not stall the page."""
    left, _ = side_by_side("word " * SHOWN_CHARACTERS, "word")
    assert left.endswith("<em>… 200,000 more characters</em>")
