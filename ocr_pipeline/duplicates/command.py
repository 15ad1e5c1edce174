"""The command ``dedup``: problems in, decided pairs and unique problems out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer

from ocr_pipeline.console import report
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.duplicates.curve import CURVE, read_labelled, threshold_curve
from ocr_pipeline.duplicates.decisions import Undecided
from ocr_pipeline.duplicates.execution import Execution
from ocr_pipeline.duplicates.pairs import DuplicateConfig, compare_problems
from ocr_pipeline.duplicates.selection import select_unique
from ocr_pipeline.similarity import Reviews, load_encoder, read_reviews
from ocr_pipeline.similarity.options import Lent, OpinionApiKey, OpinionModel, OpinionUrl, open_opinions
from ocr_pipeline.store import FileWriter, file_writers, open_files
from ocr_pipeline.tables import DUPLICATE_PAIRS, PROBLEMS, SOLUTIONS, TESTS, UNIQUE_PROBLEMS

__all__ = ["dedup"]


def dedup(  # noqa: PLR0913 - one parameter per option
    context: typer.Context,
    problems: Annotated[list[str], typer.Argument(metavar="PROBLEMS…", help="Parquet or JSONL files, or folders.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder for duplicate_pairs.parquet and unique_problems.parquet.")],
    threshold: Annotated[float, typer.Option(help="Lowest cosine of a pair.")] = 0.7,
    reviews: Annotated[Path | None, typer.Option(help="What people decided: Parquet, JSONL or CSV.")] = None,
    tests: Annotated[Path | None, typer.Option(help="The problems' tests: known answers are evidence.")] = None,
    solutions: Annotated[
        Path | None, typer.Option(help="The problems' solutions: correct ones are run on the tests of undecided pairs.")
    ] = None,
    undecided: Annotated[
        Undecided,
        typer.Option(help="Pairs that no evidence decides: keep both, or drop one as the plain threshold would."),
    ] = Undecided.KEEP,
    execution_pairs: Annotated[
        int, typer.Option(min=0, help="Undecided pairs, most alike first, whose solutions are run; 0: none.")
    ] = 200,
    model: Annotated[str | None, typer.Option(help="Hub id or folder; the default is the embedded model.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps embeddings between runs.")] = None,
    opinion_url: OpinionUrl = None,
    opinion_model: OpinionModel = None,
    opinion_api_key_env: OpinionApiKey = None,
    curve: Annotated[bool, typer.Option("--curve", help="Write threshold_curve.parquet, too.")] = False,
    labelled: Annotated[
        Path | None,
        typer.Option(help="Pairs for the curve's precision and recall: Parquet with text_a, text_b, label."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Remove the same problem told twice, and keep look-alikes that are different problems."""
    config = DuplicateConfig(threshold=threshold, undecided=undecided, execution_pairs=execution_pairs)
    decided = read_reviews(reviews) if reviews else Reviews()
    known = read_labelled(labelled) if labelled else []
    encoder = load_encoder(model, cache=cache)
    with open_opinions(context, opinion_url, opinion_model, opinion_api_key_env, out) as opinions:
        comparison = compare_problems(
            _problems(problems),
            tests=_tests(tests),
            config=config,
            encoder=encoder,
            reviews=decided,
            opinions=opinions,
            execution=_execution(context, problems, tests, solutions, config, out),
        )
    sys.stderr.write("".join(f"{line}\n" for line in decided.warnings(comparison.pairs["pair_key"].to_pylist())))
    with file_writers(out, (DUPLICATE_PAIRS.name, UNIQUE_PROBLEMS.name)) as writers:
        writers[DUPLICATE_PAIRS.name].write(comparison.pairs)
        counts = select_unique(lambda: _problems(problems), comparison.pairs, writers[UNIQUE_PROBLEMS.name])
    if curve or labelled:
        drawn = threshold_curve(
            _problems(problems),
            tests=_tests(tests),
            encoder=encoder,
            reviews=decided,
            labelled=known,
            undecided=undecided,
        )
        with FileWriter(out / "threshold_curve.parquet", CURVE) as curve_file:
            curve_file.write(drawn)
    counts = StageCounts(counts.rows_in, counts.kept, counts.dropped, comparison.notes)
    report(counts.require_conserved("dedup"), as_json=as_json, out=out)


def _problems(paths: list[str]) -> Iterator[pa.RecordBatch]:
    return open_files(paths, PROBLEMS, required=["problem_id", "statement"])


def _execution(
    context: typer.Context,
    problems: list[str],
    tests: Path | None,
    solutions: Path | None,
    config: DuplicateConfig,
    out: Path,
) -> Execution | None:
    """Return the judge with what it runs; none without tests, solutions, a budget or a sandbox."""
    if not (tests and solutions and config.execution_pairs):
        return None
    lent: Lent = context.obj
    judge = lent.judge(out / ".judge")
    if judge is None:
        sys.stderr.write("no sandbox works here: no solution is run, and pairs stay undecided\n")
        return None
    return Execution(
        judge,
        problems=lambda: _problems(problems),
        tests=lambda _: open_files([tests], TESTS, required=["problem_id", "test_id", "input", "expected"]),
        solutions=lambda _: open_files(
            [solutions], SOLUTIONS, required=["problem_id", "language", "code", "is_correct"]
        ),
    )


def _tests(path: Path | None) -> Iterator[pa.RecordBatch] | None:
    return open_files([path], TESTS, required=["problem_id", "input", "expected"]) if path else None
