"""The request ledger: every answer that was paid for, durable when :meth:`Ledger.commit` returns, found by its key.

A ledger is one SQLite file in WAL mode with full synchronisation: a commit is on the disk or it never was, whatever
is killed. One process writes it at a time, kept apart by a lock of the operating system that an orphan holds as long
as it lives. Answers are never overwritten; a failure that may pass is replaced when it is asked again.

Which requests belong to a run is not this module's business; neither is Parquet.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import filelock
import orjson
import zstandard

from ocr_pipeline.errors import InputError, StoreError
from ocr_pipeline.teacher.reply import READER, Answer, ErrorKind, Usage, read_again

__all__ = ["Ledger", "LedgerSummary", "Record", "merge_ledgers"]

SCHEMA_VERSION: Final = 1
SUFFIX: Final = ".sqlite"
COMPRESSION_LEVEL: Final = 1  # measured: 85 µs and 0.4 of the disk per 33 kB answer
LOOKUP_ROWS: Final = 256
FIRST_READER: Final = 1
PAGE_BYTES: Final = 16_384  # an answer of 12 kB compressed stays on one page
T = TypeVar("T")

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
INSERT_ANSWER: Final = """
INSERT INTO answers (request_id, model, prompt_sha256, error_kind, is_final, finish_reason,
                     prompt_tokens, completion_tokens, latency_s, created_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the ledger: what was asked, for whom, and what came."""

    request_id: str
    prompt_sha256: str
    params: str
    """Canonical JSON of every sampling field."""
    subject: dict[str, str | int]
    answer: Answer


@dataclass(frozen=True, slots=True)
class LedgerSummary:
    """What a ledger holds."""

    answers: int = 0
    errors: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    mean_completion_tokens: float | None = None
    p95_completion_tokens: int | None = None
    mean_latency_s: float | None = None
    models: tuple[str, ...] = ()


class Ledger:
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
        self.path = path
        self._reserve_bytes = reserve_bytes
        self._reserve = path.with_suffix(".reserve")
        self._lock_timeout_s = lock_timeout_s
        self._compressors = threading.local()

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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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

    def _packed(self, record: Record) -> bytes:
        compressor = getattr(self._compressors, "value", None)
        if compressor is None:
            compressor = self._compressors.value = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL)
        return compressor.compress(orjson.dumps(_body(record)) + b"\n" + record.answer.raw)

    def _put(self, record: Record, body: bytes) -> None:
        answer = record.answer
        key = bytes.fromhex(record.request_id)
        row = (
            key,
            answer.model,
            bytes.fromhex(record.prompt_sha256),
            answer.error_kind,
            answer.is_final,
            answer.finish_reason,
            answer.usage.prompt_tokens,
            answer.usage.completion_tokens,
            answer.latency_s,
            answer.created_ms,
        )
        try:
            number = self._writer.execute(INSERT_ANSWER, row).lastrowid
        except sqlite3.IntegrityError:  # rare: a failure that may pass, or the same answer from another ledger
            if not self._forget_failure(key):
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

    def settled(
        self, request_ids: Sequence[str], *, context_tokens: int | None = None, retry_failed: bool = False
    ) -> dict[str, Usage]:
        """Return those of the requests that need not be asked again, with the tokens that they cost.

        A failure is settled only if the question caused it; a prompt that was too long only for the same context.
        """
        found: dict[str, Usage] = {}
        for chunk in batched(request_ids, LOOKUP_ROWS):
            query = f"SELECT request_id, prompt_tokens, completion_tokens FROM answers WHERE error_kind IS NULL AND request_id IN ({_marks(chunk)})"  # noqa: S608 - question marks only
            rows = self._reader.execute(query, [bytes.fromhex(key) for key in chunk])
            found |= {key.hex(): Usage(prompt, completion) for key, prompt, completion in rows}
            found |= {} if retry_failed else self._final_failures(chunk, context_tokens)
        return found

    def _final_failures(self, request_ids: Sequence[str], context_tokens: int | None) -> dict[str, Usage]:
        query = f"SELECT request_id, body FROM answers JOIN bodies USING (id) WHERE error_kind IN (?, ?) AND request_id IN ({_marks(request_ids)})"  # noqa: S608 - question marks only
        keys = [bytes.fromhex(key) for key in request_ids]
        final = (ErrorKind.PROMPT_TOO_LONG, ErrorKind.MODERATION)
        records = (_record(key.hex(), body) for key, body in self._reader.execute(query, [*final, *keys]))
        return {
            record.request_id: record.answer.usage
            for record in records
            if record.answer.is_final
            and (record.answer.error_kind is ErrorKind.MODERATION or record.answer.context_tokens == context_tokens)
        }

    def failures(self, request_ids: Sequence[str], kinds: Sequence[ErrorKind]) -> list[Record]:
        """Return the failures of some kinds among these requests."""
        query = f"SELECT request_id, body FROM answers JOIN bodies USING (id) WHERE error_kind IN ({_marks(kinds)}) AND request_id IN ({_marks(request_ids)})"  # noqa: S608 - question marks only
        keys = [bytes.fromhex(key) for key in request_ids]
        return [_record(key.hex(), body) for key, body in self._reader.execute(query, [*kinds, *keys])]

    def forget(self, kind: ErrorKind) -> int:
        """Remove the failures of a kind, so that they are asked again; return how many there were."""
        with _explained(self.path), self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            self._writer.execute(
                "DELETE FROM bodies WHERE id IN (SELECT id FROM answers WHERE error_kind = ?)", (kind,)
            )
            return self._writer.execute("DELETE FROM answers WHERE error_kind = ?", (kind,)).rowcount

    def records(self, request_ids: Sequence[str]) -> dict[str, Record]:
        """Return the records of these requests, as far as there are any.

        An answer that an earlier reader read is read again from its raw reply; the ledger is not changed by that.
        """
        found: dict[str, Record] = {}
        for chunk in batched(request_ids, LOOKUP_ROWS):
            query = f"SELECT request_id, body FROM answers JOIN bodies USING (id) WHERE request_id IN ({_marks(chunk)})"  # noqa: S608 - question marks only
            for key, body in self._reader.execute(query, [bytes.fromhex(key) for key in chunk]):
                found[key.hex()] = _read_by_present_reader(_record(key.hex(), body))
        return found

    def all_records(self) -> Iterator[Record]:
        """Yield everything, in the order of the keys."""
        with _explained(self.path):
            rows = self._reader.execute(
                "SELECT request_id, body FROM answers JOIN bodies USING (id) ORDER BY request_id"
            )
            for key, body in rows:
                yield _record(key.hex(), body)

    def summary(self) -> LedgerSummary:
        """Count answers, failures and tokens."""
        with _explained(self.path):
            return _summary(self._reader)


def _summary(connection: sqlite3.Connection) -> LedgerSummary:
    good = "FROM answers WHERE error_kind IS NULL"
    answers, prompts, completions, mean, latency = connection.execute(
        f"SELECT count(*), sum(prompt_tokens), sum(completion_tokens), avg(completion_tokens), avg(latency_s) {good}"
    ).fetchone()
    errors = connection.execute("SELECT count(*) FROM answers WHERE error_kind IS NOT NULL").fetchone()[0]
    counted = connection.execute(f"SELECT count(completion_tokens) {good}").fetchone()[0]
    tail = connection.execute(
        f"SELECT completion_tokens {good} AND completion_tokens IS NOT NULL ORDER BY completion_tokens LIMIT 1 OFFSET ?",
        (int(0.95 * max(counted - 1, 0)),),
    ).fetchone()
    models = connection.execute("SELECT DISTINCT model FROM answers ORDER BY model").fetchall()
    return LedgerSummary(
        answers=answers,
        errors=errors,
        prompt_tokens=prompts or 0,
        completion_tokens=completions or 0,
        mean_completion_tokens=mean,
        p95_completion_tokens=tail[0] if tail else None,
        mean_latency_s=latency,
        models=tuple(name for (name,) in models),
    )


def merge_ledgers(target: Path, sources: Sequence[Path]) -> tuple[int, int]:
    """Copy what other ledgers hold into ``target``; return how many records were new and how many it had.

    Answers win over failures that may pass; of two answers to one request the target's stays.
    """
    new = had = 0
    with Ledger(target) as ledger:
        for source in sources:
            for group in batched(read_records(source), LOOKUP_ROWS):
                known = ledger.settled([record.request_id for record in group])
                fresh = [record for record in group if record.request_id not in known]
                ledger.commit(fresh)
                new, had = new + len(fresh), had + len(group) - len(fresh)
    return new, had


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records of a ledger or of a JSONL export.

    Raises
    ------
    InputError
        When the file does not exist or a line is not a record.
    """
    if not path.is_file():
        message = (
            f"`{path}` does not exist; give a ledger ({SUFFIX}) or a JSONL file that `ocr-pipeline ledger export` wrote"
        )
        raise InputError(message)
    if path.suffix == ".jsonl":
        yield from _read_lines(path)
        return
    with Ledger(path) as ledger:
        yield from ledger.all_records()


def _read_lines(path: Path) -> Iterator[Record]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                raw = orjson.loads(line)
                yield _from_body(raw["request_id"], raw)
            except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
                message = f"`{path}` line {number} is not a ledger record ({error!r}); remove the line, or export again"
                raise InputError(message) from error


def record_line(record: Record) -> bytes:
    """Return the record as one line of JSON."""
    return orjson.dumps({"request_id": record.request_id} | _body(record), option=orjson.OPT_APPEND_NEWLINE)


def _body(record: Record) -> dict[str, Any]:
    answer = record.answer
    return {
        "prompt_sha256": record.prompt_sha256,
        "params": record.params,
        "subject": record.subject,
        "text": answer.text,
        "model": answer.model,
        "created_ms": answer.created_ms,
        "latency_s": answer.latency_s,
        "attempts": answer.attempts,
        "finish_reason": answer.finish_reason,
        "stop_reason": answer.stop_reason,
        "prompt_tokens": answer.usage.prompt_tokens,
        "completion_tokens": answer.usage.completion_tokens,
        "error_kind": answer.error_kind,
        "error_detail": answer.error_detail,
        "answer_start": answer.answer_start,
        "context_tokens": answer.context_tokens,
        "repairs": answer.repairs,
        "reader": answer.reader,
    }


def _record(request_id: str, body: bytes) -> Record:
    told, _, raw = zstandard.decompress(body).partition(b"\n")  # JSON of ours holds no newline
    return _from_body(request_id, orjson.loads(told), raw)


def _read_by_present_reader(record: Record) -> Record:
    answer = record.answer
    if answer.error_kind is not None or answer.reader >= READER:
        return record
    return replace(record, answer=read_again(answer) or answer)


def _from_body(request_id: str, raw: dict[str, Any], reply: bytes = b"") -> Record:
    answer = Answer(
        text=raw["text"],
        model=raw["model"],
        created_ms=raw["created_ms"],
        latency_s=raw["latency_s"],
        attempts=raw["attempts"],
        finish_reason=raw["finish_reason"],
        stop_reason=raw["stop_reason"],
        usage=Usage(raw["prompt_tokens"], raw["completion_tokens"]),
        error_kind=ErrorKind(raw["error_kind"]) if raw["error_kind"] else None,
        error_detail=raw["error_detail"],
        answer_start=raw.get("answer_start"),
        context_tokens=raw.get("context_tokens"),
        repairs=tuple(raw.get("repairs", ())),
        reader=raw.get("reader", FIRST_READER),
        raw=reply,
    )
    return Record(request_id, raw["prompt_sha256"], raw["params"], raw["subject"], answer)


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


def batched(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of at most ``size`` values."""
    iterator = iter(values)
    while chunk := list(islice(iterator, size)):
        yield chunk
