"""The request ledger in a file: every answer that was paid for, durable when :meth:`Ledger.commit` returns, found by its key.

A ledger is one SQLite file in WAL mode with full synchronisation: a commit is on the disk or it never was, whatever
is killed. One process writes it at a time, kept apart by a lock of the operating system that an orphan holds as long
as it lives. Answers are never overwritten; a failure that may pass is replaced when it is asked again.

Which requests belong to a run is not this module's business; neither is Parquet.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

import filelock

from ocr_pipeline.errors import StoreError
from ocr_pipeline.teacher.book import Book, answer_row, summarized
from ocr_pipeline.teacher.records import LedgerSummary, Record, unpacked
from ocr_pipeline.teacher.reply import ErrorKind

__all__ = ["SUFFIX", "Ledger"]

SCHEMA_VERSION: Final = 1
SUFFIX: Final = ".sqlite"
PAGE_BYTES: Final = 16_384  # an answer of 12 kB compressed stays on one page

SCHEMA: Final = """
CREATE TABLE answers (
    id INTEGER PRIMARY KEY,
    request_id BLOB NOT NULL UNIQUE,
    model TEXT NOT NULL,
    prompt_sha256 BLOB NOT NULL,
    error_kind TEXT,
    is_final INTEGER NOT NULL,
    finish_reason TEXT,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    latency_s REAL NOT NULL,
    created_ms INTEGER NOT NULL
);
CREATE TABLE bodies (id INTEGER PRIMARY KEY REFERENCES answers (id), body BLOB NOT NULL);
"""
GOOD: Final = "FROM answers WHERE error_kind IS NULL"
PARTS: Final = {"all": "FROM answers", "good": GOOD, "bad": "FROM answers WHERE error_kind IS NOT NULL"}
INSERT_ANSWER: Final = """
INSERT INTO answers (request_id, model, prompt_sha256, error_kind, is_final, finish_reason,
                     prompt_tokens, completion_tokens, latency_s, created_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class Ledger(Book):
    """One ledger file, opened for reading and writing by this process alone.

    Parameters
    ----------
    path
        The file; it is made when it does not exist.
    lock_timeout_s
        How long to wait for another process that writes the same ledger, in seconds.
    reserve_bytes
        Space kept for what is in flight when the disk gets full.
    """

    def __init__(self, path: Path, *, lock_timeout_s: float = 60.0, reserve_bytes: int = 0) -> None:
        super().__init__()
        self.path = path
        self._reserve_bytes = reserve_bytes
        self._reserve = path.with_suffix(".reserve")
        self._lock_timeout_s = lock_timeout_s

    def __enter__(self) -> Self:
        """Take the lock and open the file.

        Raises
        ------
        StoreError
            When it is locked, cannot be written, is not a ledger, or has another schema.
        """
        self._lock = _locked(self.path, self._lock_timeout_s)
        try:
            self._writer = _connect(self.path)
            self._reader = _connect(self.path)
            self._keep_reserve()
        except StoreError:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file and give the lock back."""
        self._reader.close()
        self._writer.close()
        self.release_reserve()
        self._lock.release()

    def _keep_reserve(self) -> None:
        if not self._reserve_bytes:
            return
        try:
            with self._reserve.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._reserve_bytes)
        except OSError as error:
            self._reserve.unlink(missing_ok=True)
            message = (
                f"ledger `{self.path}`: no room for {self._reserve_bytes >> 20} MiB of answers in flight ({error}); "
                "free space on the disk, or use a smaller window; what was answered before is safe"
            )
            raise StoreError(message) from error

    def release_reserve(self) -> bool:
        """Give up the space that was kept; return whether there was any."""
        had = self._reserve.is_file()
        self._reserve.unlink(missing_ok=True)
        return had

    def commit(self, records: Sequence[Record]) -> None:
        """Write records in one transaction; they are on the disk when this returns.

        Raises
        ------
        StoreError
            When the disk is full or cannot be written; nothing of the group is then kept.
        """
        bodies = [self._packed(record) for record in records]
        with _explained(self.path), self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            for record, body in zip(records, bodies, strict=True):
                self._put(record, body)

    def _put(self, record: Record, body: bytes) -> None:
        row = answer_row(record)
        try:
            number = self._writer.execute(INSERT_ANSWER, row).lastrowid
        except sqlite3.IntegrityError:  # rare: a failure that may pass, or the same answer from another ledger
            if not self._forget_failure(row[0]):
                return
            number = self._writer.execute(INSERT_ANSWER, row).lastrowid
        self._writer.execute("INSERT INTO bodies (id, body) VALUES (?, ?)", (number, body))

    def _forget_failure(self, key: bytes) -> bool:
        """Remove a failure that may pass; an answer stays, and ``False`` is returned."""
        found = self._writer.execute(
            "SELECT id FROM answers WHERE request_id = ? AND error_kind IS NOT NULL", (key,)
        ).fetchone()
        if found is None:
            return False
        self._writer.execute("DELETE FROM bodies WHERE id = ?", found)
        self._writer.execute("DELETE FROM answers WHERE id = ?", found)
        return True

    def forget(self, kind: ErrorKind) -> int:
        """Remove the failures of a kind, so that they are asked again; return how many there were."""
        with _explained(self.path), self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            self._writer.execute(
                "DELETE FROM bodies WHERE id IN (SELECT id FROM answers WHERE error_kind = ?)", (kind,)
            )
            return self._writer.execute("DELETE FROM answers WHERE error_kind = ?", (kind,)).rowcount

    def all_records(self) -> Iterator[Record]:
        """Yield everything, in the order of the keys."""
        with _explained(self.path):
            rows = self._reader.execute(
                "SELECT request_id, body FROM answers JOIN bodies USING (id) ORDER BY request_id"
            )
            for key, body in rows:
                yield unpacked(key.hex(), body)

    def summary(self) -> LedgerSummary:
        """Count answers, failures and tokens."""
        with _explained(self.path):
            return summarized(lambda query: self._reader.execute(query.format(**PARTS)).fetchall())

    def _costs(self, keys: Sequence[bytes]) -> Iterable[tuple[bytes, int | None, int | None]]:
        query = f"SELECT request_id, prompt_tokens, completion_tokens FROM answers WHERE error_kind IS NULL AND request_id IN ({_marks(keys)})"  # noqa: S608 - question marks only
        return self._reader.execute(query, keys)

    def _bodies(self, keys: Sequence[bytes], kinds: Sequence[str] | None) -> Iterable[tuple[bytes, bytes]]:
        query = f"SELECT request_id, body FROM answers JOIN bodies USING (id) WHERE request_id IN ({_marks(keys)})"  # noqa: S608 - question marks only
        if kinds is None:
            return self._reader.execute(query, keys)
        return self._reader.execute(f"{query} AND error_kind IN ({_marks(kinds)})", [*keys, *kinds])


def _locked(path: Path, timeout_s: float) -> filelock.BaseFileLock:
    owner = path.with_suffix(".owner")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path.with_suffix(".lock"), timeout=timeout_s)
        lock.acquire()
    except filelock.Timeout:
        holder = owner.read_text(encoding="utf-8") if owner.is_file() else "unknown"
        message = (
            f"ledger `{path}` is being written by process {holder}; waited {timeout_s:g} s. "
            "Let it finish or end it, then run again: nothing is paid twice"
        )
        raise StoreError(message) from None
    except OSError as error:
        message = f"ledger `{path}` cannot be written: {error}; check the folder's owner, or give another --ledger"
        raise StoreError(message) from error
    try:
        owner.write_text(str(os.getpid()), encoding="utf-8")
    except OSError as error:
        lock.release()
        message = f"ledger `{path}` cannot be written: {error}; free space on the disk, then run again: nothing is lost"
        raise StoreError(message) from error
    return lock


def _connect(path: Path) -> sqlite3.Connection:
    with _explained(path):
        connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, cached_statements=32)
        try:
            _prepare(connection, path)
        except (sqlite3.Error, StoreError):
            connection.close()
            raise
        return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if tables and version != SCHEMA_VERSION:
        message = (
            f"ledger `{path}` has schema {version}, this version reads {SCHEMA_VERSION}; export it with the version that wrote it "
            "(`ocr-pipeline ledger export`) and bring it in with `ocr-pipeline ledger merge`: nothing has been changed"
        )
        raise StoreError(message)
    if not tables:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    if not tables:
        connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into one line that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        text = str(error)
        if "full" in text:
            advice = "the disk is full: free space, then run again; everything committed before is safe"
        elif "readonly" in text or "unable to open" in text:
            advice = "it cannot be written: check its owner and the mount, or give another --ledger"
        elif "not a database" in text or "no such" in text:
            advice = "it is not a ledger: give the path of one, or of a file that does not exist yet"
        else:
            advice = "check the disk; `ocr-pipeline ledger export` saves what can still be read"
        message = f"ledger `{path}`: {text}; {advice}"
        raise StoreError(message) from error


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
