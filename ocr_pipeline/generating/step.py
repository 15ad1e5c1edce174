"""Makes the tests of a table of problems: a task for each problem, results kept as they come, rows in the problems' order."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from ocr_pipeline import judge
from ocr_pipeline.console import SILENT, Progress
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.engine import Engine, LocalEngine
from ocr_pipeline.errors import JudgeError
from ocr_pipeline.generating import VERSION
from ocr_pipeline.generating.by_model import (
    AskTeacher,
    Role,
    Written,
    feedback_request,
    first_requests,
    written,
    written_before,
)
from ocr_pipeline.generating.finished import Finished
from ocr_pipeline.generating.options import GeneratingConfig
from ocr_pipeline.generating.outcomes import Fate, Left, Outcome, Problem, Program, not_tried
from ocr_pipeline.generating.working import work_on
from ocr_pipeline.judge.gate import Gate
from ocr_pipeline.judge.programs import Runner, Tiers
from ocr_pipeline.judge.sandbox import choose_plan
from ocr_pipeline.judge.verdicts import JudgeConfig, ProblemSpec, Test
from ocr_pipeline.quality.mutants import mutants_of
from ocr_pipeline.store import TableWriter, canonical_json
from ocr_pipeline.tables import GENERATED_TESTS, JUDGED_LANGUAGES, TEST_PROGRAMS, IoMode, Language, TestKind
from ocr_pipeline.teacher.ask import Unusable

__all__ = ["RowSource", "make_tests", "other_right_programs", "right_programs", "rows_by_problem"]

RowSource = Callable[[Collection[str]], Iterable[pa.RecordBatch]]
"""Gives the rows of some problems; other rows are ignored."""

PROBLEMS_AT_ONCE: Final = 32
LARGEST_KNOWN: Final = 1 << 20
"""Characters of a known input that is read: larger ones teach no grammar."""
MOST_RIGHT: Final = 12
MOST_OTHERS: Final = 6
SHOWN_FIRST: Final = {TestKind.EXAMPLE.value: 0, TestKind.PUBLIC.value: 1}
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Task:
    key: str
    problem: Problem

    @property
    def n_bytes(self) -> int:
        """About how much memory it occupies."""
        programs = (*self.problem.right, *self.problem.wrong)
        return sum(len(test.input) + len(test.expected) for test in self.problem.tests) + sum(
            len(program.code) for program in programs
        )


def make_tests(  # noqa: PLR0913 - inputs, and options by name
    problems: Iterable[pa.RecordBatch],
    tests: RowSource,
    solutions: RowSource,
    *,
    config: GeneratingConfig,
    writer: TableWriter,
    programs: TableWriter,
    finished: Path,
    ask: AskTeacher | None = None,
    earlier: RowSource | None = None,
    told: Callable[[Row], None] | None = None,
    progress: Progress = SILENT,
    engine: Engine | None = None,
) -> StageCounts:
    """Write ``generated_tests``: for each problem the inputs that stay, with agreed outputs.

    Parameters
    ----------
    problems
        Needs ``problem_id`` and ``statement``; takes what the judge takes. Of several with one id the first counts.
    tests, solutions
        Given problem ids, return their tests and solutions.
    config
        How many inputs are made and kept; limits and isolation of the judge.
    writer, programs
        Receive the rows of ``generated_tests`` and of ``test_programs``, problems in their order.
    finished
        Folder that keeps what is done; the next run takes it from there.
    ask
        Asks the teacher for programs; ``None``: nobody is asked.
    earlier
        Given problem ids, returns rows of ``test_programs`` that an earlier run paid for; used where nobody is asked, and
        where the teacher failed.
    told
        Called with what came of each problem, as :class:`~ocr_pipeline.generating.outcomes.Outcome` in plain values.
    progress
        Told of every problem.
    engine
        Runs the tasks; default: local processes.

    Returns
    -------
    StageCounts
        Inputs that were made; ``dropped``: those that do not stay, by reason. Notes: problems left alone by reason,
        programs run and caught.

    Raises
    ------
    JudgeError
        When no sandbox works here.
    StoreError
        When the folder cannot be used.
    """
    if config.tiers is not Tiers.UNSANDBOXED:
        choose_plan(str(config.tiers))
    engine = engine or LocalEngine(config.processes)
    store = Finished(finished)
    run = _Run(config, store, engine, finished, progress)
    repeated: list[str] = []
    listed = _problems(problems, tests, solutions, config, repeated)
    if ask is not None:
        listed = _with_programs(listed, ask, config, earlier)
    elif earlier is not None:
        listed = _with_earlier_programs(listed, earlier)
    run.work(listed)
    for _ in range(config.rounds - 1 if ask is not None else 0):
        run.work(_with_better_generators(run.take_survivors(), ask, config) if ask is not None else ())
    close_workplaces()
    tally = _Tally()
    for outcome in run.outcomes():
        for kept, table, rows in (
            (writer, GENERATED_TESTS, _rows(outcome)),
            (programs, TEST_PROGRAMS, _program_rows(outcome)),
        ):
            if rows:
                kept.write(pa.Table.from_pylist(rows, schema=table.schema))
        tally.add(outcome)
        if told is not None:
            told(outcome)
    for problem_id in repeated:
        tally.add(asdict(Outcome(problem_id, Left.DUPLICATE_PROBLEM)))
    store.close()
    return tally.counts(run.reused).require_conserved("generated_tests")


class _Run:
    """What is done of one run: the key of each problem, and those that wrong programs survive."""

    def __init__(
        self, config: GeneratingConfig, store: Finished, engine: Engine, folder: Path, progress: Progress
    ) -> None:
        self._config = config
        self._store = store
        self._engine = engine
        self._folder = folder
        self._progress = progress
        self._keys: dict[str, str] = {}
        self._failed: dict[str, str] = {}
        self._survivors: list[tuple[Problem, Row]] = []
        self.reused = 0

    def work(self, problems: Iterable[Problem]) -> None:
        """Make the tests of problems, those that are finished aside."""
        waiting: dict[str, Problem] = {}
        work = partial(_work, config=self._config, finished=self._folder)
        for key, failure in self._engine.spread(work, self._tasks(problems, waiting)):
            if failure is not None:
                self._failed[key] = failure
            self._done(key, waiting.pop(key))

    def _tasks(self, problems: Iterable[Problem], waiting: dict[str, Problem]) -> Iterator[_Task]:
        for problem in problems:
            key = _key(problem, self._config)
            self._keys[problem.spec.problem_id] = key
            if self._store.get(key) is None:
                waiting[key] = problem
                yield _Task(key, problem)
            else:
                self.reused += 1
                self._done(key, problem)

    def _done(self, key: str, problem: Problem) -> None:
        self._progress.advance(1)
        outcome = self._outcome(key)
        if problem.written and outcome["survivors"]:
            self._survivors.append((problem, outcome))

    def _outcome(self, key: str) -> Row:
        found: Row = json.loads(self._store.get(key) or self._failed[key])
        return found

    def take_survivors(self) -> list[tuple[Problem, Row]]:
        """Return the problems with programs of the teacher's that wrong programs survive, once."""
        taken, self._survivors = self._survivors, []
        return taken

    def outcomes(self) -> Iterator[Row]:
        """Yield what came of every problem, in their order."""
        return map(self._outcome, self._keys.values())


