"""How outputs and results are compared: what is accepted, and what the field's harnesses wrongly accept."""

from __future__ import annotations

import importlib.util
import json
import tracemalloc
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ocr_pipeline.judge
from ocr_pipeline.judge.comparing import Rule, expected_value, rule_for, same_text, same_value, unflatten

TOKENS = Rule()
FLOATS = Rule(tolerance=1e-6)


def driver() -> ModuleType:
    """Load the driver's script as a module, for its own half of the exchange."""
    path = Path(ocr_pipeline.judge.__file__).parent / "sandbox" / "native" / "driver.py"
    spec = importlib.util.spec_from_file_location("judge_driver", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DRIVER = driver()


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (b"1 2 3\n", b"1\n2\n3\n"),
        (b"  1\t2 \r\n", b"1 2"),
        (b"", b"\n"),
        (b"yes\n", b"yes"),
    ],
)
def test_white_space_does_not_count(actual: bytes, expected: bytes) -> None:
    """Tokens are compared, lines and blanks are not."""
    assert same_text(actual, expected, TOKENS)


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (b"Christmas Eve", b"Christmas Eve Eve Eve"),
        (b"NO\nYES", b"YES\nNO"),
        (b"1 1 2", b"1 2 2"),
        (b"10", b"0010"),
        (b"1_000", b"1000"),
        (b"1000000006", b"1000000007"),
        (b"5.0", b"5"),
        (b"Yes", b"YES"),
        (b"", b"0"),
    ],
)
def test_wrong_outputs_that_others_accept(actual: bytes, expected: bytes) -> None:
    """Order, multiplicity, leading zeros, near integers and case are wrong where the problem does not allow them."""
    assert not same_text(actual, expected, TOKENS)


@pytest.mark.parametrize(
    ("actual", "expected", "same"),
    [
        (b"0.3333333333", b"0.333333", True),
        (b"1e-7", b"0.0", True),
        (b"2", b"2.000", True),
        (b"1000000006", b"1000000007", False),
        (b"nan", b"1.0", False),
        (b"inf", b"1.0", False),
        (b"0x1p3", b"8.0", False),
        (b"1.1", b"1.2", False),
        (b"1e99999999999", b"1.0", False),
        (b"1000000.5", b"1000000.4999", True),
    ],
)
def test_numbers_where_floats_are_expected(actual: bytes, expected: bytes, same: bool) -> None:  # noqa: FBT001
    """A tolerance applies to floats only; integers stay exact, and nothing but plain decimals is a number."""
    assert same_text(actual, expected, FLOATS) is same


def test_tolerance_only_where_expected_outputs_hold_floats() -> None:
    """The rule looks at all expected outputs of the problem."""
    assert rule_for("tokens", None, ["1", "2"], is_function=False).tolerance is None
    assert rule_for("tokens", None, ["1", "2.5"], is_function=False).tolerance == 1e-6
    assert rule_for("float", 1e-4, ["1"], is_function=False).tolerance == 1e-4


def test_case_and_order_only_where_the_problem_says_so() -> None:
    """Both are options of the problem."""
    assert same_text(b"Yes", b"YES", rule_for("case_insensitive", None, ["YES"], is_function=False))
    unordered = rule_for("unordered", None, ["1\n2"], is_function=False)
    assert same_text(b"2\n1", b"1\n2", unordered)
    assert same_text(b"3 1 2", b"1 2 3", unordered)
    assert not same_text(b"2 1\n4 3", b"3 4\n1 2", unordered)


@pytest.mark.parametrize(
    ("actual", "expected", "same"),
    [
        (True, "true", True),
        (1, "true", False),
        (False, "0", False),
        ((1, (2,)), "[1, [2]]", True),
        ({1: "a"}, '{"1": "a"}', True),
        (None, "null", True),
        (0.1 + 0.2, "0.3", True),
        (2, "2.0", True),
        ("1", "1", False),
        ([1, 2], "[2, 1]", False),
        ({1, 2}, "[1, 2]", False),
        ("abc", "abc", True),
        (10**70, str(10**70), True),
    ],
)
def test_results_are_compared_by_type(actual: Any, expected: str, same: bool) -> None:  # noqa: FBT001
    """Booleans are not numbers, tuples are lists, keys are texts, floats have a tolerance."""
    value = unflatten(json.loads(json.dumps(DRIVER.flatten(actual))))
    assert same_value(value, expected_value(expected), TOKENS) is same


