"""pass@k as the benchmarks define it: unbiased, exact, with the problem as the unit of uncertainty.

Works on the rows of ``student_evaluation``. How samples become such rows is in ``evaluation``; how an answer is
chosen among samples is in ``selection``.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import pyarrow as pa

from ocr_pipeline.errors import InputError
from ocr_pipeline.tables import EVALUATION_SUMMARY

__all__ = ["PairedDifference", "estimate", "mean_and_standard_error", "paired_difference", "pass_at_k", "summarize"]

Z_95: Final = 1.959964
Group = tuple[str, str, str]
Scores = dict[str, tuple[int, int]]  # problem -> judged samples, correct samples
NAMES: Final = ("student", "benchmark", "method", "problem_id", "n", "correct")
MORE: Final = ("language", "difficulty", "tokens_mean")


def pass_at_k(n: int, c: int, k: int) -> Fraction:
    """Return the chance that ``k`` of ``n`` samples, drawn without replacement, hold one of the ``c`` correct ones.

    This is the unbiased estimator of Chen et al. 2021 (arXiv 2107.03374), in exact integers.

    Raises
    ------
    InputError
        When ``n < k``, ``k < 1`` or ``c`` is not between 0 and ``n``: there is no unbiased estimate then.
    """
    if k < 1:
        raise InputError(f"k is {k}; pass@k needs a k of at least 1")
    if not 0 <= c <= n:
        raise InputError(f"{c} of {n} samples are said to be correct; give a count between 0 and {n}")
    if n < k:
        raise InputError(f"pass@{k} needs at least {k} judged samples, there are {n}; judge more samples or lower k")
    return 1 - Fraction(math.comb(n - c, k), math.comb(n, k))


def mean_and_standard_error(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean and the standard error of the mean; a single value has no standard error."""
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return mean, None
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, math.sqrt(variance / len(values))


def summarize(rows: pa.Table, ks: Sequence[int], *, by_difficulty: bool = False) -> pa.Table:
    """Average pass@k over the problems of every student, benchmark and method.

    Parameters
    ----------
    rows
        Rows of ``student_evaluation``.
    ks
        The wanted k.
    by_difficulty
        Add the same for the problems of each difficulty, where sources name one.

    Returns
    -------
    pyarrow.Table
        ``evaluation_summary``, sorted. A problem with fewer than ``k`` judged samples counts as unscored, never as 0.

    Raises
    ------
    InputError
        When no problem of a group has ``k`` judged samples.
    """
    records = []
    for group, found in sorted(_grouped(rows).items()):
        wanted = sorted(set(ks))
        records += [_summary(group, found, k) for k in wanted]
        for difficulty in sorted({row["difficulty"] for row in found if row["difficulty"]} if by_difficulty else ()):
            part = [row for row in found if row["difficulty"] == difficulty]
            most = max(row["n"] for row in part)
            records += [_summary(group, part, k) | {"difficulty": difficulty} for k in wanted if k <= most]
    return pa.Table.from_pylist(records, schema=EVALUATION_SUMMARY.schema)


def _summary(group: Group, rows: Sequence[dict[str, Any]], k: int) -> dict[str, object]:
    student, benchmark, method = group
    scores = _scores(rows)
    values = list(_per_problem(scores, k).values())
    if not values:
        most = max(n for n, _ in scores.values())
        raise InputError(
            f"pass@{k} of {student} on {benchmark} ({method}) needs at least {k} judged samples per problem, "
            f"no problem has more than {most}; judge more samples or lower --k"
        )
    mean, standard_error = estimate(values)
    return {
        "student": student,
        "benchmark": benchmark,
        "method": method,
        "k": k,
        "pass_at_k": mean,
        "standard_error": standard_error,
        "n_problems": len(values),
        "n_unscored": len(scores) - len(values),
        "language": _the_only({row["language"] for row in rows}),
        "difficulty": None,
    } | _cost(rows)


def _the_only(values: set[str | None]) -> str | None:
    return next(iter(values)) if len(values) == 1 else None


