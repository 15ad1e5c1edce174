"""CSV files as rows: a header, then cells; an empty cell is null. Packed or not, in any Unicode encoding.

The separator is the one that the header has most of: comma, semicolon, tab or bar. A line ``sep=;`` above it, as
spreadsheets write one, is obeyed. Bytes that are not UTF-8 are mended and noted. A row with more cells than the header
is rejected.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ocr_pipeline.sources.opening import open_text
from ocr_pipeline.sources.reading import Reading
from ocr_pipeline.sources.rules import Reason, Rejection

__all__ = ["CSV_FILES", "csv_header", "csv_rows"]

CSV_FILES: Final = (".csv", ".tsv")
DELIMITERS: Final = ",;\t|"
LARGEST_CELL: Final = 1 << 30  # characters; the standard library refuses cells above 131,072, tests are longer


def csv_header(path: Path) -> list[str]:
    """Return the names of the columns; none for an empty file."""
    with _cells(path) as cells:
        return next(cells, [])


def csv_rows(path: Path) -> Iterator[Reading]:
    """Yield every row of a file; blank lines are none."""
    with _cells(path) as lines:
        header = next(lines, [])
        for cells in lines:
            if cells:
                yield _row(header, cells)


def _row(header: list[str], cells: list[str]) -> Reading:
    row = Reading({})
    texts = [cell if cell.isascii() else row.decoded(cell.encode("utf-8", "surrogateescape")) for cell in cells]
    spare = len(cells) - len(header)
    rejection = Rejection(Reason.UNREADABLE_ROW, f"{spare} cells too many") if spare > 0 else None
    values = {name: text or None for name, text in zip(header, texts, strict=False)}
    return Reading(dict.fromkeys(header) | values, rejection, row.repairs)


@contextmanager
def _cells(path: Path) -> Iterator[Iterator[list[str]]]:
    csv.field_size_limit(LARGEST_CELL)
    with io.TextIOWrapper(open_text(path), "utf-8-sig", "surrogateescape", newline="") as file:
        first = file.readline()
        told = first.strip().removeprefix("sep=") if first.startswith("sep=") else ""
        if not told:
            file.seek(0)
        delimiter = told if len(told) == 1 else max(DELIMITERS, key=first.count)
        lines = csv.reader(file, delimiter=delimiter)
        yield (cells if number else [cell.strip() for cell in cells] for number, cells in enumerate(lines))
