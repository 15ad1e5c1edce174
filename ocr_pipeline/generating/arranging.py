"""What drawn inputs are changed to obey: things far apart or inside of others, values that differ, remainders, forms.

Each kind checks a tree and arranges the values of a drawn one. It may be stronger than what a statement promises, so
that known inputs need not obey it: ``holding.py`` says which promise is kept by which kind.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from ocr_pipeline.generating.grammar import Arranged, Block, Field, Item, Kind, Series, Tree
from ocr_pipeline.generating.promises import BRACKETS, is_balanced

__all__ = [
    "Balanced",
    "Distinct",
    "Inside",
    "Palindrome",
    "Residues",
    "Single",
    "Spread",
    "Things",
    "Varied",
    "cells",
    "values_of",
]

NEAR: Final = 0.7
"""Share of inputs whose things are near each other along all axes but one."""
TRIES: Final = 40
MOST_PAIRS: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class _Cell:
    """The place of a value in a tree."""

    holder: list[Any]
    at: int
    spec: Field

    @property
    def value(self) -> Any:  # noqa: ANN401 - a number or a text
        return self.holder[self.at]

    def put(self, value: Any) -> None:  # noqa: ANN401
        self.holder[self.at] = value


def cells(items: Sequence[Item], tree: Tree, numbers: Sequence[int]) -> Iterator[_Cell]:
    """Yield where the values of fields are, in the order of the input."""
    for item, value in zip(items, tree, strict=True):
        if isinstance(item, Block):
            for each in value:
                yield from cells(item.items, each, numbers)
            continue
        for place, part in enumerate(item.parts):
            if isinstance(part, Series):
                if part.field.number in numbers:
                    yield from (_Cell(value[place], at, part.field) for at in range(len(value[place])))
            elif part.number in numbers:
                yield _Cell(value, place, part)


@dataclass(frozen=True, slots=True)
class Things:
    """What is at a place and has a size: the fields of one line."""

    coordinates: tuple[int, ...]
    sizes: tuple[int, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        """All of its fields."""
        return (*self.coordinates, *self.sizes)


@dataclass(frozen=True, slots=True)
class Spread(Arranged):
    """Along one axis, two things that follow each other are farther apart than all their sizes together."""

    things: tuple[Things, ...]
    known: frozenset[tuple[Any, ...]] = frozenset()
    """All coordinates and sizes of each known input, which may be nearer."""

    @property
    def touched(self) -> frozenset[int]:
        """The coordinates and sizes."""
        return frozenset(number for each in self.things for number in each.numbers)

    def holds(self, items: Sequence[Item], tree: Tree) -> bool:
        """Say whether the things are so far apart, or all where a known input has them."""
        if values_of(items, tree, self.touched) in self.known:
            return True
        found = [_measured(*thing) for each in self.things for thing in _found(items, tree, each)]
        axes = min((len(places) for places, _ in found), default=0)
        return not found[1:] or any(_is_apart([(places[axis], size) for places, size in found]) for axis in range(axes))

    def arrange(self, items: Sequence[Item], tree: Tree, rng: random.Random) -> bool:
        """Put the things apart, with smaller sizes where there is no room."""
        if self.holds(items, tree):
            return True
        found = [thing for each in self.things for thing in _found(items, tree, each)]
        axis = rng.randrange(min(len(coordinates) for coordinates, _ in found))
        low, high = _range([coordinates[axis] for coordinates, _ in found])
        if not _shrunk(found, (high - low) // (2 * len(found)), rng):
            return False
        rng.shuffle(found)
        if rng.random() < NEAR:
            self._near(found, axis, rng)
        sizes = [int(_measured(coordinates, each)[1]) + 1 for coordinates, each in found]
        needed = [one + other for one, other in itertools.pairwise(sizes)]
        slack = high - low - sum(needed)
        if slack < 0:
            return False
        is_close = rng.random() < 0.5  # noqa: PLR2004 - things beside each other are cases of their own
        at = low + rng.randint(0, slack)
        slack -= at - low
        for place, (coordinates, _) in enumerate(found):
            if place:
                gap = rng.randint(0, min(slack, 2) if is_close else slack)
                slack -= gap
                at += needed[place - 1] + gap
            _put_number(coordinates[axis], at)
        return True

    @staticmethod
    def _near(found: Sequence[_Thing], axis: int, rng: random.Random) -> None:
        """Let things be beside each other along the other axes, so that their sizes matter."""
        for place, middle in enumerate(found[0][0]):
            low, high = _range([coordinates[place] for coordinates, _ in found])
            for coordinates, sizes in found[1:] if place != axis else ():
                room = int(max((abs(Decimal(cell.value)) for cell in (*sizes, *found[0][1])), default=Decimal(1))) + 1
                step = rng.randint(-room, room)
                _put_number(coordinates[place], min(high, max(low, int(Decimal(middle.value)) + step)))


def values_of(items: Sequence[Item], tree: Tree, numbers: AbstractSet[int]) -> tuple[Any, ...]:
    """Return all values of some fields, in the order of the input."""
    return tuple(cell.value for cell in cells(items, tree, sorted(numbers)))


_Thing = tuple[list[_Cell], list[_Cell]]
"""Where the coordinates and the sizes of a thing are."""


def _found(items: Sequence[Item], tree: Tree, things: Things) -> list[_Thing]:
    columns = [list(cells(items, tree, [number])) for number in things.numbers]
    at = len(things.coordinates)
    return [(list(row[:at]), list(row[at:])) for row in zip(*columns, strict=True)]


def _shrunk(found: Sequence[_Thing], room: int, rng: random.Random) -> bool:
    """Draw sizes anew that do not fit into so much room for each thing."""
    for coordinates, sizes in found:
        if _measured(coordinates, sizes)[1] < room:
            continue
        for cell in sizes:
            low = max(int(cell.spec.kind is Kind.DECIMAL), cell.spec.bounds({})[0] or 0)
            most = room // len(sizes) - 1
            if most < low:
                return False
            _put_number(cell, rng.randint(low, most))
    return True


def _measured(coordinates: Sequence[_Cell], sizes: Sequence[_Cell]) -> tuple[list[Decimal], Decimal]:
    return [Decimal(cell.value) for cell in coordinates], sum((abs(Decimal(cell.value)) for cell in sizes), Decimal(0))


def _is_apart(things: Sequence[tuple[Decimal, Decimal]]) -> bool:
    ordered = sorted(things)
    return all(other - one > size + more for (one, size), (other, more) in itertools.pairwise(ordered))


def _range(cells: Sequence[_Cell]) -> tuple[int, int]:
    """Return the numbers that all of the cells may hold."""
    ends = [cell.spec.bounds({}) for cell in cells]
    return (
        max(cell.spec.seen[0] if low is None else low for cell, (low, _) in zip(cells, ends, strict=True)),
        min(cell.spec.seen[1] if high is None else high for cell, (_, high) in zip(cells, ends, strict=True)),
    )


def _put_number(cell: _Cell, number: int) -> None:
    if cell.spec.kind is Kind.INTEGER:
        cell.put(number)
    else:
        places = len(str(cell.value).partition(".")[2])
        cell.put(f"{number}.{'0' * places}" if places else str(number))


@dataclass(frozen=True, slots=True)
class Inside(Arranged):
    """Each thing is nearer to the middle of another one than the smallest size of that, with all its own sizes."""

    inner: Things
    outer: Things
    known: frozenset[tuple[Any, ...]] = frozenset()
    """All coordinates and sizes of each known input."""

    @property
    def touched(self) -> frozenset[int]:
        """The coordinates and sizes."""
        return frozenset((*self.inner.numbers, *self.outer.numbers))

    def holds(self, items: Sequence[Item], tree: Tree) -> bool:
        """Say whether all are inside, or where a known input has them; not where there are too many to tell."""
        if values_of(items, tree, self.touched) in self.known:
            return True
        outer, inner = _found(items, tree, self.outer), _found(items, tree, self.inner)
        if len(outer) * len(inner) > MOST_PAIRS:
            return False
        rooms = [([Decimal(cell.value) for cell in middle], _least(sizes)) for middle, sizes in outer]
        places = (_measured(*each) for each in inner)
        return all(any(_distance(place, middle) + size < room for middle, room in rooms) for place, size in places)

    def arrange(self, items: Sequence[Item], tree: Tree, rng: random.Random) -> bool:
        """Put each thing somewhere inside another one, with smaller sizes where there is no room."""
        if self.holds(items, tree):
            return True
        outer = _found(items, tree, self.outer)
        for thing in _found(items, tree, self.inner):
            if not outer:
                return False
            middle, sizes = rng.choice(outer)
            room = int(_least(sizes))
            if not _shrunk([thing], max(1, room // 2), rng):
                return False
            room -= int(_measured(*thing)[1]) + 1
            for place, cell in enumerate(thing[0]):
                step = rng.randint(-room, room) if room > 0 else 0
                room -= abs(step)
                _put_number(cell, int(Decimal(middle[place].value)) + step)
        return True


def _least(sizes: Sequence[_Cell]) -> Decimal:
    return min(abs(Decimal(cell.value)) for cell in sizes)


def _distance(one: Sequence[Decimal], other: Sequence[Decimal]) -> Decimal:
    return sum((abs(left - right) for left, right in zip(one, other, strict=False)), Decimal(0))


@dataclass(frozen=True, slots=True)
class Distinct(Arranged):
    """No value of a field is twice in an input, whatever the block."""

    field: int

    def holds(self, items: Sequence[Item], tree: Tree) -> bool:
        """Say whether all differ."""
        values = [cell.value for cell in cells(items, tree, [self.field])]
        return len(set(values)) == len(values)

    def arrange(self, items: Sequence[Item], tree: Tree, rng: random.Random) -> bool:
        """Draw values anew that are there already."""
        seen: set[Any] = set()
        for cell in cells(items, tree, [self.field]):
            for _ in range(TRIES):
                if cell.value not in seen:
                    break
                cell.put(_redrawn(cell, rng))
            if cell.value in seen:
                return False
            seen.add(cell.value)
        return True


def _redrawn(cell: _Cell, rng: random.Random) -> Any:  # noqa: ANN401 - a number or a text
    """Return another value of the same kind and size."""
    if cell.spec.kind is Kind.INTEGER:
        return rng.randint(*_range([cell]))
    text, letters = str(cell.value), cell.spec.alphabet.replace(" ", "")
    places = [at for at, each in enumerate(text) if each in letters]
    at = rng.choice(places) if places and letters else 0
    return text[:at] + rng.choice(letters or "a") + text[at + 1 :] if places else text


@dataclass(frozen=True, slots=True)
class Varied(Arranged):
    """Texts of some fields are not equal, and together they have every character that all known inputs have."""

    fields: tuple[int, ...]
    needed: str

    def holds(self, items: Sequence[Item], tree: Tree) -> bool:
        """Say whether every character occurs, and single texts differ."""
        found = {number: [str(cell.value) for cell in cells(items, tree, [number])] for number in self.fields}
        single = [texts[0] for texts in found.values() if len(texts) == 1]
        return len(set(single)) == len(single) and all(
            set(self.needed) <= set("".join(texts)) for texts in found.values()
        )

    def arrange(self, items: Sequence[Item], tree: Tree, rng: random.Random) -> bool:
        """Put characters that do not occur where others are."""
        seen: set[str] = set()
        for number in self.fields:
            found = list(cells(items, tree, [number]))
            places = [(cell, at) for cell in found for at in range(len(str(cell.value)))]
            if len(places) < len(self.needed):
                return False
            for character, (cell, at) in zip(self.needed, rng.sample(places, len(self.needed)), strict=True):
                text = str(cell.value)
                if not all(other in "".join(str(each.value) for each in found) for other in self.needed):
                    cell.put(text[:at] + character + text[at + 1 :])
            if len(found) == 1 and found[0].value in seen:
                text, at = str(found[0].value), rng.randrange(len(str(found[0].value)))
                others = [each for each in found[0].spec.alphabet if each != text[at]]
                found[0].put(text[:at] + rng.choice(others or [text[at]]) + text[at + 1 :])
            seen |= {cell.value for cell in found}
        return True


@dataclass(frozen=True, slots=True)
class Single(Arranged):
    """Some characters are in the texts of a field exactly once: the start and the end in a grid."""

    field: int
    characters: str

    def holds(self, items: Sequence[Item], tree: Tree) -> bool:
        """Say whether each is there once."""
        found = Counter("".join(str(cell.value) for cell in cells(items, tree, [self.field])))
        return all(found[each] == 1 for each in self.characters)

    def arrange(self, items: Sequence[Item], tree: Tree, rng: random.Random) -> bool:
        """Put others where they are, and each once somewhere."""
        texts = list(cells(items, tree, [self.field]))
        places = [(cell, at) for cell in texts for at in range(len(str(cell.value)))]
        others = [each for cell in texts[:1] for each in cell.spec.alphabet if each not in self.characters]
        if len(places) < len(self.characters) or not others:
            return False
        for cell in texts:
            cell.put("".join(rng.choice(others) if each in self.characters else each for each in str(cell.value)))
        for character, (cell, at) in zip(self.characters, rng.sample(places, len(self.characters)), strict=True):
            cell.put(cell.value[:at] + character + cell.value[at + 1 :])
        return True


@dataclass(frozen=True, slots=True)
class Residues(Arranged):
    """The remainders of numbers by a divisor are together those of a known input."""

    fields: tuple[int, ...]
    divisor: int
    allowed: frozenset[tuple[int, ...]]

    def holds(self, items: Sequence[Item], tree: Tree) -> bool:
        """Say whether the remainders are known."""
        return all(each in self.allowed for each in self.remainders(items, tree))

    def remainders(self, items: Sequence[Item], tree: Tree) -> Iterator[tuple[int, ...]]:
        """Yield the remainders of the numbers, round by round."""
        return (tuple(cell.value % self.divisor for cell in row) for row in self._rounds(items, tree))

    def arrange(self, items: Sequence[Item], tree: Tree, rng: random.Random) -> bool:
        """Lower or raise the numbers to remainders that are known."""
        options = sorted(self.allowed)
        for row in self._rounds(items, tree):
            if tuple(cell.value % self.divisor for cell in row) in self.allowed:
                continue
            for cell, wanted in zip(row, rng.choice(options), strict=True):
                value = cell.value - (cell.value - wanted) % self.divisor
                low = cell.spec.bounds({})[0]
                cell.put(value if low is None or value >= low else value + self.divisor)
        return True

    def _rounds(self, items: Sequence[Item], tree: Tree) -> Iterator[tuple[_Cell, ...]]:
        return zip(*(cells(items, tree, [number]) for number in self.fields), strict=False)


@dataclass(frozen=True, slots=True)
class Palindrome(Arranged):
    """A text that is the same from both ends."""

    field: int

    def holds(self, items: Sequence[Item], tree: Tree) -> bool:
        """Say whether it is."""
        return all(cell.value == cell.value[::-1] for cell in cells(items, tree, [self.field]))

    def arrange(self, items: Sequence[Item], tree: Tree, _: random.Random) -> bool:
        """Mirror the first half."""
        for cell in cells(items, tree, [self.field]):
            text = cell.value
            cell.put(text[: (len(text) + 1) // 2] + text[: len(text) // 2][::-1])
        return True


@dataclass(frozen=True, slots=True)
class Balanced(Arranged):
    """A text of brackets that are all closed."""

    field: int

    def holds(self, items: Sequence[Item], tree: Tree) -> bool:
        """Say whether it is."""
        return all(is_balanced(cell.value) for cell in cells(items, tree, [self.field]))

    def arrange(self, items: Sequence[Item], tree: Tree, rng: random.Random) -> bool:
        """Write brackets anew: deep, side by side, or by chance."""
        for cell in cells(items, tree, [self.field]):
            opening = [each for each in BRACKETS if each in cell.spec.alphabet and BRACKETS[each] in cell.spec.alphabet]
            size = len(cell.value)
            if not opening or size % 2:
                return False
            deeper, text, stack = rng.choice((0.1, 0.5, 0.9)), "", ""
            while len(text) < size:
                if len(stack) == size - len(text) or (stack and rng.random() > deeper):
                    text, stack = text + stack[-1], stack[:-1]
                else:
                    each = rng.choice(opening)
                    text, stack = text + each, stack + BRACKETS[each]
            cell.put(text)
        return True
