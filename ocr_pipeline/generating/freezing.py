"""Says what is kept as it is known: fields of promises that nobody here understands, and habits of known inputs.

A promise freezes the fields that it names. A habit is what all known inputs keep to, and would not by chance.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Final

from ocr_pipeline.generating.fields import all_values, counts_in, listed_in, tree_of
from ocr_pipeline.generating.grammar import (
    Apart,
    Block,
    Field,
    Grammar,
    Item,
    Kind,
    Line,
    Linear,
    Order,
    Rows,
    columns,
    fields_of,
    refusal,
    rounds_of,
)
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
from ocr_pipeline.generating.relating import CONNECTED, DISTINCT, FALLING, PRIME, RISING, SUM, TREE, Sentence
from ocr_pipeline.generating.statement import Said

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
HARMLESS: Final = re.compile(
    r"\bfits?\b|\bno (?:more|greater|larger)|\bexceed|separated|\bnumbered\b|trailing|whitespace|\bcase[- ]|output|at least one (?:integer|line|character)(?! of)|"
    r"\bnon-?(?:empty|negative)|\bnot necessarily|\bmay (?!(?:also |safely )?assume)(?:not )?\w+"
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
SURROUNDED: Final = re.compile(
    r"\b(?:(?:it|they|and|which|that)\s+){0,2}(?:always\s+)?(?:start|begin)s? (?:with )?(?:and|or|nor) ends? with (?:a|an|any) (?:letters?|space|non-?space character)",
    re.IGNORECASE,
)
"""What every made text obeys: spaces are between others."""
NUMBERS: Final = re.compile(
    r"\b(?:numbers|integers|values|elements|array|sequence|list|items|neighbou?rs|entries|permutation|consecutive)\b"
)
TEXTS: Final = re.compile(r"\b(?:strings?|words?|texts?|characters?|letters?|brackets?|parenthes[ei]s|digits?)\b")
MANY: Final = re.compile(r"\b(?:them|they|these|those|graph|path|cycle)\b")
"""A sentence that names single values may be about what they count."""
OVER_CASES: Final = re.compile(r"\b(?:over|across|among|of) all (?:the )?(?:test|data|queries)")


def is_promise(about: Sentence, said: Said, *, is_held: bool, grammar: Grammar) -> bool:
    """Say whether a sentence promises something that the grammar does not hold."""
    about = replace(about, text=SURROUNDED.sub(" ", about.text))
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


def _is_bound(sentence: str) -> bool:
    """Say whether a sentence is about bounds only: nothing else is left of it without them."""
    if re.search(r"[≤≥<>\u2260]|\bbetween\b", sentence) is None:
        return False
    words = re.findall(r"[a-z]{2,}", re.sub(r"\S*[≤≥<>\u2260|_(]\S*|\b\w\b", " ", sentence).lower())
    return sum(word not in FILLING for word in words) <= FEW_WORDS


def restricted(grammar: Grammar, about: Sentence) -> set[int]:
    """Return the fields that a promise may be about: those it names, by their names or as numbers or text; else all."""
    fields = list(fields_of(grammar.items))
    found = set(about.named)
    if NUMBERS.search(about.low):
        found |= {each.number for each in about.listed if each.kind in {Kind.INTEGER, Kind.DECIMAL}}
    if TEXTS.search(about.low):
        found |= {each.number for each in fields if each.kind in {Kind.WORD, Kind.TEXT}}
    counts = {count.field for _, count in counts_in(grammar.items)}
    single = bool(found) and not found & {each.number for each in about.listed}
    if single and (about.of_edges or MANY.search(about.low)):
        return {each.number for each in fields}
    is_of_a_name = any(re.match(rf"\W*(?:\w+ ){{0,2}}{re.escape(name)}\b", about.text) for name in about.by_name)
    if found <= counts and not is_of_a_name and not OVER_CASES.search(about.low):
        found = set(about.things) & {each.number for each in about.listed}
        if not found:
            return {each.number for each in fields}  # `the graph of n nodes has no cycle`
    bounding = {end.field for each in fields if each.number in found for end in (*each.lows, *each.highs)}
    return found | {number for number in bounding if number is not None}


def unenforced(grammar: Grammar, by_name: Mapping[str, int], said: Said) -> Iterator[int]:
    """Yield the fields that the statement compares with others in a way that the grammar does not hold."""
    fields = {each.number: each for each in fields_of(grammar.items)}
    for name, sign, other in said.relations:
        if name == other and sign != "!=":
            base = name.removesuffix("[]")
            labelled = [number for each, number in by_name.items() if re.fullmatch(rf"{re.escape(base)}_?\w", each)]
            if labelled:  # `y_s < y_1 < … < y_f`: single values on both sides of a list
                yield from [*labelled, *listed_in(grammar.items)] if name in by_name else fields
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


def habits_of_blocks(grammar: Grammar, inputs: Sequence[str]) -> Iterator[Apart]:
    """Yield the blocks whose rounds always differ, where by chance some would be the same."""
    trees = [tree_of(grammar, text) for text in inputs if refusal(grammar, text) is None]
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


def own_habits(grammar: Grammar, inputs: Sequence[str], frozen: AbstractSet[int]) -> tuple[list[Order], set[int]]:
    """Return the orders that known lists keep to, and the fields that have other habits: those are kept as they are."""
    trees = [tree for text in inputs if (tree := tree_of(grammar, text))]
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
    if spec.kind is not Kind.INTEGER or spec.number not in set(listed_in(grammar.items)):
        values = (value for number, value in all_values(grammar.items, tree) if number == spec.number)
        return [value if isinstance(value, str) else [value] for value in values]
    return [values for number, values in columns(grammar.items, list(tree)) if number == spec.number]


def _sums(grammar: Grammar, trees: Sequence[Sequence[object]], spec: Field) -> Iterator[int]:
    """Yield a list and a single number that its sum never exceeds."""
    listed = set(listed_in(grammar.items))
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
    return next(int(value) for number, value in all_values(grammar.items, tree) if number == wanted)
