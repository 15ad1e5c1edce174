"""Raw files as streams of rows: Parquet, JSON and problem folders, in bounded memory.

Paths become parts, each with the layout that its columns show. A part that fits no layout, or cannot be read, is an
:class:`InputError`; a single row that cannot be read is data. Which files are looked at stands in
:mod:`ocr_pipeline.sources.walk`, how JSON is read in :mod:`ocr_pipeline.sources.json_files`.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from ocr_pipeline.errors import InputError
from ocr_pipeline.sources.folders import FOLDER_FORMS, FolderForm
from ocr_pipeline.sources.json_files import JSON_FILES, json_rows, lines_of
from ocr_pipeline.sources.model import Layout, RawRow, Row
from ocr_pipeline.sources.overlap import ahead
from ocr_pipeline.sources.readers import describe_layouts, layout_for
from ocr_pipeline.sources.rules import Repair
from ocr_pipeline.sources.values import decoded, quoted
from ocr_pipeline.sources.walk import files_below, is_of_split, looking_at

__all__ = ["Part", "PartScan", "hash_of_raw", "open_parts", "raw_json", "rows_of"]

BATCH_BYTES: Final = 16 << 20
PORTION_BYTES: Final = 128 << 20
MOST_BATCH_ROWS: Final = 512
RAW_BYTES: Final = 64 << 10
RAW_ITEMS: Final = 200
RAW_DEPTH: Final = 8
CHUNK_BYTES: Final = 1 << 20
HUB_DESCRIPTIONS: Final = ("dataset_info.json", "dataset_infos.json", "state.json")
BINARY_KINDS: Final = (
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)


class Part(Protocol):
    """Some raw rows of one layout."""

    @property
    def layout(self) -> Layout:
        """The form of the rows."""

    @property
    def size(self) -> int:
        """Bytes on disk; 0 for problem folders, which are small."""

    def count(self) -> int | None:
        """Return the number of rows, where that is cheap to know."""

    def rows(self) -> Iterator[RawRow]:
        """Yield every row, in the order of the file."""

    def some_columns(self, columns: Sequence[str]) -> Iterator[Row]:
        """Yield the named columns of every readable row."""

    def features(self) -> Mapping[str, object]:
        """Return the hub library's features, by column; empty when the part has none."""


@dataclass(frozen=True, slots=True)
class ParquetPart:
    """Some row groups of a Parquet file; all of them by default."""

    path: Path
    layout: Layout
    row_groups: Sequence[int] | None = None

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self.path.stat().st_size

    def count(self) -> int | None:
        """Return the number of rows."""
        metadata = pq.read_metadata(self.path)
        return sum(int(metadata.row_group(number).num_rows) for number in self._groups(metadata))

    def _groups(self, metadata: pq.FileMetaData) -> Sequence[int]:
        return range(metadata.num_row_groups) if self.row_groups is None else self.row_groups

    def rows(self) -> Iterator[RawRow]:
        """Yield every row; text that is no UTF-8 is mended and noted."""
        for batch, is_valid in ahead(self._batches()):
            if is_valid:
                yield from map(RawRow, _rows_of(batch, self.layout.arrow_columns))
            else:
                yield from map(_mended, _plain_rows(_as_binary(batch)))

    def _batches(self) -> Iterator[tuple[pa.RecordBatch, bool]]:
        with _to_its_end(self.path), pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(_batch_rows(file.metadata), self._groups(file.metadata)):
                yield batch, _is_valid(batch)

    def some_columns(self, columns: Sequence[str]) -> Iterator[Row]:
        """Yield the named columns of every row."""
        with _to_its_end(self.path), pq.ParquetFile(self.path) as file:
            present = [name for name in columns if name in file.schema_arrow.names]
            for batch in file.iter_batches(row_groups=self._groups(file.metadata), columns=present):
                yield from _plain_rows(batch)

    def features(self) -> Mapping[str, object]:
        """Return the features that the hub's library left in the schema."""
        written = (pq.read_schema(self.path).metadata or {}).get(b"huggingface")
        try:
            info = orjson.loads(written or b"{}").get("info", {})
        except (orjson.JSONDecodeError, AttributeError):
            return {}
        features = info.get("features") if isinstance(info, dict) else None
        return features if isinstance(features, dict) else {}


