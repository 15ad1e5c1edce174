"""Makes inputs out of a grammar: small ones exhaustively, others by chance, from known ones, at and near every bound.

Everything is drawn from a seeded generator or counted through, so the same grammar, known inputs and seed give the
same inputs. Values stay within the bounds of the statement; where it gives none, within those of the known inputs. An
input that breaks a constraint is not repaired for long: the gate refuses it.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from ocr_pipeline.generating.drawing import (
    CHANGED,
    PLAIN_VALUES,
    SMALL,
    SMALL_VALUES,
    TOKEN_BYTES,
    TRIES,
    Chooser,
    Draw,
    Frame,
    ImpossibleError,
    Style,
    Values,
)
from ocr_pipeline.generating.grammar import (
    Arranged,
    Block,
    Field,
    Grammar,
    Line,
    Refusal,
    RefusedError,
    Rows,
    Series,
    Tree,
    fields_of,
    read,
    unusual,
    write,
)

__all__ = ["Made", "MadeBy", "Maker"]

MEDIUM: Final = 60
LARGE_TOKENS: Final = 400_000
COUNTED_THROUGH: Final = 6
"""How much more than others is counted through where an input is a few numbers."""
MIXED_LARGEST: Final = 4


class MadeBy(StrEnum):
    """What made an input."""

    GRAMMAR = "grammar"
    """Counted through, or drawn by chance."""
    MUTATION = "mutation"
    """A known input with some values changed."""
    EXTREME = "extreme"
    """A value at its bound, or the largest size."""
    MODEL = "model"
    """A program that the teacher wrote."""


@dataclass(frozen=True, slots=True)
class Made:
    """An input, and what made it."""

    text: str
    made_by: MadeBy


class Maker:
    """Makes the inputs of one problem."""

    def __init__(self, grammar: Grammar, known: Sequence[str], seed: str, most_bytes: int) -> None:
        self._grammar = grammar
        self._seed = seed
        self._known = [tree for text in dict.fromkeys(known) if (tree := _tree(grammar, text)) is not None]
        self._most = min(LARGE_TOKENS, max(MEDIUM, most_bytes // TOKEN_BYTES))
        self._fields = [each.number for each in fields_of(grammar.items)]
        trims = not any("." in word and word.endswith("0") for text in known for word in text.split())
        self._frame = Frame.of(grammar, self._known, most=self._most, trims=trims)
        self._joined = _joined(grammar)
        arranged = [each for each in (*grammar.constraints, *grammar.habits) if isinstance(each, Arranged)]
        self._touched = frozenset(number for each in arranged for number in each.touched)

    @property
    def is_free(self) -> bool:
        """Whether anything may be changed at all."""
        return len(self._frame.frozen) < len(self._fields)

    def refusal(self, text: str) -> Refusal | None:
        """Return why a text is not an input, or not one as the known ones are."""
        refused = unusual(self._grammar, text)
        return None if refused is None else refused[0]

    def inputs(self, round_number: int, number: int) -> Iterator[Made]:
        """Yield inputs of one round, each once, those of all ways in turn; about so many of each way."""
        rng = random.Random(f"{self._seed}/{round_number}")  # noqa: S311 - reproducible, not secret
        ways: list[Iterator[Made]] = [self._mutations(rng, number)]
        if self._frame.frozen:
            ways += [self._extremes(rng, number), self._side_by_side(rng, number)]
        else:
            ways += [self._by_chance(rng, number), self._extremes(rng, number), self._largest(rng)]
            ways += [self._small_ones(number)] if round_number == 0 else []
        seen: set[str] = set()
        for made in itertools.chain.from_iterable(itertools.zip_longest(*ways)):
            if made is not None and made.text not in seen:
                seen.add(made.text)
                yield made

    # ---- ways ----

    def _small_ones(self, number: int) -> Iterator[Made]:
        chooser, rng = Chooser(self._small_values(number)), random.Random(self._seed)  # noqa: S311 - reproducible, not secret
        for _ in range(number if chooser.values == SMALL_VALUES else chooser.values ** len(self._fields)):
            drawn = self._drawn(Style(SMALL_VALUES), rng, chooser=chooser)
            if drawn is not None:
                yield Made(drawn, MadeBy.GRAMMAR)
            if not chooser.advance():
                return

    def _small_values(self, number: int) -> int:
        """Return how many small numbers of each field are tried: more where there are few fields, and no lists."""
        if self._frame.counted or any(isinstance(item, Block) for item in self._grammar.items):
            return SMALL_VALUES
        return max(SMALL_VALUES, int((COUNTED_THROUGH * number) ** (1 / max(1, len(self._fields)))))

    def _by_chance(self, rng: random.Random, number: int) -> Iterator[Made]:
        for turn in range(number):
            most = (SMALL, 2 * SMALL, MEDIUM)[turn % 3]
            style = Style(most, PLAIN_VALUES[turn % len(PLAIN_VALUES)])
            drawn = self._drawn(self._mixed(style, rng) if turn % 2 else style, rng)
            if drawn is not None:
                yield Made(drawn, MadeBy.GRAMMAR)

    def _mutations(self, rng: random.Random, number: int) -> Iterator[Made]:
        for turn in range(number if self._known else 0):
            source = self._known[turn % len(self._known)]
            kept = self._touched if turn % 2 else frozenset[int]()
            changed = rng.choice(CHANGED) if kept else CHANGED[0]
            style = Style(MEDIUM, rng.choice(list(Values)), changed=changed, kept=kept)
            drawn = self._drawn(style, rng, source=source)
            if drawn is not None:
                yield Made(drawn, MadeBy.MUTATION)

    def _extremes(self, rng: random.Random, number: int) -> Iterator[Made]:
        fixed = [dict.fromkeys(self._fields, is_high) for is_high in (False, True)]
        fixed += [{each: is_high} for each in self._fields for is_high in (False, True)]
        fixed += [{each: rng.random() < 0.5 for each in self._fields} for _ in range(max(0, number - len(fixed)))]  # noqa: PLR2004
        for turn, each in enumerate(fixed[: max(number, 2)]):
            source = rng.choice(self._known) if self._frame.frozen and self._known else None
            drawn = self._drawn(Style((SMALL, MEDIUM)[turn % 2], fixed=each), rng, source=source)
            if drawn is not None:
                yield Made(drawn, MadeBy.EXTREME)

    def _largest(self, rng: random.Random) -> Iterator[Made]:
        styles = [Style(self._most, values, is_full=True) for values in Values]
        for style in (*styles, *(self._mixed(style, rng) for style in styles[:MIXED_LARGEST])):
            drawn = self._drawn(style, rng)
            if drawn is not None:
                yield Made(drawn, MadeBy.EXTREME)

    def _mixed(self, style: Style, rng: random.Random) -> Style:
        """Let each field have values of a style of its own."""
        return replace(style, mixed={number: rng.choice(PLAIN_VALUES) for number in self._fields})

    def _side_by_side(self, rng: random.Random, number: int) -> Iterator[Made]:
        """Yield known graphs beside each other, each with nodes of its own: what is promised of each holds of all."""
        joined = self._joined
        if joined is None:
            return
        for turn in range(number):
            most = (2, 3, 4, 8, 1 << 10)[turn % 5]
            # All alike in half of the turns: one graph without an answer would decide for all.
            pool = [rng.choice(self._known)] if turn % 2 else self._known
            tree = joined.tree([rng.choice(pool) for _ in range(most)])
            style = Style(
                self._most, rng.choice(PLAIN_VALUES), changed=1.0, kept=frozenset({joined.nodes, joined.edges})
            )
            drawn = None if tree is None else self._drawn(style, rng, source=tree)
            if drawn is not None:
                yield Made(drawn, MadeBy.MUTATION)

    # ---- one input ----

    def _drawn(
        self, style: Style, rng: random.Random, *, source: Tree | None = None, chooser: Chooser | None = None
    ) -> str | None:
        """Return an input, or ``None`` where a few draws found none."""
        for _ in range(1 if chooser else TRIES):
            draw = Draw(self._frame, style, rng, chooser)
            try:
                tree = draw.items(self._grammar.items, source, {}, self._most if style.is_full else style.most * 20)
                draw.arrange(tree)
            except ImpossibleError:
                style = replace(style, most=max(1, style.most // 2))
                continue
            text = write(self._grammar, tree)
            if not self._grammar.ends_with_newline:
                text = text.removesuffix("\n")
            if not source or text != write(self._grammar, source):
                return text
        return None


def _tree(grammar: Grammar, text: str) -> Tree | None:
    try:
        return read(grammar, text)
    except RefusedError:
        return None


@dataclass(frozen=True, slots=True)
class _Joined:
    """How inputs that are one graph each become one input: where its size is said, and where its edges are."""

    nodes: int
    edges: int
    nodes_at: tuple[int, int]
    edges_at: tuple[int, int]
    block_at: int
    ends_at: tuple[int, int]
    most_nodes: int
    most_edges: int

    def tree(self, graphs: Sequence[Tree]) -> Tree | None:
        """Return the first graphs beside each other, as many as the bounds allow; ``None`` where two are too many."""
        nodes = edges = 0
        rows: Tree = []
        (line, place), (other, spot) = self.nodes_at, self.edges_at
        for count, graph in enumerate(graphs):
            more, own = graph[line][place], graph[other][spot]
            if nodes + more > self.most_nodes or edges + own > self.most_edges:
                if count < 2:  # noqa: PLR2004 - one graph alone is a known input
                    return None
                break
            for row in graph[self.block_at]:
                copied = [list(inner) for inner in row]
                for end in self.ends_at:
                    copied[0][end] += nodes
                rows.append(copied)
            nodes, edges = nodes + more, edges + own
        done = [item if at == self.block_at else list(item) for at, item in enumerate(graphs[0])]
        done[line][place], done[other][spot], done[self.block_at] = nodes, edges, rows
        return done


def _joined(grammar: Grammar) -> _Joined | None:
    """Return how graphs of a grammar are put side by side; ``None`` where an input is not one graph with frozen ends."""
    blocks = [(at, item) for at, item in enumerate(grammar.items) if isinstance(item, Block)]
    pairs = [each for each in grammar.constraints if isinstance(each, Rows)]
    if len(blocks) != 1 or not pairs or any(each.nodes for each in pairs) or not grammar.may_be_joined:
        return None
    (at, block), ends = blocks[0], {pairs[0].left, pairs[0].right}
    single = {
        part.number: (place, spot, part)
        for place, item in enumerate(grammar.items)
        if isinstance(item, Line)
        for spot, part in enumerate(item.parts)
        if isinstance(part, Field)
    }
    lines = [item for item in grammar.items if isinstance(item, Line)]
    if len(block.items) != 1 or any(isinstance(part, Series) for line in lines for part in line.parts):
        return None
    inner = block.items[0]
    spots = [
        spot
        for spot, part in enumerate(inner.parts if isinstance(inner, Line) else ())
        if isinstance(part, Field) and part.number in ends
    ]
    sizes = {
        high.field
        for each in fields_of(block.items)
        if each.number in ends
        for high in each.highs
        if high.field is not None
    }
    edges = block.count.field
    is_one_graph = len(spots) == len(ends) and len(sizes) == 1 and not block.count.plus
    if not is_one_graph or not grammar.frozen <= ends | sizes or edges not in single:
        return None
    nodes = sizes.pop()
    most = [single[number][2].bounds({})[1] for number in (nodes, edges) if number in single]
    if len(most) != 2 or None in most or nodes == edges:  # noqa: PLR2004 - of both
        return None
    return _Joined(
        nodes, edges, single[nodes][:2], single[edges][:2], at, (spots[0], spots[1]), most[0] or 0, most[1] or 0
    )
