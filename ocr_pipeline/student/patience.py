"""How long a student may think: budgets by difficulty from the lengths of right answers, and what becomes of cut ones.

A budget is the length that a share of the right answers of a difficulty keep to. An answer that was cut is kept as it is,
continued where it ended, or begun anew; what that costs is counted apart. Where the student cannot be asked again, nothing is
known of the answer that it would have given, so it is unscored.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final, Protocol, runtime_checkable
from urllib.parse import quote, unquote

import pyarrow as pa

from ocr_pipeline.errors import InputError, OptionError
from ocr_pipeline.student.evaluation import FINAL_SAMPLINGS, PLAN_TRIAL
from ocr_pipeline.student.generation import Completion, Sampling, Student, WhenCut
from ocr_pipeline.student.rows import Task
from ocr_pipeline.tables import ACCEPTED, NOT_RUN

__all__ = ["BUDGET_SCHEMA", "Budgets", "complete_patiently", "cut_text", "observed_budgets"]

OTHERWISE: Final = "else"
RESTART_SEED_OFFSET: Final = 15_485_863
FOLDS: Final = 2
BUDGET_SCHEMA: Final = pa.schema(
    [
        ("difficulty", pa.string()),
        ("problems", pa.int64()),
        ("right", pa.int64()),
        ("budget", pa.int64()),
        ("tokens", pa.int64()),
        ("tokens_saved", pa.int64()),
        ("right_lost", pa.int64()),
    ]
)
"""Budgets by difficulty; what they save and lose is told by problems that did not set them."""


@dataclass(frozen=True, slots=True)
class Budgets:
    """Most tokens of an answer by the difficulty of its problem."""

    by_difficulty: Mapping[str, int]
    otherwise: int | None = None

    @classmethod
    def read(cls, text: str) -> Budgets:
        """Read ``easy=2000,hard=8000,else=4000``; in names, commas and the like are written as in URLs (``%2C``).

        Raises
        ------
        OptionError
            When it is not of that form.
        """
        found: dict[str, int] = {}
        for part in text.split(","):
            name, _, tokens = part.rpartition("=")
            if not name.strip() or not tokens.strip().isdecimal() or int(tokens) < 1:
                message = f"budgets must be such as easy=2000,hard=8000,else=4000, got `{text}`"
                raise OptionError(message)
            difficulty = unquote(name.strip())
            if difficulty in found:
                message = f"budgets name `{difficulty}` twice in `{text}`; give each difficulty once"
                raise OptionError(message)
            found[difficulty] = int(tokens)
        return cls(found, found.pop(OTHERWISE, None))

    def of(self, difficulty: str | None) -> int | None:
        """Return the budget of a problem; ``None``: the student's own limit."""
        return self.by_difficulty.get(difficulty or OTHERWISE, self.otherwise)

    def __str__(self) -> str:
        """Return what :meth:`read` reads."""
        last = {} if self.otherwise is None else {OTHERWISE: self.otherwise}
        every = dict(sorted(self.by_difficulty.items())) | last
        return ",".join(f"{quote(name)}={tokens}" for name, tokens in every.items())


@runtime_checkable
class Continuing(Student, Protocol):
    """A student that can go on with an answer that was cut."""

    def resume(self, begun: Sequence[tuple[str, str]], *, sampling: Sampling) -> Iterator[Completion]:
        """Yield for each prompt and text what follows it."""


def complete_patiently(
    student: Student, prompts: Sequence[str], budgets: Sequence[int | None], *, n: int, sampling: Sampling
) -> list[list[Completion]]:
    """Return ``n`` answers for each prompt, each within its budget; cut ones are treated as the sampling says.

    Raises
    ------
    OptionError
        When the student cannot go on with an answer.
    """
    answers: list[list[Completion]] = [[] for _ in prompts]
    for budget in sorted(set(budgets), key=lambda one: one or 0):
        places = [place for place, own in enumerate(budgets) if own == budget]
        limited = sampling if budget is None else replace(sampling, max_tokens=budget)
        found = student.complete([prompts[place] for place in places], task=Task.CODE, n=n, sampling=limited)
        for place, completions in zip(places, found, strict=True):
            answers[place] = list(completions)
    cut = [
        (place, index)
        for place, completions in enumerate(answers)
        for index, one in enumerate(completions)
        if one.finish_reason == "length" and not one.failed
    ]
    if not cut or sampling.when_cut is WhenCut.KEEP:
        return answers
    more = replace(sampling, max_tokens=sampling.extra_tokens)
    if sampling.when_cut is WhenCut.RESTART:
        anew = _restarted(student, prompts, answers, cut, more)
    else:
        anew = _continued(student, prompts, answers, cut, more)
    for (place, index), completion in anew.items():
        answers[place][index] = completion
    return answers


