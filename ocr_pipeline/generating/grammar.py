"""The grammar of a problem's input: lines of fields, lists that a number counts, blocks of lines that repeat.

A grammar reads a text into a tree and writes a tree as text; :func:`refusal` says why a text is not an input. A tree
has the shape of the grammar: a line is the list of its parts' values, a list is a list, a block is the list of its
rounds. How a grammar is found is the business of ``inferring.py``, and what is put into one of ``making.py``.
"""

from __future__ import annotations

import itertools
import random
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

__all__ = [
    "Apart",
    "Arranged",
    "Block",
    "Constraint",
    "Field",
    "Grammar",
    "Item",
    "Kind",
    "Line",
    "Linear",
    "Order",
    "Refusal",
    "RefusedError",
    "Rows",
    "Series",
    "Tree",
    "columns",
    "fields_of",
    "is_prime",
    "places_of",
    "read",
    "refusal",
    "rounds_of",
    "rows_of",
    "unusual",
    "with_constraint",
    "write",
]

INTEGER: Final = re.compile(r"0|-?[1-9]\d{0,4000}")
DECIMAL: Final = re.compile(r"-?(?:0|[1-9]\d{0,30})(?:\.\d{1,30})?")
Tree = list[Any]


class Kind(StrEnum):
    """What a field holds."""

    INTEGER = "integer"
    DECIMAL = "decimal"
    WORD = "word"
    """Characters without a space."""
    TEXT = "text"
    """A whole line, spaces included."""


class Refusal(StrEnum):
    """Why a text is not an input."""

    SHAPE = "shape"
    """Lines, fields or white space are not those of the grammar."""
    BOUNDS = "bounds"
    """A value is outside of the bounds of the statement."""
    CONSTRAINT = "constraint"
    """Values do not go together: equal where they must differ, not sorted, no tree."""


class RefusedError(Exception):
    """A text is not an input; the first argument is a :class:`Refusal`, the second says what was found."""


@dataclass(frozen=True, slots=True)
class Linear:
    """A number that another one decides: ``times * value + plus``; without a field it is ``plus``."""

    plus: int = 0
    field: int | None = None
    times: int = 1

    def value(self, known: Mapping[int, int]) -> int | None:
        """Return the number, or ``None`` where the field is not known."""
        if self.field is None:
            return self.plus
        return self.times * known[self.field] + self.plus if self.field in known else None


@dataclass(frozen=True, slots=True)
class Field:
    """One value: what it is, and between what."""

    number: int
    """Its name inside the grammar."""
    kind: Kind
    lows: tuple[Linear, ...] = ()
    highs: tuple[Linear, ...] = ()
    """Bounds of a number, or of the length of a text, all of which hold; none: the statement gives none."""
    unlike: tuple[int, ...] = ()
    """Fields before it whose values it does not have."""
    is_prime: bool = False
    is_above: bool = False
    """A decimal is never its lower bound itself."""
    seen: tuple[int, int] = (0, 0)
    """The smallest and the largest number, or length, of the known inputs."""
    alphabet: str = ""
    """Characters of a text; none: any."""
    decimals: int = 0
    name: str = ""
    """What the statement calls it, where that is known."""

    def bounds(self, known: Mapping[int, int]) -> tuple[int | None, int | None]:
        """Return the narrowest bounds, as far as they are known."""
        lows = [value for low in self.lows if (value := low.value(known)) is not None]
        highs = [value for high in self.highs if (value := high.value(known)) is not None]
        return max(lows, default=None), min(highs, default=None)


@dataclass(frozen=True, slots=True)
class Series:
    """A list on one line."""

    field: Field
    count: Linear


