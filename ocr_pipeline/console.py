"""What a person at a terminal sees of a long step: a progress bar, plain lines elsewhere, and the counts at the end.

Everything but the final report goes to standard error, so that ``--json`` leaves standard output to programs.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from ocr_pipeline import logs
from ocr_pipeline.counts import StageCounts

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

__all__ = ["SILENT", "PlainProgress", "Progress", "progress", "report"]

LINE_EVERY_S: Final = 10.0


class Progress(Protocol):
    """Told by a step how far it is."""

    def advance(self, rows: int = 1, **counts: float) -> None:
        """Note that ``rows`` more are done; ``counts`` are shown beside, such as ``retries=3``."""

    def expect(self, rows: int | None) -> None:
        """Note how many rows there will be, once that is known."""


class _Silent:
    def advance(self, rows: int = 1, **counts: float) -> None:
        """Show nothing."""

    def expect(self, rows: int | None) -> None:
        """Expect nothing."""


SILENT: Final[Progress] = _Silent()
"""The progress of a step that nobody watches."""


@dataclass
class PlainProgress:
    """Writes a line every few seconds: rows done, rate, time left."""

    description: str
    total: int | None
    unit: str
    write: Callable[[str], object]
    clock: Callable[[], float] = time.monotonic
    done: int = 0
    counts: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start the clock."""
        self._start = self._last = self.clock()

    def advance(self, rows: int = 1, **counts: float) -> None:
        """Count, and write a line when the last one is old enough."""
        self.done += rows
        self.counts.update(counts)
        now = self.clock()
        if now - self._last >= LINE_EVERY_S:
            self._last = now
            told = {"what": self.description, "done": self.done, "total": self.total, "unit": self.unit}
            logs.event("progress", told | self.counts)
            self.write(self.line(now))

    def expect(self, rows: int | None) -> None:
        """Note the total, for the time left."""
        self.total = rows

    def line(self, now: float) -> str:
        """Describe the state at ``now``."""
        rate = self.done / max(now - self._start, 1e-9)
        left = f", {_duration((self.total - self.done) / rate)} left" if self.total and rate else ""
        of = f" of {self.total:,}" if self.total else ""
        beside = "".join(f", {name} {value:g}" for name, value in self.counts.items())
        return f"{self.description}: {self.done:,}{of} {self.unit}, {rate:,.1f}/s{left}{beside}"


class _RichProgress:
    def __init__(self, bars: RichProgress, description: str, total: int | None) -> None:
        self._bars = bars
        self._task = bars.add_task(description, total=total, beside="", rate="")
        self._start = time.monotonic()
        self._done = 0
        self._beside = ""

    def advance(self, rows: int = 1, **counts: float) -> None:
        """Move the bar."""
        self._done += rows
        rate = self._done / max(time.monotonic() - self._start, 1e-9)
        beside = "  ".join(f"{name} {value:g}" for name, value in counts.items())
        self._beside = beside or self._beside
        self._bars.update(self._task, advance=rows, rate=f"{rate:,.1f}/s", beside=self._beside)

    def expect(self, rows: int | None) -> None:
        """Give the bar its end."""
        self._bars.update(self._task, total=rows)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


@contextmanager
def progress(description: str, *, total: int | None = None, unit: str = "rows") -> Iterator[Progress]:
    """Show a bar with rate and time left on a terminal, a plain line now and then elsewhere."""
    if logs.is_asked():  # each event says it
        yield PlainProgress(description, total, unit, lambda _: None)
        return
    if not sys.stderr.isatty():
        yield PlainProgress(description, total, unit, logs.say)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
    more = (TextColumn("{task.fields[rate]}"), TimeRemainingColumn(), TextColumn("{task.fields[beside]}"))
    with Bars(*columns, *more, console=Console(stderr=True)) as bars:
        yield _RichProgress(bars, description, total)


def report(counts: Mapping[str, StageCounts] | StageCounts, *, as_json: bool, out: Path | None = None) -> None:
    """Print the account of a command: JSON for programs, a few lines for people.

    Parameters
    ----------
    counts
        One account, or one per stage.
    as_json
        Print one JSON object instead of lines.
    out
        The folder that was written, to be named.
    """
    stages = {"": counts} if isinstance(counts, StageCounts) else dict(counts)
    if as_json:
        plain = {name: stage.as_dict() for name, stage in stages.items()}
        sys.stdout.write(json.dumps(plain.get("", plain), sort_keys=True) + "\n")
        return
    for name, stage in stages.items():
        sys.stdout.write("".join(f"{line}\n" for line in _lines(name, stage)))
    if out is not None:
        sys.stdout.write(f"written to {out}\n")


def _lines(name: str, stage: StageCounts) -> Iterator[str]:
    yield f"{name + ': ' if name else ''}{stage.rows_in:,} in, {stage.kept:,} kept, {sum(stage.dropped.values()):,} dropped"
    for reason, rows in sorted(stage.dropped.items(), key=lambda item: (-item[1], item[0])):
        yield f"  dropped  {rows:>8,}  {reason}"
    for note, rows in sorted(stage.notes.items()):
        yield f"  note     {rows:>8,}  {note}"
