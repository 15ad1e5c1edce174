"""Markdown tables, for everything that shows rows to people: the data card and the pages of the assets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["markdown_table"]


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]], *, longest: int | None = None) -> str:
    """Lay out rows as a Markdown table, one line per row.

    Whole numbers get thousands separators, other numbers four digits, ``None`` is an empty cell; columns of numbers are
    aligned to the right. Text is put on one line and cannot end its cell or begin a tag. ``longest`` shortens cells of
    text to so many characters.
    """
    cells = [list(row) for row in rows]
    columns = [[row[position] for row in cells] for position in range(len(header))]
    rule = ["---:" if column and all(_is_number(value) for value in column) else "---" for column in columns]
    lines = [[_cell(name, None) for name in header], rule, *([_cell(value, longest) for value in row] for row in cells)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: object, longest: int | None) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    text = " ".join(str(value).split())
    if longest is not None and len(text) > longest:
        text = text[: longest - 1] + "…"
    return text.replace("|", "\\|").replace("<", "&lt;")
