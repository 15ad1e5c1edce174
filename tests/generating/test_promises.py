"""Promises: what nobody understands or chance would not make is not broken by what is made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.generating.making import Maker
from ocr_pipeline.generating.promises import bounds_sum, promises_in
from ocr_pipeline.generating.understanding import understand

LIST = "Input\n\nThe first line holds $n$ ($1 \\le n \\le 20$), the second $n$ integers $a_i$ ($0 \\le a_i \\le 50$). {}\n\nOutput\n\nThe answer."
TEXT = "Input\n\nThe first line holds $n$ ($2 \\le n \\le 20$), the second a string $s$ of $n$ characters. {}\n\nOutput\n\nThe answer."
NUMBERS = ("4\n2 8 5 2\n", "2\n3 10\n", "6\n2 4 9 8 7 12\n", "1\n3\n")
WORDS = ("4\nabac\n", "2\nab\n", "6\nabcabb\n")


def made(statement: str, inputs: tuple[str, ...]) -> list[str]:
    """Return what is made and passes the gate."""
    understood = understand(statement, inputs)
    assert understood is not None
    maker = Maker(understood.grammar, inputs, "seed", 1 << 16)
    texts = [each.text for each in maker.inputs(0, 20)] if maker.is_free else []
    return [text for text in texts if maker.refusal(text) is None]


@pytest.mark.parametrize(
    "promise",
    [
        "The sequence is a mountain: it rises, then falls.",
        "The sum of the numbers does not exceed 60.",
        "The first number is the largest.",
        "Exactly two of the numbers are zero.",
        "Neighbours differ by at least 3.",
        "All numbers are distinct and their sum is even.",
        "There are no zeros.",
        "There is a solution.",
        "$n$ is even.",
    ],
)
def test_a_sentence_about_numbers_that_no_grammar_holds_is_a_promise(promise: str) -> None:
    """Whatever it says, right programs may rely on it."""
    understood = understand(LIST.format(promise), NUMBERS)
    assert understood is not None
    assert understood.promises
    assert understood.grammar.frozen


@pytest.mark.parametrize(
    "promise",
    [
        "The string is a correct bracket sequence.",
        "$s$ is periodic.",
        "It ends with a letter b.",
        "It contains both letters, and no other one twice.",
    ],
)
def test_a_sentence_about_text_that_no_grammar_holds_is_a_promise(promise: str) -> None:
    """A text of the same characters may be another kind of text."""
    assert not made(TEXT.format(promise), WORDS)


@pytest.mark.parametrize(
    "harmless",
    [
        "Here $a_i$ is the height of the $i$-th tower.",
        "The numbers are not necessarily distinct.",
        "There are $n$ towers.",
        "$n$ is the number of different towers.",
        "The towers have distinct numbers between 1 and $n$.",
        "The numbers are separated by single spaces.",
    ],
)
def test_formats_and_meanings_are_not_promises(harmless: str) -> None:
    """They restrict nothing, so everything may still be made."""
    understood = understand(LIST.format(harmless), NUMBERS)
    assert understood is not None
    assert not understood.promises
    assert made(LIST.format(harmless), NUMBERS)


def test_what_is_asked_for_is_not_a_promise_where_no_part_is_about_the_input() -> None:
    """The whole statement is read there, and its question has the words of promises."""
    assert not promises_in("Find whether the string is a palindrome.", is_of_input=False, has_texts=True)
    assert promises_in("The string is a palindrome.", is_of_input=False, has_texts=True)


def test_numbers_that_never_fall_are_made_so() -> None:
    """`non-decreasing` is not `decreasing`."""
    texts = made(
        LIST.format("The numbers are given in non-decreasing order."), ("3\n1 2 2\n", "4\n0 3 5 9\n", "2\n7 7\n")
    )
    assert len(texts) > 10
    assert all((values := list(map(int, text.split()[1:]))) == sorted(values) for text in texts)


@pytest.mark.parametrize(
    "inputs",
    [
        ("4\n(())\n", "2\n()\n", "6\n()(())\n", "6\n((()))\n"),
        ("5\nabcba\n", "3\naca\n", "4\nabba\n", "5\ncabac\n"),
        ("3\n101\n", "6\n100101\n", *(f"{len(f'{each:b}')}\n{each:b}\n" for each in range(40, 48))),
    ],
)
def test_habits_of_known_texts_are_kept(inputs: tuple[str, ...]) -> None:
    """Balanced, the same backwards, no leading zero: chance would have made others, so nothing new is made."""
    assert made(TEXT.format(""), WORDS)
    assert not made(TEXT.format(""), inputs)


def test_sorted_known_lists_stay_sorted() -> None:
    """The order that all known lists have, though nothing is said of it, is kept by what is made."""
    inputs = ("6\n1 3 4 9 12 40\n", "5\n2 2 7 30 50\n", "7\n0 1 1 8 20 33 34\n")
    texts = made(LIST.format(""), inputs)
    assert len(texts) > 10
    assert all((values := list(map(int, text.split()[1:]))) == sorted(values) for text in texts)


def test_two_tidy_examples_are_not_a_habit() -> None:
    """People write 1 2 3 where anything may be."""
    texts = made(LIST.format(""), ("3\n1 2 3\n", "4\n1 2 3 4\n"))
    assert any((values := list(map(int, text.split()[1:]))) != sorted(values) for text in texts)


def test_a_sum_below_a_number_is_a_habit_where_chance_would_exceed_it() -> None:
    """Five lists whose sums keep to the number beside them, with values up to that number."""
    assert bounds_sum([[3, 2, 1, 4], [9, 1, 2, 1], [1, 1, 8, 2], [5, 2, 2, 1]], [10, 13, 12, 10])
    assert not bounds_sum([[3, 2, 1, 4], [9, 1, 2, 1]], [100, 130])


@given(st.text(max_size=200))
def test_no_sentence_crashes(text: str) -> None:
    """Every text is a promise or none, always the same."""
    said = promises_in(text, is_of_input=True, has_texts=True)
    assert said is promises_in(text, is_of_input=True, has_texts=True)
