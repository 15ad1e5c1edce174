"""When assets are made by themselves, once somebody turns the sensors on: nothing here is on by default.

``automation`` makes what is cheap as soon as what it is made from changed. ``teacher_automation`` does so for what is paid
for, within the caps of the teacher's resource; it is a sensor of its own so that it can stay off.
"""

from typing import Any, Final

import dagster as dg

from ocr_pipeline.flow import FLOW
from ocr_pipeline.steps import Step

__all__ = ["SENSORS", "condition", "of_report"]

SECONDS: Final = 30
PAID: Final = [table.name for step in FLOW if step.asks is not None for table in step.writes]
PARTITIONED: Final = {table.name for step in FLOW if step.partition_by for table in step.writes}


def condition(step: Step) -> dg.AutomationCondition[Any] | None:
    """Return when a step is due: something it reads has changed, and everything it needs is there; ``None``: never.

    A step over all data sets does not wait for those that nobody ingested.
    """
    if step.by_hand:
        return None
    absent_is_fine = {read.table.name for read in step.reads if read.is_optional} | {
        *step.outside,
        *(("raw",) if step.reads_raw else ()),
    }
    if not step.partition_by:
        absent_is_fine |= PARTITIONED
    return _changed(dg.AssetSelection.assets(*sorted(absent_is_fine)) if absent_is_fine else None)


def of_report() -> dg.AutomationCondition[Any]:
    """Return when a report is due: whenever something it tells about changed."""
    return _changed(dg.AssetSelection.all())


def _changed(absent_is_fine: dg.AssetSelection | None) -> dg.AutomationCondition[Any]:
    when = dg.AutomationCondition
    missing = when.any_deps_missing()
    return (
        (when.newly_missing() | when.any_deps_updated()).since_last_handled()
        & ~(missing.ignore(absent_is_fine) if absent_is_fine is not None else missing)
        & ~when.any_deps_in_progress()
        & ~when.in_progress()
    ).with_label("what it is made from changed")


SENSORS: Final = (
    dg.AutomationConditionSensorDefinition(
        "automation",
        target=dg.AssetSelection.all() - dg.AssetSelection.assets(*PAID),
        minimum_interval_seconds=SECONDS,
        description="Makes whatever costs only CPU as soon as what it is made from changed.",
    ),
    dg.AutomationConditionSensorDefinition(
        "teacher_automation",
        target=dg.AssetSelection.assets(*PAID),
        minimum_interval_seconds=SECONDS,
        description="Asks the teacher about new problems, within the caps of the teacher's resource: set them first.",
    ),
)
