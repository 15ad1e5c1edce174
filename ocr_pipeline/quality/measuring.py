"""Measures the tests of every problem with programs of known verdict, and with mutants of the right ones.

Some problems at a time: their programs are judged on every test that is known, then mutants of right programs that pass
them all. What a policy's tests say of a program is read out of these results, so that three policies cost one run. A
program that was not run, or did not compile, says nothing of the tests and is in no rate.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

import pyarrow as pa

from ocr_pipeline.console import SILENT, Progress
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import InputError
from ocr_pipeline.made_checkers import decides_by_model
from ocr_pipeline.options import Options, option
from ocr_pipeline.quality.mutants import mutants_of
from ocr_pipeline.quality.rates import Rate, band_of
from ocr_pipeline.store import TableWriter
from ocr_pipeline.tables import ACCEPTED, JUDGED_LANGUAGES, TEST_QUALITY, TEST_TRUST, Checker, Language

__all__ = [
    "EVERY_TEST",
    "Flag",
    "LeftOut",
    "LentJudge",
    "Lookup",
    "MeasuredProblem",
    "Outcome",
    "Policy",
    "Program",
    "QualityConfig",
    "Unmeasured",
    "measure_tests",
    "run_programs",
]

PROBLEMS_AT_ONCE: Final = 64
SAYS_NOTHING: Final = frozenset({"not_run", "compile_error"})
OTHER_LANGUAGE: Final = "language"
STOPPED: Final = "stopped"
DUPLICATE_PROBLEM: Final = "duplicate_problem"
SAMPLES: Final = pa.schema([(name, pa.large_string()) for name in ("sample_id", "problem_id", "language", "code")])
EVERY_TEST: Final = {"stop_at_first_failure": False, "max_tests": None}

Lookup = Callable[[Collection[str]], Iterable[pa.RecordBatch]]
"""Gives the rows of some problems; other rows are ignored."""
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


class Policy(StrEnum):
    """Which tests of a problem."""

    SOURCE = "source"
    GENERATED = "generated"
    ALL = "all"


class Unmeasured(StrEnum):
    """Why the tests of a problem could not be measured."""

    NO_TESTS = "no_tests"
    NO_PROGRAMS = "no_programs"
    LANGUAGE = OTHER_LANGUAGE
    """All its programs are in languages that the judge does not run."""
    INTERACTIVE = "interactive"
    UNTRUSTED_TESTS = "untrusted_tests"
    NEEDS_CHECKER = "needs_checker"
    """Several outputs are right and nobody can tell: a failure is no evidence."""
    NOT_RUN = "not_run"


class Flag(StrEnum):
    """What is conspicuous about the tests of a problem."""

    ONE_TEST = "one_test"
    CONTRADICTORY = "contradictory_tests"
    """Two tests have the same input and other outputs, and no checker that could take both."""
    RIGHT_REFUSED = "right_refused"


class LeftOut(StrEnum):
    """Why a program that was given is not among those that are run."""

    UNKNOWN_PROBLEM = "unknown problem"
    UNKNOWN_VERDICT = "unknown verdict"
    CONTRADICTORY_LABEL = "contradictory label"
    """Its text is given as right and as wrong."""
    SAME_TEXT = "same text"
    OVER_THE_LIMIT = "over the limit"


class QualityConfig(Options):
    """Which programs the tests are measured with."""

    right_programs: int | None = option(
        20, "Right programs of each problem that are run, chosen by a hash of their text; none: all", ge=0
    )
    wrong_programs: int | None = option(
        50, "Wrong programs of each problem that are run, chosen by a hash of their text; none: all", ge=0
    )
    mutants: int = option(12, "Mutants of each problem's right programs that are run at most; 0: none", ge=0)
    mutated_programs: int = option(
        2,
        "Right programs of each problem that mutants are made of: Python first, which starts at once, then the shortest",
        ge=1,
    )
    enough_wrong_programs: int | None = option(
        10, "So many known wrong programs say more than mutants: no mutants are made; none: always", ge=0
    )
    mutation_seed: int = option(0, "Which mutants are made")
    sampled_programs: int = option(
        0,
        "Samples of the teacher of each problem that are run: one that fails a test is wrong for the tests that are not of its policy",
        ge=0,
    )


@dataclass(frozen=True, slots=True)
class Program:
    """A program of known verdict."""

    name: str
    language: str
    code: str
    is_right: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the tests that were run said of a program."""

    passed: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset()
    silence: str | None = None
    """Why it says nothing; ``None`` where it was run."""
    needs_checker: bool = False

    def passes(self, tests: Collection[str]) -> bool | None:
        """Say whether it passes all of some tests; ``None`` where that is not known: it was stopped before them."""
        if self.silence is not None:
            return None
        if not self.failed.isdisjoint(tests):
            return False
        return True if self.passed.issuperset(tests) else None


