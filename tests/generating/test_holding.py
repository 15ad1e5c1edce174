"""Promises that made inputs keep however they are read, and those that nothing here can keep."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import pytest

from ocr_pipeline.generating.making import Maker
from ocr_pipeline.generating.understanding import understand

Rows = Sequence[Sequence[str]]
THINGS = (
    "Input\n\nThe first line contains $n$ ($1 \\le n \\le 30$), the number of discs. Each of the next $n$ lines contains three integers "
    "$x$, $y$ and $r$ ($-1000 \\le x, y \\le 1000$, $1 \\le r \\le 40$), the middle and the radius of a disc. {}\n\nOutput\n\nThe answer."
)
DISCS = ["2\n0 0 3\n10 0 4\n", "1\n5 5 2\n"]
SPOTS = (
    "Input\n\nThe first line contains $n$ and $m$ ($1 \\le n \\le 9$, $0 \\le m \\le 9$), islands and palms. Each of the next $n$ lines contains three integers "
    "$x$, $y$ and $r$ ($0 \\le x, y \\le 9999$, $50 \\le r \\le 90$), an island. Each of the next $m$ lines contains two integers $x$ and $y$ "
    "($0 \\le x, y \\le 9999$), a palm. No two islands intersect. Each palm stands inside an island. No two palms grow in the same spot.\n\nOutput\n\nThe answer."
)
NUMBERS = (
    "Input\n\nThe first line contains three integers $n$, $a$ and $b$ ($1 \\le n \\le 20$, $1 \\le a, b \\le 99$). The second line contains $n$ integers $c_i$ "
    "($0 \\le c_i \\le 99$). {}\n\nOutput\n\nThe answer."
)
KNOWN = ["3 4 3\n10 25 5\n", "1 2 2\n40\n"]
WORDS = "Input\n\nThe first line contains $n$ ($2 \\le n \\le 20$), the second a string $s$ of $n$ characters. {}\n\nOutput\n\nThe answer."


def rows(text: str) -> Rows:
    """Return the values of an input, line by line."""
    return [line.split() for line in text.splitlines()]


def made(statement: str, known: Sequence[str]) -> list[Rows]:
    """Return what is made and passes the gate."""
    understood = understand(statement, known)
    assert understood is not None
    maker = Maker(understood.grammar, known, "seed", 1 << 14)
    texts = [each.text for each in maker.inputs(0, 25)] if maker.is_free else []
    return [rows(text) for text in texts if maker.refusal(text) is None]


def are_apart(things: Rows) -> bool:
    """Say whether no two discs touch."""
    discs = [tuple(map(int, each)) for each in things]
    return all(math.dist(one[:2], other[:2]) > one[2] + other[2] for one, other in itertools.combinations(discs, 2))


def is_balanced(text: str) -> bool:
    """Say whether all brackets are closed."""
    while "()" in text:
        text = text.replace("()", "")
    return not text


@pytest.mark.parametrize(
    "promise",
    [
        "No two discs touch.",
        "The discs do not overlap.",
        "None of the discs intersect.",
        "You may assume that the discs are pairwise disjoint.",
        "It is guaranteed that the discs don't touch or overlap each other.",
    ],
)
def test_things_that_must_not_meet_are_apart(promise: str) -> None:
    """As circles and as squares, whatever their size means; many more than are known."""
    found = made(THINGS.format(promise), DISCS)
    assert len(found) > 30
    assert all(are_apart(each[1:]) for each in found)
    assert max(len(each) for each in found) > 20


def test_things_are_inside_of_others_that_do_not_meet() -> None:
    """Three promises hold together."""
    found = made(SPOTS, ["2 2\n100 100 60\n400 100 70\n110 100\n390 90\n", "1 0\n50 50 50\n"])
    assert len(found) > 20
    for each in found:
        islands = [tuple(map(int, row)) for row in each[1 : 1 + int(each[0][0])]]
        palms = [tuple(map(int, row)) for row in each[1 + int(each[0][0]) :]]
        assert are_apart(each[1 : 1 + len(islands)])
        assert len(set(palms)) == len(palms)
        assert all(any(math.dist(palm, island[:2]) < island[2] for island in islands) for palm in palms)


@pytest.mark.parametrize(
    ("promise", "holds"),
    [
        ("At least one of $a$ or $b$ is even.", lambda each: int(each[0][1]) * int(each[0][2]) % 2 == 0),
        ("Each $c_i$ is a multiple of 5.", lambda each: all(int(value) % 5 == 0 for value in each[1])),
        ("All $c_i$ are distinct.", lambda each: len(set(each[1])) == len(each[1])),
        ("No number $c_i$ appears more than once.", lambda each: len(set(each[1])) == len(each[1])),
    ],
)
def test_numbers_keep_what_is_promised_of_them(promise: str, holds: Callable[[Rows], bool]) -> None:
    """Remainders are those of known inputs, and values differ."""
    found = made(NUMBERS.format(promise), KNOWN)
    assert len(found) > 30
    assert all(map(holds, found))


@pytest.mark.parametrize(
    ("promise", "known", "holds"),
    [
        ("The string is a palindrome.", ["3\naba\n", "4\nabba\n"], lambda text: text == text[::-1]),
        ("$s$ is a balanced bracket sequence.", ["4\n(())\n", "2\n()\n"], is_balanced),
        (
            "It is not the case that all characters are the same.",
            ["3\naba\n", "4\nbbba\n"],
            lambda text: len(set(text)) > 1,
        ),
        ("Both letters occur.", ["3\naba\n", "4\nabbb\n"], lambda text: {"a", "b"} <= set(text)),
    ],
)
def test_texts_keep_what_is_promised_of_them(promise: str, known: list[str], holds: Callable[[str], bool]) -> None:
    """Forms and kinds of characters."""
    found = made(WORDS.format(promise), known)
    assert len(found) > 10
    assert all(holds(each[1][0]) for each in found)


@pytest.mark.parametrize(
    "promise",
    [
        "No two discs touch, and their middles are collinear.",
        "No two discs touch and exactly one of them is at (0, 0).",
        "No two discs touch and all of them have the same radius.",
        "The discs do not touch, and they are given from left to right.",
        "Each disc is inside the next one.",
        "No two sides of the polygon touch.",
        "No disc touches the house.",
    ],
)
def test_a_promise_that_says_more_is_not_kept_in_half(promise: str) -> None:
    """Places and sizes stay as they are known where anything is left of the sentence."""
    understood = understand(THINGS.format(promise), DISCS)
    assert understood is not None
    assert understood.promises
    assert understood.grammar.frozen >= {1, 2, 3}


@pytest.mark.parametrize(
    ("promise", "field"),
    [
        ("Some $c_i$ is even.", 3),
        ("At least one $c_i$ is odd.", 3),
        ("$c_1$ is even.", 3),
        ("$a$ and each $c_i$ have the same parity.", 3),
        ("Each $c_i$ is a multiple of 5 or of 7.", 3),
        ("Each $c_i$ is a multiple of 5 and greater than $a$.", 3),
        ("All $c_i$ are different from $a$.", 3),
        ("No two $c_i$ have the same last digit.", 3),
        ("$a$ is even and smaller than $b$.", 1),
    ],
)
def test_a_promise_of_some_numbers_or_of_more_freezes(promise: str, field: int) -> None:
    """Known remainders of all numbers say nothing about one of them."""
    understood = understand(NUMBERS.format(promise), KNOWN)
    assert understood is not None
    assert field in understood.grammar.frozen


@pytest.mark.parametrize(
    ("promise", "known"),
    [
        ("Not every string is a balanced bracket sequence.", ["4\n(())\n", "2\n()\n"]),
        ("The string is a palindrome with an a in the middle.", ["3\nbab\n", "5\nbbabb\n"]),
        ("$s$ is a balanced bracket sequence of depth 1.", ["4\n()()\n", "2\n()\n"]),
        ("Both letters occur equally often.", ["4\nabab\n", "2\nba\n"]),
        ("Not all characters are the same.", ["3\nabc\n", "2\nxy\n"]),
    ],
)
def test_a_promise_about_text_that_says_more_or_less_freezes(promise: str, known: list[str]) -> None:
    """Tails and negations are part of a promise, and what known inputs do not share cannot be kept."""
    assert not made(WORDS.format(promise), known)


@pytest.mark.parametrize(
    "harmless",
    [
        "Note that the discs are not necessarily disjoint.",
        "Discs may touch each other.",
    ],
)
def test_what_is_no_promise_changes_nothing(harmless: str) -> None:
    """Discs that touch are made, too."""
    found = made(THINGS.format(harmless), DISCS)
    assert not all(are_apart(each[1:]) for each in found)


def test_letters_that_mark_one_place_of_a_grid_stay_single() -> None:
    """A start and an end, wherever they are."""
    statement = (
        "Input\n\nThe first line contains $h$ and $w$ ($2 \\le h, w \\le 9$). Each of the next $h$ lines contains $w$ characters: "
        "'.', '#', the start 'S' and the target 'T'.\n\nOutput\n\nThe answer."
    )
    found = made(statement, ["2 3\nS.#\n..T\n", "3 2\n#T\n..\nS#\n"])
    grids = ["".join(row[0] for row in each[1:]) for each in found]
    assert len(grids) > 20
    assert {(grid.count("S"), grid.count("T")) for grid in grids} == {(1, 1)}
    assert len({grid.index("S") for grid in grids}) > 3


def test_a_known_layout_stays_where_other_values_change() -> None:
    """Things that are known may be nearer than any that are made."""
    statement = THINGS.replace(
        "contains $n$ ($1 \\le n \\le 30$)", "contains $n$ and $k$ ($1 \\le n \\le 30$, $1 \\le k \\le 9$)"
    )
    found = made(statement.format("No two discs touch."), ["2 1\n0 0 3\n8 0 4\n"])
    assert {each[0][1] for each in found if [*each[1:]] == [["0", "0", "3"], ["8", "0", "4"]]} > {"2", "3"}
