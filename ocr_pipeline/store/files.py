"""Files that a person names: Parquet, JSONL or folders as rows of a table, and CSV as spreadsheets write it."""

from __future__ import annotations

import codecs
import csv
import functools
import itertools
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.errors import InputError
from ocr_pipeline.store.ranges import among
from ocr_pipeline.store.rows import conform
from ocr_pipeline.tables import Table

if TYPE_CHECKING:
    import pyarrow.dataset as ds

__all__ = ["encoding_of", "open_csv", "open_files", "parquet_format"]

BATCHES_AHEAD: Final = 2
JSON_LINES_AT_ONCE: Final = 512
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
DELIMITERS: Final = ",;\t"  # spreadsheets of many countries save CSV with semicolons
LARGEST_CELL: Final = 1 << 30  # characters; the standard library refuses cells above 131,072, tests are longer


@functools.cache
def parquet_format(*, is_local: bool = False) -> ds.ParquetFileFormat:
    """Return how Parquet is read: checked pages cost 4 of 50 µs per row of 30 kB; without, damaged ones are read.

    Local files need no buffer of what comes next: it keeps all that was read of a file until its end (950 MB of 16,000
    rows of 35 kB, 430 without).
    """
    import pyarrow.dataset as ds  # brings pandas, which a code location that only lists assets does not need

    return ds.ParquetFileFormat(
        default_fragment_scan_options=ds.ParquetFragmentScanOptions(
            page_checksum_verification=True, pre_buffer=not is_local
        )
    )


@contextmanager
def open_csv(path: Path) -> Iterator[csv.DictReader[str]]:
    """Open a CSV file with a header, separated by commas, semicolons or tabs; cells that are missing are empty.

    Raises
    ------
    OSError, UnicodeDecodeError, csv.Error
        When it cannot be read, also while its rows are.
    """
    csv.field_size_limit(LARGEST_CELL)
    with path.open("rb") as file:
        encoding = encoding_of(file.read(64))
    with path.open(encoding=encoding, newline="") as file:
        delimiter = max(DELIMITERS, key=file.readline().count)
        file.seek(0)
        yield csv.DictReader(file, delimiter=delimiter, restval="")


