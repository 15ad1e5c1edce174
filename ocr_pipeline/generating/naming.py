"""Brings a grammar and its statement together: names for fields, bounds for names, and what holds between values.

Names and fields both have an order, that of the input; they are aligned so that most names find a field whose known
values they allow. Of several grammars that read the same inputs the one is taken that agrees best with the names.
Whatever a known input breaks was misread, and is left out. What a statement promises and nobody here understands
freezes the fields that it names: their values stay as they are known.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from ocr_pipeline.bounds import number_in
from ocr_pipeline.generating.grammar import (
    Apart,
    Block,
    Constraint,
    Field,
    Grammar,
    Item,
    Kind,
    Line,
    Linear,
    Order,
    RefusedError,
    Rows,
    Series,
    columns,
    fields_of,
    is_prime,
    read,
    refusal,
    rounds_of,
)
from ocr_pipeline.generating.inferring import Inferred, infer
from ocr_pipeline.generating.promises import (
    ALL_DIFFER,
    FALLS,
    FEWEST,
    RISES,
    List,
    bounds_sum,
    habits_of,
    promises_in,
    restricts,
)
from ocr_pipeline.generating.statement import PLAIN_NAME, End, Interval, Mention, Said, Sort, read_statement

__all__ = ["PROMISES", "Understood", "understand"]

PAIR, SORT_AGREES, SHAPE_AGREES, BOUNDED, UNNAMED, LEFT_OUT, LEFT_OUT_BOUNDED = 1.0, 0.3, 0.4, 0.5, -0.3, -0.1, -0.7
COUNTED: Final = 0.8
UNCOUNTED: Final = -1.5
UNSAID: Final = -1.0
BLOCK_OF_ONE, LIST_OF_ONE = 1.3, 0.6
"""What a block or a list costs more than what it repeats, where every known input has one of it."""
LINES_OF: Final = re.compile(
    rf"\b({PLAIN_NAME})(?:\s*[-+]\s*\d)?\s+(?:\w+\s+)?(?:lines|rows|test cases|cases|datasets|tests|descriptions)\b"
)
VALUES_OF: Final = re.compile(
    rf"\b({PLAIN_NAME})(?:\s*[-+]\s*\d)?\s+(?:\w+[- ](?:separated\s+)?){{0,2}}(?:integers?|numbers?|values?|words|strings|reals?)\b"
)
LENGTHS_OF: Final = re.compile(
    rf"(?:\blength\s+({PLAIN_NAME})\b|\b({PLAIN_NAME})\s+(?:\w+\s+){{0,2}}(?:characters|letters|symbols|digits)\b)"
)
LOWER, UPPER, DIGITS = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
FEW_CHARACTERS: Final = 4
DISTINCT: Final = re.compile(
    r"\b(?:distinct|different|unique|pairwise|permutation|no two|no pair|more than once|twice|(?:at most|exactly|only) once)\b"
)
PERMUTATION: Final = re.compile(r"\bpermutation\b")
RISING: Final = re.compile(r"\b(?:sorted|increasing|ascending|non-?decreasing)")
FALLING: Final = re.compile(r"\b(?:(?<!non-)decreasing|descending|non-?increasing)")
EDGES: Final = re.compile(
    r"\b(?:edges?|roads?|paths?|pairs?|tunnels?|bridges?|cables?|corridors?|streets?|routes?|connections?|links?|friend)"
)
TREE: Final = re.compile(r"\btree\b")
CONNECTED: Final = re.compile(r"\b(?:connected|reachable|path between (?:any|every|each)|reach (?:any|every))\b")
LOOPS: Final = re.compile(r"\b(?:itself|self-?loops?|themsel\w+)\b|\u2260")
SUM: Final = re.compile(
    rf"\bsum\s+of\s+(?:all\s+|the\s+|values\s+(?:of\s+)?)*({PLAIN_NAME})\b[^.]{{0,80}}?(?:not exceed|at most|no more than|≤|not greater than)\s*([\d*^]+(?: 000)*)"
)
PRIME: Final = re.compile(r"\bprimes?\b")
PROMISES: Final = re.compile(
    r"\b(?:guarante\w+|(?:may|can) (?:also )?assume|it holds|holds that|such that|none of|ensures?|is always|are always|valid|"
    r"exactly one|at least one|(?:never|no|not|cannot|must)\b(?=.*\b(?:overlap\w*|touch\w*|intersect\w*|collinear|coincid\w+|cross\w*|"
    r"contain\w*|occurs?|appears?|shares?|repeat\w*|duplicates?|input|cycles?|adjacent|equal)\b))"
)
FILLING: Final = frozenset(
    [
        "it",
        "is",
        "also",
        "guaranteed",
        "that",
        "you",
        "may",
        "assume",
        "can",
        "for",
        "all",
        "each",
        "every",
        "the",
        "and",
        "where",
        "with",
        "of",
        "values",
        "value",
        "integer",
        "integers",
        "number",
        "numbers",
        "input",
        "test",
        "case",
        "cases",
        "sum",
        "in",
        "will",
        "be",
        "are",
        "have",
        "holds",
        "hold",
        "always",
        "given",
        "following",
        "constraints",
        "satisfy",
        "a",
        "an",
        "i",
        "e",
        "ie",
        "to",
        "line",
        "lines",
        "from",
        "as",
        "on",
        "any",
        "both",
        "least",
        "at",
        "most",
        "over",
        "between",
        "data",
        "inputs",
        "file",
    ]
)
FEW_WORDS: Final = 3
UNLIKELY: Final = 4.0
"""Equal pairs that chance would have made where known inputs have none: e^-4 is 2 %."""
PARITY: Final = re.compile(r"\b(?:even|odd|multiple of|divisible|divides|coprime|powers? of)\b")
AT_LEAST: Final = ((re.compile(r"\bpositive\b"), 1), (re.compile(r"\bnon-?negative\b"), 0))
HARMLESS: Final = re.compile(
    r"\bfits?\b|\bno (?:more|greater|larger)|\bexceed|separated|\bnumbered\b|trailing|whitespace|\bcase[- ]|output|at least one (?:integer|line|character)|"
    r"\bnon-?(?:empty|negative)|\bnot necessarily|\bmay (?:not )?be\b"
)


HELD: Final = (
    DISTINCT,
    RISING,
    FALLING,
    TREE,
    CONNECTED,
    SUM,
    PRIME,
    re.compile(r"\b(?:order|sorted|ascending|descending|decreasing|increasing|each other)\b|\bnon-?\w*creasing\b"),
)
"""What is taken out of a sentence that the grammar holds something of, before the rest is looked at."""
NUMBERS: Final = re.compile(
    r"\b(?:numbers|integers|values|elements|array|sequence|list|items|neighbou?rs|entries|permutation|consecutive)\b"
)
TEXTS: Final = re.compile(r"\b(?:strings?|words?|texts?|characters?|letters?|brackets?|parenthes[ei]s|digits?)\b")
OVER_CASES: Final = re.compile(r"\b(?:over|across|among|of) all (?:the )?(?:test|data|queries)")


@dataclass(frozen=True, slots=True)
class Understood:
    """The grammar of a problem's input, and what of the statement nobody understood."""

    grammar: Grammar
    promises: tuple[str, ...]


