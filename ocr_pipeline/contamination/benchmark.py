"""Benchmarks as files give them: a problems table, or a raw file that has a statement and an id under other names.

Raw benchmarks wrap each statement in instructions to the model; lines that most rows share are not the statement and
are left out. What the problems of a benchmark are compared with is not this module's business.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.json as pajson

from ocr_pipeline.errors import InputError
from ocr_pipeline.tables import PROBLEMS

__all__ = ["COMPARED", "Benchmark", "read_benchmark"]

STATEMENT_COLUMNS: Final = ("statement", "problem_description", "question_content", "question", "problem", "description", "content", "prompt", "text")  # fmt: skip
ID_COLUMNS: Final = ("problem_id", "task_id", "question_id", "native_id", "id", "name", "global_id", "index")
FURTHER_COLUMNS: Final = {
    "native_id": ("native_id", "question_id", "task_id"),
    "title": ("title", "question_title"),
    "site": ("site", "platform", "source"),
    "url": ("url", "link"),
    "contest_date": ("contest_date", "date", "release_date"),
    "io_mode": ("io_mode",),
    "checker": ("checker",),
    "float_tolerance": ("float_tolerance",),
    "time_limit_s": ("time_limit_s",),
    "memory_limit_mib": ("memory_limit_mib",),
    "tags": ("tags",),
}
"""What else is evidence, under the names of raw files."""
COMPARED: Final = ("problem_id", "statement", *FURTHER_COLUMNS)
"""Columns of problems that are compared."""
JSON_SUFFIXES: Final = frozenset({".jsonl", ".ndjson", ".json"})
FEWEST_ROWS_FOR_BOILERPLATE: Final = 20
BOILERPLATE_SHARE: Final = 0.5
VERSION_LENGTH: Final = 12


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One version of a benchmark; ``problems`` has at least ``problem_id`` and ``statement``, and columns of problems."""

    name: str
    version: str
    problems: pa.Table


def read_benchmark(name: str, path: str | Path, version: str | None = None) -> Benchmark:
    """Read a benchmark from Parquet or JSONL.

    Parameters
    ----------
    name
        What the benchmark is called in the ``contamination`` table.
    path
        A problems table, or a raw file with a statement (or prompt, text, question, …) and an id column.
    version
        What is stored as its version; without one it is the beginning of the content's SHA-256.

    Raises
    ------
    InputError
        When the file cannot be read or has no column that could be the statement.
    """
    rows = _read(Path(path))
    statement = _first_column(rows, STATEMENT_COLUMNS)
    if statement is None:
        known = ", ".join(STATEMENT_COLUMNS)
        message = f"benchmark `{path}` has no statement: its columns are {', '.join(rows.column_names)}; one of {known} is needed"
        raise InputError(message)
    texts = ["" if text is None else str(text) for text in rows.column(statement).to_pylist()]
    if statement != "statement":
        texts = _without_boilerplate(texts)
    ids = _ids(rows, name)
    problems = pa.table(
        {"problem_id": pa.array(ids, pa.string()), "statement": pa.array(texts, pa.large_string()), **_further(rows)}
    )
    return Benchmark(name, version or _content_version(ids, texts), problems)


def _read(path: Path) -> pa.Table:
    if not path.exists():
        message = f"benchmark `{path}` does not exist; give a Parquet or JSONL file"
        raise InputError(message)
    try:
        if path.suffix.lower() in JSON_SUFFIXES:
            return pajson.read_json(path)
        import pyarrow.dataset as ds

        return ds.dataset(path, format="parquet").to_table()
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
        message = f"benchmark `{path}` cannot be read: {error}; give a Parquet or JSONL file"
        raise InputError(message) from error


def _first_column(rows: pa.Table, names: Sequence[str]) -> str | None:
    return next((name for name in names if name in rows.column_names), None)


def _further(rows: pa.Table) -> dict[str, pa.Array]:
    """Return the columns of problems that the file has in a form that can be used."""
    found: dict[str, pa.Array] = {}
    for name, known in FURTHER_COLUMNS.items():
        given = _first_column(rows, known)
        if given is None:
            continue
        values = rows.column(given).to_pylist()
        kind = PROBLEMS.schema.field(name).type
        if name == "contest_date":
            values = [_day(value) for value in values]
        elif name == "site":
            values = [_site(value) for value in values]
        try:
            found[name] = pa.array(values, kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            if pa.types.is_string(kind):
                found[name] = pa.array([None if value is None else str(value) for value in values], kind)
    return found


def _day(value: object) -> date | None:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


def _site(value: object) -> str | None:
    """Return a judge's name in one spelling: ``LeetCode`` is ``leetcode``."""
    return "".join(character for character in str(value).casefold() if character.isalnum()) if value else None


def _ids(rows: pa.Table, name: str) -> list[str]:
    """Return an id per row: the first id column without nulls or repeats, else the row's number."""
    for column in (column for column in ID_COLUMNS if column in rows.column_names):
        values: list[Any] = rows.column(column).to_pylist()
        if None not in values and len(set(values)) == len(values):
            return [str(value) for value in values]
    return [f"{name}/{number}" for number in range(rows.num_rows)]


def _without_boilerplate(texts: Sequence[str]) -> list[str]:
    """Leave out the lines, and the beginnings of first lines, that most rows share."""
    if len(texts) < FEWEST_ROWS_FOR_BOILERPLATE:
        return list(texts)
    counts = Counter(line for text in texts for line in {line.strip() for line in text.splitlines()})
    most = BOILERPLATE_SHARE * len(texts)
    wrapped = {line for line, count in counts.items() if len(line.split()) > 3 and count > most}  # noqa: PLR2004
    return ["\n".join(line for line in text.splitlines() if line.strip() not in wrapped) for text in texts]


def _content_version(ids: Iterable[str], texts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for problem_id, text in sorted(zip(ids, texts, strict=True)):
        digest.update(f"{problem_id}\0{text}\0".encode("utf-8", "surrogatepass"))
    return f"sha256:{digest.hexdigest()[:VERSION_LENGTH]}"
