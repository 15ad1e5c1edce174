"""Which problems a benchmark holds, with evidence, and the problems that are left.

The machinery is :mod:`ocr_pipeline.similarity`, as in deduplication; here the other side is a versioned benchmark.
"""

from typing import Final

from ocr_pipeline.contamination.benchmark import COMPARED, Benchmark, read_benchmark
from ocr_pipeline.contamination.checking import ContaminationConfig, check
from ocr_pipeline.contamination.decisions import ContaminationDecision, Undecided
from ocr_pipeline.contamination.selection import select_clean

__all__ = [
    "COMPARED",
    "VERSION",
    "Benchmark",
    "ContaminationConfig",
    "ContaminationDecision",
    "Undecided",
    "check",
    "read_benchmark",
    "select_clean",
]

VERSION: Final = "3"
