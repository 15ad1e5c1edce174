"""Which ledger a run writes, and records on their way from one to another: merge, copy, export.

A ledger is named by its file, ``taco-python.sqlite``. Where ``OCR_PIPELINE_LEDGER`` names a database, the same name is a ledger
in it, and no file is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import orjson

from ocr_pipeline.errors import InputError
from ocr_pipeline.store.postgres import database_url, is_database
from ocr_pipeline.teacher.book import LOOKUP_ROWS, Book, batched
from ocr_pipeline.teacher.ledger import SUFFIX, Ledger
from ocr_pipeline.teacher.ledger_postgres import PostgresLedger, ledger_names
from ocr_pipeline.teacher.records import Record, record_from

__all__ = ["copy_ledgers", "has_ledger", "ledgers_of", "merge_ledgers", "open_ledger", "read_records"]

LINES: Final = ".jsonl"


def open_ledger(path: Path, *, lock_timeout_s: float = 60.0, reserve_bytes: int = 0) -> Book:
    """Return the ledger of a file's name: in the database that the environment names, else in the file.

    Parameters
    ----------
    lock_timeout_s
        How long to wait for another process that writes the same ledger, in seconds.
    reserve_bytes
        Space kept for what is in flight when the disk of the file gets full.

    Raises
    ------
    InputError
        When ``OCR_PIPELINE_LEDGER`` is not the address of a database.
    """
    url = database_url()
    if url is not None:
        return PostgresLedger(url, path.stem, lock_timeout_s=lock_timeout_s)
    return Ledger(path, lock_timeout_s=lock_timeout_s, reserve_bytes=reserve_bytes)


def has_ledger(path: Path) -> bool:
    """Whether :func:`open_ledger` would find one."""
    url = database_url()
    return path.exists() if url is None else path.stem in ledger_names(url)


def ledgers_of(place: str) -> dict[str, Book]:
    """Return the ledgers of a file, a folder or a database by their names, not yet open.

    Raises
    ------
    InputError
        When there are none.
    """
    if is_database(place):
        return {name: PostgresLedger(place, name) for name in ledger_names(place)}
    path = Path(place)
    if not path.exists():
        message = f"`{path}` does not exist; give a ledger ({SUFFIX}), a folder of ledgers, or postgresql://…"
        raise InputError(message)
    files = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]
    if not files:
        message = f"`{path}` holds no ledger ({SUFFIX})"
        raise InputError(message)
    return {file.stem: Ledger(file) for file in files}


def copy_ledgers(source: str, target: str) -> dict[str, tuple[int, int]]:
    """Copy every ledger of a place into the one of its name in another; return how many records were new, and were there.

    Answers of the target stay as they are, so a copy that was broken off is done again.

    Parameters
    ----------
    source, target
        Folders of ledgers or databases.
    """
    found = {}
    for name, ledger in ledgers_of(source).items():
        copy = PostgresLedger(target, name) if is_database(target) else Ledger(Path(target) / f"{name}{SUFFIX}")
        with ledger as book, copy as into:
            found[name] = _take_in(into, book.all_records())
    return found


def merge_ledgers(target: Path, sources: Sequence[Path]) -> tuple[int, int]:
    """Copy what other ledgers hold into ``target``; return how many records were new and how many it had.

    Answers win over failures that may pass; of two answers to one request the target's stays.
    """
    with Ledger(target) as ledger:
        taken = [_take_in(ledger, read_records(source)) for source in sources]
    return sum(new for new, _ in taken), sum(had for _, had in taken)


def _take_in(book: Book, records: Iterator[Record]) -> tuple[int, int]:
    new = had = 0
    for group in batched(records, LOOKUP_ROWS):
        known = book.settled([record.request_id for record in group])
        fresh = [record for record in group if record.request_id not in known]
        book.commit(fresh)
        new, had = new + len(fresh), had + len(group) - len(fresh)
    return new, had


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records of a ledger or of a JSONL export.

    Raises
    ------
    InputError
        When the file does not exist or a line is not a record.
    """
    if path.suffix == LINES and path.is_file():
        yield from _read_lines(path)
        return
    for ledger in ledgers_of(str(path)).values():
        with ledger as book:
            yield from book.all_records()


def _read_lines(path: Path) -> Iterator[Record]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                raw = orjson.loads(line)
                yield record_from(raw["request_id"], raw)
            except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
                message = f"`{path}` line {number} is not a ledger record ({error!r}); remove the line, or export again"
                raise InputError(message) from error
