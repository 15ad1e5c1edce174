"""Layouts that statements say in words: they read the input that is shown, and give fields their names."""

from __future__ import annotations

import pytest

from ocr_pipeline.generating.grammar import Grammar, fields_of, refusal
from ocr_pipeline.generating.inferring import typed
from ocr_pipeline.generating.outline import outline_of
from ocr_pipeline.generating.statement import read_statement
from ocr_pipeline.generating.understanding import understand

LAYOUTS = [
    (
        "The first line contains two integers $n$ and $m$. Each of the next $m$ lines contains two integers $u$ and $v$.",
        "3 2\n1 2\n2 3\n",
    ),
    (
        "The first line contains $n$ and $k$. The second line contains $n$ space-separated integers $a_1, \\ldots, a_n$.",
        "2 9\n5 6\n",
    ),
    ("The only line contains the integers $n$, $m$ and $k$.", "1 2 3\n"),
    (
        "The first line holds an integer $n$, the number of words. Then follow $n$ lines, each with a word.",
        "2\nab\nc\n",
    ),
    (
        "The first line has one integer $1 \\le n \\le 9$, the size, and an integer $0 \\le m \\le 5$, the cost. $n$ rows follow, the $i$-th of them contains $n$ digits.",
        "2 0\n12\n34\n",
    ),
    (
        (
            "The first line contains a single integer $t$ ($1 \\le t \\le 9$) — the number of test cases. The next $2t$ lines contain descriptions of the test cases. "
            "The first line of each test case contains $n$, the length. The second line contains $n$ integers $a_i$."
        ),
        "2\n1\n7\n2\n8 9\n",
    ),
    (
        "The first line contains the number of test cases $t$ ($1 \\le t \\le 9$). Each test case consists of one line containing three integers $a$, $b$, $c$.",
        "2\n1 2 3\n4 5 6\n",
    ),
    ("The input contains a single integer $n$.", "7\n"),
    (
        "Input consists of three lines. The first line contains two pairs of integers $a, b, c, d$. The second line contains $n$. The third line contains $n-1$ integers $x_i$.",
        "1 2 3 4\n3\n5 6\n",
    ),
    (
        "The first line contains $n$. Each of the next $n$ lines contains a card given by a number from 1 to 13 and one of the letters 'C' and 'D'.",
        "2\n3 C\n4 D\n",
    ),
    (
        (
            "The first line contains $r$, the number of rooms, and $s$, the number of switches. Then follow $s$ lines, each about a switch. Each such line starts with a room number. "
            "The second integer on the line $p > 0$ says how many lamps there are. The remainder of the line contains $p$ room numbers."
        ),
        "4 2\n1 2 3 4\n2 1 1\n",
    ),
    (
        "The first line contains $t$, the seconds. Then follows the description of two cars. Each car is described by a line containing a character $d$ and two integers $x$ and $y$.",
        "5\nE 1 2\nW 3 4\n",
    ),
    (
        (
            "The first line contains $n$, the number of shops. Then follow the $n$ shop menus. Each menu starts with a line containing a number $k$. "
            "The rest of the menu consists of $k + 1$ lines, each containing a string of letters and spaces."
        ),
        "2\n1\nabba\npea soup\n2\nx\ny z\nw\n",
    ),
    (
        (
            "The first line contains $t$, the number of test cases. Each test case's description is preceded by a blank line. "
            "The first line of each test case contains an integer $n$. The second line contains $n$ integers."
        ),
        "2\n\n1\n5\n\n2\n6 7\n",
    ),
    (
        "The first line contains an integer $k$ and a string $s$ of length $k$. The second line has the string $w$ consisting of $k$ letters.",
        "2 ab\ncd\n",
    ),
]


def laid_out(text: str, shown: str) -> Grammar | None:
    """Return the layout of a text's input part where it reads an input."""
    said = read_statement(f"A story.\n\nInput\n\n{text}\n\nOutput\n\nThe answer.")
    outline = outline_of(said, is_spaced="spaces" in text)
    way = None if outline is None else typed(outline.items, [shown])
    return None if way is None else way.grammar


@pytest.mark.parametrize(("text", "shown"), LAYOUTS)
def test_a_layout_in_words_reads_the_input_that_it_describes(text: str, shown: str) -> None:
    """Whatever the phrase for lines, counts and values."""
    assert laid_out(text, shown) is not None
    assert laid_out(text, shown + "1\n") is None


@pytest.mark.parametrize(
    "text",
    [
        "There are some numbers.",
        "The first line contains $n$. The next $q$ lines contain the queries as described.",
        "The first line contains an integer. The second line contains a tree.",
        "",
    ],
)
def test_a_layout_that_is_not_said_whole_is_none(text: str) -> None:
    """Half a layout would read something else."""
    assert outline_of(read_statement(f"A story.\n\nInput\n\n{text}\n\nOutput\n\nThe answer.")) is None


@pytest.mark.parametrize("shown", ["3 2\n1 2\n", "3 2\n1 2\n2 3\n1 3\n", "3 2\n1 2 5\n2 3\n", "", "3\n"])
def test_a_layout_that_does_not_read_the_known_inputs_is_not_taken(shown: str) -> None:
    """What was read in words is held against what is there."""
    assert laid_out(LAYOUTS[0][0], shown) is None


def test_counts_that_coincide_in_the_only_example_are_told_apart_by_the_words() -> None:
    """Two nodes and two edges: the next input has three and one."""
    statement = (
        "Input\n\nThe first line contains two integers $n$ and $m$ ($1 \\le n, m \\le 9$). Each of the next $m$ lines contains "
        "two integers $x$ and $h$ ($0 \\le x, h \\le 5$). Each of the next $n$ lines contains two integers $x$ and $r$ ($0 \\le x, r \\le 7$).\n\nOutput\n\nIt."
    )
    understood = understand(statement, ["2 2\n1 2\n3 4\n5 6\n7 1\n"])
    assert understood is not None
    assert refusal(understood.grammar, "3 1\n1 5\n1 7\n1 7\n1 7\n") is None
    assert refusal(understood.grammar, "1 3\n1 7\n1 5\n1 5\n1 5\n") is not None
    assert [each.name for each in fields_of(understood.grammar.items)] == ["n", "m", "x", "h", "x", "r"]


def test_a_text_is_as_long_as_the_words_say() -> None:
    """In a square example both sides are alike."""
    statement = "Input\n\nThe first line contains $w$ and $h$ ($1 \\le w, h \\le 9$). Each of the next $h$ lines contains $w$ characters.\n\nOutput\n\nIt."
    understood = understand(statement, ["2 2\n.#\n##\n"])
    assert understood is not None
    assert refusal(understood.grammar, "3 1\n.##\n") is None
    assert refusal(understood.grammar, "3 1\n.\n") is not None


@pytest.mark.parametrize(
    "word", ["the ", "the next ", "a, ", "a \\le ", "n lines ", "not all ", "no two things ", "(", "7"]
)
def test_a_long_statement_of_one_word_is_read_at_once(word: str) -> None:
    """What is repeated is not looked at from each place anew: twice the length takes hardly more steps."""
    statement = (
        f"Input\n\nThe first line contains $n$ ($1 \\le n \\le 9$). {word * (20_000 // len(word))}\n\nOutput\n\nIt."
    )
    understood = understand(statement, ["3\n"])
    assert understood is not None
    assert refusal(understood.grammar, "5\n") is None
