"""The partitions that all assets share: what a person wants to run again."""

from typing import Final

import dagster as dg

from ocr_pipeline.sources import SOURCES
from ocr_pipeline.tables import Language

__all__ = ["BY_DATASET", "BY_DATASET_AND_LANGUAGE"]

BY_DATASET: Final = dg.StaticPartitionsDefinition(list(SOURCES))

# Dagster sorts the dimensions by name, so that keys read `taco|python`.
BY_DATASET_AND_LANGUAGE: Final = dg.MultiPartitionsDefinition(
    {"dataset": BY_DATASET, "language": dg.StaticPartitionsDefinition([language.value for language in Language])}
)
