"""The tests and the solutions of one problem as small Arrow batches."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from ocr_pipeline.sources.buffers import holds_any
from ocr_pipeline.sources.model import SOLUTION_BLOCK, TEST_BLOCK, SolutionText, TestCase
from ocr_pipeline.sources.reading import Reading
from ocr_pipeline.tables import TestKind

__all__ = ["accepted_python", "judged", "solution_block", "test_block", "tests_of"]


def test_block(cases: Sequence[TestCase], reading: Reading) -> pa.RecordBatch:
    """Build the tests of one problem."""
    kinds = pa.array([case.kind for case in cases], pa.string())
    return tests_of(kinds, [case.input for case in cases], [case.expected for case in cases], reading)


test_block.__test__ = False  # type: ignore[attr-defined] # not a test function, whatever its name says to pytest


def tests_of(
    kind: TestKind | pa.Array, inputs: Sequence[str], expected: Sequence[str], reading: Reading
) -> pa.RecordBatch:
    """Build the tests of one problem from columns; one kind may be that of all."""
    kinds = pa.repeat(kind.value, len(inputs)) if isinstance(kind, TestKind) else kind
    return pa.RecordBatch.from_arrays(
        [kinds, reading.text_array(inputs), reading.text_array(expected)], schema=TEST_BLOCK
    )


def solution_block(solutions: Sequence[SolutionText], reading: Reading) -> pa.RecordBatch:
    """Build the solutions of one problem."""
    columns = [
        pa.array([solution.language for solution in solutions], pa.string()),
        reading.text_array([solution.code for solution in solutions]),
        pa.array([solution.is_correct is True for solution in solutions], pa.bool_()),
        pa.array([solution.is_correct is not None for solution in solutions], pa.bool_()),
        pa.array([solution.verdict or "" for solution in solutions], pa.string()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SOLUTION_BLOCK)


def accepted_python(programs: Sequence[str], reading: Reading) -> pa.RecordBatch:
    """Build solutions that are all accepted Python programs, in normal form."""
    code = reading.text_array(programs)
    if holds_any(code, b"\r\0"):
        code = reading.text_array(list(map(reading.normal_code, programs)))
    return judged(pa.repeat("python", len(code)), code, is_correct=True)


def judged(languages: pa.Array, code: pa.Array, *, is_correct: bool) -> pa.RecordBatch:
    """Build solutions that the source calls all right, or all wrong."""
    count = len(code)
    columns = [
        languages,
        code,
        *(pa.repeat(flag, count) for flag in (is_correct, True)),
        pa.repeat("", count),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SOLUTION_BLOCK)
