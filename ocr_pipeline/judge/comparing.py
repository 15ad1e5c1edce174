"""Compares what a program gave with what was expected: texts by tokens, results of functions by typed values.

Runs in the supervisor, so outputs are hostile bytes: nothing here evaluates, unpickles or trusts sizes.

* Texts are split at ASCII white space; line structure does not count. Equal tokens are accepted.
* Numbers may differ by the tolerance only if the problem's expected outputs are written with floats (or the problem
  says so); two tokens that are both written as integers must be the same text even then.
* Case is ignored, and order, only where the problem says so.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation, Overflow
from typing import Any, Final

from ocr_pipeline.tables import Checker

__all__ = [
    "COMPARATOR_VERSION",
    "DEFAULT_TOLERANCE",
    "Opaque",
    "Rule",
    "expected_value",
    "rule_for",
    "same_text",
    "same_value",
    "unflatten",
]

COMPARATOR_VERSION: Final = "1"
DEFAULT_TOLERANCE: Final = 1e-6  # the usual one of contests; 13 % of TACO's float problems ask for less, none for more
INTEGER: Final = re.compile(rb"[+-]?[0-9]+")
FLOAT: Final = re.compile(rb"[+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][+-]?[0-9]{1,4})?")
LONGEST_NUMBER: Final = 1_000  # longer tokens are no floats that anybody compares with a tolerance


@dataclass(frozen=True, slots=True)
class Rule:
    """How the outputs of one problem are compared."""

    tolerance: float | None = None
    """Absolute and relative; null: numbers must be written the same."""
    ignore_case: bool = False
    any_order: bool = False
    unwrap: bool = False
    """Expected results stand in a list of one, as APPS and TACO write them."""


def rule_for(checker: str, tolerance: float | None, expected: Iterable[str], *, is_function: bool) -> Rule:
    """Choose the rule of a problem from what it says and from all its expected outputs."""
    outputs = list(expected)
    floats = checker == Checker.FLOAT or tolerance is not None or any(map(_has_float, outputs))
    return Rule(
        tolerance=(DEFAULT_TOLERANCE if tolerance is None else tolerance) if floats else None,
        ignore_case=checker == Checker.CASE_INSENSITIVE,
        any_order=checker == Checker.UNORDERED,
        unwrap=is_function and bool(outputs) and all(map(_is_list_of_one, outputs)),
    )


def _has_float(output: str) -> bool:
    return any(FLOAT.fullmatch(token) for token in output.encode("utf-8", "surrogatepass").split())


def _is_list_of_one(output: str) -> bool:
    value = expected_value(output)
    return isinstance(value, list) and len(value) == 1


def same_text(actual: bytes, expected: bytes, rule: Rule) -> bool:
    """Say whether an output is accepted."""
    if rule.ignore_case:
        actual, expected = actual.lower(), expected.lower()
    if rule.any_order:
        return _same_in_any_order(actual, expected, rule)
    return _same_tokens(actual.split(), expected.split(), rule)


def _same_tokens(actual: Sequence[bytes], expected: Sequence[bytes], rule: Rule) -> bool:
    if actual == expected:
        return True
    if rule.tolerance is None or len(actual) != len(expected):
        return False
    tolerance = rule.tolerance
    return all(left == right or _close(left, right, tolerance) for left, right in zip(actual, expected, strict=True))


def _same_in_any_order(actual: bytes, expected: bytes, rule: Rule) -> bool:
    """Accept lines in any order, or tokens in any order inside each line; never both at once."""
    left, right = ([line.split() for line in text.split(b"\n") if line.strip()] for text in (actual, expected))
    if len(left) != len(right):
        return False
    if Counter(map(tuple, left)) == Counter(map(tuple, right)):
        return True
    if all(_same_tokens(sorted(one), sorted(other), rule) for one, other in zip(left, right, strict=True)):
        return True
    return all(_same_tokens(one, other, rule) for one, other in zip(sorted(left), sorted(right), strict=True))


def _close(actual: bytes, expected: bytes, tolerance: float) -> bool:
    """Compare two tokens as numbers; at least one must be written as a float."""
    if max(len(actual), len(expected)) > LONGEST_NUMBER:
        return False
    floats = [bool(FLOAT.fullmatch(token)) for token in (actual, expected)]
    if not any(floats) or not all(
        is_float or INTEGER.fullmatch(token) for is_float, token in zip(floats, (actual, expected), strict=True)
    ):
        return False
    try:
        left, right = Decimal(actual.decode()), Decimal(expected.decode())
        return abs(left - right) <= Decimal(tolerance) * max(Decimal(1), abs(right))
    except (InvalidOperation, Overflow):
        return False


# ---- results of functions ----


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value of a kind that does not travel between processes; it equals nothing that is expected."""

    kind: str