def understand(statement: str, inputs: Sequence[str]) -> Understood | None:
    """Return the grammar of a problem's input, or ``None`` where none reads the known inputs.

    Parameters
    ----------
    statement
        The whole statement.
    inputs
        Known inputs, the examples first.
    """
    said = read_statement(statement)
    spaced = bool(re.search(r"\b(?:spaces|sentences?|lines? of text|titles?)\b", said.text))
    strings = bool(re.search(r"\b(?:string|characters?|word|letters?|digits|symbols?|of length)\b", said.text))
    told = " ".join(said.sentences)
    slack = 1.0 + BLOCK_OF_ONE * len(set(LINES_OF.findall(told))) + LIST_OF_ONE * len(VALUES_OF.findall(told))
    found = infer(inputs, texts=strings, slack=slack)
    if not found and spaced:
        found = infer(inputs, spaced_text=True, texts=strings, slack=slack)
    best: tuple[float, Grammar, dict[int, Mention]] | None = None
    for way in found:
        score, names = _aligned(way, said)
        score += _counted(way.grammar.items, names, said) - way.cost
        if best is None or score > best[0]:
            best = score, way.grammar, names
    if best is None:
        return None
    return _bound(best[1], best[2], said, list(dict.fromkeys(inputs)))


# ---- names ----


