"""Where the Parquet lies."""

import os
from pathlib import Path

import dagster as dg
from pydantic import Field

from ocr_pipeline.similarity.reviews import Reviews, read_reviews
from ocr_pipeline.store import InputRef, Store
from ocr_pipeline.tables import REVIEWS
from resources.killed_runs import end_killed_runs, mark_machine

__all__ = ["StoreResource"]


class StoreResource(dg.ConfigurableResource[Store]):
    """The data root: a folder or a URI such as s3://bucket/folder."""

    root: str = Field(
        default_factory=lambda: os.environ.get("OCR_PIPELINE_DATA", "data"),
        description="Folder or URI; the default is OCR_PIPELINE_DATA, or `data`.",
    )

    lock_timeout_s: float = Field(
        default=600.0, description="How long a retry waits for the orphan of a killed run to finish a partition."
    )

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Free what killed runs still hold: every asset uses the store, and this comes before it waits for a pool."""
        if context.run is not None and context.instance is not None:
            mark_machine(context.instance, context.run.run_id)
            end_killed_runs(context.instance)

    def open(self) -> Store:
        """Open the data root."""
        return Store(self.root, lock_timeout_s=self.lock_timeout_s)

    def reviews(self) -> Reviews:
        """Return what people decided on pairs; none when there is no review yet."""
        opened = self.open()
        return read_reviews(opened.open(REVIEWS)) if opened.partitions(REVIEWS) else Reviews()

    def reviews_references(self) -> list[InputRef]:
        """Return references to the reviews, so that a new one makes the assets follow it."""
        return self.open().references(REVIEWS)

    def side_folder(self, name: str) -> Path:
        """Return a local folder for what is not a table: ledgers, caches, checkpoints."""
        local = self.open().local_root
        return (local or Path("data")) / f"_{name}"
