"""Judges a table of samples: streams, groups by problem, hands out work, and gives every sample its row.

Samples are read in windows. A window's problems and tests are looked up, its new candidates become tasks (one problem
with a few candidates each) for the engine, and its rows are written in the order of the samples. Memory is bounded by
the window and by the tests of its problems.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from ocr_pipeline.console import SILENT, Progress
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.engine import Engine, LocalEngine
from ocr_pipeline.judge import VERSION
from ocr_pipeline.judge.canaries import failing_canary
from ocr_pipeline.judge.checkpoint import (
    Checkpoint,
    execution_from_json,
    execution_to_json,
    key_prefix,
    result_key,
)
from ocr_pipeline.judge.gate import Gate
from ocr_pipeline.judge.probing import choose_plan
from ocr_pipeline.judge.programs import Runner, Tiers, runtime_of
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
    judge_candidate,
)
from ocr_pipeline.store import TableWriter
from ocr_pipeline.tables import EXECUTIONS, Checker, IoMode

__all__ = ["TestSource", "judge"]

TestSource = Callable[[Collection[str]], Iterable[pa.RecordBatch]]
"""Gives the tests of some problems: columns problem_id, test_id, input, expected; other rows are ignored."""

WINDOW_SAMPLES: Final = 2_048
CANDIDATES_PER_TASK: Final = 8
TASK_SCHEMA: Final = pa.schema([("task", pa.large_string())])


@dataclass(frozen=True, slots=True)
class _Sample:
    sample_id: str
    problem_id: str
    language: str
    code: str


@dataclass(slots=True)
class _Window:
    """Samples in order, and the results that are known of them by key."""

    samples: list[_Sample]
    keys: list[str]
    results: dict[str, Execution]


def judge(  # noqa: PLR0913 - inputs, and options by name
    problems: Iterable[pa.RecordBatch],
    tests: TestSource,
    samples: Iterable[pa.RecordBatch],
    *,
    config: JudgeConfig,
    writer: TableWriter,
    trust: Iterable[pa.RecordBatch] = (),
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
    specs = {spec.problem_id: spec for batch in problems for spec in _specs(batch)}
    known = _trust_of(trust)
    run = _Run(specs, tests, known, config, checkpoint, engine or LocalEngine(config.processes), progress)
    try:
        for window in _windows(samples):
            run.judge_window(window)
            writer.write(_rows(window, specs, known))
            run.tally.add(window, known)
    finally:
        _close_workplaces()
        run.close()
    return run.tally.counts().require_conserved("judge")


@dataclass(frozen=True, slots=True)
class _Trust:
    """What reference solutions said of a problem."""

    checked: bool
    useless: str | None
    untrusted: frozenset[str]


UNKNOWN: Final = _Trust(checked=False, useless=None, untrusted=frozenset())


def _trust_of(rows: Iterable[pa.RecordBatch]) -> dict[str, _Trust]:
    known: dict[str, _Trust] = {}
    for row in (row for batch in rows for row in batch.to_pylist()):
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


def _specs(batch: pa.RecordBatch) -> Iterator[ProblemSpec]:
    names = [name for name in ProblemSpec.__dataclass_fields__ if name in batch.schema.names]
    for row in batch.select(names).to_pylist():
        given = {name: value for name, value in row.items() if value not in (None, "")}
        given["checker"] = given.get("checker", Checker.TOKENS)
        given["io_mode"] = given.get("io_mode", IoMode.STDIN)
        yield ProblemSpec(**given)


def _windows(samples: Iterable[pa.RecordBatch]) -> Iterator[_Window]:
    columns = ["sample_id", "problem_id", "language", "code"]
    rows: list[_Sample] = []
    for batch in samples:
        for row in batch.select(columns).to_pylist():
            rows.append(_Sample(row["sample_id"], row["problem_id"], row["language"], row["code"] or ""))
            if len(rows) == WINDOW_SAMPLES:
                yield _Window(rows, [], {})
                rows = []
    if rows:
        yield _Window(rows, [], {})


def _tests_of(source: TestSource, problem_ids: Collection[str], known: Mapping[str, _Trust]) -> dict[str, list[Test]]:
    """Return the tests of problems, without those that are not trusted."""
    found: dict[str, list[Test]] = {problem_id: [] for problem_id in problem_ids}
    for batch in source(problem_ids):
        ids = batch.column("problem_id").to_pylist()
        wanted = pa.array([index for index, problem_id in enumerate(ids) if problem_id in found], pa.int64())
        for row in batch.select(["problem_id", "test_id", "input", "expected"]).take(wanted).to_pylist():
            if row["test_id"] not in known.get(row["problem_id"], UNKNOWN).untrusted:
                found[row["problem_id"]].append(Test(row["test_id"], row["input"] or "", row["expected"] or ""))
    return found


class _Run:
    """One run of the step: where things come from and what is known so far."""

    def __init__(
        self,
        specs: dict[str, ProblemSpec],
        source: TestSource,
        known: Mapping[str, _Trust],
        config: JudgeConfig,
        checkpoint: Path | None,
        engine: Engine,
        progress: Progress,
    ) -> None:
        self._specs = specs
        self._source = source
        self._known = known
        self._config = config
        self._engine = engine
        self._progress = progress
        self._store = Checkpoint(checkpoint) if checkpoint else None
        self._task = functools.partial(_judge_task, config=config, checkpoint=str(checkpoint) if checkpoint else None)
        self._machines: dict[str, str] = {}
        self.tally = _Tally()

    def judge_window(self, window: _Window) -> None:
        """Give every sample of a window its result: a stored one, or a new one."""
        ids = {sample.problem_id for sample in window.samples if sample.problem_id in self._specs}
        tests = _tests_of(self._source, ids, self._known)
        todo = self._todo(window, tests)
        self._progress.advance(len(window.samples) - sum(map(len, todo.values())))
        for batch in self._engine.map(self._task, _tasks(todo, self._specs, tests)):
            done = json.loads(batch.column("task")[0].as_py())
            window.results.update({key: execution_from_json(text) for key, text in done.items()})
            self._progress.advance(len(done))

    def _todo(self, window: _Window, tests: dict[str, list[Test]]) -> dict[str, dict[str, Candidate]]:
        """Return the candidates that nobody has judged yet, by problem and key; equal ones are judged once."""
        prefixes = {each: key_prefix(self._specs[each], cases, self._config, VERSION) for each, cases in tests.items()}
        todo: dict[str, dict[str, Candidate]] = {}
        for sample in window.samples:
            candidate = Candidate(sample.language, sample.code)
            key = result_key(prefixes.get(sample.problem_id, ""), candidate, self._machine(sample.language))
            window.keys.append(key)
            if sample.problem_id not in self._specs:
                window.results[key] = Execution.not_run(Reason.NO_PROBLEM, f"no problem {sample.problem_id}")
            elif useless := self._known.get(sample.problem_id, UNKNOWN).useless:
                window.results[key] = Execution.not_run(Reason.UNTRUSTED_TESTS, useless)
            elif key in window.results or key in todo.get(sample.problem_id, {}):
                self.tally.reused += 1
            elif not self._remember(window, key):
                todo.setdefault(sample.problem_id, {})[key] = candidate
        return todo

    def _remember(self, window: _Window, key: str) -> bool:
        known = self._store.get(key) if self._store else None
        if known is None:
            return False
        window.results[key] = known
        self.tally.reused += 1
        return True

    def _machine(self, language: str) -> str:
        """Say what runs a language here."""
        if language not in self._machines:
            plan = choose_plan(str(self._config.tiers))
            self._machines[language] = f"{plan.tier} {runtime_of(plan, language)}"
        return self._machines[language]

    def close(self) -> None:
        """Close the checkpoint."""
        if self._store:
            self._store.close()


def _tasks(
    todo: dict[str, dict[str, Candidate]], specs: dict[str, ProblemSpec], tests: dict[str, list[Test]]
) -> Iterator[pa.RecordBatch]:
    for problem_id, candidates in todo.items():
        items = list(candidates.items())
        for start in range(0, len(items), CANDIDATES_PER_TASK):
            chunk = items[start : start + CANDIDATES_PER_TASK]
            task = {
                "problem": asdict(specs[problem_id]),
                "tests": [[test.test_id, test.input, test.expected] for test in tests[problem_id]],
                "candidates": [[key, candidate.language, candidate.code] for key, candidate in chunk],
            }
            yield pa.record_batch([pa.array([json.dumps(task)], pa.large_string())], schema=TASK_SCHEMA)


# ---- in a worker process ----


@dataclass
class _Workplace:
    """What a process keeps between tasks."""

    runner: Runner
    gate: Gate


_workplaces: dict[Tiers, _Workplace] = {}


def _workplace(tiers: Tiers) -> _Workplace:
    if tiers not in _workplaces:
        _workplaces[tiers] = _Workplace(Runner(tiers), Gate())
    return _workplaces[tiers]


def _close_workplaces() -> None:
    for workplace in _workplaces.values():
        workplace.runner.close()
        workplace.gate.close()
    _workplaces.clear()


def _judge_task(batch: pa.RecordBatch, *, config: JudgeConfig, checkpoint: str | None) -> pa.RecordBatch:
    """Judge the candidates of one task; each result is kept before the next one starts."""
    task: dict[str, Any] = json.loads(batch.column("task")[0].as_py())
    problem = ProblemSpec(**task["problem"])
    tests = [Test(*each) for each in task["tests"]]
    candidates = [(key, Candidate(language, code)) for key, language, code in task["candidates"]]
    store = Checkpoint(Path(checkpoint)) if checkpoint else None
    done: dict[str, str] = {}
    try:
        sick = _sick_languages(config, {candidate.language for _, candidate in candidates})
        for key, candidate in candidates:
            execution = _judge_one(problem, tests, candidate, config, sick)
            if store:
                store.put(key, execution)
            done[key] = execution_to_json(execution)
    finally:
        if store:
            store.close()
    return pa.record_batch([pa.array([json.dumps(done)], pa.large_string())], schema=TASK_SCHEMA)


def _judge_one(
    problem: ProblemSpec, tests: Sequence[Test], candidate: Candidate, config: JudgeConfig, sick: dict[str, str]
) -> Execution:
    if candidate.language in sick:
        return Execution.not_run(Reason.INFRASTRUCTURE, sick[candidate.language], len(tests))
    workplace = _workplace(config.tiers)
    return judge_candidate(workplace.runner, problem, tests, candidate, config, workplace.gate)


def _sick_languages(config: JudgeConfig, languages: Collection[str]) -> dict[str, str]:
    """Run the canaries; a language whose canaries fail twice, the second time in a new sandbox, is not judged."""
    workplace = _workplace(config.tiers)
    sick: dict[str, str] = {}
    for language in sorted(languages):
        failure = failing_canary(workplace.runner, language)
        if failure:
            workplace.runner.restart()
            failure = failing_canary(workplace.runner, language)
        if failure:
            sick[language] = failure
    return sick


# ---- rows and counts ----


def _rows(window: _Window, specs: dict[str, ProblemSpec], known: Mapping[str, _Trust]) -> pa.RecordBatch:
    rows = [
        _row(sample, window.results[key], specs.get(sample.problem_id), known.get(sample.problem_id, UNKNOWN))
        for sample, key in zip(window.samples, window.keys, strict=True)
    ]
    return pa.RecordBatch.from_pylist(rows, schema=EXECUTIONS.schema)


def _row(sample: _Sample, execution: Execution, problem: ProblemSpec | None, trust: _Trust) -> dict[str, Any]:
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
        "results": [_result(result) for result in results],
        "needs_checker": execution.needs_checker or (problem is not None and problem.needs_checker),
        "trusts_candidate": execution.trusts_candidate,
        "sandbox_tier": execution.tier,
        "runtime": execution.runtime or None,
    }


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
        self.reused = 0
        self._verdicts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._kept = 0
        self._without_tests = 0

    def add(self, window: _Window, known: Mapping[str, _Trust]) -> None:
        """Count a finished window."""
        for sample, key in zip(window.samples, window.keys, strict=True):
            self._without_tests += bool(known.get(sample.problem_id, UNKNOWN).untrusted)
            execution = window.results[key]
            self._verdicts[str(execution.verdict)] += 1
            if execution.verdict is Verdict.NOT_RUN:
                self._reasons[str(execution.reason)] += 1
            else:
                self._kept += 1

    def counts(self) -> StageCounts:
        """Return the account."""
        notes = {f"verdict {name}": rows for name, rows in sorted(self._verdicts.items())} | {
            "results reused": self.reused,
            "samples of problems with untrusted tests": self._without_tests,
        }
        return StageCounts(self._kept + self._reasons.total(), self._kept, dict(self._reasons), notes)
