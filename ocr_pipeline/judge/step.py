"""Judges a table of samples: groups them by problem, hands out work, and gives every sample its row.

Samples are read once and kept on disk. Then their problems are gone through, those that may take long first: tests are
looked up for some problems at a time, and every new candidate becomes a task for the engine, which gives results as
they are done. At the end the rows are written in the order of the samples. Memory is bounded by the tests of the
problems that are being judged.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from ocr_pipeline.console import SILENT, Progress
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.engine import Engine, LocalEngine
from ocr_pipeline.errors import JudgeError
from ocr_pipeline.judge import VERSION
from ocr_pipeline.judge.checkers import with_headers
from ocr_pipeline.judge.checkpoint import Checkpoint, key_prefix, result_key
from ocr_pipeline.judge.policy import Quality
from ocr_pipeline.judge.programs import Tiers, runtime_of
from ocr_pipeline.judge.sandbox import choose_plan
from ocr_pipeline.judge.spool import Sample, Spool
from ocr_pipeline.judge.tasks import Task, close_workplaces, judge_task
from ocr_pipeline.judge.verdicts import (
    Candidate,
    Execution,
    JudgeConfig,
    ProblemSpec,
    Reason,
    Test,
    TestResult,
    TrustFlag,
    Verdict,
)
from ocr_pipeline.store import TableWriter, rows_of, rows_of_problems
from ocr_pipeline.tables import EXECUTIONS, Language

__all__ = ["TestSource", "judge"]

TestSource = Callable[[Collection[str]], Iterable[pa.RecordBatch]]
"""Gives the tests of some problems: columns problem_id, test_id, input, expected; other rows are ignored."""

UNMEASURED: Final[Quality] = {}
FIRST_SHELF: Final = 32
LARGEST_SHELF: Final = 512
SHELF_BYTES: Final = 32 << 20


def judge(  # noqa: PLR0913 - inputs, and options by name
    problems: Iterable[pa.RecordBatch],
    tests: TestSource,
    samples: Iterable[pa.RecordBatch],
    *,
    config: JudgeConfig,
    writer: TableWriter,
    trust: Iterable[pa.RecordBatch] = (),
    quality: Quality = UNMEASURED,
    checkpoint: Path | None = None,
    progress: Progress = SILENT,
    engine: Engine | None = None,
) -> StageCounts:
    """Judge samples against the tests of their problems and write one ``executions`` row per sample, in their order.

    Parameters
    ----------
    problems
        Needs ``problem_id``; takes ``io_mode``, ``function_name``, file names, the limits and all of the checker.
    tests
        Given problem ids, returns their tests.
    samples
        Needs ``sample_id``, ``problem_id``, ``language`` and ``code``.
    config
        Limits, isolation and policy.
    writer
        Receives the rows.
    trust
        ``test_trust`` rows: tests that reference solutions fail are left out, and samples of a problem that none
        passes are not run.
    quality
        By problem, how good its tests are: every verdict carries it.
    checkpoint
        Folder that keeps finished results; the next run takes them from there.
    progress
        Told of every sample.
    engine
        Runs the tasks; default: local processes, as many as ``config.workers``.

    Returns
    -------
    StageCounts
        ``kept``: judged; ``dropped``: not run, by reason. Notes: verdicts, results reused, samples judged without
        their untrusted tests.

    Raises
    ------
    JudgeError
        When no sandbox works here, or the checkpoint cannot be used.
    """
    if config.tiers is not Tiers.UNSANDBOXED:
        choose_plan(str(config.tiers))  # refuse before anything is read
    listed = {entry.spec.problem_id: entry for batch in problems for entry in _listed(batch, config)}
    known = _trust_of(trust)
    engine = engine or LocalEngine(config.processes)
    tally = _Tally()
    with Spool() as spool, contextlib.closing(_Run(spool, listed, tests, known, config, checkpoint, engine)) as run:
        for batch in samples:
            spool.add(_texts(batch))
        progress.expect(spool.complete())
        for judged in run.judged():
            progress.advance(judged)
        for rows in spool.rows():
            settled = [(sample, _settled(sample, result, listed, known)) for sample, result in rows]
            written = [
                _row(sample, execution, listed, known) | _grade(sample, quality) for sample, execution in settled
            ]
            writer.write(pa.RecordBatch.from_pylist(written, schema=EXECUTIONS.schema))
            tally.add(settled, known)
    return tally.counts(run.reused).require_conserved("judge")


@dataclass(frozen=True, slots=True)
class _Trust:
    """What reference solutions said of a problem."""

    checked: bool
    useless: str | None
    untrusted: frozenset[str]


UNKNOWN: Final = _Trust(checked=False, useless=None, untrusted=frozenset())


def _trust_of(rows: Iterable[pa.RecordBatch]) -> dict[str, _Trust]:
    known: dict[str, _Trust] = {}
    for row in rows_of(rows):
        so_far = known.get(row["problem_id"], UNKNOWN)
        if row["test_id"] is not None:
            known[row["problem_id"]] = replace(so_far, untrusted=so_far.untrusted | {row["test_id"]})
            continue
        useless = f"no reference solution passes its tests: {row['n_solutions_run']} run, {row['detail']}"
        known[row["problem_id"]] = replace(
            so_far,
            checked=row["flag"] != TrustFlag.UNCHECKED,
            useless=useless if row["flag"] == TrustFlag.NO_SOLUTION_PASSES else None,
        )
    return known


@dataclass(frozen=True, slots=True)
class _Listed:
    """A problem, and how long a candidate may take at most, as a power of two of seconds."""

    spec: ProblemSpec
    magnitude: int


def _listed(batch: pa.RecordBatch, config: JudgeConfig) -> Iterator[_Listed]:
    names = [name for name in (*ProblemSpec.__dataclass_fields__, "n_tests") if name in batch.schema.names]
    for row in batch.select(names).to_pylist():
        n_tests = row.pop("n_tests", None) or 1
        spec = ProblemSpec.of_row(row)
        yield _Listed(spec, math.frexp(config.limits_for(spec, Language.PYTHON).cpu_s * n_tests)[1])


def _texts(batch: pa.RecordBatch) -> Iterator[tuple[str, str, str, str]]:
    columns = (batch.column(name).to_pylist() for name in ("sample_id", "problem_id", "language", "code"))
    for sample_id, problem_id, language, code in zip(*columns, strict=True):
        yield sample_id, problem_id, language, code or ""


def _tests_of(source: TestSource, problem_ids: Collection[str], known: Mapping[str, _Trust]) -> dict[str, list[Test]]:
    """Return the tests of problems, without those that are not trusted."""
    found: dict[str, list[Test]] = {problem_id: [] for problem_id in problem_ids}
    for row in rows_of_problems(source(problem_ids), found, ["problem_id", "test_id", "input", "expected"]):
        if row["test_id"] not in known.get(row["problem_id"], UNKNOWN).untrusted:
            found[row["problem_id"]].append(Test(row["test_id"], row["input"] or "", row["expected"] or ""))
    return found


class _Run:
    """One run of the step: what is judged, and what is known so far."""

    def __init__(
        self,
        spool: Spool,
        listed: Mapping[str, _Listed],
        source: TestSource,
        known: Mapping[str, _Trust],
        config: JudgeConfig,
        checkpoint: Path | None,
        engine: Engine,
    ) -> None:
        self._spool = spool
        self._listed = listed
        self._source = source
        self._known = known
        self._config = config
        self._engine = engine
        self._store = Checkpoint(checkpoint) if checkpoint else None
        self._task = functools.partial(judge_task, config=config, checkpoint=checkpoint)
        self._machines: dict[str, str] = {}
        self._waiting: dict[str, int] = {}
        self._settled = 0
        self.reused = 0

    def judged(self) -> Iterator[int]:
        """Give every sample its result, a stored one or a new one; yield how many got theirs."""
        for key, execution in self._engine.spread(self._task, self._tasks()):
            self._spool.put(key, execution)
            yield self._waiting.pop(key) + self._take_settled()
        yield self._take_settled()

    def _take_settled(self) -> int:
        """Return how many samples needed no task since the last call."""
        settled, self._settled = self._settled, 0
        return settled

    def _tasks(self) -> Iterator[Task]:
        """Yield a task for each candidate that nobody has judged yet; equal ones are judged once."""
        for tests in self._shelves():
            for problem_id, cases in tests.items():
                yield from self._tasks_of(self._completed(self._listed[problem_id].spec), tuple(cases))

    def _shelves(self) -> Iterator[dict[str, list[Test]]]:
        """Yield problems with their tests, a bounded number of bytes at a time.

        Problems of the same magnitude come in the order of their ids, so that their tests lie together.
        """
        names: deque[str] = deque(self._problems())
        at_once = FIRST_SHELF
        while names:
            ids = [names.popleft() for _ in range(min(at_once, len(names)))]
            tests = _tests_of(self._source, ids, self._known)
            size = sum(_size(cases) for cases in tests.values())
            at_once = max(1, min(2 * at_once, LARGEST_SHELF, at_once * SHELF_BYTES // max(size, 1)))
            yield tests

    def _problems(self) -> list[str]:
        """Return the problems to judge, those that may take long first, so that none is left over at the end."""
        wanted = []
        for problem_id in self._spool.problems():
            if problem_id in self._listed and not self._known.get(problem_id, UNKNOWN).useless:
                wanted.append(problem_id)
            else:
                self._settled += len(self._spool.candidates(problem_id))
        return sorted(wanted, key=lambda problem_id: (-self._listed[problem_id].magnitude, problem_id))

    def _completed(self, problem: ProblemSpec) -> ProblemSpec:
        """Put headers that a person gave into the problem's own program: what is in them is part of the key then."""
        code = problem.checker_code
        return replace(problem, checker_code=code and with_headers(code, self._config.checker_headers))

    def _tasks_of(self, problem: ProblemSpec, tests: tuple[Test, ...]) -> Iterator[Task]:
        prefix = key_prefix(problem, tests, self._config, VERSION)
        candidates: dict[str, Candidate] = {}
        keys: list[tuple[str, int]] = []
        for number, candidate in self._spool.candidates(problem.problem_id):
            key = result_key(prefix, candidate, self._machine(candidate.language))
            keys.append((key, number))
            candidates[key] = candidate
        self._spool.set_keys(keys)
        samples = Counter(key for key, _ in keys)
        self.reused += len(keys) - len(candidates)
        store = self._store
        known = {key: found for key in candidates if store and (found := store.get(key)) is not None}
        for key, execution in known.items():
            self._spool.put(key, execution)
            self.reused += 1
            self._settled += samples[key]
        new = [key for key in candidates if key not in known]
        if not new:
            return
        shared, size = self._engine.share(tests), _size(tests)
        for key in new:
            self._waiting[key] = samples[key]
            yield Task(key, candidates[key], problem, shared, size + len(candidates[key].code))

    def _machine(self, language: str) -> str:
        """Say what runs a language here."""
        if language not in self._machines:
            plan = choose_plan(str(self._config.tiers))
            self._machines[language] = f"{plan.tier} {runtime_of(plan, language)}"
        return self._machines[language]

    def close(self) -> None:
        """End what this process keeps."""
        close_workplaces()
        if self._store:
            self._store.close()


