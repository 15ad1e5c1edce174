"""Raw files as streams of rows, in bounded memory: paths become parts, each with the layout that its columns show.

A part that fits no layout, or cannot be read, is an :class:`InputError`, and so is a set of files with a gap; a single
row that cannot be read is data. A file beside packages that fits no layout is a stray: it is counted. Which files are
looked at is defined in :mod:`ocr_pipeline.sources.walk`, how JSON is read in :mod:`ocr_pipeline.sources.json_files`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from ocr_pipeline.errors import InputError, OptionError
from ocr_pipeline.sources.arrow_parts import ArrowPart, ParquetPart, portions, schema_of_arrow
from ocr_pipeline.sources.csv_files import CSV_FILES, csv_header
from ocr_pipeline.sources.folders import ARCHIVES, FolderForm, Package, packages_in
from ocr_pipeline.sources.json_files import JSON_FILES, json_rows, wrapped_rows
from ocr_pipeline.sources.model import Layout
from ocr_pipeline.sources.opening import bare_name
from ocr_pipeline.sources.parts import (
    CsvPart,
    JsonPart,
    PackagesPart,
    Part,
    PartScan,
    RenamedPart,
    first_line,
    renamed,
    to_its_end,
)
from ocr_pipeline.sources.readers import describe_layouts, folder_forms, layout_for, layouts_of
from ocr_pipeline.sources.reading import Row
from ocr_pipeline.sources.values import quoted
from ocr_pipeline.sources.walk import files_below, is_of_split, looking_at, require_listed, require_whole

__all__ = ["Part", "PartScan", "RawFiles", "column_names", "hash_of_raw", "open_parts", "raw_json", "rows_of"]

RAW_BYTES: Final = 64 << 10
RAW_ITEMS: Final = 200
RAW_DEPTH: Final = 8
CHUNK_BYTES: Final = 1 << 20
ARROW_FILES: Final = (".arrow", ".feather")
DATA_FILES: Final = (".parquet", *ARROW_FILES, *CSV_FILES, *JSON_FILES)
HUB_DESCRIPTIONS: Final = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json")
NOT_PARQUET: Final = (pa.ArrowException, OSError, UnicodeError)


@dataclass(frozen=True, slots=True)
class RawFiles:
    """What was found below the given paths."""

    parts: tuple[Part, ...]
    strays: tuple[str, ...] = ()
    """Files beside packages that fit no layout, by their names."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is looked for: a data set and its split, with the names that a person gave our columns."""

    dataset: str
    split: str
    columns: Mapping[str, str]
    seen: set[str] = field(default_factory=set)
    """Columns of the files that say which they have."""

    @property
    def names(self) -> dict[str, str]:
        """Our name of each of their columns."""
        return {theirs: ours for ours, theirs in self.columns.items()}


def open_parts(dataset: str, paths: Sequence[Path], split: str, columns: Mapping[str, str] | None = None) -> RawFiles:
    """Find the raw files of a split and what layout each has.

    Parameters
    ----------
    dataset
        Which data set they are of.
    paths
        Files, archives, or folders of them.
    split
        Files and folders whose names carry another split are left out.
    columns
        Their name of our columns, where they differ.

    Raises
    ------
    InputError
        When a path does not exist, holds nothing for the split, has a gap, or fits no layout of the data set.
    """
    if not paths:
        message = f"no path given; give Parquet, Arrow, CSV or JSON files, packages, or folders of them, of {dataset}"
        raise InputError(message)
    wanted = _Wanted(dataset, split, columns or {})
    _require_columns_once(wanted)
    given = [Path(path) for path in paths]
    for path in given:
        with looking_at(path):
            if not path.exists():
                message = f"`{path}` does not exist; give a Parquet, Arrow, CSV or JSON file, a package, or a folder, of {dataset}"
                raise InputError(message)
    require_whole([path for path in given if path.is_file()], least=2)
    found = [_parts_of(wanted, path) for path in given]
    _require_columns_there(wanted, [part for files in found for part in files.parts])
    return RawFiles(
        tuple(part for files in found for part in files.parts), tuple(name for files in found for name in files.strays)
    )


def _require_columns_once(wanted: _Wanted) -> None:
    repeated = [name for name, times in Counter(wanted.columns.values()).items() if times > 1]
    if repeated:
        message = f"column `{repeated[0]}` is mapped to more than one of ours; name each of theirs once"
        raise OptionError(message)


