"""Small pictures of counts, as PNG bytes under 50 kB, for the metadata of a materialization.

Only what a glance needs: a histogram, lines, values with their intervals. Anything to explore belongs in a notebook over the Parquet.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Interval", "histogram", "interval_plot", "line_chart"]

WIDTH_INCHES: Final = 6.4
DOTS_PER_INCH: Final = 80
BINS: Final = 30
COLOR: Final = "#3b6ea5"
Z_95: Final = 1.96


def histogram(values: Sequence[float], title: str) -> bytes:
    """Draw how values spread; says so when there is none."""
    figure, axes = _figure(title, height_inches=2.8)
    if len(values):
        axes.hist(values, bins=min(BINS, max(1, len(set(values)))), color=COLOR)
        axes.set_ylabel("rows")
    else:
        axes.text(0.5, 0.5, "no values", ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
    return _png(figure)


def line_chart(series: Mapping[str, Sequence[tuple[float, float]]], title: str) -> bytes:
    """Draw named lines through (x, y) points, y on a logarithmic scale; a line that is zero everywhere is left out."""
    figure, axes = _figure(title, height_inches=3.2)
    for name, points in series.items():
        if any(y > 0 for _, y in points):
            axes.plot([x for x, _ in points], [y for _, y in points], label=name, linewidth=1.2)
    axes.set_yscale("log")
    axes.grid(visible=True, which="major", alpha=0.3)
    if axes.lines:
        axes.legend(fontsize=8)
    return _png(figure)


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and how sure it is."""

    name: str
    value: float
    standard_error: float | None


def interval_plot(intervals: Sequence[Interval], title: str) -> bytes:
    """Draw values with their 95 % intervals below each other, with a line at zero; says so when there is none."""
    figure, axes = _figure(title, height_inches=1.2 + 0.3 * max(len(intervals), 1))
    if intervals:
        places = list(range(len(intervals), 0, -1))
        errors = [Z_95 * (each.standard_error or 0.0) for each in intervals]
        axes.errorbar([each.value for each in intervals], places, xerr=errors, fmt="o", color=COLOR, capsize=3)
        axes.axvline(0.0, color="#888888", linewidth=0.8)
        axes.set_yticks(places, [each.name for each in intervals])
    else:
        axes.text(0.5, 0.5, "nothing to compare", ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
    return _png(figure)


def _figure(title: str, *, height_inches: float) -> tuple[Figure, Axes]:
    # The object interface: no global figure list, no display, safe in threads.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_INCHES, height_inches), dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_title(title.replace("$", r"\$"), fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    return figure, axes


def _png(figure: Figure) -> bytes:
    sink = io.BytesIO()
    figure.savefig(sink, format="png", metadata={"Software": None})  # no version in the bytes
    return sink.getvalue()
