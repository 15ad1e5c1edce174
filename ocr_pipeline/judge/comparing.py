"""Compares what a program gave with what was expected: texts by tokens, results of functions by typed values.

Runs in the supervisor, so outputs are hostile bytes: nothing here evaluates, unpickles or trusts sizes.

* Texts are split at ASCII white space; line structure does not count. Equal tokens are accepted.
* Numbers may differ by the tolerance only if the problem's expected outputs are written with floats (or the problem
  says so); two tokens that are both written as integers must be the same text even then.
* Case is ignored, and order, only where the problem says so.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation, Overflow
from typing import Any, Final

from ocr_pipeline.tables import Checker

__all__ = [
    "COMPARATOR_VERSION",
    "DEFAULT_TOLERANCE",
    "Opaque",
    "ResultTooLargeError",
    "Rule",
    "expected_value",
    "read_result",
    "rule_for",
    "same_text",
    "same_value",
    "unflatten",
]

COMPARATOR_VERSION: Final = "3"
DEFAULT_TOLERANCE: Final = 1e-6  # the usual one of contests; 13 % of TACO's float problems ask for less, none for more
INTEGER: Final = re.compile(rb"[+-]?[0-9]+")
FLOAT: Final = re.compile(rb"[+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][+-]?[0-9]{1,4})?")
EMPTY_LINES: Final = re.compile(rb"\n\s*")
LONGEST_NUMBER: Final = 1_000  # nobody compares longer tokens with a tolerance


@dataclass(frozen=True, slots=True)
class Rule:
    """How the outputs of one problem are compared."""

    tolerance: float | None = None
    """Absolute and relative; null: numbers must be written the same."""
    ignore_case: bool = False
    any_order: bool = False
    unwrap: bool = False
    """Expected results are wrapped in a list of one, as APPS and TACO write them."""


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
    """Say whether an output is accepted; what it costs is bounded by the expected output, however long the other is."""
    if rule.ignore_case:
        actual, expected = actual.lower(), expected.lower()
    wanted = expected.split()
    given = actual.split(None, len(wanted))  # one token too many stays in one piece with all that follows
    if len(given) != len(wanted):
        return False
    if not rule.any_order:
        return _same_tokens(given, wanted, rule)
    return _same_in_any_order(_lines(actual), _lines(expected), rule)


def _lines(text: bytes) -> list[list[bytes]]:
    """Return the tokens of each line that has some."""
    return [line.split() for line in EMPTY_LINES.split(text) if line.strip()]


def _same_tokens(actual: Sequence[bytes], expected: Sequence[bytes], rule: Rule) -> bool:
    if actual == expected:
        return True
    if rule.tolerance is None or len(actual) != len(expected):
        return False
    tolerance = rule.tolerance
    return all(left == right or _close(left, right, tolerance) for left, right in zip(actual, expected, strict=True))


def _same_in_any_order(left: list[list[bytes]], right: list[list[bytes]], rule: Rule) -> bool:
    """Accept lines in any order, or tokens in any order inside each line; never both at once."""
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
#
# What is compared is walked along the expected value, which is a tree: a result whose parts are shared (a tree node that
# is both children of its parent, a table that describes a set of tuples of tuples) never costs more than that.

MOST_PARTS: Final = 2_000_000
PARTS_PER_EXPECTED: Final = 8  # a number in the driver's table takes two brackets, a comma and its place in a list


class ResultTooLargeError(Exception):
    """A result has so many parts that reading it would cost the supervisor its memory."""


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value of a kind that does not travel between processes; it equals nothing that is expected."""

    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class Unordered:
    """The elements of a set, in no order."""

    items: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """The keys and values of a mapping."""

    items: list[tuple[Any, Any]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Nodes:
    """A node of a linked list or of a tree; one without fields is an empty list or tree."""

    is_tree: bool
    fields: dict[str, Any] = field(default_factory=dict)


def read_result(data: bytes, expected: str, *, is_table: bool) -> Any:  # noqa: ANN401 - any value
    """Read what a function returned: JSON, or the driver's flat table of values.

    Raises
    ------
    ResultTooLargeError
        When it has many more parts than the expected result.
    ValueError
        When it is neither; a candidate may write anything.
    """
    parts = sum(map(data.count, (b"[", b"{", b",")))
    if parts > MOST_PARTS + PARTS_PER_EXPECTED * sum(map(expected.count, "[{,")):
        message = f"the result has {parts} parts, where {MOST_PARTS} more than expected are read"
        raise ResultTooLargeError(message)
    if not is_table:
        return expected_value(data.decode())
    try:
        value = json.loads(data, parse_int=_integer)
    except RecursionError as error:
        message = "the result is nested too deeply"
        raise ValueError(message) from error
    return value["plain"] if isinstance(value, dict) and len(value) == 1 and "plain" in value else unflatten(value)


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
    if _equal(actual, expected, rule):
        return True
    return rule.unwrap and isinstance(expected, list) and _equal(actual, expected[0], rule)


def _equal(actual: Any, expected: Any, rule: Rule) -> bool:  # noqa: ANN401
    """Compare along the expected value, without recursion: it may be nested as deeply as JSON can be."""
    todo = [(actual, expected)]
    while todo:
        parts = _parts(*todo.pop(), rule)
        if parts is None:
            return False
        todo += parts
    return True


def _parts(left: Any, right: Any, rule: Rule) -> Iterable[tuple[Any, Any]] | None:  # noqa: ANN401
    """Return the pairs that still have to be equal; nothing where two values differ."""
    if isinstance(left, Nodes):
        if right is None and not left.fields:
            return ()
        left = _values_of(left, len(right) if isinstance(right, list) else 0)
    if isinstance(right, list) and isinstance(left, list | Unordered):
        items = left if isinstance(left, list) else left.items
        if len(items) != len(right):
            return None
        if isinstance(left, list) and not rule.any_order:
            return zip(items, right, strict=True)
        return () if rule.any_order and _same_elements(left, right, rule) else None
    if isinstance(right, dict):
        named = _named(left)
        return (
            [(named[key], right[key]) for key in right] if named is not None and named.keys() == right.keys() else None
        )
    return () if _equal_scalars(left, right, rule) else None


def _same_elements(actual: list[Any] | Unordered, expected: list[Any], rule: Rule) -> bool:
    """Accept the elements of a list in order, or in any order where they are written the same."""
    if isinstance(actual, list):
        try:
            if all(_equal(left, right, rule) for left, right in zip(actual, expected, strict=True)):
                return True
        except RecursionError:
            return False
    items = actual if isinstance(actual, list) else actual.items
    if not _is_smaller(
        items, 16 + 4 * _count(expected)
    ):  # a node of a list has four parts: itself, its value and its next
        return False
    try:
        return sorted(map(_written, items)) == sorted(map(_written, expected))
    except (RecursionError, ValueError):
        return False


def _count(expected: Any) -> int:  # noqa: ANN401
    """Count the parts of an expected value."""
    todo, count = [expected], 0
    while todo:
        each = todo.pop()
        count += 1
        todo += each if isinstance(each, list) else each.values() if isinstance(each, dict) else ()
    return count


def _is_smaller(actual: Any, most: int) -> bool:  # noqa: ANN401
    """Say whether a result, whose parts may be shared, is written with at most so many parts."""
    todo, count = [actual], 0
    while todo:
        each = todo.pop()
        count += 1
        if count > most:
            return False
        if isinstance(each, Unordered | Pairs):
            todo += each.items
        elif isinstance(each, list | tuple):
            todo += each
        elif isinstance(each, dict):
            todo += each.values()
        elif isinstance(each, Nodes):
            todo += each.fields.values()
    return True


def _written(value: Any) -> str:  # noqa: ANN401
    """Write a value so that equal ones are written the same."""
    return json.dumps(value, sort_keys=True, default=_as_json)


def _as_json(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Unordered):
        return sorted(map(_written, value.items))
    if isinstance(value, Nodes):
        return _values_of(value, MOST_PARTS)
    named = _named(value)
    return str(value) if named is None else named


def _equal_scalars(actual: Any, expected: Any, rule: Rule) -> bool:  # noqa: ANN401
    if isinstance(actual, bool) or isinstance(expected, bool):
        return actual is expected
    if isinstance(actual, float) or isinstance(expected, float):
        return _equal_numbers(actual, expected, DEFAULT_TOLERANCE if rule.tolerance is None else rule.tolerance)
    if isinstance(actual, str) and isinstance(expected, str) and rule.ignore_case:
        return actual.lower() == expected.lower()
    return type(actual) is type(expected) and bool(actual == expected)


def _equal_numbers(actual: Any, expected: Any, tolerance: float) -> bool:  # noqa: ANN401
    if not isinstance(actual, int | float) or not isinstance(expected, int | float):
        return False
    try:
        if math.isnan(actual) or math.isnan(expected):
            return math.isnan(actual) and math.isnan(expected)
        if actual == expected:
            return True
        return math.isfinite(expected) and abs(actual - expected) <= tolerance * max(1.0, abs(expected))
    except OverflowError:
        return False


def _named(mapping: Any) -> dict[str, Any] | None:  # noqa: ANN401
    """Return a mapping by its keys as JSON would write them; nothing where it is not a mapping."""
    if isinstance(mapping, dict):
        return mapping
    return {_key(key): value for key, value in mapping.items} if isinstance(mapping, Pairs) else None


def _key(key: Any) -> str:  # noqa: ANN401
    """Write a key as JSON would, a tuple of scalars as Python does."""
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, bool | int | float):
        return json.dumps(key)
    if isinstance(key, list) and all(each is None or isinstance(each, bool | int | float | str) for each in key):
        return str(tuple(key))
    return f"a key of the kind {type(key).__name__}"


