"""What the pages read: the data root of this server, its queues and votes, read again only when they changed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ocr_pipeline.similarity import Reviews
from ocr_pipeline.store import Store
from ocr_pipeline.studio.decisions import standing
from ocr_pipeline.studio.queues import Item, Queue
from ocr_pipeline.tables import Table

__all__ = ["Root"]


@dataclass(frozen=True, slots=True)
class Root:
    """A data root, and where the files of benchmarks lie."""

    store: Store
    benchmarks: Path

    def items(self, queue: Queue) -> list[Item]:
        """Return what a queue asks about, in its order."""
        return _items(self.store.root, queue, *(_version(self.store, table) for table in queue.reads))

    def votes(self, queue: Queue) -> Reviews:
        """Return the votes that stand."""
        return _votes(self.store.root, queue.table.name, queue.table, _version(self.store, queue.table))


def _version(store: Store, table: Table) -> str:
    manifests = (store.manifest(table, **keys) for keys in store.partitions(table))
    return " ".join(f"{one.fingerprint}-{one.content_sha256}" for one in manifests if one)


@lru_cache(maxsize=16)
def _items(root: str, queue: Queue, *_versions: str) -> list[Any]:
    return queue.find(Store(root))


@lru_cache(maxsize=4)
def _votes(root: str, _name: str, table: Table, _version: str) -> Reviews:
    return standing(Store(root), table)
