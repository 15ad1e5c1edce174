"""Which benchmarks the problems are checked against."""

import os
from pathlib import Path

import dagster as dg
from pydantic import Field

from ocr_pipeline import sample
from ocr_pipeline.contamination import COMPARED, Benchmark, read_benchmark
from ocr_pipeline.sources import SOURCES, Role
from ocr_pipeline.store import InputRef, Store
from ocr_pipeline.tables import PROBLEMS

__all__ = ["BenchmarksResource"]


class BenchmarksResource(dg.ConfigurableResource[list[Benchmark]]):
    """Benchmark files of a folder, and every ingested data set whose role is benchmark."""

    folder: str = Field(
        default_factory=lambda: os.environ.get("OCR_PIPELINE_BENCHMARKS", str(sample.path("benchmarks"))),
        description="Folder of <name>.jsonl or <name>.parquet; the default is OCR_PIPELINE_BENCHMARKS, or the bundled one.",
    )

    def references(self, store: Store) -> list[InputRef]:
        """Return references to the ingested benchmarks."""
        return [store.reference(PROBLEMS, **keys) for keys in self._ingested(store)]

    def open(self, store: Store) -> list[Benchmark]:
        """Return every benchmark, sorted by name."""
        files = [path for path in sorted(Path(self.folder).glob("*")) if path.suffix in {".jsonl", ".parquet"}]
        benchmarks = [read_benchmark(path.stem, path) for path in files]
        for keys in self._ingested(store):
            version = store.reference(PROBLEMS, **keys).content_sha256[:12]
            rows = store.open(PROBLEMS, **keys).to_table(columns=list(COMPARED))
            benchmarks.append(Benchmark(name=keys["dataset"], version=version, problems=rows))
        return sorted(benchmarks, key=lambda benchmark: benchmark.name)

    def _ingested(self, store: Store) -> list[dict[str, str]]:
        return [keys for keys in store.partitions(PROBLEMS) if SOURCES[keys["dataset"]].role is Role.BENCHMARK]
