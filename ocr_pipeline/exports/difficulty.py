"""How hard a problem is for a model: the share of its attempts that the tests accept.

An attempt that was not run is nobody's failure, and one on a problem whose checker is missing is no evidence: both are
unscored, counted, and in no estimate. An answer without a program is the model's failure; a request without an answer is not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.store import TableWriter
from ocr_pipeline.tables import ACCEPTED, NOT_RUN, PROBLEM_DIFFICULTY

__all__ = ["LEAST_FOR_A_BAND", "POOL_WEIGHTS", "Band", "band_of", "measure", "standard_error"]

NEEDS_CHECKER: Final = "needs_checker"
UNKNOWN_MODEL: Final = "unknown"
NO_CODE: Final = "no_code"
TESTED: Final = ("sample_id", "problem_id", "language", "verdict", "reason", NEEDS_CHECKER)
ASKED: Final = ("request_id", "model", "error")
GROUP: Final = ("problem_id", "model", "language")
LEAST_FOR_A_BAND: Final = 4
"""Fewer attempts say too little: of 3, every possible share is 0.33 away from the next."""


class Band(StrEnum):
    """Pools of prime-rl by mean reward: at most 0.25, at most 0.75, above."""

    HARD = "hard"
    NORMAL = "normal"
    EASY = "easy"


UPPER_ENDS: Final = ((0.25, Band.HARD), (0.75, Band.NORMAL))
POOL_WEIGHTS: Final = {Band.HARD: 0.2, Band.NORMAL: 1.0, Band.EASY: 0.2}
"""How often prime-rl draws from each pool by default; a problem that nobody tried has weight 1."""


def measure(
    executions: Iterable[pa.RecordBatch], responses: Iterable[pa.RecordBatch], *, writer: TableWriter
) -> StageCounts:
    """Write one ``problem_difficulty`` row per problem, model and language.

    Parameters
    ----------
    executions
        Attempts: ``sample_id``, ``problem_id``, ``language``, ``verdict``, ``reason`` and ``needs_checker``.
    responses
        Say which model made an attempt and whether it answered: ``request_id``, ``model`` and ``error``; an attempt that
        is not there is of ``unknown``.
    writer
        Takes the rows, sorted.

    Returns
    -------
    StageCounts
        In attempts; ``kept``: scored ones.
    """
    attempts = _with_models(_table(executions, TESTED), _table(responses, ASKED))
    was_run = pc.or_(pc.not_equal(attempts["verdict"], NOT_RUN), attempts["without_program"])
    is_scored = pc.and_(was_run, pc.invert(attempts[NEEDS_CHECKER]))
    flags = {
        "attempts": pa.repeat(1, attempts.num_rows),
        "scored": is_scored.cast(pa.int64()),
        "accepted": pc.and_(is_scored, pc.equal(attempts["verdict"], ACCEPTED)).cast(pa.int64()),
    }
    counted = pa.table({name: attempts[name] for name in GROUP} | flags)
    sums = counted.group_by(list(GROUP), use_threads=False).aggregate([(name, "sum") for name in flags])
    rows = sums.sort_by([(name, "ascending") for name in GROUP]).to_pylist()
    solvers: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row["accepted_sum"]:
            solvers.setdefault((row["problem_id"], row["language"]), []).append(row["model"])
    measured = [_row(row, solvers.get((row["problem_id"], row["language"]), [])) for row in rows]
    writer.write(pa.Table.from_pylist(measured, schema=PROBLEM_DIFFICULTY.schema))
    not_run = attempts.num_rows - _true(was_run)
    unchecked = _true(was_run) - _true(is_scored)
    dropped = {reason: count for reason, count in ((NOT_RUN, not_run), (NEEDS_CHECKER, unchecked)) if count}
    notes = {f"problems {row['band'] or 'without a band'}": 0 for row in measured}
    for row in measured:
        notes[f"problems {row['band'] or 'without a band'}"] += 1
    return StageCounts(attempts.num_rows, _true(is_scored), dropped, notes).require_conserved("problem_difficulty")


def _table(batches: Iterable[pa.RecordBatch], columns: tuple[str, ...]) -> pa.Table:
    narrow = [batch.select(columns) for batch in batches]
    return pa.Table.from_batches(narrow) if narrow else pa.table({name: pa.array([], pa.string()) for name in columns})


def _true(mask: pa.ChunkedArray) -> int:
    return int(pc.sum(mask).as_py() or 0)


def _with_models(tested: pa.Table, asked: pa.Table) -> pa.Table:
    """Put the model beside each attempt; a response that is given twice counts once."""
    answered = asked.append_column("answered", pc.is_null(asked["error"])).drop_columns(["error"])
    once = answered.group_by("request_id", use_threads=False).aggregate([("model", "first"), ("answered", "first")])
    joined = tested.join(once, "sample_id", right_keys="request_id", join_type="left outer")
    without_program = pc.and_(pc.equal(joined["reason"], NO_CODE), joined["answered_first"].cast(pa.bool_()))
    flags = {"without_program": without_program, NEEDS_CHECKER: joined[NEEDS_CHECKER].cast(pa.bool_())}
    columns = {name: joined[name] for name in ("problem_id", "language", "verdict")}
    columns |= {"model": pc.fill_null(joined["model_first"], UNKNOWN_MODEL)}
    columns |= {name: pc.fill_null(flag, False) for name, flag in flags.items()}  # noqa: FBT003 - the value of a null
    return pa.table(columns)


def _row(sums: dict[str, Any], solved_by: list[str]) -> dict[str, Any]:
    n, accepted = sums["scored_sum"], sums["accepted_sum"]
    return {
        **{name: sums[name] for name in GROUP},
        "n": n,
        "accepted": accepted,
        "unscored": sums["attempts_sum"] - n,
        "pass_at_1": accepted / n if n else None,
        "standard_error": standard_error(n, accepted),
        "solved_by": solved_by,
        "band": band_of(n, accepted),
    }


def standard_error(n: int, accepted: int) -> float | None:
    """Return the standard error of ``accepted / n`` over attempts, from the unbiased variance; one attempt has none."""
    if n < 2:  # noqa: PLR2004 - a variance needs two
        return None
    share = accepted / n
    return math.sqrt(share * (1 - share) / (n - 1))


def band_of(n: int, accepted: int) -> Band | None:
    """Return the band of ``accepted / n``, the unbiased estimate of pass@1; too few attempts have none."""
    if n < LEAST_FOR_A_BAND:
        return None
    return next((band for end, band in UPPER_ENDS if accepted / n <= end), Band.EASY)
