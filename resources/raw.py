"""Where the raw data sets lie."""

import os
from pathlib import Path

import dagster as dg
from pydantic import Field

from ocr_pipeline import sample
from ocr_pipeline.errors import InputError
from ocr_pipeline.sources import SOURCES
from ocr_pipeline.sources.hub import fetch

__all__ = ["RawResource"]


class RawResource(dg.ConfigurableResource[Path]):
    """Raw files as ``<root>/<dataset>/…``, or the hub at a pinned revision."""

    root: str = Field(
        default_factory=lambda: os.environ.get("OCR_PIPELINE_RAW", str(sample.path("raw"))),
        description="Folder with one folder per data set; the default is OCR_PIPELINE_RAW, or the bundled sample.",
    )
    split: str = Field(
        default_factory=lambda: os.environ.get("OCR_PIPELINE_SPLIT", "train"),
        description="Split to ingest; the default is OCR_PIPELINE_SPLIT, or train.",
    )
    from_hub: bool = Field(default=False, description="Fetch a data set whose folder is absent from the hub.")

    revisions: dict[str, str] = Field(
        default={}, description="Hub revision by data set; the default is the pinned one."
    )
    workers: int = Field(default=2, description="Processes that read a data set; each takes some 0.5 GB of memory.")

    def folder(self, dataset: str) -> Path:
        """Return the folder of a data set, whether it exists or not."""
        return Path(self.root) / dataset

    def present(self) -> list[str]:
        """Return the data sets whose folders exist."""
        return [dataset for dataset in SOURCES if self.folder(dataset).is_dir()]

    def paths(self, dataset: str) -> list[Path]:
        """Return what to ingest for a data set, fetching it when that is allowed.

        Raises
        ------
        InputError
            When there is no folder and the hub may not be asked.
        """
        folder = self.folder(dataset)
        if folder.is_dir():
            return [folder]
        if self.from_hub:
            return fetch(SOURCES[dataset], self.revisions.get(dataset), folder)
        message = f"no raw files for `{dataset}`: `{folder}` does not exist; put them there, or set OCR_PIPELINE_RAW"
        raise InputError(message)
