"""The commands of the student: ``train``, ``evaluate``, and under ``student`` what works on students and their tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import pyarrow as pa
import pyarrow.compute as pc
import typer

from ocr_pipeline.asking import Asking, Pace
from ocr_pipeline.console import progress, report
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import InputError, OptionError
from ocr_pipeline.judge import JudgeConfig
from ocr_pipeline.parameters import with_options
from ocr_pipeline.store import FileWriter, atomic_write, file_writers, open_files
from ocr_pipeline.student.ablation import ablation_plot, ablation_text, run_ablation
from ocr_pipeline.student.adapters import write_evalplus, write_lcb
from ocr_pipeline.student.arms import equal_arms, read_pool
from ocr_pipeline.student.assess import (
    PLAN_CURVE,
    AssessConfig,
    by_sampling,
    evaluate_candidates,
    try_in_languages,
    with_ranker_scores,
)
from ocr_pipeline.student.benchmark import read_benchmark, told_problems
from ocr_pipeline.student.config import StudentOptions, preset
from ocr_pipeline.student.edge import export_gguf, merged, save_merged
from ocr_pipeline.student.encoding import RowVerdict
from ocr_pipeline.student.evaluation import (
    FINAL_SAMPLINGS,
    NEEDED,
    EvaluationConfig,
    Evaluator,
    Method,
)
from ocr_pipeline.student.generation import LocalStudent, Sampling, ServedStudent
from ocr_pipeline.student.options import (
    AblationOptions,
    AskOptions,
    EdgeOptions,
    EvaluateOptions,
    EvaluationChoice,
    SelectOptions,
    StudentServer,
    SummaryOptions,
    TryOptions,
)
from ocr_pipeline.student.pass_at_k import PairedDifference, paired_difference, summarize
from ocr_pipeline.student.patience import cut_text, observed_budgets
from ocr_pipeline.student.problems import AskedProblem
from ocr_pipeline.student.ranker import LabelledProgram, require_ranker
from ocr_pipeline.student.rows import TrainingRow, read_rows
from ocr_pipeline.student.self_critique import joined_critiques, with_critiques
from ocr_pipeline.student.subtasks import (
    ProblemScore,
    Subtask,
    read_graders,
    read_subtasks,
    require_tests,
    scores_apart,
)
from ocr_pipeline.student.taught import PROMPT_FILE
from ocr_pipeline.student.training import train as train_student
from ocr_pipeline.student.trial import TRIED, TryConfig, run_trial, summarize_trial
from ocr_pipeline.tables import (
    ABLATION,
    CRITIQUES,
    EVALUATION_SUMMARY,
    EXECUTIONS,
    GENERATED_TESTS,
    PLAN_SFT_DATASET,
    PROBLEMS,
    SAMPLES,
    SFT_DATASET,
    STUDENT_CANDIDATES,
    STUDENT_EVALUATION,
    TESTS,
    Language,
)
from ocr_pipeline.tasks import CODEPLAN, Wording
from ocr_pipeline.teacher.servers import attach

__all__ = ["evaluate", "student", "train"]

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
    evaluator = Evaluator(
        EvaluationConfig(student=options.student, benchmark=options.benchmark, method=options.method),
        problem_ids=asked,
        reasoning_tokens=_reasoning_tokens(samples or []),
        unanswered=_unanswered(samples or []),
        difficulties=asked,
    )
    for batch in open_files(executions, EXECUTIONS, required=NEEDED):
        evaluator.add(batch)
    rows = evaluator.rows()
    if not rows.num_rows:
        raise InputError(f"no judged samples in {', '.join(str(path) for path in executions)}; judge some first")
    summary = summarize(rows, options.ks, by_difficulty=options.by_difficulty)
    _write(out, rows, summary)
    if evaluator.n_without_code and not samples:
        sys.stderr.write(
            f"{evaluator.n_without_code:,} samples without a program count as wrong, failed requests among them; "
            "--samples tells these apart\n"
        )
    _report(evaluator.counts(), summary, as_json=as_json, out=out)


def _asked(problems: list[Path] | None, options: EvaluateOptions) -> dict[str, str] | None:
    """Return the difficulty of every problem of the benchmark."""
    if problems is None:
        if options.window:
            message = "since and until need --problems, which hold the dates"
            raise OptionError(message)
        return None
    known = (
        row
        for batch in open_files(problems, PROBLEMS, required=["problem_id"])
        for row in batch.select(["problem_id", "contest_date", "difficulty"]).to_pylist()
    )
    asked = {
        row["problem_id"]: row["difficulty"]
        for row in known
        if options.window is None or options.window.holds(row["contest_date"])
    }
    if not asked:
        where = f" with a contest between {options.since} and {options.until}" if options.window else ""
        raise InputError(f"the benchmark has no problem{where}; give other --problems or a wider window")
    return asked


def _reasoning_tokens(samples: list[Path]) -> dict[str, int]:
    needed = ["sample_id", "reasoning_tokens"]
    return {
        row["sample_id"]: row["reasoning_tokens"]
        for batch in open_files(samples, SAMPLES, required=needed)
        for row in batch.select(needed).to_pylist()
        if row["reasoning_tokens"] is not None
    }


def _unanswered(samples: list[Path]) -> set[str]:
    return {
        row["sample_id"]
        for batch in open_files(samples, SAMPLES, required=["sample_id", "reasoning_tokens"])
        for row in batch.select(["sample_id", "verdict"]).to_pylist()
        if row["verdict"] == REQUEST_FAILED
    }


def _write(out: Path, rows: pa.Table, summary: pa.Table) -> None:
    with file_writers(out, (STUDENT_EVALUATION.name, EVALUATION_SUMMARY.name)) as writers:
        writers[STUDENT_EVALUATION.name].write(rows)
        writers[EVALUATION_SUMMARY.name].write(summary)


def _report(counts: StageCounts, summary: pa.Table, *, as_json: bool, out: Path) -> None:
    report(counts, as_json=as_json, out=out)
    if not as_json:
        typer.echo(summary_text(summary))


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


def read_training_rows(
    paths: Iterable[Path],
    problems: Sequence[Path] = (),
    tests: Sequence[Path] = (),
    *,
    wording: Wording = CODEPLAN,
    languages: Collection[Language] = (),
) -> Iterator[TrainingRow]:
    """Stream training rows from files of either table, told by their columns."""
    known = _told(problems, tests)
    for path in paths:
        table = SFT_DATASET if _has_column(path, "output") else PLAN_SFT_DATASET
        required = ["sample_id", "input", "output"] if table is SFT_DATASET else ["id", "task", "prompt", "completion"]
        batches = open_files([path], table, required=required)
        yield from read_rows(batches, known, wording=wording, languages=languages)


def _has_column(path: Path, name: str) -> bool:
    if path.suffix in {".jsonl", ".ndjson", ".json"} and path.is_file():
        with path.open(encoding="utf-8") as file:
            return f'"{name}"' in file.readline()
    import pyarrow.dataset as ds

    return path.exists() and name in ds.dataset(path, format="parquet").schema.names


student = typer.Typer(help="Try students, compare them, hand their programs to other judges.", no_args_is_help=True)


@student.command("try")
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
        open_files(problems, PROBLEMS, required=["problem_id", "statement"]),
        open_files(tests, TESTS, required=["problem_id", "test_id", "kind", "input", "expected"]),
        config=config,
        folder=out / "students",
    )
    _write_candidates(out, tried.candidates)
    summary = summarize_trial(tried.evaluation, options.ks, by_difficulty=options.by_difficulty)
    _write(out, tried.evaluation, summary)
    report(tried.counts, as_json=as_json, out=out)
    if not as_json:
        typer.echo("train = test: the problems are those of the training rows; each student was trained once, "
                   f"with seed {options.seed}, so ± SE holds no spread between trainings")  # fmt: skip
        typer.echo(summary_text(summary))


@student.command("evaluate")
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
        open_files(problems, PROBLEMS, required=["problem_id", "statement"]),
        open_files(tests, TESTS, required=["problem_id", "test_id", "kind", "input", "expected"]),
        window=recipe.window,
        split=recipe.split,
        made=open_files(made_inputs or (), GENERATED_TESTS, required=["problem_id", "test_id", "kind", "input"]),
    )
    worth = None if subtasks is None else read_subtasks(subtasks)
    if worth is not None:
        require_tests(worth, asked.tests)
    kept: list[pa.Table] = []
    asked = replace(asked, graders=read_graders(graders) if graders else {}, executions=None if worth is None else kept)
    with _opened(student_name, connection, pace, ask.wording, out / "answers.sqlite") as asked_student:
        languages = ask.languages_of(asked_student.languages)
        asked.require_callable(languages)
        candidates = try_in_languages(asked, asked_student, languages, recipe.assess(benchmark), judge)
    _write_candidates(out, candidates)  # first: when there is too little to estimate, the programs are still there
    evaluation = evaluate_candidates(candidates)
    summary = summarize_trial(evaluation, recipe.ks, by_difficulty=recipe.by_difficulty)
    _write(out, evaluation, summary)
    _report(asked.counts, summary, as_json=as_json, out=out)
    if not as_json:
        typer.echo(cut_text(candidates))
    if worth is not None:
        with FileWriter(out / "executions.parquet", EXECUTIONS) as writer:
            for part in kept:
                writer.write(part)
        if not as_json:
            typer.echo(
                _scores_text(_scores((batch for part in kept for batch in part.to_batches()), worth, candidates))
            )


@contextmanager
def _opened(
    name: str, connection: StudentServer, pace: Pace, wording: Wording | None, ledger: Path
) -> Iterator[LocalStudent | ServedStudent]:
    """Open a student: its folder, or its name on a server that was named."""
    if not connection.urls:
        yield LocalStudent(Path(name), wording=wording)
        return
    with attach(connection.urls, connection.api_key_env) as server, progress("asking", unit="answers") as bar:
        yield ServedStudent(
            name,
            server,
            ledger,
            Asking.of(pace, model=name),
            progress=bar,
            wording=wording or CODEPLAN,
            opens_thought=connection.opens_thought,
        )


def _write_candidates(out: Path, candidates: pa.Table) -> None:
    with FileWriter(out / "student_candidates.parquet", STUDENT_CANDIDATES) as writer:
        writer.write(candidates)


@student.command("ablate")
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
    told = _told(statements or problems)
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
        open_files(problems, PROBLEMS, required=["problem_id", "statement"]),
        open_files(tests, TESTS, required=["problem_id", "test_id", "kind", "input", "expected"]),
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


def _told(paths: Sequence[Path], tests: Sequence[Path] = ()) -> dict[str, AskedProblem]:
    """Return what is told of problems; with tests, as a benchmark of them would be asked."""
    needed = ["problem_id", "test_id", "kind", "input", "expected"]
    return told_problems(
        open_files(paths, PROBLEMS, required=["problem_id", "statement"]),
        open_files(tests, TESTS, required=needed) if tests else None,
    )


def _named_files(selections: Sequence[str]) -> dict[str, Path]:
    pairs = [each.partition("=") for each in selections]
    wrong = [name for name, _, path in pairs if not name or not path]
    if wrong:
        message = f"selection must be NAME=FILES, got `{wrong[0]}`"
        raise OptionError(message)
    return {name: Path(path) for name, _, path in pairs}


@student.command("summarize")
@with_options
def summarize_candidates(
    candidates: Annotated[list[Path], typer.Argument(help="student_candidates.")], *, options: SummaryOptions
) -> None:
    """Print pass@k of every sampling and selection method again, from the stored programs and verdicts alone."""
    evaluation = evaluate_candidates(_candidates(candidates))
    typer.echo(summary_text(summarize_trial(evaluation, options.ks, by_difficulty=options.by_difficulty)))


@student.command("select")
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
    rows = _candidates(candidates)
    statements = {each.problem_id: each.statement for each in _told(problems).values()}
    _require_statements(rows, statements, "--problems")
    if critiques:
        read = open_files(critiques, CRITIQUES, required=["sample_id", "critique", "judgement"])
        said = [row for batch in read for row in batch.to_pylist()]
        rows = joined_critiques(rows, said)
        known = set(rows["sample_id"].to_pylist())
        others = sum(row["sample_id"] not in known for row in said)
        if others:
            sys.stderr.write(f"{others:,} of {len(said):,} critiques are of other programs\n")
    if critic is not None:
        sampling = Sampling(options.temperature, options.top_p, options.critique_tokens, options.seed)
        with _opened(critic, connection, pace, None, out / "answers.sqlite") as model:
            rows = with_critiques(rows, statements, model, sampling)
    learned = _labelled(_candidates(learn_from), _told(learn_problems or ())) if learn_from else None
    rows = with_ranker_scores(rows, statements, options.ranker_config(), learn_from=learned)
    if rows["ranker_score"].null_count == rows.num_rows:
        sys.stderr.write(
            "nothing is ranked: in one half of the tasks there are not both right and wrong programs; --learn-from brings others\n"
        )
    _write_candidates(out, rows)
    evaluation = evaluate_candidates(rows)
    summary = summarize_trial(evaluation, options.ks, by_difficulty=options.by_difficulty)
    _write(out, evaluation, summary)
    _report(StageCounts(rows.num_rows, rows.num_rows, {}), summary, as_json=as_json, out=out)


def _candidates(paths: Sequence[Path]) -> pa.Table:
    return pa.Table.from_batches(open_files(paths, STUDENT_CANDIDATES), schema=STUDENT_CANDIDATES.schema)


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


@student.command("budgets")
def budgets(
    candidates: Annotated[list[Path], typer.Argument(help="Judged student_candidates.")],
    *,
    share: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="Share of the right answers of a difficulty that stay whole.")
    ] = 0.95,
) -> None:
    """Print thinking budgets by difficulty from the lengths of right answers, for `student evaluate --budgets`."""
    found, table = observed_budgets(_candidates(candidates).to_pylist(), share)
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


@student.command("edge")
@with_options
def edge(
    folder: Annotated[Path, typer.Argument(metavar="STUDENT", help="Folder of a student, or a GGUF file.")],
    *,
    adapter: Annotated[Path | None, typer.Option(help="LoRA adapter of peft that is merged first.")] = None,
    problems: Annotated[list[Path] | None, typer.Option(help="Try it before and after on these problems.")] = None,
    tests: Annotated[list[Path] | None, typer.Option(help="Their tests.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the GGUF file, and for the programs where it is tried.")],
    options: EdgeOptions,
    ask: AskOptions,
    judge: JudgeConfig,
) -> None:
    """Merge, quantise and write a student as GGUF; with problems, print pass@1 before and after, greedy, paired by problem."""
    if bool(problems) != bool(tests):
        message = "problems and tests are given together, to try the student before and after; give both, or neither"
        raise OptionError(message)
    asked = read_benchmark(
        "edge",
        open_files(problems or (), PROBLEMS, required=["problem_id", "statement"]),
        open_files(tests or (), TESTS, required=["problem_id", "test_id", "kind", "input", "expected"]),
    ) if problems else None  # fmt: skip
    model, tokenizer = merged(folder, adapter)
    is_file = folder.is_file()
    name, prompt = (folder.stem, folder.parent / PROMPT_FILE) if is_file else (folder.name, folder / PROMPT_FILE)
    whole = folder
    if adapter is not None:
        whole = out / f"{name}-merged"
        save_merged(model, tokenizer, whole, prompt)
    file = out / f"{name}-{options.quantization}.gguf"
    export_gguf(model, tokenizer, file, options.quantization, prompt)
    before = [whole] if whole.is_file() else whole.glob("*.safetensors")
    typer.echo(f"{file}: {file.stat().st_size:,} bytes, {sum(each.stat().st_size for each in before):,} before")
    if asked is None:
        return
    config = AssessConfig("edge", 1, Sampling(0.0, 1.0, options.answer_tokens))
    tables = []
    for place in (whole, file):
        one = LocalStudent(place, wording=ask.wording)
        tables.append(try_in_languages(asked, one, ask.languages_of(one.languages), config, judge))
    rows = pa.concat_tables(tables)
    _write_candidates(out, rows)
    evaluation = evaluate_candidates(rows)
    evaluation = evaluation.filter(pc.equal(evaluation["method"], Method.DIRECT.value))
    summary = summarize_trial(evaluation, [1])
    _write(out, evaluation, summary)
    typer.echo(summary_text(summary))
    for benchmark in sorted(set(evaluation["benchmark"].to_pylist())):
        left, right = (_side(evaluation, place.name, benchmark, Method.DIRECT.value) for place in (file, whole))
        typer.echo(_difference_text(paired_difference(left, right, 1), file.name, whole.name, f" on {benchmark}"))
    programs = [part["code"].to_pylist() for part in tables]
    same = sum(left == right for left, right in zip(*programs, strict=True))
    typer.echo(f"{same} of {len(programs[0])} programs are the same")


@student.command("compare")
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
    sides = [_side(rows, name, benchmark, method) for name in (left, right)]
    found = paired_difference(sides[0], sides[1], k)
    if as_json:
        typer.echo(json.dumps(asdict(found), sort_keys=True))
        return
    typer.echo(_difference_text(found, left, right))


def _difference_text(found: PairedDifference, left: str, right: str, where: str = "") -> str:
    error = "unknown" if found.standard_error is None else f"{found.standard_error:.3f}"
    return (
        f"pass@{found.k} of {left} minus {right}{where}: {found.difference:+.3f} ± {error} over {found.n_problems} "
        f"problems ({found.n_left_better} better, {found.n_right_better} worse, {found.n_unpaired} on one side only)"
    )


def _side(rows: pa.Table, name: str, benchmark: str, method: str) -> pa.Table:
    wanted = (pc.field("student") == name) & (pc.field("benchmark") == benchmark) & (pc.field("method") == method)
    side = rows.filter(wanted)
    if not side.num_rows:
        known = sorted({tuple(row.values()) for row in rows.select(["student", "benchmark", "method"]).to_pylist()})
        there = "; ".join(" / ".join(each) for each in known) or "nothing"
        raise InputError(f"no rows of {name} on {benchmark} ({method}); the file holds {there}")
    return side


@student.command("score")
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
    scores = _scores(
        open_files(executions, EXECUTIONS, required=needed), worth, _candidates(candidates) if candidates else None
    )
    if as_json:
        named = [{"submissions_of": group} | asdict(each) for group, found in scores.items() for each in found]
        typer.echo(json.dumps(named, sort_keys=True))
        return
    typer.echo(_scores_text(scores))


def _scores(
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


def _scores_text(scores: Mapping[str, Sequence[ProblemScore]]) -> str:
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


class JudgeFormat(StrEnum):
    """Whose judge the programs are written for."""

    LCB = "lcb"
    EVALPLUS = "evalplus"


@student.command("export")
def export(
    candidates: Annotated[list[Path], typer.Argument(help="student_candidates.")],
    *,
    out: Annotated[Path, typer.Option(help="File to write.")],
    form: Annotated[JudgeFormat, typer.Option("--for", help="lcb_runner's custom evaluator, or EvalPlus.")],
    name: Annotated[str | None, typer.Option("--student", help="Only this student's programs.")] = None,
    sampling: Annotated[
        str, typer.Option(help=f"{', '.join(FINAL_SAMPLINGS[:-1])} or {FINAL_SAMPLINGS[-1]}.")
    ] = "direct",
) -> None:
    """Write a student's programs as input of LiveCodeBench's runner or EvalPlus; ids are the problems' native ones."""
    codes: dict[str, list[str]] = {}
    for batch in open_files(candidates, STUDENT_CANDIDATES, required=["problem_id", "code"]):
        for row in batch.to_pylist():
            if name in {None, row["student"]} and row["sampling"] in {"", sampling}:
                codes.setdefault(_native_id(row["problem_id"]), []).append(row["code"])
    if not codes:
        raise InputError("no programs to export; check --student and --sampling")
    (write_lcb if form is JudgeFormat.LCB else write_evalplus)(codes, out)
    typer.echo(f"{sum(map(len, codes.values()))} programs of {len(codes)} problems written to {out}")


def _native_id(problem_id: str) -> str:
    """Take the dataset and the split off: ``humaneval/test/HumanEval/0`` is HumanEval's ``HumanEval/0``."""
    return problem_id.split("/", 2)[-1]


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