def _size(tests: Iterable[Test]) -> int:
    return sum(len(test.input) + len(test.expected) for test in tests)


# ---- rows and counts ----


def _settled(
    sample: Sample, result: Execution | None, listed: Mapping[str, _Listed], known: Mapping[str, _Trust]
) -> Execution:
    """Return the outcome of a sample: what the engine gave, or why nobody could judge it."""
    if sample.problem_id not in listed:
        return Execution.not_run(Reason.NO_PROBLEM, f"no problem {sample.problem_id}")
    if useless := known.get(sample.problem_id, UNKNOWN).useless:
        return Execution.not_run(Reason.UNTRUSTED_TESTS, useless)
    if result is None:
        message = f"sample `{sample.sample_id}` got no result; run again, and report this if it happens twice"
        raise JudgeError(message)
    return result


def _row(
    sample: Sample, execution: Execution, listed: Mapping[str, _Listed], known: Mapping[str, _Trust]
) -> dict[str, Any]:
    problem, trust = listed.get(sample.problem_id), known.get(sample.problem_id, UNKNOWN)
    judged = execution.verdict is not Verdict.NOT_RUN
    results = execution.results
    failed = [result.test_id for result in results if result.verdict is not Verdict.ACCEPTED]
    return {
        "sample_id": sample.sample_id,
        "problem_id": sample.problem_id,
        "language": sample.language,
        "verdict": str(execution.verdict),
        "tests_total": execution.tests_total,
        "tests_passed": execution.tests_passed,
        "tests_untrusted": len(trust.untrusted) if trust.checked else None,
        "pass_rate": execution.tests_passed / execution.tests_total if judged and execution.tests_total else None,
        "first_failed_test": failed[0] if failed else None,
        "cpu_time_s": max((result.cpu_time_s or 0.0 for result in results), default=None),
        "peak_memory_mib": max((result.peak_memory_mib or 0.0 for result in results), default=None),
        "detail": execution.detail,
        "reason": execution.reason,
        "results": [_result(result) for result in results],
        "needs_checker": execution.needs_checker or (problem is not None and problem.spec.needs_checker),
        "trusts_candidate": execution.trusts_candidate,
        "sandbox_tier": execution.tier,
        "runtime": execution.runtime or None,
    }