@dataclass(frozen=True, slots=True)
class Line:
    """One line; without parts it is empty."""

    parts: tuple[Field | Series, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Items that are repeated."""

    count: Linear
    items: tuple[Item, ...]


Item = Line | Block


@dataclass(frozen=True, slots=True)
class Order:
    """What holds between the values of a list or of a column of a block."""

    field: int
    is_distinct: bool = False
    direction: int = 0
    """1: they never fall; -1: they never rise."""
    most_sum: Linear | None = None
    """Their sum is at most this."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What holds between the rounds of a block that name two ends: edges of a graph."""

    left: int
    right: int
    is_distinct: bool = False
    """No pair twice, in either order."""
    nodes: Linear | None = None
    """They connect so many nodes."""
    is_tree: bool = False
    first: int = 1
    """Number of the first node."""
    is_transitive: bool = False
    """Two nodes that are joined to a third one are joined to each other."""


@dataclass(frozen=True, slots=True)
class Apart:
    """No two rounds of a block have the same values in these fields of its line."""

    fields: tuple[int, ...]


class Arranged(ABC):
    """What a drawn input is changed to obey; kinds of it are in ``holding.py``."""

    __slots__ = ()

    @property
    def touched(self) -> frozenset[int]:
        """The fields that known inputs have in a way of their own: a mutation may keep all of them."""
        return frozenset()

    @abstractmethod
    def holds(self, items: Sequence[Item], tree: Tree) -> bool:
        """Say whether an input obeys it."""

    @abstractmethod
    def arrange(self, items: Sequence[Item], tree: Tree, rng: random.Random) -> bool:
        """Change the values of an input until it obeys; false where it cannot."""


Constraint = Order | Rows | Apart | Arranged


@dataclass(frozen=True, slots=True)
class Grammar:
    """All inputs of a problem."""

    items: tuple[Item, ...]
    constraints: tuple[Constraint, ...] = ()
    habits: tuple[Constraint, ...] = ()
    """What the statement does not say, and the known inputs obey far too often for chance: what is made obeys it too."""
    ends_with_newline: bool = True
    is_strict: bool = True
    """Known inputs have single spaces and nothing else between values."""
    is_ordered: bool = False
    """The statement speaks of the order of lines in a way that nobody here understands: rounds of frozen blocks are not shuffled."""
    may_be_joined: bool = False
    """Whatever is promised of known graphs holds of several beside each other."""
    frozen: frozenset[int] = field(default_factory=frozenset)
    """Fields of which the statement says something that nobody here understands: their values stay as they are known."""


def with_constraint(grammar: Grammar, constraint: Constraint, *, is_habit: bool) -> Grammar:
    """Return the grammar with one more constraint, or habit."""
    if is_habit:
        return replace(grammar, habits=(*grammar.habits, constraint))
    return replace(grammar, constraints=(*grammar.constraints, constraint))


def fields_of(items: Sequence[Item]) -> Iterator[Field]:
    """Yield every field in the order of the input."""
    for item in items:
        if isinstance(item, Block):
            yield from fields_of(item.items)
        else:
            yield from (part.field if isinstance(part, Series) else part for part in item.parts)


# ---- reading ----


@dataclass(slots=True)
class _Reader:
    lines: Sequence[str]
    at: int = 0

    def items(self, items: Sequence[Item], known: dict[int, int]) -> Tree:
        return [self._block(item, known) if isinstance(item, Block) else self._line(item, known) for item in items]

    def _block(self, block: Block, known: dict[int, int]) -> Tree:
        count = block.count.value(known)
        if count is None or count < 0 or count > len(self.lines) - self.at:
            raise RefusedError(Refusal.SHAPE, f"{count} rounds where {len(self.lines) - self.at} lines are left")
        return [self.items(block.items, dict(known)) for _ in range(count)]

    def _line(self, line: Line, known: dict[int, int]) -> Tree:
        if self.at >= len(self.lines):
            raise RefusedError(Refusal.SHAPE, "a line is missing")
        text = self.lines[self.at]
        self.at += 1
        if len(line.parts) == 1 and isinstance(line.parts[0], Field) and line.parts[0].kind is Kind.TEXT:
            return [_value(line.parts[0], text, known)]
        tokens = text.split()
        values: Tree = []
        for part in line.parts:
            if isinstance(part, Field):
                values.append(_value(part, tokens.pop(0) if tokens else "", known))
                continue
            count = part.count.value(known)
            if count is None or not 0 <= count <= len(tokens):
                raise RefusedError(Refusal.SHAPE, f"{len(tokens)} values in line {self.at} where {count} are announced")
            values.append([_value(part.field, token, known) for token in tokens[:count]])
            del tokens[:count]
        if tokens:
            raise RefusedError(Refusal.SHAPE, f"line {self.at} has more values than announced")
        return values


def _value(spec: Field, token: str, known: dict[int, int]) -> int | str:
    """Return the value of a token, and remember a number."""
    if spec.kind is Kind.INTEGER:
        if INTEGER.fullmatch(token) is None:
            raise RefusedError(Refusal.SHAPE, f"`{token[:20]}` where an integer is expected")
        number = int(token)
        known[spec.number] = number
        _check_bounds(spec, number, known)
        return number
    if spec.kind is Kind.DECIMAL:
        if DECIMAL.fullmatch(token) is None:
            raise RefusedError(Refusal.SHAPE, f"`{token[:20]}` where a number is expected")
        if len(token.partition(".")[2]) > spec.decimals:
            raise RefusedError(Refusal.BOUNDS, f"`{token[:20]}` has more than {spec.decimals} decimals")
        _check_bounds(spec, Decimal(token), known)
        return token
    if spec.kind is Kind.WORD and (not token or " " in token):
        raise RefusedError(Refusal.SHAPE, "a word is missing")
    if spec.alphabet and set(token) - set(spec.alphabet):
        raise RefusedError(Refusal.SHAPE, f"`{token[:20]}` has characters that the input does not")
    _check_bounds(spec, len(token), known)
    return token


def _check_bounds(spec: Field, number: int | Decimal, known: Mapping[int, int]) -> None:
    low, high = spec.bounds(known)
    if (low is not None and (number < low or (spec.is_above and number == low))) or (
        high is not None and number > high
    ):
        raise RefusedError(Refusal.BOUNDS, f"{spec.name or 'a value'} = {str(number)[:30]} is not in [{low}, {high}]")
    if any(known.get(other) == number for other in spec.unlike):
        raise RefusedError(Refusal.CONSTRAINT, f"{spec.name or 'a value'} = {str(number)[:30]} is taken already")
    if spec.is_prime and not is_prime(int(number)):
        raise RefusedError(Refusal.CONSTRAINT, f"{spec.name or 'a value'} = {str(number)[:30]} is not a prime")


def is_prime(number: int) -> bool:
    """Say whether a number is a prime; sure below 3.3e24 (Miller and Rabin with the first thirteen primes)."""
    primes = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41)
    if number < 2 or any(number % prime == 0 for prime in primes):  # noqa: PLR2004 - the first prime
        return number in primes
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in primes:
        value = pow(base, odd, number)
        if value in {1, number - 1}:
            continue
        for _ in range(twos - 1):
            value = value * value % number
            if value == number - 1:
                break
        else:
            return False
    return True


