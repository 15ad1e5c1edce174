"""Do passing samples reason in other ways than failing ones? Shares of the moves and their entropy, side by side.

A test asks it without the difficulty of the problems: verdicts are exchanged among the samples of one problem, again and
again, so only problems with both verdicts count in it. The plain difference of the groups is given beside it, with a
standard error that has the problem as its unit; it also holds that easy problems are passed more often.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from ocr_pipeline.errors import InputError
from ocr_pipeline.evidence.patterns import LABELLED
from ocr_pipeline.plots import Interval, interval_plot
from ocr_pipeline.tables import ACCEPTED, NOT_RUN, PATTERN_GROUPS

__all__ = ["compare_patterns", "pattern_plot"]

ENTROPIES: Final = ("entropy_bits", "entropy_nats", "entropy_normalized")
Groups = Mapping[str, tuple[list[dict[str, float]], list[dict[str, float]]]]
"""Problem -> measures of its passing and of its failing samples."""


def compare_patterns(
    patterns: Iterable[pa.RecordBatch],
    executions: Iterable[pa.RecordBatch],
    *,
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
    permutations
        How often verdicts are exchanged; the p-value cannot be smaller than one in so many.
    seed
        Of the exchanges.

    Raises
    ------
    InputError
        When there is no passing or no failing sample with a labelled sentence.
    """
    verdicts = {
        row["sample_id"]: (row["problem_id"], row["verdict"] == ACCEPTED)
        for batch in executions
        for row in batch.select(["sample_id", "problem_id", "verdict", "needs_checker"]).to_pylist()
        if row["verdict"] == ACCEPTED or (row["verdict"] != NOT_RUN and not row["needs_checker"])
    }
    groups: dict[str, tuple[list[dict[str, float]], list[dict[str, float]]]] = defaultdict(lambda: ([], []))
    for batch in patterns:
        for row in batch.to_pylist():
            if row["sample_id"] in verdicts and row["n_segments"]:
                problem_id, passes = verdicts[row["sample_id"]]
                groups[problem_id][0 if passes else 1].append(_measures(row))
    sizes = [sum(len(samples[side]) for samples in groups.values()) for side in (0, 1)]
    if not all(sizes):
        message = f"{sizes[0]} passing and {sizes[1]} failing samples have a labelled sentence; both are needed"
        raise InputError(message)
    ordered = dict(sorted(groups.items()))
    rows = [_row(measure, ordered, permutations, seed) for measure in _measure_names()]
    return pa.Table.from_pylist(rows, schema=PATTERN_GROUPS.schema)


def _measure_names() -> list[str]:
    return [*(pattern.value for pattern in LABELLED), *ENTROPIES, "n_segments"]


def _measures(row: Mapping[str, Any]) -> dict[str, float]:
    counts, total = dict(row["counts"]), row["n_segments"]
    shares = {pattern.value: counts.get(pattern.value, 0) / total for pattern in LABELLED}
    bits = row["entropy_bits"]
    entropies = {
        "entropy_bits": bits,
        "entropy_nats": bits * math.log(2),
        "entropy_normalized": row["entropy_normalized"],
    }
    return shares | entropies | {"n_segments": float(total)}


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
    shares = {pattern.value for pattern in LABELLED}
    rows = [row for row in table.to_pylist() if row["measure"] in shares]
    intervals = [Interval(row["measure"], row["difference"], row["standard_error"]) for row in rows]
    return interval_plot(intervals, "share of each move, passing minus failing, with 95 % intervals")
