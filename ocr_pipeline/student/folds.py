"""Which problems are one task: what a ranker learned from one of them says too much of the others.

Subtasks of one olympiad task are problems of their own, and one problem may have several ids. Programs are not compared here.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

__all__ = ["folds_of", "tasks_of"]

Problem = tuple[str, str]
"""Id and statement."""

WORD: Final = re.compile(r"\w+")
WORDS_AT_ONCE: Final = 5
LEAST_SHARED: Final = 0.7
"""Share of the shorter statement's word sequences; siblings repeat the story, other problems a phrase of the input format."""
LEAST_SEQUENCES: Final = 20
"""Shorter statements are a template with other words in it, as often as a story that is told again."""
MOST_STATEMENTS: Final = 64
"""A sequence in more statements than this is a phrase of the source."""
SUBTASK_PARTS: Final = 5
"""Parts of the id of a subtask: data set, split, year, task, subtask."""


def tasks_of(problems: Iterable[Problem]) -> dict[Problem, Problem]:
    """Return for each problem the first problem of its task: the same id or task by id, or nearly the same statement."""
    known = sorted(set(problems))
    first = {problem: problem for problem in known}

    def root(problem: Problem) -> Problem:
        while first[problem] != problem:
            first[problem] = problem = first[first[problem]]
        return problem

    by_key: dict[tuple[str, ...], Problem] = {}
    sequences = {}
    for problem in known:
        problem_id, statement = problem
        words = tuple(WORD.findall(statement.casefold()))
        parts = tuple(problem_id.split("/"))
        keys = [("id", *parts), ("statement", *words)]
        if len(parts) >= SUBTASK_PARTS:
            keys.append(("id", *parts[:-1]))
        for key in keys:
            first[root(problem)] = root(by_key.setdefault(key, problem))
        sequences[problem] = {words[start : start + WORDS_AT_ONCE] for start in range(len(words) - WORDS_AT_ONCE + 1)}
    for left, right in _alike(sequences):
        first[root(right)] = root(left)
    return {problem: root(problem) for problem in known}


def _alike(sequences: Mapping[Problem, set[tuple[str, ...]]]) -> Iterable[tuple[Problem, Problem]]:
    places: dict[tuple[str, ...], list[Problem]] = defaultdict(list)
    for problem, own in sequences.items():
        for sequence in own:
            places[sequence].append(problem)
    for problem, own in sequences.items():
        shared = Counter(
            other
            for sequence in own
            if len(places[sequence]) <= MOST_STATEMENTS
            for other in places[sequence]
            if other < problem
        )
        for other, count in shared.items():
            shorter = min(len(own), len(sequences[other]))
            if shorter >= LEAST_SEQUENCES and count >= LEAST_SHARED * shorter:
                yield other, problem


def folds_of(problems: Iterable[Problem], folds: int) -> dict[Problem, int]:
    """Spread problems over folds of about equal size; those of one task are never in two."""
    tasks: dict[Problem, list[Problem]] = defaultdict(list)
    for problem, task in tasks_of(problems).items():
        tasks[task].append(problem)
    sizes = [0] * folds
    found: dict[Problem, int] = {}
    for members in tasks.values():
        fold = sizes.index(min(sizes))
        sizes[fold] += len(members)
        found |= dict.fromkeys(members, fold)
    return found
