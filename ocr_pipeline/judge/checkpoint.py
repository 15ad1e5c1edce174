"""Results by the content that they depend on, so that a killed run judges nothing twice and loses nothing.

A key is the hash of the code, the problem's rules, its tests and the judge's settings and version. Each process writes
a result the moment it has it, to one SQLite file that survives being killed, or to Postgres, which other machines reach. A failure of the sandbox is not a result
and is never stored.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Self

from ocr_pipeline.errors import JudgeError, StoreError
from ocr_pipeline.judge.comparing import COMPARATOR_VERSION
from ocr_pipeline.judge.verdicts import (
    Candidate,
    Execution,
    JudgeConfig,
    ProblemSpec,
    Reason,
    Test,
    TestResult,
    Verdict,
)
from ocr_pipeline.store import canonical_json
from ocr_pipeline.store.postgres import Database, database_url, is_database

__all__ = ["FILE", "Checkpoint", "copy_results", "execution_from_json", "execution_to_json", "key_prefix", "result_key"]

FILE: Final = "executions.sqlite"
BUSY_TIMEOUT_S: Final = 60.0
RESULTS_AT_ONCE: Final = 1_000
SCHEMA: Final = "CREATE TABLE ocr_pipeline.executions (key bytea PRIMARY KEY, result text NOT NULL)"


def key_prefix(problem: ProblemSpec, tests: Sequence[Test], config: JudgeConfig, version: str) -> str:
    """Hash what all candidates of a problem share."""
    settings = JudgeConfig.of(config).settings  # wider options of other steps change no result
    rules = {name: value for name, value in asdict(problem).items() if value or not name.startswith("grader_")}
    digest = hashlib.sha256(canonical_json([version, COMPARATOR_VERSION, settings, rules]).encode())
    for test in tests:
        digest.update(json.dumps([test.test_id, test.input, test.expected]).encode())
    return digest.hexdigest()


def result_key(prefix: str, candidate: Candidate, machine: str) -> str:
    """Hash a candidate with what it is judged by, and with what runs it: another compiler judges anew."""
    return hashlib.sha256(json.dumps([prefix, machine, candidate.language, candidate.code]).encode()).hexdigest()


class Checkpoint:
    """The results of one checkpoint folder, or of the database that ``OCR_PIPELINE_LEDGER`` names; several processes may hold it."""

    def __init__(self, folder: Path, *, place: str | None = None) -> None:
        place = place or database_url() or str(folder)
        self._folder = folder
        with self._failing_clearly():
            self._results: _File | _Postgres = _Postgres(place) if is_database(place) else _File(folder)

    @classmethod
    def at(cls, place: str) -> Self:
        """Return the results of a folder or a database, whatever the environment names."""
        return cls(Path(place), place=place)

    @contextmanager
    def _failing_clearly(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            message = (
                f"checkpoint `{self._folder}` cannot be used: {error}; make room, give another folder, or remove it to "
                "judge anew"
            )
            raise JudgeError(message) from error
        except StoreError as error:
            message = f"judge results: {error}"
            raise JudgeError(message) from error

    def get(self, key: str) -> Execution | None:
        """Return the stored result."""
        with self._failing_clearly():
            found = self._results.get(key)
        return execution_from_json(found) if found else None

    def put(self, key: str, execution: Execution) -> None:
        """Store a result at once."""
        if execution.reason is Reason.INFRASTRUCTURE:
            return
        with self._failing_clearly():
            self._results.put(key, execution_to_json(execution))

    def pages(self) -> Iterator[list[tuple[str, str]]]:
        """Yield all results as they are stored, sorted by key, a bounded number at a time."""
        last = ""
        while True:
            with self._failing_clearly():
                page = self._results.page(last)
            if not page:
                return
            yield page
            last = page[-1][0]

    def add(self, page: Sequence[tuple[str, str]]) -> int:
        """Store those of another checkpoint that this one has not; return how many."""
        with self._failing_clearly():
            return self._results.add(page)

    def close(self) -> None:
        """Close what it holds open."""
        self._results.close()


def copy_results(source: str, target: str) -> tuple[int, int]:
    """Copy the results of a folder or a database into another; return how many were new, and were there.

    What the target has stays. It is made only where there is something to copy.
    """
    new = had = 0
    with closing(Checkpoint.at(source)) as results, ExitStack() as stack:
        into: Checkpoint | None = None
        for page in results.pages():
            into = into or stack.enter_context(closing(Checkpoint.at(target)))
            added = into.add(page)
            new, had = new + added, had + len(page) - added
    return new, had


class _File:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(folder / FILE, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS executions (key TEXT PRIMARY KEY, result TEXT) WITHOUT ROWID"
        )

    def get(self, key: str) -> str | None:
        row = self._database.execute("SELECT result FROM executions WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def put(self, key: str, result: str) -> None:
        self._database.execute("INSERT OR REPLACE INTO executions VALUES (?, ?)", (key, result))

    def page(self, after: str) -> list[tuple[str, str]]:
        query = "SELECT key, result FROM executions WHERE key > ? ORDER BY key LIMIT ?"
        return self._database.execute(query, (after, RESULTS_AT_ONCE)).fetchall()

    def add(self, page: Sequence[tuple[str, str]]) -> int:
        self._database.execute("BEGIN IMMEDIATE")
        with self._database:
            return self._database.executemany("INSERT OR IGNORE INTO executions VALUES (?, ?)", page).rowcount

    def close(self) -> None:
        self._database.close()


class _Postgres:
    def __init__(self, url: str) -> None:
        self._database = Database(url, schema=SCHEMA, table="ocr_pipeline.executions").__enter__()

    def get(self, key: str) -> str | None:
        query = "SELECT result FROM ocr_pipeline.executions WHERE key = %s"
        row = self._database.run(lambda connection: connection.execute(query, (bytes.fromhex(key),)).fetchone())
        return row[0] if row else None

    def put(self, key: str, result: str) -> None:
        query = "INSERT INTO ocr_pipeline.executions VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET result = EXCLUDED.result"
        values = (bytes.fromhex(key), result)
        self._database.run(lambda connection: connection.execute(query, values))

    def page(self, after: str) -> list[tuple[str, str]]:
        query = "SELECT key, result FROM ocr_pipeline.executions WHERE key > %s ORDER BY key LIMIT %s"
        values = (bytes.fromhex(after), RESULTS_AT_ONCE)
        rows = self._database.run(lambda connection: connection.execute(query, values).fetchall())
        return [(key.hex(), result) for key, result in rows]

    def add(self, page: Sequence[tuple[str, str]]) -> int:
        query = "INSERT INTO ocr_pipeline.executions VALUES (%s, %s) ON CONFLICT (key) DO NOTHING"
        rows = [(bytes.fromhex(key), result) for key, result in page]

        def write(connection: Any) -> int:  # noqa: ANN401 - a psycopg connection
            with connection.cursor() as cursor:
                cursor.executemany(query, rows)
                return int(cursor.rowcount)

        return self._database.run(write)

    def close(self) -> None:
        self._database.__exit__()


def execution_to_json(execution: Execution) -> str:
    """Write a result as one line."""
    return json.dumps(asdict(execution))


def execution_from_json(text: str) -> Execution:
    """Read what :func:`execution_to_json` wrote."""
    value: dict[str, Any] = json.loads(text)
    results = tuple(TestResult(**{**each, "verdict": Verdict(each["verdict"])}) for each in value["results"])
    reason = Reason(value["reason"]) if value["reason"] else None
    return Execution(**{**value, "verdict": Verdict(value["verdict"]), "results": results, "reason": reason})
