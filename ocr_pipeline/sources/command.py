"""The ``ingest`` command: raw files in, four Parquet files out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from ocr_pipeline.console import progress, report
from ocr_pipeline.sources.catalogue import SOURCES, source_named
from ocr_pipeline.sources.hub import local_path
from ocr_pipeline.sources.ingest import ingest as ingest_files
from ocr_pipeline.sources.raw import column_names
from ocr_pipeline.store import file_writers

__all__ = ["ingest"]

OUTPUTS: Final = ("problems", "tests", "solutions", "rejected")


def ingest(
    dataset: Annotated[str, typer.Argument(help=f"One of {', '.join(SOURCES)}.")],
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Parquet, Arrow, CSV or JSON files, packages, folders of them, or hf://datasets/<owner>/<name>@<revision>."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for problems, tests, solutions and rejected, as Parquet.")],
    workers: Annotated[int, typer.Option(min=1, help="Processes that read; each takes some 0.5 GB of memory.")] = 2,
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="OURS=THEIRS", help="A column of ours and its name in the files; repeatable."),
    ] = None,
    split: Annotated[str, typer.Option(help="Split the rows belong to.")] = "train",
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Bring raw files of a data set into normal form; rows that cannot be used get a reason."""
    source = source_named(dataset)
    raw = [local_path(source, path) for path in paths]
    with progress(f"ingest {dataset}") as bar, file_writers(out, OUTPUTS) as writers:
        counts = ingest_files(
            dataset,
            raw,
            split=split,
            writers=writers,
            columns=column_names(columns or ()),
            workers=workers,
            progress=bar,
        )
    report(counts, as_json=as_json, out=out)
