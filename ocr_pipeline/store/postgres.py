"""What is worth money in Postgres, where any machine reaches it: one connection that comes back, locks, tables on first use.

The rooms bring their tables and queries; here is only what they share. ``OCR_PIPELINE_LEDGER`` names the database; without
it everything stays in the SQLite files of a folder.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from urllib.parse import urlsplit

from ocr_pipeline.errors import OptionError, StoreError
from ocr_pipeline.extras import require

if TYPE_CHECKING:
    import psycopg

__all__ = ["Database", "database_url", "is_database"]

PATIENCE_S: Final = 60.0
"""How long a database that is away is waited for: a restart or a failover."""
LONGEST_WAIT_S: Final = 5.0
CONNECT_TIMEOUT_S: Final = 10
KEEPALIVES: Final[dict[str, Any]] = {
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
SERVER_KEEPALIVES: Final = (
    "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"
)
NAME_CHARACTERS: Final = 63
SCHEMES: Final = ("postgresql://", "postgres://")
HOLDER: Final = """
SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32) + objid::bigint = hashtextextended(%s, 0)
"""
FORM: Final = "postgresql://user@host:5432/database"
T = TypeVar("T")


def is_database(place: str) -> bool:
    """Whether a text names a database and not a file."""
    return place.startswith(SCHEMES)


def database_url() -> str | None:
    """Return the database that the environment names, or ``None``.

    Raises
    ------
    OptionError
        When it names something else.
    """
    url = os.environ.get("OCR_PIPELINE_LEDGER", "")
    if url and not is_database(url):
        message = f"OCR_PIPELINE_LEDGER must be {FORM}; for files leave it unset"
        raise OptionError(message)
    return url or None


class Database:
    """One connection, opened again when it breaks, with what has to hold on it.

    Parameters
    ----------
    url
        Where; a password is never shown.
    schema
        SQL that makes the tables; run once, where ``table`` does not exist.
    table
        The table that tells whether they exist.
    lock
        Name of an advisory lock that this connection holds as long as it lives, also through a restart of the database.
    lock_timeout_s
        How long to wait for another holder, in seconds.
    """

    def __init__(
        self, url: str, *, schema: str, table: str, lock: str | None = None, lock_timeout_s: float = 60.0
    ) -> None:
        require("psycopg")
        self.place = _shown(url)
        self._url = url
        self._schema = schema
        self._table = table
        self._lock = lock
        self._lock_timeout_s = lock_timeout_s
        self._connection: psycopg.Connection[Any] | None = None

    def __enter__(self) -> Self:
        """Connect, make the tables, take the lock.

        Raises
        ------
        StoreError
            When one of it fails; a lock that somebody else holds names the process.
        """
        with self._explained():
            self._connection = self._opened()
        return self

    def __exit__(self, *_: object) -> None:
        """Close; the lock is free then."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def run(self, work: Callable[[psycopg.Connection[Any]], T]) -> T:
        """Do something in one transaction; it is done again when the connection broke, so it must bear that.

        Raises
        ------
        StoreError
            When the database stays away, or refuses.
        """
        import psycopg

        with self._explained():
            deadline, wait_s = time.monotonic() + PATIENCE_S, 0.1
            while True:
                try:
                    if self._connection is None:
                        self._connection = self._opened()
                    with self._connection.transaction():
                        return work(self._connection)
                except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                    if _is_lasting(error) or time.monotonic() + wait_s > deadline:
                        raise
                    with suppress(psycopg.Error):
                        self.__exit__()
                    self._connection = None
                    time.sleep(wait_s)
                    wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _opened(self) -> psycopg.Connection[Any]:
        import psycopg

        name = f"ocr-pipeline {os.getpid()} on {socket.gethostname()}"[:NAME_CHARACTERS]
        connection = psycopg.connect(
            self._url, autocommit=True, application_name=name, connect_timeout=CONNECT_TIMEOUT_S, **KEEPALIVES
        )
        try:
            connection.execute(SERVER_KEEPALIVES)
            connection.execute("SET synchronous_commit = on")  # whatever the role's default is
            self._make_tables(connection)
            self._take_lock(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _make_tables(self, connection: psycopg.Connection[Any]) -> None:
        exists = "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname || '.' || tablename = %s)"
        found = connection.execute(exists, (self._table,)).fetchone()
        if found and found[0]:
            return
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('ocr_pipeline tables', 0))")
            found = connection.execute(exists, (self._table,)).fetchone()
            if not (found and found[0]):
                connection.execute("CREATE SCHEMA IF NOT EXISTS ocr_pipeline")
                connection.execute(self._schema.encode())

    def _take_lock(self, connection: psycopg.Connection[Any]) -> None:
        import psycopg

        if self._lock is None:
            return
        connection.execute(
            "SELECT set_config('lock_timeout', %s, false)", (f"{int(self._lock_timeout_s * 1000) or 1}ms",)
        )
        try:
            connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (self._lock,))
        except psycopg.errors.LockNotAvailable as error:
            holder = connection.execute(HOLDER, (self._lock,)).fetchone()
            who = holder[0].removeprefix("ocr-pipeline ") if holder else "unknown"
            message = (
                f"{self._lock} in `{self.place}` is being written by process {who}; waited {self._lock_timeout_s:g} s. "
                "Let it finish or end it, then run again: nothing is paid twice"
            )
            raise StoreError(message) from error
        connection.execute("SET lock_timeout = 0")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        import psycopg

        try:
            yield
        except psycopg.Error as error:
            text = " ".join(str(error).split())
            message = f"database `{self.place}`: {text}; {_advice(error)}"
            raise StoreError(message) from error


def _shown(url: str) -> str:
    """Return the address without user and password.

    Raises
    ------
    OptionError
        When it is none; the text itself is not shown, for it may hold a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or 5432
    except ValueError:
        message = (
            f"the address of the database must be {FORM}; in user and password write / as %2F, @ as %40 and : as %3A"
        )
        raise OptionError(message) from None
    return f"postgresql://{parts.hostname or 'localhost'}:{port}{parts.path}"


def _is_lasting(error: psycopg.Error) -> bool:
    """Whether waiting does not help: it is reached, and refuses."""
    refused = str(error)
    return bool(error.sqlstate and error.sqlstate[:2] in {"28", "3D", "53", "42"} and error.sqlstate != "53300") or (
        "authentication failed" in refused or "does not exist" in refused
    )


def _advice(error: psycopg.Error) -> str:
    state = error.sqlstate or ""
    text = str(error)
    if state == "53100":
        return "its disk is full: free space there, then run again; everything committed before is safe"
    if state.startswith("28") or re.search("authentication failed|no password|role .* does not exist", text):
        return "check user and password in OCR_PIPELINE_LEDGER"
    if state == "42501":
        return "let its owner run `GRANT CREATE ON DATABASE … TO …` once"
    if state == "3D000" or "does not exist" in text:
        return "make the database, or name another in OCR_PIPELINE_LEDGER"
    return "check that it runs and can be reached; everything committed before is safe"