@dataclass(frozen=True, slots=True)
class _Place:
    """A field, where it is, and its known values."""

    field: Field
    is_listed: bool
    """It is in a list or in a block."""
    is_series: bool
    values: Sequence[Decimal]


def _places(grammar: Grammar, inputs: Sequence[str]) -> list[_Place]:
    values: dict[int, list[Decimal]] = {}
    for text in inputs:
        for number, value in _all_values(grammar.items, read(grammar, text)):
            if isinstance(value, int) or grammar_number(str(value)):
                values.setdefault(number, []).append(Decimal(value))
    listed = set(_listed(grammar.items, inside=False))
    series = {part.field.number for part in _series(grammar.items)}
    return [
        _Place(each, each.number in listed, each.number in series, values.get(each.number, ()))
        for each in fields_of(grammar.items)
    ]


def grammar_number(text: str) -> bool:
    """Say whether a text is a number."""
    return re.fullmatch(r"-?\d{1,4000}(?:\.\d{1,40})?", text) is not None


def _series(items: Sequence[Item]) -> Iterator[Series]:
    for item in items:
        if isinstance(item, Block):
            yield from _series(item.items)
        else:
            yield from (part for part in item.parts if isinstance(part, Series))


def _listed(items: Sequence[Item], *, inside: bool) -> Iterator[int]:
    for item in items:
        if isinstance(item, Block):
            yield from _listed(item.items, inside=True)
            continue
        yield from (
            part.field.number if isinstance(part, Series) else part.number
            for part in item.parts
            if inside or isinstance(part, Series)
        )


def _all_values(items: Sequence[Item], tree: Sequence[object]) -> Iterator[tuple[int, int | str]]:
    for item, value in zip(items, tree, strict=True):
        if isinstance(item, Block):
            for each in value:  # type: ignore[attr-defined]
                yield from _all_values(item.items, each)
            continue
        for part, given in zip(item.parts, value, strict=True):  # type: ignore[call-overload]
            if isinstance(part, Series):
                yield from ((part.field.number, one) for one in given)
            else:
                yield part.number, given


def _aligned(way: Inferred, said: Said) -> tuple[float, dict[int, Mention]]:
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


def intervals_for(mention: Mention, said: Said) -> Sequence[Interval]:
    """Return what is said of a name, or of all of its kind."""
    base = re.sub(r"_?\w$", "", mention.name)
    found = said.intervals.get(mention.name) or said.intervals.get(f"{base}[]", ())
    return found or [
        Interval(replace(each.high, plus=-each.high.plus), each.high)
        for each in said.intervals.get(f"|{mention.name.removesuffix('[]')}|", ())
        if each.high is not None and each.high.name is None and mention.sort not in {Sort.STRING, Sort.CHARACTER}
    ]


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


