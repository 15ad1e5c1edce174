"""Rows in the columns of a table: ordered, cast, what may be absent filled with null; and a stream to take rows from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from ocr_pipeline.errors import InputError
from ocr_pipeline.tables import Table

__all__ = ["RowStream", "conform", "rows_of", "rows_of_problems"]


def conform(rows: pa.RecordBatch | pa.Table, table: Table, *, source: str = "input") -> pa.Table:
    """Return ``rows`` with exactly the columns of ``table``: ordered, cast, absent optional ones null.

    Raises
    ------
    InputError
        When a required column is absent, or one cannot be cast or holds nulls.
    """
    plain = pa.table(rows) if isinstance(rows, pa.RecordBatch) else rows
    columns = [_conform_column(plain, column, table, source) for column in table.schema]
    return pa.Table.from_arrays(columns, schema=table.schema)


def _conform_column(rows: pa.Table, column: pa.Field, table: Table, source: str) -> pa.ChunkedArray:
    if column.name not in rows.column_names:
        if not column.nullable:
            message = (
                f"{source}: no column `{column.name}`, which {table.name} needs; it has {', '.join(rows.column_names)}"
            )
            raise InputError(message)
        return pa.chunked_array([pa.nulls(rows.num_rows, column.type)])
    values = rows.column(column.name)
    if not column.nullable and values.null_count:
        message = f"{source}: column `{column.name}` of {table.name} holds {values.null_count} nulls; it may hold none"
        raise InputError(message)
    try:
        return values if values.type == column.type else values.cast(column.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        message = f"{source}: column `{column.name}` is {values.type}, {table.name} needs {column.type}: {error}"
        raise InputError(message) from error


def rows_of(batches: Iterable[pa.RecordBatch], columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of batches one by one, with some of their columns; ``None``: with all."""
    for batch in batches:
        yield from (batch if columns is None else batch.select(list(columns))).to_pylist()


def rows_of_problems(
    batches: Iterable[pa.RecordBatch], problem_ids: Collection[str], columns: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the rows of some problems; the texts of others are not copied."""
    for batch in batches:
        ids = batch.column("problem_id").to_pylist()
        places = pa.array([place for place, name in enumerate(ids) if name in problem_ids], pa.int64())
        yield from (batch if columns is None else batch.select(list(columns))).take(places).to_pylist()


class RowStream:
    """A stream of batches from which any number of rows can be taken."""

    def __init__(self, batches: Iterable[pa.RecordBatch], columns: Sequence[str]) -> None:
        self._batches = (batch.select(list(columns)) for batch in batches if batch.num_rows)
        self._batch = next(self._batches, None)

    def available(self) -> int:
        """Return how many rows can be taken at once; 0 at the end."""
        return 0 if self._batch is None else int(self._batch.num_rows)

    def take(self, rows: int) -> pa.RecordBatch:
        """Take at most as many rows as are available."""
        assert self._batch is not None  # noqa: S101 - for the type checker: there are rows available
        taken, rest = self._batch.slice(0, rows), self._batch.slice(rows)
        self._batch = rest if rest.num_rows else next(self._batches, None)
        return taken
