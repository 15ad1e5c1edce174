"""Where the fields of a grammar are, what values known inputs give them, and grammars with fields changed.

A changed grammar is taken only where it still reads every known input.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ocr_pipeline.generating.grammar import (
    Block,
    Field,
    Grammar,
    Item,
    Kind,
    Line,
    Linear,
    RefusedError,
    Series,
    fields_of,
    read,
    refusal,
)


def listed_in(items: Sequence[Item], *, inside: bool = False) -> Iterator[int]:
    """Yield the fields that are in a list or in a block."""
    for item in items:
        if isinstance(item, Block):
            yield from listed_in(item.items, inside=True)
            continue
        yield from (
            part.field.number if isinstance(part, Series) else part.number
            for part in item.parts
            if inside or isinstance(part, Series)
        )


def all_values(items: Sequence[Item], tree: Sequence[object]) -> Iterator[tuple[int, int | str]]:
    """Yield the values of an input that was read, each with its field."""
    for item, value in zip(items, tree, strict=True):
        if isinstance(item, Block):
            for each in value:  # type: ignore[attr-defined]
                yield from all_values(item.items, each)
            continue
        for part, given in zip(item.parts, value, strict=True):  # type: ignore[call-overload]
            if isinstance(part, Series):
                yield from ((part.field.number, one) for one in given)
            else:
                yield part.number, given


def counts_in(items: Sequence[Item]) -> Iterator[tuple[str, Linear]]:
    """Yield what is counted (``block``, ``series`` or ``length``) and how many there are."""
    for item in items:
        if isinstance(item, Block):
            yield "block", item.count
            yield from counts_in(item.items)
            continue
        for part in item.parts:
            if isinstance(part, Series):
                yield "series", part.count
            elif part.kind in {Kind.WORD, Kind.TEXT}:
                yield from (("length", end) for end in part.lows if end.field is not None)


def tree_of(grammar: Grammar, text: str) -> list[object]:
    """Return an input as it is read; nothing where the grammar refuses it."""
    try:
        return read(grammar, text)
    except RefusedError:
        return []


def with_fields(grammar: Grammar, fields: Mapping[int, Field]) -> Grammar:
    """Return the grammar with other fields in the places of their numbers."""
    return replace(grammar, items=tuple(_item_with(item, fields) for item in grammar.items))


def _item_with(item: Item, fields: Mapping[int, Field]) -> Item:
    if isinstance(item, Block):
        return replace(item, items=tuple(_item_with(inner, fields) for inner in item.items))
    return Line(
        tuple(
            replace(part, field=fields.get(part.field.number, part.field))
            if isinstance(part, Series)
            else fields.get(part.number, part)
            for part in item.parts
        )
    )


def reads(grammar: Grammar, inputs: Sequence[str]) -> bool:
    """Say whether a grammar refuses none of the inputs."""
    return all(refusal(grammar, text) is None for text in inputs)


def if_read(grammar: Grammar, more: Grammar, inputs: Sequence[str]) -> Grammar:
    """Return the grammar that holds more where it refuses none of the inputs, else the one that was."""
    return more if reads(more, inputs) else grammar


def unlike(grammar: Grammar, number: int, other: int) -> Grammar:
    """Return the grammar in which a field differs from another."""
    spec = next(each for each in fields_of(grammar.items) if each.number == number)
    return (
        grammar if other in spec.unlike else with_fields(grammar, {number: replace(spec, unlike=(*spec.unlike, other))})
    )
