"""Aligns the names of a statement with the fields of a grammar.

Names and fields both have an order, that of the input; they are aligned so that most names find a field whose known
values they allow. Phrases that count (``n lines``, ``n integers``) say how well a grammar agrees with its names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ocr_pipeline.generating.bounding import intervals_for, numbers_of
from ocr_pipeline.generating.fields import all_values, counts_in, listed_in
from ocr_pipeline.generating.grammar import Block, Field, Grammar, Item, Kind, Series, fields_of, read
from ocr_pipeline.generating.inferring import Inferred
from ocr_pipeline.generating.statement import PLAIN_NAME, Mention, Said, Sort

PAIR, SORT_AGREES, SHAPE_AGREES, BOUNDED, UNNAMED, LEFT_OUT, LEFT_OUT_BOUNDED = 1.0, 0.3, 0.4, 0.5, -0.3, -0.1, -0.7
COUNTED: Final = 0.8
UNCOUNTED: Final = -1.5
UNSAID: Final = -1.0
LINES_OF: Final = re.compile(
    rf"\b({PLAIN_NAME})(?:\s*[-+]\s*\d)?\s+(?:\w+\s+)?(?:lines|rows|test cases|cases|datasets|tests|descriptions)\b"
)
VALUES_OF: Final = re.compile(
    rf"\b({PLAIN_NAME})(?:\s*[-+]\s*\d)?\s+(?:\w+[- ](?:separated\s+)?){{0,2}}(?:integers?|numbers?|values?|words|strings|reals?)\b"
)
LENGTHS_OF: Final = re.compile(
    rf"(?:\blength\s+({PLAIN_NAME})\b|\b({PLAIN_NAME})\s+(?:\w+\s+){{0,2}}(?:characters|letters|symbols|digits)\b)"
)


@dataclass(frozen=True, slots=True)
class _Place:
    """A field, where it is, and its known values."""

    field: Field
    is_listed: bool
    """It is in a list or in a block."""
    is_series: bool
    values: Sequence[Decimal]


def aligned(way: Inferred, said: Said) -> tuple[float, dict[int, Mention]]:
    """Return the best alignment of names and fields in their order, with its score."""
    places, mentions = _places(way.grammar, way.inputs), said.mentions
    table = [[0.0] * (len(mentions) + 1) for _ in range(len(places) + 1)]
    for row in range(len(places) + 1):
        for column in range(len(mentions) + 1):
            options = [0.0] if not row and not column else []
            if row:
                options.append(table[row - 1][column] + UNNAMED)
            if column:
                options.append(table[row][column - 1] + _left_out(mentions[column - 1], said))
            if row and column and (worth := _worth(places[row - 1], mentions[column - 1], said)) is not None:
                options.append(table[row - 1][column - 1] + worth)
            table[row][column] = max(options)
    names: dict[int, Mention] = {}
    row, column = len(places), len(mentions)
    while row or column:
        worth = _worth(places[row - 1], mentions[column - 1], said) if row and column else None
        if worth is not None and table[row][column] == table[row - 1][column - 1] + worth:
            names[places[row - 1].field.number] = mentions[column - 1]
            row, column = row - 1, column - 1
        elif row and table[row][column] == table[row - 1][column] + UNNAMED:
            row -= 1
        else:
            column -= 1
    return table[-1][-1], names


def _places(grammar: Grammar, inputs: Sequence[str]) -> list[_Place]:
    values: dict[int, list[Decimal]] = {}
    for text in inputs:
        for number, value in all_values(grammar.items, read(grammar, text)):
            if isinstance(value, int) or _is_number(str(value)):
                values.setdefault(number, []).append(Decimal(value))
    listed = set(listed_in(grammar.items))
    series = {part.field.number for part in _series(grammar.items)}
    return [
        _Place(each, each.number in listed, each.number in series, values.get(each.number, ()))
        for each in fields_of(grammar.items)
    ]


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d{1,4000}(?:\.\d{1,40})?", text) is not None


def _series(items: Sequence[Item]) -> Iterator[Series]:
    for item in items:
        if isinstance(item, Block):
            yield from _series(item.items)
        else:
            yield from (part for part in item.parts if isinstance(part, Series))


def _left_out(mention: Mention, said: Said) -> float:
    has_numbers = any(
        end is not None and end.name is None for each in intervals_for(mention, said) for end in (each.low, each.high)
    )
    return LEFT_OUT_BOUNDED if has_numbers and mention.name not in {"i", "j"} else LEFT_OUT


def _worth(place: _Place, mention: Mention, said: Said) -> float | None:
    """Return what it is worth to call a field so; ``None`` where its values forbid it."""
    is_text = place.field.kind in {Kind.WORD, Kind.TEXT}
    if mention.name.startswith("|"):
        return None
    low, high = numbers_of(intervals_for(mention, said))
    if is_text and (low is not None or high is not None):
        return None
    if any((low is not None and value < low) or (high is not None and value > high) for value in place.values):
        return None
    worth = PAIR + (BOUNDED if low is not None and high is not None else 0.0)
    agrees = place.is_listed if mention.is_element else not place.is_series
    worth += SHAPE_AGREES if agrees else 0.0
    if mention.sort in {Sort.STRING, Sort.CHARACTER}:
        worth += SORT_AGREES if is_text else -PAIR
    elif mention.sort is not None:
        worth += -PAIR if is_text else SORT_AGREES
        worth -= PAIR if mention.sort is Sort.INTEGER and place.field.kind is Kind.DECIMAL else 0.0
    return worth


def counted(items: Sequence[Item], names: Mapping[int, Mention], said: Said) -> float:
    """Return how well the counts of the grammar agree with phrases such as ``n lines`` and ``n integers``."""
    text = " ".join(said.sentences)
    lines, values = set(LINES_OF.findall(text)), set(VALUES_OF.findall(text))
    lengths = {one or other for one, other in LENGTHS_OF.findall(text)}
    counting = [count.field for kind, count in counts_in(items) if kind == "block" and count.field is not None]
    blocks = {names[each].name for each in counting if each in names}
    score = UNCOUNTED * len((lines & {mention.name for mention in said.mentions}) - blocks)
    known = {mention.name for mention in said.mentions}
    wanted = sum(name in known for name in VALUES_OF.findall(text))
    score += UNCOUNTED * max(0, wanted - sum(kind == "series" for kind, _ in counts_in(items)))
    for kind, count in counts_in(items):
        said_so = {"block": lines, "series": values, "length": lengths}[kind]
        mention = names.get(count.field) if count.field is not None else None
        name = mention.name if mention else None
        if count.plus and not re.search(rf"\b{re.escape(name or '?')}\s*[-+]\s*1\b", text):
            score += UNSAID
        if said_so:
            score += COUNTED if name in said_so else -COUNTED / 2
    return score