def _counted(items: Sequence[Item], names: Mapping[int, Mention], said: Said) -> float:
    """Return how well the counts of the grammar agree with phrases such as ``n lines`` and ``n integers``."""
    text = " ".join(said.sentences)
    lines, values = set(LINES_OF.findall(text)), set(VALUES_OF.findall(text))
    lengths = {one or other for one, other in LENGTHS_OF.findall(text)}
    counting = [count.field for kind, count in _counts(items) if kind == "block" and count.field is not None]
    blocks = {names[each].name for each in counting if each in names}
    score = UNCOUNTED * len((lines & {mention.name for mention in said.mentions}) - blocks)
    known = {mention.name for mention in said.mentions}
    wanted = sum(name in known for name in VALUES_OF.findall(text))
    score += UNCOUNTED * max(0, wanted - sum(kind == "series" for kind, _ in _counts(items)))
    for kind, count in _counts(items):
        said_so = {"block": lines, "series": values, "length": lengths}[kind]
        mention = names.get(count.field) if count.field is not None else None
        name = mention.name if mention else None
        if count.plus and not re.search(rf"\b{re.escape(name or '?')}\s*[-+]\s*1\b", text):
            score += UNSAID
        if said_so:
            score += COUNTED if name in said_so else -COUNTED / 2
    return score


def _counts(items: Sequence[Item]) -> Iterator[tuple[str, Linear]]:
    for item in items:
        if isinstance(item, Block):
            yield "block", item.count
            yield from _counts(item.items)
            continue
        for part in item.parts:
            if isinstance(part, Series):
                yield "series", part.count
            elif part.kind in {Kind.WORD, Kind.TEXT}:
                yield from (("length", end) for end in part.lows if end.field is not None)


# ---- bounds ----


def _bound(grammar: Grammar, names: Mapping[int, Mention], said: Said, inputs: Sequence[str]) -> Understood:
    """Give the fields their names and bounds, as far as every known input obeys them."""
    order = [each.number for each in fields_of(grammar.items)]
    by_name = {mention.name: number for number, mention in names.items()}
    visible = _visible(grammar.items, ())
    fields: dict[int, Field] = {}
    usable = [text for text in inputs if refusal(grammar, text) is None] or list(inputs)
    for spec in fields_of(grammar.items):
        named = _named(spec, names.get(spec.number), said)
        if not _reads(_with(grammar, fields | {spec.number: named}), usable):
            named = replace(spec, name=named.name)
        for more in _bounds_of(named, names.get(spec.number), said, by_name, visible[spec.number]):
            tried = _with(grammar, fields | {spec.number: more})
            if _reads(tried, usable):
                named = more
        fields[spec.number] = named
    bounded = _with(grammar, fields)
    for number in order:
        for name, sign, other in said.relations:
            if sign == "!=" and {name, other} <= by_name.keys() and number == max(by_name[name], by_name[other]):
                bounded = _if_read(bounded, _unlike(bounded, number, min(by_name[name], by_name[other])), usable)
    return _constrained(bounded, names, said, usable)


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
        now = replace(now, lows=(*now.lows, Linear(low)))
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


def _with(grammar: Grammar, fields: Mapping[int, Field]) -> Grammar:
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


def _reads(grammar: Grammar, inputs: Sequence[str]) -> bool:
    return all(refusal(grammar, text) is None for text in inputs)


def _if_read(grammar: Grammar, more: Grammar, inputs: Sequence[str]) -> Grammar:
    return more if _reads(more, inputs) else grammar


def _unlike(grammar: Grammar, number: int, other: int) -> Grammar:
    spec = next(each for each in fields_of(grammar.items) if each.number == number)
    return grammar if other in spec.unlike else _with(grammar, {number: replace(spec, unlike=(*spec.unlike, other))})


# ---- what holds between values ----


