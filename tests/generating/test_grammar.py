"""Grammars: found in known inputs, bound by statements, obeyed by what is made."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_pipeline.generating.grammar import (
    Block,
    Field,
    Grammar,
    Item,
    Kind,
    Line,
    Linear,
    Order,
    Refusal,
    Rows,
    Series,
    fields_of,
    is_prime,
    read,
    refusal,
    write,
)
from ocr_pipeline.generating.inferring import infer
from ocr_pipeline.generating.making import Maker
from ocr_pipeline.generating.understanding import understand

N = Field(0, Kind.INTEGER, (Linear(1),), (Linear(5),), name="n")
A = Field(1, Kind.INTEGER, (Linear(0),), (Linear(9),), name="a")
LIST = Grammar((Line((N,)), Line((Series(A, Linear(0, 0)),))))


def shape(items: tuple[Item, ...]) -> list[object]:
    """Return what a grammar looks like, without numbers."""
    return [
        ("repeat", item.count.plus, shape(item.items))
        if isinstance(item, Block)
        else [f"{part.field.kind}*" if isinstance(part, Series) else part.kind.value for part in item.parts]
        for item in items
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("3\n1 2\n", Refusal.SHAPE),
        ("3\n1 2 3", Refusal.SHAPE),
        ("3\n1  2 3\n", Refusal.SHAPE),
        ("3\n1 2 3 \n", Refusal.SHAPE),
        ("3\n1 2 03\n", Refusal.SHAPE),
        ("3\n1 2 x\n", Refusal.SHAPE),
        ("3\n1 2 3\n\n", Refusal.SHAPE),
        ("6\n1 2 3 4 5 6\n", Refusal.BOUNDS),
        ("2\n1 10\n", Refusal.BOUNDS),
    ],
)
def test_a_text_that_is_no_input_is_refused_with_its_reason(text: str, why: Refusal) -> None:
    """Counts, white space, leading zeros, trailing lines and bounds are all part of the grammar."""
    found = refusal(LIST, text)
    assert found is not None
    assert found[0] is why


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5))
def test_what_is_written_is_read_again(values: list[int]) -> None:
    """Reading and writing are inverse."""
    tree = [[len(values)], [values]]
    assert read(LIST, write(LIST, tree)) == tree


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (["4\n", "12\n"], [["integer"]]),
        (["3\n1 2 3\n", "1\n7\n"], [["integer"], ["integer*"]]),
        (["2 1 2\n", "3 4 5 6\n"], [["integer", "integer*"]]),
        (["2\n1 2\n3 4\n", "1\n5 6\n"], [["integer"], ("repeat", 0, [["integer", "integer"]])]),
        (["3\n1 2\n2 3\n", "2\n1 2\n"], [["integer"], ("repeat", -1, [["integer", "integer"]])]),
        (["2\n1\n5\n2\n5 6\n", "1\n3\n1 2 3\n"], [["integer"], ("repeat", 0, [["integer"], ["integer*"]])]),
        (["2 3\n.#.\n##.\n", "1 2\n..\n"], [["integer", "integer"], ("repeat", 0, [["word"]])]),
        (["abc\n", "zz\n"], [["word"]]),
        (["0.5 2\n", "1.25 3\n"], [["decimal", "integer"]]),
        (["1\n\n2\n", "3\n\n4\n"], [["integer"], [], ["integer"]]),
        (["2\n1 0\n0 1\n", "3\n1 2 3\n4 5 6\n7 8 9\n"], [["integer"], ("repeat", 0, [["integer*"]])]),
        (
            ["7\n3 2\n1 2\n2 3\n", "9\n4 3\n1 2\n1 3\n1 4\n"],
            [
                ["integer"],
                ["integer", "integer"],
                ("repeat", 0, [["integer", "integer"]]),
            ],
        ),
    ],
)
def test_the_shape_of_inputs_is_found(inputs: list[str], expected: list[object]) -> None:
    """Counts govern lists, lines and blocks; the statement chooses among explanations that cost nearly the same."""
    assert expected in [shape(found.grammar.items) for found in infer(inputs, texts=True)]


@given(st.lists(st.lists(st.integers(-9, 9), min_size=1, max_size=4), min_size=1, max_size=4))
def test_every_input_that_a_grammar_came_from_is_read_by_it(lists: list[list[int]]) -> None:
    """Whatever was inferred, it reads what it was inferred from."""
    inputs = [f"{len(each)}\n{' '.join(map(str, each))}\n" for each in lists]
    for found in infer(inputs):
        assert all(refusal(found.grammar, text) is None for text in inputs)


@pytest.mark.parametrize("text", ["", "\n\n\n", "\0", "1 2\n" * 9_000])
def test_inputs_that_teach_nothing_have_no_grammar(text: str) -> None:
    """Nothing, only white space, a zero byte, or a text too long to be read."""
    assert infer([text]) == []


def bounds(statement: str, inputs: list[str]) -> dict[str, tuple[int | None, int | None]]:
    """Return the bounds that are constants, by name."""
    understood = understand(statement, inputs)
    assert understood is not None
    return {each.name: each.bounds({}) for each in fields_of(understood.grammar.items)}


@pytest.mark.parametrize(
    ("statement", "inputs", "expected"),
    [
        ("Input\n\nThe first line holds an integer n (1 ≤ n ≤ 100).", ["4\n"], {"n": (1, 100)}),
        (
            "Input\n\nTwo integers $n$ and $k$ ($1 \\le k \\le n \\le 10^5$).",
            ["4 2\n"],
            {"n": (1, 100000), "k": (1, 100000)},
        ),
        (
            "Input\n\nA line with n and then n integers a_i (0 <= a_i <= 9, 1 <= n <= 5).",
            ["2\n3 4\n", "1\n0\n"],
            {"n": (1, 5), "a[]": (0, 9)},
        ),
        (
            "Input\n\nThe line holds x and y, both between -5 and 5. -5 ≤ x, y ≤ 5",
            ["1 2\n"],
            {"x": (-5, 5), "y": (-5, 5)},
        ),
    ],
)
def test_names_of_the_statement_find_their_fields(
    statement: str, inputs: list[str], expected: dict[str, tuple[int | None, int | None]]
) -> None:
    """Names and fields are aligned in their order, and bounds go with the names."""
    assert bounds(statement, inputs) == expected


def test_a_bound_that_a_known_input_breaks_is_left_out() -> None:
    """A misread bound must not refuse what the organisers gave."""
    understood = understand("Input\n\nAn integer n (1 ≤ n ≤ 3).", ["7\n", "2\n"])
    assert understood is not None
    assert refusal(understood.grammar, "7\n") is None


def test_rows_and_columns_are_told_apart_by_the_statement() -> None:
    """A square example alone does not say which number counts the lines."""
    statement = "Input\n\nTwo integers $m$ and $n$ ($1 \\le m, n \\le 9$). $m$ lines with $n$ characters each follow."
    understood = understand(statement, ["3 3\n...\n.X.\n...\n"])
    assert understood is not None
    assert refusal(understood.grammar, "2 3\n...\nXXX\n") is None
    assert refusal(understood.grammar, "3 2\n...\nXXX\n") is not None


TREE = "Input\n\nThe first line holds $n$ ($2 \\le n \\le 50$). Then $n-1$ lines with two integers $u$ and $v$ ($1 \\le u, v \\le n$), the edges of a tree."
GRAPH = (
    "Input\n\nTwo integers $n$ and $m$ ($2 \\le n \\le 9$, $1 \\le m \\le 20$). Then $m$ lines with two integers $a$ and $b$ "
    "($1 \\le a < b \\le n$), the roads. No two roads join the same towns."
)
PERMUTATION = "Input\n\nAn integer $n$ ($1 \\le n \\le 9$) and a line with a permutation $p_1, p_2, \\ldots, p_n$ of the numbers from 1 to $n$ ($1 \\le p_i \\le n$)."


@pytest.mark.parametrize(
    ("statement", "inputs", "wrong"),
    [
        (TREE, ["3\n1 2\n2 3\n", "4\n1 2\n1 3\n1 4\n"], "4\n1 2\n2 1\n3 4\n"),
        (GRAPH, ["3 2\n1 2\n2 3\n", "4 1\n1 4\n"], "3 2\n1 2\n1 2\n"),
        (PERMUTATION, ["3\n3 1 2\n", "2\n1 2\n"], "3\n1 1 2\n"),
    ],
)
def test_what_holds_between_values_is_enforced_and_made(statement: str, inputs: list[str], wrong: str) -> None:
    """Trees, simple graphs and permutations: others are refused, and those are made, the large ones too."""
    understood = understand(statement, inputs)
    assert understood is not None
    assert refusal(understood.grammar, wrong) is not None
    made = [each.text for each in Maker(understood.grammar, inputs, "seed", 1 << 16).inputs(0, 20)]
    valid = [text for text in made if refusal(understood.grammar, text) is None]
    assert len(valid) > 10
    assert max(map(len, valid)) > max(map(len, inputs))


def test_a_promise_that_nobody_understands_freezes_what_it_speaks_of() -> None:
    """Circles in a certain order cannot be drawn by chance, so nothing is."""
    statement = "Input\n\nAn integer $n$, then $n$ lines with $x$, $y$ and $r$. It is guaranteed that each circle encloses the one after it."
    understood = understand(statement, ["1\n0 0 1\n", "2\n0 0 1\n5 5 1\n"])
    assert understood is not None
    assert understood.promises
    assert not Maker(understood.grammar, ["1\n0 0 1\n"], "seed", 1 << 16).is_free


@settings(deadline=None)
@given(st.integers(0, 1 << 30))
def test_everything_that_is_made_is_within_bounds(seed: int) -> None:
    """No way of making inputs breaks the shape or the bounds."""
    maker = Maker(LIST, ["2\n1 2\n"], str(seed), 4096)
    assert {refusal(LIST, each.text) for each in maker.inputs(seed % 3, 8)} == {None}


def test_small_inputs_are_counted_through() -> None:
    """All inputs with values near the lower bounds are there, for what fails only on one of them."""
    grammar = Grammar(
        (
            Line(
                (Field(0, Kind.INTEGER, (Linear(1),), (Linear(3),)), Field(1, Kind.INTEGER, (Linear(0),), (Linear(2),)))
            ),
        )
    )
    made = {each.text for each in Maker(grammar, ["1 1\n"], "s", 4096).inputs(0, 40)}
    assert {f"{one} {other}\n" for one in (1, 2, 3) for other in (0, 1, 2)} <= made


def test_the_largest_input_reaches_the_bound() -> None:
    """What is slow shows on inputs of the maximum size."""
    made = [each.text for each in Maker(LIST, ["2\n1 2\n"], "s", 4096).inputs(0, 10)]
    assert any(text.startswith("5\n") for text in made)


def test_the_same_seed_gives_the_same_inputs() -> None:
    """Nothing but the content decides what is made."""
    first, second = (list(Maker(LIST, ["2\n1 2\n"], "s", 4096).inputs(1, 20)) for _ in range(2))
    assert first == second


def test_constraints_of_lists_hold() -> None:
    """Sorted and distinct lists are sorted and distinct."""
    grammar = Grammar(LIST.items, (Order(1, is_distinct=True, direction=1),))
    assert refusal(grammar, "3\n1 2 2\n") is not None
    assert refusal(grammar, "3\n3 2 1\n") is not None
    made = [each.text for each in Maker(grammar, ["2\n1 2\n"], "s", 4096).inputs(0, 20)]
    assert sum(refusal(grammar, text) is None for text in made) > len(made) // 2


def test_ends_of_rows_are_counted_from_the_first_node() -> None:
    """A tree on nodes 0 to n - 1 is one too."""
    left, right = Field(1, Kind.INTEGER), Field(2, Kind.INTEGER)
    grammar = Grammar(
        (Line((N,)), Block(Linear(-1, 0), (Line((left, right)),))),
        (Rows(1, 2, nodes=Linear(0, 0), is_tree=True, first=0),),
    )
    assert refusal(grammar, "3\n0 1\n1 2\n") is None
    assert refusal(grammar, "3\n1 2\n2 3\n") is not None


@given(st.integers(2, 3_000))
def test_primes_are_primes(number: int) -> None:
    """The fast test agrees with trying all divisors."""
    assert is_prime(number) == all(number % each for each in range(2, int(number**0.5) + 1))


@given(st.text("0123 \n-x.", max_size=12))
def test_no_text_crashes_the_reader(text: str) -> None:
    """Whatever is read, it is a tree or a reason."""
    found = refusal(LIST, text)
    assert found is None or found[0] in set(Refusal)


CLIQUES = """Input

