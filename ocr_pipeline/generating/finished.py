"""What is done for a problem, by the content that it depends on: a killed run makes nothing twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ocr_pipeline.errors import StoreError

__all__ = ["Finished"]

FILE: Final = "generated.sqlite"
BUSY_TIMEOUT_S: Final = 60.0


class Finished:
    """The results of one folder; several processes may hold it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with self._failing_clearly():
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(folder / FILE, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS finished (key TEXT PRIMARY KEY, result TEXT) WITHOUT ROWID"
            )

    @contextmanager
    def _failing_clearly(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            message = f"`{self._folder}` cannot be used: {error}; make room, give another folder, or remove it to make all tests anew"
            raise StoreError(message) from error

    def get(self, key: str) -> str | None:
        """Return a stored result."""
        with self._failing_clearly():
            row = self._database.execute("SELECT result FROM finished WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def put(self, key: str, result: str) -> None:
        """Store a result at once."""
        with self._failing_clearly():
            self._database.execute("INSERT OR REPLACE INTO finished VALUES (?, ?)", (key, result))

    def close(self) -> None:
        """Close the file."""
        self._database.close()
