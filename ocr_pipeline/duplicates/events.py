"""How the neighbours of a problem, and what it is a duplicate of, read in ``explain``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow.compute as pc

from ocr_pipeline.counts import KEPT
from ocr_pipeline.events import Event, Found, Told
from ocr_pipeline.similarity.what_if import another_threshold
from ocr_pipeline.tables import DUPLICATE_PAIRS, UNIQUE_PROBLEMS

__all__ = ["TOLD"]

NEAREST: Final = 5
EVIDENCE: Final = ("cosine", "lexical", "tests_equal", "decision", "decided_by", "rule")


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
        yield Event(UNIQUE_PROBLEMS.name, KEPT, f"{stands_for}; {_next_duplicate(pairs)}", tuple(kept))
    elif dropping:
        pair = dropping[0]
        decider = f"{pair['decided_by']} `{pair['rule']}`" if pair["rule"] else pair["decided_by"]
        why = f"duplicate of {pair['kept_id']}, decided by {decider}, cosine {pair['cosine']:.4f}"
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


def _next_duplicate(pairs: Sequence[Mapping[str, Any]]) -> str:
    by_threshold = [pair for pair in pairs if pair["decided_by"] == "threshold" and pair["decision"] == "distinct"]
    if not by_threshold:
        return "no stored pair would drop it at another threshold"
    return f"a threshold of {by_threshold[0]['cosine']:.4f} or less would make its nearest undecided pair a duplicate"


TOLD: Final = (Told(DUPLICATE_PAIRS, of_problem=_neighbours), Told(UNIQUE_PROBLEMS, of_problem=_unique))
