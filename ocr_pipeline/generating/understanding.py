"""Brings a statement and known inputs together: a grammar with names, bounds and what holds between values.

Of several grammars that read the same inputs the one is taken that agrees best with the names (``naming.py``). Fields get
bounds (``bounding.py``), values get relations (``relating.py``); the rest of what is promised freezes fields (``freezing.py``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ocr_pipeline.generating.bounding import bound
from ocr_pipeline.generating.fields import if_read, listed_in, unlike
from ocr_pipeline.generating.freezing import habits_of_blocks, is_promise, own_habits, restricted, unenforced
from ocr_pipeline.generating.grammar import Constraint, Grammar, Order, Rows, fields_of, refusal
from ocr_pipeline.generating.holding import held_safely, promises_apart
from ocr_pipeline.generating.inferring import Inferred, infer, typed
from ocr_pipeline.generating.naming import LINES_OF, VALUES_OF, aligned, counted
from ocr_pipeline.generating.outline import outline_of
from ocr_pipeline.generating.relating import Sentence, held_by, pairs_in, says
from ocr_pipeline.generating.statement import Mention, Said, read_statement

ORDERED: Final = re.compile(r"\b(?:order\w*|first|last|next|previous|before|after|earlier|later|follow\w*|consecutive|adjacent|chronolog\w*|sorted|i-?th|interval)\b|_i\b")
BLOCK_OF_ONE, LIST_OF_ONE = 1.3, 0.6
"""What a block or a list costs more than what it repeats, where every known input has one of it."""


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
    laid = _laid_out(said, inputs, texts=strings)
    if laid is None and spaced:
        laid = _laid_out(said, inputs, texts=strings, is_spaced=True)
    if laid is not None:
        return _completed(laid[0].grammar, laid[1], said, inputs, laid[2])
    told = " ".join(said.sentences)
    slack = 1.0 + BLOCK_OF_ONE * len(set(LINES_OF.findall(told))) + LIST_OF_ONE * len(VALUES_OF.findall(told))
    found = infer(inputs, texts=strings, slack=slack)
    if not found and spaced:
        found = infer(inputs, spaced_text=True, texts=strings, slack=slack)
    best: tuple[float, Grammar, dict[int, Mention]] | None = None
    for way in found:
        score, names = aligned(way, said)
        score += counted(way.grammar.items, names, said) - way.cost
        if best is None or score > best[0]:
            best = score, way.grammar, names
    return None if best is None else _completed(best[1], best[2], said, inputs, {})


def _laid_out(said: Said, inputs: Sequence[str], *, texts: bool, is_spaced: bool = False) -> tuple[Inferred, dict[int, Mention], Mapping[int, str]] | None:
    """Return the layout that the statement says, with names and sentences of its fields, where it reads every known input."""
    outline = outline_of(said, is_spaced=is_spaced)
    way = None if outline is None else typed(outline.items, inputs, texts=texts)
    if outline is None or way is None:
        return None
    mentions = {each.name: each for each in said.mentions}
    laid = {number: mentions[name] for number, name in outline.names.items()}
    taken = {mention.name for mention in laid.values()}
    guessed = {number: mention for number, mention in aligned(way, said)[1].items() if mention.name not in taken}
    return way, guessed | laid, outline.said


def _completed(
    grammar: Grammar, names: Mapping[int, Mention], said: Said, inputs: Sequence[str], lines: Mapping[int, str]
) -> Understood:
    """Give a layout its bounds, and what holds between values."""
    known = list(dict.fromkeys(inputs))
    usable = [text for text in known if refusal(grammar, text) is None] or known
    return _constrained(bound(grammar, names, said, usable), names, said, usable, lines)


def _constrained(
    grammar: Grammar, names: Mapping[int, Mention], said: Said, inputs: Sequence[str], lines: Mapping[int, str]
) -> Understood:
    by_name = {mention.name: number for number, mention in names.items()}
    listed = [each for each in fields_of(grammar.items) if each.number in set(listed_in(grammar.items))]
    pairs = pairs_in(grammar.items)
    promises: list[str] = []
    frozen: set[int] = set()
    last: frozenset[int] = frozenset()
    for name, sign, other in said.relations:
        if name == other and name in by_name and sign != "!=":
            order = Order(by_name[name], is_distinct=sign == "<", direction=1)
            grammar = if_read(grammar, replace(grammar, constraints=(*grammar.constraints, order)), inputs)
    for name in {one for one, sign, other in said.relations if sign == "!=" and one == other and one in by_name}:
        order = Order(by_name[name], is_distinct=True)  # `a_i ≠ a_j`
        grammar = if_read(grammar, replace(grammar, constraints=(*grammar.constraints, order)), inputs)
    start = grammar
    for sentence in said.sentences:
        line = frozenset(number for number, told in lines.items() if sentence in told)
        last = line or last
        named = [
            number
            for name, number in by_name.items()
            if says(sentence, name) and not (name.removesuffix("[]") != name and name.removesuffix("[]") in by_name)
        ]
        about = Sentence(sentence, named, by_name, listed, pairs, inputs, {} if line else lines, last)
        is_apart = promises_apart(sentence)
        before, grammar = grammar, grammar if is_apart else held_by(grammar, about)
        # What was held before is held where it is said again of what has a name, or of edges.
        is_again = (bool(named) or about.of_edges) and held_by(start, about) != start
        if is_apart or is_promise(about, said, is_held=grammar != before or is_again, grammar=grammar):
            kept = held_safely(grammar, about)
            if kept is not None:
                grammar = kept
                continue
            promises.append(sentence)
            frozen |= restricted(grammar, about)
    frozen |= set(unenforced(grammar, by_name, said))
    for sentence in said.told_elsewhere:
        columns_named = {each.number for each in listed if each.name and says(sentence, each.name)}
        if len(columns_named) > 1:
            kept = held_safely(grammar, Sentence(sentence, sorted(columns_named), by_name, listed, pairs, inputs, lines))
            if kept is not None:
                grammar = kept
                continue
            promises.append(sentence)
            frozen |= columns_named
    for each in grammar.constraints:
        if isinstance(each, Rows):  # no edge of a node with itself, as no known input has one
            grammar = if_read(grammar, unlike(grammar, max(each.left, each.right), min(each.left, each.right)), inputs)
    orders, unheld = own_habits(grammar, inputs, frozen)
    habits: tuple[Constraint, ...] = (*grammar.habits, *habits_of_blocks(grammar, inputs), *orders)
    return Understood(replace(grammar, frozen=frozenset(frozen | unheld), habits=habits, is_ordered=any(ORDERED.search(each.lower()) for each in promises)), tuple(promises))
