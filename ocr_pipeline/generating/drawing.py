"""Draws one input out of a grammar: values of a style, within bounds, with what holds between them.

Everything comes from a seeded generator, or is counted through, so the same grammar, style and seed give the same input.
An input that breaks a constraint is not repaired for long: the gate refuses it. Which inputs are wanted says ``making.py``.
"""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, Self

from ocr_pipeline.generating.fields import all_values
from ocr_pipeline.generating.grammar import (
    Apart,
    Arranged,
    Block,
    Field,
    Grammar,
    Item,
    Kind,
    Line,
    Order,
    Rows,
    Series,
    Tree,
    fields_of,
    is_prime,
    places_of,
)
from ocr_pipeline.generating.graphs import drawn_edges, drawn_parts, edges_of, joined_parts, nodes_of, paired_counts

__all__ = [
    "CHANGED",
    "PLAIN_VALUES",
    "SMALL",
    "SMALL_VALUES",
    "TOKEN_BYTES",
    "TRIES",
    "Chooser",
    "Draw",
    "Frame",
    "ImpossibleError",
    "Style",
    "Values",
]

SMALL: Final = 5
NEAR: Final = 3
TOKEN_BYTES: Final = 12
TRIES: Final = 40
SMALL_VALUES: Final = 3
MOST_BITS: Final = (10, 32, 1 << 20)
MULTIPLE: Final = 5_040
"""A number with many divisors."""
CHANGED: Final = (0.15, 0.5, 1.0)
"""Shares of a known input's values that are drawn anew."""
PAIRED: Final = 0.8
MOST_KNOWN: Final = 100
MOST_COMBINATIONS: Final = 4_096


class ImpossibleError(Exception):
    """Bounds and constraints leave no value: another draw may."""


class Values(StrEnum):
    """Which values are drawn."""

    UNIFORM = "uniform"
    LOW = "low"
    HIGH = "high"
    EDGES = "edges"
    FEW = "few"
    EQUAL = "equal"
    RISING = "rising"
    FALLING = "falling"
    SPECIAL = "special"
    """Where arithmetic goes wrong: powers and their neighbours, squares, primes, the end of 32 bits."""


PLAIN_VALUES: Final = (
    Values.UNIFORM,
    Values.LOW,
    Values.FEW,
    Values.EDGES,
    Values.HIGH,
    Values.EQUAL,
    Values.SPECIAL,
)


@dataclass(frozen=True, slots=True)
class Style:
    """How large, and with which values, an input is made."""

    most: int
    """Most rounds or values that a count may say."""
    values: Values = Values.UNIFORM
    is_full: bool = False
    """Counts are as large as they may be."""
    fixed: Mapping[int, bool] = field(default_factory=dict)
    """Fields at their upper bound (true) or lower bound (false)."""
    mixed: Mapping[int, Values] = field(default_factory=dict)
    """Values of single fields that are of another style than the rest."""
    changed: float = CHANGED[0]
    """Share of a known input's values that are drawn anew."""
    kept: frozenset[int] = frozenset()
    """Fields that stay as they are in the known input."""


class Chooser:
    """Counts through all choices that are asked for, one after the other."""

    def __init__(self, values: int) -> None:
        self.values = values
        """Small numbers that are tried for each field."""
        self._path: list[list[int]] = []
        self._at = 0

    def choose(self, options: int) -> int:
        """Return the present choice among so many."""
        if self._at == len(self._path):
            self._path.append([0, options])
        self._at += 1
        return self._path[self._at - 1][0]

    def advance(self) -> bool:
        """Go to the next combination; false when there is none."""
        self._at = 0
        while self._path:
            self._path[-1][0] += 1
            if self._path[-1][0] < self._path[-1][1]:
                return True
            self._path.pop()
        return False


