"""The command ``ledger copy``: what is worth money on its way between a folder and a database.

It is on the roof because it brings together what two rooms keep: the teacher's ledgers and the judge's results.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from ocr_pipeline.store.postgres import is_database
from ocr_pipeline.teacher.command import ledger
from ocr_pipeline.teacher.ledger import SUFFIX
from ocr_pipeline.teacher.ledgers import copy_ledgers

__all__ = ["copy", "ledger"]

BESIDE: Final = {"_ledger": "_judged", "ledger": ".judge"}
"""Folder of ledgers → that of judge results beside it: of a data root, and of a command's output."""
INSIDE: Final = "judged"
"""The folder of judge results in any other folder of ledgers."""


@ledger.command()
def copy(
    source: Annotated[
        str, typer.Argument(help="A folder of ledgers, one of judge results (_judged, .judge), or postgresql://….")
    ],
    target: Annotated[str, typer.Argument(help="The same; what it holds already stays as it is.")],
) -> None:
    """Copy ledgers and judge results from a folder into Postgres, or back; again it copies only what is new.

    Judge results are in _judged beside _ledger, in .judge beside ledger, in judged inside any other folder.
    """
    from ocr_pipeline.judge.checkpoint import FILE, copy_results

    files = () if is_database(source) else [path.name for path in Path(source).glob(f"*{SUFFIX}")]
    holds_results = list(files) == [FILE]
    if not holds_results:
        for name, (new, had) in copy_ledgers(source, target).items():
            sys.stdout.write(f"{name}: {new:,} new records, {had:,} were there\n")
    home = source if holds_results else _results_of(source)
    if is_database(home) or (Path(home) / FILE).exists():
        new, had = copy_results(home, _results_of(target))
        sys.stdout.write(f"judge results: {new:,} new, {had:,} were there\n")


def _results_of(place: str) -> str:
    """Return where the judge results of a place are."""
    if is_database(place):
        return place
    folder = Path(place).resolve()
    return str(folder.with_name(BESIDE[folder.name]) if folder.name in BESIDE else folder / INSIDE)