def _constrained(grammar: Grammar, names: Mapping[int, Mention], said: Said, inputs: Sequence[str]) -> Understood:
    by_name = {mention.name: number for number, mention in names.items()}
    listed = [each for each in fields_of(grammar.items) if each.number in set(_listed(grammar.items, inside=False))]
    pairs = _pairs(grammar.items)
    promises: list[str] = []
    frozen: set[int] = set()
    for name, sign, other in said.relations:
        if name == other and name in by_name and sign != "!=":
            order = Order(by_name[name], is_distinct=sign == "<", direction=1)
            grammar = _if_read(grammar, replace(grammar, constraints=(*grammar.constraints, order)), inputs)
    for name in {one for one, sign, other in said.relations if sign == "!=" and one == other and one in by_name}:
        order = Order(by_name[name], is_distinct=True)  # `a_i ≠ a_j`
        grammar = _if_read(grammar, replace(grammar, constraints=(*grammar.constraints, order)), inputs)
    start = grammar
    for sentence in said.sentences:
        named = [number for name, number in by_name.items() if _says(sentence, name)]
        about = _Sentence(sentence, named, by_name, listed, pairs, inputs)
        before, grammar = grammar, _from_sentence(grammar, about)
        # What was held before is held where it is said again of what has a name, or of edges.
        is_again = (bool(named) or about.of_edges) and _from_sentence(start, about) != start
        if _is_promise(about, said, is_held=grammar != before or is_again, grammar=grammar):
            promises.append(sentence)
            frozen |= _restricted(grammar, about)
    frozen |= set(_unenforced(grammar, by_name, said))
    for sentence in said.told_elsewhere:
        columns_named = {each.number for each in listed if each.name and _says(sentence, each.name)}
        if len(columns_named) > 1:
            promises.append(sentence)
            frozen |= columns_named
    orders, unheld = _own_habits(grammar, inputs, frozen)
    habits: tuple[Constraint, ...] = (*_habits(grammar, inputs), *orders)
    return Understood(replace(grammar, frozen=frozenset(frozen | unheld), habits=habits), tuple(promises))


def _is_promise(about: _Sentence, said: Said, *, is_held: bool, grammar: Grammar) -> bool:
    """Say whether a sentence promises something that the grammar does not hold."""
    has_texts = any(each.kind in {Kind.WORD, Kind.TEXT} for each in fields_of(grammar.items))
    ordered = {each.field for each in grammar.constraints if isinstance(each, Order) and each.direction}
    is_sorted = bool(ordered & set(about.named)) and (RISING.search(about.low) or FALLING.search(about.low))
    if is_held or is_sorted:
        rest = about.text.lower()
        for pattern in HELD:
            rest = pattern.sub(" ", rest)
        return restricts(rest, has_texts=has_texts)
    if said.has_input_part and restricts(about.text, has_texts=has_texts):
        return True
    if HARMLESS.search(about.low) or _is_bound(about.text):
        return False
    if PROMISES.search(about.low) or (about.named and PARITY.search(about.low)):
        return True
    return promises_in(about.text, is_of_input=said.has_input_part, has_texts=has_texts)


def _restricted(grammar: Grammar, about: _Sentence) -> set[int]:
    """Return the fields that a promise may be about: those it names, by their names or as numbers or text; else all."""
    fields = list(fields_of(grammar.items))
    found = set(about.named)
    if NUMBERS.search(about.low):
        found |= {each.number for each in about.listed if each.kind in {Kind.INTEGER, Kind.DECIMAL}}
    if TEXTS.search(about.low):
        found |= {each.number for each in fields if each.kind in {Kind.WORD, Kind.TEXT}}
    counts = {count.field for _, count in _counts(grammar.items)}
    is_of_a_name = any(re.match(rf"\W*(?:\w+ ){{0,2}}{re.escape(name)}\b", about.text) for name in about.by_name)
    if found <= counts and not is_of_a_name and not OVER_CASES.search(about.low):
        return {each.number for each in fields}  # `the graph of n nodes has no cycle`
    return found


