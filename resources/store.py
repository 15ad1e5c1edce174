"""Where the Parquet lies."""

import hashlib
import os
from pathlib import Path

import dagster as dg
from pydantic import Field

from ocr_pipeline.similarity.reviews import Reviews, read_reviews
from ocr_pipeline.store import InputRef, Store

__all__ = ["StoreResource"]


class StoreResource(dg.ConfigurableResource[Store]):
    """The data root: a folder or a URI such as s3://bucket/folder."""

    root: str = Field(
        default_factory=lambda: os.environ.get("OCR_PIPELINE_DATA", "data"),
        description="Folder or URI; the default is OCR_PIPELINE_DATA, or `data`.",
    )

    def open(self) -> Store:
        """Open the data root."""
        return Store(self.root)

    def reviews(self) -> Reviews:
        """Return what people decided on pairs; none when there is no review yet."""
        folder = self._reviews_folder()
        return read_reviews(folder) if folder.is_dir() else Reviews()

    def reviews_reference(self) -> InputRef:
        """Return a reference to the reviews, so that a new one makes the assets follow it."""
        files = sorted(self._reviews_folder().glob("*"))
        digest = hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files))
        return InputRef("reviews", {}, digest.hexdigest())

    def _reviews_folder(self) -> Path:
        return (self.open().local_root or Path("data")) / "reviews"

    def side_folder(self, name: str) -> Path:
        """Return a local folder for what is no table: ledgers, caches, checkpoints."""
        local = self.open().local_root
        return (local or Path("data")) / f"_{name}"
