"""From a library step to Dagster events: run it for every partition that is asked for, and report what it did."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import dagster as dg
from dagster._core.errors import DagsterUserCodeProcessError
from dagster_shared.error import SerializableErrorInfo

from assets.metadata import materialization_metadata
from assets.provenance import RECORDED, provenance
from ocr_pipeline.building import Build, Built, build_unless_current
from ocr_pipeline.console import PlainProgress, Progress
from ocr_pipeline.errors import InputError, MissingInputError, PipelineError, TeacherError
from ocr_pipeline.flow import FLOW
from ocr_pipeline.store import Store

__all__ = ["OneLineError", "fails_in_one_line", "for_the_page", "materialize", "partitions_of", "watched"]

Partition = dict[str, str]
FLAG: Final = re.compile(r"`[^`]*`|(?<![\w-])--([a-z][a-z_-]*[a-z])")
"""An option, or a piece of code, which is left as it is."""
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
    look: Callable[[Partition, list[Built]], Mapping[str, Any]] = lambda _, __: {},
) -> Iterator[dg.MaterializeResult[Any]]:
    """Build every partition of the run, and record each as materialized when it is finished, whatever becomes of the run.

    One that cannot be built, because what it is made from does not exist, is left out with its reason; if none can, the
    run fails.

    Parameters
    ----------
    look
        Looks at a finished partition and returns what else its page shows; what it raises ends the run after the last one.

    Raises
    ------
    dagster.Failure
        With the one line of the :class:`PipelineError` that stopped the step.
    """
    refused: list[PipelineError] = []
    missing: list[MissingInputError] = []
    built: list[Built] = []
    with fails_in_one_line(context.retry_number):
        for partition in partitions_of(context):
            try:
                built = build_unless_current(store, plan(partition))
            except MissingInputError as error:
                missing.append(error)
                context.log.warning("%s is left out: %s", "|".join(partition.values()) or "it", error)
                continue
            _log(context, built)
            more: Mapping[str, Any] = {}
            try:
                more = look(partition, built)
            except PipelineError as error:
                refused.append(error)
            _record(context, store, built, more)
        if not built:
            raise missing[0]
        if refused:
            raise refused[0]
    for each in built:
        if dg.AssetKey(each.table.name) in context.selected_asset_keys:
            yield dg.MaterializeResult(asset_key=each.table.name, metadata=RECORDED)


class OneLineError(dg.Failure, DagsterUserCodeProcessError):
    """A failure whose line is all that a console and the page show.

    A stack of Dagster's own frames would hide it. Of an error that brings its display Dagster shows that instead; it has
    no public name for such an error.
    """

    def __init__(self, message: str) -> None:
        """Store the line for both."""
        shown = SerializableErrorInfo(f"{message}\n", [], None)
        DagsterUserCodeProcessError.__init__(self, message, user_code_process_error_infos=[shown])  # type: ignore[no-untyped-call]
        self.description, self.metadata, self.allow_retries = message, {}, False


@contextmanager
def fails_in_one_line(retries: int = RETRIES) -> Iterator[None]:
    """Turn an error of the pipeline into a Dagster failure with its one line.

    Only a teacher's failure may pass by itself, so only it asks for another try. A retry policy would ask for one
    whatever ended the step, and so turn a run that somebody terminates into one that goes on paying.
    """
    try:
        yield
    except PipelineError as error:
        failure = OneLineError(for_the_page(str(error)))
        if isinstance(error, TeacherError) and retries < RETRIES:
            raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=RETRY_AFTER_S) from failure
        raise failure from None
    except OSError as error:
        message = f"the machine refused: {error}"
        if error.errno is None:  # Arrow's, such as a page whose checksum is wrong
            message = (
                f"a file cannot be read: {error}; if it is a part of the data root, materialize its partition again"
            )
        raise OneLineError(message) from error


def for_the_page(message: str) -> str:
    """Name options as the launchpad does: a message says ``--api-key-env`` where the page has ``api_key_env``."""

    def shown(flag: re.Match[str]) -> str:
        name = _names().get((flag[1] or "").replace("-", "_"))
        return f"`{name}`" if name else flag[0]

    return FLAG.sub(shown, message)


@cache
def _names() -> dict[str, str]:
    """Return the names of options and tables on the command line, and those they have on the page; others are foreign."""
    models = {model for step in FLOW for model in step.all_options}
    options = [(field.alias, name) for model in models for name, field in model.model_fields.items()]
    tables = [(read.table.name, read.table.name) for step in FLOW for read in step.reads]
    return dict([*tables, *((name, name) for _, name in options), *((alias, name) for alias, name in options if alias)])


def watched(context: dg.AssetExecutionContext, description: str, unit: str) -> Progress:
    """Return a progress whose lines are in the run's log while it runs: rows, rate, time left, counts."""
    return PlainProgress(description, None, unit, context.log.info)


def _log(context: dg.AssetExecutionContext, tables: list[Built]) -> None:
    first = tables[0]
    counts = first.manifest.stage_counts
    context.log.info(
        "%s %s: %d in, %d kept, %d dropped",
        "/".join([first.table.name, *first.manifest.partition.values()]),
        "unchanged" if first.reused else "built",
        counts.rows_in,
        counts.kept,
        sum(counts.dropped.values()),
    )


def _record(context: dg.AssetExecutionContext, store: Store, tables: list[Built], more: Mapping[str, Any]) -> None:
    for built in tables:
        if dg.AssetKey(built.table.name) in context.selected_asset_keys:
            context.log_event(
                dg.AssetMaterialization(
                    built.table.name,
                    partition="|".join(built.manifest.partition.values()) or None,
                    metadata={**materialization_metadata(store, built, is_counted=built is tables[0]), **more},
                    tags=provenance(context, built),
                )
            )
