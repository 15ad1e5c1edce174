"""Group plans: CodePLAN's solution plans and the multi-task rows made of them."""

from dataclasses import asdict
from typing import Any

import dagster as dg

from assets.materialize import materialize_table
from assets.metadata import table_asset
from assets.partitions import BY_DATASET
from assets.responses import TEACHER_POOL, clean_rows
from ocr_pipeline import plans as step
from ocr_pipeline.building import Build
from ocr_pipeline.tables import CLEAN_PROBLEMS, PLAN_SFT_DATASET, PLANS, SOLUTIONS
from resources import StoreResource, TeacherResource

__all__ = ["MultitaskConfig", "PlansConfig", "plan_sft_dataset", "plans"]

GROUP = "7_plans"
Partition = dict[str, str]


class PlansConfig(dg.Config):
    """Which solutions plans are read from."""

    policy: str = "shortest"
    with_statement: bool = False


@table_asset(
    PLANS,
    group=GROUP,
    code_version=step.VERSION,
    upstream=(CLEAN_PROBLEMS, SOLUTIONS),
    partitions=BY_DATASET,
    kinds=("vllm",),
    pool=TEACHER_POOL,
)
def plans(
    context: dg.AssetExecutionContext, config: PlansConfig, store: StoreResource, teacher: TeacherResource
) -> dg.MaterializeResult[Any]:
    """Ask the teacher to read a plan out of correct solutions."""
    opened = store.open()
    settings = teacher.planning(policy=config.policy, with_statement=config.with_statement)
    with teacher.serving() as server:

        def plan(partition: Partition) -> Build:
            return Build(
                tables=(PLANS,),
                partition=partition,
                config=settings.as_dict(),
                code_version=step.VERSION,
                inputs=[opened.reference(CLEAN_PROBLEMS), opened.reference(SOLUTIONS, **partition)],
                run=lambda writers: step.make_plans(
                    clean_rows(opened, partition["dataset"]),
                    opened.open(SOLUTIONS, **partition).to_batches(),
                    config=settings,
                    server=server,
                    ledger=store.side_folder("ledger"),
                    writer=writers[PLANS.name],
                    dataset=partition["dataset"],
                ),
                model=settings.model,
                repeat_for=frozenset({"teacher_error"}),
            )

        return materialize_table(context, opened, plan)


class MultitaskConfig(dg.Config):
    """How code rows and plan rows are mixed."""

    plan_share: float = 0.5
    drawing: str = "paired"


@table_asset(
    PLAN_SFT_DATASET,
    group=GROUP,
    code_version=step.VERSION,
    upstream=(PLANS, CLEAN_PROBLEMS, SOLUTIONS),
    partitions=BY_DATASET,
)
def plan_sft_dataset(
    context: dg.AssetExecutionContext, config: MultitaskConfig, store: StoreResource
) -> dg.MaterializeResult[Any]:
    """Write the code and plan rows of the joint objective."""
    opened = store.open()
    settings = step.MultitaskConfig(plan_share=config.plan_share, drawing=step.Drawing(config.drawing))

    def plan(partition: Partition) -> Build:
        return Build(
            tables=(PLAN_SFT_DATASET,),
            partition=partition,
            config=asdict(settings),
            code_version=step.VERSION,
            inputs=[
                opened.reference(PLANS, **partition),
                opened.reference(CLEAN_PROBLEMS),
                opened.reference(SOLUTIONS, **partition),
            ],
            run=lambda writers: step.build_multitask(
                clean_rows(opened, partition["dataset"]),
                opened.open(SOLUTIONS, **partition).to_batches(),
                opened.open(PLANS, **partition).to_batches(),
                config=settings,
                writer=writers[PLAN_SFT_DATASET.name],
            ),
        )

    return materialize_table(context, opened, plan)