def _cost(rows: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """Return tokens per answer, and per right answer, over the problems whose tokens are known."""
    known = [row for row in rows if row["tokens_mean"] is not None and row["n"]]
    if not known:
        return {"tokens_mean": None, "tokens_per_right": None}
    spent = math.fsum(row["tokens_mean"] * row["n"] for row in known)
    right = sum(row["correct"] for row in known)
    return {
        "tokens_mean": math.fsum(row["tokens_mean"] for row in known) / len(known),
        "tokens_per_right": spent / right if right else None,
    }


def estimate(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean of pass@k over problems and its standard error, Wilson's where all are right or wrong."""
    mean, standard_error = mean_and_standard_error(values)
    return mean, _of_all_alike(len(values)) if standard_error == 0 and mean in {0.0, 1.0} else standard_error


def _of_all_alike(n: int) -> float:
    """Return the standard error where every problem is right, or every one wrong: that of Wilson's interval.

    The usual one would be 0, as if 5 of 5 were as sure as 500 of 500. Wilson's 95 % interval is z² / (n + z²) wide there.
    """
    return Z_95 / (n + Z_95**2)


def _per_problem(scores: Scores, k: int) -> dict[str, float]:
    return {problem: float(pass_at_k(n, c, k)) for problem, (n, c) in sorted(scores.items()) if n >= k}


def _scores(rows: Sequence[dict[str, Any]]) -> Scores:
    return {row["problem_id"]: (row["n"], row["correct"]) for row in rows}


def _grouped(rows: pa.Table) -> dict[Group, list[dict[str, Any]]]:
    groups: dict[Group, list[dict[str, Any]]] = defaultdict(list)
    seen: set[tuple[str, ...]] = set()
    for row in _records(rows):
        group = (row["student"], row["benchmark"], row["method"])
        if (*group, row["problem_id"]) in seen:
            raise InputError(f"problem `{row['problem_id']}` is twice in one evaluation; give each problem once")
        seen.add((*group, row["problem_id"]))
        groups[group].append(row)
    return groups


def _records(rows: pa.Table) -> Iterator[dict[str, Any]]:
    known = set(rows.schema.names)
    for batch in rows.select([*NAMES, *(name for name in MORE if name in known)]).to_batches():
        yield from (dict.fromkeys(MORE) | row for row in batch.to_pylist())


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """How much better the left student is, problem by problem."""

    k: int
    difference: float
    """Mean over problems of left's pass@k minus right's."""
    standard_error: float | None
    """Of the mean difference, with the problem as the unit; ``None`` for a single problem."""
    n_problems: int
    n_left_better: int
    n_right_better: int
    n_unpaired: int
    """Problems that only one of the two was scored on; they are left out."""


def paired_difference(left: pa.Table, right: pa.Table, k: int) -> PairedDifference:
    """Compare two students on the problems that both were scored on.

    Both tables hold one student, benchmark and method of ``student_evaluation``.

    Raises
    ------
    InputError
        When a table holds several evaluations, or the two share no problem with ``k`` judged samples.
    """
    left_scores, right_scores = (_per_problem(_only(rows), k) for rows in (left, right))
    shared = sorted(left_scores.keys() & right_scores.keys())
    if not shared:
        raise InputError(f"the two evaluations share no problem with at least {k} judged samples")
    differences = [left_scores[problem] - right_scores[problem] for problem in shared]
    mean, standard_error = mean_and_standard_error(differences)
    return PairedDifference(
        k=k,
        difference=mean,
        standard_error=standard_error,
        n_problems=len(shared),
        n_left_better=sum(difference > 0 for difference in differences),
        n_right_better=sum(difference < 0 for difference in differences),
        n_unpaired=len(left_scores.keys() ^ right_scores.keys()),
    )


def _only(rows: pa.Table) -> Scores:
    groups = _grouped(rows)
    if len(groups) != 1:
        names = "; ".join(" / ".join(group) for group in sorted(groups)) or "none"
        raise InputError(f"a comparison needs one student, benchmark and method on each side, this one holds: {names}")
    return _scores(next(iter(groups.values())))
