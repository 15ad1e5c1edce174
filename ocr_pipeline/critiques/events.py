"""How the critiques of a sample read in ``explain``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ocr_pipeline.events import Event, Found, SampleRef, Told
from ocr_pipeline.tables import CRITIQUES

__all__ = ["TOLD"]


def _criticized(found: Found, sample: SampleRef) -> Iterator[Event]:
    for row in found.of_sample(CRITIQUES, sample):
        said = f"says {row['judgement']}, tests say {row['execution']}" if row["agrees"] is not None else row["verdict"]
        who = f" ({row['model']})" if row["model"] else ""
        yield Event(CRITIQUES.name, row["verdict"], f"{row['kind']}{who}: {said}")


TOLD: Final = (Told(CRITIQUES, of_sample=_criticized),)
