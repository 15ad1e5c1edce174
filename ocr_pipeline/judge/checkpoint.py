"""Results by the content that they depend on, so that a killed run judges nothing twice and loses nothing.

A key is the hash of the code, the problem's rules, its tests and the judge's settings and version. Each process writes
a result the moment it has it, to one SQLite file that survives being killed. A failure of the sandbox is not a result
and is never stored.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from ocr_pipeline.errors import JudgeError
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

__all__ = ["Checkpoint", "execution_from_json", "execution_to_json", "key_prefix", "result_key"]

FILE: Final = "executions.sqlite"
BUSY_TIMEOUT_S: Final = 60.0


def key_prefix(problem: ProblemSpec, tests: Sequence[Test], config: JudgeConfig, version: str) -> str:
    """Hash what all candidates of a problem share."""
    settings = JudgeConfig.of(config).settings  # wider options of other steps change no result
    digest = hashlib.sha256(canonical_json([version, COMPARATOR_VERSION, settings, asdict(problem)]).encode())
    for test in tests:
        digest.update(json.dumps([test.test_id, test.input, test.expected]).encode())
    return digest.hexdigest()


def result_key(prefix: str, candidate: Candidate, machine: str) -> str:
    """Hash a candidate with what it is judged by, and with what runs it: another compiler judges anew."""
    return hashlib.sha256(json.dumps([prefix, machine, candidate.language, candidate.code]).encode()).hexdigest()


class Checkpoint:
    """The results of one checkpoint folder; several processes may hold it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with self._failing_clearly():
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(folder / FILE, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS executions (key TEXT PRIMARY KEY, result TEXT) WITHOUT ROWID"
            )

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

    def get(self, key: str) -> Execution | None:
        """Return the stored result."""
        with self._failing_clearly():
            row = self._database.execute("SELECT result FROM executions WHERE key = ?", (key,)).fetchone()
        return execution_from_json(row[0]) if row else None

    def put(self, key: str, execution: Execution) -> None:
        """Store a result at once."""
        if execution.reason is Reason.INFRASTRUCTURE:
            return
        with self._failing_clearly():
            self._database.execute(
                "INSERT OR REPLACE INTO executions VALUES (?, ?)", (key, execution_to_json(execution))
            )

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def execution_to_json(execution: Execution) -> str:
    """Write a result as one line."""
    return json.dumps(asdict(execution))


def execution_from_json(text: str) -> Execution:
    """Read what :func:`execution_to_json` wrote."""
    value: dict[str, Any] = json.loads(text)
    results = tuple(TestResult(**{**each, "verdict": Verdict(each["verdict"])}) for each in value["results"])
    reason = Reason(value["reason"]) if value["reason"] else None
    return Execution(**{**value, "verdict": Verdict(value["verdict"]), "results": results, "reason": reason})
