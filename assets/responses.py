"""Group teacher: what the teacher answers, per data set and programming language."""

from collections.abc import Iterator
from typing import Any, Final

import dagster as dg

from assets.materialize import materialize
from assets.metadata import described
from assets.partitions import BY_DATASET_AND_LANGUAGE
from ocr_pipeline import teacher as step
from ocr_pipeline.building import Build, Writers
from ocr_pipeline.console import progress
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.tables import CLEAN_PROBLEMS, RESPONSES
from resources import StoreResource, TeacherResource

__all__ = ["TEACHER_POOL", "responses"]

TEACHER_POOL: Final = "teacher"
LONGEST_RUN_S: Final = 7 * 24 * 3600


@dg.asset(
    deps=["clean_problems"],
    partitions_def=BY_DATASET_AND_LANGUAGE,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=TEACHER_POOL,
    retry_policy=dg.RetryPolicy(max_retries=3, delay=60, backoff=dg.Backoff.EXPONENTIAL),
    op_tags={"dagster/max_runtime": str(LONGEST_RUN_S)},
    **described(RESPONSES, group="teacher", upstream=(CLEAN_PROBLEMS,), kinds=("vllm",)),
)
def responses(
    context: dg.AssetExecutionContext, store: StoreResource, teacher: TeacherResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Ask the teacher; answers that the ledger holds are not asked again."""
    opened = store.open()
    with step.started_when_used(teacher.server()) as server:

        def plan(partition: dict[str, str]) -> Build:
            config = teacher.generation(partition["language"])

            def run(writers: Writers) -> StageCounts:
                with progress(f"responses {'|'.join(partition.values())}", unit="requests") as bar:
                    return step.generate(
                        lambda: opened.open(CLEAN_PROBLEMS).to_batches(),
                        config=config,
                        server=server,
                        ledger=store.side_folder("ledger"),
                        dataset=partition["dataset"],
                        writer=writers[RESPONSES.name],
                        progress=bar,
                    )

            return Build(
                tables=(RESPONSES,),
                partition=partition,
                config=config.identity(),
                code_version=step.VERSION,
                inputs=[opened.reference(CLEAN_PROBLEMS)],
                run=run,
                model=config.model,
                repeat_when_dropped=True,
            )

        yield from materialize(context, opened, plan)
