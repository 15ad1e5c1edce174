"""The queue of a reviewer: which pairs to decide, the least certain first.

Only narrow columns are read; the statements of a pair are fetched when it is shown. What no evidence decides comes first, whether
both stay or the threshold drops one, and of these the most alike in words, for there the same problem is likeliest; then what a
model decided. What evidence decided needs nobody: equal texts, one origin, rules, execution. Nor do pairs below the threshold,
which the contamination check stores as the nearest ones.
Pairs that were reviewed stay in the list, so that a second reviewer sees them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from ocr_pipeline.similarity import ReviewDecision, Reviews
from ocr_pipeline.store import Store, rows_of
from ocr_pipeline.studio.decisions import PairKind
from ocr_pipeline.tables import CONTAMINATION, DUPLICATE_PAIRS, Table

__all__ = ["Pair", "Progress", "progress_of", "queue_for", "uncertain_pairs"]

CERTAINTY: Final = {"": 0, "review": 0, "threshold": 0, "opinion": 1}
"""What decided a pair that a person may still have to look at; empty: nothing."""
THRESHOLD: Final = "threshold"
DEFAULT_THRESHOLD: Final = 0.7
SAID: Final = {
    "duplicate": ReviewDecision.DUPLICATE,
    "contaminated": ReviewDecision.DUPLICATE,
    "distinct": ReviewDecision.DISTINCT,
    "clean": ReviewDecision.DISTINCT,
    "undecided": None,
}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts that may be the same problem, and what the pipeline says of them."""

    pair_key: str
    kind: PairKind
    left_id: str
    right_id: str
    benchmark: str | None
    cosine: float
    lexical: float
    tests_equal: bool | None
    decision: ReviewDecision | None
    """The pipeline's decision, in a reviewer's words; none when it is undecided."""
    decided_by: str
    rule: str | None
    span: str | None
    evidence: tuple[str, ...]
    """What both sides say, by the names of signs."""
    margin: float
    """How far the cosine lies from the threshold."""


class HasKey(Protocol):
    """Something that is decided one by one."""

    @property
    def pair_key(self) -> str:
        """Hash of its content."""


Keyed = TypeVar("Keyed", bound=HasKey)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the review has come."""

    pairs: int
    decided_by_reviewer: int
    decided_by_anyone: int
    disputed: int


def uncertain_pairs(store: Store) -> list[Pair]:
    """Return every pair that evidence does not decide, once per content key, the least certain first."""
    found = [*_pairs(store, DUPLICATE_PAIRS, _duplicate), *_pairs(store, CONTAMINATION, _contamination)]
    ordered = sorted(
        found, key=lambda pair: (CERTAINTY[pair.decided_by], -pair.lexical, pair.margin, pair.pair_key, pair.left_id)
    )
    return list({pair.pair_key: pair for pair in reversed(ordered)}.values())[::-1]


def queue_for(reviewer: str, pairs: Iterable[Keyed], reviews: Reviews, skipped: Collection[str] = ()) -> list[Keyed]:
    """Return the pairs, or whatever else is decided one by one, that a reviewer has not decided.

    First those on which others disagree, then those nobody decided, then those that want a second opinion; what the
    reviewer skipped comes last.
    """
    waiting = [pair for pair in pairs if reviewer not in reviews.votes.get(pair.pair_key, {})]
    order = {key: place for place, key in enumerate(skipped)}
    disputed = reviews.disputed

    def place(pair: Keyed) -> tuple[int, int]:
        if pair.pair_key in order:
            return 3, order[pair.pair_key]
        if pair.pair_key in disputed:
            return 0, 0
        return (2, 0) if pair.pair_key in reviews.votes else (1, 0)

    return sorted(waiting, key=place)


def progress_of(reviewer: str, pairs: Sequence[HasKey], reviews: Reviews) -> Progress:
    """Count the pairs that are decided."""
    votes = [reviews.votes.get(pair.pair_key, {}) for pair in pairs]
    disputed = reviews.disputed
    return Progress(
        pairs=len(pairs),
        decided_by_reviewer=sum(reviewer in voters for voters in votes),
        decided_by_anyone=sum(bool(voters) for voters in votes),
        disputed=sum(pair.pair_key in disputed for pair in pairs),
    )


def _pairs(store: Store, table: Table, build: Any) -> Iterator[Pair]:  # noqa: ANN401 - one of the two functions below
    manifest = store.manifest(table)
    if manifest is None:
        return
    threshold = float(manifest.config.get("threshold", DEFAULT_THRESHOLD))
    for row in rows_of(store.batches(table)):
        below = row["decided_by"] == THRESHOLD and row["decision"] == "clean"
        if (row["decided_by"] or "") in CERTAINTY and not below:
            yield build(row, abs(row["cosine"] - threshold))


def _duplicate(row: Mapping[str, Any], margin: float) -> Pair:
    return Pair(
        kind=PairKind.DUPLICATE,
        left_id=row["left_id"],
        right_id=row["right_id"],
        benchmark=None,
        tests_equal=row["tests_equal"],
        rule=row["rule"],
        span=None,
        margin=margin,
        **_common(row),
    )


def _contamination(row: Mapping[str, Any], margin: float) -> Pair:
    return Pair(
        kind=PairKind.CONTAMINATION,
        left_id=row["problem_id"],
        right_id=row["benchmark_id"],
        benchmark=row["benchmark"],
        tests_equal=None,
        rule=row["rule"],
        span=row["span"],
        margin=margin,
        **_common(row),
    )


def _common(row: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: row[name] for name in ("pair_key", "cosine", "lexical")}
    return shown | {
        "decided_by": row["decided_by"] or "",
        "evidence": tuple(row["evidence"] or ()),
        "decision": SAID[row["decision"]],
    }
