"""What two statements tell, whatever form their source gives them."""

import time

import pytest

from ocr_pipeline.similarity.evidence import (
    bounds_differ,
    few_other_words,
    opposite_asked,
    parts_of_series,
    read_facts,
    shared_examples,
    versions_differ,
)

FORMS = {
    "leetcode": "Sum it.\n\nExample 1:\n\nInput: nums = [1,2,3]\nOutput: 6\nExplanation: all.\n\nExample 2:\n\nInput: nums = [4,5,6]\nOutput: 15\n\nConstraints:\n\n1 <= n <= 100\n",
    "codeforces": "Sum it.\n\nInput\n\nThe numbers.\n\nOutput\n\nThe sum.\n\nExamples\n\nInput\n\n1 2 3\n\n\nOutput\n\n6\n\n\nInput\n\n4 5 6\n\n\nOutput\n\n15\n\nNote\n\nNothing.",
    "dashes": "Sum it.\n-----Input-----\nThe numbers.\n-----Output-----\nThe sum.\n-----Examples-----\nInput\n1 2 3\n\nOutput\n6\n\nInput\n4 5 6\n\nOutput\n15\n",
    "atcoder": "Sum it.\n\nConstraints\n\n1 <= n\n\nSample Input 1\n\n1 2 3\n\nSample Output 1\n\n6\n\nAll of them.\n\nSample Input 2\n\n4 5 6\n\nSample Output 2\n\n15\n",
    "codechef": "Sum it.\n----- Sample Input 1 ------\n1 2 3\n----- Sample Output 1 ------\n6\n----- Sample Input 2 ------\n4 5 6\n----- Sample Output 2 ------\n15\n",
    "chinese": "求和。\n\n示例 1：\n\n输入：nums = [1,2,3]\n输出：6\n解释：全部。\n\n示例 2：\n\n输入：nums = [4,5,6]\n输出：15\n",  # noqa: RUF001 - full-width colons are the case
}


@pytest.mark.parametrize("form", FORMS)
def test_examples_are_read_in_the_form_of_each_source(form: str) -> None:
    """LeetCode, Codeforces, AtCoder, CodeChef and Chinese statements give the same examples."""
    assert read_facts(FORMS[form]).examples == {"1 2 3": "6", "4 5 6": "15"}


def test_the_format_sections_are_no_example() -> None:
    """The prose under Input and Output is not taken for an example."""
    assert read_facts("Sum.\n\nInput\n\nOne integer.\n\nOutput\n\nIts square.\n").examples == {}


def test_another_answer_to_the_same_input_is_a_conflict() -> None:
    """The same numbers with another output ask something else."""
    other = FORMS["codeforces"].replace("6\n\n\nInput", "1\n\n\nInput")
    compared = shared_examples(read_facts(FORMS["codeforces"]), read_facts(other))
    assert (len(compared.left), compared.conflicting) == (1, 1)


def test_a_form_that_gives_the_size_too_shares_the_example() -> None:
    """``3`` and a line of three numbers is the input ``nums = [1, 2, 3]``."""
    sized = FORMS["codeforces"].replace("1 2 3", "3\n1 2 3").replace("4 5 6", "3\n4 5 6")
    assert len(shared_examples(read_facts(FORMS["leetcode"]), read_facts(sized)).right) == 2


@pytest.mark.parametrize(
    "spelling",
    ["10^5", "10^{5}", "105", "100000", "100,000", "100 000", "100{,}000", "10<sup>5</sup>", "$10^5$", "10⁵"],
)
def test_one_bound_has_one_value_in_every_spelling(spelling: str) -> None:
    """A power with or without its sign, and the plain number, are one bound."""
    assert not bounds_differ(read_facts(f"1 <= n <= {spelling}"), read_facts("* 1 ≤ n ≤ 10^5"))


@pytest.mark.parametrize(
    "spelling", ["2*10^5", r"2 \cdot 10^5", "2 * 105", "200000", "200 000", "2\N{MULTIPLICATION SIGN}10⁵"]
)
def test_a_multiple_of_a_power_is_one_bound_in_every_spelling(spelling: str) -> None:
    """Factors are multiplied out before they are compared."""
    assert not bounds_differ(read_facts(f"1 <= n <= {spelling}"), read_facts("1 ≤ n ≤ 200,000"))


def test_another_upper_bound_differs() -> None:
    """100 is not 10^5, nor is it for one of two variables."""
    assert bounds_differ(read_facts("1 ≤ n ≤ 100"), read_facts("1 ≤ n ≤ 10^5"))
    assert bounds_differ(read_facts("1 ≤ n ≤ 10^5, 0 ≤ a ≤ 10^5"), read_facts("1 ≤ n ≤ 10^5, 0 ≤ a ≤ 10^9"))


def test_a_bound_that_only_one_states_is_no_difference() -> None:
    """An omission is no evidence."""
    assert not bounds_differ(read_facts("1 ≤ n ≤ 100"), read_facts("Print n."))


@pytest.mark.parametrize(
    ("left", "right", "differ"),
    [("Paint House II", "Paint House III", True), ("Paint House", "Paint House II", True), ("Paint House", "Paint House", False),
     ("Hard Sort (easy version)", "Hard Sort (hard version)", True), ("Two Sum", "Three Sum", False)],
)  # fmt: skip
def test_parts_of_a_series_are_told_by_their_titles(left: str, right: str, *, differ: bool) -> None:
    """One title with other numerals or versions is another part."""
    assert parts_of_series([left.lower()], [right.lower()]) is differ


@pytest.mark.parametrize(
    ("left", "right", "differ"),
    [("an easy", "a hard", True), ("the easier", "a harder", True), ("a simple", "the easy", False), ("the hard", "the extreme", True),
     ("an updated", "a hard", False)],
)  # fmt: skip
def test_easy_and_hard_versions_say_so(left: str, right: str, *, differ: bool) -> None:
    """The sentence of Codeforces tells the versions apart without titles, in whichever words."""
    one, other = (read_facts(f"This is {which} version of the problem.") for which in (left, right))
    assert versions_differ(one, other) is differ


@pytest.mark.parametrize(
    ("left", "right", "few"),
    [
        ("houses stand in a line", "houses stand in a circle", True),
        ("rob each house", "rob each house at most once", True),
        ("the ith house [image] of $frac$ examples", "house of example", False),
        ("rob the house", "house the rob", False),
        ("one text of many words", "another statement that says it otherwise", False),
    ],
)
def test_a_few_other_words_are_seen_and_dress_is_not(left: str, right: str, *, few: bool) -> None:
    """What is asked may be in one word; ordinals, pictures and mark-up are written differently for one problem."""
    assert few_other_words(left, right) is few
    assert few_other_words(right, left) is few


def test_the_opposite_is_asked() -> None:
    """The smallest is not the largest; both mentioned is no evidence."""
    assert opposite_asked(read_facts("Find the smallest one."), read_facts("Find the largest one."))
    assert not opposite_asked(read_facts("Find the smallest and largest."), read_facts("Find the largest one."))


def test_a_giant_statement_is_read_in_bounded_time() -> None:
    """Long runs of examples, bounds or blank lines are read up to a limit."""
    start = time.process_time()
    for piece in ("1 <= n <= 10^5 ", "\n\n", "Input\n1\nOutput\n2\n", "9,", "Example ", "   "):
        read_facts(piece * (300_000 // len(piece)))
    assert time.process_time() - start < 20
