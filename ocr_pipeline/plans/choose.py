"""Which correct solutions the plans are read from.

Streams the solutions once and keeps a few short ones per problem, so memory grows with the problems, not with the
solutions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

__all__ = ["Solution", "choose_solutions"]

CANDIDATES: Final = 24
"""Shortest solutions of a problem among which the diverse ones are chosen."""
WORD: Final = re.compile(r"[A-Za-z_]\w*|\d+|[^\s\w]")


@dataclass(frozen=True, slots=True, order=True)
class Solution:
    """A correct solution; sorts by length, then by id."""

    length: int
    solution_id: str
    code: str


def choose_solutions(
    solutions: Iterable[pa.RecordBatch], *, language: str, count: int, problem_ids: frozenset[str] | None = None
) -> Mapping[str, tuple[Solution, ...]]:
    """Return up to ``count`` correct solutions per problem: the shortest, then those that differ most.

    The order of the rows does not matter. Solutions with equal words count as one.
    """
    found: dict[str, list[Solution]] = {}
    for batch in solutions:
        _collect(found, batch, language, CANDIDATES if count > 1 else 1, problem_ids)
    return {problem: _diverse(sorted(candidates), count) for problem, candidates in found.items()}


def _collect(
    found: dict[str, list[Solution]],
    batch: pa.RecordBatch,
    language: str,
    limit: int,
    problem_ids: frozenset[str] | None,
) -> None:
    for row in batch.select(["problem_id", "solution_id", "language", "code", "is_correct"]).to_pylist():
        problem_id, code = row["problem_id"], row["code"].strip("\n")
        unwanted = not row["is_correct"] or row["language"] != language or not code.strip()
        if unwanted or (problem_ids is not None and problem_id not in problem_ids):
            continue
        kept = found.setdefault(problem_id, [])
        kept.append(Solution(len(code), row["solution_id"], code))
        if len(kept) > 2 * limit:
            found[problem_id] = _distinct(sorted(kept))[:limit]


def _distinct(candidates: list[Solution]) -> list[Solution]:
    """Keep the first of those with the same words."""
    seen: set[tuple[str, ...]] = set()
    kept = []
    for candidate in candidates:
        words = tuple(WORD.findall(candidate.code))
        if words not in seen:
            seen.add(words)
            kept.append(candidate)
    return kept


def _diverse(candidates: list[Solution], count: int) -> tuple[Solution, ...]:
    """Choose greedily what is farthest from everything chosen; ties go to the shorter one."""
    rest = _distinct(candidates)[: CANDIDATES if count > 1 else 1]
    chosen = [rest.pop(0)]
    shingles = {candidate.solution_id: _shingles(candidate.code) for candidate in [*chosen, *rest]}
    while rest and len(chosen) < count:
        best = min(rest, key=lambda each: (max(_overlap(shingles, each, other) for other in chosen), each))
        rest.remove(best)
        chosen.append(best)
    return tuple(chosen)


def _overlap(shingles: Mapping[str, frozenset[tuple[str, ...]]], left: Solution, right: Solution) -> float:
    both, either = (
        shingles[left.solution_id] & shingles[right.solution_id],
        shingles[left.solution_id] | shingles[right.solution_id],
    )
    return len(both) / len(either)


def _shingles(code: str) -> frozenset[tuple[str, ...]]:
    words = WORD.findall(code)
    return frozenset(tuple(words[start : start + 3]) for start in range(max(len(words) - 2, 1)))