def _own_habits(grammar: Grammar, inputs: Sequence[str], frozen: AbstractSet[int]) -> tuple[list[Order], set[int]]:
    """Return the orders that known lists keep to, and the fields that have other habits: those are kept as they are."""
    trees = [tree for text in inputs if (tree := _tree(grammar, text))]
    graphs = {end for each in grammar.constraints if isinstance(each, Rows) for end in (each.left, each.right)}
    orders: list[Order] = []
    unheld: set[int] = set()
    for spec in fields_of(grammar.items) if len(trees) >= FEWEST else ():
        if spec.number in frozen | graphs or spec.kind is Kind.DECIMAL:
            continue
        lists = [_lists_of(grammar, tree, spec) for tree in trees]
        known = [each for each in grammar.constraints if isinstance(each, Order) and each.field == spec.number]
        direction = next((each.direction for each in known if each.direction), 0)
        is_distinct = any(each.is_distinct for each in known)
        if spec.kind is Kind.INTEGER:
            kept = {each.name for each in habits_of(spec, lists, direction=direction, is_distinct=is_distinct)}
            more = (1 if RISES in kept else -1 if FALLS in kept else 0), ALL_DIFFER in kept
            if any(more) and any(len(each) > 1 for own in lists for each in own):
                orders.append(Order(spec.number, is_distinct=more[1], direction=more[0]))
                direction, is_distinct = direction or more[0], is_distinct or more[1]
        others = {each.name for each in habits_of(spec, lists, direction=direction, is_distinct=is_distinct)}
        if others - {RISES, FALLS} - ({ALL_DIFFER} if spec.kind is Kind.INTEGER else set()):
            unheld.add(spec.number)
        unheld |= set(_sums(grammar, trees, spec))
    return orders, unheld


def _lists_of(grammar: Grammar, tree: Sequence[object], spec: Field) -> list[List]:
    """Return an input's lists of a number, or its value where it is in none, and the texts."""
    if spec.kind is not Kind.INTEGER or spec.number not in set(_listed(grammar.items, inside=False)):
        values = (value for number, value in _all_values(grammar.items, tree) if number == spec.number)
        return [value if isinstance(value, str) else [value] for value in values]
    return [values for number, values in columns(grammar.items, list(tree)) if number == spec.number]


def _sums(grammar: Grammar, trees: Sequence[Sequence[object]], spec: Field) -> Iterator[int]:
    """Yield a list and a single number that its sum never exceeds."""
    listed = set(_listed(grammar.items, inside=False))
    if spec.number not in listed or spec.kind is not Kind.INTEGER:
        return
    lists = [
        [values for number, values in columns(grammar.items, list(tree)) if number == spec.number] for tree in trees
    ]
    if any(len(each) != 1 for each in lists):
        return
    for other in fields_of(grammar.items):
        if other.kind is Kind.INTEGER and other.number not in listed:
            tops = [_top(grammar, tree, other.number) for tree in trees]
            if bounds_sum([each[0] for each in lists], tops):
                yield from (spec.number, other.number)


def _top(grammar: Grammar, tree: Sequence[object], wanted: int) -> int:
    return next(int(value) for number, value in _all_values(grammar.items, tree) if number == wanted)


def _unenforced(grammar: Grammar, by_name: Mapping[str, int], said: Said) -> Iterator[int]:
    """Yield the fields that the statement compares with others in a way that the grammar does not hold."""
    fields = {each.number: each for each in fields_of(grammar.items)}
    for name, sign, other in said.relations:
        if name == other and sign != "!=":
            base = name.removesuffix("[]")
            labelled = [number for each, number in by_name.items() if re.fullmatch(rf"{re.escape(base)}_?\w", each)]
            if labelled:  # `y_s < y_1 < … < y_f`: single values on both sides of a list
                yield from [*labelled, by_name[name]] if name in by_name else fields
        if name == other or not {name, other} <= by_name.keys():
            continue
        ends = by_name[name], by_name[other]
        linked = any(
            end.field == far
            for near, far in (ends, ends[::-1])
            for end in (*fields[near].lows, *fields[near].highs, *(Linear(0, each) for each in fields[near].unlike))
        )
        if not linked and ends[0] != ends[1] and sign != "!=":
            yield from ends


