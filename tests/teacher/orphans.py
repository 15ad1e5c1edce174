"""The assets under Dagster's other executor, which starts a process per step: when a run is killed, its step lives on."""

import dagster as dg

from ocr_pipeline.definitions import build_defs


def with_a_process_per_step() -> dg.Definitions:
    """Return the assets and resources of the code location with that executor."""
    whole = build_defs()
    return dg.Definitions(assets=whole.assets, resources=whole.resources, executor=dg.multiprocess_executor)


defs = with_a_process_per_step()
