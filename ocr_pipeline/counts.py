"""How many rows a step received, kept and dropped, by reason: the account that every step gives.

``in = kept + Σ dropped(reason)`` is the first rule of the flow; :meth:`StageCounts.require_conserved` enforces it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ocr_pipeline.errors import ConservationError

__all__ = ["StageCounts", "cohen_kappa", "count_verdicts"]

KEPT = "kept"


@dataclass(frozen=True, slots=True)
class StageCounts:
    """The account of one step over one partition, in rows."""

    rows_in: int
    kept: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    notes: Mapping[str, int] = field(default_factory=dict)
    """Other counts worth showing (rows per site, per rule, reused requests, …); they take no part in the balance."""

    def require_conserved(self, stage: str) -> StageCounts:
        """Return self.

        Raises
        ------
        ConservationError
            When ``rows_in != kept + Σ dropped``.
        """
        if self.rows_in != self.kept + sum(self.dropped.values()):
            message = f"{stage}: {self.rows_in} rows in, but {self.kept} kept + {sum(self.dropped.values())} dropped"
            raise ConservationError(message)
        return self

    def __add__(self, other: StageCounts) -> StageCounts:
        """Add the account of another partition."""
        return StageCounts(
            rows_in=self.rows_in + other.rows_in,
            kept=self.kept + other.kept,
            dropped=_sum(self.dropped, other.dropped),
            notes=_sum(self.notes, other.notes),
        )

    def as_dict(self) -> dict[str, object]:
        """Return plain values for a manifest or ``--json``; reasons are sorted."""
        return {
            "rows_in": self.rows_in,
            "kept": self.kept,
            "dropped": dict(sorted(self.dropped.items())),
            "notes": dict(sorted(self.notes.items())),
        }


def count_verdicts(verdicts: Iterable[str], *, notes: Mapping[str, int] | None = None) -> StageCounts:
    """Count verdicts, of which ``kept`` keeps and everything else is a reason to drop."""
    counter = Counter(verdicts)
    kept = counter.pop(KEPT, 0)
    return StageCounts(rows_in=kept + counter.total(), kept=kept, dropped=dict(counter), notes=notes or {})


def _sum(left: Mapping[str, int], right: Mapping[str, int]) -> dict[str, int]:
    return {key: left.get(key, 0) + right.get(key, 0) for key in sorted({*left, *right})}


def cohen_kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Return Cohen's kappa (1960), agreement beyond chance; ``None`` where chance alone would agree always."""
    total = len(pairs)
    left, right = (Counter(pair[side] for pair in pairs) for side in (0, 1))
    by_chance = sum(left[label] * right[label] for label in left) / total**2 if total else 1.0
    seen = sum(one == other for one, other in pairs) / total if total else 0.0
    return None if by_chance == 1.0 else (seen - by_chance) / (1.0 - by_chance)