@dataclass(frozen=True, slots=True)
class Frame:
    """What is the same for all draws of a problem."""

    grammar: Grammar
    most: int
    """Most rounds or values of the largest input."""
    trims: bool
    """Known inputs have no zeros at the end of decimals."""
    counted: Mapping[int, Sequence[Series | Block | Field]]
    """What each count counts."""
    frozen: frozenset[int]
    """Fields whose values stay as they are known, with the counts of the lists that they are in."""
    sides: Mapping[int, int]
    """Counts of rows and of what is in each, so that their product is the size; with the bytes of a value."""
    known: Mapping[int, Sequence[int]]
    """Numbers that known inputs have in a field."""
    paired: frozenset[int]
    """Counts of nodes that are mostly even."""

    @classmethod
    def of(cls, grammar: Grammar, known: Sequence[Tree], *, most: int, trims: bool) -> Self:
        """Read what the grammar counts and freezes, and what known inputs have."""
        found: dict[int, dict[int, None]] = {}
        for tree in known:
            for number, value in all_values(grammar.items, tree):
                if isinstance(value, int) and len(found.setdefault(number, {})) < MOST_KNOWN:
                    found[number][value] = None
        numbers = {number: tuple(values) for number, values in found.items()}
        sides = dict(_sides(grammar.items))
        return cls(
            grammar, most, trims, _counted(grammar.items), _frozen(grammar), sides, numbers, paired_counts(grammar)
        )


def _counted(items: Sequence[Item]) -> dict[int, list[Series | Block | Field]]:
    found: dict[int, list[Series | Block | Field]] = {}
    for item in items:
        if isinstance(item, Block):
            if item.count.field is not None:
                found.setdefault(item.count.field, []).append(item)
            for number, more in _counted(item.items).items():
                found.setdefault(number, []).extend(more)
            continue
        for part in item.parts:
            if isinstance(part, Series) and part.count.field is not None:
                found.setdefault(part.count.field, []).append(part)
            elif isinstance(part, Field) and part.kind in {Kind.WORD, Kind.TEXT}:
                for end in part.highs:
                    if end.field is not None:
                        found.setdefault(end.field, []).append(part)
    return found


def _sides(items: Sequence[Item]) -> Iterator[tuple[int, int]]:
    """Yield the counts of blocks that hold lists or texts of a counted length, and those counts."""
    for item in items:
        if not isinstance(item, Block):
            continue
        own = {each.number for each in fields_of(item.items)}
        for number, things in _counted(item.items).items():
            if number not in own:
                size = TOKEN_BYTES if any(isinstance(thing, Series) for thing in things) else 1
                yield from ((each, size) for each in (number, item.count.field) if each is not None)
        yield from _sides(item.items)


def _frozen(grammar: Grammar) -> frozenset[int]:
    """Return the frozen fields, and every count of something that holds one."""
    frozen = set(grammar.frozen)
    for number, things in _counted(grammar.items).items():
        inside = {
            each.number
            for thing in things
            for each in (
                fields_of(thing.items)
                if isinstance(thing, Block)
                else [thing.field if isinstance(thing, Series) else thing]
            )
        }
        if inside & frozen:
            frozen.add(number)
    return frozenset(frozen)


