"""Direct sampling: prompts of problems in, candidate programs out.

A candidate is what a student offers for a problem; whether it is right is the judge's to say. Sampling through plans
is in ``plan_sampling``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from ocr_pipeline.store import canonical_json
from ocr_pipeline.student.generation import (
    Completion,
    Sampling,
    Student,
    count_reasoning_tokens,
    extract_code,
)
from ocr_pipeline.student.rows import Task
from ocr_pipeline.tasks import code_prompt, given_code, plan_prompt

__all__ = ["AskedProblem", "Candidate", "candidate_id", "judge_rows", "read_problems", "sample_codes", "sample_plans"]


@dataclass(frozen=True, slots=True)
class AskedProblem:
    """What of a problem a student is told."""

    problem_id: str
    statement: str
    io_mode: str
    starter_code: str | None = None

    def code_prompt(self, plan: str | None = None) -> str:
        """Ask for the program, with a plan to follow or without."""
        return code_prompt(self.statement, io_mode=self.io_mode, starter_code=self.starter_code, plan=plan)

    @property
    def plan_prompt(self) -> str:
        """Ask for a plan."""
        return plan_prompt(self.statement, io_mode=self.io_mode, starter_code=self.starter_code)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One program of a student."""

    sample_id: str
    problem_id: str
    code: str
    reasoning_tokens: int
    plan: str | None = None
    plan_index: int | None = None
    is_answered: bool = True
    """False when the student could not be asked: then there is nothing to judge."""


def read_problems(batches: Iterable[pa.RecordBatch]) -> list[AskedProblem]:
    """Read what students are told, sorted by problem."""
    wanted = ["problem_id", "statement", "io_mode", "starter_code", "function_name"]
    problems = [_asked(**row) for batch in batches for row in batch.select(wanted).to_pylist()]
    return sorted(problems, key=lambda problem: problem.problem_id)


def _asked(
    problem_id: str, statement: str, io_mode: str, starter_code: str | None, function_name: str | None
) -> AskedProblem:
    return AskedProblem(problem_id, statement, io_mode, given_code(statement, starter_code, function_name))


def sample_codes(
    problems: Sequence[AskedProblem],
    student: Student,
    *,
    n: int,
    sampling: Sampling,
    plans: Mapping[str, Sequence[str]] | None = None,
) -> Iterator[Candidate]:
    """Draw ``n`` programs per problem, or per plan of each problem when plans are given."""
    asked: list[tuple[AskedProblem, int | None, str | None]] = [
        (problem, index, plan)
        for problem in problems
        for index, plan in (enumerate(plans[problem.problem_id]) if plans is not None else [(None, None)])
    ]
    prompts = [problem.code_prompt(plan) for problem, _, plan in asked]
    answers = student.complete(prompts, task=Task.CODE, n=n, sampling=sampling)
    for (problem, plan_index, plan), completions in zip(asked, answers, strict=True):
        for index, completion in enumerate(completions):
            yield _candidate(student.name, problem.problem_id, completion, (plan_index, plan), index, sampling)


def sample_plans(
    problems: Sequence[AskedProblem], student: Student, *, n: int, sampling: Sampling
) -> dict[str, tuple[str, ...]]:
    """Draw ``n`` plans per problem."""
    prompts = [problem.plan_prompt for problem in problems]
    answers = student.complete(prompts, task=Task.PLAN, n=n, sampling=sampling)
    return {
        problem.problem_id: tuple(completion.text.strip() for completion in completions)
        for problem, completions in zip(problems, answers, strict=True)
    }


def candidate_id(*parts: object) -> str:
    """Return a stable id for what the parts name."""
    return hashlib.sha256(canonical_json(list(parts)).encode()).hexdigest()


def _candidate(
    student: str,
    problem_id: str,
    completion: Completion,
    plan: tuple[int | None, str | None],
    index: int,
    sampling: Sampling,
) -> Candidate:
    return Candidate(
        sample_id=candidate_id(student, problem_id, *plan, index, sampling.seed),
        problem_id=problem_id,
        code=extract_code(completion.text),
        reasoning_tokens=count_reasoning_tokens(completion),
        plan=plan[1],
        plan_index=plan[0],
        is_answered=not completion.failed,
    )


def judge_rows(candidates: Iterable[Candidate], language: str) -> pa.Table:
    """Return the columns of ``samples`` that the judge needs."""
    rows = [
        {"sample_id": each.sample_id, "problem_id": each.problem_id, "language": language, "code": each.code}
        for each in candidates
    ]
    names = [("sample_id", pa.string()), ("problem_id", pa.string()), ("language", pa.string())]
    return pa.Table.from_pylist(rows, schema=pa.schema([*names, ("code", pa.large_string())]))
