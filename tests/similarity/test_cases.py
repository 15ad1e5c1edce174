"""Known answers of two problems, compared by input."""

from collections.abc import Sequence

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.similarity.cases import NO_CASES, Cases, compare_cases, read_cases

MANY = 100_000


def cases(*tests: tuple[str, str], kind: str = "private") -> Cases:
    """Return the cases of one problem from its tests."""
    rows = pa.table(
        {
            "problem_id": ["x"] * len(tests),
            "kind": [kind] * len(tests),
            "input": [one for one, _ in tests],
            "expected": [one for _, one in tests],
        }
    )
    return read_cases(rows.to_batches(), {"x"}).get("x", NO_CASES)


def test_common_inputs_agree_or_conflict() -> None:
    """Layout is not part of an input; an input that only one side has says nothing."""
    found = compare_cases(
        cases(("3\n1 2 3", "6"), ("1\n5", "5"), ("2\n1 1", "2")), cases(("3 1 2 3\n", "6"), ("1\n5", "1"))
    )
    assert (found.agreeing, found.conflicting) == (1, 1)
    assert not found.covers


def test_all_of_one_side_is_covered_by_the_other() -> None:
    """Three of three inputs are in the other's ten: what one knows, the other answers the same."""
    few = [(f"{n}\n{n} {n}", str(n)) for n in range(3)]
    many = [(f"{n}\n{n} {n}", str(n)) for n in range(10)]
    assert compare_cases(cases(*few), cases(*many)).covers
    assert not compare_cases(cases(*few, ("77 1", "2")), cases(*many)).covers


def test_what_a_statement_shows_has_to_be_covered_not_what_a_data_set_generated() -> None:
    """Two data sets generate other inputs for one problem; the examples are the problem's own."""
    shown = [("3 1 2", "3"), ("4 4 4", "4")]
    rows = pa.table(
        {
            "problem_id": ["x"] * 3,
            "kind": ["public", "public", "generated"],
            "input": [*(one for one, _ in shown), "9 9 9"],
            "expected": [*(one for _, one in shown), "9"],
        }
    )
    left = read_cases(rows.to_batches(), {"x"})["x"]
    assert compare_cases(left, cases(*shown, ("8 8 8", "8"))).covers
    assert left.known == len(shown)


def test_a_yes_tells_less_than_a_number() -> None:
    """The agreeing outputs of yes-or-no questions are worth a bit or a few each, whatever the two answers are called."""
    coins, words, numbers = (
        [(f"{n} {n}", answer(n)) for n in range(4)]
        for answer in (lambda _: "YES", lambda n: "Not matched!" if n else "Found a match!", lambda n: str(104729 + n))
    )
    assert compare_cases(cases(*coins), cases(*coins)).bits == len(coins)
    assert compare_cases(cases(*words), cases(*words)).bits == 3 * len(words)
    assert compare_cases(cases(*numbers), cases(*numbers)).bits > 10 * len(numbers)


def test_long_inputs_are_told_apart_after_their_beginning() -> None:
    """Two inputs of ten thousand numbers that differ in the last one are two inputs."""
    long = " ".join(map(str, range(10_000)))
    assert compare_cases(cases((f"{long} 1", "1")), cases((f"{long} 2", "1"))).agreeing == 0
    assert compare_cases(cases((f"{long} 1", "1")), cases((f"{long} 1", "1"))).agreeing == 1


def test_an_input_with_two_outputs_in_one_source_is_kept_once() -> None:
    """Which of them is kept does not depend on the order of the rows."""
    one = cases(("1 1", "2"), ("1 1", "3"))
    assert len(one) == 1
    assert (one.rows == cases(("1 1", "3"), ("1 1", "2")).rows).all()


def test_missing_values_and_unwanted_problems_are_left_out() -> None:
    """A test without an output, and a problem that nobody asks for, give no case."""
    rows = pa.table({"problem_id": ["x", "y"], "input": ["1", "1"], "expected": pa.array([None, "1"], pa.string())})
    assert read_cases(rows.to_batches(), {"x"}) == {}


def test_a_hundred_thousand_tests_of_one_problem_are_small() -> None:
    """They are compared by hash, and take two megabytes."""
    many = cases(*((str(n), str(n)) for n in range(MANY)))
    assert len(many) == MANY
    assert many.rows.nbytes < 20 * MANY
    assert compare_cases(many, many).agreeing == MANY


@given(
    st.lists(st.tuples(st.text("12 \n", min_size=1, max_size=6), st.sampled_from(["1", "2"])), max_size=12),
    st.lists(st.tuples(st.text("12 \n", min_size=1, max_size=6), st.sampled_from(["1", "2"])), max_size=12),
)
def test_the_comparison_has_no_order(one: Sequence[tuple[str, str]], other: Sequence[tuple[str, str]]) -> None:
    """Either side first gives the same counts, and never more than the smaller side has."""
    left, right = cases(*one), cases(*other)
    there, back = compare_cases(left, right), compare_cases(right, left)
    assert there == back
    assert there.agreeing + there.conflicting <= min(len(left), len(right))
