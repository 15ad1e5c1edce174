"""The step of this room: raw files become problems, tests, solutions, and rejected rows with a reason."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ocr_pipeline import sample, sources
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import MissingInputError
from ocr_pipeline.options import Options, option
from ocr_pipeline.sources.catalogue import SOURCES, source_named
from ocr_pipeline.sources.hub import fetch, local_path
from ocr_pipeline.sources.ingest import ingest
from ocr_pipeline.sources.raw import column_names, hash_of_raw
from ocr_pipeline.steps import Job, Raw, Step
from ocr_pipeline.store import canonical_json
from ocr_pipeline.tables import PROBLEMS, REJECTED, SOLUTIONS, TESTS

__all__ = ["INGEST", "IngestOptions", "RawOptions", "raw_given", "raw_version"]


class IngestOptions(Options):
    """How raw rows are read."""

    split: str = option("train", "Split that the rows belong to", environment="OCR_PIPELINE_SPLIT")
    columns: tuple[str, ...] = option(
        (), "OURS=THEIRS: a column of ours and its name in the files, such as statement=question", also="map"
    )
    workers: int = option(
        2, "Processes that read a data set; each takes some 0.5 GB of memory", ge=1, affects_output=False
    )


class RawOptions(IngestOptions):
    """Where raw files are: ``<root>/<dataset>/…``, or the hub at a pinned revision."""

    root: Path = option(
        sample.path("raw"),
        "Folder with one folder per data set; the default is the bundled sample",
        environment="OCR_PIPELINE_RAW",
        affects_output=False,
    )
    from_hub: bool = option(False, "Fetch a data set whose folder is absent from the hub", affects_output=False)
    revisions: Mapping[str, str] = option(
        {}, "Hub revision by data set; the default is the pinned one", affects_output=False
    )

    def folder(self, dataset: str) -> Path:
        """Return the folder of a data set, whether it exists or not."""
        return Path(self.root) / dataset

    def present(self) -> list[str]:
        """Return the data sets whose folders exist."""
        return [dataset for dataset in SOURCES if self.folder(dataset).is_dir()]

    def raw(self, dataset: str) -> Raw:
        """Return what to ingest for a data set, fetching it when that is allowed.

        Raises
        ------
        MissingInputError
            When there is no folder and the hub may not be asked.
        """
        folder = self.folder(dataset)
        if not folder.is_dir() and not self.from_hub:
            message = (
                f"no raw files for `{dataset}`: `{folder}` does not exist; put them there, or set OCR_PIPELINE_RAW"
            )
            raise MissingInputError(message)
        paths = [folder] if folder.is_dir() else fetch(SOURCES[dataset], self.revisions.get(dataset), folder)
        return Raw(dataset, paths, raw_version(paths))


def raw_version(paths: list[Path]) -> str:
    """Return a hash over the names and contents of raw files."""
    return hashlib.sha256(canonical_json(hash_of_raw(paths)).encode()).hexdigest()


def raw_given(dataset: str, paths: tuple[str, ...]) -> Raw:
    """Return the files that a person named, by path or by their address on the hub."""
    source = source_named(dataset)
    return Raw(dataset, [local_path(source, path) for path in paths])


def _ingest(job: Job) -> StageCounts:
    if job.raw is None:
        raise AssertionError("ingest reads raw files")
    options = job.options(IngestOptions)
    return ingest(
        job.raw.dataset,
        job.raw.paths,
        split=options.split,
        writers=job.writers,
        columns=column_names(options.columns),
        workers=options.workers,
        progress=job.progress,
    )


INGEST: Final = Step(
    name="ingest",
    group="1_ingest",
    version=sources.VERSION,
    reads_raw=True,
    writes=(PROBLEMS, TESTS, SOLUTIONS, REJECTED),
    options=(IngestOptions,),
    partition_by=("dataset",),
    run=_ingest,
)
