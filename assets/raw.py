"""The raw files, observed: a data set whose files changed shows as stale."""

from typing import Any

import dagster as dg

from assets.partitions import BY_DATASET
from ocr_pipeline.sources.steps import INGEST, RawOptions

__all__ = ["raw"]


@dg.observable_source_asset(
    group_name=INGEST.group,
    partitions_def=BY_DATASET,
    description="Raw files, by their hashes.",
    required_resource_keys={"raw_files"},
)
def raw(context: Any) -> dg.DataVersionsByPartition:  # noqa: ANN401 - Dagster's context of an observation
    """Observe the raw files, so that a data set whose files changed shows as stale."""
    options: RawOptions = context.resources.raw_files.options(RawOptions)
    return dg.DataVersionsByPartition({dataset: options.raw(dataset).sha256 for dataset in options.present()})
