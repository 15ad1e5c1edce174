"""Rows in the columns of a table: ordered, cast, what may be absent filled with null."""

from __future__ import annotations

import pyarrow as pa

from ocr_pipeline.errors import InputError
from ocr_pipeline.tables import Table

__all__ = ["conform"]


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
