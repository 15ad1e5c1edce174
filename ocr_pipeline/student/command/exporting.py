"""``student edge`` and ``student export``: commands that hand a student, or its programs, to other tools."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.compute as pc
import typer

from ocr_pipeline.errors import InputError, OptionError
from ocr_pipeline.judge import JudgeConfig
from ocr_pipeline.parameters import with_options
from ocr_pipeline.store import open_files, rows_of
from ocr_pipeline.student.adapters import write_evalplus, write_lcb
from ocr_pipeline.student.assess import AssessConfig, evaluate_candidates, try_in_languages
from ocr_pipeline.student.benchmark import read_benchmark
from ocr_pipeline.student.command.files import open_problems, open_tests, side_of, write_candidates, write_evaluation
from ocr_pipeline.student.command.text import difference_text, summary_text
from ocr_pipeline.student.edge import export_gguf, merged, save_merged
from ocr_pipeline.student.evaluation import FINAL_SAMPLINGS, Method
from ocr_pipeline.student.generation import LocalStudent, Sampling
from ocr_pipeline.student.options import AskOptions, EdgeOptions
from ocr_pipeline.student.pass_at_k import paired_difference
from ocr_pipeline.student.taught import PROMPT_FILE
from ocr_pipeline.student.trial import summarize_trial
from ocr_pipeline.tables import STUDENT_CANDIDATES


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
    asked = read_benchmark("edge", open_problems(problems), open_tests(tests)) if problems else None
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
    write_candidates(out, rows)
    evaluation = evaluate_candidates(rows)
    evaluation = evaluation.filter(pc.equal(evaluation["method"], Method.DIRECT.value))
    summary = summarize_trial(evaluation, [1])
    write_evaluation(out, evaluation, summary)
    typer.echo(summary_text(summary))
    for benchmark in sorted(set(evaluation["benchmark"].to_pylist())):
        left, right = (side_of(evaluation, place.name, benchmark, Method.DIRECT.value) for place in (file, whole))
        typer.echo(difference_text(paired_difference(left, right, 1), file.name, whole.name, f" on {benchmark}"))
    programs = [part["code"].to_pylist() for part in tables]
    same = sum(left == right for left, right in zip(*programs, strict=True))
    typer.echo(f"{same} of {len(programs[0])} programs are the same")


class JudgeFormat(StrEnum):
    """Whose judge the programs are written for."""

    LCB = "lcb"
    EVALPLUS = "evalplus"


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
    for row in rows_of(open_files(candidates, STUDENT_CANDIDATES, required=["problem_id", "code"])):
        if name in {None, row["student"]} and row["sampling"] in {"", sampling}:
            codes.setdefault(_native_id(row["problem_id"]), []).append(row["code"])
    if not codes:
        raise InputError("no programs to export; check --student and --sampling")
    (write_lcb if form is JudgeFormat.LCB else write_evalplus)(codes, out)
    typer.echo(f"{sum(map(len, codes.values()))} programs of {len(codes)} problems written to {out}")


def _native_id(problem_id: str) -> str:
    """Take the dataset and the split off: ``humaneval/test/HumanEval/0`` is HumanEval's ``HumanEval/0``."""
    return problem_id.split("/", 2)[-1]
