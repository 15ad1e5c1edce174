"""Draws the edges of graphs: any, connected, trees, and those whose parts join all their nodes."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ocr_pipeline.generating.grammar import Block, Grammar, Rows, fields_of

__all__ = ["drawn_edges", "drawn_parts", "edges_of", "joined_parts", "nodes_of", "paired_counts"]

Pairs = list[tuple[int, int]]
SHUFFLED: Final = 0.7
"""Share of trees whose nodes are not numbered in their order, which is a case of its own."""


def edges_of(grammar: Grammar, block: Block) -> Rows | None:
    """Return what holds between the ends of a block whose rounds are edges; ``None`` where they are none."""
    inside = {each.number for each in fields_of(block.items)}
    return next((each for each in grammar.constraints if isinstance(each, Rows) and each.left in inside), None)


def nodes_of(constraint: Rows, block: Block, known: Mapping[int, int]) -> int:
    """Return how many nodes a graph has: what the constraint says, or the largest number that an end may have."""
    nodes = constraint.nodes.value(known) if constraint.nodes else None
    if nodes is not None:
        return nodes
    ends = [each for each in fields_of(block.items) if each.number in {constraint.left, constraint.right}]
    highs = [high for end in ends for each in end.highs if (high := each.value(known)) is not None]
    return max(highs, default=0) + (1 - constraint.first)


def drawn_edges(constraint: Rows, nodes: int, number: int, rng: random.Random) -> Pairs:
    """Return so many edges between nodes from 0 on; fewer where there is no room for them."""
    if constraint.is_distinct and number > nodes * (nodes - 1) // 2:
        return []
    pairs = _spanning(nodes, rng) if constraint.nodes else []
    if len(pairs) > number or (constraint.is_tree and len(pairs) != number):
        return []
    seen = {(min(pair), max(pair)) for pair in pairs}
    for _ in range(20 * number + 100):
        if len(pairs) == number:
            break
        pair = rng.randrange(nodes), rng.randrange(nodes)
        key = min(pair), max(pair)
        if pair[0] != pair[1] and not (constraint.is_distinct and key in seen):
            seen.add(key)
            pairs.append(pair)
    rng.shuffle(pairs)
    return pairs


def _spanning(nodes: int, rng: random.Random) -> Pairs:
    """Return a tree: by chance, a path, a star, or a broom."""
    parents: Sequence[Callable[[int], int]] = (
        rng.randrange,
        lambda node: node - 1,
        lambda _: 0,
        lambda node: max(0, node - 1 - rng.randrange(3)),
    )
    parent = rng.choice(parents)
    numbers = list(range(nodes))
    if rng.random() < SHUFFLED:
        rng.shuffle(numbers)
    return [(numbers[parent(node)], numbers[node]) for node in range(1, nodes)]


def paired_counts(grammar: Grammar) -> frozenset[int]:
    """Return the counts of nodes of graphs whose parts join all their nodes: odd ones cannot be paired."""
    ends = {
        end
        for each in grammar.constraints
        if isinstance(each, Rows) and each.is_transitive
        for end in (each.left, each.right)
    }
    highs = (high.field for each in fields_of(grammar.items) if each.number in ends for high in each.highs)
    return frozenset(number for number in highs if number is not None)


def drawn_parts(nodes: int, most_edges: int, rng: random.Random) -> list[int]:
    """Return sizes of parts whose nodes are all joined: even ones, pairs, of any size, or as large as the edges allow."""
    options = rng.choice(
        ((2, 4, 6), (2,), (2, 4), (4, 6), (4, 6, 8), (1, 2, 3, 4, 5), (2, 2, 3), (nodes, nodes // 2, 2), ())
    )
    sizes: list[int] = []
    while nodes:
        most = min(nodes, (1 + math.isqrt(1 + 8 * most_edges)) // 2)
        fitting = [each for each in options if 0 < each <= most] if options else [most - most % 2 or 1]
        size = rng.choice(fitting) if fitting else 1
        sizes.append(size)
        most_edges -= size * (size - 1) // 2
        nodes -= size
    return sizes


def joined_parts(sizes: Sequence[int], rng: random.Random) -> Pairs:
    """Return the edges that join every two nodes of a part; numbers, ends and edges are shuffled."""
    numbers = rng.sample(range(sum(sizes)), sum(sizes))
    pairs: Pairs = []
    for size in sizes:
        part, numbers = numbers[:size], numbers[size:]
        pairs += [rng.choice((pair, pair[::-1])) for pair in itertools.combinations(part, 2)]
    rng.shuffle(pairs)
    return pairs
