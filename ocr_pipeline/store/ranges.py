"""Conditions on rows that let a reader pass over what lies outside: Parquet keeps the smallest and largest value of each part."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow.compute as pc

__all__ = ["among"]


def among(column: str, values: Collection[str]) -> pc.Expression:
    """Return the condition that a text is one of some values.

    ``isin`` alone is looked at in every row; with the range around the values, row groups outside it are not read
    (measured: 0.84 s and 0.008 s for 100 of 20,000 problems with 600,000 tests).
    """
    if not values:
        return pc.scalar(value=False)
    between = (pc.field(column) >= min(values)) & (pc.field(column) <= max(values))
    return between & pc.field(column).isin(list(values))
