"""Which layouts each data set is read from: one line per reader module."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ocr_pipeline.sources import (
    apps,
    code_contests,
    codeforces,
    humaneval,
    kattis,
    leetcode,
    livecodebench,
    mbpp,
    own,
    taco,
)
from ocr_pipeline.sources.model import Layout

__all__ = ["LAYOUTS", "describe_layouts", "layout_for"]

LAYOUTS: Final[Mapping[str, Sequence[Layout]]] = {
    "taco": taco.LAYOUTS,
    "apps": apps.LAYOUTS,
    "code_contests": code_contests.LAYOUTS,
    "codeforces": codeforces.LAYOUTS,
    "leetcode": leetcode.LAYOUTS,
    "kattis": kattis.LAYOUTS,
    "own": own.LAYOUTS,
    "livecodebench": livecodebench.LAYOUTS,
    "mbpp": mbpp.LAYOUTS,
    "humaneval": humaneval.LAYOUTS,
}


def layout_for(dataset: str, columns: Iterable[str]) -> Layout | None:
    """Return the first layout whose columns are all there."""
    present = set(columns)
    return next((layout for layout in LAYOUTS[dataset] if layout.required <= present), None)


def describe_layouts(dataset: str) -> str:
    """Name the layouts of a data set with their columns, for a message."""
    return "; or ".join(f"{layout.name} ({', '.join(sorted(layout.required))})" for layout in LAYOUTS[dataset])
