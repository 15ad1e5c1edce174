"""The commands of the student: evaluate judged samples, compare two evaluations."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import pyarrow as pa
import typer

from ocr_pipeline.console import report
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import InputError
from ocr_pipeline.store import FileWriter, open_files
from ocr_pipeline.student.evaluation import (
    NEEDED,
    EvaluationConfig,
    Evaluator,
    Method,
    Window,
    benchmark_problems,
)
from ocr_pipeline.student.pass_at_k import summarize
from ocr_pipeline.tables import EVALUATION_SUMMARY, EXECUTIONS, PROBLEMS, SAMPLES, STUDENT_EVALUATION

__all__ = ["evaluate"]

DAYS: Final = ["%Y-%m-%d"]


def _parsed_ks(text: str) -> list[int]:
    if not re.fullmatch(r"\s*[1-9]\d*\s*(,\s*[1-9]\d*\s*)*", text):
        raise typer.BadParameter(f"`{text}` is no list of positive numbers such as 1,5,10", param_hint="--k")
    return sorted({int(part) for part in text.split(",")})


def evaluate(  # noqa: PLR0913 - one parameter per option
    executions: Annotated[list[Path], typer.Argument(help="Judged samples: Parquet, JSONL or folders.")],
    *,
    k: Annotated[str, typer.Option("--k", help="The k of pass@k, separated by commas.")],
    out: Annotated[Path, typer.Option(help="Folder for student_evaluation.parquet and evaluation_summary.parquet.")],
    student: Annotated[str, typer.Option(help="Name of the student in the tables.")] = "student",
    benchmark: Annotated[str, typer.Option(help="Name of the benchmark in the tables.")] = "benchmark",
    method: Annotated[Method, typer.Option(help="How the answers were chosen.")] = Method.DIRECT,
    problems: Annotated[
        list[Path] | None, typer.Option(help="Problems of the benchmark: those without a judged sample are unscored.")
    ] = None,
    since: Annotated[datetime | None, typer.Option(formats=DAYS, help="First contest day, with --problems.")] = None,
    until: Annotated[datetime | None, typer.Option(formats=DAYS, help="Last contest day, with --problems.")] = None,
    samples: Annotated[
        list[Path] | None, typer.Option(help="Samples with reasoning_tokens, for the mean length of the reasoning.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Estimate pass@k with standard errors from judged samples; a sample that was not run is unscored, never wrong."""
    ks = _parsed_ks(k)
    evaluator = Evaluator(
        EvaluationConfig(student=student, benchmark=benchmark, method=method),
        problem_ids=_benchmark(problems, since, until),
        reasoning_tokens=_reasoning_tokens(samples or []),
    )
    for batch in open_files(executions, EXECUTIONS, required=NEEDED):
        evaluator.add(batch)
    rows = evaluator.rows()
    if not rows.num_rows:
        raise InputError(f"no judged samples in {', '.join(str(path) for path in executions)}; judge some first")
    summary = summarize(rows, ks)
    _write(out, rows, summary)
    _report(evaluator.counts(), summary, as_json=as_json, out=out)


def _benchmark(problems: list[Path] | None, since: datetime | None, until: datetime | None) -> list[str] | None:
    if problems is None:
        if since or until:
            raise typer.BadParameter("--since and --until need --problems, which hold the dates")
        return None
    window = None
    if since or until:
        window = Window(
            since=since.date() if since else Window().since,
            until=until.date() if until else Window().until,
        )
    return benchmark_problems(open_files(problems, PROBLEMS, required=["problem_id"]), window)


def _reasoning_tokens(samples: list[Path]) -> dict[str, int]:
    needed = ["sample_id", "reasoning_tokens"]
    return {
        row["sample_id"]: row["reasoning_tokens"]
        for batch in open_files(samples, SAMPLES, required=needed)
        for row in batch.select(needed).to_pylist()
        if row["reasoning_tokens"] is not None
    }


def _write(out: Path, rows: pa.Table, summary: pa.Table) -> None:
    with (
        FileWriter(out / "student_evaluation.parquet", STUDENT_EVALUATION) as evaluation_writer,
        FileWriter(out / "evaluation_summary.parquet", EVALUATION_SUMMARY) as summary_writer,
    ):
        evaluation_writer.write(rows)
        summary_writer.write(summary)


def _report(counts: StageCounts, summary: pa.Table, *, as_json: bool, out: Path) -> None:
    report(counts, as_json=as_json, out=out)
    if not as_json:
        typer.echo(summary_text(summary))


def summary_text(summary: pa.Table) -> str:
    """Lay out ``evaluation_summary`` for a terminal: one line per student, benchmark, method and k."""
    lines = [f"{'student':<24} {'benchmark':<16} {'method':<14} {'':>8} {'value':>7} {'± SE':>7}  problems (unscored)"]
    for row in summary.to_pylist():
        error = "-" if row["standard_error"] is None else f"{row['standard_error']:.3f}"
        lines.append(
            f"{row['student']:<24} {row['benchmark']:<16} {row['method']:<14} {'pass@' + str(row['k']):>8} "
            f"{row['pass_at_k']:>7.3f} {error:>7}  {row['n_problems']} ({row['n_unscored']})"
        )
    return "\n".join(lines)