def _grade(sample: Sample, quality: Quality) -> dict[str, Any]:
    """Return how far the verdict on a sample can be trusted."""
    measured = quality.get(sample.problem_id, {})
    return {f"tests_{name}": measured.get(name) for name in ("tpr", "tnr", "band")}


def _result(result: TestResult) -> dict[str, Any]:
    return {
        "test_id": result.test_id,
        "verdict": str(result.verdict),
        "cpu_time_s": result.cpu_time_s,
        "peak_memory_mib": result.peak_memory_mib,
    }


class _Tally:
    """Counts what the step did."""

    def __init__(self) -> None:
        self._verdicts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._without_tests = 0

    def add(self, settled: Iterable[tuple[Sample, Execution]], known: Mapping[str, _Trust]) -> None:
        """Count some samples."""
        for sample, execution in settled:
            self._without_tests += bool(known.get(sample.problem_id, UNKNOWN).untrusted)
            self._verdicts[str(execution.verdict)] += 1
            if execution.verdict is Verdict.NOT_RUN:
                self._reasons[str(execution.reason)] += 1

    def counts(self, reused: int) -> StageCounts:
        """Return the account."""
        notes = {f"verdict {name}": rows for name, rows in sorted(self._verdicts.items())} | {
            "results reused": reused,
            "samples of problems with untrusted tests": self._without_tests,
        }
        rows = self._verdicts.total()
        return StageCounts(rows, rows - self._reasons.total(), dict(self._reasons), notes)
