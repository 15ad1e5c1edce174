"""Build a partition unless it already is what building would give, and verify what was built.

This is the one place that decides whether work is done again. It does not know what the steps do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline import logs
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import PipelineError
from ocr_pipeline.metrics import count_build
from ocr_pipeline.store import Buckets, InputRef, Manifest, PartitionWriter, Store
from ocr_pipeline.tables import Table

__all__ = ["Build", "Built", "build_unless_current", "conservation_violations", "key_violations", "schema_violations"]

SHOWN_KEYS: Final = 3

Writers = Mapping[str, PartitionWriter]


@dataclass(frozen=True, slots=True)
class Build:
    """How one partition of one or several tables is built, and from what."""

    tables: tuple[Table, ...]
    partition: dict[str, str]
    config: Mapping[str, Any]
    code_version: str
    inputs: Sequence[InputRef]
    run: Callable[[Writers], StageCounts]
    """Writes all tables and returns the account, which is in every manifest."""
    model: str | None = None
    repeat_for: frozenset[str] = frozenset()
    """Reasons that may be gone next time: rows dropped for one make the partition built again though nothing changed."""
    keeps: bool = False
    """Whether rows that are there stay, whatever changed: nothing is asked for."""


@dataclass(frozen=True, slots=True)
class Built:
    """One table's partition after :func:`build_unless_current`."""

    table: Table
    manifest: Manifest
    reused: bool


def build_unless_current(store: Store, build: Build) -> list[Built]:
    """Return the partitions, built only when config, code version or inputs changed.

    Raises
    ------
    ConservationError
        When the step's account does not balance; nothing is published then.
    """
    logs.check()
    with logs.about(build.tables[0].name, "|".join(build.partition.values()) or None):
        try:
            built = _built_or_reused(store, build)
        except PipelineError as error:
            logs.event("failed", {"message": str(error)}, level="error")
            raise
        for one in built:
            counts = one.manifest.stage_counts if one.manifest.counts else StageCounts(0, 0)
            told = {"table": one.table.name, "rows": one.manifest.rows, "bytes": one.manifest.bytes}
            logs.event("reused" if one.reused else "built", told | counts.as_dict())
        return built


def _built_or_reused(store: Store, build: Build) -> list[Built]:
    kept = [store.manifest(table, **build.partition) for table in build.tables] if build.keeps else []
    there = [manifest for manifest in kept if manifest is not None]
    if len(there) == len(build.tables) and any(manifest.rows for manifest in there):
        return [Built(table, manifest, reused=True) for table, manifest in zip(build.tables, there, strict=True)]
    current = [
        store.current(table, build.partition, config=build.config, code_version=build.code_version, inputs=build.inputs)
        for table in build.tables
    ]
    found = [manifest for manifest in current if manifest is not None]
    if len(found) == len(build.tables) and not build.repeat_for.intersection(
        *(one.stage_counts.dropped for one in found)
    ):
        return [Built(table, manifest, reused=True) for table, manifest in zip(build.tables, found, strict=True)]
    return _build(store, build)


def _build(store: Store, build: Build) -> list[Built]:
    start_s = time.monotonic()
    with ExitStack() as stack:
        writers = {
            table.name: stack.enter_context(
                store.writer(
                    table,
                    build.partition,
                    config=build.config,
                    code_version=build.code_version,
                    inputs=build.inputs,
                    model=build.model,
                )
            )
            for table in build.tables
        }
        counts = build.run(writers).require_conserved("/".join([build.tables[0].name, *build.partition.values()]))
        for writer in writers.values():
            writer.counts = counts
    built = [Built(table, _written(writers[table.name]), reused=False) for table in build.tables]
    for one in built:
        count_build(one.manifest, time.monotonic() - start_s)
    return built


def _written(writer: PartitionWriter) -> Manifest:
    if writer.manifest is None:
        raise AssertionError("a writer that ended well has a manifest")
    return writer.manifest


def schema_violations(store: Store, table: Table, partition: Mapping[str, str]) -> list[str]:
    """Say where the Parquet differs from the table's contract: columns, types, nulls."""
    dataset = store.open(table, **partition)
    violations = []
    for fragment in dataset.get_fragments():
        found = fragment.physical_schema
        if not found.equals(table.schema, check_metadata=False):
            violations.append(f"{fragment.path}: the columns are {found.names}, not {table.schema.names}")
    if violations:
        return violations
    nulls = dict.fromkeys(table.required, 0)
    for batch in store.batches(table, table.required, **partition):
        for name in nulls:
            nulls[name] += batch.column(name).null_count
    return [f"column `{name}` holds {count} nulls" for name, count in nulls.items() if count]


def key_violations(store: Store, table: Table, partition: Mapping[str, str]) -> list[str]:
    """Say which keys are in the partition more than once."""
    manifest = store.manifest(table, **partition)
    names = list(table.key)
    found: list[str] = []
    with Buckets(manifest.rows if manifest else 0) as buckets:
        opened = store.open(table, **partition)
        schema = pa.schema([opened.schema.field(name) for name in names])
        keys = buckets.spread(store.batches(table, names, **partition), names, schema)
        for number in range(buckets.count):
            counted = keys(number).group_by(names).aggregate([([], "count_all")])
            repeated = counted.filter(pc.greater(counted["count_all"], 1)).slice(0, SHOWN_KEYS - len(found))
            found += [f"{_key(row)} stands {row['count_all']} times" for row in repeated.to_pylist()]
    return found


def _key(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in row.items() if name != "count_all")


def conservation_violations(store: Store, table: Table, partition: Mapping[str, str]) -> list[str]:
    """Say where a partition's account does not balance or does not fit its rows."""
    return list(_conservation(store, table, partition))


def _conservation(store: Store, table: Table, partition: Mapping[str, str]) -> Iterator[str]:
    manifest = store.manifest(table, **partition)
    if manifest is None:
        yield f"{table.name}/{'/'.join(partition.values())} has no manifest"
        return
    rows = store.open(table, **partition).count_rows()
    if rows != manifest.rows:
        yield f"{rows} rows on disk, {manifest.rows} in the manifest"
    if not manifest.counts:
        yield "the manifest holds no account"
        return
    counts = manifest.stage_counts
    if counts.rows_in != counts.kept + sum(counts.dropped.values()):
        yield f"{counts.rows_in} in, but {counts.kept} kept + {sum(counts.dropped.values())} dropped"
