"""Every step of the flow as an asset: key, dependencies, lineage, description, partitions and launchpad derive from it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import dagster as dg
from pydantic import create_model

from assets.materialize import Partition, fails_in_one_line, materialize
from assets.metadata import OWNER, described, shown_table
from assets.observed import Observed, observe
from assets.partitions import BY_DATASET, BY_DATASET_AND_LANGUAGE
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.flow import FLOW
from ocr_pipeline.options import Options
from ocr_pipeline.sources import SOURCES
from ocr_pipeline.sources.steps import RawOptions
from ocr_pipeline.steps import Folder, Job, Services, Step, build_of, stored_rows
from resources import RESOURCES, StoreResource
from resources.launchpad import fields_of

__all__ = ["ASSETS", "step_asset"]

PARTITIONS: Final[Mapping[tuple[str, ...], dg.PartitionsDefinition[Any] | None]] = {
    (): None,
    ("dataset",): BY_DATASET,
    ("dataset", "language"): BY_DATASET_AND_LANGUAGE,
}
LONGEST_RUN_S: Final = 7 * 24 * 3600


def step_asset(step: Step) -> dg.AssetsDefinition:
    """Return the asset of a step: one for each table it writes, built together."""
    partitions = PARTITIONS[step.partition_by]
    upstream = tuple(read.table for read in step.reads if not read.is_feedback)
    deps = [table.name for table in upstream] + (["raw"] if step.reads_raw else [])
    return dg.multi_asset(
        name=step.name,
        specs=[
            dg.AssetSpec(
                table.name,
                deps=deps,
                description=table.description,
                group_name=step.group,
                skippable=len(step.writes) > 1,
                owners=[OWNER],
                kinds={"parquet", *step.kinds},
                metadata=described(table, upstream),
                code_version=step.version,
            )
            for table in step.writes
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run() if partitions else None,
        pool=step.pool,
        can_subset=len(step.writes) > 1,
        required_resource_keys={"store", *filter(None, map(_resource_of, step.all_options)), *_raw_of(step)},
    )(_compute(step))


def _compute(step: Step) -> Callable[..., Iterator[dg.MaterializeResult[Any]]]:
    """Return what Dagster calls; its configuration is the options that no resource holds."""
    own = [model for model in step.all_options if _resource_of(model) is None]

    def plain(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        yield from _materialize(context, {}, step)

    def configured(context: dg.AssetExecutionContext, config: dg.Config) -> Iterator[dg.MaterializeResult[Any]]:
        yield from _materialize(context, dict(config), step)

    configured.__annotations__["config"] = create_model(step.name, __base__=dg.Config, **fields_of(*own))
    return configured if own else plain


def _resource_of(model: type[Options]) -> str | None:
    """Return the key of the resource that holds some options, all but those that the partition says."""
    for key, (_, held) in RESOURCES.items():
        rest = set(model.model_fields) - set(held.model_fields) - {"language"}
        bases = {base for base in model.__mro__ if issubclass(base, Options)} - {Options}
        if not rest and bases & set(held.__mro__):
            return key
    return None


def _raw_of(step: Step) -> tuple[str, ...]:
    return ("raw_files",) if step.reads_raw else ()


def _materialize(
    context: dg.AssetExecutionContext, config: Mapping[str, Any], step: Step
) -> Iterator[dg.MaterializeResult[Any]]:
    resource: StoreResource = context.resources.store
    store = resource.open()
    if step.asks is not None:
        # A tag of the run, because run monitoring reads no other; it ends longer runs.
        context.instance.add_run_tags(context.run.run_id, {"dagster/max_runtime": str(LONGEST_RUN_S)})

    def options(model: type[Options], partition: Partition | None = None) -> Options:
        key = _resource_of(model)
        said = {name: value for name, value in (partition or {}).items() if name in model.model_fields}
        if key is None:
            return model.of(config, **said)
        found: Options = getattr(context.resources, key).options(model, **said)
        return found

    def folder(wanted: Folder) -> Path | None:
        return resource.side_folder(wanted.name)

    def job(partition: Partition) -> Job:
        return Job(
            partition=partition,
            rows=stored_rows(step, store, partition, lambda name: SOURCES[name].role.value),
            services=services,
            given=lambda model: options(model, partition),
            raw=context.resources.raw_files.options(RawOptions).raw(partition["dataset"]) if step.reads_raw else None,
            progress=Observed(context, step, partition),
            observe=partial(observe, context, step, partition),
        )

    def inspect(partition: Partition, counts: StageCounts) -> Iterable[str]:
        return step.inspects(job(partition), counts) if step.inspects else ()

    with Services(options, folder, dg.get_dagster_logger(step.name).info) as services:
        for result in materialize(context, store, lambda partition: build_of(step, job(partition)), inspect):
            if step.shows is None or (result.metadata or {}).get("unchanged"):
                yield result
                continue
            with fails_in_one_line():
                shown = {name: dg.MetadataValue.md(shown_table(rows)) for name, rows in step.shows(job({})).items()}
            yield result._replace(metadata={**(result.metadata or {}), **shown})


ASSETS: Final = tuple(step_asset(step) for step in FLOW)
