"""Draws how tables come from one another, as the README shows it: ``make picture`` writes ``docs/images/flow.svg``.

Places are chosen by hand; an arrow that the flow does not have is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ocr_pipeline.flow import FLOW

PICTURE: Final = Path(__file__).parent / "images" / "flow.svg"
WIDTH, HEIGHT, STEP_X, STEP_Y, MARGIN = 198, 44, 232, 80, 12
RAW: Final = "raw files"
BOXES: Final = {
    RAW: (1.5, 0, "TACO, APPS, CodeContests, your own"),
    "rejected": (0, 1, "with a reason each"),
    "problems": (1, 1, "in one normal form"),
    "tests": (2, 1, "byte for byte"),
    "solutions": (3, 1, "right and wrong ones"),
    "duplicate_pairs": (0, 2, "with the evidence"),
    "unique_problems": (1, 2, "one of each group"),
    "test_trust": (3, 2, "what right programs say"),
    "contamination": (0, 3, "against benchmarks"),
    "clean_problems": (1, 3, "what may be asked"),
    "plans": (0, 4, "CodePLAN"),
    "responses": (1, 4, "what the teacher said"),
    "plan_sft_dataset": (0, 5, "code and plans to train on"),
    "samples": (1, 5, "reasoning, program, flaws"),
    "executions": (2, 5, "a verdict per program"),
    "sft_dataset": (1, 6, "rows to train on"),
}
ARROWS: Final = (
    *((RAW, name) for name in ("rejected", "problems", "tests", "solutions")),
    ("problems", "duplicate_pairs"),
    ("problems", "unique_problems"),
    ("duplicate_pairs", "unique_problems"),
    ("unique_problems", "contamination"),
    ("unique_problems", "clean_problems"),
    ("contamination", "clean_problems"),
    ("clean_problems", "plans"),
    ("clean_problems", "responses"),
    ("plans", "plan_sft_dataset"),
    ("responses", "samples"),
    ("samples", "executions"),
    ("tests", "executions"),
    ("tests", "test_trust"),
    ("solutions", "test_trust"),
    ("samples", "sft_dataset"),
    ("executions", "sft_dataset"),
)
RESULTS: Final = ("sft_dataset", "plan_sft_dataset")


def picture() -> str:
    """Return the picture as SVG."""
    flow = {(read.table.name, table.name) for step in FLOW for read in step.reads for table in step.writes}
    flow |= {(RAW, table.name) for step in FLOW if step.reads_raw for table in step.writes}
    absent = sorted(set(ARROWS) - flow)
    if absent:
        message = f"the flow has no step from {absent[0][0]} to {absent[0][1]}"
        raise ValueError(message)
    wide, high = 3 * STEP_X + WIDTH + 2 * MARGIN, 6 * STEP_Y + HEIGHT + 2 * MARGIN
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" font-family="sans-serif" text-anchor="middle">',
            (
                '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
                '<path d="M0 0 8 4 0 8z" fill="#667"/></marker></defs>'
            ),
            f'<rect width="{wide}" height="{high}" fill="#fff"/>',
            *(_arrow(*arrow) for arrow in ARROWS),
            *(_box(name) for name in BOXES),
            "</svg>\n",
        )
    )


def _middle(name: str) -> tuple[float, float]:
    column, row, _ = BOXES[name]
    return MARGIN + WIDTH / 2 + column * STEP_X, MARGIN + HEIGHT / 2 + row * STEP_Y


def _arrow(start: str, end: str) -> str:
    (x1, y1), (x2, y2) = _middle(start), _middle(end)
    if y1 == y2:
        x1, x2 = (x1 + WIDTH / 2, x2 - WIDTH / 2)
    else:
        y1, y2 = y1 + HEIGHT / 2, y2 - HEIGHT / 2
        towards = 0 if x1 == x2 else WIDTH / 4 if x1 < x2 else -WIDTH / 4
        x1, x2 = x1 + towards, x2 - towards
    return f'<path d="M{x1:g} {y1:g} {x2:g} {y2:g}" stroke="#667" fill="none" marker-end="url(#tip)"/>'


def _box(name: str) -> str:
    x, y = _middle(name)
    colour = "#d9ead3" if name in RESULTS else "#eee" if name == RAW else "#e3e9f7"
    return (
        f'<rect x="{x - WIDTH / 2:g}" y="{y - HEIGHT / 2:g}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{colour}" stroke="#99a"/>'
        f'<text x="{x:g}" y="{y - 3:g}" font-size="14" font-weight="bold" fill="#223">{name}</text>'
        f'<text x="{x:g}" y="{y + 14:g}" font-size="11" fill="#445">{BOXES[name][2]}</text>'
    )


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