# ---- what the teacher writes ----


def _with_programs(
    problems: Iterable[Problem], ask: AskTeacher, config: GeneratingConfig, earlier: RowSource | None
) -> Iterator[Problem]:
    """Yield problems with the programs that the teacher wrote, some problems at a time; earlier ones where it failed."""
    stream = iter(problems)
    while some := list(itertools.islice(stream, PROBLEMS_AT_ONCE)):
        asked = [
            (place, role, request)
            for place, problem in enumerate(some)
            if problem.right and problem.tests and problem.spec.io_mode in {IoMode.STDIN, IoMode.FILE}
            for role, request in first_requests(
                problem.spec.problem_id,
                problem.statement,
                problem.right[0].code,
                config,
                needs_checker=problem.spec.needs_checker,
            )
        ]
        given: dict[int, list[Written]] = {}
        for (place, role, _), reply in zip(asked, ask(request for _, _, request in asked), strict=True):
            given.setdefault(place, []).append(written(role, reply))
        failed = [
            some[place].spec.problem_id for place, programs in given.items() if any(map(_is_unanswered, programs))
        ]
        before = _earlier_programs(earlier, failed)
        for place, problem in enumerate(some):
            known = before.get(problem.spec.problem_id, ())
            yield replace(problem, written=tuple(_or_earlier(given.get(place, ()), known)))


def _is_unanswered(program: Written) -> bool:
    return program.failure == Unusable.TEACHER_ERROR


