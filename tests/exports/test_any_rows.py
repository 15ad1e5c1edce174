"""Whatever the rows hold, each is written or counted, and what is written is read back."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocr_pipeline.exports.conversations import conversations
from ocr_pipeline.exports.export import export
from ocr_pipeline.exports.options import RL_FORMATS, ExportOptions, Format
from ocr_pipeline.exports.reading import lenient
from ocr_pipeline.exports.rewards import Evidence, rewards
from ocr_pipeline.exports.statements import Statements
from ocr_pipeline.samples.options import TextPolicy
from ocr_pipeline.tables import CLEAN_PROBLEMS, SFT_DATASET, Table
from tests.exports.test_conversations import read

SFT_FORMATS = sorted(set(Format) - RL_FORMATS)
WORDS = {
    "dataset": ["taco", "own", "code_contests", "apps, own", "nobody", ""],
    "language": ["python", "cpp", "java", "../x", ""],
    "io_mode": ["stdin", "function", "file", "interactive", "else"],
    "checker": ["tokens", "float", "special", "unknown", "unordered", "else"],
    "input": ["-", "", "Add.", "世界 🎲\u2028\0"],
    "statement": ["-", "", "Add.", "世界 🎲\u2028\0"],
    "function_name": ["f"],
}


def cells(field: pa.Field) -> st.SearchStrategy[Any]:
    """Return values of a column, null and odd ones included."""
    if pa.types.is_list(field.type):
        return st.none() | st.lists(st.text(max_size=3), max_size=2)
    if pa.types.is_floating(field.type):
        return st.none() | st.floats(width=32)
    if pa.types.is_integer(field.type):
        return st.none() | st.integers(-(2**31), 2**31 - 1)
    if pa.types.is_boolean(field.type):
        return st.none() | st.booleans()
    if not pa.types.is_string(field.type) and not pa.types.is_large_string(field.type):
        return st.none()
    return st.none() | (st.sampled_from(WORDS[field.name]) if field.name in WORDS else st.text(max_size=6))


def rows_of(table: Table) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Return some rows of a table."""
    return st.lists(st.fixed_dictionaries({field.name: cells(field) for field in lenient(table).schema}), max_size=6)


def batches_of(table: Table, rows: list[dict[str, Any]]) -> list[pa.RecordBatch]:
    """Return the rows as an export reads them."""
    return [pa.RecordBatch.from_pylist(rows, schema=lenient(table).schema)] if rows else []


SLOW = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.mark.parametrize("form", SFT_FORMATS)
@pytest.mark.parametrize("policy", TextPolicy)
@given(rows=rows_of(SFT_DATASET))
@SLOW
def test_any_rows_of_the_data_set(form: Format, policy: TextPolicy, rows: list[dict[str, Any]]) -> None:
    """In is kept plus dropped, and the files hold what was kept; no other text than the row's own gets out."""
    options = ExportOptions(text_policy=policy)
    with tempfile.TemporaryDirectory() as folder:
        counts = export(
            lambda: conversations(iter(batches_of(SFT_DATASET, rows)), Statements(policy, None), {}, options, form),
            form,
            Path(folder),
            options,
        )
        assert counts.rows_in == len(rows)
        assert len(read(Path(folder))) == counts.kept


TESTS = st.lists(
    st.fixed_dictionaries(
        {
            "test_id": st.text("012", min_size=1, max_size=3),
            "kind": st.sampled_from([None, "example", "private"]),
            "input": st.none() | st.sampled_from(["", "1\n", "[1]", '{"a": 1}', "[[1], null]", "世界", "\0"]),
            "expected": st.none() | st.sampled_from(["", "1", " ", '"x"', "世界", "[1,2]"]),
            "suspicions": st.sampled_from([None, [], ["truncated"]]),
        }
    ),
    max_size=8,
)


@pytest.mark.parametrize("form", sorted(RL_FORMATS))
@given(rows=rows_of(CLEAN_PROBLEMS), tests=TESTS)
@SLOW
def test_any_problems(form: Format, rows: list[dict[str, Any]], tests: list[dict[str, Any]]) -> None:
    """Every problem is a row or a reason, whatever it and its tests hold."""
    options = ExportOptions(min_tests=1, text_policy=TextPolicy.FULL)
    with tempfile.TemporaryDirectory() as folder:
        counts = export(
            lambda: rewards(
                iter(batches_of(CLEAN_PROBLEMS, rows)),
                lambda ids: dict.fromkeys(ids, tests),
                Statements(TextPolicy.FULL, None),
                Evidence(),
                options,
                form,
                Counter(),
            ),
            form,
            Path(folder),
            options,
        )
        assert counts.rows_in == len(rows)
        assert len(read(Path(folder))) == counts.kept
