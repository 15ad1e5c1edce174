"""From a library step to Dagster events: run it for every partition that is asked for, and report what it did."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import dagster as dg

from assets.metadata import materialization_metadata
from ocr_pipeline.building import Build, Built, build_unless_current
from ocr_pipeline.console import PlainProgress, Progress
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import InputError, PipelineError, TeacherError
from ocr_pipeline.store import Store

__all__ = ["fails_in_one_line", "materialize", "materialize_table", "partitions_of", "watched"]

Partition = dict[str, str]
RETRIES: Final = 1
RETRY_AFTER_S: Final = 15


def partitions_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> list[Partition]:
    """Return the partitions that the run asks for, as keys of the store; ``[{}]`` for an asset without partitions."""
    if not context.has_partition_key and not context.has_partition_key_range:
        return [{}]
    keys = [_as_store_keys(key) for key in context.partition_keys]
    if not keys:
        message = "the range holds no partition; its ends follow the order of the partitions page, such as taco|python...taco|cpp"
        raise InputError(message)
    return keys


def _as_store_keys(key: str) -> Partition:
    if isinstance(key, dg.MultiPartitionKey):
        return {"dataset": key.keys_by_dimension["dataset"], "language": key.keys_by_dimension["language"]}
    names = ("dataset", "language")
    return dict(zip(names, key.split("|"), strict=False))


def materialize(
    context: dg.AssetExecutionContext,
    store: Store,
    plan: Callable[[Partition], Build],
    inspect: Callable[[Partition, StageCounts], Iterable[str]] | None = None,
) -> list[dg.MaterializeResult[Any]]:
    """Build every partition of the run and return one result per table.

    Of several partitions each is recorded as materialized when it is finished, whatever becomes of the run.

    Parameters
    ----------
    inspect
        Looks at each finished partition; what it raises ends the run after the last one.

    Raises
    ------
    dagster.Failure
        With the one line of the :class:`PipelineError` that stopped the step.
    """
    finished: list[list[Built]] = []
    refused: list[PipelineError] = []
    with fails_in_one_line(context.retry_number):
        asked = partitions_of(context)
        for partition in asked:
            finished.append(build_unless_current(store, plan(partition)))
            _log(context, finished[-1])
            if inspect is not None:
                try:
                    for line in inspect(partition, finished[-1][0].manifest.stage_counts):
                        context.log.info(line)
                except PipelineError as error:
                    refused.append(error)
            if len(asked) > 1 or refused:
                _record(context, store, finished[-1])
        if refused:
            raise refused[0]
    return list(_results(context, store, finished))


def materialize_table(
    context: dg.AssetExecutionContext, store: Store, plan: Callable[[Partition], Build]
) -> dg.MaterializeResult[Any]:
    """Do what :func:`materialize` does for an asset that is one table."""
    return materialize(context, store, plan)[0]


@contextmanager
def fails_in_one_line(retries: int = RETRIES) -> Iterator[None]:
    """Turn an error of the pipeline into a Dagster failure with its one line.

    Only a teacher's failure may pass by itself, so only it asks for another try. A retry policy would ask for one
    whatever ended the step, and so turn a run that somebody terminates into one that goes on paying.
    """
    try:
        yield
    except PipelineError as error:
        failure = dg.Failure(description=str(error), allow_retries=False)
        if isinstance(error, TeacherError) and retries < RETRIES:
            raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=RETRY_AFTER_S) from failure
        raise failure from None
    except OSError as error:  # such as a page whose checksum is wrong
        message = f"a file cannot be read: {error}; if it is a part of the data root, materialize its partition again"
        raise dg.Failure(description=message, allow_retries=False) from error


def watched(context: dg.AssetExecutionContext, description: str, unit: str) -> Progress:
    """Return a progress whose lines stand in the run's log while it runs: rows, rate, time left, counts."""
    return PlainProgress(description, None, unit, context.log.info)


def _log(context: dg.AssetExecutionContext, tables: list[Built]) -> None:
    for built in tables:
        counts = built.manifest.stage_counts
        did = "unchanged" if built.reused else "built"
        context.log.info(
            "%s/%s %s: %d in, %d kept, %d dropped",
            built.table.name,
            "/".join(built.manifest.partition.values()),
            did,
            counts.rows_in,
            counts.kept,
            sum(counts.dropped.values()),
        )


def _record(context: dg.AssetExecutionContext, store: Store, tables: list[Built]) -> None:
    for built in tables:
        context.log_event(
            dg.AssetMaterialization(
                built.table.name,
                partition=_dagster_key(built),
                metadata=materialization_metadata(store, built),
                tags={"dagster/data_version": built.manifest.content_sha256},
            )
        )


def _dagster_key(built: Built) -> str | None:
    return "|".join(built.manifest.partition.values()) or None


def _results(
    context: dg.AssetExecutionContext, store: Store, finished: list[list[Built]]
) -> Iterator[dg.MaterializeResult[Any]]:
    for column in zip(*finished, strict=True):
        table = column[0].table
        if dg.AssetKey(table.name) not in context.selected_asset_keys:
            continue
        if len(column) == 1:
            yield dg.MaterializeResult(
                asset_key=table.name,
                metadata=materialization_metadata(store, column[0]),
                data_version=dg.DataVersion(column[0].manifest.content_sha256),
            )
            continue
        for built in column:
            metadata = materialization_metadata(store, built)
            context.add_asset_metadata(metadata, asset_key=table.name, partition_key=_dagster_key(built))
        yield dg.MaterializeResult(asset_key=table.name)
