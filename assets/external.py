"""What comes from outside the data root, observed: raw files, people's reviews, benchmark files.

Each is an asset that nobody materializes; the version of its data is a hash of what is there. A change shows everything
that was made from it as stale, and only that. A step that reads one notes the version it found, so that no observation
has to come first.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

import dagster as dg

from assets.partitions import BY_DATASET
from ocr_pipeline.contamination.steps import CHECK, BenchmarkOptions
from ocr_pipeline.duplicates.steps import COMPARE
from ocr_pipeline.errors import InputError
from ocr_pipeline.sources.steps import INGEST, RawOptions
from ocr_pipeline.store import InputRef, Manifest, canonical_json, sha256_of
from ocr_pipeline.tables import REVIEWS
from resources import StoreResource

__all__ = ["ASSETS", "EXTERNAL", "observations", "version_in"]

RAW: Final = "raw"
BENCHMARKS: Final = "benchmarks"
EXTERNAL: Final[Mapping[str, str]] = {
    RAW: "Raw files of each data set, by their hashes.",
    REVIEWS.name: REVIEWS.description,
    BENCHMARKS: "Benchmark files that problems are checked against, by their contents.",
}
"""What each of them is."""


def observations(
    raw_files: RawOptions, benchmarks: BenchmarkOptions, store: StoreResource, is_new: Callable[[str], bool]
) -> Iterator[tuple[str, str | None, str]]:
    """Yield what there is: name, partition, and version; raw files are only read where ``is_new`` says so."""
    for dataset in filter(is_new, raw_files.present()):
        yield RAW, dataset, raw_files.raw(dataset).sha256
    yield REVIEWS.name, None, _of_references(store.open().references(REVIEWS))
    with suppress(InputError):  # the step that reads a broken benchmark says so; the others are observed all the same
        yield BENCHMARKS, None, _of_settings(benchmarks.settings)


def version_in(manifest: Manifest, name: str) -> str:
    """Return the version of an external asset that a partition was made from."""
    if name == BENCHMARKS:
        return _of_settings(manifest.config)
    read = [one for one in manifest.inputs if one.table == name]
    return read[0].content_sha256 if name == RAW else _of_references(read)


def _of_references(references: list[InputRef]) -> str:
    return sha256_of(canonical_json(sorted(one.content_sha256 for one in references)))


def _of_settings(settings: Mapping[str, Any]) -> str:
    return sha256_of(canonical_json(settings.get(BENCHMARKS)))


def _raw(context: Any) -> dg.DataVersionsByPartition:  # noqa: ANN401 - Dagster's context of an observation
    options: RawOptions = context.resources.raw_files.options(RawOptions)
    return dg.DataVersionsByPartition({dataset: options.raw(dataset).sha256 for dataset in options.present()})


def _reviews(context: Any) -> dg.DataVersion:  # noqa: ANN401 - Dagster's context of an observation
    return dg.DataVersion(_of_references(context.resources.store.open().references(REVIEWS)))


def _benchmarks(context: Any) -> dg.DataVersion:  # noqa: ANN401 - Dagster's context of an observation
    return dg.DataVersion(_of_settings(context.resources.benchmarks.options(BenchmarkOptions).settings))


with warnings.catch_warnings():  # each start of Dagster would print that observed sources are a beta feature of it
    warnings.simplefilter("ignore", dg.BetaWarning)
    ASSETS: Final = tuple(
        dg.observable_source_asset(
            name=name,
            group_name=step.group,
            partitions_def=BY_DATASET if name == RAW else None,
            description=EXTERNAL[name],
            required_resource_keys={resource},
        )(look)
        for name, step, resource, look in (
            (RAW, INGEST, "raw_files", _raw),
            (REVIEWS.name, COMPARE, "store", _reviews),
            (BENCHMARKS, CHECK, "benchmarks", _benchmarks),
        )
    )