@dataclass(slots=True)
class Draw:
    """One draw: what has been decided so far."""

    frame: Frame
    style: Style
    rng: random.Random
    chooser: Chooser | None
    few: dict[int, list[Any]] = field(default_factory=dict)
    """By field: the values that a style of few or equal values draws from."""
    parts: dict[int, list[int]] = field(default_factory=dict)
    """By the count of edges: the sizes of the parts of their graph."""

    def items(self, items: Sequence[Item], source: Sequence[Any] | None, known: dict[int, int], room: int) -> Tree:
        """Return a tree for items: values of the source where there is one, changed here and there."""
        tree: Tree = []
        for place, item in enumerate(items):
            given = source[place] if source is not None else None
            if isinstance(item, Line):
                tree.append(self._line(item, given, known, room))
                continue
            rounds = item.count.value(known)
            if rounds is None or rounds < 0 or rounds > 4 * self.frame.most:
                raise ImpossibleError
            tree.append(self._block(item, given, known, rounds, max(1, room // max(1, rounds))))
        return tree

    def _block(self, block: Block, given: Sequence[Any] | None, known: dict[int, int], rounds: int, room: int) -> Tree:
        is_new = (
            given is None
            or len(given) != rounds
            or (block.count.field not in self.frame.frozen and self.rng.random() < 0.5)  # noqa: PLR2004
        )
        rows = self._rows(block, known, rounds) if is_new else None
        if given and block.count.field in self.frame.frozen and self._may_shuffle(block) and self.rng.random() < 0.5:  # noqa: PLR2004
            given = self.rng.sample(given, len(given))
        done: Tree = []
        for each in range(rounds):
            own = dict(known)
            source = None
            if given:
                source = given[each] if each < len(given) else self.rng.choice(given)
            made = self.items(block.items, source, own, room)
            if rows is not None:
                self._put(block, made, rows[each])
            done.append(made)
        return done

    def _may_shuffle(self, block: Block) -> bool:
        """Say whether the order of a block's rounds says nothing: no column of it is sorted."""
        inside = {each.number for each in fields_of(block.items)}
        orders = (
            each for each in (*self.frame.grammar.constraints, *self.frame.grammar.habits) if isinstance(each, Order)
        )
        return not self.frame.grammar.is_ordered and not any(each.direction and each.field in inside for each in orders)

    def _put(self, block: Block, made: Tree, ends: tuple[int, int, Rows]) -> None:
        left, right, constraint = ends
        for place, item in enumerate(block.items):
            if isinstance(item, Line):
                for at, part in enumerate(item.parts):
                    if isinstance(part, Field) and part.number in {constraint.left, constraint.right}:
                        made[place][at] = left if part.number == constraint.left else right

    def _rows(self, block: Block, known: Mapping[int, int], rounds: int) -> list[tuple[int, int, Rows]] | None:
        """Return the ends of all rounds of a block whose rounds are edges."""
        constraint = edges_of(self.frame.grammar, block)
        nodes = 0 if constraint is None else nodes_of(constraint, block, known)
        if constraint is None or self.chooser or not 0 < nodes <= 4 * self.frame.most:
            return None
        if constraint.is_transitive:
            pairs = joined_parts(self.parts.get(block.count.field or 0, ()), self.rng)
        else:
            pairs = drawn_edges(constraint, nodes, rounds, self.rng)
        if len(pairs) != rounds:
            raise ImpossibleError
        right = next(each for each in fields_of(block.items) if each.number == constraint.right)
        if any(low.field == constraint.left for low in right.lows):
            pairs = [(min(pair), max(pair)) for pair in pairs]
        elif any(high.field == constraint.left for high in right.highs):
            pairs = [(max(pair), min(pair)) for pair in pairs]
        return [(one + constraint.first, other + constraint.first, constraint) for one, other in pairs]

    def _edges_of_parts(self, count: int, known: Mapping[int, int], low: int, high: int) -> int | None:
        """Return how many edges parts have that join all their nodes, drawn here; ``None`` where a count says other things."""
        for thing in self.frame.counted.get(count, ()):
            constraint = edges_of(self.frame.grammar, thing) if isinstance(thing, Block) else None
            if not isinstance(thing, Block) or constraint is None or not constraint.is_transitive:
                continue
            nodes = nodes_of(constraint, thing, known)
            sizes = drawn_parts(nodes, high, self.rng) if 0 < nodes <= 4 * self.frame.most else []
            edges = sum(size * (size - 1) // 2 for size in sizes)
            if sizes and low <= edges <= high:
                self.parts[count] = sizes
                return edges
        return None

    def _line(self, line: Line, given: Sequence[Any] | None, known: dict[int, int], room: int) -> Tree:
        values: Tree = []
        for place, part in enumerate(line.parts):
            source = given[place] if given is not None else None
            if isinstance(part, Series):
                count = part.count.value(known)
                if count is None or count < 0 or count > 4 * self.frame.most:
                    raise ImpossibleError
                values.append(self._series(part.field, source, count, known))
                continue
            value = self._value(part, source, known, room)
            if isinstance(value, int):
                known[part.number] = value
            values.append(value)
        return values

    def _series(self, spec: Field, source: Sequence[Any] | None, count: int, known: Mapping[int, int]) -> list[Any]:
        if source is None:
            return [self._value(spec, None, known, 1) for _ in range(count)]
        kept = list(source[:count])
        while len(kept) < count:
            kept.append(self.rng.choice(source) if source else self._value(spec, None, known, 1))
        if spec.number not in self.frame.frozen and kept and self.rng.random() < 0.3:  # noqa: PLR2004
            kept = self.rng.choice(
                (sorted, lambda all_: sorted(all_, reverse=True), lambda all_: [all_[0]] * len(all_))
            )(kept)
        return [self._value(spec, value, known, 1) for value in kept]

    def _value(self, spec: Field, source: Any, known: Mapping[int, int], room: int) -> Any:  # noqa: ANN401 - int or str
        if spec.number in self.frame.frozen:
            if source is None:
                raise ImpossibleError
            return source
        if source is not None and (spec.number in self.style.kept or self.rng.random() > self.style.changed):
            is_integer = spec.kind is Kind.INTEGER
            low, high = self._range(spec, known, room) if is_integer else spec.bounds(known)
            size = source if is_integer else len(str(source))
            if spec.kind is Kind.DECIMAL or ((low is None or low <= size) and (high is None or size <= high)):
                return source
        if spec.kind is Kind.INTEGER:
            return self._integer(spec, source, known, room)
        return self._decimal(spec, known) if spec.kind is Kind.DECIMAL else self._text(spec, source, known)

    def _range(self, spec: Field, known: Mapping[int, int], room: int) -> tuple[int, int]:
        low, high = spec.bounds(known)
        low = (min(spec.seen[0], high) if high is not None else spec.seen[0]) if low is None else low
        high = max(spec.seen[1], low) if high is None else high
        for thing in self.frame.counted.get(spec.number, ()):
            low, high = self._count_range(spec, thing, low, high, known, room)
        if low > high:
            raise ImpossibleError
        return low, high

    def _count_range(
        self, spec: Field, thing: Series | Block | Field, low: int, high: int, known: Mapping[int, int], room: int
    ) -> tuple[int, int]:
        """Narrow a count to what fits, and to what its list can hold."""
        most = min(self.style.most, max(1, room))
        if self.style.is_full and spec.number in self.frame.sides:
            most = min(most, math.isqrt(self.frame.most * TOKEN_BYTES // self.frame.sides[spec.number]))
        if isinstance(thing, Block) and any(each.number in self.frame.counted for each in fields_of(thing.items)):
            most = max(1, min(most, 4 if self.style.is_full else SMALL))
        high = min(high, max(low, most))
        for constraint in self.frame.grammar.constraints:
            if (
                isinstance(constraint, Rows)
                and isinstance(thing, Block)
                and any(each.number == constraint.left for each in fields_of(thing.items))
            ):
                nodes = constraint.nodes.value(known) if constraint.nodes else None
                if nodes is not None and constraint.nodes and constraint.nodes.field != spec.number:
                    low = max(low, nodes - 1 - thing.count.plus)
                    high = max(low, min(high, nodes * (nodes - 1) // 2)) if constraint.is_distinct else max(low, high)
            if (
                isinstance(constraint, Order)
                and constraint.is_distinct
                and isinstance(thing, Series)
                and thing.field.number == constraint.field
            ):
                ends = thing.field.bounds(known)
                if None not in ends and spec.number not in {end.field for end in thing.field.highs}:
                    high = min(high, max(low, ends[1] - ends[0] + 1))  # type: ignore[operator]
        return low, high

    def _integer(self, spec: Field, source: Any, known: Mapping[int, int], room: int) -> int:  # noqa: ANN401
        low, high = self._range(spec, known, room)
        is_count = spec.number in self.frame.counted
        edges = self._edges_of_parts(spec.number, known, low, high) if is_count and not self.chooser else None
        if edges is not None:
            return edges
        for _ in range(TRIES):
            value = self._one_integer(spec, source, low, high, is_count=is_count)
            if spec.number in self.frame.paired and value > low and not self.chooser and self.rng.random() < PAIRED:
                value -= value % 2
            if spec.is_prime:
                value = _prime_near(value, low, high)
            if all(known.get(other) != value for other in spec.unlike):
                return value
            source = None
            if self.chooser:
                raise ImpossibleError
        raise ImpossibleError

    def _one_integer(self, spec: Field, source: Any, low: int, high: int, *, is_count: bool) -> int:  # noqa: ANN401
        rng = self.rng
        if self.chooser:
            options = [
                *range(low, min(high, low + self.chooser.values - 1) + 1),
                *([] if is_count or high < low + self.chooser.values else [high]),
            ]
            return int(options[self.chooser.choose(len(options))])
        if spec.number in self.style.fixed:
            return high if self.style.fixed[spec.number] else low
        if source is not None:
            chance, other = rng.random(), rng.choice(self.frame.known.get(spec.number, (source,)))
            if chance < 0.25 and not is_count and low <= other <= high:  # noqa: PLR2004 - what another known input has here
                return int(other)
            if chance < 0.7:  # noqa: PLR2004 - most changes are small ones
                return min(high, max(low, int(source) + rng.choice((-1, 1, -2, 2))))
        if is_count:
            return high if self.style.is_full else rng.randint(low, high)
        return self._styled(spec, low, high)

    def _styled(self, spec: Field, low: int, high: int) -> int:
        """Return a number as the style wants it."""
        rng, values = self.rng, self.style.mixed.get(spec.number, self.style.values)
        if values is Values.SPECIAL:
            return _special(rng, low, high)
        if values is Values.LOW:
            return rng.randint(low, min(high, low + NEAR))
        if values is Values.HIGH:
            return rng.randint(max(low, high - NEAR), high)
        if values is Values.EDGES:
            edges = {low, low + 1, high - 1, high, 0, 1, -1, (low + high) // 2}
            return rng.choice(sorted(each for each in edges if low <= each <= high))
        if values in {Values.FEW, Values.EQUAL}:
            few = self.few.setdefault(spec.number, [])
            if not few:
                few += [rng.randint(low, high) for _ in range(1 if values is Values.EQUAL else 3)]
            return int(min(high, max(low, rng.choice(few))))
        return rng.randint(low, high) if rng.random() < 0.5 else _log_uniform(rng, low, high)  # noqa: PLR2004

    def _decimal(self, spec: Field, known: Mapping[int, int]) -> str:
        low, high = spec.bounds(known)
        places = spec.decimals if self.rng.random() < 0.5 else min(2, spec.decimals)  # noqa: PLR2004
        places = min(places, 12)
        scale = 10**places
        least = (spec.seen[0] if low is None else low) * scale
        most = (max(spec.seen[1], spec.seen[0]) if high is None else high) * scale
        inner = replace(spec, kind=Kind.INTEGER, unlike=())
        number = self._one_integer(inner, None, least, max(least, most), is_count=False)
        whole, part = divmod(abs(number), scale)
        sign = "-" if number < 0 else ""
        text = f"{sign}{whole}.{part:0{places}d}" if places else f"{sign}{whole}"
        return (
            text.rstrip("0").rstrip(".")
            if self.frame.trims and part
            else f"{sign if whole else ''}{whole}"
            if self.frame.trims
            else text
        )

    def _text(self, spec: Field, source: Any, known: Mapping[int, int]) -> str:  # noqa: ANN401 - a text or nothing
        rng = self.rng
        low, high = spec.bounds(known)
        low = (min(spec.seen[0], high) if high is not None else spec.seen[0]) if low is None else low
        high = max(spec.seen[1], low) if high is None else high
        room = max(low, min(high, self.frame.most * TOKEN_BYTES // 2 if self.style.is_full else self.style.most))
        alphabet = (spec.alphabet or "abc").replace(" ", "")
        if low > high or not alphabet or room > 8 * self.frame.most:
            raise ImpossibleError
        if self.chooser:
            size = low + self.chooser.choose(min(SMALL_VALUES, room - low + 1))
            letters = alphabet[:2] if len(alphabet) <= 26 else "ab"  # noqa: PLR2004
            return "".join(letters[self.chooser.choose(len(letters))] for _ in range(min(size, SMALL * 2))) + letters[
                0
            ] * max(0, size - SMALL * 2)
        if source:
            text = _changed(str(source), alphabet, rng)
            if low <= len(text) <= high:
                return text
        size = (
            {True: room, False: low}[self.style.fixed[spec.number]]
            if spec.number in self.style.fixed
            else (room if self.style.is_full else rng.randint(low, room))
        )
        return _spaced(self._written(spec, alphabet, size), spec, rng)

    def _written(self, spec: Field, alphabet: str, size: int) -> str:
        """Return a text as the style wants it: few letters, a palindrome, sorted, periodic, runs."""
        rng, letters, values = self.rng, alphabet, self.style.mixed.get(spec.number, self.style.values)
        if values in {Values.FEW, Values.EDGES, Values.LOW}:
            letters = "".join(rng.sample(alphabet, min(2, len(alphabet))))
        elif values is Values.EQUAL:
            letters = rng.choice(alphabet)
        text = "".join(rng.choices(letters, k=size))
        if values is Values.HIGH:
            text = (text[: (size + 1) // 2] + text[: size // 2][::-1])[:size]
        elif values is Values.RISING:
            text = "".join(sorted(text))
        elif values is Values.FALLING:
            text = (text[: rng.randint(1, 4)] * size)[:size]
        elif values is Values.SPECIAL:
            text = _with_runs(letters, size, rng)
        return text

    # ---- lists ----

    def arrange(self, tree: Tree) -> None:
        """Change values as the constraints, and the style, want them together."""
        self._order(tree)
        for each in (*self.frame.grammar.constraints, *self.frame.grammar.habits):
            if isinstance(each, Apart) and not self.frame.frozen & set(each.fields):
                self._part(each, tree)
            if isinstance(each, Arranged) and not each.arrange(self.frame.grammar.items, tree, self.rng):
                raise ImpossibleError

    def _part(self, apart: Apart, tree: Tree) -> None:
        """Draw rounds anew that are there already; where they can be counted, from those that are left."""
        specs = {each.number: each for each in fields_of(self.frame.grammar.items)}
        plain = replace(self, style=Style(self.style.most))
        for rounds in places_of(self.frame.grammar.items, tree, apart.fields):
            seen = Counter(tuple(holder[at] for holder, at, _ in places) for places in rounds)
            left = None if seen.total() == len(seen) else _combinations([specs[number] for _, _, number in rounds[0]])
            if left is not None:
                options = sorted(set(left) - set(seen))
                left = self.rng.sample(options, len(options))
            for places in rounds:
                now = tuple(holder[at] for holder, at, _ in places)
                if seen[now] == 1:
                    continue
                seen[now] -= 1
                if left is not None and not left:
                    raise ImpossibleError
                fresh = left.pop() if left else [plain._value(specs[number], None, {}, 1) for _, _, number in places]  # noqa: SLF001 - its own
                for (holder, at, _), value in zip(places, fresh, strict=True):
                    holder[at] = value
                seen[tuple(fresh)] += 1

    def _order(self, tree: Tree) -> None:
        """Sort and part the values of lists."""
        orders: dict[int, Order] = {}
        for each in (*self.frame.grammar.constraints, *self.frame.grammar.habits):
            if isinstance(each, Order):
                before = orders.get(each.field, each)
                orders[each.field] = replace(
                    each,
                    is_distinct=each.is_distinct or before.is_distinct,
                    direction=each.direction or before.direction,
                    most_sum=each.most_sum or before.most_sum,
                )
        wanted = {Values.RISING: 1, Values.FALLING: -1}.get(self.style.values, 0)
        for spec, values, put in _lists(self.frame.grammar.items, tree):
            order = orders.get(spec.number)
            if spec.number in self.frame.frozen or (order is None and not wanted) or spec.number in self.frame.counted:
                continue
            done = list(values)
            if order and order.is_distinct:
                done = self._distinct(spec, done)
            direction = order.direction if order and order.direction else wanted
            if direction and (order or spec.kind is Kind.INTEGER):
                done.sort(key=_sortable, reverse=direction < 0)
            if done != list(values):
                put(done)

    def _distinct(self, spec: Field, values: list[Any]) -> list[Any]:
        seen: set[Any] = set()
        done = []
        ends = [end for end in (*spec.lows, *spec.highs) if end.field is not None]
        low, high = spec.bounds({end.field: len(values) for end in ends if end.field is not None})
        low = spec.seen[0] if low is None else low
        high = max(spec.seen[1], low) if high is None else high
        if spec.kind is Kind.INTEGER and high - low + 1 < len(values):
            raise ImpossibleError
        for value in values:
            fresh = value
            for _ in range(TRIES):
                if fresh not in seen:
                    break
                fresh = (
                    self.rng.randint(low, high)
                    if spec.kind is Kind.INTEGER
                    else _changed(str(fresh), spec.alphabet or "abc", self.rng)
                )
            if fresh in seen:
                if spec.kind is not Kind.INTEGER or high - low > 8 * self.frame.most:
                    raise ImpossibleError
                fresh = next(each for each in range(low, high + 1) if each not in seen)
            seen.add(fresh)
            done.append(fresh)
        return done


def _combinations(specs: Sequence[Field]) -> list[tuple[Any, ...]] | None:
    """Return all values that some fields may have together; ``None`` where they are many."""
    options: list[Sequence[Any]] = []
    for spec in specs:
        low, high = spec.bounds({})
        low, high = spec.seen[0] if low is None else low, spec.seen[1] if high is None else high
        if spec.kind is Kind.INTEGER:
            options.append(range(low, high + 1))
        elif spec.kind is Kind.WORD and spec.seen == (1, 1) and spec.alphabet:
            options.append(spec.alphabet)
        else:
            return None
    return list(itertools.product(*options)) if math.prod(map(len, options)) <= MOST_COMBINATIONS else None


def _sortable(value: Any) -> Any:  # noqa: ANN401 - numbers, or texts of numbers
    return float(value) if isinstance(value, str) and value.replace(".", "").lstrip("-").isdigit() else value


def _lists(items: Sequence[Item], tree: Tree) -> Iterator[tuple[Field, Sequence[Any], Callable[[list[Any]], None]]]:
    """Yield every list and column with what puts other values in its place."""
    for item, value in zip(items, tree, strict=True):
        if isinstance(item, Line):
            for place, part in enumerate(item.parts):
                if isinstance(part, Series):
                    yield part.field, value[place], _putter([(value, place)], whole=True)
            continue
        for place, inner in enumerate(item.items):
            if isinstance(inner, Line):
                for at, part in enumerate(inner.parts):
                    if isinstance(part, Field):
                        yield (
                            part,
                            [each[place][at] for each in value],
                            _putter([(each[place], at) for each in value], whole=False),
                        )
        for each in value:
            yield from _lists(item.items, each)


def _putter(places: Sequence[tuple[Tree, int]], *, whole: bool) -> Callable[[list[Any]], None]:
    def put(values: list[Any]) -> None:
        if whole:
            holder, at = places[0]
            holder[at] = values
            return
        for (holder, at), value in zip(places, values, strict=True):
            holder[at] = value

    return put


def _changed(text: str, alphabet: str, rng: random.Random) -> str:
    """Change, leave out, repeat or swap characters of a text."""
    if not text:
        return rng.choice(alphabet)
    at = rng.randrange(len(text))
    other = rng.choice(alphabet)
    return rng.choice(
        (
            text[:at] + other + text[at + 1 :],
            text[:at] + other + text[at + 1 :],
            text[:at] + text[at + 1 :] or text,
            text[:at] + other + text[at:],
            text[::-1],
            "".join(sorted(text)),
        )
    )


def _with_runs(letters: str, size: int, rng: random.Random) -> str:
    """Return a text of runs of one character each."""
    text = ""
    while len(text) < size:
        text += rng.choice(letters) * rng.randint(1, max(1, size // 3))
    return text[:size]


def _spaced(text: str, spec: Field, rng: random.Random) -> str:
    """Put single spaces into a line of text, as the known ones have them; never at an end."""
    if spec.kind is not Kind.TEXT or " " not in spec.alphabet or len(text) < 3:  # noqa: PLR2004 - a space between two letters
        return text
    characters = list(text)
    for at in range(1, len(text) - 1):
        if characters[at - 1] != " " and rng.random() < 0.2:  # noqa: PLR2004 - words of five letters
            characters[at] = " "
    return "".join(characters)


def _special(rng: random.Random, low: int, high: int) -> int:
    """Return a number of a kind where arithmetic goes wrong, or one next to it."""
    size = rng.randint(1, max(1, min(high, 1 << 64).bit_length()))
    root = rng.randint(1, max(1, min(1 << (size // 2 + 1), 1 << 32)))
    value = rng.choice(
        (
            1 << size,
            10 ** rng.randint(0, len(str(min(abs(high), 10**19)))),
            root * root,
            root * (root + 1),
            (1 << 31) - 1,
            1 << 32,
            MULTIPLE * rng.randint(1, max(1, min(high, 1 << 40) // MULTIPLE)),
        )
    ) + rng.choice((-1, 0, 0, 1))
    if rng.random() < 0.3:  # noqa: PLR2004 - primes and their products by two, for what counts divisors
        value = next((each for each in range(value, value + 200) if is_prime(each)), value)
    return value if low <= value <= high else _log_uniform(rng, low, high)


def _log_uniform(rng: random.Random, low: int, high: int) -> int:
    """Return a number whose distance from the lower bound has any magnitude, small ones also where it may be huge."""
    span = high - low
    bits = rng.randint(0, min(span.bit_length(), rng.choice(MOST_BITS)))
    return low + min(span, rng.getrandbits(bits) if span else 0)


def _prime_near(value: int, low: int, high: int) -> int:
    for distance in range(2_000):
        for each in (value - distance, value + distance):
            if low <= each <= high and is_prime(each):
                return each
    raise ImpossibleError