def _habits(grammar: Grammar, inputs: Sequence[str]) -> Iterator[Apart]:
    """Yield the blocks whose rounds always differ, where by chance some would be the same."""
    trees = [_tree(grammar, text) for text in inputs if refusal(grammar, text) is None]
    for fields in _lines_of_fields(grammar.items):
        groups = [
            rounds for tree in trees for rounds in rounds_of(grammar.items, tree, [each.number for each in fields])
        ]
        if any(len(set(rounds)) != len(rounds) for rounds in groups):
            continue
        kinds = (
            math.prod(
                max(1, len({value for rounds in groups for value in column}))
                for column in zip(*(one for rounds in groups for one in rounds), strict=True)
            )
            if any(groups)
            else 1
        )
        chance = sum(len(rounds) * (len(rounds) - 1) / (2 * max(1, kinds)) for rounds in groups)
        if chance > UNLIKELY:
            yield Apart(tuple(each.number for each in fields))


def _lines_of_fields(items: Sequence[Item]) -> Iterator[tuple[Field, ...]]:
    for item in items:
        if isinstance(item, Block):
            for inner in item.items:
                if isinstance(inner, Line) and all(isinstance(part, Field) for part in inner.parts):
                    yield tuple(part for part in inner.parts if isinstance(part, Field))
            yield from _lines_of_fields(item.items)


def _says(sentence: str, name: str) -> bool:
    base = re.escape(name.removesuffix("[]"))
    return re.search(rf"(?<![\w]){base}(?:_\w+)?(?![\w'])", sentence) is not None


def _is_bound(sentence: str) -> bool:
    """Say whether a sentence is about bounds only: nothing else is left of it without them."""
    if re.search(r"[≤≥<>\u2260]|\bbetween\b", sentence) is None:
        return False
    words = re.findall(r"[a-z]{2,}", re.sub(r"\S*[≤≥<>\u2260|_(]\S*|\b\w\b", " ", sentence).lower())
    return sum(word not in FILLING for word in words) <= FEW_WORDS