def _require_columns_there(wanted: _Wanted, parts: Sequence[Part]) -> None:
    """Refuse a mapping of a column that no file has, as far as all files say which they have: JSON does not."""
    if any(isinstance(part.part, JsonPart) for part in parts if isinstance(part, RenamedPart)):
        return
    missing = [ours for ours, theirs in wanted.columns.items() if theirs not in wanted.seen]
    if missing:
        theirs = wanted.columns[missing[0]]
        there = ", ".join(sorted(wanted.seen)) or "(none)"
        message = f"no file has a column `{theirs}`, which `{missing[0]}` is mapped to; the columns are {there}"
        raise InputError(message)


def _parts_of(wanted: _Wanted, path: Path) -> RawFiles:
    if path.is_file():
        packages = _package_parts(wanted, path, [path]) if path.name.lower().endswith(ARCHIVES) else []
        return RawFiles(tuple(packages or _file_parts(wanted, path)))
    below = files_below(path)
    packages = _package_parts(wanted, path, below)
    files = [file for file in _data_files(wanted, below) if is_of_split(file.relative_to(path), wanted.split)]
    require_whole(files)
    require_listed(below)
    parts: list[Part] = [*packages]
    strays: list[str] = []
    for file in files:
        try:
            parts += _file_parts(wanted, file)
        except InputError:
            if not packages:
                raise
            strays.append(file.relative_to(path).as_posix())
    if not parts:
        message = (
            f"`{path}` holds no rows: no Parquet, Arrow, CSV or JSON file and no package of {wanted.dataset} "
            f"for split `{wanted.split}`"
        )
        raise InputError(message)
    return RawFiles(tuple(parts), tuple(strays))


def _package_parts(wanted: _Wanted, root: Path, files: Sequence[Path]) -> list[Part]:
    return [part for form in folder_forms(wanted.dataset) for part in _parts_of_form(wanted, root, files, form)]


def _parts_of_form(wanted: _Wanted, root: Path, files: Sequence[Path], form: FolderForm) -> list[Part]:
    found = [Package(path.parent) for path in files if path.name == form.marker]
    for path in files:
        if path.name.lower().endswith(ARCHIVES):
            with looking_at(path):
                found += packages_in(path, form.marker)
    packages = _named([package for package in found if is_of_split(_way(package, root) / "_", wanted.split)], root)
    layouts: dict[str, Layout] = {}
    for package, name in packages.items():
        with looking_at(package.path), package.opened() as folder:
            for row in form.rows(folder, name):
                layout = layout_for(wanted.dataset, row)
                if layout is not None:
                    layouts.setdefault(layout.name, layout)
    return [PackagesPart(layout, packages, form) for layout in layouts.values()]


def _way(package: Package, root: Path) -> Path:
    """Return the way from the root to the folder that holds a package."""
    path = package.path if package.inside is None else package.path / package.inside
    return path.relative_to(root).parent if path != root else Path()


def _named(packages: Sequence[Package], root: Path) -> dict[Package, str]:
    """Name each package by its folder, or by its way from the root where several share that."""
    times = Counter(package.name for package in packages)
    return {
        package: package.name if times[package.name] == 1 else (_way(package, root) / package.name).as_posix()
        for package in packages
    }


def _data_files(wanted: _Wanted, files: Sequence[Path]) -> list[Path]:
    """Return the files that may hold rows: no part of a package, no description of a hub download."""
    markers = {form.marker for form in folder_forms(wanted.dataset)}
    packages = {path.parent for path in files if path.name in markers}
    return [
        path
        for path in files
        if bare_name(path).endswith(DATA_FILES)
        and path.name not in HUB_DESCRIPTIONS
        and not packages.intersection(path.parents)
    ]


def column_names(given: Iterable[str]) -> dict[str, str]:
    """Return what ``OURS=THEIRS`` say about columns.

    Raises
    ------
    InputError
        When one is not of that form, or names a column of ours twice.
    """
    names: dict[str, str] = {}
    for each in given:
        ours, sign, theirs = (part.strip() for part in each.partition("="))
        if not (ours and sign and theirs):
            message = f"`{each}` does not map a column; write OURS=THEIRS, such as statement=question"
            raise OptionError(message)
        if ours in names:
            message = f"column `{ours}` is mapped to `{names[ours]}` and to `{theirs}`; give one of them"
            raise OptionError(message)
        names[ours] = theirs
    return names


def rows_of(parts: Sequence[Part]) -> int | None:
    """Return how many rows the parts have together; ``None`` when one does not know."""
    counts = [part.count() for part in parts]
    return None if None in counts else sum(count or 0 for count in counts)


def _file_parts(wanted: _Wanted, path: Path) -> list[Part]:
    parts = _plain_parts(wanted, path)
    return [RenamedPart(part.layout, part, wanted.names) for part in parts] if wanted.columns else parts


