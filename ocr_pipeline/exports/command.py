"""The command ``export``: the data set in the forms of trainers and RL stacks."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ocr_pipeline.console import progress, report
from ocr_pipeline.exports.export import export as write_export
from ocr_pipeline.exports.options import ExportOptions, Format
from ocr_pipeline.exports.reading import Inputs, outcomes
from ocr_pipeline.parameters import with_options

__all__ = ["export"]


@with_options
def export(  # noqa: PLR0913 - one parameter per file and option
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH…",
            help="Rows of sft_dataset; for RL problems. Files, folders, a data root or the output folder of a command.",
        ),
    ],
    *,
    form: Annotated[Format, typer.Option("--format", help="Form of the rows.")],
    out: Annotated[Path, typer.Option(help="Folder for the files.")],
    problems: Annotated[
        list[Path] | None, typer.Option(help="Problems, for what rows of sft_dataset do not hold.")
    ] = None,
    tests: Annotated[list[Path] | None, typer.Option(help="Tests of the problems, for RL rows.")] = None,
    trust: Annotated[
        list[Path] | None, typer.Option(help="What reference solutions said of the tests: test_trust.")
    ] = None,
    difficulty: Annotated[list[Path] | None, typer.Option(help="How hard problems are: problem_difficulty.")] = None,
    options: ExportOptions,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Write the data set, or problems with their tests, in the form that a trainer or an RL stack reads."""
    inputs = Inputs(paths, problems or (), tests or (), trust or (), difficulty or ())
    left_out: Counter[str] = Counter()

    def shaped() -> object:
        left_out.clear()
        return outcomes(inputs, form, options, left_out)

    with progress("export", unit="rows") as bar:
        counts = write_export(shaped, form, out, options, progress=bar)  # type: ignore[arg-type]
    notes = {f"tests left out: {reason}": count for reason, count in left_out.items()}
    report(replace(counts, notes=notes), as_json=as_json, out=out)
