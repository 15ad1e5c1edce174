"""The whole demo on S3 with Postgres, and the same content as in a folder."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import pytest

from ocr_pipeline.evidence.release import release
from ocr_pipeline.store import Store, open_table
from ocr_pipeline.tables import SFT_DATASET
from ocr_pipeline.teacher.ledger_postgres import PostgresLedger, ledger_names
from tests.assets.test_pipeline import GOLDEN, Pipeline, outputs
from tests.store.s3_server import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def test_the_demo_on_s3_with_postgres_has_the_content_of_a_folder(
    s3: Server, root: str, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every row of every table, with what was paid and judged in the database and no file of it here; a second run does nothing."""
    assert s3.url
    monkeypatch.setenv("OCR_PIPELINE_LEDGER", database)
    monkeypatch.setenv("OCR_PIPELINE_LOCAL", str(tmp_path / "local"))
    with dg.DagsterInstance.ephemeral() as instance:
        pipeline = Pipeline(root, instance)
        pipeline.run_everything()
        pipeline.run_everything()
        assert pipeline.unchanged("sft_dataset")[:6] == [True] * 6
    assert outputs(root) == json.loads(GOLDEN.read_text(encoding="utf-8"))
    rows = open_table(root, "sft_dataset").count_rows()
    assert rows
    assert "taco-python" in ledger_names(database)
    with PostgresLedger(database, "taco-python") as ledger:
        assert ledger.summary().answers
    left = {path.suffix for path in (tmp_path / "local").rglob("*") if path.is_file()}
    assert ".sqlite" not in left
    place = release(Store(root), SFT_DATASET, "demo")
    assert place == f"{root}/releases/demo"
