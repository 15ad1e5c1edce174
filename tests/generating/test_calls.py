"""Calls of functions are made like the known ones: typed arguments, within bounds, with what holds of all known calls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.generating.calls import CallMaker, call_maker
from ocr_pipeline.generating.grammar import Refusal
from tests.generating.test_step import CONFIG, Rows, made

STATEMENT = """Return how many numbers of the sorted list nums are less than limit.

Constraints:

1 <= nums.length <= 8
-20 <= nums[i] <= 20
-30 <= limit <= 30
"""
STARTER = "class Solution:\n    def countLess(self, nums: List[int], limit: int) -> int:\n        "
KNOWN = ["[[1, 2, 5], 3]", "[[-4, 0, 7, 9], 0]", "[[3], 3]"]
COUNT = "class Solution:\n    def countLess(self, nums, limit):\n        return sum(value < limit for value in nums)\n"
BISECT = "from bisect import bisect_left\nclass Solution:\n    def countLess(self, nums, limit):\n        return bisect_left(nums, limit)\n"
UP_TO = "class Solution:\n    def countLess(self, nums, limit):\n        return sum(0 <= value < limit or value < min(limit, 0) for value in nums)\n"
FROM_ONE = "class Solution:\n    def countLess(self, nums, limit):\n        return max(0, sum(value < limit for value in nums)) if limit > -10 else 0\n"
values = st.recursive(
    st.integers(-50, 50) | st.booleans() | st.text("ab", max_size=4), lambda some: st.lists(some, max_size=3)
)


def maker(known: list[str] = KNOWN, statement: str = STATEMENT, starter: str = STARTER) -> CallMaker:
    """Return the maker of some known calls."""
    found = call_maker(statement, starter, known, "seed")
    assert found is not None
    return found


def calls(known: list[str] = KNOWN, statement: str = STATEMENT, number: int = 40) -> list[list[object]]:
    """Make calls."""
    return [json.loads(each.text) for each in maker(known, statement).inputs(0, number)]


def test_calls_are_within_the_bounds_of_the_statement_and_reach_them() -> None:
    """Names with an index are items, names with a length are lists."""
    found = calls()
    numbers = {value for nums, _ in found for value in nums}  # type: ignore[attr-defined]
    limits = {limit for _, limit in found}
    assert (min(numbers), max(numbers)) == (-20, 20)
    assert {-30, 30} <= limits
    assert max(len(nums) for nums, _ in found) == 8  # type: ignore[arg-type]


def test_without_bounds_values_stay_within_the_known_ones() -> None:
    """What nobody said is not guessed."""
    numbers = {value for nums, _ in calls(statement="Count them.") for value in nums}  # type: ignore[attr-defined]
    assert min(numbers) >= -4
    assert max(numbers) <= 9


def test_what_holds_of_all_known_calls_is_kept() -> None:
    """Lists that are sorted and distinct stay so; a call that is not is refused."""
    assert all(nums == sorted(set(nums)) for nums, _ in calls())  # type: ignore[call-overload]
    assert maker().refusal("[[5, 1, 7], 0]") is Refusal.CONSTRAINT


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("[[1], 99]", Refusal.BOUNDS),
        ("[[], 1]", Refusal.BOUNDS),
        ("[[1]]", Refusal.SHAPE),
        ('[["a"], 1]', Refusal.SHAPE),
        ("[[true], 1]", Refusal.SHAPE),
        ("7", Refusal.SHAPE),
        ("[", Refusal.SHAPE),
    ],
)
def test_a_call_of_another_form_is_refused(text: str, refusal: Refusal) -> None:
    """Kinds, number of arguments, and bounds."""
    assert maker().refusal(text) is refusal


def test_lists_of_one_length_and_numbers_up_to_a_length_go_together() -> None:
    """Two lists that always are of one length, and a number that never exceeds it."""
    found = calls(["[[1, 2], [3, 4], 1]", "[[5, 6, 7], [8, 9, 1], 3]", "[[4], [4], 1]"], "Pair them.")
    assert all(len(left) == len(right) and count <= len(left) for left, right, count in found)  # type: ignore[arg-type, operator]


@pytest.mark.parametrize(
    ("known", "other"),
    [
        ([[[3, 1], 2], [[5, 5, 4], 3]], [[3, 1], 3]),
        ([["0110", 4], ["11", 2]], ["0110", 3]),
        ([[[[1, 2, 3], [4, 5, 6]], 2, 3], [[[7, 8], [9, 1], [2, 3]], 3, 2]], [[[1, 2], [3, 4]], 2, 3]),
        ([["abc", "abd"], ["x", "y"], ["ab", "ba"]], ["ab", "a"]),
        ([[[4, 9], 9], [[7], 7], [[5, 6, 8], 6]], [[4, 9], 7]),
        ([["hello", "l"], ["abcda", "a"], ["php", "p"]], ["hello", "a"]),
        ([[[4, 9], 1], [[7], 0], [[5, 6, 8], 2]], [[4, 9], 2]),
        ([[1, 5], [2, 3], [4, 9]], [4, 4]),
        ([[1, 5], [3, 3], [4, 9]], [4, 3]),
    ],
)
def test_arguments_that_go_together_do_so_in_made_calls(known: list[list[object]], other: list[object]) -> None:
    """Lengths, widths, members, places and orders; a call in which they do not is refused, and none is made."""
    found = maker([json.dumps(call) for call in known], "Do it.")
    assert found.refusal(json.dumps(other)) is Refusal.CONSTRAINT
    made = [each.text for each in found.inputs(0, 20)]
    assert len(made) > 1
    assert [found.refusal(text) for text in made] == [None] * len(made)


def test_what_two_calls_show_by_chance_is_not_kept() -> None:
    """A number below another one, and one that is in a list, are asked of three calls."""
    assert maker(["[[4, 9], 4, 9]", "[[5, 6], 5, 6]"], "Do it.").refusal("[[4, 9], 5, 8]") is None


def test_a_length_may_be_what_the_statement_says_of_the_list() -> None:
    """The bounds of the list are those of the number."""
    lengths = {size for _, size in calls(["[[1, 2], 2]", "[[3], 1]"], "1 <= nums.length <= 8", number=20)}
    assert lengths == {len(nums) for nums, _ in calls(["[[1, 2], 2]", "[[3], 1]"], "1 <= nums.length <= 8", number=20)}  # type: ignore[arg-type]
    assert max(lengths) == 8  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("known", "other"),
    [
        (["[[[1, 2], [3, 4], [5, 6]]]", "[[[1, 2, 3], [4, 5, 6]]]"], "[[[1, 2], [3, 4, 5]]]"),
        (["[[[1, 2], [3, 4]]]", "[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]"], "[[[1, 2], [3, 4], [5, 6]]]"),
        (['[["ab", "ba"]]', '[["aaa", "bab", "aba"]]'], '[["aa", "aba"]]'),
    ],
)
def test_rows_of_one_length_stay_so(known: list[str], other: str) -> None:
    """Tables, squares and grids of characters; of each size that is known some are made."""
    found = maker(known, "Do it.")
    assert found.refusal(other) is Refusal.CONSTRAINT
    sizes = {(len(rows), len(rows[0])) for (rows,) in map(json.loads, (each.text for each in found.inputs(0, 20)))}
    assert len(sizes) > 1


def test_texts_of_words_are_refused_where_other_things_stand_around_words() -> None:
    """``split`` and ``split(" ")`` agree on what is known, and the statement may not say which is right."""
    found = maker(['["Hi you"]', '["What a day"]', '["so it is"]'], "Do it.")
    assert found.refusal('["Hi  you"]') is Refusal.SHAPE
    assert all("  " not in each.text for each in found.inputs(0, 20))


@pytest.mark.parametrize(
    "known", [["7"], ["assert f(1) == 2"], ['[{"a": 1}]'], ["[1]", '["a"]'], ["[1]", "[1, 2]"], []]
)
def test_calls_without_a_common_form_have_no_maker(known: list[str]) -> None:
    """Mappings, programs of asserts, and arguments of two kinds are left alone."""
    assert call_maker("", "", known, "seed") is None


@given(st.lists(st.lists(values, min_size=2, max_size=2), min_size=1, max_size=4))
def test_known_calls_and_made_ones_are_never_refused(known: list[list[object]]) -> None:
    """Whatever the known calls are, the shape that was found reads them, and nothing else is made."""
    texts = [json.dumps(call) for call in known]
    found = call_maker("", "", texts, "seed")
    if found is not None:
        assert [found.refusal(text) for text in texts] == [None] * len(texts)
        for each in found.inputs(0, 4):
            assert found.refusal(each.text) in {None, Refusal.BOUNDS}


def function(
    folder: Path, known: list[tuple[str, str, str, str]], statement: str = STATEMENT
) -> tuple[Rows, dict[str, int]]:
    """Make the tests of the function problem."""
    rows, counts = made(
        folder,
        tests=known,
        programs=[(COUNT, True), (BISECT, True), (FROM_ONE, False)],
        config=CONFIG,
        statement=statement,
        io_mode="function",
        function_name="countLess",
        starter_code=STARTER,
    )
    kept = Rows()
    kept.rows = rows
    return kept, dict(counts.notes)


TESTS = [
    (str(place), "example", text, expected) for place, (text, expected) in enumerate(zip(KNOWN, "210", strict=True))
]


def test_a_wrong_function_is_caught_by_a_made_call(tmp_path: Path) -> None:
    """Outputs are JSON, and right functions agree on them."""
    kept, _ = function(tmp_path, TESTS)
    assert any("s2" in row["catches"] for row in kept.rows)
    for row in kept.rows:
        nums, limit = json.loads(row["input"])
        assert json.loads(row["expected"]) == sum(value < limit for value in nums)


def test_results_are_wrapped_where_known_ones_are(tmp_path: Path) -> None:
    """Some sources write each result in a list of one, and all tests of a problem are read alike."""
    wrapped = [(name, kind, text, f"[{expected}]") for name, kind, text, expected in TESTS]
    kept, _ = function(tmp_path, wrapped)
    assert kept.rows
    assert all(len(json.loads(row["expected"])) == 1 for row in kept.rows)


def test_a_function_whose_arguments_are_promised_something_is_left_alone(tmp_path: Path) -> None:
    """Nobody here understands the promise."""
    kept, notes = function(tmp_path, TESTS, STATEMENT + "\nIt is guaranteed that the numbers are friendly.\n")
    assert kept.rows == []
    assert notes["problems left alone: promises"] == 1
