"""How outputs are to be compared, as far as the statement says so.

Rules for sources that carry no checker of their own. They look for the sentences that problem setters use; what they
miss is found when reference solutions are run.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ocr_pipeline.tables import Checker

__all__ = ["checker_of"]

# Plain words that a rule cannot do without: a search for words is many times faster than one for patterns.
TOLERANCE_WORDS: Final = ("error", "precision", "tolerance", "accuracy", "difference", "within", "deviation")
JUDGE_WORDS: Final = (" any", "either", "case", "order", " one")
SENTENCE_END: Final = re.compile(r"[.!?;](?=\s)|\n\s*\n")
ERROR_BOUND: Final = re.compile(
    r"\b(?:absolute|relative)\b.{0,100}\b(?:error|precision|difference|deviation|tolerance)\b"
    r"|\b(?:error|tolerance|precision|difference)\b.{0,60}\b(?:at most|less than|smaller than|exceed|within|up to)\b"
    r"|\b(?:within|accuracy of|precision of|tolerance of|error of)\b.{0,30}10\s*\^?\s*\{?\s*[-\u2212\u2013]",
    re.DOTALL,
)
POWER: Final = re.compile(
    r"\b10\s*(?:\^|\*\*)?\s*\{?\s*[-\u2212\u2013]\s*(\d{1,2})\b"
    r"|\b1(?:\.0+)?e[-\u2212\u2013]0?(\d{1,2})\b|\b0\.(0{1,14}1)\b",
)
ANY_ANSWER: Final = re.compile(
    r"\b(?:multiple|several|many|more than one)\b[^.\n]{0,80}\b(?:answers?|solutions?|ways?|options?|sequences?|"
    r"strings?|arrays?|permutations?|outputs?|possibilities)\b[^\n]{0,80}\b(?:any|either|one)\b"
    r"|\b(?:print|output|return|find|report) any (?:of|one|valid|such|possible|correct|suitable)\b"
    r"|\bany (?:valid|correct|such|of (?:them|these|the)) [^.\n]{0,40}\b(?:accepted|printed|output|answer)\b",
)
ANY_CASE: Final = re.compile(
    r"\bin any (?:letter )?case\b|\bcase[- ]insensitive|\b(?:any|either) (?:letter )?case\b[^.\n]{0,40}\b(?:upper|lower)"
    r"|\byou (?:can|may) print each letter in\b",
)
ANY_ORDER: Final = re.compile(r"\b(?:return|print|output)\b[^.\n]{0,80}\bin any order\b|\border does not matter\b")

SENTENCES: Final = (
    (Checker.SPECIAL, ANY_ANSWER),
    (Checker.CASE_INSENSITIVE, ANY_CASE),
    (Checker.UNORDERED, ANY_ORDER),
)


def checker_of(statement: str) -> tuple[Checker, float | None]:
    """Return how outputs are compared, and the tolerance when they are floats."""
    lowered = statement.lower()
    tolerance = _tolerance(_sentences(lowered, TOLERANCE_WORDS))
    if tolerance is not None:
        return Checker.FLOAT, tolerance
    sentences = _sentences(lowered, JUDGE_WORDS)
    for checker, pattern in SENTENCES:
        if any(pattern.search(sentence) for sentence in sentences):
            return checker, None
    return Checker.TOKENS, None


def _sentences(lowered: str, words: Sequence[str]) -> list[str]:
    """Return the sentences that hold one of the words."""
    present = [word for word in words if word in lowered]
    if not present:
        return []
    return [sentence for sentence in SENTENCE_END.split(lowered) if any(word in sentence for word in present)]


def _tolerance(sentences: Sequence[str]) -> float | None:
    for sentence in sentences:
        match = POWER.search(sentence) if ERROR_BOUND.search(sentence) else None
        if match:
            power, exponent, decimals = match.groups()
            return float(f"1e-{power or exponent or len(decimals)}")
    return None