@dataclass(slots=True)
class MeasuredProblem:
    """A problem whose tests are measured."""

    problem_id: str
    source: dict[str, int] = field(default_factory=dict)
    """Bytes of each test of the source."""
    generated: dict[str, int] = field(default_factory=dict)
    untrusted: set[str] = field(default_factory=set)
    takes_several: bool = False
    """A checker decides, so that two tests of one input may name other outputs."""
    has_made_checker: bool = False
    """A model wrote it, and verdicts of the source's tests do not rest on it."""
    is_contradictory: bool = False
    texts: set[tuple[str, str]] = field(default_factory=set)
    """Of all programs whose verdict is known."""
    programs: list[Program] = field(default_factory=list)
    left_out: Counter[LeftOut] = field(default_factory=Counter)
    outcomes: list[Outcome] = field(default_factory=list)
    mutants: list[Outcome] = field(default_factory=list)
    samples: list[Program] = field(default_factory=list)
    """Programs of the teacher's, whose verdict nobody knows."""
    sampled: list[Outcome] = field(default_factory=list)

    def policies(self) -> Iterator[tuple[Policy, dict[str, int]]]:
        """Yield the policies that differ here, with the tests of each that are used."""
        of_source = {name: size for name, size in self.source.items() if name not in self.untrusted}
        yield Policy.SOURCE, of_source
        if self.generated:
            yield Policy.GENERATED, self.generated
            yield Policy.ALL, of_source | self.generated


def _nobody(_: Collection[str]) -> Iterable[pa.RecordBatch]:
    return ()


def measure_tests(  # noqa: PLR0913 - inputs, and options by name
    problems: Iterable[pa.RecordBatch],
    tests: Lookup,
    generated: Lookup,
    programs: Lookup,
    *,
    judge: LentJudge,
    trust: Iterable[pa.RecordBatch],
    config: QualityConfig,
    writer: TableWriter,
    samples: Lookup = _nobody,
    progress: Progress = SILENT,
) -> StageCounts:
    """Write ``test_quality``: a row per problem and policy, problems in their order.

    Parameters
    ----------
    problems
        As the judge takes them.
    tests, generated
        Given problem ids, return the tests of the source, and those that were made: problem_id, test_id, input, expected.
    programs
        Given problem ids, returns programs: problem_id, solution_id, language, code, is_correct; programs of unknown
        verdict are left out.
    judge
        Runs programs.
    trust
        ``test_trust`` rows: tests that reference solutions fail are left out, as they are when samples are judged.
    config
        Which programs, and how many mutants.
    writer
        Takes the rows.
    samples
        Given problem ids, returns programs of the teacher's: sample_id, problem_id, language, code.
    progress
        Told of every program and mutant that is run.

    Returns
    -------
    StageCounts
        Problems; ``dropped``: those whose tests nobody could measure by any policy, by reason, and rows that repeat a
        problem. Notes: programs by what became of them.

    Raises
    ------
    InputError
        When a problem has two tests of one id.
    """
    tally = _Tally()
    given = run_programs(
        tally.once(problems),
        tests,
        generated,
        programs,
        judge=judge,
        trust=trust,
        config=config,
        samples=samples,
        progress=progress,
    )
    for some in given:
        rows = [row for problem in some for row in tally.add(problem, _rows(problem))]
        writer.write(pa.Table.from_pylist(rows, schema=TEST_QUALITY.schema))
    return tally.counts().require_conserved("test_quality")


def run_programs(  # noqa: PLR0913 - inputs, and options by name
    problems: Iterable[pa.RecordBatch],
    tests: Lookup,
    generated: Lookup,
    programs: Lookup,
    *,
    judge: LentJudge,
    trust: Iterable[pa.RecordBatch],
    config: QualityConfig,
    samples: Lookup = _nobody,
    progress: Progress = SILENT,
) -> Iterator[list[MeasuredProblem]]:
    """Yield what :func:`measure_tests` makes rows of: some problems at a time, with what each test said of each program."""
    flagged = _by_problem(trust)
    for batch in problems:
        for start in range(0, batch.num_rows, PROBLEMS_AT_ONCE):
            chunk = batch.slice(start, PROBLEMS_AT_ONCE)
            measured = _listed(chunk, flagged)
            _read_tests(measured, tests, generated)
            _read_programs(measured, programs, config)
            _read_samples(measured, samples, config)
            said = [row for name in measured for row in flagged.get(name, ())]
            asked = pa.Table.from_pylist(said, TEST_TRUST.schema)
            known = _Known(chunk, _joined(tests, generated), judge, asked, _Onward(progress))
            _run(measured, known, config)
            yield list(measured.values())


