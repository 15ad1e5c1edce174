"""The ``solutions`` field of APPS and TACO: a JSON list of accepted programs."""

from __future__ import annotations

from collections.abc import Sequence

from ocr_pipeline.sources.reading import Reading
from ocr_pipeline.sources.rules import Reason, Repair, RowDefect
from ocr_pipeline.sources.values import quoted

__all__ = ["read_solutions"]


def read_solutions(row: Reading) -> Sequence[str]:
    """Return the accepted Python programs as they came; none is a case that is noted.

    Raises
    ------
    RowDefect
        ``invalid_json`` or ``wrong_type``.
    """
    text = row.json_text("solutions")
    listed = row.json(text, "solutions") if text.strip() else []
    if listed in (None, "", {}):
        listed = []
    if not isinstance(listed, list):
        raise RowDefect(Reason.WRONG_TYPE, f"solutions is a JSON {type(listed).__name__}, not a list: {quoted(listed)}")
    programs = [item for item in listed if isinstance(item, str) and not item.isspace() and item]
    if len(programs) < len(listed):
        row.note(Repair.UNREADABLE_SOLUTIONS_DROPPED)
    if not programs:
        row.note(Repair.NO_SOLUTIONS)
    return programs
