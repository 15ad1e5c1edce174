"""What a reader makes of one raw row: a problem with its tests and solutions, before ids, counts and checks.

Tests and solutions are small Arrow batches, because a problem may have hundreds of tests and they must not pass
through Python one by one. A layout says which columns a raw file has and which function reads its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Protocol

import pyarrow as pa

from ocr_pipeline.sources.reading import Reading, Row
from ocr_pipeline.tables import Checker, CheckerProtocol, IoMode, TestKind

__all__ = [
    "NO_SOLUTIONS",
    "NO_TESTS",
    "SOLUTION_BLOCK",
    "TEST_BLOCK",
    "Attachment",
    "CheckerProgram",
    "Layout",
    "RawProblem",
    "Read",
    "Scan",
    "SolutionText",
    "TestCase",
]

TEST_BLOCK: Final = pa.schema([("kind", pa.string()), ("input", pa.large_string()), ("expected", pa.large_string())])
SOLUTION_BLOCK: Final = pa.schema(
    [
        ("language", pa.string()),
        ("code", pa.large_string()),
        ("is_correct", pa.bool_()),
        ("is_judged", pa.bool_()),
        ("verdict", pa.string()),
    ]
)
"""Without nulls, because it is set aside as plain bytes: ``is_judged`` says that ``is_correct`` means something."""


@dataclass(frozen=True, slots=True)
class TestCase:
    """One test."""

    __test__ = False  # not a test class, whatever its name says to pytest

    input: str
    expected: str
    kind: TestKind = TestKind.PRIVATE


@dataclass(frozen=True, slots=True)
class SolutionText:
    """One solution of the source."""

    code: str
    language: str = "python"
    is_correct: bool | None = True
    """``None`` when the source says neither that it is right nor that it is wrong."""
    verdict: str | None = None
    """What the source says of it, in its own word."""


@dataclass(frozen=True, slots=True)
class CheckerProgram:
    """The source's own program that accepts or rejects an output."""

    language: str
    protocol: CheckerProtocol
    code: str
    flags: str | None = None


def _no_rows(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.nulls(0, kind) for kind in schema.types], schema=schema)  # imports no pandas


NO_TESTS: Final = _no_rows(TEST_BLOCK)
NO_SOLUTIONS: Final = _no_rows(SOLUTION_BLOCK)


@dataclass(frozen=True, slots=True)
class RawProblem:
    """A problem as its source gives it; ``statement`` is not yet in normal form.

    Without a ``native_id`` the problem is named by the hash of ``identity``, and without a ``license`` of its own it
    has that of the data set.
    """

    native_id: str | None
    statement: str
    license: object = None
    io_mode: IoMode = IoMode.STDIN
    identity: tuple[str, ...] = ()
    site: str | None = None
    url: str | None = None
    title: str | None = None
    starter_code: str | None = None
    function_name: str | None = None
    input_file: str | None = None
    output_file: str | None = None
    time_limit_s: float | None = None
    memory_limit_mib: float | None = None
    checker: Checker | None = None
    float_tolerance: float | None = None
    checker_program: CheckerProgram | None = None
    difficulty: str | None = None
    rating: int | None = None
    tags: tuple[str, ...] = ()
    has_image: bool = False
    contest_date: date | None = None
    tests: pa.RecordBatch = field(default_factory=lambda: NO_TESTS)
    solutions: pa.RecordBatch = field(default_factory=lambda: NO_SOLUTIONS)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A test or a solution from a table of its own, with the native id of its problem and what it is sorted by."""

    native_id: str
    item: TestCase | SolutionText
    order: str = ""


class Scan(Protocol):
    """Looks over all raw files of one layout before any row is read."""

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        """Yield the named columns of every readable row."""

    def features(self) -> Mapping[str, object]:
        """Return the features that the hub's library wrote into the files' schema, by column."""


Read = Callable[[Reading], RawProblem]


@dataclass(frozen=True, slots=True)
class Layout:
    """One known form of a raw file: the columns that it is recognised by, and what reads its rows.

    Exactly one of ``read``, ``bind`` and ``attach`` is set. ``bind`` returns the reading function after a look over
    all rows. ``id_column`` names a row that is rejected. ``arrow_columns`` are structs of lists that stay Arrow arrays.
    """

    name: str
    required: frozenset[str]
    id_column: str = ""
    read: Read | None = None
    bind: Callable[[Scan], Read] | None = None
    attach: Callable[[Reading], Attachment] | None = None
    arrow_columns: frozenset[str] = frozenset()
