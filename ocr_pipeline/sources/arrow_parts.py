"""Parquet and Arrow files as rows: text that is not UTF-8 is mended, nested lists stay Arrow where a reader wants them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from ocr_pipeline.sources.model import Layout
from ocr_pipeline.sources.overlap import ahead
from ocr_pipeline.sources.parts import FilePart, to_its_end
from ocr_pipeline.sources.reading import Reading, Row

__all__ = ["ArrowPart", "ParquetPart", "portions", "schema_of_arrow"]

BATCH_BYTES: Final = 16 << 20
PORTION_BYTES: Final = 128 << 20
MOST_BATCH_ROWS: Final = 512
FILE_MAGIC: Final = b"ARROW1"
BINARY_KINDS: Final = (
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)


@dataclass(frozen=True)
class ParquetPart(FilePart):
    """Some row groups of a Parquet file; all of them by default."""

    row_groups: Sequence[int] | None = None

    def count(self) -> int | None:
        """Return the number of rows."""
        metadata = pq.read_metadata(self.path)
        return sum(int(metadata.row_group(number).num_rows) for number in self._groups(metadata))

    def _groups(self, metadata: pq.FileMetaData) -> Sequence[int]:
        return range(metadata.num_row_groups) if self.row_groups is None else self.row_groups

    def rows(self) -> Iterator[Reading]:
        """Yield every row; text that is not UTF-8 is mended and noted."""
        yield from _readings(self._batches(), self.layout)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        with to_its_end(self.path), pq.ParquetFile(self.path) as file:
            yield from file.iter_batches(_batch_rows(file.metadata), self._groups(file.metadata))

    def some_columns(self, columns: Sequence[str]) -> Iterator[Row]:
        """Yield the named columns of every row."""
        with to_its_end(self.path), pq.ParquetFile(self.path) as file:
            present = [name for name in columns if name in file.schema_arrow.names]
            for batch in file.iter_batches(row_groups=self._groups(file.metadata), columns=present):
                yield from _plain_rows(batch)

    def features(self) -> Mapping[str, object]:
        """Return the features that the hub's library left in the schema."""
        return _features(pq.read_schema(self.path))


@dataclass(frozen=True)
class ArrowPart(FilePart):
    """A file of Arrow's own formats, such as ``save_to_disk`` writes: a stream, or a file with an index."""

    def count(self) -> int | None:
        """Return the number of rows; nothing is decoded for that."""
        return sum(int(batch.num_rows) for batch in self._batches())

    def rows(self) -> Iterator[Reading]:
        """Yield every row."""
        yield from _readings(self._slices(), self.layout)

    def _slices(self) -> Iterator[pa.RecordBatch]:
        for batch in self._batches():
            rows = _rows_at_once(batch.nbytes, batch.num_rows)
            yield from (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))

    def _batches(self) -> Iterator[pa.RecordBatch]:
        with to_its_end(self.path), _arrow_reader(self.path) as (_, batches):
            yield from batches

    def some_columns(self, columns: Sequence[str]) -> Iterator[Row]:
        """Yield the named columns of every row."""
        for batch in self._slices():
            yield from _plain_rows(batch.select([name for name in columns if name in batch.schema.names]))

    def features(self) -> Mapping[str, object]:
        """Return the features that the hub's library left in the schema."""
        return _features(schema_of_arrow(self.path))


def schema_of_arrow(path: Path) -> pa.Schema:
    """Return the schema of an Arrow file.

    Raises
    ------
    pyarrow.ArrowException, OSError
        When it is not one.
    """
    with _arrow_reader(path) as (schema, _):
        return schema


@contextmanager
def _arrow_reader(path: Path) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
    with path.open("rb") as file:
        has_index = file.read(len(FILE_MAGIC)) == FILE_MAGIC
    with pa.OSFile(str(path)) as source:
        if has_index:
            opened = pa.ipc.open_file(source)
            yield opened.schema, (opened.get_batch(number) for number in range(opened.num_record_batches))
        else:
            stream = pa.ipc.open_stream(source)
            yield stream.schema, iter(stream)


def _features(schema: pa.Schema) -> Mapping[str, object]:
    written = (schema.metadata or {}).get(b"huggingface")
    try:
        info = orjson.loads(written or b"{}").get("info", {})
    except (orjson.JSONDecodeError, AttributeError):
        return {}
    features = info.get("features") if isinstance(info, dict) else None
    return features if isinstance(features, dict) else {}


def _readings(batches: Iterator[pa.RecordBatch], layout: Layout) -> Iterator[Reading]:
    """Yield the rows of batches; the next batch is read and checked meanwhile."""
    for batch, is_valid in ahead((batch, _is_valid(batch)) for batch in batches):
        if is_valid:
            yield from map(Reading, _rows_of(batch, layout.arrow_columns))
        else:
            yield from map(_mended, _plain_rows(_as_binary(batch)))


def portions(metadata: pq.FileMetaData) -> list[list[int]]:
    """Put row groups together into portions that one process reads in a second or two."""
    found: list[list[int]] = []
    size = PORTION_BYTES
    for number in range(metadata.num_row_groups):
        if size >= PORTION_BYTES:
            found.append([])
            size = 0
        found[-1].append(number)
        size += metadata.row_group(number).total_byte_size
    return found


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
    return _rows_at_once(size, metadata.num_rows)


def _rows_at_once(size: int, rows: int) -> int:
    return int(max(1, min(MOST_BATCH_ROWS, BATCH_BYTES * max(rows, 1) // max(size, 1))))


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


def _mended(row: Row) -> Reading:
    raw = Reading({})
    return raw.inside({name: raw.decoded(value) for name, value in row.items()})
