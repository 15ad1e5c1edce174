"""Finds what holds between values in sentences: distinct, sorted, primes, sums, edges, trees and connected graphs.

What a sentence says is held only where every known input obeys it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ocr_pipeline.bounds import number_in
from ocr_pipeline.generating.fields import if_read, tree_of, unlike, with_fields
from ocr_pipeline.generating.grammar import (
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
    is_prime,
)
from ocr_pipeline.generating.statement import PLAIN_NAME

OF_ANOTHER: Final = re.compile(
    r"\b(?:distinct|different|differ|differs) from (?!each other|one another|all others)|\bsame (?:last|first|length|size|sum|parity|number of|digit|letter|colou?r|end)|\bshares? (?:an?|the)\b"
)
"""Things differ in something else than their values, or from something else than each other."""
DISTINCT: Final = re.compile(
    r"\b(?:distinct|different|unique|pairwise (?:distinct|different)|permutation|no two|no pair|more than once|twice|(?:at most|exactly|only) once)\b"
)
RISING: Final = re.compile(r"\b(?:sorted|increasing|ascending|non-?decreasing)")
FALLING: Final = re.compile(r"\b(?:(?<!non-)decreasing|descending|non-?increasing)")
EDGES: Final = re.compile(
    r"\b(?:edges?|roads?|paths?|pairs?|tunnels?|bridges?|cables?|corridors?|streets?|routes?|connections?|links?|friend)"
)
TREE: Final = re.compile(r"\btree\b")
CONNECTED: Final = re.compile(
    r"\b(?:connected|reachable|path between (?:any|every|each)|(?:(?:it is )?(?:always )?possible to )?(?:reach|get to|get from|travel between|go from) (?:any|every|each|all))\b"
)
LOOPS: Final = re.compile(r"\b(?:itself|self-?loops?|themsel\w+)\b|\u2260")
SUM: Final = re.compile(
    rf"\bsum\s+of\s+(?:all\s+|the\s+|values\s+(?:of\s+)?)*({PLAIN_NAME})\b[^.]{{0,80}}?(?:not exceed|at most|no more than|≤|not greater than)\s*([\d*^]+(?: 000)*)"
)
COMMON: Final = re.compile(
    r"appear|between|both|case|contain|different|distinct|each|first|follow|following|from|given|guaranteed|have|input|integer|line|more|never|next|number|once|same|second|separated|single|space|starting|such|test|than|that|them|then|there|they|thi|third|value|where|which|will|with"
)
"""Words of any layout, without their plural."""
PRIME: Final = re.compile(r"\bprimes?\b")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the statement, and what it may speak of."""

    text: str
    named: Sequence[int]
    """Fields whose names it holds."""
    by_name: Mapping[str, int]
    listed: Sequence[Field]
    pairs: Sequence[tuple[Block, Field, Field]]
    inputs: Sequence[str]
    lines: Mapping[int, str] = field(default_factory=dict)
    """By field: the sentences that say the line that it is in, where some do."""
    last: frozenset[int] = frozenset()
    """The fields of the line that was said last before it."""

    @property
    def things(self) -> frozenset[int]:
        """The fields of repeated lines whose own sentence has a noun of this one; none where no line has."""
        own = _nouns(self.text)
        return frozenset(number for number, said in self.lines.items() if own & _nouns(said))

    def is_of(self, numbers: Iterable[int]) -> bool:
        """Say whether it may speak of a line with these fields."""
        return not self.things or bool(self.things & set(numbers))

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

    @property
    def own_pairs(self) -> Sequence[tuple[Block, Field, Field]]:
        """The pairs whose ends it names; all where it names none."""
        named = [pair for pair in self.pairs if {each.number for each in pair[1:]} & set(self.named)]
        return named or self.pairs

    def add(self, grammar: Grammar, constraint: Order | Rows) -> Grammar:
        """Return the grammar with a constraint that every known input obeys."""
        if constraint in grammar.constraints:
            return grammar
        return if_read(grammar, replace(grammar, constraints=(*grammar.constraints, constraint)), self.inputs)


