"""Which of several candidates is handed in: the known methods side by side, from one stored table.

A method answers with the candidates it cannot tell apart; handing in one of them by lot is right in as many cases as
there are right ones among them. So every number is pass@1 over that choice, and it follows from the stored rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from ocr_pipeline.answers.judgement import Judgement
from ocr_pipeline.student.evaluation import Method
from ocr_pipeline.tables import ACCEPTED, NOT_RUN, STUDENT_EVALUATION

__all__ = ["SELECTIONS", "JudgedCandidate", "evaluate_selections", "judged_candidates", "mean_tokens"]


@dataclass(frozen=True, slots=True)
class JudgedCandidate:
    """A candidate with everything that a method may look at, and the verdict that none but the oracle may."""

    sample_id: str
    verdict: str
    examples_passed: int
    examples_total: int
    outputs_key: str | None
    reasoning_tokens: int
    ranker_score: float | None
    language: str | None = None
    difficulty: str | None = None
    tokens: int | None = None
    judgement: str | None = None
    critic: str | None = None
    critique_characters: int | None = None

    @property
    def is_right(self) -> bool:
        """It passes every hidden test."""
        return self.verdict == ACCEPTED


Choice = Callable[[Sequence[JudgedCandidate]], Sequence[JudgedCandidate]]


def _all(candidates: Sequence[JudgedCandidate]) -> Sequence[JudgedCandidate]:
    return candidates


def _most_examples(candidates: Sequence[JudgedCandidate]) -> Sequence[JudgedCandidate]:
    most = max(each.examples_passed for each in candidates)
    return [each for each in candidates if each.examples_passed == most]


def _most_common_outputs(candidates: Sequence[JudgedCandidate]) -> Sequence[JudgedCandidate]:
    """Programs that fail on an example have no output to agree on, so they form no cluster."""
    sizes = Counter(each.outputs_key for each in candidates if each.outputs_key is not None)
    if not sizes:
        return candidates
    largest = max(sizes.values())
    return [each for each in candidates if each.outputs_key is not None and sizes[each.outputs_key] == largest]


def _shortest_reasoning(candidates: Sequence[JudgedCandidate]) -> Sequence[JudgedCandidate]:
    least = min(each.reasoning_tokens for each in candidates)
    return [each for each in candidates if each.reasoning_tokens == least]


def _judged_right(candidates: Sequence[JudgedCandidate]) -> Sequence[JudgedCandidate]:
    """Where the critic calls none right, it tells none apart."""
    return [each for each in candidates if each.judgement == Judgement.RIGHT] or candidates


def _shortest_right_critique(candidates: Sequence[JudgedCandidate]) -> Sequence[JudgedCandidate]:
    """OpenCodeReasoning-2's: of those that are called right, the one that took the critic least to say so."""
    right = _judged_right(candidates)
    if right is candidates:
        return candidates
    least = min(each.critique_characters or 0 for each in right)
    return [each for each in right if (each.critique_characters or 0) == least]


def _best_ranked(candidates: Sequence[JudgedCandidate]) -> Sequence[JudgedCandidate]:
    best = max(each.ranker_score or 0.0 for each in candidates)
    return [each for each in candidates if (each.ranker_score or 0.0) == best]


def _right_ones(candidates: Sequence[JudgedCandidate]) -> Sequence[JudgedCandidate]:
    return [each for each in candidates if each.is_right] or candidates


SELECTIONS: Final[Mapping[Method, Choice]] = {
    Method.RANDOM: _all,
    Method.PUBLIC_TESTS: _most_examples,
    Method.MAJORITY: _most_common_outputs,
    Method.SHORTEST: _shortest_reasoning,
    Method.CRITIQUE: _judged_right,
    Method.SELF_CRITIQUE: _judged_right,
    Method.SHORTEST_CRITIQUE: _shortest_right_critique,
    Method.RANKED: _best_ranked,
    Method.ORACLE: _right_ones,
}


def judged_candidates(rows: pa.Table) -> dict[tuple[str, str], dict[str, list[JudgedCandidate]]]:
    """Read ``student_candidates``: (student, benchmark) -> problem -> candidates."""
    groups: dict[tuple[str, str], dict[str, list[JudgedCandidate]]] = defaultdict(lambda: defaultdict(list))
    names = JudgedCandidate.__dataclass_fields__.keys() - {"critique_characters"}
    for row in rows.to_pylist():
        length = None if row["critique"] is None else len(row["critique"])
        groups[row["student"], row["benchmark"]][row["problem_id"]].append(
            JudgedCandidate(**{name: row[name] for name in names}, critique_characters=length)
        )
    return groups


def evaluate_selections(rows: pa.Table, *, sampling: str = Method.DIRECT.value) -> pa.Table:
    """Return ``student_evaluation`` with one row per problem and selection method, from ``student_candidates``.

    ``n`` is how many candidates the method could not tell apart, ``correct`` how many of them are right. The ranker and
    the critic take part only where the rows hold what they said.

    Parameters
    ----------
    rows
        Programs that were sampled in one way.
    sampling
        That way. Methods among direct programs have their own names, those among others are ``plan_sampling/ranked``
        and the like.
    """
    records: list[dict[str, Any]] = []
    for (student, benchmark), problems in sorted(judged_candidates(rows).items()):
        for method, choose in _taking_part(student, problems):
            name = method.value if sampling == Method.DIRECT else f"{sampling}/{method.value}"
            records += [
                _record(student, benchmark, problem_id, name, candidates, choose)
                for problem_id, candidates in sorted(problems.items())
            ]
    return pa.Table.from_pylist(records, schema=STUDENT_EVALUATION.schema).sort_by(
        [("student", "ascending"), ("benchmark", "ascending"), ("problem_id", "ascending")]
    )


def _taking_part(student: str, problems: Mapping[str, Sequence[JudgedCandidate]]) -> Iterator[tuple[Method, Choice]]:
    """Yield the methods whose evidence is there; older rows do not name their critic, which mostly was the student."""
    everyone = [each for candidates in problems.values() for each in candidates]
    critics = {each.critic or student for each in everyone if each.judgement is not None}
    is_there = {
        Method.RANKED: any(each.ranker_score is not None for each in everyone),
        Method.CRITIQUE: bool(critics - {student}),
        Method.SELF_CRITIQUE: critics == {student},
        Method.SHORTEST_CRITIQUE: bool(critics),
    }
    yield from ((method, choose) for method, choose in SELECTIONS.items() if is_there.get(method, True))


def _record(
    student: str,
    benchmark: str,
    problem_id: str,
    method: str,
    candidates: Sequence[JudgedCandidate],
    choose: Choice,
) -> dict[str, Any]:
    judged = [each for each in candidates if each.verdict != NOT_RUN]
    chosen = choose(judged) if judged else []
    return {
        "student": student,
        "benchmark": benchmark,
        "problem_id": problem_id,
        "method": method,
        "n": len(chosen),
        "correct": sum(each.is_right for each in chosen),
        "not_run": len(candidates) - len(judged),
        "reasoning_tokens_mean": mean_tokens(each.reasoning_tokens for each in chosen),
        "language": candidates[0].language,
        "difficulty": candidates[0].difficulty,
        "tokens_mean": mean_tokens(each.tokens for each in chosen),
    }


def mean_tokens(counts: Iterable[int | None]) -> float | None:
    """Return the mean of what is known; ``None`` where nothing is."""
    known = [count for count in counts if count is not None]
    return sum(known) / len(known) if known else None