def encoding_of(start: bytes) -> str:
    """Return UTF-16 or UTF-8 for the start of a text, by its byte order mark, or by the NULs of UTF-16 between ASCII."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    even, odd = start[::2].count(0), start[1::2].count(0)
    if len(start) > 1 and max(even, odd) > len(start) // 4:
        return "utf-16-le" if odd > even else "utf-16-be"
    return "utf-8-sig"


def open_files(
    paths: Sequence[str | Path],
    table: Table,
    *,
    required: Sequence[str] | None = None,
    problem_ids: Collection[str] | None = None,
    renamed: Mapping[str, str] = NOTHING,
) -> Iterator[pa.RecordBatch]:
    """Stream rows of ``table`` from files that a person names: Parquet, JSONL, or folders of Parquet.

    Parameters
    ----------
    paths
        Files or folders; a folder may be a partition or a whole table of a data root.
    table
        What the rows are.
    required
        Columns that must be there, in every row; what is absent of the others, or null where it may not be, is filled
        with null, 0, false or an empty text or list.
    problem_ids
        Of Parquet files only the rows of these problems are read; other files may give others too.
    renamed
        Other names that columns may have in the files, and what they are called in the table.

    Yields
    ------
    pyarrow.RecordBatch
        In the table's schema, in the order of the files.

    Raises
    ------
    InputError
        When a path does not exist, is not readable, or lacks a required column.
    """
    needed = set(table.required if required is None else required)
    for path in (Path(path) for path in paths):
        for batch in _open_one(path, table, problem_ids, renamed):
            yield from conform(_filled(batch, table, needed, str(path)), table, source=str(path)).to_batches()


def _open_one(
    path: Path, table: Table, problem_ids: Collection[str] | None, renamed: Mapping[str, str]
) -> Iterator[pa.RecordBatch]:
    import pyarrow.dataset as ds

    if not path.exists():
        message = f"`{path}` does not exist; give a Parquet or JSONL file, or a folder of Parquet files"
        raise InputError(message)
    is_json = path.suffix in {".jsonl", ".ndjson", ".json"}
    try:
        if is_json:
            yield from _json_lines(path, table, renamed)
        else:
            opened = (
                _parquet_folder(path, table)
                if path.is_dir()
                else ds.dataset(path, format=parquet_format(is_local=True))
            )
            wanted = _of_problems(opened.schema, problem_ids)
            names = [_known(name, opened.schema.names, renamed) for name in opened.schema.names]
            for batch in opened.to_batches(
                batch_size=2_048, filter=wanted, batch_readahead=BATCHES_AHEAD, fragment_readahead=1
            ):
                yield batch.rename_columns(names)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
        message = f"`{path}` cannot be read as {'JSONL' if is_json else 'Parquet'}: {error}"
        raise InputError(message) from error


def _known(name: str, names: Collection[str], renamed: Mapping[str, str]) -> str:
    """Return what a column of a file is called in the table, where the file has no column of that name already."""
    known = renamed.get(name, name)
    return name if known in names else known


def _of_problems(schema: pa.Schema, problem_ids: Collection[str] | None) -> pc.Expression | None:
    """Return the condition on rows, where the ids are texts in the file too."""
    if problem_ids is None or "problem_id" not in schema.names or not _is_text(schema.field("problem_id").type):
        return None
    return among("problem_id", problem_ids)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _parquet_folder(path: Path, table: Table) -> ds.Dataset:
    """Open a folder; a key of its folder names becomes a column only where the files have none of that name."""
    import pyarrow.dataset as ds

    opened = ds.dataset(path, format=parquet_format(is_local=True))
    if not opened.files:
        message = f"`{path}` holds no Parquet files"
        raise InputError(message)
    keys = [pa.field(key, pa.string()) for key in table.partition_by if key not in opened.schema.names]
    return ds.dataset(
        path, format=parquet_format(is_local=True), partitioning=ds.partitioning(pa.schema(keys), flavor="hive")
    )


def _json_lines(path: Path, table: Table, renamed: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
    """Stream a JSONL file; columns that the table does not know are there, but empty."""
    with path.open("rb") as file:
        numbered = ((number, line) for number, line in enumerate(file, start=1) if line.strip())
        while rows := [
            _json_row(path, number, line) for number, line in itertools.islice(numbered, JSON_LINES_AT_ONCE)
        ]:
            names = sorted({name for row in rows for name in row})
            called = [_known(name, names, renamed) for name in names]
            columns = [
                _json_column(path, known, [row.get(name) for row in rows], table)
                for name, known in zip(names, called, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, called)


def _json_row(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        message = f"`{path}` line {number} is not JSON: {error}"
        raise InputError(message) from error
    if not isinstance(row, dict):
        message = f"`{path}` line {number} is a {type(row).__name__}, not an object with columns"
        raise InputError(message)
    return row


def _json_column(path: Path, name: str, values: list[Any], table: Table) -> pa.Array:
    """Give values the table's own type: guessing would turn a text that looks like a date into a date."""
    if name not in table.schema.names:
        return pa.nulls(len(values))
    kind = table.schema.field(name).type
    try:
        if pa.types.is_temporal(kind) and any(isinstance(value, str) for value in values):
            return pa.array(values, pa.string()).cast(kind)
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError) as error:
        message = f"`{path}`: column `{name}` of {table.name} must be {kind}: {error}"
        raise InputError(message) from error


def _filled(batch: pa.RecordBatch, table: Table, needed: set[str], source: str) -> pa.Table:
    rows = pa.table(batch)
    missing = sorted(needed - set(rows.column_names))
    if missing:
        message = (
            f"{source}: no column {', '.join(f'`{name}`' for name in missing)}; it has {', '.join(rows.column_names)}"
        )
        raise InputError(message)
    for column in table.schema:
        if column.nullable or column.name in needed:
            continue
        if column.name not in rows.column_names:
            rows = rows.append_column(column, _defaults(column.type, rows.num_rows))
        elif rows[column.name].null_count:
            place = rows.schema.get_field_index(column.name)
            rows = rows.set_column(place, column, _without_nulls(rows[column.name].cast(column.type)))
    return rows


def _without_nulls(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Put defaults where nothing is: a line of JSON may leave out what other lines have."""
    filled = [pc.if_else(pc.is_null(chunk), _defaults(values.type, len(chunk)), chunk) for chunk in values.iterchunks()]
    return pa.chunked_array(filled, values.type)


def _defaults(kind: pa.DataType, rows: int) -> pa.Array:
    """Return the value of an absent column that may not be null: 0, false, empty."""
    if pa.types.is_list(kind) or pa.types.is_map(kind):
        return pa.array([[]] * rows, kind)
    if pa.types.is_boolean(kind):
        return pa.repeat(pa.scalar(value=False), rows)
    if _is_text(kind):
        return pa.repeat(pa.scalar("", kind), rows)
    return pa.repeat(pa.scalar(0, pa.int64()), rows).cast(kind)