def _or_earlier(programs: Iterable[Written], earlier: Sequence[Written]) -> Iterator[Written]:
    """Yield programs, and for one that the teacher failed to write those of its role that were there before."""
    for program in programs:
        known = [each for each in earlier if each.role is program.role and each.code]
        yield from known if _is_unanswered(program) and known else [program]


def _earlier_programs(earlier: RowSource | None, ids: Sequence[str]) -> dict[str, list[Written]]:
    """Return the programs of some problems that an earlier run paid for."""
    if earlier is None or not ids:
        return {}
    rows = rows_by_problem(earlier(ids), ids, ["problem_id", "role", "code", "model", "request_id", "verdict"])
    return {problem_id: list(map(written_before, found)) for problem_id, found in rows.items()}


def _with_earlier_programs(problems: Iterable[Problem], earlier: RowSource) -> Iterator[Problem]:
    """Yield problems with the programs that an earlier run paid for; they are tried again like new ones."""
    stream = iter(problems)
    while some := list(itertools.islice(stream, PROBLEMS_AT_ONCE)):
        known = _earlier_programs(earlier, [problem.spec.problem_id for problem in some])
        for problem in some:
            yield replace(problem, written=tuple(known[problem.spec.problem_id]))


def _with_better_generators(
    survivors: Sequence[tuple[Problem, Row]], ask: AskTeacher, config: GeneratingConfig
) -> Iterator[Problem]:
    """Yield problems with one more generator, aimed at what survives."""
    requests = [
        feedback_request(
            problem.spec.problem_id,
            problem.statement,
            next((each.code for each in reversed(problem.written) if each.role is Role.GENERATOR), ""),
            outcome["funnel"],
            [each.code for each in problem.wrong if each.program_id in outcome["survivors"]],
            config,
        )
        for problem, outcome in survivors
    ]
    if requests:
        for (problem, _), reply in zip(survivors, ask(requests), strict=True):
            yield replace(problem, written=(*problem.written, written(Role.GENERATOR, reply)))


# ---- problems ----


def _problems(
    batches: Iterable[pa.RecordBatch],
    tests: RowSource,
    solutions: RowSource,
    config: GeneratingConfig,
    repeated: list[str],
) -> Iterator[Problem]:
    """Yield the problems with what is known of them; the ids of those whose id was there before go to ``repeated``."""
    seen: set[str] = set()
    for batch in batches:
        for start in range(0, batch.num_rows, PROBLEMS_AT_ONCE):
            rows = batch.slice(start, PROBLEMS_AT_ONCE).to_pylist()
            ids = [row["problem_id"] for row in rows]
            known = rows_by_problem(tests(ids), ids, ["problem_id", "test_id", "kind", "input", "expected"])
            programs = rows_by_problem(
                solutions(ids), ids, ["problem_id", "solution_id", "language", "code", "is_correct"]
            )
            for row in rows:
                if row["problem_id"] in seen:
                    repeated.append(row["problem_id"])
                    continue
                seen.add(row["problem_id"])
                yield _problem(row, known[row["problem_id"]], programs[row["problem_id"]], config)


