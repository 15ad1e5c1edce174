"""Texts of words are made like the known ones: nothing stands around words that never stood there."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.generating.worded import Worded, worded

GREETINGS = ["Hi", "", "Hello World!!!", "What a day. Is it?"]
lines = st.lists(st.text("ab1 ._", max_size=12), min_size=1, max_size=6)


def chance(seed: int) -> random.Random:
    """Return what chance starts from."""
    return random.Random(seed)  # noqa: S311 - reproducible


def found(texts: list[str]) -> Worded:
    """Return how texts are made of words."""
    made = worded(texts)
    assert made is not None
    return made


@pytest.mark.parametrize("text", ["  ", " Hi", "Hi ", "Is  it", "Hi, it", "!!!", "Hi!!! it", "Hi 7"])
def test_what_never_stood_around_words_is_refused(text: str) -> None:
    """Doubled, leading and trailing spaces, marks in other places, and letters of other words."""
    assert not found(GREETINGS).accepts(text)


def test_a_text_without_words_is_accepted_where_it_is_known() -> None:
    """The empty text is an ordinary case here, and it is drawn, too."""
    made = found(GREETINGS)
    assert made.accepts("")
    assert "" in {made.drawn(chance(seed), 3) for seed in range(40)}


def test_words_are_as_many_as_in_known_texts() -> None:
    """Where each known text has one point, no made one has none or two."""
    made = found(["123.11", "0.21", "55.1214"])
    assert {made.drawn(chance(seed), 8).count(".") for seed in range(40)} == {1}
    assert not made.accepts("1111")


@pytest.mark.parametrize("texts", [["abc", "abba"], ["a b", "c d"], ["(()())", "()()", "((a)b(c))"], []])
def test_texts_of_few_separators_or_few_letters_are_not_of_words(texts: list[str]) -> None:
    """Brackets are no words, and two spaces may be chance."""
    assert worded(texts) is None


@given(lines, st.integers(0, 20), st.integers(0, 99))
def test_known_texts_drawn_ones_and_changed_ones_are_accepted(texts: list[str], length: int, seed: int) -> None:
    """Whatever the known texts are."""
    made, rng = worded(texts), chance(seed)
    if made is not None:
        assert all(map(made.accepts, texts))
        assert made.accepts(made.drawn(rng, length))
        assert all(made.accepts(made.mutated(text, rng)) for text in texts)
