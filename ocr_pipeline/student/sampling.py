"""Direct sampling: prompts of problems in, candidate programs out.

A candidate is what a student offers for a problem; whether it is right is the judge's to say. Sampling through plans
is in ``plan_sampling``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from ocr_pipeline.store import canonical_json
from ocr_pipeline.student.generation import (
    Completion,
    Sampling,
    Student,
    count_reasoning_tokens,
    extract_code,
    is_untagged,
    only_closes,
)
from ocr_pipeline.student.patience import complete_patiently
from ocr_pipeline.student.problems import AskedProblem, read_problems
from ocr_pipeline.student.rows import Task
from ocr_pipeline.tables import Language

__all__ = ["AskedProblem", "Candidate", "candidate_id", "judge_rows", "read_problems", "sample_codes", "sample_plans"]


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
    language: Language = Language.PYTHON
    difficulty: str | None = None
    tokens: int | None = 0
    """Of all that was written for it; ``None`` where the server does not tell."""
    extra_tokens: int = 0
    """Of those, after the first answer was cut."""
    dropped_tokens: int = 0
    """Of those, of a first answer that another one replaced."""
    finish_reason: str | None = None
    budget: int | None = None
    """Most tokens that the first answer could have."""


def sample_codes(
    problems: Sequence[AskedProblem],
    student: Student,
    *,
    n: int,
    sampling: Sampling,
    plans: Mapping[str, Sequence[str]] | None = None,
) -> list[Candidate]:
    """Draw ``n`` programs per problem, or per plan of each problem when plans are given.

    Where one answer closes a thought that it did not open, the student's template opened it: then an answer that was
    cut before any tag is a thought, its drafts are not programs, and all its tokens are reasoning.
    """
    asked: list[tuple[AskedProblem, int | None, str | None]] = [
        (problem, index, plan)
        for problem in problems
        for index, plan in (enumerate(plans[problem.problem_id]) if plans is not None else [(None, None)])
    ]
    prompts = [problem.code_prompt(plan) for problem, _, plan in asked]
    answers = complete_patiently(student, prompts, [each.budget for each, _, _ in asked], n=n, sampling=sampling)
    candidates: list[Candidate] = []
    cut: list[int] = []
    opened_by_template = False
    for (problem, plan_index, plan), completions in zip(asked, answers, strict=True):
        for index, completion in enumerate(completions):
            opened_by_template = opened_by_template or only_closes(completion.text)
            if completion.finish_reason == "length" and is_untagged(completion.text):
                cut.append(len(candidates))
            candidates.append(_candidate(student.name, problem, completion, (plan_index, plan), index, sampling))
    for position in cut if opened_by_template else ():
        each = candidates[position]
        candidates[position] = replace(each, code="", reasoning_tokens=each.tokens or 0)
    return candidates


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
    problem: AskedProblem,
    completion: Completion,
    plan: tuple[int | None, str | None],
    index: int,
    sampling: Sampling,
) -> Candidate:
    return Candidate(
        sample_id=candidate_id(student, problem.problem_id, problem.language.value, *plan, index, sampling.seed),
        problem_id=problem.problem_id,
        code=extract_code(completion.text, problem.language),
        reasoning_tokens=count_reasoning_tokens(completion),
        plan=plan[1],
        plan_index=plan[0],
        is_answered=not completion.failed,
        language=problem.language,
        difficulty=problem.difficulty,
        tokens=completion.tokens + completion.dropped_tokens if completion.is_counted else None,
        extra_tokens=completion.extra_tokens,
        dropped_tokens=completion.dropped_tokens,
        finish_reason=completion.finish_reason,
        budget=problem.budget or sampling.max_tokens,
    )


def judge_rows(candidates: Iterable[Candidate]) -> pa.Table:
    """Return the columns of ``samples`` that the judge needs."""
    rows = [
        {"sample_id": each.sample_id, "problem_id": each.problem_id, "language": each.language, "code": each.code}
        for each in candidates
    ]
    names = [("sample_id", pa.string()), ("problem_id", pa.string()), ("language", pa.string())]
    return pa.Table.from_pylist(rows, schema=pa.schema([*names, ("code", pa.large_string())]))
