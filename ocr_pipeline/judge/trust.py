"""Asks correct reference solutions about the tests before samples are judged by them.

A test is not trusted when no reference solution passes it, or when one that passes at least half of the problem's
tests gives a wrong answer to it. A problem none of whose solutions passes half of its tests says nothing about
samples. Problems without a solution that can be run here are unchecked, and judged as they are.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from ocr_pipeline.console import SILENT, Progress
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.engine import Engine
from ocr_pipeline.judge.step import TestSource, judge
from ocr_pipeline.judge.verdicts import TrustConfig, TrustFlag, Verdict
from ocr_pipeline.store import TableWriter
from ocr_pipeline.tables import EXECUTIONS, JUDGED_LANGUAGES, TEST_TRUST

__all__ = ["SolutionSource", "check_tests"]

SolutionSource = Callable[[Collection[str]], Iterable[pa.RecordBatch]]
"""Gives the solutions of some problems: problem_id, solution_id, language, code, is_correct; others are ignored."""

PROBLEMS_AT_ONCE: Final = 256
NOT_JUDGED: Final = (Verdict.NOT_RUN, Verdict.COMPILE_ERROR)
SAMPLE_SCHEMA: Final = EXECUTIONS.schema_of(("sample_id", "problem_id", "language")).append(
    pa.field("code", pa.large_string())
)  # fmt: skip

Row = dict[str, Any]


def check_tests(
    problems: Callable[[], Iterable[pa.RecordBatch]],
    tests: TestSource,
    solutions: SolutionSource,
    *,
    config: TrustConfig,
    writer: TableWriter,
    checkpoint: Path | None = None,
    progress: Progress = SILENT,
    engine: Engine | None = None,
) -> StageCounts:
    """Judge reference solutions and write ``test_trust``: one row per problem, and one per test that is not trusted.

    Parameters
    ----------
    problems
        Opens the problems; they are read twice. Columns as for :func:`judge`.
    tests, solutions
        Given problem ids, return their tests and solutions.
    config
        As for :func:`judge`; every test is run, by the first ``solutions_per_language`` correct solutions.
    writer
        Receives the rows, problems in their order.
    checkpoint, progress, engine
        As for :func:`judge`; progress is told of every solution.

    Returns
    -------
    StageCounts
        Problems; ``dropped``: those that no solution passes. Notes: problems by flag, flagged tests, solutions run.

    Raises
    ------
    JudgeError
        As :func:`judge`.
    """
    ledger = _Ledger(writer)
    judge(
        problems(),
        tests,
        _chosen(problems(), solutions, config.solutions_per_language, ledger),
        config=config.replaced(stop_at_first_failure=False),
        writer=ledger,
        checkpoint=checkpoint,
        progress=progress,
        engine=engine,
    )
    ledger.finish()
    return ledger.counts().require_conserved("test_trust")


def _chosen(
    problems: Iterable[pa.RecordBatch], source: SolutionSource, per_language: int, ledger: _Ledger
) -> Iterator[pa.RecordBatch]:
    """Yield the solutions to run as samples, problem by problem, and enter in the ledger how many to wait for."""
    for ids in _groups(problems):
        found: dict[str, list[Row]] = {problem_id: [] for problem_id in ids}
        taken: Counter[tuple[str, str]] = Counter()
        for batch in source(ids):
            for row in _correct(batch, found):
                place = row["problem_id"], row["language"]
                if taken[place] < per_language:
                    taken[place] += 1
                    found[row["problem_id"]].append(row)
        rows = [row for problem_id in ids for row in found[problem_id]]
        for problem_id in ids:
            ledger.expect(problem_id, len(found[problem_id]))
        yield pa.RecordBatch.from_pylist(rows, schema=SAMPLE_SCHEMA)


def _groups(problems: Iterable[pa.RecordBatch]) -> Iterator[list[str]]:
    for batch in problems:
        ids = batch.column("problem_id").to_pylist()
        yield from (ids[start : start + PROBLEMS_AT_ONCE] for start in range(0, len(ids), PROBLEMS_AT_ONCE))


def _correct(batch: pa.RecordBatch, wanted: Collection[str]) -> Iterator[Row]:
    ids, languages = batch.column("problem_id").to_pylist(), batch.column("language").to_pylist()
    correct, names, codes = batch.column("is_correct").to_pylist(), batch.column("solution_id"), batch.column("code")
    for index, (problem_id, language) in enumerate(zip(ids, languages, strict=True)):
        if correct[index] and problem_id in wanted and language in JUDGED_LANGUAGES:
            name, code = names[index].as_py(), codes[index].as_py()
            yield {"sample_id": name, "problem_id": problem_id, "language": language, "code": code}


@dataclass(slots=True)
class _Pending:
    """A problem whose solutions are being judged."""

    expected: int
    rows: list[Row] = field(default_factory=list)


class _Ledger:
    """Gathers the executions of a problem's solutions, decides when all are there, and writes in the problems' order."""

    def __init__(self, writer: TableWriter) -> None:
        self._writer = writer
        self._pending: dict[str, _Pending] = {}
        self._order: deque[str] = deque()
        self._flags: Counter[str] = Counter()
        self._tests = 0
        self._run = 0

    def expect(self, problem_id: str, solutions: int) -> None:
        """Wait for so many executions of a problem."""
        self._pending[problem_id] = _Pending(solutions)
        self._order.append(problem_id)

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Take executions; write what is complete."""
        for row in rows.select(["problem_id", "verdict", "tests_total", "results"]).to_pylist():
            self._pending[row["problem_id"]].rows.append(row)
        self.finish()

    def finish(self) -> None:
        """Write every problem from the first one on that waits for nothing."""
        done: list[Row] = []
        while self._order and len(self._pending[self._order[0]].rows) == self._pending[self._order[0]].expected:
            problem_id = self._order.popleft()
            done += self._decide(problem_id, self._pending.pop(problem_id).rows)
        if done:
            self._writer.write(pa.Table.from_pylist(done, schema=TEST_TRUST.schema))

    def _decide(self, problem_id: str, rows: Sequence[Row]) -> list[Row]:
        ran = [row for row in rows if row["verdict"] not in NOT_JUDGED]
        decided = decide(problem_id, ran)
        self._run += len(ran)
        self._flags[decided[0]["flag"]] += 1
        self._tests += len(decided) - 1
        return decided

    def counts(self) -> StageCounts:
        """Return the account."""
        useless = self._flags[TrustFlag.NO_SOLUTION_PASSES]
        notes = {f"problems {flag}": rows for flag, rows in sorted(self._flags.items())}
        return StageCounts(
            self._flags.total(),
            self._flags.total() - useless,
            {TrustFlag.NO_SOLUTION_PASSES.value: useless} if useless else {},
            notes | {"tests flagged": self._tests, "solutions run": self._run},
        )


