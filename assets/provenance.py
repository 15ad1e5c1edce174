"""What Dagster is told about one partition that was built: the version of its data, and of the data it was made from.

Of a run over several partitions Dagster would record one event for each with one version that all share, so that unchanged
data looked stale downstream. So each partition is recorded by us when it is finished, with the hash of its content, and
what it was made from is read in its manifest.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

import dagster as dg
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION

from assets.external import EXTERNAL, version_in
from ocr_pipeline.building import Built
from ocr_pipeline.flow import FLOW
from ocr_pipeline.store import Manifest
from ocr_pipeline.tables import TABLES

__all__ = ["RECORDED", "data_version", "provenance"]

RECORDED: Final = {SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True}
"""Metadata of a result whose events are recorded already: Dagster records no other ones. It is the mark by which observed
sources record their own; a test fails when it means something else."""
DATA_VERSION: Final = "dagster/data_version"
NO_VERSION: Final = "INITIAL"
BEFORE_ALL: Final = "1"
"""Event before all others: whatever is recorded later is new. Dagster takes no number for the latest one."""
CARRIED: Final[Mapping[str, frozenset[str]]] = {
    table.name: frozenset(
        read.table.name for step in FLOW for read in step.reads if read.through is not None and read.through is table
    )
    for step in FLOW
    for table in step.writes
}
"""Tables that are read together with one that was made from them: a change of theirs is a change of its version."""


def data_version(manifest: Manifest) -> str:
    """Return the hash of a partition's content, and of the tables that are read through it."""
    carried = [one.content_sha256 for one in manifest.inputs if one.table in CARRIED.get(manifest.table, ())]
    if not carried:
        return manifest.content_sha256
    return hashlib.sha256(" ".join([manifest.content_sha256, *carried]).encode()).hexdigest()


def provenance(context: dg.AssetExecutionContext, built: Built) -> dict[str, str]:
    """Return the tags of one materialization: its version, the code's, and those of what it was made from."""
    key = dg.AssetKey(built.table.name)
    spec = context.assets_def.specs_by_key[key]
    tags = {
        DATA_VERSION: data_version(built.manifest),
        "dagster/data_version_is_user_provided": "true",
        "dagster/code_version": spec.code_version or built.manifest.code_version,
    }
    for dep in spec.deps:
        name = dep.asset_key.to_user_string()
        record = _latest(context.instance, built.manifest, name)
        if name in EXTERNAL and _version(record) != version_in(built.manifest, name):
            _observe(context, built.manifest, name)
            record = _latest(context.instance, built.manifest, name)
        tags[f"dagster/input_data_version/{name}"] = _version(record)
        tags[f"dagster/input_event_pointer/{name}"] = str(record.storage_id) if record else BEFORE_ALL
    return tags


def _observe(context: dg.AssetExecutionContext, manifest: Manifest, name: str) -> None:
    """Note what was found of something outside that nobody observed since it changed."""
    tags = {DATA_VERSION: version_in(manifest, name)}
    context.log_event(dg.AssetObservation(name, partition=_partition_read(manifest, name), tags=tags))


def _latest(instance: dg.DagsterInstance, manifest: Manifest, name: str) -> dg.EventLogRecord | None:
    """Return the last event of what was read; nothing for a table that was not there to be read."""
    if name in TABLES and name not in EXTERNAL and all(one.table != name for one in manifest.inputs):
        return None
    partition = _partition_read(manifest, name)
    wanted = dg.AssetRecordsFilter(dg.AssetKey(name), asset_partitions=[partition] if partition else None)
    for fetch in (instance.fetch_materializations, instance.fetch_observations):
        records = fetch(wanted, limit=1).records
        if records:
            return records[0]
    return None


def _partition_read(manifest: Manifest, name: str) -> str | None:
    """Return which partition was read; ``None`` where one without partitions read all of them."""
    is_whole = name in TABLES and not TABLES[name].partition_by  # of such a table a slice may be named, no partition
    read = [one.partition for one in manifest.inputs if one.table == name] if manifest.partition else []
    return "|".join(read[0].values()) or None if read and not is_whole else None


def _version(record: dg.EventLogRecord | None) -> str:
    event = record.asset_event if record else None
    return (event.tags or {}).get(DATA_VERSION, NO_VERSION) if event is not None else NO_VERSION
