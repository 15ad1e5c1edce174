"""Group teacher: what the teacher answers, per data set and programming language."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from assets.materialize import materialize_table
from assets.metadata import table_asset
from assets.observed import Observed, observe
from assets.partitions import BY_DATASET_AND_LANGUAGE
from assets.rounds import policy_of
from ocr_pipeline import teacher as step
from ocr_pipeline.building import Build, Writers
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.store import Store
from ocr_pipeline.tables import CLEAN_PROBLEMS, RESPONSES
from ocr_pipeline.teacher.forecast import forecast
from ocr_pipeline.teacher.reply import ErrorKind
from resources import StoreResource, TeacherResource

__all__ = ["TEACHER_POOL", "clean_rows", "responses"]

TEACHER_POOL: Final = "teacher"
LONGEST_RUN_S: Final = 7 * 24 * 3600
TRANSIENT: Final = frozenset(
    kind.value for kind in ErrorKind if not kind.is_permanent and kind is not ErrorKind.SAME_REQUEST
)


def clean_rows(store: Store, dataset: str) -> Iterator[pa.RecordBatch]:
    """Stream the clean problems whose kept member is of one data set."""
    return iter(store.open(CLEAN_PROBLEMS).to_batches(filter=pc.field("dataset") == dataset))


@table_asset(
    RESPONSES,
    group="4_teacher",
    code_version=step.VERSION,
    upstream=(CLEAN_PROBLEMS,),
    partitions=BY_DATASET_AND_LANGUAGE,
    kinds=("vllm",),
    pool=TEACHER_POOL,
    retry_policy=dg.RetryPolicy(max_retries=1, delay=15),
)
def responses(
    context: dg.AssetExecutionContext, store: StoreResource, teacher: TeacherResource
) -> dg.MaterializeResult[Any]:
    """Ask the teacher; answers that the ledger holds are not asked again."""
    # A tag of the run, because run monitoring reads no other; it ends longer runs.
    context.instance.add_run_tags(context.run.run_id, {"dagster/max_runtime": str(LONGEST_RUN_S)})
    opened = store.open()
    with teacher.serving() as server:

        def plan(partition: dict[str, str]) -> Build:
            config = teacher.generation(partition["language"])
            policy, judged = policy_of(opened, partition, enough=teacher.enough_accepted, most=teacher.most_samples)
            asked: dict[str, Any] = {
                "config": config,
                "server": server,
                "ledger": store.side_folder("ledger"),
                "dataset": partition["dataset"],
                "policy": policy,
            }

            def problems() -> Iterator[pa.RecordBatch]:
                return clean_rows(opened, partition["dataset"])

            def run(writers: Writers) -> StageCounts:
                expected = forecast(problems, **asked)
                observe(context, partition, "forecast", asdict(expected))
                progress = Observed(context, partition, "requests")
                progress.expect(expected.requests)
                return step.generate(problems, **asked, writer=writers[RESPONSES.name], progress=progress)

            return Build(
                tables=(RESPONSES,),
                partition=partition,
                config=config.settings | teacher.rounds,
                code_version=step.VERSION,
                inputs=[opened.reference(CLEAN_PROBLEMS), *judged],
                run=run,
                model=config.model,
                repeat_for=TRANSIENT,
            )

        return materialize_table(context, opened, plan)