@contextmanager
def _to_its_end(path: Path) -> Iterator[None]:
    """Turn what the readers say about a damaged file into one clear line."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
        message = f"`{path}` cannot be read to its end: {_first_line(error)}; fetch it again, or check its owner"
        raise InputError(message) from error


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]


def _is_valid(batch: pa.RecordBatch) -> bool:
    """Say whether all text is marked as text and is UTF-8, which Parquet does not promise."""
    if any(_is_binary(field.type) for field in batch.schema):
        return False
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _batch_rows(metadata: pq.FileMetaData) -> int:
    size = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    return int(max(1, min(MOST_BATCH_ROWS, BATCH_BYTES * max(metadata.num_rows, 1) // max(size, 1))))


def _is_binary(kind: pa.DataType) -> bool:
    if any(is_kind(kind) for is_kind in BINARY_KINDS):
        return True
    return any(_is_binary(kind.field(number).type) for number in range(kind.num_fields))


def _plain_rows(batch: pa.RecordBatch) -> Iterator[dict[str, object]]:
    names = batch.schema.names
    return (dict(zip(names, values, strict=True)) for values in zip(*map(_values, batch.columns), strict=True))


def _values(column: pa.Array) -> list[object]:
    """Return Python values; what Python has none for, such as a date in the year 200,000, is bytes that say so."""
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError):
        return [_value(scalar) for scalar in column]


def _value(scalar: pa.Scalar) -> object:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        return f"no value of Python: {scalar.type}".encode()


def _rows_of(batch: pa.RecordBatch, arrow_columns: frozenset[str]) -> Iterator[Row]:
    kept = [
        name
        for name in batch.schema.names
        if name in arrow_columns and _is_struct_of_lists(batch.schema.field(name).type)
    ]
    plain = batch.drop_columns(kept) if kept else batch
    arrows = {name: _list_slices(batch.column(name)) for name in kept}
    for number, row in enumerate(_plain_rows(plain)):
        for name, slices in arrows.items():
            row[name] = {field: _slice(lists, number) for field, lists in slices.items()}
        yield row


def _is_struct_of_lists(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) and all(
        pa.types.is_list(field.type) or pa.types.is_large_list(field.type) for field in kind
    )


def _list_slices(column: pa.StructArray) -> dict[str, tuple[pa.Array, pa.Array, list[bool]]]:
    """Return values, offsets and validity of each list of a struct column."""
    fields = zip((field.name for field in column.type), column.flatten(), strict=True)
    return {
        name: (_long(lists.values), lists.offsets.to_pylist(), lists.is_valid().to_pylist()) for name, lists in fields
    }


def _long(values: pa.Array) -> pa.Array:
    """Give texts 64-bit offsets, once for all rows."""
    return values.cast(pa.large_string()) if pa.types.is_string(values.type) else values


def _slice(lists: tuple[pa.Array, list[int], list[bool]], number: int) -> pa.Array | None:
    values, offsets, valid = lists
    return values.slice(offsets[number], offsets[number + 1] - offsets[number]) if valid[number] else None


def _as_binary(batch: pa.RecordBatch) -> pa.RecordBatch:
    plain = [column.dictionary_decode() if pa.types.is_dictionary(column.type) else column for column in batch.columns]
    columns = [column.cast(_binary_type(column.type)) for column in plain]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _binary_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.large_binary()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.large_list(_binary_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_binary_type(field.type)) for field in kind])
    return kind


def _mended(row: Row) -> RawRow:
    found: set[Repair] = set()
    return RawRow({name: decoded(value, found) for name, value in row.items()}, repairs=frozenset(found))


@dataclass(frozen=True, slots=True)
class JsonPart:
    """A file of JSON objects."""

    path: Path
    layout: Layout

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.path.stat().st_size

    def count(self) -> int | None:
        """Return the number of lines, where that is the number of rows."""
        return lines_of(self.path)

    def rows(self) -> Iterator[RawRow]:
        """Yield every row."""
        with _to_its_end(self.path):
            yield from json_rows(self.path)

    def some_columns(self, columns: Sequence[str]) -> Iterator[Row]:
        """Yield the named columns of every readable row."""
        for raw in self.rows():
            if raw.rejection is None:
                yield {name: raw.row.get(name) for name in columns}

    def features(self) -> Mapping[str, object]:
        """Return nothing: objects carry no features."""
        return {}


@dataclass(frozen=True, slots=True)
class RowsPart:
    """The rows of problem folders that share one layout."""

    layout: Layout
    folders: Mapping[Path, str]
    form: FolderForm

    @property
    def size(self) -> int:
        """Nothing that counts."""
        return 0

    def count(self) -> int | None:
        """Return nothing: a folder's rows are known when it is read."""
        return None

    def rows(self) -> Iterator[RawRow]:
        """Yield the rows of this layout, folder by folder."""
        for folder, name in self.folders.items():
            with looking_at(folder):
                yield from (RawRow(row) for row in self.form.rows(folder, name) if self.layout.required <= set(row))

    def some_columns(self, columns: Sequence[str]) -> Iterator[Row]:
        """Yield the named columns of every row."""
        for raw in self.rows():
            yield {name: raw.row.get(name) for name in columns}

    def features(self) -> Mapping[str, object]:
        """Return nothing: folders carry no features."""
        return {}


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


