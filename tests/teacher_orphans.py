"""The teacher's assets under Dagster's other executor, which starts a process per step: when a run is killed, its step lives on."""

import dagster as dg

from ocr_pipeline.definitions import build_defs

whole = build_defs()
defs = dg.Definitions(assets=whole.assets, resources=whole.resources, executor=dg.multiprocess_executor)
