"""Brings a statement and known inputs together: a grammar with names, bounds and what holds between values.

Of several grammars that read the same inputs the one is taken that agrees best with the names (``naming.py``). Fields get
bounds (``bounding.py``), values get relations (``relating.py``); the rest of what is promised freezes fields (``freezing.py``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Final

from ocr_pipeline.generating.bounding import bound
from ocr_pipeline.generating.fields import if_read, listed_in, unlike, with_fields
from ocr_pipeline.generating.freezing import habits_of_blocks, is_promise, own_habits, restricted, unenforced
from ocr_pipeline.generating.grammar import Grammar, Kind, Order, Rows, fields_of, refusal, with_constraint
from ocr_pipeline.generating.holding import held_safely, promises_surely, single_characters
from ocr_pipeline.generating.inferring import Inferred, infer, typed
from ocr_pipeline.generating.naming import LINES_OF, VALUES_OF, aligned, counted
from ocr_pipeline.generating.outline import outline_of
from ocr_pipeline.generating.relating import Sentence, held_by, pairs_in, says
from ocr_pipeline.generating.statement import Mention, Said, read_statement

ORDERED: Final = re.compile(
    r"\b(?:order\w*|first|last|next|previous|before|after|earlier|later|follow\w*|consecutive|adjacent|chronolog\w*|sorted|i-?th|interval)\b|_i\b"
)
JOINED: Final = re.compile(
    r"\b(?:planar|bipartite|acyclic|forest|no (?:odd |even )?cycles?|triangles?|cliques?|if\b.*\bthen)\b"
)
"""What holds of several graphs beside each other where it holds of each."""
LONGEST_SENTENCE: Final = 5_000
"""What is longer is not read: it may promise anything."""
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


def _laid_out(
    said: Said, inputs: Sequence[str], *, texts: bool, is_spaced: bool = False
) -> tuple[Inferred, dict[int, Mention], Mapping[int, str]] | None:
    """Return the layout that the statement says, with names and sentences of its fields, where it reads every known input."""
    outline = outline_of(said, is_spaced=is_spaced)
    way = None if outline is None else typed(outline.items, inputs, texts=texts)
    if outline is None or way is None:
        return None
    for number, length in outline.lengths.items():
        spec = next(each for each in fields_of(way.grammar.items) if each.number == number)
        if spec.kind in {Kind.WORD, Kind.TEXT}:
            sized = with_fields(way.grammar, {number: replace(spec, lows=(length,), highs=(length,))})
            way = replace(way, grammar=if_read(way.grammar, sized, way.inputs))
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
    holder = _Holder(grammar, {mention.name: number for number, mention in names.items()}, said, inputs, lines)
    holder.compare()
    for sentence in said.sentences:
        holder.hear(sentence)
    holder.frozen |= set(unenforced(holder.grammar, holder.by_name, said))
    for sentence in said.told_elsewhere:
        holder.hear_elsewhere(sentence)
    return holder.held()


@dataclass(slots=True)
class _Holder:
    """Hears sentence by sentence what holds between values, and what is promised."""

    grammar: Grammar
    by_name: Mapping[str, int]
    said: Said
    inputs: Sequence[str]
    lines: Mapping[int, str]
    """By field: the sentences that say the line that it is in."""
    promises: list[str] = field(default_factory=list)
    frozen: set[int] = field(default_factory=set)
    _last: frozenset[int] = frozenset()
    _start: Grammar | None = None

    def compare(self) -> None:
        """Hold what names are compared with themselves for: ``a_i < a_(i+1)``, ``a_i ≠ a_j``."""
        for name, sign, other in self.said.relations:
            if name == other and name in self.by_name and sign != "!=":
                self._add(Order(self.by_name[name], is_distinct=sign == "<", direction=1))
        for name in {one for one, sign, other in self.said.relations if sign == "!=" and one == other}:
            if name in self.by_name:
                self._add(Order(self.by_name[name], is_distinct=True))
        self._start = self.grammar

    def hear(self, sentence: str) -> None:
        """Hold what a sentence says, or keep what it promises; what neither can freezes fields."""
        if len(sentence) > LONGEST_SENTENCE:
            self.promises.append(sentence)
            self.frozen |= {each.number for each in fields_of(self.grammar.items)}
            return
        line = frozenset(number for number, told in self.lines.items() if sentence in told)
        self._last = line or self._last
        named = [number for name, number in self.by_name.items() if says(sentence, name) and not self._is_bare(name)]
        about = self._sentence(sentence, named, {} if line else self.lines)
        is_sure = promises_surely(sentence)
        before = self.grammar
        if not is_sure:
            self.grammar = held_by(self.grammar, about)
        # What was held before is held where it is said again of what has a name, or of edges.
        start = self._start or before
        is_again = (bool(named) or about.of_edges) and held_by(start, about) != start
        is_held = self.grammar != before or is_again
        if is_sure or is_promise(about, self.said, is_held=is_held, grammar=self.grammar):
            everything = {each.number for each in fields_of(self.grammar.items)}
            self._keep(about, everything if is_sure else restricted(self.grammar, about))

    def hear_elsewhere(self, sentence: str) -> None:
        """Keep what a sentence outside of the input part promises of several lists."""
        listed = set(listed_in(self.grammar.items))
        named = {
            each.number
            for each in fields_of(self.grammar.items)
            if each.number in listed and each.name and says(sentence, each.name)
        }
        if len(named) > 1:
            self._keep(self._sentence(sentence, sorted(named), self.lines), named)

    def held(self) -> Understood:
        """Return the grammar with what known inputs keep to besides."""
        for each in self.grammar.constraints:
            if isinstance(each, Rows):  # no edge of a node with itself, as no known input has one
                apart = unlike(self.grammar, max(each.left, each.right), min(each.left, each.right))
                self.grammar = if_read(self.grammar, apart, self.inputs)
        orders, unheld = own_habits(self.grammar, self.inputs, self.frozen)
        done = replace(
            self.grammar,
            frozen=frozenset(self.frozen | unheld),
            habits=(
                *self.grammar.habits,
                *habits_of_blocks(self.grammar, self.inputs),
                *single_characters(self.grammar, self.inputs),
                *orders,
            ),
            is_ordered=any(ORDERED.search(each.lower()) for each in self.promises),
            may_be_joined=all(JOINED.search(each.lower()) for each in self.promises),
        )
        return Understood(done, tuple(self.promises))

    def _add(self, order: Order) -> None:
        self.grammar = if_read(self.grammar, with_constraint(self.grammar, order, is_habit=False), self.inputs)

    def _is_bare(self, name: str) -> bool:
        """Say whether a list has the name of a single value: ``a_i`` beside ``a``."""
        return name.endswith("[]") and name.removesuffix("[]") in self.by_name

    def _sentence(self, text: str, named: Sequence[int], lines: Mapping[int, str]) -> Sentence:
        listed = set(listed_in(self.grammar.items))
        fields = [each for each in fields_of(self.grammar.items) if each.number in listed]
        return Sentence(text, named, self.by_name, fields, pairs_in(self.grammar.items), self.inputs, lines, self._last)

    def _keep(self, about: Sentence, otherwise: AbstractSet[int]) -> None:
        """Let made inputs keep a promise; where they cannot, freeze fields."""
        kept = held_safely(self.grammar, about)
        if kept is not None:
            self.grammar = kept
        else:
            self.promises.append(about.text)
            self.frozen |= otherwise