def _restarted(
    student: Student,
    prompts: Sequence[str],
    answers: Sequence[Sequence[Completion]],
    cut: Sequence[tuple[int, int]],
    sampling: Sampling,
) -> dict[tuple[int, int], Completion]:
    found = {}
    for index in sorted({index for _, index in cut}):
        places = [place for place, own in cut if own == index]
        seeded = replace(sampling, seed=sampling.seed + RESTART_SEED_OFFSET + index)
        again = student.complete([prompts[place] for place in places], task=Task.CODE, n=1, sampling=seeded)
        for place, [completion] in zip(places, again, strict=True):
            first = answers[place][index].tokens
            found[place, index] = replace(completion, extra_tokens=completion.tokens, dropped_tokens=first)
    return found


def _continued(
    student: Student,
    prompts: Sequence[str],
    answers: Sequence[Sequence[Completion]],
    cut: Sequence[tuple[int, int]],
    sampling: Sampling,
) -> dict[tuple[int, int], Completion]:
    if not isinstance(student, Continuing):
        message = f"when_cut is continue, but `{student.name}` cannot go on with an answer; restart, or keep"
        raise OptionError(message)
    begun = [(prompts[place], answers[place][index].text) for place, index in cut]
    found = {}
    for (place, index), rest in zip(cut, student.resume(begun, sampling=sampling), strict=True):
        first = answers[place][index]
        if rest.failed:
            found[place, index] = replace(rest, dropped_tokens=first.tokens)
        else:
            whole = first.tokens + rest.tokens
            found[place, index] = replace(rest, text=first.text + rest.text, tokens=whole, extra_tokens=rest.tokens)
    return found


def cut_text(candidates: pa.Table) -> str:
    """Say how many answers were cut, and what going on with them cost and gave; trials of plans are told apart."""
    every = candidates.select(["sampling", "finish_reason", "extra_tokens", "verdict"]).to_pylist()
    rows = [row for row in every if row["sampling"] in FINAL_SAMPLINGS]
    again = [row for row in rows if row["extra_tokens"]]
    right = sum(row["verdict"] == ACCEPTED for row in again)
    text = f"{sum(row['finish_reason'] == 'length' for row in rows):,} of {len(rows):,} answers end at their limit"
    if again:
        spent = sum(row["extra_tokens"] for row in again)
        text += f"; {len(again):,} went on for {spent:,} tokens, {right:,} of them are right"
    trials = [row["extra_tokens"] for row in every if row["sampling"] == PLAN_TRIAL and row["extra_tokens"]]
    return f"{text}; {len(trials):,} trials of plans went on for {sum(trials):,} tokens" if trials else text


def observed_budgets(rows: Iterable[Mapping[str, Any]], share: float) -> tuple[Budgets, pa.Table]:
    """Return budgets that a share of the right answers keep to, and what they would have saved and lost.

    Parameters
    ----------
    rows
        ``student_candidates`` that were judged. Of an answer that replaced a cut one, its own length counts.
    share
        Of the right answers of a difficulty, above 0 and up to 1.

    Raises
    ------
    InputError
        When no answer of known length is right.
    """
    groups: dict[str, dict[str, list[tuple[int, bool]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        length = (row["tokens"] or 0) - (row.get("dropped_tokens") or 0)
        if row["verdict"] != NOT_RUN and length > 0:
            answer = length, row["verdict"] == ACCEPTED
            groups[row["difficulty"] or OTHERWISE][row["problem_id"]].append(answer)
    every = [answer for problems in groups.values() for answers in problems.values() for answer in answers]
    if not any(is_right for _, is_right in every):
        raise InputError(
            "no judged answer of known length is right, so no length is known that suffices; give other candidates"
        )
    records = [_observed(name, problems, share) for name, problems in sorted(groups.items())]
    known = {record["difficulty"]: record["budget"] for record in records if record["budget"] is not None}
    otherwise = known.pop(OTHERWISE, None) or _length(every, share)
    return Budgets(known, otherwise), pa.Table.from_pylist(records, BUDGET_SCHEMA)


def _observed(name: str, problems: Mapping[str, Sequence[tuple[int, bool]]], share: float) -> dict[str, Any]:
    folds = [
        [answer for number, answers in enumerate(problems.values()) if number % FOLDS == fold for answer in answers]
        for fold in range(FOLDS)
    ]
    every = [answer for fold in folds for answer in fold]
    saved = lost = 0
    for fold, others in enumerate(reversed(folds)):
        budget = _length(others, share)
        if budget is not None:
            saved += sum(max(tokens - budget, 0) for tokens, _ in folds[fold])
            lost += sum(is_right and tokens > budget for tokens, is_right in folds[fold])
    return {
        "difficulty": name,
        "problems": len(problems),
        "right": sum(is_right for _, is_right in every),
        "budget": _length(every, share),
        "tokens": sum(tokens for tokens, _ in every),
        "tokens_saved": saved,
        "right_lost": lost,
    }


def _length(answers: Sequence[tuple[int, bool]], share: float) -> int | None:
    lengths = sorted(tokens for tokens, is_right in answers if is_right)
    wanted = math.ceil(Fraction(str(share)) * len(lengths))  # as it is written: 0.07 of 100 is 7, not a bit more
    return lengths[wanted - 1] if lengths else None
