"""The partitions of assets: what a person wants to run again, and which partition of one asset another one reads."""

from collections.abc import Mapping
from typing import Any, Final

import dagster as dg

from ocr_pipeline.flow import FLOW
from ocr_pipeline.sources import SOURCES, Role
from ocr_pipeline.steps import Read, Step, Whose
from ocr_pipeline.tables import Language

__all__ = ["BY_DATASET", "dependency", "partitions_of_step"]

TRAINING_SETS: Final = [name for name, source in SOURCES.items() if source.role is Role.TRAIN]
BENCHMARKS: Final = [name for name, source in SOURCES.items() if source.role is Role.BENCHMARK]
BY_DATASET: Final = dg.StaticPartitionsDefinition(list(SOURCES))
BY_TRAINING_SET: Final = dg.StaticPartitionsDefinition(TRAINING_SETS)

# Dagster sorts the dimensions by name, so that keys read `taco|python`.
BY_TRAINING_SET_AND_LANGUAGE: Final = dg.MultiPartitionsDefinition(
    {"dataset": BY_TRAINING_SET, "language": dg.StaticPartitionsDefinition([language.value for language in Language])}
)
PARTITIONS: Final[Mapping[tuple[str, ...], dg.PartitionsDefinition[Any] | None]] = {
    (): None,
    ("dataset",): BY_TRAINING_SET,
    ("dataset", "language"): BY_TRAINING_SET_AND_LANGUAGE,
}
SAME_DATASET: Final = dg.StaticPartitionMapping({name: name for name in TRAINING_SETS})
OF: Final = {
    Whose.TRAINING: dg.SpecificPartitionsPartitionMapping(TRAINING_SETS),
    Whose.BENCHMARK: dg.SpecificPartitionsPartitionMapping(BENCHMARKS),
}


def partitions_of_step(step: Step) -> dg.PartitionsDefinition[Any] | None:
    """Return the partitions of a step: only training sets, but for what reads raw files."""
    return BY_DATASET if step.reads_raw else PARTITIONS[step.partition_by]


def dependency(step: Step, read: Read) -> dg.AssetDep:
    """Return which partitions of a table a step reads."""
    makers = [maker for maker in FLOW if read.table in maker.writes]
    above = partitions_of_step(makers[0]) if makers else None
    mapping: dg.PartitionMapping | None = None
    if above is BY_DATASET and step.partition_by == ("dataset",):
        mapping = SAME_DATASET
    elif above is BY_DATASET and not step.partition_by:
        mapping = OF.get(read.whose)
    return dg.AssetDep(read.table.name, partition_mapping=mapping)
