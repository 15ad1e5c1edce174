"""The command that separates responses: files in, files out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ocr_pipeline.console import progress, report
from ocr_pipeline.engine import LocalEngine
from ocr_pipeline.samples.step import SampleConfig
from ocr_pipeline.samples.step import separate as separate_responses
from ocr_pipeline.samples.verdicts import FencePolicy
from ocr_pipeline.store import FileWriter, open_files
from ocr_pipeline.tables import RESPONSES, SAMPLES

__all__ = ["separate"]

NEEDED = ("request_id", "problem_id", "language", "text")


def separate(
    responses: Annotated[
        list[Path],
        typer.Argument(help="Responses: Parquet, JSONL or folders; needed columns: " + ", ".join(NEEDED) + "."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for samples.parquet.")],
    fence: Annotated[FencePolicy, typer.Option(help="Which of several code fences holds the code.")] = FencePolicy.LAST,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 works in this one.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Tell reasoning, answer and code of every response apart and give each its verdict."""
    batches = open_files(responses, RESPONSES, required=NEEDED)
    with FileWriter(out / "samples.parquet", SAMPLES) as writer, progress("separating", unit="responses") as bar:
        counts = separate_responses(
            batches, config=SampleConfig(fence_policy=fence), engine=LocalEngine(workers), writer=writer, progress=bar
        )
    report(counts, as_json=as_json, out=out)