def _plain_parts(wanted: _Wanted, path: Path) -> list[Part]:
    name = bare_name(path)
    if name.endswith(JSON_FILES):
        return _json_parts(wanted, path)
    if name.endswith(CSV_FILES):
        with to_its_end(path):
            names = csv_header(path)
        return [CsvPart(_known(wanted, path, names), path)] if names else []
    try:
        if name.endswith(ARROW_FILES):
            return [ArrowPart(_known(wanted, path, schema_of_arrow(path).names), path)]
        metadata = pq.read_metadata(path)
        columns = metadata.schema.to_arrow_schema().names
    except NOT_PARQUET as error:
        message = (
            f"`{path}` is not a Parquet or Arrow file ({first_line(error)}); give Parquet, Arrow, CSV, JSON or a folder"
        )
        raise InputError(message) from error
    layout = _known(wanted, path, columns)
    return [ParquetPart(layout, path, groups) for groups in portions(metadata)] or [ParquetPart(layout, path)]


def _fitting(wanted: _Wanted, columns: Iterable[str]) -> Layout | None:
    return layout_for(wanted.dataset, renamed(dict.fromkeys(columns), wanted.names))


def _known(wanted: _Wanted, path: Path, columns: Iterable[str]) -> Layout:
    layout = _fitting(wanted, columns)
    wanted.seen.update(columns)
    if layout is None:
        message = (
            f"`{path}` is not a file of {wanted.dataset}: it has the columns {', '.join(columns) or '(none)'}; expected "
            f"{describe_layouts(wanted.dataset)}; `--map OURS=THEIRS` names a column of yours"
        )
        raise InputError(message)
    return layout


def _json_parts(wanted: _Wanted, path: Path) -> list[Part]:
    """Return the part of the first row that fits a layout, as it is or inside the only object; none without rows."""
    columns: dict[str, None] = {}
    with to_its_end(path):
        for number, reading in enumerate(json_rows(path)):
            columns |= dict.fromkeys(map(str, reading.row) if reading.rejection is None else ())
            layout = None if reading.rejection else _fitting(wanted, reading.row)
            if layout is not None and not (number == 0 and _holds_columns(wanted, layout, reading.row)):
                return [JsonPart(layout, path, wanted.split)]
        for layout in layouts_of(wanted.dataset):
            required = frozenset(wanted.columns.get(name, name) for name in layout.required)
            if next(wrapped_rows(path, wanted.split, required, layout.id_column), None):
                return [JsonPart(layout, path, wanted.split, required)]
        is_empty = next(json_rows(path), None) is None
    if not is_empty:
        _known(wanted, path, columns)  # raises, and says which columns there are
    return []


def _holds_columns(wanted: _Wanted, layout: Layout, row: Row) -> bool:
    """Say whether an object is not a row but the columns of many."""
    columns = [row.get(wanted.columns.get(name, name)) for name in layout.required]
    lengths = {len(column) if isinstance(column, list | dict) else None for column in columns}
    return len(lengths) == 1 and None not in lengths


def raw_json(row: Row) -> str:
    """Return a raw row as JSON text of at most 64 kB, whatever it holds."""
    text = json.dumps(_bounded(row, RAW_DEPTH), ensure_ascii=False, sort_keys=True)
    data = text.encode("utf-8", "replace")
    return (
        text.encode("utf-8", "replace").decode()
        if len(data) <= RAW_BYTES
        else data[:RAW_BYTES].decode("utf-8", "ignore")
    )


def _bounded(value: object, depth: int) -> object:
    if isinstance(value, pa.Array):
        value = value.slice(0, RAW_ITEMS).to_pylist()
    if isinstance(value, str):
        return value[:RAW_BYTES]
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and value.bit_length() < RAW_ITEMS):
        return value
    if depth and isinstance(value, list | tuple):
        return [_bounded(item, depth - 1) for item in islice(value, RAW_ITEMS)]
    if depth and isinstance(value, Mapping):
        return {str(key)[:RAW_ITEMS]: _bounded(item, depth - 1) for key, item in islice(value.items(), RAW_ITEMS)}
    return quoted(value)


def hash_of_raw(paths: Sequence[Path]) -> dict[str, str]:
    """Return the SHA-256 of every raw file, by its name relative to the path that holds it.

    Raises
    ------
    InputError
        When a path does not exist.
    """
    hashes: dict[str, str] = {}
    for path in map(Path, paths):
        if not path.exists():
            message = f"`{path}` does not exist; give a file or folder of raw data"
            raise InputError(message)
        for file in [path] if path.is_file() else files_below(path):
            name = file.name if path.is_file() else file.relative_to(path).as_posix()
            hashes[name if name not in hashes else file.as_posix()] = _sha256_of(file)
    return dict(sorted(hashes.items()))


def _sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with looking_at(path), path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
