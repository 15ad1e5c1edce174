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
LABEL: Final = "what it is made from changed"
PAID: Final = [table.name for step in FLOW if step.asks is not None for table in step.writes]
PARTITIONED: Final = {table.name for step in FLOW if step.partition_by for table in step.writes}


def condition(step: Step) -> dg.AutomationCondition[Any] | None:
    """Return when a step is due: something it reads has changed, and everything it needs is there; ``None``: never.

    A step over all data sets does not wait for those that nobody ingested.
    """
    if step.by_hand:
        return None
    when = dg.AutomationCondition
    absent_is_fine = {read.table.name for read in step.reads if read.is_optional} | {*step.outside}
    if step.partition_by:
        return _changed(absent_is_fine, from_the_start=step.asks is None)
    reads = {read.table.name for read in step.reads}
    by_partition = PARTITIONED & reads
    due = _changed(absent_is_fine | by_partition, from_the_start=step.asks is None)
    if not by_partition:
        return due
    parts = dg.AssetSelection.assets(*sorted(by_partition))
    # Parts that are asked for in the same tick come in runs of their own, so they are waited for.
    due &= ~when.any_deps_match(when.will_be_requested()).allow(parts)
    if reads <= absent_is_fine | by_partition:  # nothing else tells that it can begin
        due &= when.any_deps_match(~when.missing()).allow(parts)
    return due.with_label(LABEL)


def of_report() -> dg.AutomationCondition[Any]:
    """Return when a report is due: whenever something it tells about changed."""
    return _changed(None, from_the_start=False)


def _changed(absent_is_fine: set[str] | None, *, from_the_start: bool) -> dg.AutomationCondition[Any]:
    """Return that something changed and everything but ``absent_is_fine`` (``None``: all) is there.

    What changes in the tick after a request came too late for its run: it is not taken as handled. What was there before
    the sensor was turned on counts only ``from_the_start``: nobody pays for it without a change.
    """
    when = dg.AutomationCondition
    changed = when.any_deps_updated()
    at_first = when.initial_evaluation() & when.missing()
    due = when.newly_missing() | changed | at_first if from_the_start else when.newly_missing() | changed
    handled: dg.AutomationCondition[Any] = (when.newly_requested() | when.newly_updated()) & ~changed
    if not from_the_start:
        handled |= when.initial_evaluation()
    missing = when.any_deps_missing()
    if absent_is_fine is None:
        missing = missing.ignore(dg.AssetSelection.all())
    elif absent_is_fine:
        missing = missing.ignore(dg.AssetSelection.assets(*sorted(absent_is_fine)))
    return (due.since(handled) & ~missing & ~when.any_deps_in_progress() & ~when.in_progress()).with_label(LABEL)


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
