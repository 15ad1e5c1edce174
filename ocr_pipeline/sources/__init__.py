"""Sources: one reader per raw data set, to problems, tests, solutions and rejected rows.

:func:`ingest` does the step, :data:`SOURCES` names the data sets, and :mod:`ocr_pipeline.sources.hub` fetches them.
The readers know nothing of each other; what they return is put into normal form and into order in one place.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ocr_pipeline.sources.catalogue import SOURCES, Role, Source
from ocr_pipeline.sources.ingest import ingest
from ocr_pipeline.sources.input_output import parse_input_output
from ocr_pipeline.sources.raw import hash_of_raw
from ocr_pipeline.sources.walk import files_below

__all__ = [
    "SOURCES",
    "VERSION",
    "Role",
    "Source",
    "files_below",
    "hash_of_raw",
    "ingest",
    "open_redistributable",
    "parse_input_output",
]

VERSION: Final = "9"
"""Changes when the same raw rows give other bytes."""


@contextmanager
def open_redistributable(_: object) -> Iterator[frozenset[str]]:
    """Give the data sets whose statements may be handed on, to a room that knows no sources."""
    yield frozenset(name for name, source in SOURCES.items() if source.may_redistribute)
