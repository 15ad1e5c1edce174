"""Group contamination: unique problems against the benchmarks, and the problems that no benchmark holds."""

from typing import Any

import dagster as dg

from assets.materialize import materialize_table
from assets.metadata import table_asset
from ocr_pipeline import contamination as step
from ocr_pipeline.building import Build, Writers
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.similarity import opinion_config
from ocr_pipeline.tables import CLEAN_PROBLEMS, CONTAMINATION, PROBLEMS, UNIQUE_PROBLEMS
from resources import BenchmarksResource, EncoderResource, StoreResource, TeacherResource

__all__ = ["ContaminationConfig", "clean_problems", "contamination"]

GROUP = "3_contamination"


class ContaminationConfig(dg.Config):
    """What counts as a benchmark's problem."""

    threshold: float = 0.7
    undecided: str = "drop"
    """Suspects that no evidence decides: drop them, for a benchmark is protected, or keep them."""
    opinion_model: str = ""
    """Model on the teacher's server that is asked about suspects no rule decides; empty: none."""


@table_asset(CONTAMINATION, group=GROUP, code_version=step.VERSION, upstream=(UNIQUE_PROBLEMS, PROBLEMS))
def contamination(
    context: dg.AssetExecutionContext,
    config: ContaminationConfig,
    store: StoreResource,
    encoder: EncoderResource,
    benchmarks: BenchmarksResource,
    teacher: TeacherResource,
) -> dg.MaterializeResult[Any]:
    """Compare every unique problem with every benchmark problem and store the evidence."""
    opened = store.open()
    settings = step.ContaminationConfig.of(config)
    targets = benchmarks.open(opened)

    def run(writers: Writers) -> StageCounts:
        with teacher.opinions(config.opinion_model, store.side_folder("ledger")) as opinions:
            evidence = step.check(
                opened.open(UNIQUE_PROBLEMS).to_batches(),
                targets,
                config=settings,
                encoder=encoder.load(store.side_folder("embeddings")),
                reviews=store.reviews(),
                opinions=opinions,
            )
        writers[CONTAMINATION.name].write(evidence)
        return StageCounts(rows_in=evidence.num_rows, kept=evidence.num_rows)

    build = Build(
        tables=(CONTAMINATION,),
        partition={},
        config={
            **settings.settings,
            "encoder": encoder.model,
            "benchmarks": {one.name: one.version for one in targets},
            **opinion_config(config.opinion_model),
        },
        code_version=step.VERSION,
        inputs=[opened.reference(UNIQUE_PROBLEMS), *benchmarks.references(opened), *store.reviews_references()],
        run=run,
    )
    return materialize_table(context, opened, lambda _: build)


@table_asset(CLEAN_PROBLEMS, group=GROUP, code_version=step.VERSION, upstream=(UNIQUE_PROBLEMS, CONTAMINATION))
def clean_problems(context: dg.AssetExecutionContext, store: StoreResource) -> dg.MaterializeResult[Any]:
    """Keep the problems that no benchmark holds."""
    opened = store.open()
    build = Build(
        tables=(CLEAN_PROBLEMS,),
        partition={},
        config={},
        code_version=step.VERSION,
        inputs=[opened.reference(UNIQUE_PROBLEMS), opened.reference(CONTAMINATION)],
        run=lambda writers: step.select_clean(
            opened.open(UNIQUE_PROBLEMS).to_batches(),
            opened.open(CONTAMINATION).to_table(),
            writers[CLEAN_PROBLEMS.name],
        ),
    )
    return materialize_table(context, opened, lambda _: build)
