"""Do passing samples reason in other ways than failing ones? Shares of the moves and their entropy, side by side.

A test asks it without the difficulty of the problems: verdicts are exchanged among the samples of one problem, again and
again, so only problems with both verdicts count in it. The plain difference of the groups is given beside it, with a
standard error that has the problem as its unit; it also holds that easy problems are passed more often.

The moves are those of the rules, or the labels of a model where its two labellings agree. With labels beside them, rules take
part only for moves that they find precisely.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import pyarrow as pa

from ocr_pipeline.errors import InputError
from ocr_pipeline.evidence.pattern_labels import LabelVerdict, agreement_of
from ocr_pipeline.evidence.patterns import LABELLED, Pattern, entropy_bits
from ocr_pipeline.options import Options, option
from ocr_pipeline.plots import Interval, interval_plot
from ocr_pipeline.store import rows_of
from ocr_pipeline.tables import ACCEPTED, NOT_RUN, PATTERN_GROUPS

__all__ = ["VERDICTS", "GroupConfig", "LabelledBy", "compare_patterns", "pattern_plot"]

VERDICTS: Final = ("sample_id", "problem_id", "verdict", "needs_checker")
"""What is read of executions."""
ENTROPIES: Final = ("entropy_bits", "entropy_nats", "entropy_normalized")
BY_MODEL: Final = (*LABELLED, Pattern.SIMPLER_PROBLEM)
"""A model also finds simpler problems, for which there is no rule."""
Groups = Mapping[str, tuple[list[dict[str, float]], list[dict[str, float]]]]
"""Problem -> measures of its passing and of its failing samples."""


class LabelledBy(StrEnum):
    """Who found the moves that are compared."""

    RULES = "rules"
    MODEL = "model"


class GroupConfig(Options):
    """Which moves are compared."""

    by: LabelledBy = option(
        LabelledBy.RULES, "Whose moves: those that rules find in every reasoning, or labels of a model in some"
    )
    least_precision: float = option(
        0.8, "Where there are labels: rules take part for moves that they find at least this precisely", ge=0, le=1
    )


def compare_patterns(
    patterns: Iterable[pa.RecordBatch],
    executions: Iterable[pa.RecordBatch],
    *,
    labels: Iterable[pa.RecordBatch] = (),
    config: GroupConfig = GroupConfig(),  # noqa: B008 - a frozen value
    permutations: int = 10_000,
    seed: int = 0,
) -> pa.Table:
    """Return ``pattern_groups``: a row for the share of every move, for the entropy in each unit, and for the length.

    Parameters
    ----------
    patterns
        ``reasoning_patterns``; samples without a labelled sentence take no part.
    executions
        ``sample_id``, ``problem_id``, ``verdict`` and ``needs_checker``; what was not run takes no part, nor what failed
        where several outputs are right and nothing checks them: nobody knows whether it is wrong.
    labels
        ``pattern_labels``; without them every rule takes part.
    config
        Whose moves are compared.
    permutations
        How often verdicts are exchanged; the p-value cannot be smaller than one in so many.
    seed
        Of the exchanges.

    Raises
    ------
    InputError
        When there is no passing or no failing sample with a labelled sentence, or no rule is precise enough.
    """
    verdicts = {
        row["sample_id"]: (row["problem_id"], row["verdict"] == ACCEPTED)
        for row in rows_of(executions, VERDICTS)
        if row["verdict"] == ACCEPTED or (row["verdict"] != NOT_RUN and not row["needs_checker"])
    }
    known = list(rows_of(labels))
    moves = BY_MODEL if config.by is LabelledBy.MODEL else _precise(known, config.least_precision)
    counted = _labelled(known) if config.by is LabelledBy.MODEL else _ruled(patterns)
    groups: dict[str, tuple[list[dict[str, float]], list[dict[str, float]]]] = defaultdict(lambda: ([], []))
    for sample_id, counts in counted:
        if sample_id in verdicts and any(counts.get(move.value) for move in moves):
            problem_id, passes = verdicts[sample_id]
            groups[problem_id][0 if passes else 1].append(_measures(counts, moves))
    sizes = [sum(len(samples[side]) for samples in groups.values()) for side in (0, 1)]
    if not all(sizes):
        message = f"{sizes[0]} passing and {sizes[1]} failing samples have a labelled sentence; both are needed"
        raise InputError(message)
    ordered = dict(sorted(groups.items()))
    names = [*(move.value for move in moves), *ENTROPIES, "n_segments"]
    rows = [_row(name, ordered, permutations, seed) | {"labelled_by": config.by.value} for name in names]
    return pa.Table.from_pylist(rows, schema=PATTERN_GROUPS.schema)


def _precise(labels: Sequence[Mapping[str, Any]], least: float) -> tuple[Pattern, ...]:
    """Return the moves whose rules are precise enough where both labellings agree; without labels all of them."""
    if not labels:
        return LABELLED
    precision = {row["label"]: row["precision"] for row in agreement_of(labels).to_pylist()}
    found = tuple(move for move in LABELLED if (precision[move.value] or 0) >= least)
    if not found:
        message = f"no rule finds its move with a precision of {least:g}; compare labels of the model, or lower least_precision"
        raise InputError(message)
    return found


def _ruled(patterns: Iterable[pa.RecordBatch]) -> Iterator[tuple[str, Mapping[str, int]]]:
    for row in rows_of(patterns, ["sample_id", "counts"]):
        yield row["sample_id"], dict(row["counts"])


def _labelled(labels: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, int]]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in labels:
        if row["verdict"] == LabelVerdict.KEPT:
            counts[row["sample_id"]][row["first"]] += 1
    yield from counts.items()


def _measures(counts: Mapping[str, int], moves: Sequence[Pattern]) -> dict[str, float]:
    own = [counts.get(move.value, 0) for move in moves]
    total = sum(own)
    bits = entropy_bits(own) or 0.0
    return {move.value: count / total for move, count in zip(moves, own, strict=True)} | {
        "entropy_bits": bits,
        "entropy_nats": bits * math.log(2),
        "entropy_normalized": bits / math.log2(len(moves)) if len(moves) > 1 else 0.0,
        "n_segments": float(total),
    }


def _row(measure: str, groups: Groups, permutations: int, seed: int) -> dict[str, Any]:
    passing, failing = ([each[measure] for samples in groups.values() for each in samples[side]] for side in (0, 1))
    left, right = (math.fsum(values) / len(values) for values in (passing, failing))
    mixed = [
        ([each[measure] for each in samples[0]], [each[measure] for each in samples[1]])
        for samples in groups.values()
        if samples[0] and samples[1]
    ]
    return {
        "measure": measure,
        "passing": left,
        "failing": right,
        "difference": left - right,
        "standard_error": _clustered_error(measure, groups, left, right),
        "within_problems": math.fsum(_gap(*pair) for pair in mixed) / len(mixed) if mixed else None,
        "p_value": _p_value(mixed, permutations, seed) if mixed else None,
        "n_passing": len(passing),
        "n_failing": len(failing),
        "n_problems": len(groups),
        "n_mixed_problems": len(mixed),
    }


def _gap(passing: Sequence[float], failing: Sequence[float]) -> float:
    return math.fsum(passing) / len(passing) - math.fsum(failing) / len(failing)


def _clustered_error(measure: str, groups: Groups, left: float, right: float) -> float | None:
    """Return the standard error of the difference of two means whose samples come in problems."""
    if len(groups) == 1:
        return None
    n_left, n_right = (sum(len(samples[side]) for samples in groups.values()) for side in (0, 1))
    influence = [
        math.fsum(each[measure] - left for each in samples[0]) / n_left
        - math.fsum(each[measure] - right for each in samples[1]) / n_right
        for samples in groups.values()
    ]
    return math.sqrt(len(groups) / (len(groups) - 1) * math.fsum(value**2 for value in influence))


def _p_value(mixed: Sequence[tuple[list[float], list[float]]], permutations: int, seed: int) -> float:
    """Return how often exchanged verdicts differ as much, two-sided; the true ones count as one exchange."""
    import numpy as np

    generator = np.random.default_rng(seed)
    drawn = np.zeros(permutations)
    for passing, failing in mixed:
        values = np.tile(np.array([*passing, *failing]), (permutations, 1))
        exchanged = generator.permuted(values, axis=1)
        drawn += exchanged[:, : len(passing)].mean(axis=1) - exchanged[:, len(passing) :].mean(axis=1)
    seen = abs(math.fsum(_gap(*pair) for pair in mixed))
    return float((1 + (np.abs(drawn) >= seen - 1e-12).sum()) / (1 + permutations))


def pattern_plot(table: pa.Table) -> bytes:
    """Draw the differences of the shares, passing minus failing, with their 95 % intervals."""
    shares = {pattern.value for pattern in BY_MODEL}
    rows = [row for row in table.to_pylist() if row["measure"] in shares]
    intervals = [Interval(row["measure"], row["difference"], row["standard_error"]) for row in rows]
    return interval_plot(intervals, "share of each move, passing minus failing, with 95 % intervals")
