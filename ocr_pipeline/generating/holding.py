"""Promises that are kept however they are read: made inputs obey something stronger than what a sentence may mean.

That no two circles touch is kept by putting them far apart; that not all words are equal, by words that all differ. A
sentence that says more than what is kept is not kept at all. The kinds are in ``arranging.py``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from ocr_pipeline.generating.arranging import (
    Balanced,
    Distinct,
    Inside,
    Palindrome,
    Residues,
    Single,
    Spread,
    Things,
    Varied,
    cells,
    values_of,
)
from ocr_pipeline.generating.fields import counts_in, listed_in, tree_of
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

__all__ = ["held_safely", "promises_surely", "single_characters"]

WORD: Final = (
    r"(?!(?:no|not|none|never|first|last|next|other|others|same|any|some|smallest|largest|longest|shortest|adjacent|neighbou?ring|consecutive|"
    r"polygons?|roads?|sides?|segments?|edges?|lines?|intervals?|itself|if|when|or|and|of|with|without|in|on|at|from|to|by|than|where|which|that)\b)[a-z][a-z'-]*"
)
THINGS: Final = rf"(?:the |all |any |all the |all of the )?(?:{WORD} ){{0,2}}{WORD}"
"""A noun with words that single out none of what it names."""
NAME: Final = r"[a-z](?:_\w{1,2}|\[\w\])?"
LEAD: Final = re.compile(
    r"^(?:(?:also|furthermore|moreover|in addition|in particular|note that|it is (?:also |always )?guaranteed that|(?:you|we) (?:may|can) (?:also |safely )?assume(?: that)?),?\s+)+"
)
MEETS: Final = r"(?:overlap|touch|intersect|collide)(?:s|es)?"
EACH_OTHER: Final = r"(?: (?:each other|one another))?(?: in an? (?:non-?zero |positive )?area)?"
APART: Final = tuple(
    re.compile(each)
    for each in (
        rf"no two {THINGS} {MEETS}(?: or {MEETS})*{EACH_OTHER}",
        rf"none of {THINGS} {MEETS}(?: or {MEETS})*{EACH_OTHER}",
        rf"(?:{THINGS} [a-z ]{{0,60}} and )?(?:{THINGS} )?(?:do not|don't|never|will not|won't) (?:initially |ever )?{MEETS}(?: or {MEETS})*{EACH_OTHER}",
        rf"{THINGS} are (?:all )?(?:pairwise |mutually )?(?:disjoint|non-?overlapping|non-?intersecting)",
    )
)
SAME_PLACE: Final = re.compile(
    rf"no two {THINGS} (?:are|grow|stand|lie|live|have|share)(?: located| placed)? (?:(?:in|at|on) )?the same (?:spot|place|point|position|location|coordinates)"
)
MEETING: Final = re.compile(
    r"\b(?:no|not|none|never|neither)\b.*\b(?:overlap\w*|touch\w*|intersect\w*|coincid\w*|collid\w*|same (?:spot|place|point|position|location|coordinates?|cell|line)|disjoint)\b|"
    r"n't (?:\w+ )?(?:overlap|touch|intersect|coincide|collide)|\bare (?:\w+ )?(?:disjoint|non-?overlapping)\b"
)
MAY: Final = re.compile(
    r"\b(?:may|might|can|could|need not|not necessarily|called|defined|if|when|whether|how many|find|print|output|count|determine|task|number of|some)\b"
)
SIZE: Final = re.compile(r"\b(?:radi(?:us|i)|diameters?|sides?|widths?|heights?|lengths?|sizes?)\b")
INSIDE: Final = re.compile(
    rf"(?P<inner>(?:each|every) (?:{WORD} ){{0,2}}{WORD}) (?:lies|is|grows|stands)(?: located| placed)? (?:strictly |completely |entirely )?(?:inside|within)(?: of)? "
    rf"(?P<outer>(?:an?|one of the|some) (?:{WORD} ){{0,1}}{WORD})"
)
DIFFER: Final = tuple(
    re.compile(each)
    for each in (
        rf"(?:the (?:values|numbers|integers) )?{THINGS} are (?:all |pairwise )?(?:distinct|different|unique)",
        rf"(?:all |the |all the )?(?:values |numbers |integers |elements )?(?:of )?{NAME} are (?:all |pairwise )?(?:distinct|different|unique)",
        rf"no (?:(?:{WORD} ){{0,2}}{NAME}|(?:{WORD} ){{0,1}}{WORD}) (?:appears|occurs|is listed|is given) (?:more than once|twice)(?: in the input)?",
        rf"no two (?:{WORD} ){{0,2}}{WORD} are (?:the same|equal|identical|alike)(?: in (?:an?|the|each|any) (?:[a-z'-]+ ){{0,2}}(?:list|line|row))?",
    )
)
TRANSITIVE: Final = re.compile(
    r"if (?P<a>\w), (?P<b>\w),? and (?P<c>\w) are (?:three )?(?:distinct |different )?[a-z]+,? and (?P=a) and (?P=b) are [a-z]+,? and (?P=b) and (?P=c) are [a-z]+, "
    r"then (?P=a) and (?P=c) are (?:also )?[a-z]+"
)
NOT_ALL: Final = re.compile(
    rf"(?:it is )?not (?:the case that )?(?:every|all) (?:{WORD} )?{WORD} (?:is|are) (?:the same|equal|identical|alike|{WORD} with (?:their|its|his|her) (?:{WORD} ){{1,2}}in the beginning|{WORD} (?:in the beginning|at first|initially))"
)
ALL_OCCUR: Final = re.compile(
    r"(?:both|all (?:two|three|four|five|six)) (?:letters|characters|types|kinds|colou?rs|symbols|digits) (?:occur|appear|are (?:used|present))|"
    rf"(?:it|{NAME}|{THINGS}) (?:has|have|contains?) (?:[a-z]+ of )?(?:both|all (?:two|three|four|five|six)) (?:letters|characters|types|kinds|colou?rs|symbols|digits)"
)
REMAINDER: Final = r"(?:even|odd|an? (?:even|odd) (?:number|integer)|(?:a )?multiples? of (?P<multiple>\d{1,6})|divisible by (?P<divisor>\d{1,6}))"
EACH_REMAINDER: Final = re.compile(
    rf"(?:each|every|all)(?: of)?(?: the)?(?: values?| numbers?| integers?)? (?P<name>[a-z]_[ijk]) (?:is|are) {REMAINDER}"
)
OF_SINGLES: Final = re.compile(
    rf"(?:at least one of |both |either |one of )?(?P<names>[a-z](?:(?:,| and| or) [a-z])*) (?:is |are )?(?:both )?{REMAINDER}"
)
IN_BRACKETS: Final = re.compile(
    r"\((?:[^()]*,\s*)?(?P<promise>(?:at least one of |both )?[a-z] (?:or|and) [a-z] (?:is |are )?(?:even|odd))\)"
)
PALINDROME: Final = re.compile(
    rf"(?:the )?(?:string|word|text|{NAME})(?: {NAME})? is (?:always )?a (?:non-?empty )?palindrome"
)
BALANCED: Final = re.compile(
    rf"(?:the )?(?:string|sequence|{NAME})(?: {NAME})? is (?:always )?an? (?:correct|balanced|valid|regular|well-?formed) (?:bracket|parenthes[ie]s) (?:sequence|string|expression)"
)
LARGE_GRID: Final = 4
FEW_SIGNS: Final = 8
"""Signs of a grid; more are letters of words."""
COORDINATE: Final = re.compile(r"(?P<axis>[xyz])(?:\[\]|_?\w)?")


def held_safely(grammar: Grammar, sentence: Sentence) -> Grammar | None:
    """Return the grammar whose made inputs keep a promise however it is read; ``None`` where nothing here can.

    A sentence must be of a known form as a whole: one that says anything else besides is not kept.

    Parameters
    ----------
    grammar
        One that reads the known inputs.
    sentence
        The promise.
    """
    bracketed = IN_BRACKETS.search(sentence.low)
    if bracketed and not restricts(sentence.low.replace(bracketed["promise"], " "), has_texts=True):
        sentence = replace(sentence, text=bracketed["promise"])
    text = _plain(sentence.text)
    if TRANSITIVE.fullmatch(text):
        return _transitive(grammar, sentence)
    families: tuple[tuple[Sequence[re.Pattern[str]], Callable[[Grammar, Sentence], Sequence[Constraint]]], ...] = (
        (APART, _spread),
        ((SAME_PLACE,), _at_other_places),
        ((INSIDE,), _inside),
        (DIFFER, _distinct),
        ((PALINDROME,), _palindromes),
        ((BALANCED,), _balanced),
        ((NOT_ALL,), _not_equal),
        ((ALL_OCCUR,), _varied),
        ((EACH_REMAINDER, OF_SINGLES), _residues),
    )
    for patterns, found in families:
        if any(each.fullmatch(text) for each in patterns):
            kept = _kept(grammar, found(grammar, sentence))
            if kept is not None:
                return kept
    return None


def _plain(sentence: str) -> str:
    """Return a sentence without brackets, what leads it in, and its end."""
    text = re.sub(r"\s+", " ", re.sub(r"\([^()]*\)", " ", sentence.lower())).strip(" .!")
    return LEAD.sub("", text)


def promises_surely(sentence: str) -> bool:
    """Say whether a sentence promises something of things that do not meet, or are not all alike."""
    text = _plain(sentence)
    is_of_meeting = MEETING.search(text) is not None and MAY.search(text) is None
    return is_of_meeting or any(each.fullmatch(text) for each in (*APART, SAME_PLACE, INSIDE, NOT_ALL))


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


def _own_things(grammar: Grammar, sentence: Sentence) -> list[Things]:
    """Return the things that a sentence is about: those in whose own line a noun of it is; none where others may be."""
    things = _things(grammar)
    own = [each for each in things if sentence.things & {*each.numbers}]
    is_sized_elsewhere = not all(each.sizes for each in own) and SIZE.search(" ".join(sentence.lines.values()).lower())
    return [] if is_sized_elsewhere else own


def _spread(grammar: Grammar, sentence: Sentence) -> list[Constraint]:
    """Return that the things of a sentence are far apart."""
    own = _own_things(grammar, sentence)
    return [_with_known(grammar, sentence, Spread(tuple(own)))] if own else []


def _at_other_places(grammar: Grammar, sentence: Sentence) -> list[Constraint]:
    """Return that the things of a repeated line are at different places; none where several kinds, or decimals, are."""
    own = _own_things(grammar, sentence)
    kinds = {each.number: each.kind for each in fields_of(grammar.items)}
    listed = set(listed_in(grammar.items))
    is_plain = len(own) == 1 and all(kinds[each] is Kind.INTEGER and each in listed for each in own[0].coordinates)
    return [Apart(own[0].coordinates)] if is_plain and len(own[0].sizes) <= 1 else []


def _with_known(grammar: Grammar, sentence: Sentence, each: Spread | Inside) -> Spread | Inside:
    """Return it with what the known inputs have."""
    trees = [tree_of(grammar, text) for text in sentence.inputs]
    return replace(each, known=frozenset(values_of(grammar.items, tree, each.touched) for tree in trees))


def _inside(grammar: Grammar, sentence: Sentence) -> list[Constraint]:
    """Return that each thing which a sentence says first is inside one of those it says last."""
    match = INSIDE.fullmatch(_plain(sentence.text))
    texts = (match["inner"], match["outer"]) if match else ("", "")
    inner, outer = (
        [each for each in _things(grammar) if replace(sentence, text=text).things & {*each.coordinates}]
        for text in texts
    )
    if len(inner) != 1 or len(outer) != 1 or inner == outer or not outer[0].sizes:
        return []
    return [_with_known(grammar, sentence, Inside(inner[0], outer[0]))]


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


def _not_equal(grammar: Grammar, sentence: Sentence) -> list[Constraint]:
    """Return that every character occurs and texts differ; none where a text is one of many."""
    listed = set(listed_in(grammar.items))
    return [] if any(each.number in listed for each in fields_of(grammar.items)) else _varied(grammar, sentence)


def _varied(grammar: Grammar, sentence: Sentence) -> list[Constraint]:
    """Return that every character occurs that does in all known inputs; none where that is one, or where numbers are listed."""
    listed = set(listed_in(grammar.items))
    texts = [each for each in fields_of(grammar.items) if each.kind is Kind.WORD]
    has_numbers = any(each.number in listed for each in fields_of(grammar.items) if each not in texts)
    if not texts or has_numbers or _depth(grammar.items) > 1:
        return []
    trees = [tree_of(grammar, text) for text in sentence.inputs]
    found = [
        set("".join(str(cell.value) for cell in cells(grammar.items, tree, [each.number])))
        for tree in trees
        for each in texts
    ]
    needed = "".join(sorted(set.intersection(*found)))
    return [Varied(tuple(each.number for each in texts), needed)] if needed[1:] else []


def single_characters(grammar: Grammar, inputs: Sequence[str]) -> Iterator[Single]:
    """Yield the letters that are exactly once in the grid of every known input: they mark something."""
    listed = set(listed_in(grammar.items))
    if _depth(grammar.items) != 1:
        return
    trees = [tree_of(grammar, text) for text in inputs]
    for spec in fields_of(grammar.items):
        if spec.kind is not Kind.WORD or spec.number not in listed or spec.number in grammar.frozen:
            continue
        texts = [
            "".join(str(cell.value) for cell in cells(grammar.items, tree, [spec.number])) for tree in trees if tree
        ]
        counts = [Counter(text) for text in texts if len(text) >= LARGE_GRID]
        found = [{each for each, count in each_count.items() if each.isalpha() and count == 1} for each_count in counts]
        once = "".join(sorted(set.intersection(*found))) if found and len(found) == len(texts) else ""
        if once and len(once) < len(spec.alphabet) and len(spec.alphabet) <= FEW_SIGNS:
            yield Single(spec.number, once)


def _depth(items: Sequence[Item]) -> int:
    return max((1 + _depth(item.items) for item in items if isinstance(item, Block)), default=0)


def _residues(grammar: Grammar, sentence: Sentence) -> list[Constraint]:
    """Return that numbers have known remainders: all of one list, or single ones together; none where any would do."""
    text = _plain(sentence.text)
    each, singles = EACH_REMAINDER.fullmatch(text), OF_SINGLES.fullmatch(text)
    match = each or singles
    if match is None:
        return []
    listed = set(listed_in(grammar.items))
    counts = {count.field for _, count in counts_in(grammar.items)}
    names = [f"{each['name'][0]}[]"] if each else re.findall(r"\b[a-z]\b", singles["names"]) if singles else []
    names = [name for name in names if name not in {"and", "or"}]
    numbers = [number for name, number in sentence.by_name.items() if name.lower() in names]
    kinds = {spec.number: spec.kind for spec in fields_of(grammar.items)}
    is_fit = all(kinds[n] is Kind.INTEGER and n not in counts and (n in listed) is (each is not None) for n in numbers)
    if len(numbers) != len(names) or not numbers or not is_fit:
        return []
    divisor = int(match["multiple"] or match["divisor"] or 2)
    empty = Residues(tuple(sorted(numbers)), max(1, divisor), frozenset())
    trees = [tree_of(grammar, shown) for shown in sentence.inputs]
    allowed = frozenset(row for tree in trees for row in empty.remainders(grammar.items, tree))
    return [replace(empty, allowed=allowed)] if 0 < len(allowed) < divisor ** len(numbers) else []


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