def rows_by_problem(
    batches: Iterable[pa.RecordBatch], ids: Sequence[str], columns: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each problem, other rows left out."""
    found: dict[str, list[dict[str, Any]]] = {problem_id: [] for problem_id in ids}
    for batch in batches:
        names = [name for name in columns if name in batch.schema.names]
        for row in batch.select(names).to_pylist():
            if row["problem_id"] in found:
                found[row["problem_id"]].append(row)
    return found


def _problem(row: Row, tests: Sequence[Row], programs: Sequence[Row], config: GeneratingConfig) -> Problem:
    shown = sorted(tests, key=lambda test: (SHOWN_FIRST.get(test.get("kind") or "", 2), test["test_id"]))
    known = tuple(
        Test(test["test_id"], test["input"] or "", test["expected"] or "")
        for test in shown
        if len(test["input"] or "") <= LARGEST_KNOWN
    )
    wrong = _programs(programs, is_correct=False)[: config.wrong_programs]
    right, too_large = right_programs(programs), len(tests) - len(known)
    return Problem(ProblemSpec.of_row(row), row["statement"] or "", known, right, wrong, too_large=too_large)


def right_programs(rows: Sequence[Row]) -> tuple[Program, ...]:
    """Return the right programs of one problem's solutions that its tests are made with: the shortest."""
    return _programs(rows, is_correct=True)[:MOST_RIGHT]


def other_right_programs(rows: Sequence[Row]) -> tuple[Program, ...]:
    """Return some right programs that took no part in making tests, chosen by a hash of their text."""
    others = _programs(rows, is_correct=True)[MOST_RIGHT:]

    def drawn(program: Program) -> str:
        return hashlib.sha256(program.code.encode("utf-8", "surrogatepass")).hexdigest()

    return tuple(sorted(others, key=lambda each: (drawn(each), each.program_id))[:MOST_OTHERS])


def _programs(rows: Sequence[Row], *, is_correct: bool) -> tuple[Program, ...]:
    chosen = [
        Program(row["solution_id"], row["language"], row["code"] or "")
        for row in rows
        if row["is_correct"] is is_correct and row["language"] in JUDGED_LANGUAGES and (row["code"] or "").strip()
    ]
    return tuple(sorted(chosen, key=lambda each: (len(each.code), each.program_id)))


def _key(problem: Problem, config: GeneratingConfig) -> str:
    """Hash all that a result depends on."""
    settings = config.settings
    content = [VERSION, judge.VERSION, settings, asdict(problem)]
    return hashlib.sha256(canonical_json(content).encode("utf-8", "surrogatepass")).hexdigest()


# ---- what a worker does ----


@dataclass(frozen=True, slots=True)
class _Workplace:
    runner: Runner
    gate: Gate
    store: Finished


_workplaces: dict[tuple[Tiers, Path], _Workplace] = {}


def close_workplaces() -> None:
    """End what this process keeps."""
    for place in _workplaces.values():
        place.runner.close()
        place.gate.close()
        place.store.close()
    _workplaces.clear()


def _work(task: _Task, *, config: GeneratingConfig, finished: Path) -> tuple[str, str | None]:
    """Make the tests of one problem; the result is kept at once, and a failure of the sandbox is given back."""
    if (config.tiers, finished) not in _workplaces:
        _workplaces[config.tiers, finished] = _Workplace(Runner(config.tiers), Gate(), Finished(finished))
    place = _workplaces[config.tiers, finished]
    try:
        outcome = work_on(task.problem, config, JudgeConfig.of(config), place.runner, place.gate, _mutant_codes)
    except JudgeError as error:
        place.runner.restart()
        programs = not_tried(task.problem.written)
        failed = Outcome(task.problem.spec.problem_id, Left.NOT_RUN, str(error), programs=programs)
        return task.key, json.dumps(asdict(failed))
    place.store.put(task.key, json.dumps(asdict(outcome)))
    return task.key, None


def _mutant_codes(code: str, language: str, number: int, seed: int) -> Sequence[str]:
    return [mutant.code for mutant in mutants_of(code, language, limit=number, seed=seed)]


# ---- rows and counts ----


def _rows(outcome: Row) -> list[dict[str, Any]]:
    return [
        {
            "problem_id": outcome["problem_id"],
            "test_id": f"g{number:04}",
            "kind": TestKind.GENERATED.value,
            "input": test["input"],
            "expected": test["expected"],
            "suspicions": [],
            "bound": None,
            "made_by": test["made_by"],
            "catches": sorted(test["catches"]),
            "request_id": test["request_id"],
        }
        for number, test in enumerate(outcome.get("tests", ()))
    ]


def _program_rows(outcome: Row) -> list[dict[str, Any]]:
    return [
        {
            "problem_id": outcome["problem_id"],
            "role": used["written"]["role"],
            "language": Language.PYTHON.value,
            "code": used["written"]["code"],
            "model": used["written"]["model"],
            "request_id": used["written"]["request_id"],
            "verdict": used["use"],
            "made": used["made"],
        }
        for used in outcome["programs"]
    ]


class _Tally:
    """Adds up what came of all problems."""

    def __init__(self) -> None:
        self._fates: Counter[str] = Counter()
        self._notes: Counter[str] = Counter()

    def add(self, outcome: Row) -> None:
        """Count a problem."""
        self._fates.update(outcome["funnel"])
        self._notes.update(outcome["notes"])
        self._notes["problems"] += 1
        self._notes.update(f"{used['written']['role']}s {used['use']}" for used in outcome["programs"])
        self._notes["wrong programs that survive"] += len(outcome["survivors"])
        if outcome["left"]:
            self._notes[f"problems left alone: {outcome['left']}"] += 1

    def counts(self, reused: int) -> StageCounts:
        """Return the account."""
        dropped = {fate: count for fate, count in sorted(self._fates.items()) if fate != Fate.KEPT and count}
        notes = dict(self._notes) | {"problems reused": reused}
        return StageCounts(self._fates.total(), self._fates[Fate.KEPT], dropped, notes)
