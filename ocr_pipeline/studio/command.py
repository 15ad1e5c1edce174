"""The commands ``studio`` (the web pages) and ``reviews`` (the same decisions as a file)."""

from __future__ import annotations

import os
import socket
import sys
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Annotated, Final

import typer

from ocr_pipeline.console import report
from ocr_pipeline.errors import InputError
from ocr_pipeline.extras import require
from ocr_pipeline.store import Store
from ocr_pipeline.tables import PROBLEMS

__all__ = ["reviews", "studio"]

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")

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
    from ocr_pipeline.studio.session import benchmark_folder
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
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port of the pages.")] = 8501,
    host: Annotated[str, typer.Option(help="Address to listen on; the default is this machine only.")] = "127.0.0.1",
) -> None:
    """Open the web pages: review uncertain pairs, browse rows, see the funnel. Ends with Ctrl-C."""
    require("streamlit")
    _require_data(data)
    _require_free(host, port)
    if host not in LOOPBACK:
        sys.stderr.write(f"warning: the pages ask for no password, and anybody who reaches {host}:{port} may decide\n")
    address = f"[{host}]" if ":" in host else host
    sys.stderr.write(f"studio of `{data}`: http://{address}:{port} (Ctrl-C ends it)\n")
    os.environ["OCR_PIPELINE_DATA"] = data
    # In the place of this process: no child is left behind when it is killed.
    os.execv(sys.executable, _streamlit(host, port))  # noqa: S606 - our own interpreter, no shell


def _streamlit(host: str, port: int) -> list[str]:
    app = resources.files("ocr_pipeline.studio") / "app.py"
    options = {
        "server.address": host,
        "server.port": str(port),
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "logger.level": "warning",
    }
    return [
        sys.executable,
        *("-m", "streamlit", "run", str(app)),
        *(part for name, value in options.items() for part in (f"--{name}", value)),
    ]


def _require_data(data: str) -> None:
    if not Store(data).partitions(PROBLEMS):
        message = (
            f"`{data}` holds no problems; run `make demo` first, or name a data root with --data or OCR_PIPELINE_DATA"
        )
        raise InputError(message)


def _require_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            message = f"cannot listen on {host}:{port}: {error.strerror}; choose another one with --port or --host"
            raise InputError(message) from error