def read(grammar: Grammar, text: str) -> Tree:
    """Read an input.

    Raises
    ------
    RefusedError
        When it is none.
    """
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    elif grammar.ends_with_newline:
        raise RefusedError(Refusal.SHAPE, "the last line does not end")
    reader = _Reader(lines)
    tree = reader.items(grammar.items, {})
    if reader.at < len(lines):
        raise RefusedError(Refusal.SHAPE, f"{len(lines) - reader.at} lines too many")
    if grammar.is_strict and write(grammar, tree) != (text if grammar.ends_with_newline else text.rstrip("\n") + "\n"):
        raise RefusedError(Refusal.SHAPE, "white space where none is expected")
    for constraint in grammar.constraints:
        if not _holds(constraint, grammar, tree):
            raise RefusedError(Refusal.CONSTRAINT, _told(constraint, grammar))
    return tree


def refusal(grammar: Grammar, text: str) -> tuple[Refusal, str] | None:
    """Return why a text is not an input, or ``None``."""
    try:
        read(grammar, text)
    except RefusedError as refused:
        return refused.args[0], refused.args[1]
    return None


def unusual(grammar: Grammar, text: str) -> tuple[Refusal, str] | None:
    """Return why a text is not an input, or not one as the known ones are; ``None`` where it is."""
    return refusal(replace(grammar, constraints=(*grammar.constraints, *grammar.habits)), text)


def write(grammar: Grammar, tree: Tree) -> str:
    """Write a tree as text."""
    return "".join(f"{line}\n" for line in _lines(grammar.items, tree))


def _lines(items: Sequence[Item], tree: Tree) -> Iterator[str]:
    for item, value in zip(items, tree, strict=True):
        if isinstance(item, Block):
            for each in value:
                yield from _lines(item.items, each)
        else:
            tokens: list[str] = []
            for part, given in zip(item.parts, value, strict=True):
                tokens += map(str, given) if isinstance(part, Series) else [str(given)]
            yield " ".join(tokens)


# ---- constraints ----


def columns(items: Sequence[Item], tree: Tree) -> Iterator[tuple[int, list[Any]]]:
    """Yield the values of each list, and of each column of each block, with the number of its field."""
    for item, value in zip(items, tree, strict=True):
        if isinstance(item, Line):
            for part, given in zip(item.parts, value, strict=True):
                if isinstance(part, Series):
                    yield part.field.number, given
            continue
        for place, inner in enumerate(item.items):
            if isinstance(inner, Line):
                for at, part in enumerate(inner.parts):
                    if isinstance(part, Field):
                        yield part.number, [each[place][at] for each in value]
        for each in value:
            yield from columns(item.items, each)


def places_of(
    items: Sequence[Item], tree: Tree, fields: Sequence[int]
) -> Iterator[list[list[tuple[list[Any], int, int]]]]:
    """Yield for each block whose line has these fields where their values are, round by round, and the field of each."""
    for item, value in zip(items, tree, strict=True):
        if isinstance(item, Line):
            continue
        for place, inner in enumerate(item.items):
            if isinstance(inner, Line):
                at = [
                    (spot, part.number)
                    for spot, part in enumerate(inner.parts)
                    if isinstance(part, Field) and part.number in fields
                ]
                if len(at) == len(fields):
                    yield [[(each[place], spot, number) for spot, number in at] for each in value]
        for each in value:
            yield from places_of(item.items, each, fields)


