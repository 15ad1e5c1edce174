"""The commands ``explain``, ``funnel``, ``compare-patterns`` and ``release``: what happened to rows, and what is handed on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from ocr_pipeline.errors import ConservationError, InputError
from ocr_pipeline.evidence.accounting import unaccounted
from ocr_pipeline.evidence.funnel import build_funnel, print_funnel
from ocr_pipeline.evidence.history import explain as explained
from ocr_pipeline.evidence.pattern_groups import GroupConfig, pattern_plot
from ocr_pipeline.evidence.pattern_groups import compare_patterns as compared
from ocr_pipeline.evidence.release import release as write_release
from ocr_pipeline.evidence.undecided import undecided_pairs
from ocr_pipeline.markdown import markdown_table
from ocr_pipeline.parameters import with_options
from ocr_pipeline.store import FileWriter, Store, atomic_write, open_files
from ocr_pipeline.tables import EXECUTIONS, PATTERN_GROUPS, PATTERN_LABELS, REASONING_PATTERNS, table_named

__all__ = ["compare_patterns", "explain", "funnel", "release"]

DataRoot = Annotated[str, typer.Option(envvar="OCR_PIPELINE_DATA", help="The data root: a folder or a URI.")]
SHOWN: Final = ("measure", "passing", "failing", "difference", "standard_error", "within_problems", "p_value")
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


@with_options
def compare_patterns(
    patterns: Annotated[list[Path], typer.Argument(help="reasoning_patterns: Parquet, JSONL or folders.")],
    *,
    executions: Annotated[list[Path], typer.Option(help="Verdicts of the same samples.")],
    labels: Annotated[
        list[Path] | None, typer.Option(help="pattern_labels: what is compared, or what the rules are held against.")
    ] = None,
    options: GroupConfig,
    out: Annotated[Path, typer.Option(help="Folder for pattern_groups.parquet and pattern_groups.png.")],
    as_json: AsJson = False,
) -> None:
    """Compare the moves of passing and failing samples, with a test that exchanges verdicts inside problems."""
    table = compared(
        open_files(patterns, REASONING_PATTERNS),
        open_files(executions, EXECUTIONS, required=["sample_id", "verdict"]),
        labels=open_files(labels or (), PATTERN_LABELS, required=["sample_id", "rule", "first", "second", "verdict"]),
        config=options,
    )
    with FileWriter(out / f"{PATTERN_GROUPS.name}.parquet", PATTERN_GROUPS) as writer:
        writer.write(table)
    with atomic_write(out / f"{PATTERN_GROUPS.name}.png") as file:
        file.write(pattern_plot(table))
    if as_json:
        sys.stdout.write(json.dumps(table.to_pylist(), sort_keys=True) + "\n")
        return
    rows = [[_cell(row[name]) for name in SHOWN] for row in table.to_pylist()]
    sys.stdout.write(markdown_table(SHOWN, rows) + "\n")


def _cell(value: object) -> str:
    return "-" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


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
