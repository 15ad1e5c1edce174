"""Group plans: CodePLAN's solution plans and the multi-task rows made of them."""

from typing import Any

import dagster as dg
from pydantic import Field

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

    policy: str = Field(default="shortest", description="shortest, k_diverse, or forward from the statement alone.")
    with_statement: bool = Field(default=False, description="Show the statement beside the solution.")
    k: int = Field(default=1, description="Plans per problem, for k_diverse and forward.")
    judge_model: str = Field(
        default="", description="Model on the teacher's server that says whether plan and program agree; empty: none."
    )


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
    settings = step.PlanConfig(
        policy=step.Policy(config.policy),
        with_statement=config.with_statement,
        k=config.k,
        opinion_model=config.judge_model or None,
    )
    asking = teacher.asking()
    with teacher.serving() as server:

        def plan(partition: Partition) -> Build:
            return Build(
                tables=(PLANS,),
                partition=partition,
                config=settings.settings | asking.settings,
                code_version=step.VERSION,
                inputs=[opened.reference(CLEAN_PROBLEMS), opened.reference(SOLUTIONS, **partition)],
                run=lambda writers: step.make_plans(
                    clean_rows(opened, partition["dataset"]),
                    opened.open(SOLUTIONS, **partition).to_batches(),
                    config=settings,
                    asking=asking,
                    server=server,
                    ledger=store.side_folder("ledger"),
                    writer=writers[PLANS.name],
                    dataset=partition["dataset"],
                ),
                model=asking.model,
                repeat_for=frozenset({"teacher_error"}),
            )

        return materialize_table(context, opened, plan)


class MultitaskConfig(dg.Config):
    """How code rows and plan rows are mixed."""

    plan_share: float = Field(default=0.5, description="λ of the joint loss: the share of plan rows.")
    drawing: str = Field(default="paired", description="paired: plans of the row's own problem; unpaired: of any.")
    balance: str = Field(default="rows", description="rows: λ is a share of rows; weights: of their weights.")
    guided: bool = Field(default=False, description="Add code rows whose prompt holds the plan, for plan sampling.")


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
    settings = step.MultitaskConfig(
        plan_share=config.plan_share,
        drawing=step.Drawing(config.drawing),
        balance=step.Balance(config.balance),
        guided=config.guided,
    )

    def plan(partition: Partition) -> Build:
        return Build(
            tables=(PLAN_SFT_DATASET,),
            partition=partition,
            config=settings.settings,
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
