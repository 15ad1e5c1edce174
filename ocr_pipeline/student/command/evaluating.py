"""``evaluate``, and under ``student`` ``evaluate``, ``summarize``, ``compare`` and ``score``: commands that say how good answers are."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Final

import pyarrow as pa
import typer

from ocr_pipeline.asking import Pace
from ocr_pipeline.errors import InputError, OptionError
from ocr_pipeline.judge import JudgeConfig
from ocr_pipeline.parameters import with_options
from ocr_pipeline.store import FileWriter, open_files, rows_of
from ocr_pipeline.student.assess import PLAN_CURVE, by_sampling, evaluate_candidates, try_in_languages
from ocr_pipeline.student.benchmark import read_benchmark
from ocr_pipeline.student.command.files import (
    open_problems,
    open_tests,
    opened,
    read_candidates,
    side_of,
    write_candidates,
    write_evaluation,
)
from ocr_pipeline.student.command.text import difference_text, report_summary, scores_text, summary_text
from ocr_pipeline.student.evaluation import NEEDED, EvaluationConfig, Evaluator, Method
from ocr_pipeline.student.options import AskOptions, EvaluateOptions, EvaluationChoice, StudentServer, SummaryOptions
from ocr_pipeline.student.pass_at_k import paired_difference, summarize
from ocr_pipeline.student.patience import cut_text
from ocr_pipeline.student.subtasks import (
    ProblemScore,
    Subtask,
    read_graders,
    read_subtasks,
    require_tests,
    scores_apart,
)
from ocr_pipeline.student.trial import summarize_trial
from ocr_pipeline.tables import EXECUTIONS, GENERATED_TESTS, PROBLEMS, SAMPLES, STUDENT_EVALUATION

REQUEST_FAILED: Final = "request_failed"


@with_options
def evaluate(
    executions: Annotated[list[Path], typer.Argument(help="Judged samples: Parquet, JSONL or folders.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder for student_evaluation.parquet and evaluation_summary.parquet.")],
    problems: Annotated[
        list[Path] | None, typer.Option(help="Problems of the benchmark: those without a judged sample are unscored.")
    ] = None,
    samples: Annotated[
        list[Path] | None,
        typer.Option(help="Samples: how long the reasoning is, and whose request failed, which is unscored."),
    ] = None,
    options: EvaluateOptions,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Estimate pass@k with standard errors from judged samples; an answer without a program is wrong, one that could not be judged unscored."""
    asked = _asked(problems, options)
    tokens, failed = _lengths_and_failed(samples or [])
    evaluator = Evaluator(
        EvaluationConfig(student=options.student, benchmark=options.benchmark, method=options.method),
        problem_ids=asked,
        reasoning_tokens=tokens,
        unanswered=failed,
        difficulties=asked,
    )
    for batch in open_files(executions, EXECUTIONS, required=NEEDED):
        evaluator.add(batch)
    rows = evaluator.rows()
    if not rows.num_rows:
        raise InputError(f"no judged samples in {', '.join(str(path) for path in executions)}; judge some first")
    summary = summarize(rows, options.ks, by_difficulty=options.by_difficulty)
    write_evaluation(out, rows, summary)
    if evaluator.n_without_code and not samples:
        sys.stderr.write(
            f"{evaluator.n_without_code:,} samples without a program count as wrong, failed requests among them; "
            "--samples tells these apart\n"
        )
    report_summary(evaluator.counts(), summary, as_json=as_json, out=out)


def _asked(problems: list[Path] | None, options: EvaluateOptions) -> dict[str, str] | None:
    """Return the difficulty of every problem of the benchmark."""
    if problems is None:
        if options.window:
            message = "since and until need --problems, which hold the dates"
            raise OptionError(message)
        return None
    known = open_files(problems, PROBLEMS, required=["problem_id"])
    asked = {
        row["problem_id"]: row["difficulty"]
        for row in rows_of(known, ["problem_id", "contest_date", "difficulty"])
        if options.window is None or options.window.holds(row["contest_date"])
    }
    if not asked:
        where = f" with a contest between {options.since} and {options.until}" if options.window else ""
        raise InputError(f"the benchmark has no problem{where}; give other --problems or a wider window")
    return asked


def _lengths_and_failed(samples: list[Path]) -> tuple[dict[str, int], set[str]]:
    """Return the tokens of reasoning of samples, and those whose request failed."""
    tokens: dict[str, int] = {}
    failed: set[str] = set()
    batches = open_files(samples, SAMPLES, required=["sample_id", "reasoning_tokens"])
    for row in rows_of(batches, ["sample_id", "reasoning_tokens", "verdict"]):
        if row["reasoning_tokens"] is not None:
            tokens[row["sample_id"]] = row["reasoning_tokens"]
        if row["verdict"] == REQUEST_FAILED:
            failed.add(row["sample_id"])
    return tokens, failed


