"""Runs programs of known verdict on every known test, then mutants of right ones that pass them all, by a lent judge.

Some problems at a time, so that memory does not grow with their number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import pyarrow as pa

from ocr_pipeline.console import SILENT, Progress
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.quality.mutants import mutants_of
from ocr_pipeline.quality.options import QualityConfig
from ocr_pipeline.quality.problems import MeasuredProblem, Outcome, Program, Unmeasured
from ocr_pipeline.quality.reading import Inputs, Lookup, listed, read_programs, read_samples, read_tests
from ocr_pipeline.store import TableWriter, rows_of
from ocr_pipeline.tables import ACCEPTED, JUDGED_LANGUAGES, TEST_TRUST, Language

__all__ = ["EVERY_TEST", "LentJudge", "run_programs"]

PROBLEMS_AT_ONCE: Final = 64
SAYS_NOTHING: Final = frozenset({"not_run", "compile_error"})
SAMPLES: Final = pa.schema([(name, pa.large_string()) for name in ("sample_id", "problem_id", "language", "code")])
EVERY_TEST: Final = {"stop_at_first_failure": False, "max_tests": None}
Row = dict[str, Any]


class LentJudge(Protocol):
    """The judge, lent by its room."""

    def __call__(
        self,
        problems: Iterable[pa.RecordBatch],
        tests: Lookup,
        samples: Iterable[pa.RecordBatch],
        *,
        changes: Mapping[str, Any],
        writer: TableWriter,
        trust: Iterable[pa.RecordBatch],
        progress: Progress,
    ) -> StageCounts:
        """Run samples and write a row of ``executions`` for each, in their order."""


def run_programs(
    inputs: Inputs, *, judge: LentJudge, config: QualityConfig, progress: Progress = SILENT
) -> Iterator[list[MeasuredProblem]]:
    """Yield some problems at a time, with what each test said of each program."""
    flagged = _by_problem(inputs.trust)
    for batch in inputs.problems:
        for start in range(0, batch.num_rows, PROBLEMS_AT_ONCE):
            chunk = batch.slice(start, PROBLEMS_AT_ONCE)
            measured = listed(chunk, flagged)
            read_tests(measured, inputs)
            read_programs(measured, inputs.programs, config)
            read_samples(measured, inputs.samples, config)
            said = [row for name in measured for row in flagged.get(name, ())]
            asked = pa.Table.from_pylist(said, TEST_TRUST.schema)
            _run(measured, _Known(chunk, inputs.every_test, judge, asked, _Onward(progress)), config)
            yield list(measured.values())


def _by_problem(trust: Iterable[pa.RecordBatch]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows_of(trust):
        found[row["problem_id"]].append(row)
    return found


@dataclass(frozen=True, slots=True)
class _Known:
    """What some programs are run with."""

    problems: pa.RecordBatch
    tests: Lookup
    judge: LentJudge
    trust: pa.Table
    progress: Progress

    def outcomes(self, programs: Sequence[tuple[str, Program]], **changes: Any) -> list[Outcome]:
        """Run programs of some problems, and return what the tests said of each."""
        kept = _Kept()
        samples = [
            {"sample_id": str(number), "problem_id": problem_id, "language": one.language, "code": one.code}
            for number, (problem_id, one) in enumerate(programs)
        ]
        self.judge(
            [self.problems],
            self.tests,
            pa.Table.from_pylist(samples, SAMPLES).to_batches(),
            changes=EVERY_TEST | changes,
            writer=kept,
            trust=self.trust.to_batches(),
            progress=self.progress,
        )
        return kept.outcomes


@dataclass(frozen=True, slots=True)
class _Onward:
    """Tells how many programs were run; nobody knows how many there will be, for they are read some problems at a time."""

    progress: Progress

    def advance(self, rows: int = 1, **counts: float) -> None:
        """Tell of some programs."""
        self.progress.advance(rows, **counts)

    def expect(self, rows: int | None) -> None:
        """Expect nothing."""


class _Kept:
    """Takes rows of executions and keeps what is needed of them."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Take rows as a table's writer does."""
        for row in rows.select(["verdict", "reason", "results", "needs_checker"]).to_pylist():
            if row["verdict"] in SAYS_NOTHING:
                silence = row["reason"] or row["verdict"]
                self.outcomes.append(Outcome(silence=silence, needs_checker=row["needs_checker"]))
                continue
            passed = frozenset(one["test_id"] for one in row["results"] if one["verdict"] == ACCEPTED)
            failed = frozenset(one["test_id"] for one in row["results"] if one["verdict"] != ACCEPTED)
            self.outcomes.append(Outcome(passed, failed, needs_checker=row["needs_checker"]))


def _run(problems: Mapping[str, MeasuredProblem], known: _Known, config: QualityConfig) -> None:
    """Run the programs of some problems, then mutants of those that are right beyond doubt."""
    programs = [
        (name, one)
        for name, problem in problems.items()
        for one in problem.programs
        if one.language in JUDGED_LANGUAGES
    ]
    outcomes = iter(known.outcomes(programs))
    for problem in problems.values():
        problem.outcomes = [
            _decided(problem, next(outcomes))
            if one.language in JUDGED_LANGUAGES
            else Outcome(silence=Unmeasured.LANGUAGE)
            for one in problem.programs
        ]
    samples = [(name, one) for name, problem in problems.items() for one in problem.samples]
    for (name, _), outcome in zip(samples, known.outcomes(samples) if samples else (), strict=True):
        problems[name].sampled.append(_decided(problems[name], outcome))
    mutants = [(name, one) for name, problem in problems.items() for one in _mutants(problem, config)]
    # One test over its time limit kills a mutant: waiting for four more says nothing further.
    for (name, _), outcome in zip(mutants, known.outcomes(mutants, give_up_after_time_limits=1), strict=True):
        problems[name].mutants.append(_decided(problems[name], outcome))


def _decided(problem: MeasuredProblem, outcome: Outcome) -> Outcome:
    """Return what the tests said; where a model's checker broke on an output, that is nothing."""
    is_open = problem.has_made_checker and outcome.needs_checker
    return Outcome(silence=Unmeasured.NEEDS_CHECKER) if is_open else outcome


def _mutants(problem: MeasuredProblem, config: QualityConfig) -> Iterator[Program]:
    wrong = sum(outcome.silence is None for outcome in _outcomes_of_wrong(problem))
    if config.enough_wrong_programs is not None and wrong >= config.enough_wrong_programs:
        return
    tests = [*problem.source, *problem.generated]
    right = [
        program
        for program, outcome in zip(problem.programs, problem.outcomes, strict=True)
        if program.is_right and not outcome.needs_checker and outcome.passes(set(tests) - problem.untrusted)
    ]
    right.sort(key=lambda one: (one.language != Language.PYTHON, len(one.code), one.code))
    chosen = right[: config.mutated_programs]
    for number, program in enumerate(chosen):
        limit = config.mutants // len(chosen) + (number < config.mutants % len(chosen))
        for mutant in mutants_of(program.code, program.language, limit=limit, seed=config.mutation_seed):
            yield Program(f"{program.name}:{mutant.kind}", program.language, mutant.code, is_right=False)


def _outcomes_of_wrong(problem: MeasuredProblem) -> Iterator[Outcome]:
    pairs = zip(problem.programs, problem.outcomes, strict=True)
    return (outcome for program, outcome in pairs if not program.is_right)
