"""Some raw rows of one layout: what a part offers, and the parts that are JSON, CSV, packages, or renamed columns."""

from __future__ import annotations

import csv
import lzma
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from ocr_pipeline.errors import InputError
from ocr_pipeline.sources.csv_files import csv_rows
from ocr_pipeline.sources.folders import FolderForm, Package
from ocr_pipeline.sources.json_files import json_rows, lines_of, wrapped_rows
from ocr_pipeline.sources.model import Layout
from ocr_pipeline.sources.reading import Reading, Row
from ocr_pipeline.sources.walk import looking_at

__all__ = [
    "CsvPart",
    "FilePart",
    "JsonPart",
    "PackagesPart",
    "Part",
    "PartScan",
    "RenamedPart",
    "first_line",
    "renamed",
    "to_its_end",
]


@dataclass(frozen=True)
class Part(ABC):
    """Some raw rows of one layout."""

    layout: Layout

    @property
    def size(self) -> int:
        """Bytes on disk; 0 where that says nothing."""
        return 0

    def count(self) -> int | None:
        """Return the number of rows, where that is cheap to know."""
        return None

    @abstractmethod
    def rows(self) -> Iterator[Reading]:
        """Yield every row, in the order of the file."""

    def some_columns(self, columns: Sequence[str]) -> Iterator[Row]:
        """Yield the named columns of every readable row."""
        for reading in self.rows():
            if reading.rejection is None:
                yield {name: reading.get(name) for name in columns}

    def features(self) -> Mapping[str, object]:
        """Return the hub library's features, by column; empty when the part has none."""
        return {}


@dataclass(frozen=True)
class FilePart(Part):
    """A file, or a portion of one."""

    path: Path

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self.path.stat().st_size


@contextmanager
def to_its_end(path: Path) -> Iterator[None]:
    """Turn what the readers say about a damaged file into one clear line."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, UnicodeError, csv.Error, lzma.LZMAError, zlib.error) as error:
        message = f"`{path}` cannot be read to its end: {first_line(error)}; fetch it again, or check its owner"
        raise InputError(message) from error


def first_line(error: Exception) -> str:
    """Return what an error says, without the pages that some libraries add."""
    return str(error).split("\n", 1)[0]


@dataclass(frozen=True)
class JsonPart(FilePart):
    """A file of JSON objects."""

    split: str
    wrapped: frozenset[str] | None = None
    """The columns, by their names in the file, of rows that are inside the file's only object."""

    def count(self) -> int | None:
        """Return the number of lines, where that is the number of rows."""
        return lines_of(self.path) if self.wrapped is None else None

    def rows(self) -> Iterator[Reading]:
        """Yield every row."""
        with to_its_end(self.path):
            if self.wrapped is None:
                yield from json_rows(self.path)
            else:
                yield from wrapped_rows(self.path, self.split, self.wrapped, self.layout.id_column)


@dataclass(frozen=True)
class CsvPart(FilePart):
    """A CSV file. A cell may hold lines, so nothing counts the rows."""

    def rows(self) -> Iterator[Reading]:
        """Yield every row."""
        with to_its_end(self.path):
            yield from csv_rows(self.path)


@dataclass(frozen=True)
class PackagesPart(Part):
    """The rows of packages that share one layout; they are small, and their rows are known when they are read."""

    packages: Mapping[Package, str]
    form: FolderForm

    def rows(self) -> Iterator[Reading]:
        """Yield the rows of this layout, package by package."""
        for package, name in self.packages.items():
            with looking_at(package.path), package.opened() as folder:
                for row in self.form.rows(folder, name):
                    if self.layout.required <= set(row):
                        yield Reading(row)


@dataclass(frozen=True)
class RenamedPart(Part):
    """A part whose columns have names of a person's own."""

    part: Part
    names: Mapping[str, str]
    """Our name of each of their columns."""

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
