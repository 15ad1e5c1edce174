"""The student: trained on what the teacher wrote, and measured honestly.

Training needs the extra ``train``; evaluation needs only the tables.
"""

from __future__ import annotations

from typing import Final

from ocr_pipeline.student.evaluation import EvaluationConfig, Evaluator, Method, Window, benchmark_problems
from ocr_pipeline.student.pass_at_k import PairedDifference, paired_difference, pass_at_k, summarize

__all__ = [
    "VERSION",
    "EvaluationConfig",
    "Evaluator",
    "Method",
    "PairedDifference",
    "Window",
    "benchmark_problems",
    "paired_difference",
    "pass_at_k",
    "summarize",
]

VERSION: Final = "1"
"""Changes when the same input gives other bytes."""
