"""The same problem told twice: every similar pair with evidence and decision, and the problems that stay.

Encoding, neighbours and evidence come from :mod:`ocr_pipeline.similarity`; here they are turned into decisions. Likeness to
benchmarks is another step's question.
"""

from typing import Final

from ocr_pipeline.duplicates.curve import LabelledPair, read_labelled, threshold_curve
from ocr_pipeline.duplicates.decisions import DecidedBy, Decision, Rule, Undecided
from ocr_pipeline.duplicates.execution import Execution
from ocr_pipeline.duplicates.invariants import INVARIANT_COLUMNS, check_invariants
from ocr_pipeline.duplicates.pairs import Comparison, DuplicateConfig, compare_problems
from ocr_pipeline.duplicates.selection import select_unique

__all__ = [
    "INVARIANT_COLUMNS",
    "VERSION",
    "Comparison",
    "DecidedBy",
    "Decision",
    "DuplicateConfig",
    "Execution",
    "LabelledPair",
    "Rule",
    "Undecided",
    "check_invariants",
    "compare_problems",
    "read_labelled",
    "select_unique",
    "threshold_curve",
]

VERSION: Final = "3"
