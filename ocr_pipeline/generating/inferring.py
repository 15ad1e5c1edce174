"""Finds the grammar that the known inputs of a problem have in common: the simplest one that reads all of them.

Inputs are read side by side, line by line. At each line three things are possible: a line of the same fields in all
inputs, a line whose list is as long as a number that was read before, or a block that is repeated as often as such a
number says. All ways that read every input to its end are tried, within a bounded number of steps, and the cheapest
one is taken: explanations that need fewer and simpler parts cost less. What the fields mean is found in ``understanding.py``.
"""

from __future__ import annotations

import heapq
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ocr_pipeline.generating.grammar import (
    DECIMAL,
    INTEGER,
    Block,
    Field,
    Grammar,
    Item,
    Kind,
    Line,
    Linear,
    Series,
    fields_of,
    refusal,
)

__all__ = ["Inferred", "infer", "typed"]

MOST_STEPS: Final = 30_000
MOST_BODY_STEPS: Final = 60
MOST_BODIES: Final = 2
WAYS_PER_PLACE: Final = 6
"""Ways to reach the same lines that are followed: the dearer ones differ in what the same numbers are called."""
MOST_ITEMS: Final = 10
MOST_ALTERNATIVES: Final = 24
MOST_STREAMS: Final = 12
MOST_BYTES: Final = 16 << 10
MOST_FIELDS: Final = 12
MOST_PREFIX: Final = 3
MOST_BODY: Final = 4
MOST_DEPTH: Final = 2
LARGEST_COUNT: Final = 1 << 22
NUMERAL: Final = re.compile(r"[+-]?\d+(?:\.\d+)?")

LINE_COST, FIELD_COST, SERIES_COST, BLOCK_COST, SHIFT_COST, TEXT_COST = 1.0, 0.3, 0.4, 1.2, 0.5, 1.5
FAR_COST: Final = 0.15
"""For each number between a count and what it counts."""


@dataclass(frozen=True, slots=True)
class Inferred:
    """A grammar without names and bounds, and the inputs that it was found from."""

    grammar: Grammar
    cost: float
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Stream:
    """One input that is being read: its lines, the next one, and the integers so far by their field."""

    lines: Sequence[Sequence[str]]
    at: int
    known: dict[int, int]

    @property
    def tokens(self) -> Sequence[str] | None:
        """The next line."""
        return self.lines[self.at] if self.at < len(self.lines) else None


@dataclass(slots=True)
class _Budget:
    left: int = MOST_STEPS
    bodies: dict[tuple[object, ...], list[_Way]] = field(default_factory=dict)

    def spend(self) -> bool:
        """Say whether another step may be taken."""
        self.left -= 1
        return self.left > 0


def infer(
    inputs: Sequence[str], *, spaced_text: bool = False, texts: bool = False, slack: float = 1.0
) -> list[Inferred]:
    """Return grammars that read all inputs, the cheapest first, and only those that cost little more than it.

    Parameters
    ----------
    inputs
        Known ones, those that the statement shows first.
    spaced_text
        The statement speaks of lines of text: a line may hold spaces that separate nothing.
    texts
        The statement speaks of strings: a numeral that is as long as a number before it says is one.
    slack
        How much more than the cheapest one a grammar may cost.
    """
    chosen = _chosen(inputs)
    if not chosen:
        return []
    streams = [_Stream([line.split() for line in _lines_of(text)], 0, {}) for text in chosen]
    if not any(stream.lines for stream in streams):
        return []
    found: list[_Way] = []
    for way in _ways(streams, 0, 0, _Budget(), most=MOST_ITEMS, text=spaced_text):
        if found and way.cost > found[0].cost + slack:
            break
        if way.items and all(stream.tokens is None for stream in way.streams):
            found.append(way)
        if len(found) == MOST_ALTERNATIVES:
            break
    return [known for way in found if (known := _grammar(way, chosen, inputs, texts=texts)) is not None]


def typed(items: tuple[Item, ...], inputs: Sequence[str], *, texts: bool = False) -> Inferred | None:
    """Return a layout whose fields have the kinds of their known values; ``None`` where an input that is read is not laid out so."""
    chosen = _chosen(inputs)
    streams = [_Stream([line.split() for line in _lines_of(text)], 0, {}) for text in chosen]
    ends = [_consumed(stream.lines, 0, items, {}) for stream in streams]
    if not chosen or ends != [len(stream.lines) for stream in streams]:
        return None
    return _grammar(_Way(0.0, 0, items, (), 0), chosen, inputs, texts=texts)


