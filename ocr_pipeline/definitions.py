"""The one door between the library and Dagster: everything that the code location offers is assembled here."""

from typing import Any

import dagster as dg

from assets import external, flow, report, schedules, student
from assets.checks import ASSET_TABLES, build_checks
from resources import RESOURCES, StoreResource

__all__ = ["build_defs", "defs"]


def build_defs(**overrides: Any) -> dg.Definitions:
    """Assemble the definitions.

    Parameters
    ----------
    **overrides
        Resources that replace the default ones, by key: store, raw_files, benchmarks, encoder, teacher, engine, sandbox.
    """
    resources = {"store": StoreResource()} | {key: resource() for key, (resource, _) in RESOURCES.items()}
    return dg.Definitions(
        assets=[*external.ASSETS, *flow.ASSETS, *dg.load_assets_from_modules([student, report])],
        asset_checks=list(build_checks([*ASSET_TABLES, *(table for step in flow.NAMED for table in step.writes)])),
        jobs=[*schedules.JOBS, student.TINY_JOB],
        schedules=list(schedules.SCHEDULES),
        sensors=list(schedules.SENSORS),
        resources=resources | overrides,
        # One process per run: a killed run leaves no orphaned step behind, and a step starts in no time.
        executor=dg.in_process_executor,
    )


defs = build_defs()
