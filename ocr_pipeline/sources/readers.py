"""Which layouts, and which kinds of package, a data set is read from: the module of its name says so."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence

from ocr_pipeline.sources.catalogue import source_named
from ocr_pipeline.sources.folders import FolderForm
from ocr_pipeline.sources.model import Layout

__all__ = ["describe_layouts", "folder_forms", "layout_for", "layouts_of"]


def layouts_of(dataset: str) -> Sequence[Layout]:
    """Return the layouts of a data set, in the order in which they are tried."""
    layouts: Sequence[Layout] = importlib.import_module(source_named(dataset).reader).LAYOUTS
    return layouts


def folder_forms(dataset: str) -> Sequence[FolderForm]:
    """Return the kinds of package of a data set; most have none."""
    forms: Sequence[FolderForm] = getattr(importlib.import_module(source_named(dataset).reader), "FOLDERS", ())
    return forms


def layout_for(dataset: str, columns: Iterable[str]) -> Layout | None:
    """Return the first layout whose columns are all there."""
    present = set(columns)
    return next((layout for layout in layouts_of(dataset) if layout.required <= present), None)


def describe_layouts(dataset: str) -> str:
    """Name the layouts of a data set with their columns, for a message."""
    return "; or ".join(f"{layout.name} ({', '.join(sorted(layout.required))})" for layout in layouts_of(dataset))
