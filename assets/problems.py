"""Group ingest: raw data sets become problems, tests, solutions, and rejected rows with a reason."""

import hashlib
from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets.materialize import materialize, watched
from assets.metadata import OWNER, described
from assets.partitions import BY_DATASET
from ocr_pipeline import sources
from ocr_pipeline.building import Build
from ocr_pipeline.store import InputRef, canonical_json
from ocr_pipeline.tables import PROBLEMS, REJECTED, SOLUTIONS, TESTS, Table
from resources import RawResource, StoreResource

__all__ = ["ingested", "raw"]

GROUP = "1_ingest"
TABLES = (PROBLEMS, TESTS, SOLUTIONS, REJECTED)


@dg.observable_source_asset(group_name=GROUP, partitions_def=BY_DATASET, description="Raw files, by their hashes.")
def raw(raw_files: RawResource) -> dg.DataVersionsByPartition:
    """Observe the raw files, so that a data set whose files changed shows as stale."""
    hashes = {dataset: sources.hash_of_raw(raw_files.paths(dataset)) for dataset in raw_files.present()}
    return dg.DataVersionsByPartition({dataset: _version(files) for dataset, files in hashes.items()})


def _version(files: dict[str, str]) -> str:
    return hashlib.sha256(canonical_json(files).encode()).hexdigest()


def _spec(table: Table) -> dg.AssetSpec:
    return dg.AssetSpec(
        table.name,
        deps=["raw"],
        description=table.description,
        group_name=GROUP,
        skippable=True,
        owners=[OWNER],
        kinds={"parquet"},
        metadata=described(table),
        code_version=sources.VERSION,
    )


@dg.multi_asset(
    specs=[_spec(table) for table in TABLES],
    partitions_def=BY_DATASET,
    backfill_policy=dg.BackfillPolicy.single_run(),
    name="ingest",
    can_subset=True,
)
def ingested(
    context: dg.AssetExecutionContext, store: StoreResource, raw_files: RawResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Read raw data sets into normal form; what cannot be used is rejected with a reason.

    One pass writes all four tables, whichever of them are selected.
    """

    def plan(partition: dict[str, str]) -> Build:
        dataset = partition["dataset"]
        paths = raw_files.paths(dataset)
        return Build(
            tables=TABLES,
            partition=partition,
            config={"split": raw_files.split},
            code_version=sources.VERSION,
            inputs=[InputRef("raw", partition, _version(sources.hash_of_raw(paths)))],
            run=lambda writers: sources.ingest(
                dataset,
                paths,
                split=raw_files.split,
                writers=writers,
                workers=raw_files.workers,
                progress=watched(context, f"ingest {dataset}", "rows"),
            ),
        )

    yield from materialize(context, store.open(), plan)
