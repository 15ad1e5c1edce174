"""``student select`` and ``student budgets``: commands that learn from judged programs which to choose, and how long to think."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer

from ocr_pipeline.asking import Pace
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import InputError
from ocr_pipeline.parameters import with_options
from ocr_pipeline.store import open_files, rows_of
from ocr_pipeline.student.assess import evaluate_candidates, with_ranker_scores
from ocr_pipeline.student.command.files import opened, read_candidates, read_told, write_candidates, write_evaluation
from ocr_pipeline.student.command.text import report_summary
from ocr_pipeline.student.evaluation import FINAL_SAMPLINGS
from ocr_pipeline.student.generation import Sampling
from ocr_pipeline.student.options import SelectOptions, StudentServer
from ocr_pipeline.student.patience import observed_budgets
from ocr_pipeline.student.problems import AskedProblem
from ocr_pipeline.student.ranker import LabelledProgram, require_ranker
from ocr_pipeline.student.self_critique import joined_critiques, with_critiques
from ocr_pipeline.student.trial import summarize_trial
from ocr_pipeline.tables import CRITIQUES


@with_options
def select(  # noqa: PLR0913 - one parameter per group of options
    candidates: Annotated[list[Path], typer.Argument(help="student_candidates.")],
    *,
    problems: Annotated[list[Path], typer.Option(help="The problems of the programs.")],
    critiques: Annotated[
        list[Path] | None, typer.Option(help="Critiques of the programs by sample_id; without them, or --critic: none.")
    ] = None,
    critic: Annotated[
        str | None,
        typer.Option(help="Model that is asked which programs are right: a student's folder, or with --url its name."),
    ] = None,
    learn_from: Annotated[
        list[Path] | None,
        typer.Option(help="student_candidates that the ranker learns from, for other problems; none: two halves."),
    ] = None,
    learn_problems: Annotated[list[Path] | None, typer.Option(help="The problems of --learn-from.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the programs with scores, the results and the summary.")],
    options: SelectOptions,
    connection: StudentServer,
    pace: Pace,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Choose among stored programs by every method, side by side: lot, examples, majority, length, critics, ranker, oracle."""
    require_ranker(options.ranker_config())
    rows = read_candidates(candidates)
    statements = {each.problem_id: each.statement for each in read_told(problems).values()}
    _require_statements(rows, statements, "--problems")
    if critiques:
        said = list(rows_of(open_files(critiques, CRITIQUES, required=["sample_id", "critique", "judgement"])))
        rows = joined_critiques(rows, said)
        known = set(rows["sample_id"].to_pylist())
        others = sum(row["sample_id"] not in known for row in said)
        if others:
            sys.stderr.write(f"{others:,} of {len(said):,} critiques are of other programs\n")
    if critic is not None:
        sampling = Sampling(options.temperature, options.top_p, options.critique_tokens, options.seed)
        with opened(critic, connection, pace, None, out / "answers.sqlite") as model:
            rows = with_critiques(rows, statements, model, sampling)
    learned = _labelled(read_candidates(learn_from), read_told(learn_problems or ())) if learn_from else None
    rows = with_ranker_scores(rows, statements, options.ranker_config(), learn_from=learned)
    if rows["ranker_score"].null_count == rows.num_rows:
        sys.stderr.write(
            "nothing is ranked: in one half of the tasks there are not both right and wrong programs; --learn-from brings others\n"
        )
    write_candidates(out, rows)
    evaluation = evaluate_candidates(rows)
    summary = summarize_trial(evaluation, options.ks, by_difficulty=options.by_difficulty)
    write_evaluation(out, evaluation, summary)
    report_summary(StageCounts(rows.num_rows, rows.num_rows, {}), summary, as_json=as_json, out=out)


def _require_statements(rows: pa.Table, statements: Collection[str], where: str) -> None:
    missing = set(rows["problem_id"].to_pylist()) - set(statements)
    if missing:
        raise InputError(f"{len(missing):,} problems of the programs are not in {where}, `{min(missing)}` among them")


def _labelled(known: pa.Table, told: Mapping[str, AskedProblem]) -> list[LabelledProgram]:
    """Return what a ranker may learn from."""
    _require_statements(known, told, "--learn-problems")
    return [
        LabelledProgram(told[row["problem_id"]].statement, row["code"], row["verdict"], row["problem_id"])
        for row in known.to_pylist()
        if row["sampling"] in FINAL_SAMPLINGS
    ]


def budgets(
    candidates: Annotated[list[Path], typer.Argument(help="Judged student_candidates.")],
    *,
    share: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="Share of the right answers of a difficulty that stay whole.")
    ] = 0.95,
) -> None:
    """Print thinking budgets by difficulty from the lengths of right answers, for `student evaluate --budgets`."""
    found, table = observed_budgets(read_candidates(candidates).to_pylist(), share)
    typer.echo(
        f"{'difficulty':<14} {'problems':>8} {'right':>6} {'budget':>8} {'tokens':>10} {'saved':>10} {'right lost':>10}"
    )
    for row in table.to_pylist():
        typer.echo(
            f"{row['difficulty']:<14} {row['problems']:>8,} {row['right']:>6,} {row['budget'] or '-':>8} "
            f"{row['tokens']:>10,} {row['tokens_saved']:>10,} {row['right_lost']:>10,}"
        )
    typer.echo("saved and lost: by budgets that the other half of the problems set")
    typer.echo(f"--budgets {found}")
