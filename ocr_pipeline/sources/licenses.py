"""Licence of a row: what the row says itself, else the table below.

The table repeats what the publishers of the data sets declare for the data set as a whole. Statements in TACO, APPS,
LeetCode and LiveCodeBench belong to the judges they were taken from, which no publisher's licence changes: their
sources are marked as not to be redistributed in :mod:`ocr_pipeline.sources.catalogue`.
"""

from __future__ import annotations

import re
from typing import Final

from ocr_pipeline.sources.catalogue import SOURCES

__all__ = ["license_of"]

# The package format's own key words: it names no version, so none is made up.
SPELLINGS: Final = {
    "cc by": "cc-by",
    "cc by-sa": "cc-by-sa",
    "cc0": "cc0-1.0",
    "public domain": "public-domain",
    "apache 2.0": "apache-2.0",
}


def license_of(dataset: str, declared: object = None) -> str:
    """Return the licence of one row in lower-case SPDX spelling, where there is one."""
    if isinstance(declared, str) and declared.strip():
        words = re.sub(r"\s+", " ", declared.strip().lower())
        return SPELLINGS.get(words, words)
    return SOURCES[dataset].license
