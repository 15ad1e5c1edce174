"""The funnel page: where the rows went, stage by stage, as a picture and as numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import pyarrow.compute as pc

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.evidence import build_funnel, stage_totals, unaccounted, undecided_pairs
from ocr_pipeline.store import Store
from ocr_pipeline.studio.markup import Html, escaped, options, page, table

__all__ = ["account_html", "funnel_page"]

EVERYTHING: Final = "all data sets"
WIDTH: Final = 860
LEFT: Final = 190
RIGHT: Final = 190
STEP: Final = 44
BAR: Final = 24
KEPT: Final = "#2e9e5b"
REASONS: Final = ("#d1495b", "#d9a441", "#7a6bb0", "#3b82c4", "#8a8d91", "#b0746b", "#5b9ea6")
"""Colours of the reasons of a stage, the most frequent first; further ones share the last."""
NARROWEST_LABEL: Final = 70
NUMBERS: Final = ("in", "kept", "dropped", "kept share", "rows")


def funnel_page(store: Store, dataset: str) -> str:
    """Show the accounts of all stages, of one data set or of all.

    Raises
    ------
    PipelineError
        When an account does not add up.
    """
    funnel = build_funnel(store)
    if not funnel.num_rows:
        return page("funnel", "Funnel", "<h1>Nothing has been materialized yet.</h1>")
    datasets = sorted(set(funnel["dataset"].to_pylist()) - {"*"})
    chosen = dataset if dataset in datasets else ""
    totals = stage_totals(funnel if not chosen else funnel.filter(pc.equal(funnel["dataset"], chosen)))
    select = options("dataset", {"": EVERYTHING} | {name: name for name in datasets}, chosen)
    notes = "".join(f"<p class='facts'>{escaped(line)}</p>" for line in undecided_pairs(store))
    body = (
        f"<h1>Where the rows went</h1><form class='filters bar' method='get'>{select}</form>"
        f"{picture(totals)}<p class='facts'>in = kept + dropped, at every stage; a bar is all rows that a stage received</p>"
        f"<h2>Stages</h2>{_stages(totals)}{notes}<h2>Why rows were dropped</h2>{_reasons(totals)}"
        "<h2>Is every row found again?</h2><button data-fetch='/api/account' data-into='account'>Check by id</button>"
        "<div id='account'></div>"
    )
    return page("funnel", "Funnel", body)


def picture(totals: Mapping[str, StageCounts]) -> Html:
    """Draw a bar per stage: what it kept, and what it dropped by reason."""
    height = STEP * len(totals) + 8
    bars = "".join(part for place, item in enumerate(totals.items()) for part in _bar(place * STEP + 8, *item))
    return Html(
        f"<svg viewBox='0 0 {WIDTH + LEFT + RIGHT} {height}' width='100%' style='max-width:{WIDTH + LEFT + RIGHT}px' "
        f"role='img' aria-label='rows kept and dropped at every stage'>{bars}</svg>"
    )


def _bar(top: int, stage: str, counts: StageCounts) -> Iterator[str]:
    middle = top + BAR // 2 + 5
    yield f"<text x='{LEFT - 12}' y='{middle}' text-anchor='end'>{escaped(stage)}</text>"
    by_frequency = sorted(counts.dropped.items(), key=lambda item: (-item[1], item[0]))
    left = float(LEFT)
    for place, (reason, rows) in enumerate([("kept", counts.kept), *by_frequency]):
        if not rows:
            continue
        width = WIDTH * rows / max(counts.rows_in, 1)
        colour = KEPT if not place else REASONS[min(place, len(REASONS)) - 1]
        said = f"{reason}: {rows:,} of {counts.rows_in:,} ({rows / counts.rows_in:.1%})"
        yield (
            f"<g><title>{escaped(said)}</title><rect x='{left:.1f}' y='{top}' width='{max(width, 1):.1f}' "
            f"height='{BAR}' fill='{colour}' rx='2'/>"
        )
        if width > NARROWEST_LABEL:
            label = escaped(reason if width > NARROWEST_LABEL + 8 * len(reason) else "")
            yield f"<text x='{left + 6:.1f}' y='{middle}' style='fill:#fff'>{label} {rows:,}</text>"
        yield "</g>"
        left += width
    yield f"<text x='{LEFT + WIDTH + 10}' y='{middle}'>{counts.kept:,} of {counts.rows_in:,}</text>"


def _stages(totals: Mapping[str, StageCounts]) -> Html:
    rows = [
        [
            stage,
            counts.rows_in,
            counts.kept,
            counts.rows_in - counts.kept,
            f"{counts.kept / counts.rows_in:.1%}" if counts.rows_in else "",
        ]
        for stage, counts in totals.items()
    ]
    return table(("stage", "in", "kept", "dropped", "kept share"), rows, numbers=NUMBERS)


def _reasons(totals: Mapping[str, StageCounts]) -> Html:
    rows = [
        [stage, reason, count]
        for stage, counts in totals.items()
        for reason, count in sorted(counts.dropped.items(), key=lambda item: (-item[1], item[0]))
        if count
    ]
    return table(("stage", "reason", "rows"), rows, numbers=NUMBERS)


def account_html(store: Store) -> Html:
    """Say whether every row is found again by its id."""
    lost = unaccounted(store)
    if not lost:
        return Html("<p class='good'>Every row is accounted for.</p>")
    return Html("<ul class='bad'>" + "".join(f"<li>{escaped(line)}</li>" for line in lost) + "</ul>")