def rounds_of(items: Sequence[Item], tree: Tree, fields: Sequence[int]) -> Iterator[list[tuple[Any, ...]]]:
    """Yield for each block whose line has these fields their values, round by round."""
    for rounds in places_of(items, tree, fields):
        yield [tuple(holder[spot] for holder, spot, _ in places) for places in rounds]


def rows_of(
    items: Sequence[Item], tree: Tree, left: int, right: int
) -> Iterator[tuple[list[tuple[Any, Any]], dict[int, int]]]:
    """Yield the pairs of two fields of one line, by the block that they are in, with the numbers known before it."""
    known: dict[int, int] = {}
    yield from _rows_of(items, tree, left, right, known)


def _rows_of(
    items: Sequence[Item], tree: Tree, left: int, right: int, known: dict[int, int]
) -> Iterator[tuple[list[tuple[Any, Any]], dict[int, int]]]:
    for item, value in zip(items, tree, strict=True):
        if isinstance(item, Line):
            places = {part.number: at for at, part in enumerate(item.parts) if isinstance(part, Field)}
            known.update({number: value[at] for number, at in places.items() if isinstance(value[at], int)})
            if left in places and right in places:
                yield [(value[places[left]], value[places[right]])], known
            continue
        found: list[tuple[Any, Any]] = []
        for each in value:
            for pairs, _ in _rows_of(item.items, each, left, right, dict(known)):
                if any(isinstance(inner, Line) and _has(inner, left) for inner in item.items):
                    found += pairs
                else:
                    yield pairs, known
        if found:
            yield found, known


def _has(line: Line, number: int) -> bool:
    return any(isinstance(part, Field) and part.number == number for part in line.parts)


def _holds(constraint: Constraint, grammar: Grammar, tree: Tree) -> bool:
    if isinstance(constraint, Order):
        return all(
            _ordered(constraint, values)
            for number, values in columns(grammar.items, tree)
            if number == constraint.field
        )
    if isinstance(constraint, Arranged):
        return constraint.holds(grammar.items, tree)
    if isinstance(constraint, Apart):
        return all(len(set(rounds)) == len(rounds) for rounds in rounds_of(grammar.items, tree, constraint.fields))
    pairs = rows_of(grammar.items, tree, constraint.left, constraint.right)
    return all(_is_graph(constraint, each, known) for each, known in pairs)


def _ordered(order: Order, values: Sequence[Any]) -> bool:
    if order.is_distinct and len(set(values)) != len(values):
        return False
    numbers = [
        Decimal(value) if isinstance(value, str) and order.direction and DECIMAL.fullmatch(value) else value
        for value in values
    ]
    if order.direction and any(order.direction * _sign(left, right) < 0 for left, right in itertools.pairwise(numbers)):
        return False
    most = order.most_sum.value({}) if order.most_sum else None
    return most is None or sum(values) <= most


def _sign(left: Any, right: Any) -> int:  # noqa: ANN401 - integers, decimals or texts
    return int(right > left) - int(right < left)


def _is_graph(rows: Rows, pairs: Sequence[tuple[int, int]], known: Mapping[int, int]) -> bool:
    if rows.is_distinct and len({(min(pair), max(pair)) for pair in pairs}) != len(pairs):
        return False
    if rows.is_transitive and not _is_transitive(pairs):
        return False
    nodes = rows.nodes.value(known) if rows.nodes else None
    if nodes is None:
        return True
    parent = list(range(nodes))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    parts = nodes
    for left, right in pairs:
        if not (0 <= left - rows.first < nodes and 0 <= right - rows.first < nodes):
            return False
        one, other = root(left - rows.first), root(right - rows.first)
        parts -= one != other
        parent[one] = other
    return parts <= 1 and (not rows.is_tree or len(pairs) == nodes - 1)


def _is_transitive(pairs: Sequence[tuple[int, int]]) -> bool:
    """Say whether every node has the same neighbours, itself among them, as its neighbours have."""
    near: dict[int, set[int]] = {}
    for left, right in pairs:
        near.setdefault(left, {left}).add(right)
        near.setdefault(right, {right}).add(left)
    return all(near[left] == near[right] for left, right in pairs)


def _told(constraint: Constraint, grammar: Grammar) -> str:
    names = {each.number: each.name or "a value" for each in fields_of(grammar.items)}
    if isinstance(constraint, Order):
        return f"the values of {names[constraint.field]} are not distinct, not sorted or their sum is too large"
    if isinstance(constraint, Arranged):
        return "what the statement promises is not kept under every reading"
    if isinstance(constraint, Apart):
        return "two rounds of a block are the same"
    return f"the pairs of {names[constraint.left]} and {names[constraint.right]} are not distinct, not connected or not a tree"