def test_a_list_of_one_is_unwrapped_only_if_all_expected_results_are() -> None:
    """APPS and TACO wrap results; a problem that returns lists is not fooled."""
    wrapped = rule_for("tokens", None, ["[1]", "[2]"], is_function=True)
    mixed = rule_for("tokens", None, ["[1]", "[1, 2]"], is_function=True)
    assert same_value(1, [1], wrapped)
    assert not same_value(1, [1], mixed)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda children: (
        st.lists(children, max_size=4)
        | st.tuples(children, children)
        | st.dictionaries(st.text() | st.integers(), children, max_size=4)
    ),
    max_leaves=20,
)


@given(PLAIN)
def test_plain_values_survive_the_exchange(value: Any) -> None:
    """What a candidate's process describes is rebuilt equal in the process of the asserts."""
    sender, receiver = (DRIVER.Peer({}, "f", guarded=guarded) for guarded in (False, True))
    rebuilt = receiver._unpack(json.loads(json.dumps(sender._pack(value))), [])
    assert rebuilt == value
    assert type(rebuilt) is type(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_results_survive_the_exchange(value: Any) -> None:
    """What a function's process describes equals the same value as JSON, and no other."""
    read = unflatten(json.loads(json.dumps(DRIVER.flatten(value))))
    assert same_value(read, expected_value(json.dumps(value)), TOKENS)
    assert not same_value(read, [value, value], TOKENS)


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_comparing_texts_is_symmetric_without_tolerance_and_never_fails(left: bytes, right: bytes) -> None:
    """Any bytes may come out of a candidate."""
    assert same_text(left, right, TOKENS) is same_text(right, left, TOKENS)
    same_text(left, right, FLOATS)
    assert same_text(left, left, FLOATS)


@given(
    st.recursive(
        st.none() | st.integers(-3, 9) | st.text(max_size=3),
        lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=2), children, max_size=3),
    )
)
def test_garbage_instead_of_a_table_is_a_value_error(garbage: Any) -> None:
    """A candidate may write anything to its result file."""
    try:
        unflatten(garbage)
    except ValueError:
        return


@pytest.mark.parametrize("rule", [TOKENS, Rule(any_order=True)])
def test_cycles_and_shared_parts_end(rule: Rule) -> None:
    """A list that holds itself, a set of tuples that share their parts, a tree of shared nodes: unequal, and at once."""
    cycle: list[Any] = []
    cycle.append(cycle)
    shared: Any = 1
    tree = None
    for _ in range(60):
        shared, tree = (shared, shared), DRIVER.TreeNode(1, tree, tree)
    rows = [["s", [1]], *([["t", [number + 2, number + 2]] for number in range(60)]), ["v", 1]]
    for value in (unflatten(DRIVER.flatten(cycle)), unflatten(DRIVER.flatten(shared)), unflatten(DRIVER.flatten(tree)),
                  unflatten(rows), unflatten([["d", [[1, 1]]], *rows[1:]])):  # fmt: skip
        assert not same_value(value, [1], rule)
        assert not same_value(value, [[[[]]]], rule)


def test_a_long_wrong_output_costs_no_more_than_the_expected_one() -> None:
    """Millions of tokens or lines are not split where a few are expected."""
    rule = Rule(any_order=True)
    for text in (b"1 " * 20_000_000, b"1\n" * 20_000_000, b"\n" * 40_000_000 + b"1"):
        tracemalloc.start()
        assert same_text(text, b"1", rule) is text.endswith(b"1")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 3 * len(text)


def test_long_linked_lists_are_compared_by_their_values() -> None:
    """Ten thousand nodes do not overflow a stack."""
    head = None
    for value in reversed(range(10_000)):
        head = DRIVER.ListNode(value, head)
    assert same_value(unflatten(DRIVER.flatten(head)), list(range(10_000)), TOKENS)


def test_trees_are_compared_level_by_level() -> None:
    """Missing children are null, those at the end are left out."""
    tree = DRIVER.TreeNode(1, None, DRIVER.TreeNode(2, DRIVER.TreeNode(3)))
    assert same_value(unflatten(DRIVER.flatten(tree)), [1, None, 2, 3], TOKENS)
