"""Promises that are kept however they are read: made inputs obey something stronger than what a sentence may mean.

That no two circles touch is kept by putting them far apart; that not all words are equal, by words that all differ.
Known inputs need not obey it, so that it says nothing about what an input is: it is for what is made. Each kind checks
a tree and arranges the values of a drawn one.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from ocr_pipeline.generating.fields import listed_in, tree_of
from ocr_pipeline.generating.grammar import (
    DECIMAL,
    Apart,
    Arranged,
    Block,
    Constraint,
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
    with_constraint,
)
from ocr_pipeline.generating.relating import Sentence

__all__ = ["held_safely", "promises_apart"]

NEVER: Final = re.compile(r"\b(?:no|not|none|never|neither|n't|disjoint|non-?\w+ing)\b|n't\b")
MEET: Final = re.compile(
    r"\b(?:overlap\w*|touch\w*|intersect\w*|coincid\w*|collid\w*|disjoint|same (?:spot|place|point|position|location|coordinates?|cell)|at the same)\b"
)
BESIDES: Final = re.compile(r"\b(?:insid\w*|within|contain\w*|enclos\w*|convex|collinear|connected|simple|sorted|parallel|distance)\b")
"""What a sentence about things that do not meet may promise besides."""
SAME_PLACE: Final = re.compile(r"\b(?:same|coincid\w+)\b")
INSIDE: Final = re.compile(r"\b(?:each|every|all)\b[^.]*?\b(?:lies?|is|are|grows?|stands?|located|placed) (?:strictly |completely |entirely )?(?:inside|within|in the interior of|contained in)\b")
NEAR: Final = 0.7
"""Share of inputs whose things are near each other along all axes but one."""
TRIES: Final = 40
MOST_PAIRS: Final = 1 << 20
REPEATED: Final = re.compile(
    r"\bno [a-z ]{1,30}?(?:appears?|occurs?|is|are) (?:listed |given )?(?:more than once|twice|repeated)|"
    r"\bno two [a-z ]{1,40}?(?:are (?:the same|equal|identical|alike)|(?:have|share) the same)|\b(?:appears?|occurs?) (?:at most|exactly|only) once|"
    r"\b(?:are|is|all) (?:all |pairwise )?(?:distinct|different|unique)\b"
)
CONDITION: Final = re.compile(r"\b(?:if|when|whether)\b")
COORDINATE: Final = re.compile(r"(?P<axis>[xyz])(?:\[\]|_?\w)?")
TRANSITIVE: Final = re.compile(
    r"\btransitiv\w*|\bif (?:\w+ ){0,3}?(?P<a>\w)\b.*?\b(?P<b>\w)\b.*\band (?P=b) and (?P<c>\w)\b.*\bthen (?P=a) and (?P=c)\b|\bequivalence relation\b"
)
ALL_KINDS: Final = re.compile(
    r"\bnot (?:every|all)\b|\b(?:of )?(?:all|both) (?:two |three |four |five |six |of the )?(?:\w+ )?(?:types?|kinds?|letters|characters|colou?rs|digits|symbols|values)\b|"
    r"\beach (?:\w+ )?(?:type|kind|letter|character|colou?r|digit|symbol) (?:\w+ )?(?:occurs?|appears?|is used) at least once\b|\bnot (?:the same|identical|equal)\b"
)
ONLY_ONE: Final = re.compile(r"\b(?:exactly|at most|only) (?:one|once|two|twice|half)\b|\bsum\b|\bsorted\b")
MULTIPLE: Final = re.compile(r"\b(?:multiples? of|divisible by) (?P<number>\d{1,6})\b")
PARITY: Final = re.compile(r"\b(?:even|odd|parity)\b")
SUMMED: Final = re.compile(r"\b(?:sums?|number of|total|product|difference|count|index\w*|positions?|place\w*|length)\b")
PALINDROME: Final = re.compile(r"\bpalindrom\w*\b")
BALANCED: Final = re.compile(r"\b(?:balanced|correct|regular|valid|well-?formed) (?:\w+ )?(?:bracket|parenthes\w+)")
BRACKETS: Final = {"(": ")", "[": "]", "{": "}", "<": ">"}


def held_safely(grammar: Grammar, sentence: Sentence) -> Grammar | None:
    """Return the grammar whose made inputs keep a promise however it is read; ``None`` where nothing here can.

    Parameters
    ----------
    grammar
        One that reads the known inputs.
    sentence
        The promise.
    """
    low = sentence.low
    if promises_apart(low):
        return None if BESIDES.search(low) else _kept(grammar, _spread(grammar, sentence))
    if INSIDE.search(low) and (kept := _kept(grammar, _inside(grammar, sentence))) is not None:
        return kept
    if REPEATED.search(low):
        return _kept(grammar, _distinct(grammar, sentence))
    if TRANSITIVE.search(low):
        return _transitive(grammar, sentence)
    if PALINDROME.search(low) or BALANCED.search(low):
        return _kept(grammar, _formed(grammar, sentence))
    if ALL_KINDS.search(low) and not ONLY_ONE.search(low):
        return _kept(grammar, _varied(grammar, sentence))
    if (PARITY.search(low) or MULTIPLE.search(low)) and not SUMMED.search(low):
        return _kept(grammar, _residues(grammar, sentence))
    return None


def promises_apart(sentence: str) -> bool:
    """Say whether a sentence promises that things do not meet."""
    low = sentence.lower()
    return MEET.search(low) is not None and NEVER.search(low) is not None and CONDITION.search(low) is None


def _kept(grammar: Grammar, constraints: Sequence[Constraint]) -> Grammar | None:
    for each in constraints:
        grammar = with_constraint(grammar, each, is_habit=True)
    return grammar if constraints else None


# ---- cells ----


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


def _cells(items: Sequence[Item], tree: Tree, numbers: Sequence[int]) -> Iterator[_Cell]:
    """Yield where the values of fields are, in the order of the input."""
    for item, value in zip(items, tree, strict=True):
        if isinstance(item, Block):
            for each in value:
                yield from _cells(item.items, each, numbers)
            continue
        for place, part in enumerate(item.parts):
            if isinstance(part, Series):
                if part.field.number in numbers:
                    yield from (_Cell(value[place], at, part.field) for at in range(len(value[place])))
            elif part.number in numbers:
                yield _Cell(value, place, part)


def _lines(items: Sequence[Item]) -> Iterator[tuple[Line, bool]]:
    """Yield every line, and whether it is repeated."""
    for item in items:
        if isinstance(item, Block):
            yield from ((line, True) for line, _ in _lines(item.items))
        else:
            yield item, False


# ---- far apart ----


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
    known: frozenset[_Values] = frozenset()
    """All coordinates and sizes of each known input, which may be nearer."""

    @property
    def touched(self) -> frozenset[int]:
        """The coordinates and sizes."""
        return frozenset(number for each in self.things for number in each.numbers)

    def holds(self, items: Sequence[Item], tree: Tree) -> bool:
        """Say whether the things are so far apart, or all where a known input has them."""
        if _values_of(items, tree, self.touched) in self.known:
            return True
        found = [_measured(*thing) for each in self.things for thing in _found(items, tree, each)]
        axes = min((len(places) for places, _ in found), default=0)
        return len(found) < 2 or any(_is_apart([(places[axis], size) for places, size in found]) for axis in range(axes))  # noqa: PLR2004

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


_Values = tuple[Any, ...]


def _values_of(items: Sequence[Item], tree: Tree, numbers: AbstractSet[int]) -> _Values:
    return tuple(cell.value for cell in _cells(items, tree, sorted(numbers)))


_Thing = tuple[list[_Cell], list[_Cell]]
"""Where the coordinates and the sizes of a thing are."""


def _found(items: Sequence[Item], tree: Tree, things: Things) -> list[_Thing]:
    columns = [list(_cells(items, tree, [number])) for number in things.numbers]
    at = len(things.coordinates)
    return [(list(row[:at]), list(row[at:])) for row in zip(*columns, strict=True)]


def _shrunk(found: Sequence[_Thing], room: int, rng: random.Random) -> bool:
    """Draw sizes anew that do not fit into so much room for each thing."""
    for coordinates, sizes in found:
        if _measured(coordinates, sizes)[1] < room:
            continue
        for cell in sizes:
            low = max(0, cell.spec.bounds({})[0] or 0)
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
    known: frozenset[_Values] = frozenset()
    """All coordinates and sizes of each known input."""

    @property
    def touched(self) -> frozenset[int]:
        """The coordinates and sizes."""
        return frozenset((*self.inner.numbers, *self.outer.numbers))

    def holds(self, items: Sequence[Item], tree: Tree) -> bool:
        """Say whether all are inside, or where a known input has them; not where there are too many to tell."""
        if _values_of(items, tree, self.touched) in self.known:
            return True
        outer, inner = _found(items, tree, self.outer), _found(items, tree, self.inner)
        if len(outer) * len(inner) > MOST_PAIRS:
            return False
        rooms = [([Decimal(cell.value) for cell in middle], _least(sizes)) for middle, sizes in outer]
        return all(
            any(_distance(_measured(*each)[0], middle) + _measured(*each)[1] < room for middle, room in rooms) for each in inner
        )

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


def _things(grammar: Grammar) -> list[Things]:
    """Return what is at a place: lines with coordinates; none where a line has several places."""
    things: list[Things] = []
    for line, _ in _lines(grammar.items):
        parts = [part for part in line.parts if isinstance(part, Field)]
        axes = {match["axis"]: part for part in parts if (match := COORDINATE.fullmatch(part.name)) is not None}
        of_axes = [part for part in parts if COORDINATE.fullmatch(part.name)]
        if not {"x", "y"} <= axes.keys():
            continue
        if len(of_axes) != len(axes) or len(parts) != len(line.parts):
            return []  # `x1 y1 x2 y2`
        numbers = [part for part in parts if part.kind in {Kind.INTEGER, Kind.DECIMAL} and part not in of_axes]
        things.append(Things(tuple(part.number for part in of_axes), tuple(part.number for part in numbers)))
    return things


def _spread(grammar: Grammar, sentence: Sentence) -> list[Constraint]:
    """Return that the things of a sentence are far apart, or only at different places where it says no more."""
    things = _things(grammar)
    own = [each for each in things if sentence.things & {*each.coordinates, *each.sizes}] or things
    if SAME_PLACE.search(sentence.low):
        return [Apart(each.coordinates) for each in own]
    return [_with_known(grammar, sentence, Spread(tuple(own)))] if own else []


def _with_known(grammar: Grammar, sentence: Sentence, each: Spread | Inside) -> Spread | Inside:
    """Return it with what the known inputs have."""
    trees = [tree_of(grammar, text) for text in sentence.inputs]
    return replace(each, known=frozenset(_values_of(grammar.items, tree, each.touched) for tree in trees))


def _inside(grammar: Grammar, sentence: Sentence) -> list[Constraint]:
    """Return that each thing which a sentence says first is inside one of those it says last."""
    match = INSIDE.search(sentence.low)
    before, after = (sentence.low[: match.end()], sentence.low[match.end() :]) if match else ("", "")
    inner, outer = (
        [each for each in _things(grammar) if replace(sentence, text=text).things & {*each.coordinates}] for text in (before, after)
    )
    inner = [each for each in inner if each not in outer]
    return [_with_known(grammar, sentence, Inside(inner[0], outer[0]))] if len(inner) == len(outer) == 1 and outer[0].sizes else []


# ---- all differ ----


@dataclass(frozen=True, slots=True)
class Distinct(Arranged):
    """No value of a field is twice in an input, whatever the block."""

    field: int

    def holds(self, items: Sequence[Item], tree: Tree) -> bool:
        """Say whether all differ."""
        values = [cell.value for cell in _cells(items, tree, [self.field])]
        return len(set(values)) == len(values)

    def arrange(self, items: Sequence[Item], tree: Tree, rng: random.Random) -> bool:
        """Draw values anew that are there already."""
        seen: set[Any] = set()
        for cell in _cells(items, tree, [self.field]):
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


def _distinct(grammar: Grammar, sentence: Sentence) -> list[Constraint]:
    """Return that values differ: those of the lists of the lines that a sentence may be about, else of each of their columns."""
    listed = set(listed_in(grammar.items))
    own = set(sentence.named) or sentence.things & listed or sentence.last
    lines = [
        [part.field.number if isinstance(part, Series) else part.number for part in line.parts]
        for line, _ in _lines(grammar.items)
        if any((part.field if isinstance(part, Series) else part).number in own for part in line.parts)
    ]
    series = {part.field.number for line, _ in _lines(grammar.items) for part in line.parts if isinstance(part, Series)}
    numbers = {number for line in lines for number in line if number in listed}
    if sentence.named:
        numbers &= set(sentence.named)
    is_nested = _depth(grammar.items) > 1
    chosen = sorted(numbers & series or numbers)
    return [Distinct(number) if is_nested else Order(number, is_distinct=True) for number in chosen]


# ---- all kinds occur ----


@dataclass(frozen=True, slots=True)
class Varied(Arranged):
    """Texts of some fields are not equal, and together they have every character that all known inputs have."""

    fields: tuple[int, ...]
    needed: str

    def holds(self, items: Sequence[Item], tree: Tree) -> bool:
        """Say whether every character occurs, and single texts differ."""
        found = {number: [str(cell.value) for cell in _cells(items, tree, [number])] for number in self.fields}
        single = [texts[0] for texts in found.values() if len(texts) == 1]
        return (
            len(set(single)) == len(single)
            and all(set(self.needed) <= set("".join(texts)) for texts in found.values())
        )

    def arrange(self, items: Sequence[Item], tree: Tree, rng: random.Random) -> bool:
        """Put characters that do not occur where others are."""
        seen: set[str] = set()
        for number in self.fields:
            cells = list(_cells(items, tree, [number]))
            places = [(cell, at) for cell in cells for at in range(len(str(cell.value)))]
            if len(places) < len(self.needed):
                return False
            for character, (cell, at) in zip(self.needed, rng.sample(places, len(self.needed)), strict=True):
                text = str(cell.value)
                if not all(other in "".join(str(each.value) for each in cells) for other in self.needed):
                    cell.put(text[:at] + character + text[at + 1 :])
            if len(cells) == 1 and cells[0].value in seen:
                text, at = str(cells[0].value), rng.randrange(len(str(cells[0].value)))
                others = [each for each in cells[0].spec.alphabet if each != text[at]]
                cells[0].put(text[:at] + rng.choice(others or [text[at]]) + text[at + 1 :])
            seen |= {cell.value for cell in cells}
        return True


def _varied(grammar: Grammar, sentence: Sentence) -> list[Varied]:
    """Return that every character occurs; none where an input has numbers in lists, or many cases."""
    listed = set(listed_in(grammar.items))
    texts = [each for each in fields_of(grammar.items) if each.kind is Kind.WORD]
    if not texts or any(each.number in listed for each in fields_of(grammar.items) if each not in texts) or _depth(grammar.items) > 1:
        return []
    trees = [tree_of(grammar, text) for text in sentence.inputs]
    needed = [
        set("".join(str(cell.value) for cell in _cells(grammar.items, tree, [each.number]))) for tree in trees for each in texts
    ]
    return [Varied(tuple(each.number for each in texts), "".join(sorted(set.intersection(*needed))))]


def _depth(items: Sequence[Item]) -> int:
    return max((1 + _depth(item.items) for item in items if isinstance(item, Block)), default=0)


# ---- remainders ----


@dataclass(frozen=True, slots=True)
class Residues(Arranged):
    """The remainders of numbers by a divisor are together those of a known input."""

    fields: tuple[int, ...]
    divisor: int
    allowed: frozenset[tuple[int, ...]]

    def holds(self, items: Sequence[Item], tree: Tree) -> bool:
        """Say whether the remainders are known."""
        return all(tuple(cell.value % self.divisor for cell in row) in self.allowed for row in self._rounds(items, tree))

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
        return zip(*(_cells(items, tree, [number]) for number in self.fields), strict=False)


def _residues(grammar: Grammar, sentence: Sentence) -> list[Residues]:
    counts = {item.count.field for item in grammar.items if isinstance(item, Block)}
    counts |= {part.count.field for line, _ in _lines(grammar.items) for part in line.parts if isinstance(part, Series)}
    named = [each for each in fields_of(grammar.items) if each.number in sentence.named]
    if not named or any(each.kind is not Kind.INTEGER or each.number in counts for each in named):
        return []
    match = MULTIPLE.search(sentence.low)
    divisor = int(match["number"]) if match else 2
    listed = set(listed_in(grammar.items))
    groups = [[each] for each in named] if any(each.number in listed for each in named) else [named]
    found = []
    for group in groups:
        numbers = tuple(each.number for each in group)
        empty = Residues(numbers, max(1, divisor), frozenset())
        allowed = {
            tuple(cell.value % empty.divisor for cell in row)
            for text in sentence.inputs
            for row in empty._rounds(grammar.items, tree_of(grammar, text))  # noqa: SLF001
        }
        found.append(Residues(numbers, empty.divisor, frozenset(allowed)))
    return found


# ---- forms of texts ----


@dataclass(frozen=True, slots=True)
class Palindrome(Arranged):
    """A text that is the same from both ends."""

    field: int

    def holds(self, items: Sequence[Item], tree: Tree) -> bool:
        """Say whether it is."""
        return all(cell.value == cell.value[::-1] for cell in _cells(items, tree, [self.field]))

    def arrange(self, items: Sequence[Item], tree: Tree, _: random.Random) -> bool:
        """Mirror the first half."""
        for cell in _cells(items, tree, [self.field]):
            text = cell.value
            cell.put(text[: (len(text) + 1) // 2] + text[: len(text) // 2][::-1])
        return True


@dataclass(frozen=True, slots=True)
class Balanced(Arranged):
    """A text of brackets that are all closed."""

    field: int

    def holds(self, items: Sequence[Item], tree: Tree) -> bool:
        """Say whether it is."""
        return all(_is_balanced(cell.value) for cell in _cells(items, tree, [self.field]))

    def arrange(self, items: Sequence[Item], tree: Tree, rng: random.Random) -> bool:
        """Write brackets anew: deep, side by side, or by chance."""
        for cell in _cells(items, tree, [self.field]):
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


def _is_balanced(text: str) -> bool:
    stack = ""
    for each in text:
        if each in BRACKETS:
            stack += BRACKETS[each]
        elif not stack or each != stack[-1]:
            return False
        else:
            stack = stack[:-1]
    return not stack


def _formed(grammar: Grammar, sentence: Sentence) -> list[Arranged]:
    """Return the form of all texts that a sentence may speak of; none where a known one has another."""
    texts = [each for each in fields_of(grammar.items) if each.kind is Kind.WORD]
    named = [each for each in texts if each.number in sentence.named] or texts
    is_balanced = BALANCED.search(sentence.low) is not None
    found = [(Balanced if is_balanced else Palindrome)(each.number) for each in named]
    trees = [tree_of(grammar, text) for text in sentence.inputs]
    return list(found) if all(each.holds(grammar.items, tree) for each in found for tree in trees) else []


# ---- graphs ----


def _transitive(grammar: Grammar, sentence: Sentence) -> Grammar | None:
    """Return the grammar whose edges join every two nodes of a part; ``None`` where a known input has others."""
    edges = [each for each in grammar.constraints if isinstance(each, Rows)]
    pairs = [(left.number, right.number) for _, left, right in sentence.pairs]
    if len(pairs) != 1 or len(edges) > 1 or any(each.nodes for each in edges):
        return None
    known = next((each for each in edges if (each.left, each.right) == pairs[0]), None)
    first = known.first if known is not None else 1
    held = Rows(*pairs[0], is_distinct=True, first=first, is_transitive=True)
    others = tuple(each for each in grammar.constraints if each not in edges)
    more = with_constraint(replace(grammar, constraints=others), held, is_habit=False)
    return more if all(tree_of(more, text) for text in sentence.inputs) else None
