"""How the patterns of a sample's reasoning read in ``explain``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ocr_pipeline.events import Event, Found, SampleRef, Told
from ocr_pipeline.tables import REASONING_PATTERNS

__all__ = ["TOLD"]


def _reasoned(found: Found, sample: SampleRef) -> Iterator[Event]:
    for row in found.of_sample(REASONING_PATTERNS, sample):
        entropy = "unlabelled" if row["entropy_bits"] is None else f"{row['entropy_bits']:.2f} bits"
        by_frequency = sorted(row["counts"], key=lambda item: -item[1])
        yield Event(REASONING_PATTERNS.name, entropy, ", ".join(f"{rows} {name}" for name, rows in by_frequency))


TOLD: Final = (Told(REASONING_PATTERNS, of_sample=_reasoned),)
