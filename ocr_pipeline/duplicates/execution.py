"""Pairs that only running programs can decide: correct solutions of each problem against the tests of the other.

Solutions of both pass all tests of the other: one problem. Solutions of both pass some tests of the other and fail some:
two problems, for the form of input is the same and the answers are not. All else says nothing: one way only, for one may
be a case of the other, or its tests weak; no test passed, for the same problem is often written with another form of
input; tests whose outputs tell too little; nothing that could be run. The judge is lent, as a step imports no other one;
its results are kept by whoever lends it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.similarity.cases import answer_bits
from ocr_pipeline.similarity.evidence import canonical_example
from ocr_pipeline.tables import ACCEPTED, JUDGED_LANGUAGES

__all__ = ["Execution", "PairJudge", "run_on_each_other"]

FEWEST_TESTS: Final = 3
FEWEST_BITS: Final = 12
"""What the outputs of a problem's tests must tell: passing fewer than twelve that are yes or no is luck."""
MOST_SOLUTIONS: Final = 2
"""Of each problem: a solution marked as correct may be wrong."""
BOTH_WAYS: Final = 2
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
    execution: Execution, pairs: Mapping[int, Sequence[Sequence[str]]], *, most: int
) -> dict[int, bool | None]:
    """Return which pairs were run, and whether they are one problem; ``None`` where running says nothing.

    ``pairs`` are the problems of both sides of each, in the order in which they are to be tried; at most ``most`` are run.
    """
    if not most:
        return {}
    wanted = {one for sides in pairs.values() for ids in sides for one in ids}
    testable = _testable(execution.tests(wanted), wanted)
    solutions = _solutions(execution.solutions(wanted), wanted)
    samples: list[dict[str, str]] = []
    crossings: dict[str, _Crossing] = {}
    run = 0
    for row, sides in pairs.items():
        judged = [next((one for one in ids if one in testable), None) for ids in sides]
        solved = [next((solutions[one] for one in ids if one in solutions), []) for ids in sides]
        if None in judged or not all(solved) or run == most:
            continue
        run += 1
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


def _testable(batches: Iterable[pa.RecordBatch], wanted: Collection[str]) -> set[str]:
    """Return the problems whose tests tell enough."""
    tests: Counter[str] = Counter()
    bits: Counter[str] = Counter()
    for batch in batches:
        columns = (batch.column(name).to_pylist() for name in ("problem_id", "expected"))
        for problem_id, expected in zip(*columns, strict=True):
            if problem_id in wanted and expected is not None:
                tests[problem_id] += 1
                if bits[problem_id] < FEWEST_BITS:  # a hundred thousand tests need not all be read
                    bits[problem_id] += answer_bits(canonical_example(expected))
    return {one for one, count in tests.items() if count >= FEWEST_TESTS and bits[one] >= FEWEST_BITS}


def _solutions(batches: Iterable[pa.RecordBatch], wanted: Collection[str]) -> dict[str, list[tuple[str, str]]]:
    """Return correct solutions of each problem that the judge can run: the shortest of each language, then others."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for batch in batches:
        columns = (batch.column(name).to_pylist() for name in ("problem_id", "language", "code", "is_correct"))
        for problem_id, language, code, is_correct in zip(*columns, strict=True):
            if problem_id in wanted and is_correct and language in JUDGED_LANGUAGES and code:
                found[problem_id].append((language, code))
    return {problem_id: _first(programs) for problem_id, programs in found.items()}


def _first(programs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Take the languages in turn: all solutions in one of them may need another version of it."""
    short = sorted(set(programs), key=lambda program: (len(program[1]), program))
    turns: Counter[str] = Counter()
    placed = []
    for language, code in short:
        placed.append((turns[language], language, code))
        turns[language] += 1
    return [(language, code) for _, language, code in sorted(placed, key=lambda one: one[:2])[:MOST_SOLUTIONS]]


def _decided(executions: pa.Table, crossings: Mapping[str, _Crossing]) -> dict[int, bool | None]:
    passing: dict[int, set[int]] = defaultdict(set)
    failing: dict[int, set[int]] = defaultdict(set)
    for row in executions.select(["sample_id", "verdict", "tests_passed"]).to_pylist():
        crossing = crossings[row["sample_id"]]
        if row["verdict"] == ACCEPTED:
            passing[crossing.row].add(crossing.way)
        elif row["verdict"] == WRONG_ANSWER and row["tests_passed"]:  # it could read the input
            failing[crossing.row].add(crossing.way)
    rows = sorted({crossing.row for crossing in crossings.values()})
    return {row: _is_same(len(passing[row]), len(failing[row])) for row in rows}


def _is_same(passing_ways: int, failing_ways: int) -> bool | None:
    if passing_ways == BOTH_WAYS:
        return True
    return False if failing_ways == BOTH_WAYS and not passing_ways else None
