"""The commands ``explain``, ``funnel`` and ``release``: what happened to one row, to all of them, and what is handed on."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from ocr_pipeline.errors import ConservationError, InputError
from ocr_pipeline.evidence.accounting import unaccounted
from ocr_pipeline.evidence.funnel import build_funnel, print_funnel
from ocr_pipeline.evidence.history import explain as explained
from ocr_pipeline.evidence.release import release as write_release
from ocr_pipeline.evidence.undecided import undecided_pairs
from ocr_pipeline.store import Store
from ocr_pipeline.tables import table_named

__all__ = ["explain", "funnel", "release"]

DataRoot = Annotated[str, typer.Option(envvar="OCR_PIPELINE_DATA", help="The data root: a folder or a URI.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def explain(
    identifier: Annotated[
        str,
        typer.Argument(
            metavar="PROBLEM_OR_SAMPLE_ID", help="<dataset>/<split>/<native id>, or (the start of) a sample id."
        ),
    ],
    data: DataRoot = "data",
    as_json: AsJson = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Tell the whole history of a problem, a rejected row or a sample."""
    explanation = explained(Store(data), identifier)
    sys.stdout.write((explanation.to_json() if as_json else explanation.to_text()) + "\n")


def funnel(
    data: DataRoot = "data",
    as_json: AsJson = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Account for every row: in, kept and dropped by reason at each stage; fails when one cannot be found again."""
    store = Store(data)
    if store.local_root is not None and not store.local_root.is_dir():
        message = f"`{data}` is not a data root; materialize some tables, or point --data or OCR_PIPELINE_DATA at one"
        raise InputError(message)
    table = build_funnel(store)
    lost = unaccounted(store)
    undecided = list(undecided_pairs(store))
    if as_json:
        told = {"funnel": table.to_pylist(), "unaccounted": lost, "undecided": undecided}
        sys.stdout.write(json.dumps(told, sort_keys=True) + "\n")
    else:
        from rich.console import Console

        print_funnel(table, Console())
        sys.stdout.write("".join(f"{line}\n" for line in undecided))
        sys.stdout.write("".join(f"unaccounted: {line}\n" for line in lost))
        if not lost:
            sys.stdout.write("Every row is accounted for.\n")
    if lost:
        message = f"{len(lost)} kinds of rows are not accounted for in `{data}`; the first: {lost[0]}"
        raise ConservationError(message)


def release(
    name: Annotated[str, typer.Argument(help="Name of the release, such as 2026-11; it never changes.")],
    *,
    table: Annotated[str, typer.Option(help="sft_dataset, or a selection with a name.")] = "sft_dataset",
    data: DataRoot = "data",
    out: Annotated[
        str, typer.Option(help="Folder or URI of all releases; the default is releases in the data root.")
    ] = "",
) -> None:
    """Write an immutable folder that pandas, DuckDB, Polars, Spark and datasets read with their defaults."""
    try:
        released = table_named(table)
    except KeyError as error:
        raise InputError(str(error.args[0])) from None
    if "license" not in released.schema.names:
        message = f"`{table}` has no licences, so it is not handed on; release sft_dataset or a selection with a name"
        raise InputError(message)
    sys.stdout.write(f"{write_release(Store(data), released, name, out)}\n")