def _pairs(items: Sequence[Item]) -> list[tuple[Block, Field, Field]]:
    """Return the blocks whose rounds are lines that begin with two integers."""
    found: list[tuple[Block, Field, Field]] = []
    for item in items:
        if not isinstance(item, Block):
            continue
        lines = [inner for inner in item.items if isinstance(inner, Line)]
        if len(lines) == 1 and len(item.items) == 1 and len(lines[0].parts) >= 2:  # noqa: PLR2004 - two ends
            left, right = lines[0].parts[:2]
            if isinstance(left, Field) and isinstance(right, Field) and left.kind is right.kind is Kind.INTEGER:
                found.append((item, left, right))
        found += _pairs(item.items)
    return found


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence of the statement, and what it may speak of."""

    text: str
    named: Sequence[int]
    """Fields whose names it holds."""
    by_name: Mapping[str, int]
    listed: Sequence[Field]
    pairs: Sequence[tuple[Block, Field, Field]]
    inputs: Sequence[str]

    @property
    def low(self) -> str:
        """In small letters."""
        return self.text.lower()

    @property
    def of_edges(self) -> bool:
        """Whether it is about a graph."""
        return EDGES.search(self.low) is not None or TREE.search(self.low) is not None

    @property
    def speaks_of(self) -> Sequence[Field]:
        """The lists and columns that it names; all where it names nothing."""
        return [each for each in self.listed if each.number in self.named or not self.named]

    def add(self, grammar: Grammar, constraint: Order | Rows) -> Grammar:
        """Return the grammar with a constraint that every known input obeys."""
        if constraint in grammar.constraints:
            return grammar
        return _if_read(grammar, replace(grammar, constraints=(*grammar.constraints, constraint)), self.inputs)


def _from_sentence(grammar: Grammar, sentence: _Sentence) -> Grammar:
    """Return the grammar with what a sentence says of values together."""
    if DISTINCT.search(sentence.low):
        grammar = _apart(grammar, sentence)
    direction = -1 if FALLING.search(sentence.low) else int(RISING.search(sentence.low) is not None)
    for each in sentence.speaks_of if direction else ():
        grammar = sentence.add(grammar, Order(each.number, direction=direction))
    if sentence.of_edges or CONNECTED.search(sentence.low) or LOOPS.search(sentence.low):
        grammar = _as_graph(grammar, sentence)
    if PRIME.search(sentence.low):
        for each in fields_of(grammar.items):
            if each.number in sentence.named and each.kind is Kind.INTEGER and all(map(is_prime, each.seen)):
                grammar = _if_read(
                    grammar, _with(grammar, {each.number: replace(each, is_prime=True)}), sentence.inputs
                )
    for name, most in SUM.findall(sentence.text):
        if name in sentence.by_name:
            order = Order(sentence.by_name[name], most_sum=Linear(number_in(most)))
            grammar = sentence.add(grammar, order)
    return grammar


def _apart(grammar: Grammar, sentence: _Sentence) -> Grammar:
    """Return the grammar whose values differ: those of lists, pairs of ends, and named single ones."""
    ends = {field.number for _, *both in sentence.pairs for field in both} if sentence.of_edges else set()
    for each in sentence.speaks_of:
        if each.number not in ends and _varies(grammar, each, sentence.inputs):
            grammar = sentence.add(grammar, Order(each.number, is_distinct=True))
    for _, left, right in sentence.pairs if EDGES.search(sentence.low) else ():
        grammar = sentence.add(grammar, Rows(left.number, right.number, is_distinct=True, first=_first(left)))
    if re.search(r"\btwo (?:distinct|different)\b", sentence.low):
        for _, left, right in sentence.pairs:
            grammar = _if_read(grammar, _unlike(grammar, right.number, left.number), sentence.inputs)
    listed = {each.number for each in sentence.listed}
    if "line" not in sentence.low and not listed & set(sentence.named):
        for one, other in itertools.combinations(sorted(sentence.named), 2):
            grammar = _if_read(grammar, _unlike(grammar, other, one), sentence.inputs)
    return grammar


def _as_graph(grammar: Grammar, sentence: _Sentence) -> Grammar:
    """Return the grammar whose edges join different nodes, connect them, or form a tree, as the sentence says."""
    is_tree, is_connected = TREE.search(sentence.low) is not None, CONNECTED.search(sentence.low) is not None
    for block, left, right in sentence.pairs:
        if LOOPS.search(sentence.low):
            grammar = _if_read(grammar, _unlike(grammar, right.number, left.number), sentence.inputs)
        nodes = _nodes(block, left, right) if is_tree or is_connected else None
        if nodes is not None:
            rows = Rows(
                left.number,
                right.number,
                nodes=nodes,
                is_tree=is_tree or block.count.plus == -1,
                first=_first(left),
            )
            grammar = sentence.add(grammar, rows)
    return grammar


def _varies(grammar: Grammar, spec: Field, inputs: Sequence[str]) -> bool:
    """Say whether the known inputs have a list of this field that could hold a value twice."""
    return any(
        number == spec.number and len(values) > 1
        for text in inputs
        for number, values in columns(grammar.items, _tree(grammar, text))
    )


def _tree(grammar: Grammar, text: str) -> list[object]:
    try:
        return read(grammar, text)
    except RefusedError:
        return []


def _first(end: Field) -> int:
    return 0 if any(low.field is None and low.plus == 0 for low in end.lows) or end.seen[0] == 0 else 1


def _nodes(block: Block, left: Field, right: Field) -> Linear | None:
    """Return how many nodes there are: the upper bound of the ends, or one more than the edges."""
    for end in (*left.highs, *right.highs):
        if end.field is not None:
            return Linear(end.plus + (1 - _first(left)), end.field, end.times)
    return Linear(block.count.plus + 1, block.count.field) if block.count.plus == -1 else None