The first line contains n and m (1 ≤ n ≤ 50, 0 ≤ m ≤ 60), the number of students and of pairs.
Each of the next m lines contains p, q and c (1 ≤ p, q ≤ n, 0 ≤ c ≤ 99), two distinct students that are friends, and a cost.
Each pair of friends is listed exactly once. The pairs p and q form a graph that is planar.

Output

The cost.
"""
TRANSITIVE = f"""If p, q and r are three students, and p and q are friends, and q and r are friends, then p and r are friends.

{CLIQUES}"""


@pytest.mark.parametrize(("statement", "is_frozen"), [(CLIQUES, True), (TRANSITIVE, False)])
def test_graphs_of_friends_of_friends_are_made(statement: str, is_frozen: bool) -> None:  # noqa: FBT001 - a case
    """A promise that is understood makes such graphs; known graphs side by side keep one that is not."""
    known = ["5 4\n3 1 7\n2 5 8\n1 4 1\n3 4 9\n", "4 1\n1 2 5\n"]
    statement = statement if is_frozen else statement.replace(" The pairs p and q form a graph that is planar.", "")
    understood = understand(statement, known)
    assert understood is not None
    assert bool(understood.grammar.frozen) is is_frozen
    maker = Maker(understood.grammar, known, "seed", 4_000)
    texts = [each.text for each in maker.inputs(0, 12) if maker.refusal(each.text) is None]
    sizes = {int(text.split()[0]) for text in texts}
    assert max(sizes) > 20
    for text in texts:
        rows = [tuple(map(int, line.split())) for line in text.split("\n")[1:-1]]
        friends = {frozenset(row[:2]) for row in rows}
        assert len(friends) == len(rows)
        assert all(one ^ other in friends for one in friends for other in friends if len(one & other) == 1)


def test_a_bound_that_is_a_power_of_a_power_is_read() -> None:
    """What it says has too many digits; so many as can be read count."""
    understood = understand(
        "Input\n\nThe only line contains an integer $L$ ($0 \\leq L \\leq 10^{{10}^6}$).\n\nOutput\n\nOne integer.\n",
        ["20\n"],
    )
    assert understood is not None
    (spec,) = fields_of(understood.grammar.items)
    assert spec.bounds({}) == (0, 10**4000)


def test_an_input_of_one_number_is_counted_through_from_its_bound() -> None:
    """Small numbers are the strongest tests of such a problem."""
    grammar = Grammar((Line((Field(0, Kind.INTEGER, (Linear(1),), (Linear(10**9),), name="n"),)),))
    made = {each.text for each in Maker(grammar, ["5\n"], "seed", 1_000).inputs(0, 10)}
    assert {f"{number}\n" for number in range(1, 61)} <= made


def test_the_largest_grid_has_a_bounded_product() -> None:
    """Rows and columns are both large, and what is drawn is not their square."""
    n = Field(0, Kind.INTEGER, (Linear(1),), (Linear(5_000),), name="n")
    grammar = Grammar((Line((n,)), Block(Linear(0, 0), (Line((Series(A, Linear(0, 0)),)),))))
    made = Maker(grammar, ["1\n5\n"], "seed", 24_000).inputs(0, 3)
    sizes = {int(each.text.split("\n")[0]) for each in made}
    assert 40 <= max(sizes) <= 60


def test_graphs_of_friends_can_mostly_be_paired() -> None:
    """What asks for pairs has an answer only where every part is even."""
    statement = TRANSITIVE.replace(" The pairs p and q form a graph that is planar.", "")
    known = ["5 4\n3 1 7\n2 5 8\n1 4 1\n3 4 9\n", "4 1\n1 2 5\n"]
    understood = understand(statement, known)
    assert understood is not None
    counts = [int(each.text.split()[0]) for each in Maker(understood.grammar, known, "seed", 4_000).inputs(1, 40)]
    assert sum(count % 2 == 0 for count in counts) > 0.6 * len(counts)
