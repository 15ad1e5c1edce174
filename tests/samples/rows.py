"""Responses, problems and executions written for the tests of samples."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.engine import Engine, LocalEngine
from ocr_pipeline.samples import SampleConfig, separate
from ocr_pipeline.store import FileWriter
from ocr_pipeline.tables import SAMPLES, Table

MINIMAL = pa.schema(
    [("request_id", pa.string()), ("problem_id", pa.string()), ("language", pa.string()), ("text", pa.large_string())]
)
ALL_SHAPES = [
    "<think>\nSum them.\n</think>\n\n```python\nprint(sum(map(int, input().split())))\n```\n",
    "Sum them.\n</think>\n```python\n# the sum\nprint( sum(map(int, input().split())) )\n```",
    "```python\nprint(1)\n```",
    "<think>Hm",
    "<think></think>```python\nprint(2)\n```",
    "<think>A draft:\n```python\nx = 1\n```\n</think>\n```python\nprint(3)\n```",
    "<think>Prose.</think>Sort, then print.",
    "<think>Old.</think>\n```python\nprint 4\n```",
    '<think>Other.</think>\n```cpp\n#include <cstdio>\nint main() { puts("5"); }\n```',
    "<think>Broken.</think>\n```python\nprint((6)\n```",
    "",
    "<think>é 世界</think>\n~~~python\nprint('é')\n~~~\n",
    "<think>" + "I go round and round. " * 60,
]


def responses(texts: Iterable[str], **columns: list[Any]) -> pa.RecordBatch:
    """Return one batch of responses of one problem; more columns may be given."""
    texts = list(texts)
    plain: dict[str, Any] = {
        "request_id": [f"r{number:03}" for number in range(len(texts))],
        "problem_id": ["p/train/1"] * len(texts),
        "language": ["python"] * len(texts),
        "text": pa.array(texts, pa.large_string()),
    }
    return pa.RecordBatch.from_pydict(plain | columns)


def separated(
    path: Path, batches: Iterable[pa.RecordBatch], config: SampleConfig | None = None, engine: Engine | None = None
) -> tuple[StageCounts, list[dict[str, Any]]]:
    """Separate into a file and return the account and the rows."""
    with FileWriter(path, SAMPLES) as writer:
        counts = separate(batches, config=config or SampleConfig(), engine=engine or LocalEngine(), writer=writer)
    return counts, pq.read_table(path).to_pylist()


def rows(table: Table, values: list[dict[str, Any]]) -> pa.RecordBatch:
    """Return rows of a table from dictionaries; what they leave out is null, empty, false or zero."""
    return pa.RecordBatch.from_pylist([_blank(table) | value for value in values], schema=table.schema)


def _blank(table: Table) -> dict[str, Any]:
    return {field.name: None if field.nullable else _zero(field.type) for field in table.schema}


def _zero(kind: pa.DataType) -> object:
    if pa.types.is_list(kind):
        return []
    if pa.types.is_boolean(kind):
        return False
    return "" if pa.types.is_string(kind) or pa.types.is_large_string(kind) else 0
