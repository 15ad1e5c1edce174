"""Where the Parquet lies."""

import os
from pathlib import Path

import dagster as dg
from pydantic import Field, PrivateAttr

from ocr_pipeline.errors import InputError
from ocr_pipeline.store import Store
from resources.killed_runs import end_killed_runs, mark_machine

__all__ = ["StoreResource"]


class StoreResource(dg.ConfigurableResource[Store]):
    """The data root: a folder or a URI such as s3://bucket/folder."""

    root: str = Field(
        default_factory=lambda: os.environ.get("OCR_PIPELINE_DATA", "data"),
        description="Folder or URI; the default is OCR_PIPELINE_DATA, or `data`.",
    )

    local: str = Field(
        default_factory=lambda: os.environ.get("OCR_PIPELINE_LOCAL", ""),
        description="Folder for ledgers, caches and checkpoints where the root is a URI; the default is OCR_PIPELINE_LOCAL.",
    )

    lock_timeout_s: float = Field(
        default=600.0, description="How long a retry waits for the orphan of a killed run to finish a partition."
    )

    _run: str = PrivateAttr(default="")

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Free what killed runs still hold: every asset uses the store, and this comes before it waits for a pool."""
        self._run = context.run.run_id if context.run else ""
        if context.run is not None and context.instance is not None:
            mark_machine(context.instance, context.run.run_id)
            end_killed_runs(context.instance)

    def open(self) -> Store:
        """Open the data root."""
        return Store(self.root, lock_timeout_s=self.lock_timeout_s, run=self._run)

    def side_folder(self, name: str) -> Path:
        """Return a local folder for what is not a table: ledgers, caches, checkpoints.

        Raises
        ------
        InputError
            When the data root is not a folder of this machine and nobody says where paid answers are kept: below the
            folder Dagster is started in they would be gone with a container.
        """
        local = self.open().local_root or (Path(self.local) if self.local else None)
        if local is None:
            message = f"`{self.root}` is not a folder: set OCR_PIPELINE_LOCAL to one that lasts, for the ledger of paid answers"
            raise InputError(message)
        return local / f"_{name}"
