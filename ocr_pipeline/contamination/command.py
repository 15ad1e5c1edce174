"""The command ``decontaminate``: problems and benchmarks in, evidence and clean problems out."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.compute as pc
import typer

from ocr_pipeline.console import report
from ocr_pipeline.contamination.benchmark import Benchmark, read_benchmark
from ocr_pipeline.contamination.checking import ContaminationConfig, check
from ocr_pipeline.contamination.decisions import Undecided
from ocr_pipeline.contamination.selection import select_clean
from ocr_pipeline.errors import InputError
from ocr_pipeline.similarity import Reviews, load_encoder, read_reviews
from ocr_pipeline.similarity.options import OpinionApiKey, OpinionModel, OpinionUrl, open_opinions
from ocr_pipeline.store import file_writers, open_files
from ocr_pipeline.tables import CLEAN_PROBLEMS, CONTAMINATION

__all__ = ["decontaminate"]


def decontaminate(  # noqa: PLR0913 - one parameter per option
    context: typer.Context,
    problems: Annotated[
        list[str], typer.Argument(metavar="PROBLEMS…", help="problems or unique_problems: files or folders.")
    ],
    *,
    against: Annotated[list[str], typer.Option(metavar="NAME=FILE", help="A benchmark; may be given several times.")],
    out: Annotated[Path, typer.Option(help="Folder for contamination.parquet and clean_problems.parquet.")],
    threshold: Annotated[float, typer.Option(help="Lowest cosine of a suspect.")] = 0.7,
    undecided: Annotated[
        Undecided, typer.Option(help="Suspects that no evidence decides: drop them, or keep them.")
    ] = Undecided.DROP,
    reviews: Annotated[Path | None, typer.Option(help="What people decided: Parquet, JSONL or CSV.")] = None,
    model: Annotated[str | None, typer.Option(help="Hub id or folder; the default is the embedded model.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps embeddings between runs.")] = None,
    opinion_url: OpinionUrl = None,
    opinion_model: OpinionModel = None,
    opinion_api_key_env: OpinionApiKey = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Find the problems that a benchmark holds, and keep the others."""
    config = ContaminationConfig(threshold=threshold, undecided=undecided)
    benchmarks = [_benchmark(named) for named in against]
    decided = read_reviews(reviews) if reviews else Reviews()
    encoder = load_encoder(model, cache=cache)
    with open_opinions(context, opinion_url, opinion_model, opinion_api_key_env, out) as opinions:
        evidence = check(
            _open(problems), benchmarks, config=config, encoder=encoder, reviews=decided, opinions=opinions
        )
    sys.stderr.write("".join(f"{line}\n" for line in decided.warnings(decided.votes)))
    with file_writers(out, (CONTAMINATION.name, CLEAN_PROBLEMS.name)) as writers:
        writers[CONTAMINATION.name].write(evidence)
        counts = select_clean(_open(problems), evidence, writers[CLEAN_PROBLEMS.name])
    report(counts.require_conserved("decontaminate"), as_json=as_json, out=out)


def _benchmark(named: str) -> Benchmark:
    name, equals, path = named.partition("=")
    if not (name and equals and path):
        message = f"`--against {named}` is not NAME=FILE; write for example humaneval=humaneval.parquet"
        raise InputError(message)
    return read_benchmark(name, path)


def _open(paths: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Stream unique problems; plain problems become their own only members."""
    for batch in open_files(paths, CLEAN_PROBLEMS, required=["problem_id", "statement"]):
        yield _with_provenance(batch)


def _with_provenance(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Fill the lists that a plain problems table does not have."""
    rows = pa.table(batch)
    for column, single in (("member_ids", "problem_id"), ("datasets", "dataset"), ("licenses", "license")):
        empty = pc.equal(pc.list_value_length(rows[column]), 0)
        own = pa.array([[value] for value in rows[single].to_pylist()], rows.schema.field(column).type)
        place = rows.schema.get_field_index(column)
        rows = rows.set_column(place, rows.schema.field(column), pc.if_else(empty, own, rows[column].combine_chunks()))
    return rows.combine_chunks().to_batches()[0] if rows.num_rows else batch
