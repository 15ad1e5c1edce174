"""Inputs of function problems: the types of the arguments come from known calls, their bounds from statement and calls.

A known input is a JSON list of arguments. What holds of all known calls is kept: kinds, lengths, sorted and distinct lists, rows of one
length, texts of words, and how arguments go together. Where the statement says no bound, values stay within those that are known.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

from ocr_pipeline.bounds import NUMBER, number_in, plain_math
from ocr_pipeline.generating.agreements import LENGTH, Agreement, agreements_of
from ocr_pipeline.generating.grammar import Refusal
from ocr_pipeline.generating.making import Made, MadeBy
from ocr_pipeline.generating.worded import Worded, worded

__all__ = ["CallMaker", "call_maker"]

NAME: Final = r"[A-Za-z_][\w.\[\]]*(?:\(\w+\))?|\|\w+\|"
BOUND: Final = re.compile(rf"({NUMBER})\s*([<\u2264])\s*((?:{NAME})(?:\s*,\s*(?:{NAME}))*)\s*([<\u2264])\s*({NUMBER})")
PARAMETERS: Final = re.compile(r"\bdef\s+\w+\s*\(([^)]*)\)")
FEWEST_FOR_A_HABIT: Final = 3
"""A list of so many values that are sorted, or all different, is so by more than chance."""
FEWEST_ROWS: Final = 2
"""Rows, the first of each list aside, of one length."""
LARGEST_LIST: Final = 2_000
TRIES: Final = 8
"""Draws for each of some values that must all be different."""
LONG_INTEGER: Final = 10**18
Call = list[Any]
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Shape:
    """What an argument, or each item of a list, looks like."""

    kind: str
    """int, float, bool, str or list."""
    low: float = 0
    high: float = 0
    """Ends of the values, or of the length of a text or list."""
    alphabet: str = ""
    item: Shape | None = None
    is_sorted: bool = False
    is_distinct: bool = False
    is_even: bool = False
    """Whether the items of a list, lists or texts themselves, are of one length."""
    is_square: bool = False
    """Whether that is the length of the list, too."""
    words: Worded | None = None

    @property
    def is_free(self) -> bool:
        """Whether there is more than one value."""
        if self.kind == "list":
            return self.high > self.low or (self.high > 0 and self.item is not None and self.item.is_free)
        return self.kind == "bool" or self.high > self.low or (self.kind == "str" and len(self.alphabet) > 1)

    def refusal(self, value: Any) -> Refusal | None:  # noqa: ANN401 - any JSON value
        """Return why a value is none of these."""
        if _kind(value) != self.kind and not (self.kind == "float" and _kind(value) == "int"):
            return Refusal.SHAPE
        size = len(value) if self.kind in {"str", "list"} else value
        if self.kind != "bool" and not self.low <= size <= self.high:
            return Refusal.BOUNDS
        if self.kind == "str" and not (self.words.accepts(value) if self.words else set(value) <= set(self.alphabet)):
            return Refusal.SHAPE
        return self._refusal_of_items(value) if self.kind == "list" and self.item is not None else None

    def _refusal_of_items(self, values: Sequence[Any]) -> Refusal | None:
        item = self.item
        refused = next((why for each in values if item and (why := item.refusal(each)) is not None), None)
        habits = (
            (self.is_sorted, _is_sorted),
            (self.is_distinct, _is_distinct),
            (self.is_even, _is_even),
            (self.is_square, _is_square),
        )
        is_other = any(holds and not habit(values) for holds, habit in habits)
        return refused or (Refusal.CONSTRAINT if is_other else None)


def _kind(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return type(value).__name__


def _is_sorted(values: Sequence[Any]) -> bool:
    return all(left <= right for left, right in pairwise(values))


def _is_distinct(values: Sequence[Any]) -> bool:
    return len({json.dumps(value) for value in values}) == len(values)


def _is_even(rows: Sequence[Any]) -> bool:
    return len({len(row) for row in rows}) <= 1


def _is_square(rows: Sequence[Any]) -> bool:
    return all(len(row) == len(rows) for row in rows)


def _shape(values: Sequence[Any], said: Mapping[str, Range], name: str) -> Shape | None:
    """Return the shape of values at one place; ``None`` where they have none in common."""
    kinds = {_kind(value) for value in values}
    kind = "float" if kinds == {"int", "float"} else kinds.pop() if len(kinds) == 1 else ""
    if kind == "bool":
        return Shape(kind)
    if kind in {"int", "float"}:
        low, high = _ends(values, said, name)
        return Shape(kind, low, high)
    if kind == "str":
        low, high = _ends([len(value) for value in values], said, f"{name}.length")
        letters = "".join(sorted(set("".join(values))))
        return Shape(kind, low, min(high, LARGEST_LIST), alphabet=letters, words=worded(values))
    if kind != "list":
        return None
    items = [item for value in values for item in value]
    item = _shape(items, said, f"{name}[]") if items else None
    if items and item is None:
        return None
    low, high = _ends([len(value) for value in values], said, f"{name}.length")
    high = min(high, LARGEST_LIST) if items else 0
    scalars = item is not None and item.kind in {"int", "float", "str"}
    telling = scalars and (
        max(map(len, values)) >= FEWEST_FOR_A_HABIT or sum(len(value) > 1 for value in values) >= FEWEST_FOR_A_HABIT
    )
    rows = sum(len(value) - 1 for value in values if value) if item is not None and item.kind in {"str", "list"} else 0
    is_even = rows >= FEWEST_ROWS and all(map(_is_even, values))
    if item is not None and is_even:
        item = replace(item, words=None)  # to cut a text may take a word's last letter
    return Shape(
        kind,
        min(low, high),
        high,
        item=item,
        is_sorted=bool(telling and all(map(_is_sorted, values))),
        is_distinct=bool(telling and all(map(_is_distinct, values))),
        is_even=is_even,
        is_square=is_even and all(map(_is_square, values)),
    )


def _ends(values: Sequence[float], said: Mapping[str, Range], name: str) -> Range:
    low, high = min(values), max(values)
    told = said.get(name)
    return told if told is not None and told[0] <= low and high <= told[1] else (low, high)


def _said(statement: str) -> dict[str, Range]:
    """Return the bounds that a statement says, by names as ``nums[]`` and ``nums.length``."""
    found: dict[str, Range] = {}
    for match in BOUND.finditer(plain_math(statement).replace("<=", "\u2264")):
        low = number_in(match[1]) + (match[2] == "<")
        high = number_in(match[5]) - (match[4] == "<")
        for name in re.split(r"\s*,\s*", match[3]):
            plain = re.sub(r"\[[^\]]*\]|_\w$", "[]", name)
            plain = re.sub(r"^(?:len\((.*)\)|\|(.*)\|)$", r"\1\2.length", plain).replace(".size()", ".length")
            found[plain] = low, high
    return found


@dataclass(frozen=True, slots=True)
class CallMaker:
    """Makes calls that look like the known ones."""

    shapes: tuple[Shape, ...]
    known: tuple[Call, ...]
    seed: str
    agreements: tuple[Agreement, ...]

    @property
    def is_free(self) -> bool:
        """Whether anything may be changed at all."""
        return any(shape.is_free for shape in self.shapes)

    def refusal(self, text: str) -> Refusal | None:
        """Return why a text is not a call, or not one as the known ones are."""
        try:
            call = json.loads(text)
        except (ValueError, RecursionError):
            return Refusal.SHAPE
        if not isinstance(call, list) or len(call) != len(self.shapes):
            return Refusal.SHAPE
        for shape, value in zip(self.shapes, call, strict=True):
            refused = shape.refusal(value)
            if refused is not None:
                return refused
        return None if all(agreement.holds(call) for agreement in self.agreements) else Refusal.CONSTRAINT

    def inputs(self, round_number: int, number: int) -> Iterator[Made]:
        """Yield calls of one round, each once; about so many of each way."""
        rng = random.Random(f"{self.seed}:{round_number}")  # noqa: S311 - the content is the seed
        seen: set[str] = set()
        for call, made_by in self._ways(rng, number):
            for agreement in self.agreements:
                agreement.mend(call, rng)
            text = json.dumps(call, ensure_ascii=False)
            if text not in seen and self.refusal(text) is None:
                seen.add(text)
                yield Made(text, made_by)

    def _ways(self, rng: random.Random, number: int) -> Iterator[tuple[Call, MadeBy]]:
        for _ in range(number):
            yield [_drawn(shape, rng, 3) for shape in self.shapes], MadeBy.GRAMMAR
            yield [_drawn(shape, rng, 30) for shape in self.shapes], MadeBy.GRAMMAR
            base = rng.choice(self.known)
            yield [_mutated(shape, value, rng) for shape, value in zip(self.shapes, base, strict=True)], MadeBy.MUTATION
        for ends in range(min(2 ** len(self.shapes), number)):
            yield (
                [_extreme(shape, rng, is_high=bool(ends >> place & 1)) for place, shape in enumerate(self.shapes)],
                MadeBy.EXTREME,
            )


def _number(shape: Shape, rng: random.Random) -> Any:  # noqa: ANN401 - int or float
    low, high = shape.low, shape.high
    if shape.kind == "float":
        return round(rng.uniform(low, high), 3)
    near = [int(end) for end in (low, low + 1, high - 1, high) if low <= end <= high]
    if rng.random() < 0.3:  # noqa: PLR2004 - a third of all values are at an end
        return rng.choice(near)
    width = min(int(high) - int(low), LONG_INTEGER)
    return int(low) + rng.randint(0, max(1, width >> rng.randint(0, max(1, width.bit_length())))) % (width + 1)


def _drawn(shape: Shape, rng: random.Random, most: int) -> Any:  # noqa: ANN401 - any JSON value
    if shape.kind == "bool":
        return rng.random() < 0.5  # noqa: PLR2004 - a coin
    if shape.kind in {"int", "float"}:
        return _number(shape, rng)
    length = rng.randint(int(shape.low), int(max(shape.low, min(shape.high, most))))
    return _of_length(shape, rng, length, most)


def _of_length(shape: Shape, rng: random.Random, length: int, most: int) -> Any:  # noqa: ANN401 - a text or a list
    if shape.words is not None:
        return shape.words.drawn(rng, length)
    if shape.kind == "str":
        few = rng.choice((1, 2, len(shape.alphabet)))
        letters = rng.sample(shape.alphabet, min(few, len(shape.alphabet)))
        return "".join(rng.choice(letters) for _ in range(length)) if letters else ""
    if shape.item is None:
        return []
    if shape.is_even:
        width = length if shape.is_square else len(_drawn(shape.item, rng, most))
        return _habits(shape, [_of_length(shape.item, rng, width, most) for _ in range(length)])
    drawn = (_drawn(shape.item, rng, most) for _ in range(length * (TRIES if shape.is_distinct else 1)))
    return _distinct(shape, drawn, length) if shape.is_distinct else _habits(shape, list(drawn))


def _distinct(shape: Shape, drawn: Iterator[Any], length: int) -> list[Any]:
    found: dict[str, Any] = {}
    for value in drawn:
        found.setdefault(json.dumps(value), value)
        if len(found) == length:
            break
    return _habits(shape, list(found.values()))


def _habits(shape: Shape, values: list[Any]) -> list[Any]:
    if shape.is_even and values:
        width = min(len(row) for row in values)
        values = values[:width] if shape.is_square else values
        values = [row[: min(width, len(values)) if shape.is_square else width] for row in values]
    if shape.is_distinct:
        values = list({json.dumps(value): value for value in values}.values())
    return sorted(values) if shape.is_sorted else values


def _mutated(shape: Shape, value: Any, rng: random.Random) -> Any:  # noqa: ANN401 - any JSON value
    if shape.kind in {"bool", "int", "float"} or not value:
        return _drawn(shape, rng, 4) if rng.random() < 0.5 else value  # noqa: PLR2004 - half of them
    if shape.words is not None:
        return shape.words.mutated(value, rng)
    if shape.kind == "str":
        place = rng.randrange(len(value))
        return value[:place] + rng.choice(shape.alphabet) + value[place + 1 :]
    values = list(value)
    left, right = rng.randrange(len(values)), rng.randrange(len(values))
    action = rng.randrange(5)
    if action == 0 and len(values) > shape.low:
        values.pop(left)
    elif action == 1 and len(values) < shape.high:
        values.insert(left, values[right])
    elif action == 2:  # noqa: PLR2004 - the third of the ways
        values[left], values[right] = values[right], values[left]
    elif shape.item is not None:
        values[left] = _mutated(shape.item, values[left], rng)
    return _habits(shape, values)


def _extreme(shape: Shape, rng: random.Random, *, is_high: bool) -> Any:  # noqa: ANN401 - any JSON value
    if shape.kind == "bool":
        return is_high
    end = shape.high if is_high else shape.low
    if shape.kind in {"int", "float"}:
        return int(end) if shape.kind == "int" else end
    return _of_length(shape, rng, int(end), 4)


def call_maker(statement: str, starter_code: str, inputs: Sequence[str], seed: str) -> CallMaker | None:
    """Return what makes calls like the known ones; ``None`` where these are no JSON lists of one form."""
    calls: list[Call] = []
    for text in inputs:
        try:
            call = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(call, list) or (calls and len(call) != len(calls[0])) or not call:
            return None
        calls.append(call)
    if not calls:
        return None
    said, names = _said(statement), _parameters(starter_code)
    shapes = []
    for place, values in enumerate(zip(*calls, strict=True)):
        shape = _shape(values, said, names[place] if place < len(names) else "")
        if shape is None:
            return None
        shapes.append(shape)
    agreements = agreements_of(calls)
    for each in agreements:
        if each.kind is LENGTH:
            shapes[each.one] = replace(shapes[each.one], low=shapes[each.other].low, high=shapes[each.other].high)
    return CallMaker(tuple(shapes), tuple(calls), seed, agreements)


def _parameters(starter_code: str) -> list[str]:
    found = PARAMETERS.search(starter_code or "")
    names = [part.split(":")[0].split("=")[0].strip() for part in found[1].split(",")] if found else []
    return [name for name in names if name and name != "self"]