def expected_value(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """Read an expected result: JSON, or the text itself where a source wrote it bare."""
    try:
        return json.loads(text, parse_int=_integer)
    except (ValueError, RecursionError):
        return text


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= LONGEST_NUMBER else text


def same_value(actual: Any, expected: Any, rule: Rule) -> bool:  # noqa: ANN401 - any JSON value
    """Say whether a result is accepted: typed, with tuples as lists and keys as text."""
    try:
        if _equal(actual, expected, rule):
            return True
        return rule.unwrap and isinstance(expected, list) and _equal(actual, expected[0], rule)
    except RecursionError:
        return False


def _equal(actual: Any, expected: Any, rule: Rule) -> bool:  # noqa: ANN401, PLR0911 - one return per kind
    if isinstance(actual, _Link | _Tree):
        actual = values_of(actual)
    if isinstance(actual, bool) or isinstance(expected, bool):
        return actual is expected
    if isinstance(actual, float) or isinstance(expected, float):
        return _equal_numbers(actual, expected, DEFAULT_TOLERANCE if rule.tolerance is None else rule.tolerance)
    if isinstance(actual, list | tuple) and isinstance(expected, list):
        if len(actual) != len(expected):
            return False
        if all(_equal(left, right, rule) for left, right in zip(actual, expected, strict=True)):
            return True
        return rule.any_order and _sorted_text(actual) == _sorted_text(expected)
    if isinstance(actual, set | frozenset) and isinstance(expected, list):
        return rule.any_order and _sorted_text(actual) == _sorted_text(expected)
    if isinstance(actual, dict) and isinstance(expected, dict):
        named = {_key(key): value for key, value in actual.items()}
        return named.keys() == expected.keys() and all(_equal(named[key], expected[key], rule) for key in expected)
    if isinstance(actual, str) and isinstance(expected, str) and rule.ignore_case:
        return actual.lower() == expected.lower()
    return type(actual) is type(expected) and bool(actual == expected)


def _equal_numbers(actual: Any, expected: Any, tolerance: float) -> bool:  # noqa: ANN401
    if not isinstance(actual, int | float) or not isinstance(expected, int | float):
        return False
    try:
        return actual == expected or abs(actual - expected) <= tolerance * max(1.0, abs(expected))
    except OverflowError:
        return False


def _sorted_text(values: Iterable[Any]) -> list[str]:
    return sorted(json.dumps(value, sort_keys=True, default=str) for value in values)


def _key(key: Any) -> str:  # noqa: ANN401
    """Write a key as JSON would."""
    if isinstance(key, str):
        return key
    return json.dumps(key) if key is None or isinstance(key, bool | int | float) else str(key)


def unflatten(rows: Any) -> Any:  # noqa: ANN401 - hostile JSON in, a plain value out
    """Rebuild a value from the driver's flat table.

    Raises
    ------
    ValueError
        When the table is not one; a candidate may write anything.
    """
    try:
        built: dict[int, Any] = {}
        for number in reversed(range(len(rows))):  # children mostly follow their parents
            _build(rows, number, built)
        return built[0]
    except (TypeError, KeyError, IndexError, RecursionError, AttributeError) as error:
        message = f"no table of values: {error}"
        raise ValueError(message) from error


DEEPEST: Final = 150  # each level takes four frames of the interpreter


def _build(rows: Any, number: int, built: dict[int, Any], depth: int = 0) -> Any:  # noqa: ANN401
    if number in built:
        return built[number]
    if depth > DEEPEST:
        message = "nested too deeply or in a cycle"
        raise ValueError(message)
    kind, payload = rows[number]
    built[number] = _value(kind, payload, lambda child: _build(rows, child, built, depth + 1))
    return built[number]


def _value(kind: str, payload: Any, child: Any) -> Any:  # noqa: ANN401, PLR0911 - one return per kind
    containers = {"l": list, "t": tuple, "s": frozenset}
    if kind in containers:
        return containers[kind]([child(each) for each in payload])
    if kind == "d":
        return {child(key): child(each) for key, each in payload}
    if kind == "i":
        return _integer(payload)
    if kind == "f":
        return float(payload)
    if kind == "v" and (payload is None or isinstance(payload, bool | int | str)):
        return payload
    if kind == "b":
        return bytes.fromhex(payload)
    if kind == "n":
        return _nodes(payload, child)
    if kind == "c":
        return complex(float(payload[0]), float(payload[1]))
    return Opaque(str(payload))


def _nodes(payload: Any, child: Any) -> Any:  # noqa: ANN401
    name, fields = payload
    named = {key: child(each) for key, each in fields}
    if name == "ListNode":
        return _Link(named["val"], named["next"])
    return _Tree(named["val"], named["left"], named["right"]) if name == "TreeNode" else Opaque(str(name))


@dataclass(frozen=True, slots=True, eq=False)
class _Link:
    """A node of a linked list."""

    value: Any
    next: Any


@dataclass(frozen=True, slots=True, eq=False)
class _Tree:
    """A node of a binary tree."""

    value: Any
    left: Any
    right: Any


def values_of(nodes: _Link | _Tree) -> list[Any]:
    """Write a linked list or a tree as LeetCode does: its values, level by level, null for a missing child."""
    out: list[Any] = []
    queue: list[Any] = [nodes]
    for node in queue:
        out.append(node.value if isinstance(node, _Link | _Tree) else None)
        if isinstance(node, _Tree):
            queue += [node.left, node.right]
        elif isinstance(node, _Link) and node.next is not None:
            queue.append(node.next)
    while isinstance(nodes, _Tree) and out and out[-1] is None:
        out.pop()
    return out