def _by_problem(trust: Iterable[pa.RecordBatch]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in (row for batch in trust for row in batch.to_pylist()):
        found[row["problem_id"]].append(row)
    return found


def _joined(tests: Lookup, generated: Lookup) -> Lookup:
    def both(problem_ids: Collection[str]) -> Iterator[pa.RecordBatch]:
        yield from tests(problem_ids)
        yield from generated(problem_ids)

    return both


# ---- what is known of some problems ----


def _listed(problems: pa.RecordBatch, flagged: Mapping[str, Sequence[Row]]) -> dict[str, MeasuredProblem]:
    names = problems.column("problem_id").to_pylist()
    made = (
        {row["problem_id"] for row in problems.to_pylist() if decides_by_model(row)}
        if "checker_protocol" in problems.schema.names
        else ()
    )
    checkers = problems.column("checker").to_pylist() if "checker" in problems.schema.names else [""] * len(names)
    return {
        name: MeasuredProblem(
            name,
            untrusted={row["test_id"] for row in flagged.get(name, ())} - {None},
            takes_several=checker == Checker.SPECIAL,
            has_made_checker=name in made,
        )
        for name, checker in zip(names, checkers, strict=True)
    }


def _read_tests(problems: Mapping[str, MeasuredProblem], tests: Lookup, generated: Lookup) -> None:
    outputs: dict[tuple[str, str], list[str]] = {}
    for lookup, is_made in ((tests, False), (generated, True)):
        for row in _rows_of(lookup(list(problems)), ("problem_id", "test_id", "input", "expected"), problems):
            problem = problems[row["problem_id"]]
            given, expected = row["input"] or "", row["expected"] or ""
            if row["test_id"] in problem.source or row["test_id"] in problem.generated:
                raise InputError(
                    f"problem {problem.problem_id} has test {row['test_id']} twice; give each of its tests another "
                    "test_id, those of generated_tests too"
                )
            kept = problem.generated if is_made else problem.source
            kept[row["test_id"]] = len(given.encode("utf-8", "replace")) + len(expected.encode("utf-8", "replace"))
            if row["test_id"] not in problem.untrusted and not problem.takes_several:
                first = outputs.setdefault((problem.problem_id, given), expected.split())
                problem.is_contradictory |= first != expected.split()


def _read_programs(problems: Mapping[str, MeasuredProblem], programs: Lookup, config: QualityConfig) -> None:
    columns = ("problem_id", "solution_id", "language", "code", "is_correct")
    for row in _rows_of(programs(list(problems)), columns, problems):
        problem = problems[row["problem_id"]]
        if row["is_correct"] is None:
            problem.left_out[LeftOut.UNKNOWN_VERDICT] += 1
        else:
            program = Program(row["solution_id"], row["language"], row["code"] or "", row["is_correct"])
            problem.programs.append(program)
    for problem in problems.values():
        problem.texts = {(one.language, _plain(one.code)) for one in problem.programs}
        once = _each_text_once(problem)
        right = _chosen([one for one in once if one.is_right], config.right_programs)
        wrong = _chosen([one for one in once if not one.is_right], config.wrong_programs)
        problem.programs = [*right, *wrong]
        problem.left_out[LeftOut.OVER_THE_LIMIT] += len(once) - len(problem.programs)


def _read_samples(problems: Mapping[str, MeasuredProblem], samples: Lookup, config: QualityConfig) -> None:
    """Take samples of problems with tests of two origins: a test says nothing of itself."""
    wanted = {name for name, problem in problems.items() if problem.source and problem.generated}
    if not config.sampled_programs or not wanted:
        return
    found: dict[str, dict[tuple[str, str], Program]] = defaultdict(dict)
    for row in _rows_of(samples(sorted(wanted)), ("sample_id", "problem_id", "language", "code"), wanted):
        program = Program(row["sample_id"], row["language"], row["code"] or "", is_right=False)
        is_known = (program.language, _plain(program.code)) in problems[row["problem_id"]].texts
        if program.code and program.language in JUDGED_LANGUAGES and not is_known:
            found[row["problem_id"]].setdefault((program.language, program.code), program)
    for name, programs in found.items():
        problems[name].samples = _chosen(list(programs.values()), config.sampled_programs)


def _rows_of(
    batches: Iterable[pa.RecordBatch], columns: Sequence[str], wanted: Collection[str]
) -> Iterator[Mapping[str, Any]]:
    for batch in batches:
        ids = batch.column("problem_id").to_pylist()
        places = pa.array([place for place, name in enumerate(ids) if name in wanted], pa.int64())
        yield from batch.select(columns).take(places).to_pylist()


def _each_text_once(problem: MeasuredProblem) -> list[Program]:
    """Return the first program of each text; a text that is given as right and as wrong is neither."""
    texts: dict[tuple[str, str], list[Program]] = defaultdict(list)
    for program in problem.programs:
        texts[program.language, program.code].append(program)
    once: list[Program] = []
    for same in texts.values():
        if len({one.is_right for one in same}) > 1:
            problem.left_out[LeftOut.CONTRADICTORY_LABEL] += len(same)
        else:
            problem.left_out[LeftOut.SAME_TEXT] += len(same) - 1
            once.append(same[0])
    return once


def _chosen(programs: list[Program], most: int | None) -> list[Program]:
    """Choose programs, first those that the judge runs, fairly and always the same."""
    ordered = sorted(programs, key=lambda one: (one.language not in JUDGED_LANGUAGES, _drawn(one), one.name))
    return ordered[:most]


def _plain(code: str) -> str:
    """Return a program without what its meaning does not depend on: ends of lines, and empty ones."""
    return "\n".join(line.rstrip() for line in code.splitlines() if line.strip())


def _drawn(program: Program) -> str:
    return hashlib.sha256(program.code.encode("utf-8", "surrogatepass")).hexdigest()


# ---- running ----


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
            _decided(problem, next(outcomes)) if one.language in JUDGED_LANGUAGES else Outcome(silence=OTHER_LANGUAGE)
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


# ---- rows and counts ----


def _rows(problem: MeasuredProblem) -> list[Row]:
    reason = _reason(problem)
    known = {name for name in (*problem.source, *problem.generated) if name not in problem.untrusted}
    return [
        _row(problem, policy, tests, known, reason or _reason_of_policy(problem, policy, tests))
        for policy, tests in problem.policies()
    ]


def _reason_of_policy(problem: MeasuredProblem, policy: Policy, tests: Collection[str]) -> Unmeasured | None:
    """Say why one policy could not be measured: samples are judged by the source's tests without a made checker."""
    if policy is Policy.SOURCE and problem.has_made_checker and tests:
        return Unmeasured.NEEDS_CHECKER
    return None if tests else Unmeasured.NO_TESTS


def _reason(problem: MeasuredProblem) -> Unmeasured | None:
    """Say why nothing could be measured; the first that holds."""
    if not problem.source and not problem.generated:
        return Unmeasured.NO_TESTS
    if not problem.programs:
        return Unmeasured.NO_PROGRAMS
    if any(outcome.needs_checker for outcome in problem.outcomes):
        return Unmeasured.NEEDS_CHECKER
    silences = Counter(outcome.silence for outcome in problem.outcomes)
    if silences[None]:
        return None
    most_often = silences.most_common(1)[0][0]
    return Unmeasured(most_often) if most_often in set(Unmeasured) else Unmeasured.NOT_RUN


def _row(
    problem: MeasuredProblem,
    policy: Policy,
    tests: Mapping[str, int],
    known: Collection[str],
    reason: Unmeasured | None,
) -> Row:
    judged = [] if reason else list(zip(problem.programs, problem.outcomes, strict=True))
    said = [(program, outcome, outcome.passes(tests) if tests else None) for program, outcome in judged]
    right = [(program, passes) for program, _, passes in said if program.is_right and passes is not None]
    wrong = [(program, passes) for program, _, passes in said if not program.is_right and passes is not None]
    tpr = Rate(sum(passes for _, passes in right), len(right))
    tnr = Rate(sum(not passes for _, passes in wrong), len(wrong))
    tried = [] if reason is Unmeasured.NEEDS_CHECKER else problem.mutants
    mutants = [passes for one in tried if tests and (passes := one.passes(tests)) is not None]
    equivalent = sum(bool(one.passes(known)) for one in tried)
    killed = mutants.count(False)
    score = Rate(killed, len(mutants) - equivalent) if len(known) > len(tests) else Rate(0, 0)
    refusing = {name for program, outcome, _ in said if program.is_right for name in outcome.failed}
    outside = set(known) - set(tests) - refusing  # who refuses a right program is no witness
    sampled = [
        passes
        for one in ([] if reason else problem.sampled)
        if not one.failed.isdisjoint(outside) and (passes := one.passes(tests)) is not None
    ]
    flags = (
        (len(tests) == 1, Flag.ONE_TEST),
        (problem.is_contradictory, Flag.CONTRADICTORY),
        (tpr.hits < tpr.tries, Flag.RIGHT_REFUSED),
    )
    return {
        "problem_id": problem.problem_id,
        "policy": policy,
        "tests": len(tests),
        "bytes": sum(tests.values()),
        "right_run": tpr.tries,
        "right_passed": tpr.hits,
        "wrong_run": tnr.tries,
        "wrong_failed": tnr.hits,
        **_rate("tpr", tpr),
        **_rate("tnr", tnr),
        "mutants_run": len(mutants),
        "mutants_killed": killed,
        "mutants_equivalent": equivalent,
        "mutation_score": score.value,
        "samples_wrong": len(sampled),
        "samples_failed": sampled.count(False),
        "unscored": len(problem.programs) - tpr.tries - tnr.tries,
        "refused_right": [program.name for program, passes in right if not passes],
        "missed_wrong": [program.name for program, passes in wrong if passes],
        "per_test": _catches(tests, said) if tpr.tries or tnr.tries else [],
        "flags": [flag.value for applies, flag in flags if applies],
        "band": band_of(tnr, score),
        "reason": reason,
    }


def _rate(name: str, rate: Rate) -> Row:
    low, high = rate.interval
    return {name: rate.value, f"{name}_low": low, f"{name}_high": high}


def _catches(tests: Mapping[str, int], said: Iterable[tuple[Program, Outcome, bool | None]]) -> list[Row]:
    """Say of each test which programs fail it; one is caught by it alone where it is known to pass all others."""
    rows: dict[str, Row] = {
        name: {"test_id": name, "right_failed": 0, "wrong_failed": 0, "caught_alone": 0} for name in tests
    }
    for program, outcome, passes in said:
        failed = [name for name in outcome.failed if name in tests] if passes is False else []
        for name in failed:
            rows[name]["right_failed" if program.is_right else "wrong_failed"] += 1
        if len(failed) == 1 and not program.is_right and outcome.passed.issuperset(tests.keys() - failed):
            rows[failed[0]]["caught_alone"] += 1
    return list(rows.values())


class _Tally:
    """Counts what became of problems and programs."""

    def __init__(self) -> None:
        self._rows = 0
        self._seen: set[str] = set()
        self._reasons: Counter[str] = Counter()
        self._notes: Counter[str] = Counter()

    def once(self, problems: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the first row of each problem, and count the others."""
        for batch in problems:
            places = []
            for place, name in enumerate(batch.column("problem_id").to_pylist()):
                if name not in self._seen:
                    self._seen.add(name)
                    places.append(place)
            self._rows += batch.num_rows
            self._reasons[DUPLICATE_PROBLEM] += batch.num_rows - len(places)
            yield batch if len(places) == batch.num_rows else batch.take(pa.array(places, pa.int64()))

    def add(self, problem: MeasuredProblem, rows: list[Row]) -> list[Row]:
        """Count a problem, by the first policy that could be measured, and return its rows."""
        first = next((row for row in rows if row["reason"] is None), rows[0])
        self._notes["programs run"] += first["right_run"] + first["wrong_run"]
        self._notes["right programs refused"] += len(first["refused_right"])
        self._notes["wrong programs missed"] += len(first["missed_wrong"])
        self._notes["mutants run"] += len(problem.mutants)
        self._notes["mutants equivalent"] += first["mutants_equivalent"]
        silences = Counter(one.silence for one in problem.outcomes if one.silence)
        silences[first["reason"] or STOPPED] += first["unscored"] - silences.total()
        self._notes.update({f"programs unscored: {why}": number for why, number in silences.items() if number})
        self._notes.update({f"programs left out: {why}": number for why, number in problem.left_out.items() if number})
        self._notes.update(f"problems {flag}" for flag in first["flags"])
        if first["reason"]:
            self._reasons[first["reason"]] += 1
        else:
            self._notes[f"problems {first['band'] or 'without a band'}"] += 1
        return rows

    def counts(self) -> StageCounts:
        """Return the account."""
        dropped = {reason: number for reason, number in self._reasons.items() if number}
        return StageCounts(self._rows, self._rows - sum(dropped.values()), dropped, dict(self._notes))
