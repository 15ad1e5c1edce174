"""The commands ``separate`` and ``select``: responses to samples, and samples to a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ocr_pipeline.answers import FencePolicy
from ocr_pipeline.console import progress, report
from ocr_pipeline.engine import LocalEngine
from ocr_pipeline.samples.selection import Execution, SelectionConfig, TextPolicy
from ocr_pipeline.samples.selection import select as select_samples
from ocr_pipeline.samples.step import SampleConfig
from ocr_pipeline.samples.step import separate as separate_responses
from ocr_pipeline.store import FileWriter, open_files
from ocr_pipeline.tables import CLEAN_PROBLEMS, EXECUTIONS, RESPONSES, SAMPLES, SFT_DATASET

__all__ = ["select", "separate"]

NEEDED = ("request_id", "problem_id", "language", "text")
NEEDED_OF_SAMPLES = ("sample_id", "problem_id", "language", "reasoning_span", "answer_span", "code", "verdict")
NEEDED_OF_EXECUTIONS = ("sample_id", "verdict", "pass_rate")


def separate(
    responses: Annotated[
        list[Path],
        typer.Argument(help="Responses: Parquet, JSONL or folders; needed columns: " + ", ".join(NEEDED) + "."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for samples.parquet.")],
    fence: Annotated[FencePolicy, typer.Option(help="Which of several code fences holds the code.")] = FencePolicy.LAST,
    think_tag: Annotated[
        tuple[str, str] | None,
        typer.Option(help="Tags that open and close the reasoning, beside the known ones.", metavar="OPEN CLOSE"),
    ] = None,
    check_compiles: Annotated[bool, typer.Option(help="Ask g++ whether every kept C++ program compiles.")] = True,  # noqa: FBT002 - a flag
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes; the default is one per core, 0 works in this one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Tell reasoning, answer and code of every response apart and give each its verdict."""
    batches = open_files(responses, RESPONSES, required=NEEDED)
    config = SampleConfig(
        fence_policy=fence,
        think_tags=think_tag or (),
        check_compiles=check_compiles,
    )
    engine = LocalEngine.for_this_machine() if workers is None else LocalEngine(workers)
    with FileWriter(out / "samples.parquet", SAMPLES) as writer, progress("separating", unit="responses") as bar:
        counts = separate_responses(batches, config=config, engine=engine, writer=writer, progress=bar)
    report(counts, as_json=as_json, out=out)


def select(  # noqa: PLR0913 - one parameter per option
    samples: Annotated[list[Path], typer.Argument(help="Samples: Parquet or folders of it.")],
    *,
    responses: Annotated[list[Path], typer.Option(help="The responses that they were made of, in the same order.")],
    problems: Annotated[list[Path], typer.Option(help="Problems that are allowed, such as clean_problems.")],
    out: Annotated[Path, typer.Option(help="Folder for sft_dataset.parquet.")],
    executions: Annotated[list[Path] | None, typer.Option(help="Executions of the samples.")] = None,
    execution: Annotated[Execution, typer.Option(help="Which samples stay, by their tests.")] = Execution.ALL,
    pass_rate_min: Annotated[float | None, typer.Option(help="Lowest pass rate that stays, 0 to 1.")] = None,
    pass_rate_max: Annotated[float | None, typer.Option(help="Highest pass rate that stays, 0 to 1.")] = None,
    drop_reasoning_with_code: Annotated[bool, typer.Option(help="Drop reasoning that holds a code block.")] = True,
    drop_duplicates: Annotated[bool, typer.Option(help="Keep one sample per distinct program.")] = False,
    drop_not_compiling: Annotated[bool, typer.Option(help="Drop programs that their compiler rejects.")] = True,
    drop_loops: Annotated[bool, typer.Option(help="Drop what ends in a cycle.")] = True,
    repeated_share_max: Annotated[
        float | None, typer.Option(help="Drop reasoning that repeats more of itself.")
    ] = None,
    samples_per_problem_max: Annotated[int | None, typer.Option(min=1, help="Keep so many of a problem.")] = None,
    text_policy: Annotated[TextPolicy, typer.Option(help="What stands for the statements.")] = TextPolicy.PLACEHOLDER,
    redistributable: Annotated[list[str] | None, typer.Option(help="Data set whose statements may be copied.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Select from separated and judged samples what downstream trains on; nothing is asked or judged again."""
    config = SelectionConfig(
        execution=execution,
        pass_rate_min=pass_rate_min,
        pass_rate_max=pass_rate_max,
        drop_reasoning_with_code=drop_reasoning_with_code,
        drop_duplicates=drop_duplicates,
        drop_loops=drop_loops,
        drop_not_compiling=drop_not_compiling,
        repeated_share_max=repeated_share_max,
        samples_per_problem_max=samples_per_problem_max,
        text_policy=text_policy,
    )
    with FileWriter(out / "sft_dataset.parquet", SFT_DATASET) as writer, progress("selecting", unit="samples") as bar:
        counts = select_samples(
            lambda: open_files(samples, SAMPLES, required=NEEDED_OF_SAMPLES),
            lambda: open_files(responses, RESPONSES, required=("request_id", "text")),
            lambda: open_files(problems, CLEAN_PROBLEMS, required=("problem_id", "statement")),
            (lambda: open_files(executions, EXECUTIONS, required=NEEDED_OF_EXECUTIONS)) if executions else None,
            config=config,
            redistributable=frozenset(redistributable or ()),
            writer=writer,
            progress=bar,
        )
    report(counts, as_json=as_json, out=out)