def _nouns(text: str) -> frozenset[str]:
    """Return the words that may name things, in the singular."""
    words = re.findall(r"[a-z]{4,}", re.sub(r"\([^()]*\)", " ", text).lower())
    return frozenset(word for word in (each.removesuffix("s") for each in words) if not COMMON.fullmatch(word))


def held_by(grammar: Grammar, sentence: Sentence) -> Grammar:
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
                grammar = if_read(
                    grammar, with_fields(grammar, {each.number: replace(each, is_prime=True)}), sentence.inputs
                )
    for name, most in SUM.findall(sentence.text):
        if name in sentence.by_name:
            order = Order(sentence.by_name[name], most_sum=Linear(number_in(most)))
            grammar = sentence.add(grammar, order)
    return grammar


def _apart(grammar: Grammar, sentence: Sentence) -> Grammar:
    """Return the grammar whose values differ: those of lists, pairs of ends, and named single ones."""
    if OF_ANOTHER.search(sentence.low):
        return grammar
    ends = {field.number for _, *both in sentence.pairs for field in both} if sentence.of_edges else set()
    for each in sentence.speaks_of:
        if each.number not in ends and _varies(grammar, each, sentence.inputs):
            grammar = sentence.add(grammar, Order(each.number, is_distinct=True))
    for _, left, right in sentence.own_pairs if EDGES.search(sentence.low) else ():
        grammar = sentence.add(grammar, Rows(left.number, right.number, is_distinct=True, first=_first(left)))
    if re.search(r"\btwo (?:distinct|different)\b", sentence.low):
        for _, left, right in sentence.pairs:
            grammar = if_read(grammar, unlike(grammar, right.number, left.number), sentence.inputs)
    listed = {each.number for each in sentence.listed}
    if "line" not in sentence.low and not listed & set(sentence.named):
        for one, other in itertools.combinations(sorted(sentence.named), 2):
            grammar = if_read(grammar, unlike(grammar, other, one), sentence.inputs)
    return grammar


def _as_graph(grammar: Grammar, sentence: Sentence) -> Grammar:
    """Return the grammar whose edges join different nodes, connect them, or form a tree, as the sentence says."""
    is_tree, is_connected = TREE.search(sentence.low) is not None, CONNECTED.search(sentence.low) is not None
    for block, left, right in sentence.own_pairs:
        if LOOPS.search(sentence.low):
            grammar = if_read(grammar, unlike(grammar, right.number, left.number), sentence.inputs)
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
        for number, values in columns(grammar.items, tree_of(grammar, text))
    )


def _first(end: Field) -> int:
    return 0 if any(low.field is None and low.plus == 0 for low in end.lows) or end.seen[0] == 0 else 1


def _nodes(block: Block, left: Field, right: Field) -> Linear | None:
    """Return how many nodes there are: the upper bound of the ends, or one more than the edges."""
    for end in (*left.highs, *right.highs):
        if end.field is not None:
            return Linear(end.plus + (1 - _first(left)), end.field, end.times)
    return Linear(block.count.plus + 1, block.count.field) if block.count.plus == -1 else None


def says(sentence: str, name: str) -> bool:
    """Say whether a sentence holds a name, with or without a subscript."""
    base = re.escape(name.removesuffix("[]"))
    article = r"(?!\s+(?!(?:and|or|is|are|has|to|in|from)\b)[a-z]{2})" if base.lower() in {"a", "i"} else ""
    return re.search(rf"(?<![\w]){base}(?:_\w+)?(?![\w']|-axis|-coordinate){article}", sentence) is not None


def pairs_in(items: Sequence[Item]) -> list[tuple[Block, Field, Field]]:
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
        found += pairs_in(item.items)
    return found