def decide(problem_id: str, ran: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return the row of a problem, then those of its flagged tests, from the executions of its solutions."""
    if not ran:
        return [_row(problem_id, None, TrustFlag.UNCHECKED, 0, 0, "no correct solution could be run")]
    credible = [row for row in ran if 2 * _passed(row) >= row["tests_total"]]
    if not credible:
        return [_row(problem_id, None, TrustFlag.NO_SOLUTION_PASSES, len(ran), 0, _told(row["verdict"] for row in ran))]
    outcomes: dict[str, list[str]] = {}
    for row in credible:
        for result in row["results"]:
            outcomes.setdefault(result["test_id"], []).append(result["verdict"])
    flagged = [
        _row(problem_id, test_id, flag, len(verdicts), verdicts.count(Verdict.ACCEPTED), _told(verdicts))
        for test_id, verdicts in sorted(outcomes.items())
        if (flag := _flag_of(verdicts)) is not None
    ]
    left_out = {row["test_id"] for row in flagged}
    if len(left_out) >= max(row["tests_total"] for row in credible):
        return [_row(problem_id, None, TrustFlag.NO_SOLUTION_PASSES, len(ran), 0, "no test is passed by all"), *flagged]
    passed = sum(_passes_all_but(row, left_out) for row in credible)
    flag = TrustFlag.TESTS_FLAGGED if flagged else TrustFlag.TRUSTED
    return [_row(problem_id, None, flag, len(ran), passed, None), *flagged]


def _passed(row: Mapping[str, Any]) -> int:
    return sum(result["verdict"] == Verdict.ACCEPTED for result in row["results"])


def _flag_of(verdicts: Sequence[str]) -> TrustFlag | None:
    if Verdict.ACCEPTED not in verdicts:
        return TrustFlag.NO_SOLUTION_PASSES
    return TrustFlag.REJECTS_SOLUTIONS if Verdict.WRONG_ANSWER in verdicts else None


def _passes_all_but(row: Mapping[str, Any], left_out: Collection[str]) -> bool:
    judged = [result["verdict"] for result in row["results"] if result["test_id"] not in left_out]
    return len(row["results"]) == row["tests_total"] and all(verdict == Verdict.ACCEPTED for verdict in judged)


def _told(verdicts: Iterable[str]) -> str:
    return ", ".join(f"{verdict} {times}" for verdict, times in sorted(Counter(verdicts).items()))


def _row(problem_id: str, test_id: str | None, flag: TrustFlag, run: int, passed: int, detail: str | None) -> Row:
    return {"problem_id": problem_id, "test_id": test_id, "flag": flag.value, "n_solutions_run": run,
            "n_passed": passed, "detail": detail}  # fmt: skip
