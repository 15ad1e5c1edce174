"""A writer that keeps what a step writes in memory."""

from __future__ import annotations

from typing import Any

import pyarrow as pa


class Rows:
    """Takes rows as a table's writer does; with a schema, only such rows."""

    def __init__(self, schema: pa.Schema | None = None) -> None:
        self.schema = schema
        self.rows: list[dict[str, Any]] = []

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Keep rows."""
        assert self.schema is None or rows.schema.equals(self.schema)
        self.rows += rows.to_pylist()
