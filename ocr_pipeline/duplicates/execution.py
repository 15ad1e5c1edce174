"""Pairs that only running programs can decide: correct solutions of each problem against the tests of the other.

Solutions of both pass all tests of the other: one problem. One passes some tests of the other and fails some: another
problem, for the form of input is the same and the answers are not. All else (no test passed, too few tests, nothing could
be run) says nothing: the same problem is often written with another form of input. The judge is lent, as a step imports no
other one; its results are kept by whoever lends it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Execution", "PairJudge", "run_on_each_other"]

FEWEST_TESTS: Final = 3
"""Passing fewer is luck."""
MOST_SOLUTIONS: Final = 2
"""Of each problem: a solution marked as correct may be wrong."""
LANGUAGES: Final = ("cpp", "python")
ACCEPTED: Final = "accepted"
WRONG_ANSWER: Final = "wrong_answer"

Lookup: TypeAlias = "Callable[[Collection[str]], Iterable[pa.RecordBatch]]"
"""Gives the rows of some problems; other rows are ignored."""


PairJudge: TypeAlias = "Callable[[Iterable[pa.RecordBatch], Lookup, Iterable[pa.RecordBatch]], pa.Table]"
"""Runs samples against the tests of their problems: problems, tests and samples in, a row of ``executions`` per sample out."""


@dataclass(frozen=True, slots=True)
class Execution:
    """A judge, and what it runs."""

    judge: PairJudge
    problems: Callable[[], Iterable[pa.RecordBatch]]
    tests: Lookup
    solutions: Lookup


class _Crossing(NamedTuple):
    """A solution of one problem on the tests of another one."""

    row: int
    way: int


def run_on_each_other(
    execution: Execution, groups: Mapping[int, Sequence[Sequence[str]]], *, most: int
) -> dict[int, bool]:
    """Return which pairs running decides, and whether they are one problem.

    ``groups`` are the problems of the two sides of each pair, in the order in which they are to be tried; at most ``most``
    pairs are run.
    """
    if not most:
        return {}
    wanted = {one for sides in groups.values() for ids in sides for one in ids}
    with_tests = _counted(execution.tests(wanted), wanted)
    solutions = _solutions(execution.solutions(wanted), wanted)
    samples: list[dict[str, str]] = []
    crossings: dict[str, _Crossing] = {}
    pairs = 0
    for row, sides in groups.items():
        judged = [next((one for one in ids if with_tests.get(one, 0) >= FEWEST_TESTS), None) for ids in sides]
        solved = [next((solutions[one] for one in ids if one in solutions), []) for ids in sides]
        if None in judged or not all(solved) or pairs == most:
            continue
        pairs += 1
        for way, (problem_id, programs) in enumerate(zip(judged, reversed(solved), strict=True)):
            for language, code in programs:
                name = f"{row}/{way}/{len(crossings)}"
                crossings[name] = _Crossing(row, way)
                samples.append({"sample_id": name, "problem_id": problem_id or "", "language": language, "code": code})
    if not samples:
        return {}
    judged_ids = pa.array(sorted({sample["problem_id"] for sample in samples}), pa.string())
    problems = (
        batch.filter(pc.is_in(batch.column("problem_id"), value_set=judged_ids)) for batch in execution.problems()
    )
    executions = execution.judge(problems, execution.tests, pa.Table.from_pylist(samples).to_batches())
    return _decided(executions, crossings)


def _counted(batches: Iterable[pa.RecordBatch], wanted: Collection[str]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for batch in batches:
        for problem_id in batch.column("problem_id").to_pylist():
            if problem_id in wanted:
                counts[problem_id] += 1
    return counts


def _solutions(batches: Iterable[pa.RecordBatch], wanted: Collection[str]) -> dict[str, list[tuple[str, str]]]:
    """Return the first correct solutions of each problem that the judge can run, short ones first."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for batch in batches:
        columns = (batch.column(name).to_pylist() for name in ("problem_id", "language", "code", "is_correct"))
        for problem_id, language, code, is_correct in zip(*columns, strict=True):
            if problem_id in wanted and is_correct and language in LANGUAGES and code:
                found[problem_id].append((language, code))
    return {
        problem_id: sorted(set(programs), key=lambda program: (len(program[1]), program))[:MOST_SOLUTIONS]
        for problem_id, programs in found.items()
    }


def _decided(executions: pa.Table, crossings: Mapping[str, _Crossing]) -> dict[int, bool]:
    ways: dict[int, set[int]] = defaultdict(set)
    said: dict[int, set[bool | None]] = defaultdict(set)
    for row in executions.select(["sample_id", "verdict", "tests_passed", "tests_total"]).to_pylist():
        crossing = crossings[row["sample_id"]]
        passes = _passes(row["verdict"], row["tests_passed"], row["tests_total"])
        said[crossing.row].add(passes)
        if passes:
            ways[crossing.row].add(crossing.way)
    same = {row: True for row, found in ways.items() if found == {0, 1}}
    return same | {
        row: False for row, found in said.items() if row not in same and False in found and None not in found
    }


def _passes(verdict: str, tests_passed: int, tests_total: int) -> bool | None:
    """Say whether a program passes all tests, or answers some right and others wrong; a program that cannot read says nothing."""
    if tests_total < FEWEST_TESTS:
        return None
    if verdict == ACCEPTED:
        return True
    return False if verdict == WRONG_ANSWER and tests_passed else None
