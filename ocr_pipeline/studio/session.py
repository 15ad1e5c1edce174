"""What the pages share: the data root of this server, its pairs and votes, read again only when they changed."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from ocr_pipeline.sample import path as sample_path
from ocr_pipeline.similarity import Reviews
from ocr_pipeline.store import Store
from ocr_pipeline.studio.decisions import standing
from ocr_pipeline.studio.queue import Pair, uncertain_pairs
from ocr_pipeline.tables import CONTAMINATION, DUPLICATE_PAIRS, REVIEWS, Table

__all__ = ["benchmark_folder", "open_store", "pairs_of", "reviews_of"]


def open_store() -> Store:
    """Open the data root that the server was started for."""
    return Store(os.environ.get("OCR_PIPELINE_DATA", "data"))


def benchmark_folder() -> Path:
    """Return where the files of benchmarks lie."""
    return Path(os.environ.get("OCR_PIPELINE_BENCHMARKS") or sample_path("benchmarks"))


def pairs_of(store: Store) -> list[Pair]:
    """Return the uncertain pairs, in the order of the queue."""
    return _pairs(store.root, _version(store, DUPLICATE_PAIRS), _version(store, CONTAMINATION))


def reviews_of(store: Store) -> Reviews:
    """Return the votes that stand."""
    return _reviews(store.root, _version(store, REVIEWS))


def _version(store: Store, table: Table) -> str:
    manifest = store.manifest(table)
    return f"{manifest.fingerprint}-{manifest.content_sha256}" if manifest else ""


@lru_cache(maxsize=4)
def _pairs(root: str, *_versions: str) -> list[Pair]:
    return uncertain_pairs(Store(root))


@lru_cache(maxsize=4)
def _reviews(root: str, *_versions: str) -> Reviews:
    return standing(Store(root))
