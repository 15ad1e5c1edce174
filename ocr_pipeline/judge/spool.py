"""What one run keeps on disk, so that memory does not grow with it: samples and results, and rows of files without an index.

A database has no name: the kernel removes it when the process ends, killed or not. It is not a checkpoint
(``checkpoint.py``), which is kept by content and outlives the run.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Self

import pyarrow as pa

from ocr_pipeline.errors import JudgeError
from ocr_pipeline.judge.checkpoint import execution_from_json, execution_to_json
from ocr_pipeline.judge.verdicts import Candidate, Execution

__all__ = ["Sample", "Shelf", "Spool"]

CACHE_KIB: Final = 16_384
ROWS_AT_ONCE: Final = 1_024


@dataclass(frozen=True, slots=True)
class Sample:
    """A row of the samples, without its code."""

    sample_id: str
    problem_id: str
    language: str


class Spool:
    """A table of samples with the keys of their results, and a table of results."""

    def __init__(self) -> None:
        with _failing_clearly():
            self._database = sqlite3.connect("", isolation_level=None)
            self._database.executescript(
                f"""
                PRAGMA cache_size = -{CACHE_KIB}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
                CREATE TABLE samples (number INTEGER PRIMARY KEY, sample_id, problem_id, language, code, key);
                CREATE TABLE results (key PRIMARY KEY, result) WITHOUT ROWID;
                """
            )

    def add(self, rows: Iterable[tuple[str, str, str, str]]) -> None:
        """Take samples in their order: id, problem, language, code."""
        with _failing_clearly():
            self._database.executemany("INSERT INTO samples VALUES (NULL, ?, ?, ?, ?, NULL)", rows)

    def complete(self) -> int:
        """Note that all samples are there; return how many."""
        with _failing_clearly():
            self._database.execute("CREATE INDEX by_problem ON samples (problem_id, number)")
            return int(self._database.execute("SELECT count(*) FROM samples").fetchone()[0])

    def problems(self) -> list[str]:
        """Return the problems that have samples, in the order of their ids."""
        found = self._database.execute("SELECT DISTINCT problem_id FROM samples ORDER BY problem_id")
        return [problem_id for (problem_id,) in found]

    def candidates(self, problem_id: str) -> list[tuple[int, Candidate]]:
        """Return the candidates of a problem by the number of their row."""
        rows = self._database.execute(
            "SELECT number, language, code FROM samples WHERE problem_id = ? ORDER BY number", (problem_id,)
        )
        return [(number, Candidate(language, code)) for number, language, code in rows]

    def set_keys(self, keys: Iterable[tuple[str, int]]) -> None:
        """Note under which key the result of each row will be."""
        with _failing_clearly():
            self._database.executemany("UPDATE samples SET key = ? WHERE number = ?", keys)

    def put(self, key: str, execution: Execution) -> None:
        """Keep a result."""
        with _failing_clearly():
            self._database.execute("INSERT OR REPLACE INTO results VALUES (?, ?)", (key, execution_to_json(execution)))

    def rows(self) -> Iterator[list[tuple[Sample, Execution | None]]]:
        """Yield the samples in their order with their results, some hundred at a time."""
        found = self._database.execute(
            "SELECT sample_id, problem_id, language, result FROM samples LEFT JOIN results USING (key) ORDER BY number"
        )
        while batch := found.fetchmany(ROWS_AT_ONCE):
            yield [
                (Sample(sample_id, problem_id, language), execution_from_json(result) if result else None)
                for sample_id, problem_id, language, result in batch
            ]

    def __enter__(self) -> Self:
        """Return the spool."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget everything."""
        self._database.close()


class Shelf:
    """Rows by their problem, in the order they came: a file of lines is read once, not for every lookup."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        with _failing_clearly():
            self._database = sqlite3.connect("", isolation_level=None)
            self._database.executescript(
                f"""
                PRAGMA cache_size = -{CACHE_KIB}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
                CREATE TABLE shelf (number INTEGER PRIMARY KEY, problem_id, row);
                CREATE INDEX by_problem ON shelf (problem_id, number);
                """
            )

    def add(self, batch: pa.RecordBatch) -> None:
        """Take rows."""
        rows = batch.select(self._schema.names).to_pylist()
        with _failing_clearly():
            self._database.execute("BEGIN")
            self._database.executemany(
                "INSERT INTO shelf VALUES (NULL, ?, ?)", ((row["problem_id"], json.dumps(row)) for row in rows)
            )
            self._database.execute("COMMIT")

    def of(self, problem_ids: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of some problems."""
        query = "SELECT row FROM shelf WHERE problem_id = ? ORDER BY number"
        for problem_id in problem_ids:
            rows = [json.loads(row) for (row,) in self._database.execute(query, (problem_id,))]
            yield pa.RecordBatch.from_pylist(rows, schema=self._schema)

    def __enter__(self) -> Self:
        """Return the shelf."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget everything."""
        self._database.close()


@contextmanager
def _failing_clearly() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        message = f"the rows of this run cannot be kept on disk: {error}; make room in the folder for temporary files, or set TMPDIR"
        raise JudgeError(message) from error
