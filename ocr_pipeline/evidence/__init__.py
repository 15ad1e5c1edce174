"""What the pipeline can show for itself: the funnel, the account of every row, the life of one, patterns, data card.

Everything here reads tables that other steps wrote; only the reasoning patterns look at text.
"""

from typing import Final

from ocr_pipeline.evidence.accounting import unaccounted
from ocr_pipeline.evidence.card import data_card
from ocr_pipeline.evidence.funnel import build_funnel, print_funnel, stage_totals
from ocr_pipeline.evidence.history import Explanation, explain
from ocr_pipeline.evidence.patterns import Pattern, PatternCounts, count_patterns, entropy_bits, find_patterns
from ocr_pipeline.evidence.undecided import undecided_pairs
from ocr_pipeline.plots import histogram, line_chart

__all__ = [
    "VERSION",
    "Explanation",
    "Pattern",
    "PatternCounts",
    "build_funnel",
    "count_patterns",
    "data_card",
    "entropy_bits",
    "explain",
    "find_patterns",
    "histogram",
    "line_chart",
    "print_funnel",
    "stage_totals",
    "unaccounted",
    "undecided_pairs",
]

VERSION: Final = "4"
