"""The commands ``studio`` (the web pages) and ``reviews`` (the same decisions as a file)."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from ocr_pipeline.console import report
from ocr_pipeline.errors import InputError
from ocr_pipeline.listening import serve_app
from ocr_pipeline.sample import path as sample_path
from ocr_pipeline.store import Store
from ocr_pipeline.tables import PROBLEMS

__all__ = ["reviews", "studio"]

FINISHING_S: Final = 5.0

DataRoot = Annotated[str, typer.Option(envvar="OCR_PIPELINE_DATA", help="The data root: a folder or a URI.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")]

reviews = typer.Typer(help="Decisions on uncertain pairs as a CSV file, for a spreadsheet.", no_args_is_help=True)


@reviews.command("export")
def export_file(
    file: Annotated[Path, typer.Argument(help="The CSV file to write.")],
    data: DataRoot = "data",
    as_json: AsJson = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Write the uncertain pairs with their evidence and decisions, the least certain first."""
    from ocr_pipeline.studio.spreadsheet import export_reviews

    counts = export_reviews(Store(data), file, benchmarks=benchmark_folder())
    report(counts, as_json=as_json, out=file)


@reviews.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A CSV file with the columns pair_key and decision.")],
    reviewer: Annotated[str | None, typer.Option(help="Who decided, for lines that do not say.")] = None,
    data: DataRoot = "data",
    as_json: AsJson = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Store the decisions of a file; lines that cannot be used are named."""
    from ocr_pipeline.studio.spreadsheet import import_reviews

    imported = import_reviews(Store(data), file, reviewer=reviewer, now=datetime.now(UTC))
    sys.stderr.write("".join(f"{problem}\n" for problem in imported.problems))
    report(imported.counts, as_json=as_json)


@reviews.command()
def restore(data: DataRoot = "data") -> None:
    """Write the table of reviews anew from the database that OCR_PIPELINE_LEDGER names."""
    from ocr_pipeline.studio.decisions import restore_reviews

    sys.stdout.write(f"{restore_reviews(Store(data)):,} reviews\n")


def studio(
    data: DataRoot = "data",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port of the pages; 0 takes a free one.")] = 8501,
    host: Annotated[str, typer.Option(help="Address to listen on; the default is this machine only.")] = "127.0.0.1",
) -> None:
    """Open the web pages: review what is uncertain, browse rows, see the funnel. Ends with Ctrl-C."""
    from ocr_pipeline.studio.app import LOOPBACK, build_app

    if not Store(data).partitions(PROBLEMS):
        message = (
            f"`{data}` holds no problems; run `make demo` first, or name a data root with --data or OCR_PIPELINE_DATA"
        )
        raise InputError(message)
    if host not in LOOPBACK:
        sys.stderr.write(f"warning: the pages ask for no password, and anybody who reaches {host}:{port} may decide\n")
    app = build_app(data, benchmark_folder(), host)
    asyncio.run(
        serve_app(
            app,
            host=host,
            port=port,
            greeting=lambda address: f"studio of `{data}`: {address} (Ctrl-C ends it)",
            shutdown_timeout_s=FINISHING_S,
        )
    )


def benchmark_folder() -> Path:
    """Return where the files of benchmarks lie."""
    return Path(os.environ.get("OCR_PIPELINE_BENCHMARKS") or sample_path("benchmarks"))
