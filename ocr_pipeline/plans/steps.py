"""The steps of this room: plans are read out of correct solutions, and code rows and plan rows are mixed."""

from __future__ import annotations

from typing import Final

from ocr_pipeline import plans
from ocr_pipeline.asking import Asking
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.plans.config import PlanConfig
from ocr_pipeline.plans.make import make_plans
from ocr_pipeline.plans.multitask import MultitaskConfig, build_multitask
from ocr_pipeline.steps import LEDGER, Job, Read, Step
from ocr_pipeline.tables import CLEAN_PROBLEMS, PLAN_SFT_DATASET, PLANS, SOLUTIONS
from ocr_pipeline.teacher.services import SERVER

__all__ = ["MAKE_PLANS", "MIX"]

GROUP: Final = "7_plans"
PROBLEMS_READ: Final = Read(CLEAN_PROBLEMS, ("problem_id", "statement"))
SOLUTIONS_READ: Final = Read(SOLUTIONS, ("problem_id", "solution_id", "language", "code", "is_correct"))


def _make_plans(job: Job) -> StageCounts:
    return make_plans(
        job.read(CLEAN_PROBLEMS).batches(),
        job.read(SOLUTIONS).batches(),
        config=job.options(PlanConfig),
        asking=job.options(Asking),
        server=job.use(SERVER),
        ledger=job.folder(LEDGER),
        writer=job.writer(PLANS),
        dataset=job.partition.get("dataset"),
        progress=job.progress,
    )


def _mix(job: Job) -> StageCounts:
    return build_multitask(
        job.read(CLEAN_PROBLEMS).batches(),
        job.read(SOLUTIONS).batches(),
        job.read(PLANS).batches(),
        config=job.options(MultitaskConfig),
        writer=job.writer(PLAN_SFT_DATASET),
    )


MAKE_PLANS: Final = Step(
    name="plans",
    group=GROUP,
    version=plans.VERSION,
    reads=(PROBLEMS_READ, SOLUTIONS_READ),
    writes=(PLANS,),
    options=(PlanConfig,),
    uses=(SERVER,),
    folders=(LEDGER,),
    partition_by=("dataset",),
    kinds=("vllm",),
    pool="teacher",
    unit="plans",
    asks=Asking,
    repeat_for=frozenset({"teacher_error"}),
    run=_make_plans,
)
MIX: Final = Step(
    name="plan_sft_dataset",
    group=GROUP,
    version=plans.VERSION,
    reads=(Read(PLANS), PROBLEMS_READ, SOLUTIONS_READ),
    writes=(PLAN_SFT_DATASET,),
    options=(MultitaskConfig,),
    partition_by=("dataset",),
    run=_mix,
)
