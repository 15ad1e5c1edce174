"""``train``, ``student try`` and ``student ablate``: commands that train students."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ocr_pipeline.console import progress, report
from ocr_pipeline.errors import OptionError
from ocr_pipeline.judge import JudgeConfig
from ocr_pipeline.parameters import with_options
from ocr_pipeline.store import FileWriter, atomic_write, open_files
from ocr_pipeline.student.ablation import ablation_plot, ablation_text, run_ablation
from ocr_pipeline.student.arms import equal_arms, read_pool
from ocr_pipeline.student.benchmark import read_benchmark
from ocr_pipeline.student.command.files import (
    open_problems,
    open_tests,
    read_told,
    read_training_rows,
    write_candidates,
    write_evaluation,
)
from ocr_pipeline.student.command.text import summary_text
from ocr_pipeline.student.config import StudentOptions, preset
from ocr_pipeline.student.encoding import RowVerdict
from ocr_pipeline.student.options import AblationOptions, TryOptions
from ocr_pipeline.student.ranker import require_ranker
from ocr_pipeline.student.training import train as train_student
from ocr_pipeline.student.trial import TRIED, TryConfig, run_trial, summarize_trial
from ocr_pipeline.tables import ABLATION, SFT_DATASET, STUDENT_CANDIDATES, STUDENT_EVALUATION


@with_options
def train(
    rows: Annotated[list[Path], typer.Argument(help="plan_sft_dataset or sft_dataset: Parquet, JSONL or folders.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the student; an unfinished run in it is continued.")],
    problems: Annotated[
        list[Path] | None,
        typer.Option(
            help="Problems of the rows: fill in statements that sft_dataset withholds, and how they are asked."
        ),
    ] = None,
    tests: Annotated[
        list[Path] | None,
        typer.Option(help="Their tests: where a prompt shows one as a call, as that of a benchmark does (MBPP)."),
    ] = None,
    options: StudentOptions,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Train a student on prompt and completion rows; only completions are learned, nothing is cut."""
    config = options.recipe
    with progress("training", unit="steps") as bar:
        read = read_training_rows(
            rows, problems or (), tests or (), wording=options.wording, languages=options.languages
        )
        result = train_student(read, config, out, wording=options.wording, progress=bar)
    report(result.counts, as_json=as_json, out=out)
    withheld = result.counts.dropped.get(RowVerdict.NO_TEXT, 0)
    if withheld and not problems:
        sys.stderr.write(f"{withheld:,} rows have no statement: --problems fills it in\n")
    if not as_json and result.curve:
        first, last = result.curve[0], result.curve[-1]
        typer.echo(f"{result.steps} steps, {result.parameters:,} parameters, loss {first.loss:.3f} -> {last.loss:.3f}")


@with_options
def try_students(
    rows: Annotated[list[Path], typer.Argument(help="plan_sft_dataset: Parquet, JSONL or folders.")],
    *,
    problems: Annotated[list[Path], typer.Option(help="The problems of the rows.")],
    tests: Annotated[list[Path], typer.Option(help="Their tests.")],
    out: Annotated[Path, typer.Option(help="Folder for the students and their tables.")],
    options: TryOptions,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Train tiny students on the rows with every objective, judge what they write, print pass@k beside an untrained one."""
    require_ranker(options.ranker_config())
    recipe = preset("tiny")
    epochs = options.epochs or recipe.epochs
    config = TryConfig(recipe.replaced(epochs=epochs, seed=options.seed), options.assess(TRIED))
    tried = run_trial(
        list(read_training_rows(rows)),
        open_problems(problems),
        open_tests(tests),
        config=config,
        folder=out / "students",
    )
    write_candidates(out, tried.candidates)
    summary = summarize_trial(tried.evaluation, options.ks, by_difficulty=options.by_difficulty)
    write_evaluation(out, tried.evaluation, summary)
    report(tried.counts, as_json=as_json, out=out)
    if not as_json:
        typer.echo("train = test: the problems are those of the training rows; each student was trained once, "
                   f"with seed {options.seed}, so ± SE holds no spread between trainings")  # fmt: skip
        typer.echo(summary_text(summary))


@with_options
def ablate(  # noqa: PLR0913 - one parameter per group of options
    rows: Annotated[list[Path], typer.Argument(help="sft_dataset: Parquet, JSONL or folders.")],
    *,
    problems: Annotated[list[Path], typer.Option(help="Problems that the students are tried on.")],
    tests: Annotated[list[Path], typer.Option(help="Their tests.")],
    statements: Annotated[
        list[Path] | None,
        typer.Option(
            help="Problems of the rows; without them --problems are those, and only they are tried: train = test."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the students, their tables, and ablation.png.")],
    benchmark: Annotated[str, typer.Option(help="Name of the benchmark in the tables.")] = "benchmark",
    training: StudentOptions,
    options: AblationOptions,
    judge: JudgeConfig,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Train students on parts of the rows, of equal size, and print the paired differences of what they solve."""
    told = read_told(statements or problems)
    wording, languages = training.wording, training.languages
    batches = open_files(rows, SFT_DATASET, required=["sample_id", "input", "output"])
    pool = list(read_pool(batches, told, wording, languages))
    selected = {
        name: open_files([path], SFT_DATASET, required=["sample_id"])
        for name, path in _named_files(options.selections).items()
    }
    named = {name: [each.row for each in read_pool(of, told, wording, languages)] for name, of in selected.items()}
    arms = equal_arms(pool, named, wanted=options.arms, size=options.arm_rows, seed=training.recipe.seed)
    asked = read_benchmark(
        benchmark,
        open_problems(problems),
        open_tests(tests),
        window=options.ablated.window,
        split=options.ablated.split,
        problem_ids=None if statements else {each.row.problem_id for each in pool},
    )
    config = options.configured(training, judge, benchmark)
    with progress("arms", total=len(arms) * options.training_seeds, unit="students") as bar:
        found = run_ablation(arms, asked, config, out / "students", progress=bar)
    tables = ((STUDENT_CANDIDATES, found.candidates), (STUDENT_EVALUATION, found.evaluation), (ABLATION, found.table))
    for table, content in tables:
        with FileWriter(out / f"{table.name}.parquet", table) as writer:
            writer.write(content)
    with atomic_write(out / "ablation.png") as file:
        file.write(ablation_plot(found.table))
    if as_json:
        typer.echo(json.dumps(found.table.to_pylist(), sort_keys=True))
        return
    if not statements:
        typer.echo("train = test: the problems are those of the training rows")
    typer.echo(ablation_text(found.table))


def _named_files(selections: Sequence[str]) -> dict[str, Path]:
    pairs = [each.partition("=") for each in selections]
    wrong = [name for name, _, path in pairs if not name or not path]
    if wrong:
        message = f"selection must be NAME=FILES, got `{wrong[0]}`"
        raise OptionError(message)
    return {name: Path(path) for name, _, path in pairs}