def unflatten(rows: Any) -> Any:  # noqa: ANN401 - hostile JSON in, a plain value out
    """Rebuild a value from the driver's flat table, without recursion; shared parts stay shared, cycles stay cycles.

    Raises
    ------
    ValueError
        When the table is not one; a candidate may write anything.
    """
    try:
        built = [_empty(kind, payload) for kind, payload in rows]
        for (kind, payload), value in zip(rows, built, strict=True):
            _fill(kind, payload, value, built)
        return built[0]
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        message = f"not a table of values: {error}"
        raise ValueError(message) from error


def _empty(kind: str, payload: Any) -> Any:  # noqa: ANN401, PLR0911 - one return per kind
    if kind == "v" and (payload is None or isinstance(payload, bool | int | str)):
        return payload
    if kind in {"l", "t"}:
        return []
    if kind == "s":
        return Unordered()
    if kind == "d":
        return Pairs()
    if kind == "n":
        return Nodes(payload[0] == "TreeNode")
    if kind == "i":
        return _integer(payload)
    if kind == "f":
        return float(payload)
    if kind == "b":
        return bytes.fromhex(payload)
    return complex(float(payload[0]), float(payload[1])) if kind == "c" else Opaque(str(payload)[:100])


def _fill(kind: str, payload: Any, value: Any, built: list[Any]) -> None:  # noqa: ANN401
    if kind in {"l", "t"}:
        value += [built[each] for each in payload]
    elif kind == "s":
        value.items.extend(built[each] for each in payload)
    elif kind == "d":
        value.items.extend((built[key], built[each]) for key, each in payload)
    elif kind == "n":
        value.fields.update({str(name): built[each] for name, each in payload[1]})


def _values_of(root: Nodes, most: int) -> list[Any]:
    """Write a linked list or a tree as LeetCode does: its values, level by level, null for a missing child.

    It ends after ``most`` values and one more, so that a cycle and a tree of shared nodes end.
    """
    out: list[Any] = []
    last = 0  # trailing nulls of a tree are not written
    queue: deque[Any] = deque([root] if root.fields else [])
    while queue and last <= most:
        node = queue.popleft()
        is_node = isinstance(node, Nodes)
        out.append(node.fields.get("val") if is_node else None)
        if is_node:
            last = len(out)
            following = ("left", "right") if root.is_tree else ("next",)
            children = [node.fields.get(name) for name in following]
            queue.extend(children if root.is_tree else [each for each in children if isinstance(each, Nodes)])
    return out[:last]