def open_parts(dataset: str, paths: Sequence[Path], split: str) -> list[Part]:
    """Find the raw files of a split and what layout each has.

    Raises
    ------
    InputError
        When a path does not exist, holds nothing for the split, or fits no layout of the data set.
    """
    if not paths:
        message = f"no path given; give Parquet or JSONL files, or folders, of {dataset}"
        raise InputError(message)
    return [part for path in paths for part in _parts_of(dataset, Path(path), split)]


def _parts_of(dataset: str, path: Path, split: str) -> list[Part]:
    with looking_at(path):
        if not path.exists():
            message = f"`{path}` does not exist; give a Parquet or JSONL file, or a folder, of {dataset}"
            raise InputError(message)
    if path.is_file():
        return _file_parts(dataset, path)
    below = files_below(path)
    files = [file for file in _data_files(below) if is_of_split(file.relative_to(path), split)]
    parts = [
        *_folder_parts(dataset, path, below, split),
        *(part for file in files for part in _file_parts(dataset, file)),
    ]
    if not parts:
        message = (
            f"`{path}` holds no rows: no Parquet or JSONL file and no problem folder of {dataset} for split `{split}`"
        )
        raise InputError(message)
    return parts


def _folder_parts(dataset: str, root: Path, files: Sequence[Path], split: str) -> list[Part]:
    form = FOLDER_FORMS.get(dataset)
    if form is None:
        return []
    found = [path.parent for path in files if path.name == form.marker]
    folders = _named([path for path in found if is_of_split(path.relative_to(root).parent / "_", split)], root)
    layouts: dict[str, Layout] = {}
    for folder, name in folders.items():
        with looking_at(folder):
            for row in form.rows(folder, name):
                layout = layout_for(dataset, row)
                if layout is not None:
                    layouts.setdefault(layout.name, layout)
    return [RowsPart(layout, folders, form) for layout in layouts.values()]


def _named(folders: Sequence[Path], root: Path) -> dict[Path, str]:
    """Name each folder by its last part, or by its way from the root where several share that."""
    times = Counter(folder.name for folder in folders)
    return {
        folder: folder.name if times[folder.name] == 1 else folder.relative_to(root).as_posix() for folder in folders
    }


def _data_files(files: Sequence[Path]) -> list[Path]:
    """Return the files that may hold rows: no part of a problem folder, no description of a hub download."""
    markers = {form.marker for form in FOLDER_FORMS.values()}
    problems = {path.parent for path in files if path.name in markers}
    return [
        path
        for path in files
        if path.name.endswith((".parquet", *JSON_FILES))
        and path.name not in HUB_DESCRIPTIONS
        and not problems.intersection(path.parents)
    ]


def rows_of(parts: Sequence[Part]) -> int | None:
    """Return how many rows the parts have together; ``None`` when one does not know."""
    counts = [part.count() for part in parts]
    return None if None in counts else sum(count or 0 for count in counts)


def _file_parts(dataset: str, path: Path) -> list[Part]:
    if path.name.endswith(JSON_FILES):
        layout = _json_layout(dataset, path)
        return [JsonPart(path, layout)] if layout else []
    try:
        metadata = pq.read_metadata(path)
        columns = metadata.schema.to_arrow_schema().names
    except (pa.ArrowException, OSError, UnicodeError) as error:
        message = f"`{path}` is no Parquet file ({_first_line(error)}); give Parquet, JSONL or a folder"
        raise InputError(message) from error
    layout = _known(dataset, path, columns)
    return [ParquetPart(path, layout, groups) for groups in _portions(metadata)] or [ParquetPart(path, layout)]


def _portions(metadata: pq.FileMetaData) -> list[list[int]]:
    """Put row groups together into portions that one process reads in a second or two."""
    portions: list[list[int]] = []
    size = PORTION_BYTES
    for number in range(metadata.num_row_groups):
        if size >= PORTION_BYTES:
            portions.append([])
            size = 0
        portions[-1].append(number)
        size += metadata.row_group(number).total_byte_size
    return portions


def _known(dataset: str, path: Path, columns: Iterable[str]) -> Layout:
    layout = layout_for(dataset, columns)
    if layout is None:
        message = f"`{path}` is no file of {dataset}: it has the columns {', '.join(columns) or '(none)'}; expected {describe_layouts(dataset)}"
        raise InputError(message)
    return layout


def _json_layout(dataset: str, path: Path) -> Layout | None:
    """Return the layout of the first row that fits one; ``None`` for a file without rows."""
    columns: dict[str, None] = {}
    raw = None
    with _to_its_end(path):
        for raw in json_rows(path):
            if raw.rejection is None:
                columns.update(dict.fromkeys(map(str, raw.row)))
                layout = layout_for(dataset, raw.row)
                if layout is not None:
                    return layout
    return None if raw is None else _known(dataset, path, columns)


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
