"""Promises that are kept however they are read: made inputs obey something stronger than what a sentence may mean.

That no two circles touch is kept by putting them far apart; that not all words are equal, by words that all differ. A
sentence that says more than what is kept is not kept at all. The kinds are in ``arranging.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from ocr_pipeline.generating.arranging import (
    Balanced,
    Distinct,
    Inside,
    Palindrome,
    Residues,
    Spread,
    Things,
    Varied,
    cells,
    values_of,
)
from ocr_pipeline.generating.fields import listed_in, tree_of
from ocr_pipeline.generating.grammar import (
    Apart,
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
    fields_of,
    with_constraint,
)
from ocr_pipeline.generating.promises import restricts
from ocr_pipeline.generating.relating import Sentence

__all__ = ["held_safely", "promises_surely"]

NEVER: Final = re.compile(r"\b(?:no|not|none|never|neither|n't|disjoint|non-?\w+ing)\b|n't\b")
MEET: Final = re.compile(
    r"\b(?:overlap\w*|touch\w*|intersect\w*|coincid\w*|collid\w*|disjoint|same (?:spot|place|point|position|location|coordinates?|cell)|at the same)\b"
)
MORE: Final = re.compile(
    r"\b(?:insid\w*|within|enclos\w*|collinear|simple|parallel|distance|exactly|at most|only|once|twice|times|no other|except|but|unless|ends? with|starts? with|begins? with|adjacent|sorted|order|more than half)\b"
)
"""What a sentence may promise besides."""
HARMLESS: Final = re.compile(r"\b(?:non-?zero|two|pair|of the|of them|initially|each other|one another)\b")
SAME_PLACE: Final = re.compile(r"\b(?:same|coincid\w+)\b")
INSIDE: Final = re.compile(
    r"\b(?:each|every|all)\b[^.]*?\b(?:lies?|is|are|grows?|stands?|located|placed) (?:strictly |completely |entirely )?(?:inside|within|in the interior of|contained in)\b"
)
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
    r"\bnot (?:the case that )?(?:every|all)\b|\b(?:of )?(?:all|both) (?:two |three |four |five |six |of the )?(?:\w+ )?(?:types?|kinds?|letters|characters|colou?rs|digits|symbols|values)\b|"
    r"\beach (?:\w+ )?(?:type|kind|letter|character|colou?r|digit|symbol) (?:\w+ )?(?:occurs?|appears?|is used) at least once\b|\bnot (?:the same|identical|equal)\b"
)
NOT_ALL: Final = re.compile(r"\bnot (?:the case that )?(?:every|all)\b.*\b(?:same|equal|identical|alike)\b")
MULTIPLE: Final = re.compile(r"\b(?:multiples? of|divisible by) (?P<number>\d{1,6})\b")
PARITY: Final = re.compile(r"\b(?:even|odd|parity)\b")
SUMMED: Final = re.compile(
    r"\b(?:sums?|number of|total|product|difference|count|index\w*|positions?|place\w*|length)\b"
)
PALINDROME: Final = re.compile(r"\bpalindrom\w*\b")
BALANCED: Final = re.compile(r"\b(?:balanced|correct|regular|valid|well-?formed) (?:\w+ )?(?:bracket|parenthes\w+)")


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
    if _is_of_meeting(low) and not CONDITION.search(low):
        return None if _says_more(low, MEET, NEVER, HARMLESS) else _kept(grammar, _spread(grammar, sentence))
    families: tuple[tuple[tuple[re.Pattern[str], ...], Callable[[Grammar, Sentence], Sequence[Constraint]]], ...] = (
        ((INSIDE,), _inside),
        ((REPEATED,), _distinct),
        ((PALINDROME,), _palindromes),
        ((BALANCED,), _balanced),
        ((ALL_KINDS,), _varied),
        ((MULTIPLE, PARITY), _residues),
    )
    for patterns, found in families:
        if any(each.search(low) for each in patterns) and not _says_more(low, *patterns):
            kept = _kept(grammar, found(grammar, sentence))
            if kept is not None:
                return kept
    return _transitive(grammar, sentence) if TRANSITIVE.search(low) else None


def _says_more(low: str, *held: re.Pattern[str]) -> bool:
    """Say whether something restricts values in a sentence beside what is held."""
    for pattern in held:
        low = pattern.sub(" ", low)
    return MORE.search(low) is not None or restricts(low, has_texts=True)


def promises_surely(sentence: str) -> bool:
    """Say whether a sentence promises that things do not meet, or are not all the same."""
    low = sentence.lower()
    return CONDITION.search(low) is None and (_is_of_meeting(low) or NOT_ALL.search(low) is not None)


def _is_of_meeting(low: str) -> bool:
    return MEET.search(low) is not None and NEVER.search(low) is not None


def _kept(grammar: Grammar, constraints: Sequence[Constraint]) -> Grammar | None:
    for each in constraints:
        grammar = with_constraint(grammar, each, is_habit=True)
    return grammar if constraints else None


def _lines(items: Sequence[Item]) -> Iterator[tuple[Line, bool]]:
    """Yield every line, and whether it is repeated."""
    for item in items:
        if isinstance(item, Block):
            yield from ((line, True) for line, _ in _lines(item.items))
        else:
            yield item, False


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
    return replace(each, known=frozenset(values_of(grammar.items, tree, each.touched) for tree in trees))


def _inside(grammar: Grammar, sentence: Sentence) -> list[Constraint]:
    """Return that each thing which a sentence says first is inside one of those it says last."""
    match = INSIDE.search(sentence.low)
    before, after = (sentence.low[: match.end()], sentence.low[match.end() :]) if match else ("", "")
    inner, outer = (
        [each for each in _things(grammar) if replace(sentence, text=text).things & {*each.coordinates}]
        for text in (before, after)
    )
    inner = [each for each in inner if each not in outer]
    return (
        [_with_known(grammar, sentence, Inside(inner[0], outer[0]))]
        if len(inner) == len(outer) == 1 and outer[0].sizes
        else []
    )


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


def _varied(grammar: Grammar, sentence: Sentence) -> list[Varied]:
    """Return that every character occurs; none where an input has numbers in lists, or many cases."""
    listed = set(listed_in(grammar.items))
    texts = [each for each in fields_of(grammar.items) if each.kind is Kind.WORD]
    if (
        not texts
        or any(each.number in listed for each in fields_of(grammar.items) if each not in texts)
        or _depth(grammar.items) > 1
    ):
        return []
    trees = [tree_of(grammar, text) for text in sentence.inputs]
    needed = [
        set("".join(str(cell.value) for cell in cells(grammar.items, tree, [each.number])))
        for tree in trees
        for each in texts
    ]
    return [Varied(tuple(each.number for each in texts), "".join(sorted(set.intersection(*needed))))]


def _depth(items: Sequence[Item]) -> int:
    return max((1 + _depth(item.items) for item in items if isinstance(item, Block)), default=0)


def _residues(grammar: Grammar, sentence: Sentence) -> list[Residues]:
    if SUMMED.search(sentence.low):
        return []
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
        trees = [tree_of(grammar, text) for text in sentence.inputs]
        allowed = {each for tree in trees for each in empty.remainders(grammar.items, tree)}
        found.append(Residues(numbers, empty.divisor, frozenset(allowed)))
    return found


def _palindromes(grammar: Grammar, sentence: Sentence) -> list[Constraint]:
    return _formed(grammar, sentence, Palindrome)


def _balanced(grammar: Grammar, sentence: Sentence) -> list[Constraint]:
    return _formed(grammar, sentence, Balanced)


def _formed(grammar: Grammar, sentence: Sentence, form: type[Palindrome | Balanced]) -> list[Constraint]:
    """Return the form of all texts that a sentence may speak of; none where a known one has another."""
    texts = [each for each in fields_of(grammar.items) if each.kind is Kind.WORD]
    found = [
        form(each.number)
        for each in texts
        if each.number in sentence.named or not {*sentence.named} & {one.number for one in texts}
    ]
    trees = [tree_of(grammar, text) for text in sentence.inputs]
    return list(found) if all(each.holds(grammar.items, tree) for each in found for tree in trees) else []


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
