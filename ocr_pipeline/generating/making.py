"""Makes inputs out of a grammar: small ones exhaustively, others by chance, from known ones, at and near every bound.

Everything is drawn from a seeded generator or counted through, so the same grammar, known inputs and seed give the
same inputs. Values stay within the bounds of the statement; where it gives none, within those of the known inputs. An
input that breaks a constraint is not repaired for long: the gate refuses it.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from ocr_pipeline.generating.grammar import (
    Block,
    Field,
    Grammar,
    Item,
    Kind,
    Line,
    Order,
    Refusal,
    RefusedError,
    Rows,
    Series,
    Tree,
    fields_of,
    is_prime,
    read,
    unusual,
    write,
)

__all__ = ["Made", "MadeBy", "Maker"]

SMALL, MEDIUM = 5, 60
NEAR: Final = 3
TOKEN_BYTES: Final = 12
LARGE_TOKENS: Final = 400_000
TRIES: Final = 40
SMALL_VALUES: Final = 3
CHANGED: Final = 0.15


class MadeBy(StrEnum):
    """What made an input."""

    GRAMMAR = "grammar"
    """Counted through, or drawn by chance."""
    MUTATION = "mutation"
    """A known input with some values changed."""
    EXTREME = "extreme"
    """A value at its bound, or the largest size."""
    MODEL = "model"
    """A program that the teacher wrote."""


@dataclass(frozen=True, slots=True)
class Made:
    """An input, and what made it."""

    text: str
    made_by: MadeBy


class ImpossibleError(Exception):
    """Bounds and constraints leave no value: another draw may."""


class _Values(StrEnum):
    UNIFORM = "uniform"
    LOW = "low"
    HIGH = "high"
    EDGES = "edges"
    FEW = "few"
    EQUAL = "equal"
    RISING = "rising"
    FALLING = "falling"


@dataclass(frozen=True, slots=True)
class _Style:
    """How large, and with which values, an input is made."""

    most: int
    """Most rounds or values that a count may say."""
    values: _Values = _Values.UNIFORM
    is_full: bool = False
    """Counts are as large as they may be."""
    fixed: Mapping[int, bool] = field(default_factory=dict)
    """Fields at their upper bound (true) or lower bound (false)."""


class _Chooser:
    """Counts through all choices that are asked for, one after the other."""

    def __init__(self) -> None:
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


class Maker:
    """Makes the inputs of one problem."""

    def __init__(self, grammar: Grammar, known: Sequence[str], seed: str, most_bytes: int) -> None:
        self._grammar = grammar
        self._seed = seed
        self._known = [tree for text in dict.fromkeys(known) if (tree := _tree(grammar, text)) is not None]
        self.most = min(LARGE_TOKENS, max(MEDIUM, most_bytes // TOKEN_BYTES))
        self._fields = {each.number: each for each in fields_of(grammar.items)}
        self._counted = _counted(grammar.items)
        self._frozen = _frozen(grammar)
        self.trims = not any("." in word and word.endswith("0") for text in known for word in text.split())
        """Known inputs have no zeros at the end of decimals."""

    @property
    def is_free(self) -> bool:
        """Whether anything may be changed at all."""
        return len(self._frozen) < len(self._fields)

    def refusal(self, text: str) -> Refusal | None:
        """Return why a text is not an input, or not one as the known ones are."""
        refused = unusual(self._grammar, text)
        return None if refused is None else refused[0]

    def inputs(self, round_number: int, number: int) -> Iterator[Made]:
        """Yield inputs of one round, each once, those of all ways in turn; about so many of each way."""
        rng = random.Random(f"{self._seed}/{round_number}")  # noqa: S311 - reproducible, not secret
        ways: list[Iterator[Made]] = [self._mutations(rng, number)]
        if not self._frozen:
            ways += [self._by_chance(rng, number), self._extremes(rng, number), self._largest(rng)]
            ways += [self._small_ones(number)] if round_number == 0 else []
        seen: set[str] = set()
        for made in itertools.chain.from_iterable(itertools.zip_longest(*ways)):
            if made is not None and made.text not in seen:
                seen.add(made.text)
                yield made

    # ---- ways ----

    def _small_ones(self, number: int) -> Iterator[Made]:
        chooser, rng = _Chooser(), random.Random(self._seed)  # noqa: S311 - reproducible, not secret
        for _ in range(number):
            drawn = self._drawn(_Style(SMALL_VALUES), rng, chooser=chooser)
            if drawn is not None:
                yield Made(drawn, MadeBy.GRAMMAR)
            if not chooser.advance():
                return

    def _by_chance(self, rng: random.Random, number: int) -> Iterator[Made]:
        for turn in range(number):
            most = (SMALL, 2 * SMALL, MEDIUM)[turn % 3]
            values = (_Values.UNIFORM, _Values.LOW, _Values.FEW, _Values.EDGES, _Values.HIGH, _Values.EQUAL)[turn % 6]
            drawn = self._drawn(_Style(most, values), rng)
            if drawn is not None:
                yield Made(drawn, MadeBy.GRAMMAR)

    def _mutations(self, rng: random.Random, number: int) -> Iterator[Made]:
        for turn in range(number if self._known else 0):
            source = self._known[turn % len(self._known)]
            drawn = self._drawn(_Style(MEDIUM, rng.choice(list(_Values))), rng, source=source)
            if drawn is not None:
                yield Made(drawn, MadeBy.MUTATION)

    def _extremes(self, rng: random.Random, number: int) -> Iterator[Made]:
        numbers = list(self._fields)
        fixed = [dict.fromkeys(numbers, is_high) for is_high in (False, True)]
        fixed += [{each: is_high} for each in numbers for is_high in (False, True)]
        fixed += [{each: rng.random() < 0.5 for each in numbers} for _ in range(max(0, number - len(fixed)))]  # noqa: PLR2004
        for turn, each in enumerate(fixed[: max(number, 2)]):
            drawn = self._drawn(_Style((SMALL, MEDIUM)[turn % 2], fixed=each), rng)
            if drawn is not None:
                yield Made(drawn, MadeBy.EXTREME)

    def _largest(self, rng: random.Random) -> Iterator[Made]:
        for values in _Values:
            drawn = self._drawn(_Style(self.most, values, is_full=True), rng)
            if drawn is not None:
                yield Made(drawn, MadeBy.EXTREME)

    # ---- one input ----

    def _drawn(
        self, style: _Style, rng: random.Random, *, source: Tree | None = None, chooser: _Chooser | None = None
    ) -> str | None:
        """Return an input, or ``None`` where a few draws found none."""
        for _ in range(1 if chooser else TRIES):
            draw = _Draw(self, style, rng, chooser)
            try:
                tree = draw.items(self._grammar.items, source, {}, self.most if style.is_full else style.most * 20)
                draw.order(tree)
            except ImpossibleError:
                style = replace(style, most=max(1, style.most // 2))
                continue
            text = write(self._grammar, tree)
            if not self._grammar.ends_with_newline:
                text = text.removesuffix("\n")
            if not source or text != write(self._grammar, source):
                return text
        return None

    @property
    def grammar(self) -> Grammar:
        """What is drawn from."""
        return self._grammar

    @property
    def counted(self) -> Mapping[int, Sequence[Series | Block | Field]]:
        """What each count counts."""
        return self._counted

    @property
    def frozen(self) -> frozenset[int]:
        """Fields whose values stay as they are known, with the counts of the lists that they are in."""
        return self._frozen


def _tree(grammar: Grammar, text: str) -> Tree | None:
    try:
        return read(grammar, text)
    except RefusedError:
        return None


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
class _Draw:
    """One draw: what has been decided so far."""

    maker: Maker
    style: _Style
    rng: random.Random
    chooser: _Chooser | None
    few: dict[int, list[Any]] = field(default_factory=dict)
    """By field: the values that a style of few or equal values draws from."""

    def items(self, items: Sequence[Item], source: Sequence[Any] | None, known: dict[int, int], room: int) -> Tree:
        """Return a tree for items: values of the source where there is one, changed here and there."""
        tree: Tree = []
        for place, item in enumerate(items):
            given = source[place] if source is not None else None
            if isinstance(item, Line):
                tree.append(self._line(item, given, known, room))
                continue
            rounds = item.count.value(known)
            if rounds is None or rounds < 0 or rounds > 4 * self.maker.most:
                raise ImpossibleError
            tree.append(self._block(item, given, known, rounds, max(1, room // max(1, rounds))))
        return tree

    def _block(self, block: Block, given: Sequence[Any] | None, known: dict[int, int], rounds: int, room: int) -> Tree:
        rows = self._rows(block, known, rounds) if given is None or len(given) != rounds else None
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

    def _put(self, block: Block, made: Tree, ends: tuple[int, int, Rows]) -> None:
        left, right, constraint = ends
        for place, item in enumerate(block.items):
            if isinstance(item, Line):
                for at, part in enumerate(item.parts):
                    if isinstance(part, Field) and part.number in {constraint.left, constraint.right}:
                        made[place][at] = left if part.number == constraint.left else right

    def _rows(self, block: Block, known: Mapping[int, int], rounds: int) -> list[tuple[int, int, Rows]] | None:
        """Return the ends of all rounds of a block whose rounds are edges."""
        inside = {each.number: each for each in fields_of(block.items)}
        constraint = next(
            (each for each in self.maker.grammar.constraints if isinstance(each, Rows) and each.left in inside), None
        )
        if constraint is None or self.chooser:
            return None
        left, right = inside[constraint.left], inside[constraint.right]
        nodes = constraint.nodes.value(known) if constraint.nodes else None
        if nodes is None:
            highs = [end.value(known) for end in (*left.highs, *right.highs)]
            nodes = max((high for high in highs if high is not None), default=0) + (1 - constraint.first)
        if nodes < 1 or nodes > 4 * self.maker.most:
            return None
        if constraint.is_distinct and rounds > nodes * (nodes - 1) // 2:
            raise ImpossibleError
        pairs = self._spanning(nodes) if constraint.nodes else []
        if len(pairs) > rounds or (constraint.is_tree and len(pairs) != rounds):
            raise ImpossibleError
        seen = {(min(pair), max(pair)) for pair in pairs}
        for _ in range(20 * rounds + 100):
            if len(pairs) == rounds:
                break
            pair = self.rng.randrange(nodes), self.rng.randrange(nodes)
            key = min(pair), max(pair)
            if pair[0] != pair[1] and not (constraint.is_distinct and key in seen):
                seen.add(key)
                pairs.append(pair)
        if len(pairs) < rounds:
            raise ImpossibleError
        self.rng.shuffle(pairs)
        is_ordered = any(low.field == constraint.left for low in right.lows)
        is_falling = any(high.field == constraint.left for high in right.highs)
        first = constraint.first
        ordered = [
            (min(pair), max(pair)) if is_ordered else (max(pair), min(pair)) if is_falling else pair for pair in pairs
        ]
        return [(one + first, other + first, constraint) for one, other in ordered]

    def _spanning(self, nodes: int) -> list[tuple[int, int]]:
        """Return a tree: by chance, a path, a star, or a broom, with shuffled numbers."""
        parents: Sequence[Callable[[int], int]] = (
            self.rng.randrange,
            lambda node: node - 1,
            lambda _: 0,
            lambda node: max(0, node - 1 - self.rng.randrange(3)),
        )
        parent = self.rng.choice(parents)
        numbers = list(range(nodes))
        if self.rng.random() < 0.7:  # noqa: PLR2004 - the order of the numbers is itself a case
            self.rng.shuffle(numbers)
        return [(numbers[parent(node)], numbers[node]) for node in range(1, nodes)]

    def _line(self, line: Line, given: Sequence[Any] | None, known: dict[int, int], room: int) -> Tree:
        values: Tree = []
        for place, part in enumerate(line.parts):
            source = given[place] if given is not None else None
            if isinstance(part, Series):
                count = part.count.value(known)
                if count is None or count < 0 or count > 4 * self.maker.most:
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
        if spec.number not in self.maker.frozen and kept and self.rng.random() < 0.3:  # noqa: PLR2004
            kept = self.rng.choice(
                (sorted, lambda all_: sorted(all_, reverse=True), lambda all_: [all_[0]] * len(all_))
            )(kept)
        return [self._value(spec, value, known, 1) for value in kept]

    def _value(self, spec: Field, source: Any, known: Mapping[int, int], room: int) -> Any:  # noqa: ANN401 - int or str
        if spec.number in self.maker.frozen:
            if source is None:
                raise ImpossibleError
            return source
        if source is not None and self.rng.random() > CHANGED:
            low, high = self._range(spec, known, room) if spec.kind is Kind.INTEGER else (None, None)
            if spec.kind is not Kind.INTEGER:
                low, high = spec.bounds(known)
                source_size = len(str(source))
                if spec.kind is Kind.DECIMAL or (
                    (low is None or low <= source_size) and (high is None or source_size <= high)
                ):
                    return source
            elif (low is None or low <= source) and (high is None or source <= high):
                return source
        if spec.kind is Kind.INTEGER:
            return self._integer(spec, source, known, room)
        return self._decimal(spec, known) if spec.kind is Kind.DECIMAL else self._text(spec, source, known)

    def _range(self, spec: Field, known: Mapping[int, int], room: int) -> tuple[int, int]:
        low, high = spec.bounds(known)
        low = (min(spec.seen[0], high) if high is not None else spec.seen[0]) if low is None else low
        high = max(spec.seen[1], low) if high is None else high
        for thing in self.maker.counted.get(spec.number, ()):
            low, high = self._count_range(spec, thing, low, high, known, room)
        if low > high:
            raise ImpossibleError
        return low, high

    def _count_range(
        self, spec: Field, thing: Series | Block | Field, low: int, high: int, known: Mapping[int, int], room: int
    ) -> tuple[int, int]:
        """Narrow a count to what fits, and to what its list can hold."""
        most = min(self.style.most, max(1, room))
        if isinstance(thing, Block) and any(each.number in self.maker.counted for each in fields_of(thing.items)):
            most = max(1, min(most, 4 if self.style.is_full else SMALL))
        high = min(high, max(low, most))
        for constraint in self.maker.grammar.constraints:
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
        is_count = spec.number in self.maker.counted
        for _ in range(TRIES):
            value = self._one_integer(spec, source, low, high, is_count=is_count)
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
                *range(low, min(high, low + SMALL_VALUES - 1) + 1),
                *([] if is_count or high < low + SMALL_VALUES else [high]),
            ]
            return int(options[self.chooser.choose(len(options))])
        if spec.number in self.style.fixed:
            return high if self.style.fixed[spec.number] else low
        if source is not None and rng.random() < 0.6:  # noqa: PLR2004 - most changes are small ones
            return min(high, max(low, int(source) + rng.choice((-1, 1, -2, 2))))
        if is_count:
            return high if self.style.is_full else rng.randint(low, high)
        return self._styled(spec, low, high)

    def _styled(self, spec: Field, low: int, high: int) -> int:
        """Return a number as the style wants it."""
        rng, values = self.rng, self.style.values
        if values is _Values.LOW:
            return rng.randint(low, min(high, low + NEAR))
        if values is _Values.HIGH:
            return rng.randint(max(low, high - NEAR), high)
        if values is _Values.EDGES:
            edges = {low, low + 1, high - 1, high, 0, 1, -1, (low + high) // 2}
            return rng.choice(sorted(each for each in edges if low <= each <= high))
        if values in {_Values.FEW, _Values.EQUAL}:
            few = self.few.setdefault(spec.number, [])
            if not few:
                few += [rng.randint(low, high) for _ in range(1 if values is _Values.EQUAL else 3)]
            return int(min(high, max(low, rng.choice(few))))
        return rng.randint(low, high) if rng.random() < 0.7 else _log_uniform(rng, low, high)  # noqa: PLR2004

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
            if self.maker.trims and part
            else f"{sign if whole else ''}{whole}"
            if self.maker.trims
            else text
        )

    def _text(self, spec: Field, source: Any, known: Mapping[int, int]) -> str:  # noqa: ANN401 - a text or nothing
        rng = self.rng
        low, high = spec.bounds(known)
        low = (min(spec.seen[0], high) if high is not None else spec.seen[0]) if low is None else low
        high = max(spec.seen[1], low) if high is None else high
        room = max(low, min(high, self.maker.most * TOKEN_BYTES // 2 if self.style.is_full else self.style.most))
        alphabet = (spec.alphabet or "abc").replace(" ", "")
        if low > high or not alphabet or room > 8 * self.maker.most:
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
        letters = alphabet
        if self.style.values in {_Values.FEW, _Values.EDGES, _Values.LOW}:
            letters = "".join(rng.sample(alphabet, min(2, len(alphabet))))
        elif self.style.values is _Values.EQUAL:
            letters = rng.choice(alphabet)
        text = "".join(rng.choices(letters, k=size))
        if self.style.values is _Values.HIGH:
            text = (text[: (size + 1) // 2] + text[: size // 2][::-1])[:size]
        elif self.style.values is _Values.RISING:
            text = "".join(sorted(text))
        elif self.style.values is _Values.FALLING:
            text = (text[: rng.randint(1, 4)] * size)[:size]
        return _spaced(text, spec, rng)

    # ---- lists ----

    def order(self, tree: Tree) -> None:
        """Sort and part the values of lists as the constraints, and the style, want it."""
        orders: dict[int, Order] = {}
        for each in (*self.maker.grammar.constraints, *self.maker.grammar.habits):
            if isinstance(each, Order):
                before = orders.get(each.field, each)
                orders[each.field] = replace(
                    each,
                    is_distinct=each.is_distinct or before.is_distinct,
                    direction=each.direction or before.direction,
                    most_sum=each.most_sum or before.most_sum,
                )
        wanted = {_Values.RISING: 1, _Values.FALLING: -1}.get(self.style.values, 0)
        for spec, values, put in _lists(self.maker.grammar.items, tree):
            order = orders.get(spec.number)
            if spec.number in self.maker.frozen or (order is None and not wanted) or spec.number in self.maker.counted:
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
        high = max(spec.seen[1], low + len(values)) if high is None else high
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
                if spec.kind is not Kind.INTEGER or high - low > 8 * self.maker.most:
                    raise ImpossibleError
                fresh = next(each for each in range(low, high + 1) if each not in seen)
            seen.add(fresh)
            done.append(fresh)
        return done


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


def _spaced(text: str, spec: Field, rng: random.Random) -> str:
    """Put single spaces into a line of text, as the known ones have them; never at an end."""
    if spec.kind is not Kind.TEXT or " " not in spec.alphabet or len(text) < 3:  # noqa: PLR2004 - a space between two letters
        return text
    characters = list(text)
    for at in range(1, len(text) - 1):
        if characters[at - 1] != " " and rng.random() < 0.2:  # noqa: PLR2004 - words of five letters
            characters[at] = " "
    return "".join(characters)


def _log_uniform(rng: random.Random, low: int, high: int) -> int:
    """Return a number whose distance from the lower bound has any magnitude."""
    span = high - low
    return low + min(span, rng.getrandbits(rng.randint(0, span.bit_length())) if span else 0)


def _prime_near(value: int, low: int, high: int) -> int:
    for distance in range(2_000):
        for each in (value - distance, value + distance):
            if low <= each <= high and is_prime(each):
                return each
    raise ImpossibleError
