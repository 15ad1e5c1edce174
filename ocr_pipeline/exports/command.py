"""The commands ``export`` and ``join``: the data set in the forms of others, and with the statements of one's own copy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer

from ocr_pipeline import logs
from ocr_pipeline.console import progress, report
from ocr_pipeline.engine import usable_cores
from ocr_pipeline.errors import OptionError
from ocr_pipeline.exports.export import export as write_export
from ocr_pipeline.exports.joining import Copies, needed_of
from ocr_pipeline.exports.joining import join as write_joined
from ocr_pipeline.exports.options import ExportOptions, Format
from ocr_pipeline.exports.outcome import Outcome
from ocr_pipeline.exports.reading import Inputs, inside, outcomes
from ocr_pipeline.parameters import with_options
from ocr_pipeline.sources import ingest
from ocr_pipeline.sources.catalogue import source_named
from ocr_pipeline.sources.hub import local_path
from ocr_pipeline.store import FileWriter, TableWriter, open_files
from ocr_pipeline.tables import CLEAN_PROBLEMS, PROBLEMS, SFT_DATASET, UNIQUE_PROBLEMS

__all__ = ["export", "join"]


@with_options
def export(  # noqa: PLR0913 - one parameter per file and option
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH",
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
    critiques: Annotated[list[Path] | None, typer.Option(help="What critics said, for ocr2: critiques.")] = None,
    options: ExportOptions,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Write the data set, or problems with their tests, in the form that a trainer or an RL stack reads."""
    inputs = Inputs(paths, problems or (), tests or (), trust or (), difficulty or (), critiques or ())
    left_out: Counter[str] = Counter()

    def shaped() -> Iterator[Outcome]:
        left_out.clear()
        return outcomes(inputs, form, options, left_out)

    with progress("export", unit="rows") as bar:
        counts = write_export(shaped, form, out, options, progress=bar)
    notes = {f"tests left out: {reason}": count for reason, count in left_out.items()}
    report(replace(counts, notes=notes), as_json=as_json, out=out)


def join(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Rows of sft_dataset: files, folders or a data root.")
    ],
    *,
    out: Annotated[Path, typer.Option(help="Folder for sft_dataset.parquet.")],
    problems: Annotated[
        list[Path] | None, typer.Option(help="Ingested problems: files, folders or a data root.")
    ] = None,
    raw: Annotated[
        list[str] | None, typer.Option(metavar="DATASET=PATH", help="Raw files of a data set, again for each.")
    ] = None,
    keep_unjoined: Annotated[
        bool, typer.Option("--keep-unjoined", help="Keep rows whose statement is not found, with `-`.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Fill withheld statements of the data set in from your own copy of its sources."""
    if not problems and not raw:
        raise OptionError("give your own copy: --problems, or --raw DATASET=PATH")
    places = inside(paths, SFT_DATASET)

    def rows() -> Iterator[pa.RecordBatch]:
        return open_files(places, SFT_DATASET, required=("input",))

    named = [_named(text) for text in raw or ()]
    copies = Copies(needed_of(rows()))
    known = inside(problems or (), PROBLEMS, CLEAN_PROBLEMS, UNIQUE_PROBLEMS)
    for batch in open_files(known, PROBLEMS, required=("problem_id", "statement")):
        copies.write(batch)
    for dataset, place in named:
        copies.datasets.add(dataset)
        _read_raw(dataset, place, copies)
    with FileWriter(out / "sft_dataset.parquet", SFT_DATASET) as writer:
        counts = write_joined(rows, copies, keep_unjoined=keep_unjoined, writer=writer)
    report(counts, as_json=as_json, out=out)


def _named(text: str) -> tuple[str, str]:
    dataset, sign, place = text.partition("=")
    if not sign or not place:
        message = f"raw must be DATASET=PATH, such as taco=downloads/TACO, got `{text}`"
        raise OptionError(message)
    source_named(dataset)
    return dataset, place


def _read_raw(dataset: str, place: str, copies: Copies) -> None:
    """Ingest those splits of a data set that rows come from, and keep only the statements."""
    nowhere = _Nowhere()
    writers: dict[str, TableWriter] = {"problems": copies, "tests": nowhere, "solutions": nowhere, "rejected": nowhere}
    path = local_path(source_named(dataset), place)
    for split in sorted(copies.needed.splits.get(dataset, ())):
        logs.say(f"join: reading {dataset} {split} from {place}")
        ingest(dataset, [path], split=split, writers=writers, workers=usable_cores())


class _Nowhere:
    """Takes rows that nobody needs."""

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Forget them."""
