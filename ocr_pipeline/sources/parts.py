"""Some raw rows of one layout: what a part offers, and the parts that are JSON, CSV, packages, or renamed columns."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from ocr_pipeline.errors import InputError
from ocr_pipeline.sources.folders import FolderForm, Package
from ocr_pipeline.sources.json_files import json_rows, lines_of
from ocr_pipeline.sources.model import Layout
from ocr_pipeline.sources.reading import Reading, Row
from ocr_pipeline.sources.rules import Reason, Rejection
from ocr_pipeline.sources.walk import looking_at
from ocr_pipeline.store import open_csv

__all__ = [
    "CsvPart",
    "JsonPart",
    "PackagesPart",
    "Part",
    "PartScan",
    "RenamedPart",
    "first_line",
    "renamed",
    "to_its_end",
]


class Part(Protocol):
    """Some raw rows of one layout."""

    @property
    def layout(self) -> Layout:
        """The form of the rows."""

    @property
    def size(self) -> int:
        """Bytes on disk; 0 for packages, which are small."""

    def count(self) -> int | None:
        """Return the number of rows, where that is cheap to know."""

    def rows(self) -> Iterator[Reading]:
        """Yield every row, in the order of the file."""

    def some_columns(self, columns: Sequence[str]) -> Iterator[Row]:
        """Yield the named columns of every readable row."""

    def features(self) -> Mapping[str, object]:
        """Return the hub library's features, by column; empty when the part has none."""


@contextmanager
def to_its_end(path: Path) -> Iterator[None]:
    """Turn what the readers say about a damaged file into one clear line."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, UnicodeError, csv.Error, zlib.error) as error:
        message = f"`{path}` cannot be read to its end: {first_line(error)}; fetch it again, or check its owner"
        raise InputError(message) from error


def first_line(error: Exception) -> str:
    """Return what an error says, without the pages that some libraries add."""
    return str(error).split("\n", 1)[0]


@dataclass(frozen=True, slots=True)
class JsonPart:
    """A file of JSON objects."""

    path: Path
    layout: Layout
    split: str
    is_wrapped: bool = False
    """The rows are inside the file's only object."""

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.path.stat().st_size

    def count(self) -> int | None:
        """Return the number of lines, where that is the number of rows."""
        return None if self.is_wrapped else lines_of(self.path)

    def rows(self) -> Iterator[Reading]:
        """Yield every row."""
        with to_its_end(self.path):
            yield from json_rows(self.path, self.split if self.is_wrapped else None)

    def some_columns(self, columns: Sequence[str]) -> Iterator[Row]:
        """Yield the named columns of every readable row."""
        for reading in self.rows():
            if reading.rejection is None:
                yield {name: reading.get(name) for name in columns}

    def features(self) -> Mapping[str, object]:
        """Return nothing: objects carry no features."""
        return {}


@dataclass(frozen=True, slots=True)
class CsvPart:
    """A CSV file with a header; an empty cell is null."""

    path: Path
    layout: Layout

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.path.stat().st_size

    def count(self) -> int | None:
        """Return nothing: a cell may hold lines."""
        return None

    def rows(self) -> Iterator[Reading]:
        """Yield every row; one with more cells than the header is rejected."""
        with to_its_end(self.path), open_csv(self.path) as reader:
            for cells in reader:
                row: Row = {name: cell or None for name, cell in cells.items() if name is not None}
                spare = cells.get(None)  # where the standard library puts them
                rejection = Rejection(Reason.UNREADABLE_ROW, f"{len(spare)} cells too many") if spare else None
                yield Reading(row, rejection)

    def some_columns(self, columns: Sequence[str]) -> Iterator[Row]:
        """Yield the named columns of every row."""
        for reading in self.rows():
            yield {name: reading.get(name) for name in columns}

    def features(self) -> Mapping[str, object]:
        """Return nothing: CSV carries no features."""
        return {}


@dataclass(frozen=True, slots=True)
class PackagesPart:
    """The rows of packages that share one layout."""

    layout: Layout
    packages: Mapping[Package, str]
    form: FolderForm

    @property
    def size(self) -> int:
        """Nothing that counts."""
        return 0

    def count(self) -> int | None:
        """Return nothing: a package's rows are known when it is read."""
        return None

    def rows(self) -> Iterator[Reading]:
        """Yield the rows of this layout, package by package."""
        for package, name in self.packages.items():
            with looking_at(package.path), package.opened() as folder:
                for row in self.form.rows(folder, name):
                    if self.layout.required <= set(row):
                        yield Reading(row)

    def some_columns(self, columns: Sequence[str]) -> Iterator[Row]:
        """Yield the named columns of every row."""
        for reading in self.rows():
            yield {name: reading.get(name) for name in columns}

    def features(self) -> Mapping[str, object]:
        """Return nothing: packages carry no features."""
        return {}


@dataclass(frozen=True, slots=True)
class RenamedPart:
    """A part whose columns have names of a person's own."""

    part: Part
    names: Mapping[str, str]
    """Our name of each of their columns."""

    @property
    def layout(self) -> Layout:
        """The form of the rows."""
        return self.part.layout

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self.part.size

    def count(self) -> int | None:
        """Return the number of rows, where that is cheap to know."""
        return self.part.count()

    def rows(self) -> Iterator[Reading]:
        """Yield every row with our names."""
        for reading in self.part.rows():
            reading.row = renamed(reading.row, self.names)
            yield reading

    def some_columns(self, columns: Sequence[str]) -> Iterator[Row]:
        """Yield the named columns of every readable row."""
        theirs = {ours: name for name, ours in self.names.items()}
        for row in self.part.some_columns([theirs.get(name, name) for name in columns]):
            yield renamed(row, self.names)

    def features(self) -> Mapping[str, object]:
        """Return the features under our names."""
        return renamed(self.part.features(), self.names)


def renamed(row: Row, names: Mapping[str, str]) -> Row:
    """Return a row with our names; a column of theirs that has such a name already gives way."""
    ours = {names[name] for name in row if name in names}
    return {names.get(name, name): value for name, value in row.items() if name in names or name not in ours}


@dataclass(frozen=True, slots=True)
class PartScan:
    """A look over several parts."""

    parts: Sequence[Part]

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        """Yield the named columns of every readable row."""
        for part in self.parts:
            yield from part.some_columns(columns)

    def features(self) -> Mapping[str, object]:
        """Return the features of the first part, when all parts agree on them."""
        every = [part.features() for part in self.parts]
        return every[0] if every and all(features == every[0] for features in every) else {}