@with_options
def evaluate_student(  # noqa: PLR0913 - one parameter per group of options
    student_name: Annotated[
        str, typer.Argument(metavar="STUDENT", help="Folder of a student, or with --url its name on the server.")
    ],
    *,
    problems: Annotated[list[Path], typer.Option(help="Problems of the benchmark.")],
    tests: Annotated[list[Path], typer.Option(help="Their tests.")],
    made_inputs: Annotated[
        list[Path] | None,
        typer.Option(help="generated_tests: the majority is that of what programs print on these inputs, too."),
    ] = None,
    graders: Annotated[
        Path | None, typer.Option(help="graders.jsonl of ingest-ioi: what calls the functions of the programs.")
    ] = None,
    subtasks: Annotated[
        Path | None,
        typer.Option(help="subtasks.jsonl: run every test, write executions.parquet, print the scores by subtask."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the programs, the results by problem and the summary.")],
    benchmark: Annotated[str, typer.Option(help="Name of the benchmark in the tables.")] = "benchmark",
    choice: EvaluationChoice,
    ask: AskOptions,
    judge: JudgeConfig,
    connection: StudentServer,
    pace: Pace,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Let a student write programs for a benchmark, judge them, and print pass@k of every way to choose among them."""
    recipe = choice.recipe
    asked = read_benchmark(
        benchmark,
        open_problems(problems),
        open_tests(tests),
        window=recipe.window,
        split=recipe.split,
        made=open_files(made_inputs or (), GENERATED_TESTS, required=["problem_id", "test_id", "kind", "input"]),
    )
    worth = None if subtasks is None else read_subtasks(subtasks)
    if worth is not None:
        require_tests(worth, asked.tests)
    kept: list[pa.Table] = []
    asked = replace(asked, graders=read_graders(graders) if graders else {}, executions=None if worth is None else kept)
    with opened(student_name, connection, pace, ask.wording, out / "answers.sqlite") as asked_student:
        languages = ask.languages_of(asked_student.languages)
        asked.require_callable(languages)
        candidates = try_in_languages(asked, asked_student, languages, recipe.assess(benchmark), judge)
    write_candidates(out, candidates)  # first: when there is too little to estimate, the programs are still there
    evaluation = evaluate_candidates(candidates)
    summary = summarize_trial(evaluation, recipe.ks, by_difficulty=recipe.by_difficulty)
    write_evaluation(out, evaluation, summary)
    report_summary(asked.counts, summary, as_json=as_json, out=out)
    if not as_json:
        typer.echo(cut_text(candidates))
    if worth is not None:
        with FileWriter(out / "executions.parquet", EXECUTIONS) as writer:
            for part in kept:
                writer.write(part)
        if not as_json:
            typer.echo(
                scores_text(scores_of((batch for part in kept for batch in part.to_batches()), worth, candidates))
            )


@with_options
def summarize_candidates(
    candidates: Annotated[list[Path], typer.Argument(help="student_candidates.")], *, options: SummaryOptions
) -> None:
    """Print pass@k of every sampling and selection method again, from the stored programs and verdicts alone."""
    evaluation = evaluate_candidates(read_candidates(candidates))
    typer.echo(summary_text(summarize_trial(evaluation, options.ks, by_difficulty=options.by_difficulty)))


def compare(
    evaluation: Annotated[list[Path], typer.Argument(help="student_evaluation of both students.")],
    *,
    left: Annotated[str, typer.Option(help="One student.")],
    right: Annotated[str, typer.Option(help="The other.")],
    benchmark: Annotated[str, typer.Option(help="Benchmark that both were tried on.")] = "benchmark",
    method: Annotated[
        str, typer.Option(help="How the answers were chosen: direct, majority, plan_sampling/ranked and so on.")
    ] = Method.DIRECT.value,
    k: Annotated[int, typer.Option("--k", min=1, help="The k of pass@k.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the difference as JSON.")] = False,
) -> None:
    """Print the paired difference of two students: mean over problems, with its standard error."""
    rows = pa.Table.from_batches(open_files(evaluation, STUDENT_EVALUATION), schema=STUDENT_EVALUATION.schema)
    sides = [side_of(rows, name, benchmark, method) for name in (left, right)]
    found = paired_difference(sides[0], sides[1], k)
    if as_json:
        typer.echo(json.dumps(asdict(found), sort_keys=True))
        return
    typer.echo(difference_text(found, left, right))


def score(
    executions: Annotated[list[Path], typer.Argument(help="Judged submissions: Parquet, JSONL or folders.")],
    *,
    subtasks: Annotated[Path, typer.Option(help="JSONL of problem_id, name, points and test_ids.")],
    candidates: Annotated[
        list[Path] | None,
        typer.Option(help="student_candidates of the submissions: each way of sampling is scored apart."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Print scores by subtask as the International Olympiad in Informatics counts them: each of the best submission of a language."""
    needed = ["sample_id", "problem_id", "verdict", "results"]
    worth = read_subtasks(subtasks)
    scores = scores_of(
        open_files(executions, EXECUTIONS, required=needed), worth, read_candidates(candidates) if candidates else None
    )
    if as_json:
        named = [{"submissions_of": group} | asdict(each) for group, found in scores.items() for each in found]
        typer.echo(json.dumps(named, sort_keys=True))
        return
    typer.echo(scores_text(scores))


def scores_of(
    executions: Iterable[pa.RecordBatch], worth: Mapping[str, Sequence[Subtask]], candidates: pa.Table | None
) -> dict[str, list[ProblemScore]]:
    """Score one student's way of sampling in one language after the other."""
    if candidates is None:
        return scores_apart(executions, worth, lambda row: row.get("language") or "")
    one = len(set(candidates["student"].to_pylist())) <= 1
    groups = {
        row["sample_id"]: ", ".join([*([] if one else [row["student"]]), sampling, row["language"]])
        for sampling, part in by_sampling(candidates)
        if not sampling.startswith(PLAN_CURVE)  # of the plans' own curve, whose programs are those of several choices
        for row in part.select(["sample_id", "student", "language"]).to_pylist()
    }
    return scores_apart(executions, worth, lambda row: groups.get(row["sample_id"]))
