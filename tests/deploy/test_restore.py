"""What is worth money comes back from its backup: nothing is paid again, and the rows are the same."""

from __future__ import annotations

import shutil
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

import pytest

from ocr_pipeline.teacher.ledger import Ledger
from tests.store.conftest import database, postgres
from tests.store.postgres_server import PostgresServer
from tests.teacher import world as tw

__all__ = ["database", "postgres"]


def test_a_backup_of_a_file_that_is_being_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's own backup, taken while the ledger is open, is a whole ledger; the folder that was lost is not missed."""
    monkeypatch.delenv("OCR_PIPELINE_LEDGER", raising=False)
    here, folder, saved = (
        tw.World({tw.URL: tw.Replayer(tw.recordings(), faults=tw.parse_faults(""))}),
        tmp_path / "ledger",
        tmp_path / "saved.sqlite",
    )
    counts, before = tw.run(here, tw.problems(5), folder)
    assert counts.notes["paid"] == len(before) > 0
    path = folder / "toy-python.sqlite"
    with Ledger(path), closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(saved)) as target:
        source.backup(target)
    shutil.rmtree(folder)
    folder.mkdir()
    shutil.copy(saved, path)
    counts, after = tw.run(here, tw.problems(5), folder)
    assert (counts.notes["paid"], after) == (0, before)


def test_a_dump_of_postgres(
    database: str, postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands of docs/operations.md: dump one schema, restore it into another database, go on there."""
    monkeypatch.setenv("OCR_PIPELINE_LEDGER", database)
    here = tw.World({tw.URL: tw.Replayer(tw.recordings(), faults=tw.parse_faults(""))})
    counts, before = tw.run(here, tw.problems(5), tmp_path)
    assert counts.notes["paid"] == len(before) > 0
    dump = postgres.folder / f"{uuid.uuid4().hex}.dump"
    postgres.do("pg_dump", "--format=custom", "--schema=ocr_pipeline", f"--file={dump}", database)
    server = ("--host=127.0.0.1", f"--port={postgres.port}", "--username=tester")
    name = f"restored_{uuid.uuid4().hex[:8]}"
    postgres.do("createdb", *server, name)
    postgres.do("pg_restore", *server, f"--dbname={name}", str(dump))
    monkeypatch.setenv("OCR_PIPELINE_LEDGER", database.rpartition("/")[0] + f"/{name}")
    counts, after = tw.run(here, tw.problems(5), tmp_path)
    assert (counts.notes["paid"], after) == (0, before)
