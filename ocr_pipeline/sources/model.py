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

from ocr_pipeline.sources.buffers import holds_any
from ocr_pipeline.sources.rules import Rejection, Repair
from ocr_pipeline.sources.text import normal_code, without_surrogates
from ocr_pipeline.tables import Checker, CheckerProtocol, IoMode, TestKind

__all__ = [
    "KINDS",
    "NO_SOLUTIONS",
    "NO_TESTS",
    "SOLUTION_BLOCK",
    "TEST_BLOCK",
    "TRUTH",
    "Attachment",
    "CheckerProgram",
    "Layout",
    "RawProblem",
    "RawRow",
    "Read",
    "Row",
    "Scan",
    "SolutionText",
    "TestCase",
    "accepted_python",
    "solution_block",
    "test_block",
    "tests_of",
    "text_array",
]

Row = Mapping[str, object]
"""A raw row by column. Columns that a layout names as ``arrow_columns`` hold Arrow arrays when they come from Parquet."""


@dataclass(frozen=True, slots=True)
class RawRow:
    """One raw row: its columns, or why it cannot be read."""

    row: Row
    rejection: Rejection | None = None
    repairs: frozenset[Repair] = frozenset()


TEST_BLOCK: Final = pa.schema([("kind", pa.string()), ("input", pa.large_string()), ("expected", pa.large_string())])
SOLUTION_BLOCK: Final = pa.schema([("language", pa.string()), ("code", pa.large_string()), ("is_correct", pa.bool_())])
KINDS: Final = {kind: pa.scalar(kind.value) for kind in TestKind}
PYTHON: Final = pa.scalar("python")
TRUTH: Final = {truth: pa.scalar(truth) for truth in (False, True)}


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
    is_correct: bool = True


@dataclass(frozen=True, slots=True)
class CheckerProgram:
    """The source's own program that accepts or rejects an output."""

    language: str
    protocol: CheckerProtocol
    code: str
    flags: str | None = None


def text_array(texts: Sequence[str], repairs: set[Repair]) -> pa.LargeStringArray:
    """Build an Arrow array, mending text that UTF-8 cannot hold."""
    try:
        return pa.array(texts, pa.large_string())
    except UnicodeEncodeError:
        return pa.array([without_surrogates(text, repairs) for text in texts], pa.large_string())


def test_block(cases: Sequence[TestCase], repairs: set[Repair]) -> pa.RecordBatch:
    """Build the tests of one problem."""
    kinds = pa.array([case.kind for case in cases], pa.string())
    return tests_of(kinds, [case.input for case in cases], [case.expected for case in cases], repairs)


test_block.__test__ = False  # type: ignore[attr-defined] # not a test function, whatever its name says to pytest


def tests_of(
    kind: TestKind | pa.Array, inputs: Sequence[str], expected: Sequence[str], repairs: set[Repair]
) -> pa.RecordBatch:
    """Build the tests of one problem from columns; one kind may stand for all of them."""
    kinds = pa.repeat(KINDS[kind], len(inputs)) if isinstance(kind, TestKind) else kind
    return pa.RecordBatch.from_arrays(
        [kinds, text_array(inputs, repairs), text_array(expected, repairs)], schema=TEST_BLOCK
    )


def solution_block(solutions: Sequence[SolutionText], repairs: set[Repair]) -> pa.RecordBatch:
    """Build the solutions of one problem."""
    columns = [
        pa.array([solution.language for solution in solutions], pa.string()),
        text_array([solution.code for solution in solutions], repairs),
        pa.array([solution.is_correct for solution in solutions], pa.bool_()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SOLUTION_BLOCK)


def accepted_python(programs: Sequence[str], repairs: set[Repair]) -> pa.RecordBatch:
    """Build solutions that are all accepted Python programs, in normal form."""
    code = text_array(programs, repairs)
    if holds_any(code, b"\r\0"):
        code = text_array([normal_code(program, repairs) for program in programs], repairs)
    columns = [pa.repeat(PYTHON, len(code)), code, pa.repeat(TRUTH[True], len(code))]
    return pa.RecordBatch.from_arrays(columns, schema=SOLUTION_BLOCK)


NO_TESTS: Final = pa.RecordBatch.from_pylist([], schema=TEST_BLOCK)
NO_SOLUTIONS: Final = pa.RecordBatch.from_pylist([], schema=SOLUTION_BLOCK)


@dataclass(frozen=True, slots=True)
class RawProblem:
    """A problem as its source gives it; ``statement`` is not yet in normal form.

    Without a ``native_id`` the problem is named by the hash of ``identity``.
    """

    native_id: str | None
    statement: str
    license: str
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
    repairs: frozenset[Repair] = frozenset()


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


Read = Callable[[Row], RawProblem]


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
    attach: Callable[[Row], Attachment] | None = None
    arrow_columns: frozenset[str] = frozenset()
