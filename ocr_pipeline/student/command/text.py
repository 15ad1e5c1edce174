"""Lays out results for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import typer

from ocr_pipeline.console import report
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.student.pass_at_k import PairedDifference
from ocr_pipeline.student.subtasks import ProblemScore


def report_summary(counts: StageCounts, summary: pa.Table, *, as_json: bool, out: Path) -> None:
    """Print the counts, and the summary for a person."""
    report(counts, as_json=as_json, out=out)
    if not as_json:
        typer.echo(summary_text(summary))


def summary_text(summary: pa.Table) -> str:
    """Lay out ``evaluation_summary`` for a terminal: one line per student, benchmark, method and k."""
    wide = max(14, *map(len, summary["method"].to_pylist()))
    lines = [
        f"{'student':<24} {'benchmark':<16} {'method':<{wide}} {'':>8} {'value':>7} {'± SE':>7}  problems (unscored)"
    ]
    for row in summary.to_pylist():
        error = "-" if row["standard_error"] is None else f"{row['standard_error']:.3f}"
        lines.append(
            f"{row['student']:<24} {row['benchmark']:<16} {row['method']:<{wide}} {'pass@' + str(row['k']):>8} "
            f"{row['pass_at_k']:>7.3f} {error:>7}  {row['n_problems']} ({row['n_unscored']})"
        )
    return "\n".join(lines)


def difference_text(found: PairedDifference, left: str, right: str, where: str = "") -> str:
    """Lay out a paired difference in a line."""
    error = "unknown" if found.standard_error is None else f"{found.standard_error:.3f}"
    return (
        f"pass@{found.k} of {left} minus {right}{where}: {found.difference:+.3f} ± {error} over {found.n_problems} "
        f"problems ({found.n_left_better} better, {found.n_right_better} worse, {found.n_unpaired} on one side only)"
    )


def scores_text(scores: Mapping[str, Sequence[ProblemScore]]) -> str:
    """Lay out scores by subtask, those of each group apart."""
    lines = []
    for group, found in scores.items():
        if len(scores) > 1:
            lines.append(f"{group or 'no language'}:")
        lines += [
            f"{each.problem_id}: {_points(each.score)} of {each.points:g}, best alone {_points(each.best_single)} "
            f"({each.submissions} submissions, {each.not_run} not run)"
            for each in found
        ]
        judged = [each.score for each in found if each.score is not None]
        lines.append(
            f"total: {sum(judged):g} of {sum(each.points for each in found):g}, "
            f"{len(found) - len(judged)} problems unscored"
        )
    return "\n".join(lines)


def _points(score: float | None) -> str:
    return "unscored" if score is None else f"{score:g}"
