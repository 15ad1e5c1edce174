"""From judged samples to ``student_evaluation``: per problem, how many samples were judged and how many were right.

A sample that could not be judged is neither right nor wrong; one that had nothing to judge, because its answer holds no
program, is wrong. Date windows and reasoning lengths are joined here.
The estimates over problems are in ``pass_at_k``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final

import pyarrow as pa

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import InputError
from ocr_pipeline.tables import ACCEPTED, NOT_RUN, STUDENT_EVALUATION

__all__ = ["FINAL_SAMPLINGS", "PLAN_TRIAL", "EvaluationConfig", "Evaluator", "Method", "Window"]

WRONG: Final = frozenset(
    {"wrong_answer", "time_limit", "memory_limit", "output_limit", "runtime_error", "compile_error"}
)
NO_CODE: Final = "no_code"
NEEDED: Final = ("sample_id", "problem_id", "language", "verdict")
"""The columns of ``executions`` that an evaluation needs."""


class Method(StrEnum):
    """How the answers of a row were chosen."""

    DIRECT = "direct"
    CHAIN_OF_THOUGHT = "chain_of_thought"
    PLAN_SAMPLING = "plan_sampling"
    RANDOM = "random"
    PUBLIC_TESTS = "public_tests"
    MAJORITY = "majority"
    SHORTEST = "shortest"
    CRITIQUE = "critique"
    SELF_CRITIQUE = "self_critique"
    SHORTEST_CRITIQUE = "shortest_critique"
    RANKED = "ranked"
    ORACLE = "oracle"


FINAL_SAMPLINGS: Final = (Method.DIRECT, Method.CHAIN_OF_THOUGHT, Method.PLAN_SAMPLING)
"""The ``sampling`` of programs that are handed in."""
PLAN_TRIAL: Final = "plan_trial"
"""The ``sampling`` of programs that only try a plan."""


@dataclass(frozen=True, slots=True)
class Window:
    """Days of contests, both ends included."""

    since: date = date.min
    until: date = date.max

    def holds(self, day: date | None) -> bool:
        """Say whether a contest on ``day`` is inside; one without a date never is."""
        return day is not None and self.since <= day <= self.until


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """What the rows of an evaluation are called."""

    student: str = "student"
    benchmark: str = "benchmark"
    method: Method = Method.DIRECT


@dataclass
class _Tally:
    verdicts: Counter[str] = field(default_factory=Counter)
    reasoning_tokens: list[int] = field(default_factory=list)


class Evaluator:
    """Takes judged samples batch by batch and gives one row per problem; remembers ids and counts, no text."""

    def __init__(
        self,
        config: EvaluationConfig,
        *,
        problem_ids: Iterable[str] | None = None,
        reasoning_tokens: Mapping[str, int] | None = None,
        unanswered: Collection[str] = (),
        difficulties: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare an evaluation.

        Parameters
        ----------
        config
            Names of the rows.
        problem_ids
            The problems of the benchmark; those without a judged sample are unscored, samples of others are dropped.
            ``None``: whatever the samples name.
        reasoning_tokens
            Tokens of the reasoning by sample id, where known.
        unanswered
            Ids of samples whose request failed: the student said nothing, so that they are unscored and not wrong.
        difficulties
            Difficulty by problem id, where known.
        """
        self._config = config
        self._problem_ids = None if problem_ids is None else sorted(set(problem_ids))
        self._benchmark = frozenset(self._problem_ids or ())
        self._reasoning_tokens = reasoning_tokens or {}
        self._unanswered = frozenset(unanswered)
        self._difficulties = difficulties or {}
        self._seen: dict[tuple[str, str, str], str] = {}
        self._tallies: dict[str, dict[str, _Tally]] = {}
        self._counts: Counter[str] = Counter()
        self.n_without_code = 0
        """Samples that count as wrong because they hold no program."""

    def add(self, executions: pa.RecordBatch | pa.Table) -> None:
        """Count judged samples.

        Raises
        ------
        InputError
            When a verdict is unknown, or one sample has two different ones.
        """
        columns = [executions.column(name).to_pylist() for name in NEEDED]
        known = executions.schema.names
        reasons = executions.column("reason").to_pylist() if "reason" in known else [None] * executions.num_rows
        for sample_id, problem_id, language, verdict, reason in zip(*columns, reasons, strict=True):
            had_nothing = verdict == NOT_RUN and reason == NO_CODE and sample_id not in self._unanswered
            self.n_without_code += had_nothing
            self._counts[self._add(sample_id, problem_id, language, NO_CODE if had_nothing else verdict)] += 1

    def _add(self, sample_id: str, problem_id: str, language: str, verdict: str) -> str:
        if verdict not in WRONG | {ACCEPTED, NOT_RUN, NO_CODE}:
            choice = ", ".join(sorted(WRONG | {ACCEPTED, NOT_RUN}))
            raise InputError(f"sample `{sample_id}` has the verdict `{verdict}`; known verdicts are {choice}")
        known = self._seen.get((problem_id, language, sample_id))
        if known is not None:
            if known != verdict:
                raise InputError(f"sample `{sample_id}` is both {known} and {verdict}; evaluate one judging at a time")
            return "duplicate_sample"
        self._seen[problem_id, language, sample_id] = verdict
        if self._problem_ids is not None and problem_id not in self._benchmark:
            return "outside_benchmark"
        tally = self._tallies.setdefault(language, {}).setdefault(problem_id, _Tally())
        if sample_id in self._reasoning_tokens:
            tally.reasoning_tokens.append(self._reasoning_tokens[sample_id])
        tally.verdicts[verdict] += 1
        return NOT_RUN if verdict == NOT_RUN else "kept"

    def counts(self) -> StageCounts:
        """Account for every sample: judged, not run, or outside the benchmark."""
        dropped = {reason: rows for reason, rows in self._counts.items() if reason != "kept"}
        return StageCounts(
            rows_in=self._counts.total(),
            kept=self._counts["kept"],
            dropped=dropped,
            notes={"problems": len({problem for tallies in self._tallies.values() for problem in tallies})},
        )

    def rows(self) -> pa.Table:
        """Return ``student_evaluation``, sorted; several languages become a benchmark each, named ``<name>/<language>``."""
        return pa.Table.from_pylist(
            [
                self._row(language, problem_id, self._tallies[language].get(problem_id, _Tally()))
                for language in sorted(self._tallies)
                for problem_id in (self._problem_ids or sorted(self._tallies[language]))
            ],
            schema=STUDENT_EVALUATION.schema,
        )

    def _benchmark_name(self, language: str) -> str:
        name = self._config.benchmark
        return f"{name}/{language}" if len(self._tallies) > 1 else name

    def _row(self, language: str, problem_id: str, tally: _Tally) -> dict[str, object]:
        tokens = tally.reasoning_tokens
        return {
            "student": self._config.student,
            "benchmark": self._benchmark_name(language),
            "language": language,
            "difficulty": self._difficulties.get(problem_id),
            "problem_id": problem_id,
            "method": self._config.method.value,
            "n": tally.verdicts.total() - tally.verdicts[NOT_RUN],
            "correct": tally.verdicts[ACCEPTED],
            "not_run": tally.verdicts[NOT_RUN],
            "reasoning_tokens_mean": sum(tokens) / len(tokens) if tokens else None,
        }
