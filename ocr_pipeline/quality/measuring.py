"""Measures the tests of every problem with programs of known verdict, and with mutants of the right ones.

What a policy's tests say of a program is read out of what every known test said of it, so that three policies cost one
run. A program that was not run, or did not compile, says nothing of the tests and is in no rate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any, Final

import pyarrow as pa

from ocr_pipeline.console import SILENT, Progress
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.quality.options import QualityConfig
from ocr_pipeline.quality.problems import Kills, MeasuredProblem, Outcome, Policy, Program, Unmeasured, rates_of
from ocr_pipeline.quality.rates import Rate, band_of
from ocr_pipeline.quality.reading import Inputs
from ocr_pipeline.quality.running import LentJudge, run_programs
from ocr_pipeline.store import TableWriter
from ocr_pipeline.tables import TEST_QUALITY

__all__ = ["Flag", "measure_tests"]

STOPPED: Final = "stopped"
DUPLICATE_PROBLEM: Final = "duplicate_problem"
Row = dict[str, Any]


class Flag(StrEnum):
    """What is conspicuous about the tests of a problem."""

    ONE_TEST = "one_test"
    CONTRADICTORY = "contradictory_tests"
    """Two tests have the same input and other outputs, and no checker that could take both."""
    RIGHT_REFUSED = "right_refused"


def measure_tests(
    inputs: Inputs, *, judge: LentJudge, config: QualityConfig, writer: TableWriter, progress: Progress = SILENT
) -> StageCounts:
    """Write ``test_quality``: a row per problem and policy, problems in their order.

    Parameters
    ----------
    judge
        Runs programs.
    config
        Which programs, and how many mutants.
    writer
        Takes the rows.
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
    once = replace(inputs, problems=tally.once(inputs.problems))
    for some in run_programs(once, judge=judge, config=config, progress=progress):
        rows = [row for problem in some for row in tally.add(problem, _rows(problem))]
        writer.write(pa.Table.from_pylist(rows, schema=TEST_QUALITY.schema))
    return tally.counts().require_conserved("test_quality")


def _rows(problem: MeasuredProblem) -> list[Row]:
    """Return the rows of a problem: one for each policy that differs here."""
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
    decided = [] if reason else list(problem.decided(tests))
    tpr, tnr = rates_of(decided)
    mutants = Kills() if reason is Unmeasured.NEEDS_CHECKER else problem.kills(tests, known)
    score = mutants.score if len(known) > len(tests) else Rate(0, 0)
    refusing = {name for program, outcome in judged if program.is_right for name in outcome.failed}
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
        "mutants_run": mutants.run,
        "mutants_killed": mutants.killed,
        "mutants_equivalent": mutants.equivalent,
        "mutation_score": score.value,
        "samples_wrong": len(sampled),
        "samples_failed": sampled.count(False),
        "unscored": len(problem.programs) - tpr.tries - tnr.tries,
        "refused_right": [program.name for program, passes in decided if program.is_right and not passes],
        "missed_wrong": [program.name for program, passes in decided if passes and not program.is_right],
        "per_test": _catches(tests, judged) if tpr.tries or tnr.tries else [],
        "flags": [flag.value for applies, flag in flags if applies],
        "band": band_of(tnr, score),
        "reason": reason,
    }


def _rate(name: str, rate: Rate) -> Row:
    low, high = rate.interval
    return {name: rate.value, f"{name}_low": low, f"{name}_high": high}


def _catches(tests: Mapping[str, int], judged: Iterable[tuple[Program, Outcome]]) -> list[Row]:
    """Say of each test which programs fail it; one is caught by it alone where it is known to pass all others."""
    rows: dict[str, Row] = {
        name: {"test_id": name, "right_failed": 0, "wrong_failed": 0, "caught_alone": 0} for name in tests
    }
    for program, outcome in judged:
        failed = [name for name in outcome.failed if name in tests]
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
