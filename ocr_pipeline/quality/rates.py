"""Rates with their intervals, and the bands of trust in them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["LEAST_FOR_A_BAND", "Band", "Rate", "band_of"]

Z: Final = 1.959964
"""Of a 95 % interval."""
LEAST_FOR_A_BAND: Final = 4
"""Fewer wrong programs say too little, as for the bands of difficulty."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something came true of the times that it was tried."""

    hits: int
    tries: int

    @property
    def value(self) -> float | None:
        """The share; without a try there is none."""
        return self.hits / self.tries if self.tries else None

    @property
    def interval(self) -> tuple[float, float] | tuple[None, None]:
        """Wilson's 95 % interval: it is never empty, and stays between 0 and 1 (Wilson 1927)."""
        if not self.tries:
            return None, None
        share, z = self.hits / self.tries, Z * Z / self.tries
        middle = (share + z / 2) / (1 + z)
        half = Z / (1 + z) * math.sqrt(share * (1 - share) / self.tries + z / (4 * self.tries))
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        """Write it as a person reads it: 97.1 % (34 of 35, 85.5 to 99.5)."""
        low, high = self.interval
        if low is None or high is None:
            return "none tried"
        return (
            f"{100 * self.hits / self.tries:.1f} % ({self.hits} of {self.tries}, {100 * low:.1f} to {100 * high:.1f})"
        )


class Band(StrEnum):
    """How far a pass can be trusted."""

    STRONG = "strong"
    """At least 0.9 of the wrong programs are caught: as CodeContests-O has it on average (0.91)."""
    FAIR = "fair"
    """At least 0.7."""
    WEAK = "weak"


LOWER_ENDS: Final = ((0.9, Band.STRONG), (0.7, Band.FAIR))


def band_of(wrong: Rate, mutants: Rate) -> Band | None:
    """Return the band of the wrong programs that are caught, or of the mutants where few wrong programs are known.

    Mutants alone never make it strong: of test sets that kill all of them 30 % let more than a tenth of the wrong programs
    through, some all of them (docs/log/test_quality.md).
    """
    is_by_wrong = wrong.tries >= LEAST_FOR_A_BAND
    value = wrong.value if is_by_wrong else mutants.value if mutants.tries >= LEAST_FOR_A_BAND else None
    if value is None:
        return None
    ends = LOWER_ENDS if is_by_wrong else LOWER_ENDS[1:]
    return next((band for end, band in ends if value >= end), Band.WEAK)
