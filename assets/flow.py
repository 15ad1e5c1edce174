"""Every step of the flow as an asset: key, dependencies, lineage, description, partitions and launchpad derive from it."""

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import dagster as dg
from pydantic import create_model

from assets.automation import condition
from assets.materialize import Partition, materialize
from assets.metadata import OWNER, code_of, described, shown_table
from assets.observed import Observed, observe
from assets.partitions import dependency, partitions_of_step
from ocr_pipeline.building import Built
from ocr_pipeline.contamination.steps import BenchmarkOptions
from ocr_pipeline.flow import FLOW
from ocr_pipeline.options import Options
from ocr_pipeline.samples.named import NamedSelection, read_selections
from ocr_pipeline.samples.steps import named_selection
from ocr_pipeline.sources import SOURCES
from ocr_pipeline.sources.steps import RawOptions
from ocr_pipeline.steps import Folder, Job, Services, Step, build_of, stored_rows
from ocr_pipeline.store import canonical_json, sha256_of
from ocr_pipeline.tables import Language
from resources import RESOURCES, StoreResource
from resources.launchpad import fields_of

__all__ = ["ASSETS", "NAMED", "step_asset"]

LONGEST_AGE: Final = timedelta(days=8)
"""A weekly schedule, and a day of grace."""
LONGEST_RUN_S: Final = 7 * 24 * 3600


def step_asset(step: Step) -> dg.AssetsDefinition:
    """Return the asset of a step: one for each table it writes, built together."""
    partitions = partitions_of_step(step)
    waits = [read for read in step.reads if not read.is_feedback and read.through is None]
    upstream = tuple(read.table for read in step.reads if not read.is_feedback)
    deps = [dependency(step, read) for read in waits] + [
        dg.AssetDep(name) for name in (("raw",) if step.reads_raw else step.outside)
    ]
    freshness = dg.FreshnessPolicy.time_window(fail_window=LONGEST_AGE) if step.reads_raw else None
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
                tags={"costs": "teacher" if step.asks is not None else "cpu"},
                metadata=described(table, upstream) | code_of(step.run),
                code_version=code_version(step),
                automation_condition=condition(step),
                freshness_policy=freshness,
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


def code_version(step: Step) -> str:
    """Return the version of a step together with its defaults and prompts: when one changes, the page shows it.

    Files of benchmarks are observed instead; a language is said by the partition, so each is asked.
    """
    defaults = [
        model(**given).settings
        for model in step.all_options
        if model is not BenchmarkOptions
        for given in ([{"language": one} for one in Language] if _needs_language(model) else [{}])
    ]
    return f"{step.version}-{sha256_of(canonical_json(defaults))[:8]}"


def _needs_language(model: type[Options]) -> bool:
    return "language" in model.model_fields and model.model_fields["language"].is_required()


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

    def look(partition: Partition, built: list[Built]) -> Mapping[str, Any]:
        for line in step.inspects(job(partition), built[0].manifest.stage_counts) if step.inspects else ():
            context.log.info(line)
        if built[0].reused:
            return {}
        shown = step.shows(job(partition)) if step.shows else {}
        return services.taken_facts() | {name: dg.MetadataValue.md(shown_table(rows)) for name, rows in shown.items()}

    with Services(options, folder, dg.get_dagster_logger(step.name).info) as services:
        yield from materialize(context, store, lambda partition: build_of(step, job(partition)), look)


def _selections() -> list[NamedSelection]:
    """Read the file that the environment names, or that of the project, where there is one."""
    named, ours = os.environ.get("OCR_PIPELINE_SELECTIONS"), Path(__file__).parents[1] / "selections.toml"
    return read_selections(Path(named or ours)) if named or ours.exists() else []


NAMED: Final = tuple(map(named_selection, _selections()))
ASSETS: Final = tuple(step_asset(step) for step in (*FLOW, *NAMED))
