"""Rows and stores that the tests of the ground floor share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from ocr_pipeline.store import Store
from ocr_pipeline.tables import TESTS, Table

TACO = {"dataset": "taco"}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def test_rows(texts: list[str]) -> pa.Table:
    """Return rows of the tests table, one per text."""
    rows = [
        {"problem_id": "p", "test_id": f"{i:04}", "kind": "public", "input": text, "expected": "1", "suspicions": []}
        for i, text in enumerate(texts)
    ]
    return pa.Table.from_pylist(rows, TESTS.schema)


test_rows.__test__ = False  # type: ignore[attr-defined]


def write(
    store: Store, rows: pa.Table, *, table: Table = TESTS, partition: dict[str, str] | None = None, version: str = "1"
) -> Any:
    """Write one partition and return its manifest."""
    with store.writer(table, TACO if partition is None else partition, config={}, code_version=version) as writer:
        writer.write(rows)
    return writer.manifest


def inputs(store: Store) -> list[str]:
    """Return the texts of the tests partition."""
    texts: list[str] = store.open(TESTS, **TACO).to_table(columns=["input"]).column("input").to_pylist()
    return texts


def manifest_json(root: Path) -> dict[str, Any]:
    """Return the manifest of the tests partition as it stands on disk."""
    text = (root / "tests" / "dataset=taco" / "_manifest.json").read_text(encoding="utf-8")
    value: dict[str, Any] = json.loads(text)
    return value