def _grammar(way: _Way, chosen: Sequence[str], inputs: Sequence[str], *, texts: bool) -> Inferred | None:
    ends = all(text.endswith("\n") for text in inputs)
    grammar = Grammar(_typed(way.items, chosen, texts=texts), ends_with_newline=ends)
    for each in (grammar, replace(grammar, is_strict=False)):
        if not any(refusal(each, text) for text in chosen):
            return Inferred(each, way.cost, tuple(chosen))
    return None


def _chosen(inputs: Sequence[str]) -> list[str]:
    """Return the inputs that are read: the first ones, and of the others those that differ most in size."""
    usable = [text for text in dict.fromkeys(inputs) if text.strip() and len(text) <= MOST_BYTES and "\0" not in text]
    if len(usable) <= MOST_STREAMS:
        return usable
    rest = sorted(usable[4:], key=lambda text: (len(text), text))
    step = max(1, len(rest) // (MOST_STREAMS - 4))
    return [*usable[:4], *rest[::step][: MOST_STREAMS - 4]]


def _lines_of(text: str) -> list[str]:
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


@dataclass(frozen=True, slots=True, order=True)
class _Way:
    """A way to read the inputs as far as they are read; the cheapest comes first."""

    cost: float
    turn: int
    items: tuple[Item, ...] = field(compare=False)
    streams: Sequence[_Stream] = field(compare=False)
    next_number: int = field(compare=False)
    is_for_blocks: bool = field(default=False, compare=False)
    """It waits at the least price of a block, so that blocks are only looked for where they can be the cheapest."""


def _ways(
    streams: Sequence[_Stream], depth: int, number: int, budget: _Budget, *, most: int, text: bool
) -> Iterator[_Way]:
    """Yield ways to read on, the cheapest first."""
    waiting = [_Way(0.0, 0, (), streams, number)]
    turns = itertools.count(1)
    reached: Counter[tuple[int, ...]] = Counter()
    while waiting and budget.spend():
        way = heapq.heappop(waiting)
        place = (way.is_for_blocks, *(stream.at for stream in way.streams))
        reached[place] += 1
        if reached[place] > WAYS_PER_PLACE:
            continue
        if way.is_for_blocks:
            found = _block(way.streams, depth, way.next_number, budget, text=text)
            base = way.cost - BLOCK_COST - LINE_COST
        else:
            yield way
            if len(way.items) == most:
                continue
            found, base = _lines_next(way.streams, way.next_number, text=text), way.cost
            if depth < MOST_DEPTH:
                later = replace(way, cost=way.cost + BLOCK_COST + LINE_COST, turn=next(turns), is_for_blocks=True)
                heapq.heappush(waiting, later)
        for cost, item, after, used in found:
            heapq.heappush(waiting, _Way(base + cost, next(turns), (*way.items, item), after, used))


def _lines_next(
    streams: Sequence[_Stream], number: int, *, text: bool
) -> Iterator[tuple[float, Item, list[_Stream], int]]:
    """Yield which line may come next: the item, its cost, the inputs after it, and the next free number of a field."""
    yield from _plain_line(streams, number)
    yield from _line_with_series(streams, number)
    if text:
        yield from _text_line(streams, number)


def _moved(streams: Sequence[_Stream], found: Sequence[dict[int, int]]) -> list[_Stream]:
    return [
        _Stream(stream.lines, stream.at + 1, stream.known | more) for stream, more in zip(streams, found, strict=True)
    ]


def _plain_line(streams: Sequence[_Stream], number: int) -> Iterator[tuple[float, Item, list[_Stream], int]]:
    rows = [stream.tokens for stream in streams]
    if any(row is None for row in rows):
        return
    lengths = {len(row) for row in rows if row is not None}
    width = lengths.pop()
    if lengths or width > MOST_FIELDS:
        return
    fields = tuple(Field(number + at, Kind.WORD) for at in range(width))
    found = [
        {number + at: int(token) for at, token in enumerate(row or ()) if INTEGER.fullmatch(token)} for row in rows
    ]
    yield LINE_COST + FIELD_COST * width, Line(fields), _moved(streams, found), number + width


def _text_line(streams: Sequence[_Stream], number: int) -> Iterator[tuple[float, Item, list[_Stream], int]]:
    rows = [stream.tokens for stream in streams]
    if all(row is not None for row in rows):
        line = Line((Field(number, Kind.TEXT),))
        yield LINE_COST + TEXT_COST, line, _moved(streams, [{} for _ in rows]), number + 1


def _line_with_series(streams: Sequence[_Stream], number: int) -> Iterator[tuple[float, Item, list[_Stream], int]]:
    rows = [stream.tokens for stream in streams]
    if any(row is None for row in rows):
        return
    for prefix in range(MOST_PREFIX + 1):
        if any(len(row or ()) < prefix for row in rows):
            return
        found = [
            {number + at: int(token) for at, token in enumerate((row or ())[:prefix]) if INTEGER.fullmatch(token)}
            for row in rows
        ]
        known = [stream.known | more for stream, more in zip(streams, found, strict=True)]
        wanted = [len(row or ()) - prefix for row in rows]
        for cost, count in _counts(known, wanted):
            fields = tuple(Field(number + at, Kind.WORD) for at in range(prefix))
            line = Line((*fields, Series(Field(number + prefix, Kind.WORD), count)))
            price = LINE_COST + FIELD_COST * prefix + SERIES_COST + cost
            yield price, line, _moved(streams, found), number + prefix + 1


def _counts(known: Sequence[dict[int, int]], wanted: Sequence[int]) -> Iterator[tuple[float, Linear]]:
    """Yield what gives the wanted number in every input, with what it costs."""
    common = sorted(set.intersection(*(set(each) for each in known)), reverse=True)
    for place, name in enumerate(common):
        for times, plus in ((1, 0), (1, -1), (1, 1), (2, 0)):
            if all(times * each[name] + plus == want for each, want in zip(known, wanted, strict=True)):
                yield FAR_COST * place + (0.0 if (times, plus) == (1, 0) else SHIFT_COST), Linear(plus, name, times)


def _block(
    streams: Sequence[_Stream], depth: int, number: int, budget: _Budget, *, text: bool
) -> Iterator[tuple[float, Item, list[_Stream], int]]:
    names = sorted(set.intersection(*(set(stream.known) for stream in streams)), reverse=True)
    for place, name in enumerate(names):
        for plus in (0, -1, 1):
            count = Linear(plus, name)
            rounds = [count.value(stream.known) or 0 for stream in streams]
            if any(
                not 0 <= each <= min(LARGEST_COUNT, len(s.lines) - s.at)
                for each, s in zip(rounds, streams, strict=True)
            ):
                continue
            begun = [stream for stream, each in zip(streams, rounds, strict=True) if each]
            if not begun:
                continue
            price = BLOCK_COST + FAR_COST * place + (SHIFT_COST if plus else 0.0)
            if max(rounds) == 1 and plus:
                continue
            found = 0
            for way in _bodies(begun, depth, number, budget, text=text):
                after = _repeated(streams, rounds, way.items) if budget.spend() else None
                if after is not None:
                    yield price + way.cost, Block(count, way.items), after, way.next_number
                    found += 1
                if found == MOST_BODIES:
                    break


def _bodies(streams: Sequence[_Stream], depth: int, number: int, budget: _Budget, *, text: bool) -> list[_Way]:
    """Return what a block may repeat, the cheapest first; that does not depend on which number counts its rounds."""
    key = depth, number, tuple((id(stream.lines), stream.at) for stream in streams), tuple(streams[0].known)
    if key not in budget.bodies:
        ways = _ways(streams, depth + 1, number, budget, most=MOST_BODY, text=text)
        budget.bodies[key] = [way for way in itertools.islice(ways, MOST_BODY_STEPS) if way.items]
    return budget.bodies[key]


def _repeated(streams: Sequence[_Stream], rounds: Sequence[int], items: Sequence[Item]) -> list[_Stream] | None:
    """Return the inputs after all rounds of a block, or ``None`` where they do not hold it."""
    after = []
    for stream, count in zip(streams, rounds, strict=True):
        at = stream.at
        for _ in range(count):
            end = _consumed(stream.lines, at, items, dict(stream.known))
            if end is None:
                return None
            at = end
        after.append(_Stream(stream.lines, at, stream.known))
    return after


def _consumed(lines: Sequence[Sequence[str]], at: int, items: Sequence[Item], known: dict[int, int]) -> int | None:
    """Return the line after the items, or ``None`` where the lines are others."""
    for item in items:
        if isinstance(item, Block):
            count = item.count.value(known)
            if count is None or count < 0 or count > len(lines) - at:
                return None
            for _ in range(count):
                end = _consumed(lines, at, item.items, dict(known))
                if end is None:
                    return None
                at = end
            continue
        if at >= len(lines) or not _fits(lines[at], item, known):
            return None
        at += 1
    return at


def _fits(tokens: Sequence[str], line: Line, known: dict[int, int]) -> bool:
    if len(line.parts) == 1 and isinstance(line.parts[0], Field) and line.parts[0].kind is Kind.TEXT:
        return True
    at = 0
    for part in line.parts:
        if isinstance(part, Series):
            count = part.count.value(known)
            if count is None or count < 0:
                return False
            at += count
        else:
            if at < len(tokens) and INTEGER.fullmatch(tokens[at]):
                known[part.number] = int(tokens[at])
            at += 1
    return at == len(tokens)


# ---- kinds ----


@dataclass(slots=True)
class _Column:
    tokens: list[str]
    lengths: list[tuple[int, dict[int, int]]]


def _typed(items: Sequence[Item], inputs: Sequence[str], *, texts: bool) -> tuple[Item, ...]:
    """Give every field the kind that all its values have, and each text its alphabet and length."""
    found: dict[int, _Column] = {each.number: _Column([], []) for each in fields_of(items)}
    for text in inputs:
        lines = _lines_of(text)
        _gather(lines, [line.split() for line in lines], 0, items, {}, found)
    counting = {count.field for count in _counting(items)}
    kinds = {
        number: _typed_field(number, column, is_count=number in counting, is_text=_is_text(items, number), texts=texts)
        for number, column in found.items()
    }
    return _with_fields(items, kinds)


def _counting(items: Sequence[Item]) -> Iterator[Linear]:
    for item in items:
        if isinstance(item, Block):
            yield item.count
            yield from _counting(item.items)
        else:
            yield from (part.count for part in item.parts if isinstance(part, Series))


def _is_text(items: Sequence[Item], number: int) -> bool:
    return any(each.number == number and each.kind is Kind.TEXT for each in fields_of(items))


def _gather(
    lines: Sequence[str],
    tokens: Sequence[Sequence[str]],
    at: int,
    items: Sequence[Item],
    known: dict[int, int],
    found: dict[int, _Column],
) -> int:
    for item in items:
        if isinstance(item, Block):
            for _ in range(item.count.value(known) or 0):
                at = _gather(lines, tokens, at, item.items, dict(known), found)
            continue
        line, words = lines[at], list(tokens[at])
        at += 1
        for part in item.parts:
            if isinstance(part, Series):
                count = part.count.value(known) or 0
                found[part.field.number].tokens += words[:count]
                del words[:count]
                continue
            token = line if part.kind is Kind.TEXT else words.pop(0)
            found[part.number].tokens.append(token)
            found[part.number].lengths.append((len(token), dict(known)))
            if INTEGER.fullmatch(token):
                known[part.number] = int(token)
    return at


def _typed_field(number: int, column: _Column, *, is_count: bool, is_text: bool, texts: bool) -> Field:
    tokens = column.tokens
    length = _announced_length(column)
    is_string = texts and length is not None and not is_count
    if not tokens or is_text:
        return _text_field(number, Kind.TEXT if is_text else Kind.WORD, tokens, length if is_text else None)
    if all(INTEGER.fullmatch(token) for token in tokens) and not is_string:
        numbers = [int(token) for token in tokens]
        return Field(number, Kind.INTEGER, seen=(min(numbers), max(numbers)))
    if all(DECIMAL.fullmatch(token) for token in tokens) and not is_string:
        places = max(len(token.partition(".")[2]) for token in tokens)
        values = [float(token) for token in tokens]
        seen = int(min(values) // 1), int(-(-max(values) // 1))
        return Field(number, Kind.DECIMAL, seen=seen, decimals=places)
    return _text_field(number, Kind.WORD, tokens, length)


def _text_field(number: int, kind: Kind, tokens: Sequence[str], length: Linear | None) -> Field:
    sizes = [len(token) for token in tokens] or [0]
    alphabet = "".join(sorted(set("".join(tokens))))
    return Field(
        number,
        kind,
        (length,) if length else (),
        (length,) if length else (),
        seen=(min(sizes), max(sizes)),
        alphabet=alphabet,
    )


def _announced_length(column: _Column) -> Linear | None:
    """Return the number that always is the length of a text."""
    if not column.lengths or max(size for size, _ in column.lengths) < 2:  # noqa: PLR2004 - a single character says nothing
        return None
    common = sorted(set.intersection(*(set(known) for _, known in column.lengths)), reverse=True)
    for name, times in itertools.product(common, (1, 2)):
        if all(times * known[name] == size for size, known in column.lengths):
            return Linear(0, name, times)
    return None


def _with_fields(items: Sequence[Item], kinds: dict[int, Field]) -> tuple[Item, ...]:
    done: list[Item] = []
    for item in items:
        if isinstance(item, Block):
            done.append(replace(item, items=_with_fields(item.items, kinds)))
            continue
        parts = (
            replace(part, field=kinds[part.field.number]) if isinstance(part, Series) else kinds[part.number]
            for part in item.parts
        )
        done.append(Line(tuple(parts)))
    return tuple(done)
