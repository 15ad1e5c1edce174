"""How the neighbours of a problem, and what it is a duplicate of, read in ``explain``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow.compute as pc

from ocr_pipeline.counts import KEPT
from ocr_pipeline.events import Event, Found, Told
from ocr_pipeline.similarity.profile import spoken
from ocr_pipeline.similarity.what_if import another_threshold, decider
from ocr_pipeline.tables import DUPLICATE_PAIRS, UNIQUE_PROBLEMS

__all__ = ["TOLD"]

NEAREST: Final = 5
EVIDENCE: Final = (
    "cosine",
    "lexical",
    "tests_equal",
    "decision",
    "decided_by",
    "rule",
    "inputs_agreeing",
    "inputs_conflicting",
)


def _pairs(found: Found, problem_id: str) -> list[dict[str, Any]]:
    either = (pc.field("left_id") == problem_id) | (pc.field("right_id") == problem_id)
    return sorted(found.rows(DUPLICATE_PAIRS, either), key=lambda pair: -pair["cosine"])


def _neighbours(found: Found, problem_id: str) -> Iterator[Event]:
    if not found.has(DUPLICATE_PAIRS):
        return
    pairs = _pairs(found, problem_id)
    details = tuple(
        {"neighbour": pair["right_id"] if pair["left_id"] == problem_id else pair["left_id"]}
        | {name: pair[name] for name in EVIDENCE if pair[name] is not None}
        | ({"evidence": spoken(pair["evidence"])} if pair["evidence"] else {})
        for pair in pairs[:NEAREST]
    )
    verdict = f"{len(pairs)} neighbour{'' if len(pairs) == 1 else 's'}"
    summary = "nearest first" if pairs else "no problem is as near as the threshold"
    yield Event(DUPLICATE_PAIRS.name, verdict, summary, details)


def _unique(found: Found, problem_id: str) -> Iterator[Event]:
    if not found.has(DUPLICATE_PAIRS) or not found.has(UNIQUE_PROBLEMS):
        return
    pairs = _pairs(found, problem_id)
    kept = found.rows(UNIQUE_PROBLEMS, pc.field("problem_id") == problem_id, ["member_ids", "datasets", "licenses"])
    dropping = [pair for pair in pairs if pair["dropped_id"] == problem_id]
    if kept:
        others = [member for member in kept[0]["member_ids"] if member != problem_id]
        stands_for = f"stands for {', '.join(others)}" if others else "stands for itself alone"
        yield Event(UNIQUE_PROBLEMS.name, KEPT, f"{stands_for}; {_undecided(pairs, problem_id)}", tuple(kept))
    elif dropping:
        pair = dropping[0]
        why = f"duplicate of {pair['kept_id']}, {decider(pair)}, cosine {pair['cosine']:.4f}"
        if pair["evidence"]:
            why += f" ({spoken(pair['evidence'])})"
        yield Event(UNIQUE_PROBLEMS.name, "dropped", f"{why}; {another_threshold(pair)}")
    else:
        yield Event(UNIQUE_PROBLEMS.name, "absent", _why_absent(found, problem_id))


def _why_absent(found: Found, problem_id: str) -> str:
    manifest = found.store.manifest(UNIQUE_PROBLEMS)
    dataset = problem_id.split("/", 1)[0]
    read = {reference.partition.get("dataset") for reference in manifest.inputs} if manifest else set()
    if dataset not in read:
        return f"{dataset} was not among its inputs: a benchmark, or ingested later"
    return "no pair drops it: unique_problems is older than problems; materialize it again"


def _undecided(pairs: Sequence[Mapping[str, Any]], problem_id: str) -> str:
    undecided = [pair for pair in pairs if pair["decision"] == "undecided"]
    if not undecided:
        return "no pair of it is undecided"
    shown = undecided[0]
    other = shown["right_id"] if shown["left_id"] == problem_id else shown["left_id"]
    return f"{len(undecided)} undecided, the nearest {other} at cosine {shown['cosine']:.4f}: `undecided=drop` or a review decides"


TOLD: Final = (Told(DUPLICATE_PAIRS, of_problem=_neighbours), Told(UNIQUE_PROBLEMS, of_problem=_unique))
