"""Judge results are kept in Postgres as they are in a file."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ocr_pipeline.cli import build_app
from ocr_pipeline.errors import JudgeError
from ocr_pipeline.judge.checkpoint import RESULTS_AT_ONCE, Checkpoint
from ocr_pipeline.judge.verdicts import Execution, Reason, Verdict
from ocr_pipeline.teacher.ledger import Ledger
from ocr_pipeline.teacher.ledger_postgres import PostgresLedger

KEY = "ab" * 32


@pytest.fixture(params=["file", "postgres"], autouse=True)
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Say where results are kept."""
    monkeypatch.delenv("OCR_PIPELINE_LEDGER", raising=False)
    if request.param == "postgres":
        monkeypatch.setenv("OCR_PIPELINE_LEDGER", request.getfixturevalue("database"))


def test_a_result_is_found_again(tmp_path: Path) -> None:
    """By another process or machine; the last one stored counts."""
    results = [Execution(Verdict.ACCEPTED, 1, detail="first \0 with a NUL"), Execution(Verdict.ACCEPTED, 2)]
    store = Checkpoint(tmp_path)
    for result in results:
        store.put(KEY, result)
        other = Checkpoint(tmp_path)
        assert other.get(KEY) == result
        other.close()
    assert store.get("cd" * 32) is None
    store.close()


def test_a_failure_of_the_machine_is_not_kept(tmp_path: Path) -> None:
    """It says nothing about the candidate."""
    store = Checkpoint(tmp_path)
    store.put(KEY, Execution.not_run(Reason.INFRASTRUCTURE, "no sandbox", 1))
    assert store.get(KEY) is None
    store.close()


def test_many_may_write_at_once(tmp_path: Path) -> None:
    """Each has a connection of its own; nothing is lost."""

    def write(worker: int) -> None:
        store = Checkpoint(tmp_path)
        for number in range(20):
            store.put(f"{worker:032x}{number:032x}", Execution(Verdict.ACCEPTED, number))
        store.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    store = Checkpoint(tmp_path)
    assert all(store.get(f"{worker:032x}{number:032x}") for worker in range(4) for number in range(20))
    store.close()


def test_a_database_that_is_away_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge does not go on without a place for its results."""
    monkeypatch.setenv("OCR_PIPELINE_LEDGER", "postgresql://127.0.0.1:9/absent")
    monkeypatch.setattr("ocr_pipeline.store.postgres.PATIENCE_S", 0.0)
    with pytest.raises(JudgeError, match=r"judge results: database `postgresql://127.0.0.1:9/absent`: .*refused"):
        Checkpoint(tmp_path)


def test_results_are_copied_into_a_database_and_back(database: str, tmp_path: Path) -> None:
    """More than a page of them, with their ledgers or alone; again nothing is new, and what the target has stays."""
    judged, ledgers = tmp_path / "root" / "_judged", tmp_path / "root" / "_ledger"
    keys = [f"{number:064x}" for number in range(RESULTS_AT_ONCE + 1)]
    _stored(judged, {key: Execution(Verdict.ACCEPTED, 1, detail="a \0 in it") for key in keys})
    with Ledger(ledgers / "taco-python.sqlite"):
        pass
    none = "taco-python: 0 new records, 0 were there\n"
    assert _copied(ledgers, database) == f"{none}judge results: 1,001 new, 0 were there\n"
    _stored(judged, {"ab" * 32: Execution(Verdict.ACCEPTED, 2), keys[0]: Execution(Verdict.ACCEPTED, 3)})
    assert _copied(judged, database) == "judge results: 1 new, 1,001 were there\n"
    assert _copied(database, tmp_path / "back") == f"{none}judge results: 1,002 new, 0 were there\n"
    back = Checkpoint.at(str(tmp_path / "back" / "judged"))
    assert back.get(keys[0]) == Execution(Verdict.ACCEPTED, 1, detail="a \0 in it")
    assert back.get("ab" * 32) == Execution(Verdict.ACCEPTED, 2)
    back.close()
    assert _copied(database, ledgers) == f"{none}judge results: 0 new, 1,002 were there\n"


def test_where_nothing_was_judged_nothing_is_made(database: str, tmp_path: Path) -> None:
    """A database without results leaves no file behind."""
    with PostgresLedger(database, "taco-python"):
        pass
    assert _copied(database, tmp_path / "ledger").endswith("judge results: 0 new, 0 were there\n")
    assert not (tmp_path / ".judge").exists()


def _stored(folder: Path, results: dict[str, Execution]) -> None:
    checkpoint = Checkpoint.at(str(folder))
    for key, result in results.items():
        checkpoint.put(key, result)
    checkpoint.close()


def _copied(source: str | Path, target: str | Path) -> str:
    done = CliRunner().invoke(build_app(["ledger"]), ["ledger", "copy", str(source), str(target)])
    assert done.exit_code == 0, done.output
    return done.output
