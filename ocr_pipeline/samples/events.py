"""How a sample's verdict, and whether it was selected, read in ``explain``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ocr_pipeline.counts import KEPT
from ocr_pipeline.events import Event, Found, SampleRef, Told
from ocr_pipeline.tables import EXECUTIONS, SAMPLES, SFT_DATASET

__all__ = ["TOLD"]

ID_CHARACTERS: Final = 12
SAID_ALREADY: Final = {"sample_id", "problem_id", "language", "verdict", "reasons"}
SELECTED_BY: Final = ("reasoning_has_code", "duplicate_of", "loop_period", "repeated_share")


def _of_problem(found: Found, problem_id: str) -> Iterator[Event]:
    """Tell each sample in one line, which its later stages continue."""
    for keys, samples in found.of_problem(SAMPLES, problem_id, ["sample_id", "verdict", "reasons"]):
        for row in samples:
            summary = "; ".join(filter(None, (row["sample_id"][:ID_CHARACTERS], ", ".join(row["reasons"]))))
            sample = SampleRef(row["sample_id"], problem_id, keys)
            yield Event(SAMPLES.name, row["verdict"], summary, sample=sample)


def _separated(found: Found, sample: SampleRef) -> Iterator[Event]:
    for row in found.of_sample(SAMPLES, sample):
        shown = {name: value for name, value in row.items() if value is not None and name not in SAID_ALREADY}
        yield Event(SAMPLES.name, row["verdict"], ", ".join(row["reasons"]) or "nothing against it", (shown,))


def _selected(found: Found, sample: SampleRef) -> Iterator[Event]:
    manifest = found.store.manifest(SFT_DATASET, **sample.partition)
    if manifest is None:
        return
    switched_on = [f"{name}={value}" for name, value in sorted(manifest.config.items()) if value not in (None, False)]
    selection = f"selection {', '.join(switched_on)}".rstrip()
    (row,) = found.of_sample(SAMPLES, sample)
    if found.of_sample(SFT_DATASET, sample):
        yield Event(SFT_DATASET.name, KEPT, selection)
    elif row["verdict"] != KEPT:
        yield Event(SFT_DATASET.name, "dropped", f"its verdict is {row['verdict']}: no selection would keep it")
    else:
        yield Event(SFT_DATASET.name, "dropped", f"by the {selection}", (_selectable(found, sample, row),))


def _selectable(found: Found, sample: SampleRef, row: dict[str, Any]) -> dict[str, Any]:
    """Return what a selection may look at: another one may keep the sample."""
    facts = {name: row[name] for name in SELECTED_BY if row[name] is not None}
    for judged in found.of_sample(EXECUTIONS, sample):
        facts |= {"pass_rate": judged["pass_rate"]} if judged["pass_rate"] is not None else {}
    return facts


TOLD: Final = (
    Told(SAMPLES, of_problem=_of_problem, of_sample=_separated),
    Told(SFT_DATASET, of_sample=_selected),
)
