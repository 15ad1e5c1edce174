"""Group duplicates: every pair of similar problems with its decision, and the problems that stay."""

from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from assets.materialize import fails_in_one_line, materialize_table
from assets.metadata import markdown_table, table_asset
from ocr_pipeline import duplicates
from ocr_pipeline.building import Build, Writers
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.judge.lending import MOST_TESTS, lend_judge
from ocr_pipeline.similarity import opinion_config
from ocr_pipeline.sources import SOURCES, Role
from ocr_pipeline.store import InputRef, Store
from ocr_pipeline.tables import DUPLICATE_PAIRS, PROBLEMS, SOLUTIONS, TESTS, UNIQUE_PROBLEMS, Table
from resources import EncoderResource, SandboxResource, StoreResource, TeacherResource

__all__ = ["DuplicatesConfig", "duplicate_pairs", "unique_problems"]

GROUP: Final = "2_duplicates"
NEAREST: Final = 8
ROWS_PER_BATCH: Final = 1_024


class DuplicatesConfig(dg.Config):
    """What counts as the same problem."""

    threshold: float = 0.7
    undecided: str = "keep"
    """Pairs that no evidence decides: keep both problems, or drop one as the plain threshold would."""
    execution_pairs: int = 200
    """Undecided pairs, most alike first, whose correct solutions are run on each other's tests; 0: none."""
    opinion_model: str = ""
    """Model on the teacher's server that is asked about pairs no rule decides; empty: none."""
    labelled_pairs: str = ""
    """Parquet with text_a, text_b and label: the curve's precision and recall are then those on these pairs."""


def training_rows(store: Store, table: Table) -> Iterator[pa.RecordBatch]:
    """Stream a table of every ingested data set that is no benchmark."""
    return chain.from_iterable(store.open(table, **keys).to_batches() for keys in _training(store, table))


def _rows_of(store: Store, table: Table, problem_ids: Collection[str]) -> Iterator[pa.RecordBatch]:
    wanted = pc.field("problem_id").isin(list(problem_ids))
    return chain.from_iterable(
        store.open(table, **keys).to_batches(filter=wanted, batch_size=ROWS_PER_BATCH)
        for keys in _training(store, table)
    )


def _execution(store: Store, sandbox: SandboxResource, checkpoint: Path) -> duplicates.Execution | None:
    """Return the judge with what it runs; none where no sandbox works."""
    judge = lend_judge(sandbox.config().replaced(max_tests=MOST_TESTS), checkpoint)
    if judge is None:
        return None
    return duplicates.Execution(
        judge,
        problems=lambda: training_rows(store, PROBLEMS),
        tests=lambda ids: _rows_of(store, TESTS, ids),
        solutions=lambda ids: _rows_of(store, SOLUTIONS, ids),
    )


def training_references(store: Store, *tables: Table) -> list[InputRef]:
    """Return references to what :func:`training_rows` streams."""
    return [store.reference(table, **keys) for table in tables for keys in _training(store, table)]


def _training(store: Store, table: Table) -> list[dict[str, str]]:
    return [keys for keys in store.partitions(table) if SOURCES[keys["dataset"]].role is Role.TRAIN]


@table_asset(DUPLICATE_PAIRS, group=GROUP, code_version=duplicates.VERSION, upstream=(PROBLEMS, TESTS, SOLUTIONS))
def duplicate_pairs(
    context: dg.AssetExecutionContext,
    config: DuplicatesConfig,
    store: StoreResource,
    encoder: EncoderResource,
    teacher: TeacherResource,
    sandbox: SandboxResource,
) -> dg.MaterializeResult[Any]:
    """Compare every problem with every other; people's reviews override the rules."""
    opened = store.open()
    settings = duplicates.DuplicateConfig.of(config)

    def run(writers: Writers) -> StageCounts:
        with teacher.opinions(config.opinion_model, store.side_folder("ledger")) as opinions:
            compared = duplicates.compare_problems(
                training_rows(opened, PROBLEMS),
                tests=training_rows(opened, TESTS),
                config=settings,
                encoder=encoder.load(store.side_folder("embeddings")),
                reviews=store.reviews(),
                opinions=opinions,
                execution=_execution(opened, sandbox, store.side_folder("judged_pairs")),
            )
        writers[DUPLICATE_PAIRS.name].write(compared.pairs)
        rows = compared.pairs.num_rows
        return StageCounts(rows_in=rows, kept=rows, notes=compared.notes)

    build = Build(
        tables=(DUPLICATE_PAIRS,),
        partition={},
        config={**settings.settings, "encoder": encoder.model, **opinion_config(config.opinion_model)},
        code_version=duplicates.VERSION,
        inputs=[*training_references(opened, PROBLEMS, TESTS, SOLUTIONS), *store.reviews_references()],
        run=run,
    )
    result = materialize_table(context, opened, lambda _: build)
    if (result.metadata or {}).get("unchanged"):
        return result
    with fails_in_one_line():
        curve = duplicates.threshold_curve(
            training_rows(opened, PROBLEMS),
            tests=training_rows(opened, TESTS),
            encoder=encoder.load(store.side_folder("embeddings")),
            reviews=store.reviews(),
            labelled=duplicates.read_labelled(Path(config.labelled_pairs)) if config.labelled_pairs else (),
            undecided=settings.undecided,
        )
    return result._replace(metadata={**(result.metadata or {}), **_shown(curve, opened, config.threshold)})


def _shown(curve: pa.Table, store: Store, threshold: float) -> dict[str, Any]:
    """Show what other thresholds would keep, and the pairs that lie nearest to this one."""
    pairs = store.open(DUPLICATE_PAIRS).to_table(columns=["left_id", "right_id", "cosine", "lexical", "decision"])
    distance = pc.abs(pc.subtract(pairs["cosine"].cast(pa.float64()), threshold))
    nearest = pairs.append_column("distance", distance).sort_by("distance").drop_columns("distance").slice(0, NEAREST)
    return {
        "threshold_curve": dg.MetadataValue.md(markdown_table(curve)),
        "pairs_near_the_threshold": dg.MetadataValue.md(markdown_table(nearest)),
    }


@table_asset(UNIQUE_PROBLEMS, group=GROUP, code_version=duplicates.VERSION, upstream=(PROBLEMS, DUPLICATE_PAIRS))
def unique_problems(context: dg.AssetExecutionContext, store: StoreResource) -> dg.MaterializeResult[Any]:
    """Keep one problem of each group of duplicates, with the provenance of all."""
    opened = store.open()
    build = Build(
        tables=(UNIQUE_PROBLEMS,),
        partition={},
        config={},
        code_version=duplicates.VERSION,
        inputs=[*training_references(opened, PROBLEMS), opened.reference(DUPLICATE_PAIRS)],
        run=lambda writers: duplicates.select_unique(
            lambda: training_rows(opened, PROBLEMS),
            opened.open(DUPLICATE_PAIRS).to_table(),
            writers[UNIQUE_PROBLEMS.name],
        ),
    )
    return materialize_table(context, opened, lambda _: build)
