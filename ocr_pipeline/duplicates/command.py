"""The command ``dedup``: problems in, decided pairs and unique problems out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ocr_pipeline.console import report
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.duplicates.pairs import DuplicateConfig, compare_problems
from ocr_pipeline.duplicates.selection import select_unique
from ocr_pipeline.similarity import Reviews, load_encoder, read_reviews
from ocr_pipeline.store import FileWriter, open_files
from ocr_pipeline.tables import DUPLICATE_PAIRS, PROBLEMS, TESTS, UNIQUE_PROBLEMS

__all__ = ["dedup"]


def dedup(
    problems: Annotated[list[str], typer.Argument(metavar="PROBLEMS…", help="Parquet or JSONL files, or folders.")],
    out: Annotated[Path, typer.Option(help="Folder for duplicate_pairs.parquet and unique_problems.parquet.")],
    threshold: Annotated[float, typer.Option(help="Lowest cosine of a pair.")] = 0.7,
    reviews: Annotated[Path | None, typer.Option(help="What people decided: Parquet, JSONL or CSV.")] = None,
    tests: Annotated[Path | None, typer.Option(help="The problems' tests.")] = None,
    model: Annotated[str | None, typer.Option(help="Hub id or folder; the default is the embedded model.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps embeddings between runs.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Remove the same problem told twice, and keep look-alikes that are different problems."""
    config = DuplicateConfig(threshold=threshold)
    opinions = read_reviews(reviews) if reviews else Reviews()
    comparison = compare_problems(
        open_files(problems, PROBLEMS, required=["problem_id", "statement"]),
        tests=open_files([tests], TESTS, required=["problem_id", "input", "expected"]) if tests else None,
        config=config,
        encoder=load_encoder(model, cache=cache),
        reviews=opinions,
    )
    with (
        FileWriter(out / "duplicate_pairs.parquet", DUPLICATE_PAIRS) as pairs_file,
        FileWriter(out / "unique_problems.parquet", UNIQUE_PROBLEMS) as unique_file,
    ):
        pairs_file.write(comparison.pairs)
        counts = select_unique(
            lambda: open_files(problems, PROBLEMS, required=["problem_id", "statement"]), comparison.pairs, unique_file
        )
    counts = StageCounts(counts.rows_in, counts.kept, counts.dropped, comparison.notes)
    report(counts.require_conserved("dedup"), as_json=as_json, out=out)
