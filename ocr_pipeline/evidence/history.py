"""The whole life of one problem or one sample: what each step says of it, in the order of the flow.

What is said of a row is defined in the room that wrote it, in its module ``events``; this module finds those modules, finds
out what an identifier names, and collects. Adding a step adds its event where the step is: nothing here changes.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib import import_module, resources
from typing import Final

import pyarrow.compute as pc

from ocr_pipeline.errors import InputError
from ocr_pipeline.events import Event, Found, SampleRef, Told
from ocr_pipeline.store import Store
from ocr_pipeline.tables import PROBLEMS, REJECTED, SAMPLES, TABLES

__all__ = ["Explanation", "explain", "told"]

LIBRARY: Final = "ocr_pipeline"
SHORTEST_PREFIX: Final = 8
SUGGESTIONS: Final = 3


@dataclass(frozen=True, slots=True)
class Explanation:
    """The events of one problem or sample, in the order of the flow."""

    identifier: str
    kind: str
    """problem, sample or rejected."""
    events: tuple[Event, ...] = ()

    def to_json(self) -> str:
        """Serialize for programs."""
        content = asdict(self)
        for event in content["events"]:
            del event["sample"]
        return json.dumps(content, indent=2, ensure_ascii=False, default=str)

    def to_text(self) -> str:
        """Tell it to a person: a line per event, its rows indented below."""
        lines = [f"{self.kind} {self.identifier}"]
        for event in self.events:
            lines.append(f"  {event.stage:<18} {event.verdict:<14} {event.summary}".rstrip())
            lines.extend(f"  {'':<18} {'':<14}   {line}" for line in event.lines())
        return "\n".join(lines)


def explain(store: Store, identifier: str) -> Explanation:
    """Tell the life of a problem (by its id) or of a sample (by its id or the first eight characters or more).

    Raises
    ------
    InputError
        When no table knows the identifier, or several samples begin with it; names the nearest ones.
    """
    found, wanted = Found(store), identifier.strip()
    # A raw row may have lost its id to another: then the life of the problem is meant.
    if found.of_problem(PROBLEMS, wanted, ["problem_id"]):
        stages = (one for one in told() if one.table is not REJECTED)
        return Explanation(wanted, "problem", tuple(_of_problem(found, wanted, stages)))
    rejected = tuple(_of_problem(found, wanted, (one for one in told() if one.table is REJECTED)))
    if rejected:
        return Explanation(wanted, "rejected", rejected)
    sample = _sample(found, wanted)
    if sample is not None:
        return Explanation(sample.sample_id, "sample", tuple(_of_sample(found, sample)))
    raise InputError(_unknown(found, wanted))


@cache
def told() -> tuple[Told, ...]:
    """Return what every room has to tell, in the order of the flow."""
    rooms = sorted(
        folder.name for folder in resources.files(LIBRARY).iterdir() if folder.joinpath("events.py").is_file()
    )
    found = [one for room in rooms for one in import_module(f"{LIBRARY}.{room}.events").TOLD]
    position = {name: place for place, name in enumerate(TABLES)}
    return tuple(sorted(found, key=lambda one: position[one.table.name]))


def _of_problem(found: Found, problem_id: str, told_by: Iterable[Told]) -> Iterator[Event]:
    """Yield the events of a problem; one that names a sample is continued by what became of it."""
    for one in told_by:
        for event in one.of_problem(found, problem_id) if one.of_problem else ():
            later = _of_sample(found, event.sample, after=one) if event.sample else ()
            outcomes = [f"{each.stage} {each.verdict}" for each in later]
            yield replace(event, summary="; ".join([event.summary, *outcomes]))


def _of_sample(found: Found, sample: SampleRef, *, after: Told | None = None) -> Iterator[Event]:
    """Yield the events of a sample, all or those of later stages."""
    for one in told()[told().index(after) + 1 if after else 0 :]:
        if one.of_sample:
            yield from one.of_sample(found, sample)


def _sample(found: Found, identifier: str) -> SampleRef | None:
    if len(identifier) < SHORTEST_PREFIX:
        return None
    begins = pc.starts_with(pc.field("sample_id"), identifier)
    samples = [
        SampleRef(row["sample_id"], row["problem_id"], keys)
        for keys in found.store.partitions(SAMPLES)
        for row in found.rows(SAMPLES, begins, ["sample_id", "problem_id"], **keys)
    ]
    exact = [sample for sample in samples if sample.sample_id == identifier]
    if len(samples) > 1 and not exact:
        names = ", ".join(sample.sample_id[:20] for sample in samples[:SUGGESTIONS])
        message = f"{len(samples)} samples begin with `{identifier}`: {names}, …; give more characters"
        raise InputError(message)
    return next(iter(exact or samples), None)


def _unknown(found: Found, identifier: str) -> str:
    near = found.partitions_of(PROBLEMS, identifier) or found.store.partitions(PROBLEMS)
    known = [row["problem_id"] for keys in near for row in found.rows(PROBLEMS, None, ["problem_id"], **keys)]
    root = found.store.root
    if not known:
        return f"`{root}` holds no problems; materialize some, or point --data or OCR_PIPELINE_DATA at a data root"
    nearest = difflib.get_close_matches(identifier, known, SUGGESTIONS, cutoff=0.5) or sorted(known)[:SUGGESTIONS]
    return (
        f"`{identifier}` is not a problem, rejected row or sample of `{root}`; ids look like {', '.join(nearest)}, "
        f"and a sample id needs {SHORTEST_PREFIX} characters"
    )
