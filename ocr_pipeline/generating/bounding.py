"""Gives fields their names, kinds, alphabets, lengths and bounds, as a statement says them.

A bound is a number or another field. One that a known input breaks was misread, and is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from ocr_pipeline.generating.fields import counts_in, if_read, reads, unlike, with_fields
from ocr_pipeline.generating.grammar import Block, Field, Grammar, Item, Kind, Linear, Series, fields_of
from ocr_pipeline.generating.statement import End, Interval, Mention, Said, Sort

LOWER, UPPER, DIGITS = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
FEW_CHARACTERS: Final = 4
NUMBERED: Final = re.compile(
    r"\b(?:numbered|labell?ed|indexed|numbers|identifiers?|ids|indices)\b[^.]{0,30}?\b(?P<low>[01])\s*(?:,\s*\d\s*)?(?:,?\s*(?:through|to|and|up to|\u2026|-)\s*,?\s*)(?P<name>[a-z])\b(?P<minus>\s?-\s?1)?"
)
AT_LEAST: Final = ((re.compile(r"\bpositive\b"), 1), (re.compile(r"\bnon-?negative\b"), 0))


def bound(grammar: Grammar, names: Mapping[int, Mention], said: Said, usable: Sequence[str]) -> Grammar:
    """Give the fields their names and bounds, as far as every usable input obeys them."""
    order = [each.number for each in fields_of(grammar.items)]
    by_name = {mention.name: number for number, mention in names.items()}
    visible = _visible(grammar.items, ())
    counts = {count.field for _, count in counts_in(grammar.items)}
    fields: dict[int, Field] = {}
    for spec in fields_of(grammar.items):
        named = _named(spec, names.get(spec.number), said)
        if not reads(with_fields(grammar, fields | {spec.number: named}), usable):
            named = replace(spec, name=named.name)
        for more in _bounds_of(named, names.get(spec.number), said, by_name, visible[spec.number]):
            tried = with_fields(grammar, fields | {spec.number: more})
            if reads(tried, usable):
                named = more
        numbered = None if spec.number in counts else _numbered(named, said, by_name, visible[spec.number])
        if numbered is not None and reads(with_fields(grammar, fields | {spec.number: numbered}), usable):
            named = numbered
        fields[spec.number] = named
    bounded = with_fields(grammar, fields)
    for number in order:
        for name, sign, other in said.relations:
            if sign == "!=" and {name, other} <= by_name.keys() and number == max(by_name[name], by_name[other]):
                bounded = if_read(bounded, unlike(bounded, number, min(by_name[name], by_name[other])), usable)
    return bounded


def _numbered(spec: Field, said: Said, by_name: Mapping[str, int], visible: Sequence[int]) -> Field | None:
    """Return a whole number of which no bound is known as one of the numbers that things have, ``from 0 to n-1``."""
    match = NUMBERED.search(said.text)
    if match is None or spec.kind is not Kind.INTEGER or spec.highs:
        return None
    number = next(
        (number for name, number in by_name.items() if name.lower() == match["name"] and number in visible), None
    )
    if number is None or spec.seen[0] < int(match["low"]):
        return None
    low, plus = Linear(int(match["low"])), int((match["minus"] or "0").replace(" ", ""))
    return replace(spec, lows=(low,), highs=(Linear(plus, number),))


def _visible(items: Sequence[Item], before: tuple[int, ...]) -> dict[int, tuple[int, ...]]:
    """Return for each field those whose values are known when it is read."""
    found: dict[int, tuple[int, ...]] = {}
    for item in items:
        if isinstance(item, Block):
            found |= _visible(item.items, before)
            continue
        for part in item.parts:
            spec = part.field if isinstance(part, Series) else part
            found[spec.number] = before
            if isinstance(part, Field):
                before = (*before, spec.number)
    return found


def _named(spec: Field, mention: Mention | None, said: Said) -> Field:
    """Give a field its name, and the kind that the statement says."""
    kind, decimals = spec.kind, spec.decimals
    if mention is not None and mention.sort is Sort.REAL and kind is Kind.INTEGER:
        kind = Kind.DECIMAL
    if kind is Kind.DECIMAL:
        decimals = max(decimals, said.decimals or 20)
    if kind in {Kind.WORD, Kind.TEXT}:
        return replace(_spelled(spec, said), name=mention.name if mention else "")
    return replace(spec, kind=kind, decimals=decimals, name=mention.name if mention else "")


def _spelled(spec: Field, said: Said) -> Field:
    """Widen the alphabet of a text from the characters that were seen to those that the statement names."""
    seen, text = set(spec.alphabet), said.text
    characters = set(spec.alphabet)
    speaks = {
        LOWER: bool(re.search(r"lower-?\s?case|small (?:latin|english)|a\W{1,6}z\b", text)),
        UPPER: bool(re.search(r"upper-?\s?case|capital", text))
        or bool(re.search(r"A\W{1,6}Z\b", " ".join(said.sentences))),
        DIGITS: bool(re.search(r"\bdigits\b|alphanumeric", text)),
    }
    for group, is_said in speaks.items():
        if (is_said and (seen & set(group) or not seen)) or len(seen & set(group)) > FEW_CHARACTERS:
            characters |= set(group)
    if seen & set(said.quoted) or not seen:
        characters |= set(said.quoted)
    for sentence in said.sentences:
        letters = set(re.findall(r"(?<![\w'])[A-Z](?![\w'])", sentence))
        if len(letters & seen) > 1 and seen <= set(UPPER):
            characters |= letters - names_of(said)
    for quoted in re.findall(
        r"(?:consisting of|characters?|letters?|either|symbols?)\s[^.]{0,60}", " ".join(said.sentences)
    ):
        single = set(re.findall(r"(?<!\w)[A-Za-z0-9](?!\w)", quoted))
        if seen and seen <= single | characters and single & seen:
            characters |= {each for each in single if each in seen or each not in names_of(said) | {"a"}}
    if spec.kind is Kind.TEXT:
        characters |= {" "} if " " in seen else set()
    if seen & set(LOWER) and seen & set(UPPER) and len(seen) > FEW_CHARACTERS:
        characters |= set(LOWER) | set(UPPER)
    return replace(spec, alphabet="".join(sorted(characters)))


def names_of(said: Said) -> frozenset[str]:
    """Return the names of a statement, without their subscripts, and the usual indexes."""
    return frozenset({each.name.removesuffix("[]") for each in said.mentions} | {"i", "j", "k"})


def _bounds_of(
    spec: Field, mention: Mention | None, said: Said, by_name: Mapping[str, int], visible: Sequence[int]
) -> Iterator[Field]:
    """Yield the field with one more bound each; whoever takes them says which are obeyed."""
    if spec.kind in {Kind.WORD, Kind.TEXT}:
        yield from _lengths(spec, mention, said)
        return
    intervals = intervals_for(mention, said) if mention else ()
    low, high = numbers_of(intervals, are_whole=spec.kind is Kind.INTEGER)
    if low is None and spec.kind is Kind.INTEGER:
        low = next((least for word, least in AT_LEAST if spec.seen[0] >= least and word.search(said.text)), None)
    if low is None and high is None and said.largest is not None:
        low, high = -said.largest, said.largest
    now = spec
    if low is not None:
        is_open = any(each.low is not None and each.low.is_open and each.low.plus == low for each in intervals)
        is_above = spec.kind is Kind.DECIMAL and is_open
        now = replace(now, lows=(*now.lows, Linear(low)), is_above=is_above)
        yield now
    if high is not None:
        now = replace(now, highs=(*now.highs, Linear(high)))
        yield now
    if spec.kind is Kind.DECIMAL:
        return
    for end, is_low in ((end, is_low) for each in intervals for end, is_low in ((each.low, True), (each.high, False))):
        linear = _linear(end, spec.name, by_name, visible, is_low=is_low)
        if linear is not None and linear not in (now.lows if is_low else now.highs):
            now = replace(now, lows=(*now.lows, linear)) if is_low else replace(now, highs=(*now.highs, linear))
            yield now


def _linear(
    end: End | None, name: str, by_name: Mapping[str, int], visible: Sequence[int], *, is_low: bool
) -> Linear | None:
    """Return a bound that is another field; ``x_2 < m_2`` where the statement says so of ``x_i`` and ``m_i``."""
    if end is None or end.name is None:
        return None
    subscript = re.search(r"_?(\w)$", name)
    numbered = (end.name.replace("[]", f"{between}{subscript[1]}") for between in ("_", "")) if subscript else ()
    other = next((by_name[each] for each in (end.name, *numbered) if each in by_name), None)
    if other not in visible:
        return None
    return Linear(end.plus + (end.is_open if is_low else -end.is_open), other, end.times)


def _lengths(spec: Field, mention: Mention | None, said: Said) -> Iterator[Field]:
    if any(end.field is not None for end in spec.lows):
        return
    name = mention.name.removesuffix("[]") if mention else ""
    intervals = said.lengths.get(name) or (said.intervals.get(f"|{name}|", ()) if name else ())
    if not intervals and len(said.lengths) == 1:
        intervals = next(iter(said.lengths.values()))
    low, high = numbers_of(intervals)
    now = replace(spec, lows=(Linear(1 if low is None else low),))
    yield now
    most = high if high is not None else said.longest
    if most is not None:
        yield replace(now, highs=(Linear(most),))


def intervals_for(mention: Mention, said: Said) -> Sequence[Interval]:
    """Return what is said of a name, or of all of its kind."""
    base = re.sub(r"_?\w$", "", mention.name)
    found = said.intervals.get(mention.name) or said.intervals.get(f"{base}[]", ())
    return found or [
        Interval(replace(each.high, plus=-each.high.plus), each.high)
        for each in said.intervals.get(f"|{mention.name.removesuffix('[]')}|", ())
        if each.high is not None and each.high.name is None and mention.sort not in {Sort.STRING, Sort.CHARACTER}
    ]


def numbers_of(intervals: Sequence[Interval], *, are_whole: bool = True) -> tuple[int | None, int | None]:
    """Return the widest numbers among bounds; an open end of whole numbers is moved by one."""
    near = [each for each in intervals if not each.is_far]
    lows = [each.low.plus + (each.low.is_open and are_whole) for each in near if each.low and each.low.name is None]
    highs = [
        each.high.plus - (each.high.is_open and are_whole) for each in near if each.high and each.high.name is None
    ]
    far = [each for each in intervals if each.is_far]
    lows = lows or [each.low.plus for each in far if each.low]
    highs = highs or [each.high.plus for each in far if each.high]
    return min(lows, default=None), max(highs, default=None)
