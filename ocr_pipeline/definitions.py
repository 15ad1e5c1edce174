"""The one door between the library and Dagster: everything that the code location offers is assembled here."""

from typing import Any

import dagster as dg

from assets import contamination, duplicates, plans, problems, report, responses, samples, schedules, student
from assets.checks import build_checks
from resources import (
    BenchmarksResource,
    EncoderResource,
    EngineResource,
    RawResource,
    SandboxResource,
    StoreResource,
    TeacherResource,
)

__all__ = ["build_defs", "defs"]

MODULES = (problems, duplicates, contamination, responses, samples, plans, student, report)


def build_defs(**overrides: Any) -> dg.Definitions:
    """Assemble the definitions.

    Parameters
    ----------
    **overrides
        Resources that replace the default ones, by key: store, raw_files, benchmarks, encoder, teacher, engine, sandbox.
    """
    assets = dg.load_assets_from_modules(list(MODULES))
    resources = {
        "store": StoreResource(),
        "raw_files": RawResource(),
        "benchmarks": BenchmarksResource(),
        "encoder": EncoderResource(),
        "teacher": TeacherResource(),
        "engine": EngineResource(),
        "sandbox": SandboxResource(),
    }
    return dg.Definitions(
        assets=assets,
        asset_checks=list(build_checks()),
        jobs=[schedules.INGEST_JOB, schedules.REPORT_JOB, student.TINY_JOB],
        schedules=[schedules.weekly_ingest, schedules.weekly_report],
        sensors=[schedules.raw_files_changed, schedules.killed_runs],
        resources=resources | overrides,
        # One process per run: a killed run leaves no orphaned step behind, and a step starts in no time.
        executor=dg.in_process_executor,
    )


defs = build_defs()
