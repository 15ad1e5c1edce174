"""Solution plans: read out of correct solutions by the teacher, checked, and made into multi-task training rows."""

from __future__ import annotations

from typing import Final

from ocr_pipeline.plans.agreement import Agreement, agreement
from ocr_pipeline.plans.choose import Solution, choose_solutions
from ocr_pipeline.plans.config import PlanConfig, Policy
from ocr_pipeline.plans.make import make_plans
from ocr_pipeline.plans.multitask import Balance, Drawing, MultitaskConfig, build_multitask
from ocr_pipeline.plans.verdicts import PlanVerdict, ReadPlan, plan_defects, read_plan

__all__ = [
    "VERSION",
    "Agreement",
    "Balance",
    "Drawing",
    "MultitaskConfig",
    "PlanConfig",
    "PlanVerdict",
    "Policy",
    "ReadPlan",
    "Solution",
    "agreement",
    "build_multitask",
    "choose_solutions",
    "make_plans",
    "plan_defects",
    "read_plan",
]

VERSION: Final = "5"
"""Changes when the same input gives other bytes."""
