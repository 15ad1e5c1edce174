"""The ledger in Postgres, for teams whose machines come and go: the same promises as the SQLite file.

One table holds the ledgers of all partitions. A body of several kB is kept beside the row by Postgres itself, so counting reads no
bodies. One process writes a ledger at a time, kept apart by an advisory lock that the server frees when the process or its machine
is gone. A database that restarts is waited for: what is in flight is written when it is back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Self

from ocr_pipeline.store.postgres import Database
from ocr_pipeline.teacher.book import LOOKUP_ROWS, Book, answer_row, summarized
from ocr_pipeline.teacher.records import LedgerSummary, Record, unpacked
from ocr_pipeline.teacher.reply import ErrorKind

__all__ = ["PostgresLedger", "ledger_names"]

SCHEMA: Final = """
CREATE TABLE ocr_pipeline.ledgers (ledger integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE ocr_pipeline.answers (
    ledger integer NOT NULL REFERENCES ocr_pipeline.ledgers,
    request_id bytea NOT NULL,
    model text NOT NULL,
    prompt_sha256 bytea NOT NULL,
    error_kind text,
    is_final boolean NOT NULL,
    finish_reason text,
    prompt_tokens integer,
    completion_tokens integer,
    latency_s double precision NOT NULL,
    created_ms bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (ledger, request_id)
);
ALTER TABLE ocr_pipeline.answers ALTER COLUMN body SET STORAGE EXTERNAL;
"""
TABLE: Final = "ocr_pipeline.answers"
COLUMNS: Final = "request_id, model, prompt_sha256, error_kind, is_final, finish_reason, prompt_tokens, completion_tokens, latency_s, created_ms"
PUT: Final = f"""
INSERT INTO {TABLE} (ledger, {COLUMNS}, body)
VALUES (%s, %b, %s, %b, %s, %s, %s, %s, %s, %s, %s, %b)
ON CONFLICT (ledger, request_id) DO UPDATE SET ({COLUMNS}, body) =
    (EXCLUDED.{COLUMNS.replace(", ", ", EXCLUDED.")}, EXCLUDED.body)
WHERE answers.error_kind IS NOT NULL
"""  # noqa: S608 - constants only


class PostgresLedger(Book):
    """One ledger of a database, opened for reading and writing by this process alone.

    Parameters
    ----------
    url
        The database.
    name
        The ledger in it, such as ``taco-python``.
    lock_timeout_s
        How long to wait for another process that writes the same ledger, in seconds.
    """

    def __init__(self, url: str, name: str, *, lock_timeout_s: float = 60.0) -> None:
        super().__init__()
        self.name = name
        self._writer = Database(url, schema=SCHEMA, table=TABLE, lock=f"ledger {name}", lock_timeout_s=lock_timeout_s)
        self._reader = Database(url, schema=SCHEMA, table=TABLE)

    def __enter__(self) -> Self:
        """Take the lock and open two connections: what is read never waits for what is written.

        Raises
        ------
        StoreError
            When it is locked, or the database cannot be used.
        """
        self._writer.__enter__()
        try:
            self._ledger = self._writer.run(self._number)
        except BaseException:
            self._writer.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections; the lock is free then."""
        self._reader.__exit__()
        self._writer.__exit__()

    def _number(self, connection: Any) -> int:  # noqa: ANN401 - a psycopg connection
        find = "SELECT ledger FROM ocr_pipeline.ledgers WHERE name = %s"
        found = connection.execute(find, (self.name,)).fetchone()
        if found is None:
            make = "INSERT INTO ocr_pipeline.ledgers (name) VALUES (%s) RETURNING ledger"
            found = connection.execute(make, (self.name,)).fetchone()
        return int(found[0])

    def commit(self, records: Sequence[Record]) -> None:
        """Write records in one transaction; they are durable when this returns."""
        rows = [(self._ledger, *answer_row(record), self._packed(record)) for record in records]

        def write(connection: Any) -> None:  # noqa: ANN401
            with connection.cursor() as cursor:
                cursor.executemany(PUT, rows)

        self._writer.run(write)

    def forget(self, kind: ErrorKind) -> int:
        """Remove the failures of a kind."""
        query = f"DELETE FROM {TABLE} WHERE ledger = %s AND error_kind = %s"  # noqa: S608
        return self._writer.run(lambda connection: connection.execute(query, (self._ledger, kind.value)).rowcount)

    def release_reserve(self) -> bool:
        """Return ``False``: the space is the database's."""
        return False

    def summary(self) -> LedgerSummary:
        """Count answers, failures and tokens."""
        every = f"FROM {TABLE} WHERE ledger = {self._ledger}"
        parts = {"all": every, "good": f"{every} AND error_kind IS NULL", "bad": f"{every} AND error_kind IS NOT NULL"}
        return summarized(lambda query: self._ask(query.format(**parts)))

    def all_records(self) -> Iterator[Record]:
        """Yield everything, in the order of the keys, a page at a time."""
        query = f"SELECT request_id, body FROM {TABLE} WHERE ledger = %s AND request_id > %b ORDER BY request_id LIMIT {LOOKUP_ROWS}"  # noqa: S608
        last = b""
        while page := self._ask(query, (self._ledger, last)):
            for key, body in page:
                yield unpacked(key.hex(), body)
            last = page[-1][0]

    def _costs(self, keys: Sequence[bytes]) -> Iterable[tuple[bytes, int | None, int | None]]:
        query = f"SELECT request_id, prompt_tokens, completion_tokens FROM {TABLE} WHERE ledger = %s AND error_kind IS NULL AND request_id = ANY(%b)"  # noqa: S608
        return self._ask(query, (self._ledger, list(keys)))

    def _bodies(self, keys: Sequence[bytes], kinds: Sequence[str] | None) -> Iterable[tuple[bytes, bytes]]:
        query = f"SELECT request_id, body FROM {TABLE} WHERE ledger = %s AND request_id = ANY(%b)"  # noqa: S608
        if kinds is None:
            return self._ask(query, (self._ledger, list(keys)))
        return self._ask(f"{query} AND error_kind = ANY(%s)", (self._ledger, list(keys), list(kinds)))

    def _ask(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        return self._reader.run(
            lambda connection: connection.cursor(binary=True).execute(query.encode(), values or None).fetchall()
        )


def ledger_names(url: str) -> list[str]:
    """Return the names of the ledgers of a database, sorted."""
    with Database(url, schema=SCHEMA, table=TABLE) as database:
        query = "SELECT name FROM ocr_pipeline.ledgers ORDER BY name"
        return [name for (name,) in database.run(lambda connection: connection.execute(query).fetchall())]
