"""What the page of an asset shows while it is being built: a forecast before, then an observation every minute."""

import time
from collections.abc import Callable, Mapping
from typing import Final

import dagster as dg

from assets.materialize import watched
from ocr_pipeline.console import Progress
from ocr_pipeline.steps import Step

__all__ = ["Observed", "observe"]

OBSERVE_EVERY_S: Final = 60.0


def observe(
    context: dg.AssetExecutionContext,
    step: Step,
    partition: Mapping[str, str],
    description: str,
    metadata: Mapping[str, float | str | None],
) -> None:
    """Record an observation of the partition; what is ``None`` is left out."""
    known = {name: value for name, value in metadata.items() if value is not None}
    key = "|".join(partition.values()) or None
    context.log_event(dg.AssetObservation(step.writes[0].name, description, known, partition=key))


class Observed:
    """A progress whose lines are in the run's log, and whose state is on the asset's page.

    Parameters
    ----------
    context
        Of the asset.
    step
        Which is done.
    partition
        Which one is built.
    clock
        Seconds.
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        step: Step,
        partition: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._context = context
        self._partition = partition
        self._step = step
        self._unit = step.unit
        self._clock = clock
        self._lines: Progress = watched(context, f"{step.name} {'|'.join(partition.values())}", step.unit)
        self._total: int | None = None
        self._done = 0
        self._start_s = self._last_s = clock()

    def expect(self, rows: int | None) -> None:
        """Note how many there will be."""
        self._total = rows
        self._lines.expect(rows)

    def advance(self, rows: int = 1, **counts: float) -> None:
        """Count, write a line, and record an observation when the last one is old enough."""
        self._done += rows
        self._lines.advance(rows, **counts)
        now_s = self._clock()
        if now_s - self._last_s >= OBSERVE_EVERY_S:
            self._last_s = now_s
            observe(self._context, self._step, self._partition, "in progress", self._state(now_s) | counts)

    def _state(self, now_s: float) -> dict[str, float | str | None]:
        rate = self._done / max(now_s - self._start_s, 1e-9)
        left_s = (self._total - self._done) / rate if self._total is not None and rate else None
        return {
            f"{self._unit}_done": self._done,
            f"{self._unit}_expected": self._total,
            f"{self._unit}_per_s": round(rate, 3),
            "hours_left": None if left_s is None else round(left_s / 3600, 2),
        }
