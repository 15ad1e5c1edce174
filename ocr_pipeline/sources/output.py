"""The four tables as they are written: problems in the order of their ids, tests and solutions numbered inside them.

Rows are collected to a few thousand before they are written, and the suspicions of tests are found over such a
collection at once. Tests are written by one thread, the rest by another.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.sources.model import SOLUTION_BLOCK, TEST_BLOCK
from ocr_pipeline.sources.outside import broken_bounds
from ocr_pipeline.sources.overlap import Behind
from ocr_pipeline.sources.spill import Block, Spills
from ocr_pipeline.sources.suspicions import find_suspicions
from ocr_pipeline.sources.tally import Tally
from ocr_pipeline.store import TableWriter
from ocr_pipeline.tables import PROBLEMS, REJECTED, SOLUTIONS, TESTS, IoMode

__all__ = ["Output", "RejectedRow"]

COLLECTED_ROWS: Final = 8_192
COLLECTED_BYTES: Final = 16 << 20
COLLECTED_PROBLEMS: Final = 512
ID_DIGITS: Final = 6


class RejectedRow(NamedTuple):
    """A raw row that could not be used."""

    native_id: str
    reason: str
    detail: str
    raw: str


class _Collected(NamedTuple):
    """Problems that are written together."""

    problems: list[dict[str, object]]
    tests: pa.RecordBatch
    test_counts: npt.NDArray[np.int64]
    solutions: pa.RecordBatch
    solution_counts: npt.NDArray[np.int64]


class _Numbers:
    """Zero-padded numbers as an Arrow array that grows as needed."""

    def __init__(self) -> None:
        self._texts = pa.array([], pa.string())

    def up_to(self, lengths: npt.NDArray[np.int64]) -> pa.Array:
        """Return the numbers from 0 for each length, one after the other."""
        longest = int(lengths.max(initial=0))
        if len(self._texts) < longest:
            self._texts = pa.array([f"{number:0{ID_DIGITS}}" for number in range(2 * longest)], pa.string())
        starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
        return self._texts.take(pa.array(np.arange(lengths.sum()) - starts))


class Output:
    """Collects finished problems and writes them, while the next ones are collected."""

    def __init__(
        self,
        dataset: str,
        split: str,
        writers: Mapping[str, TableWriter],
        tally: Tally,
        spills: Spills,
        tests_behind: Behind,
        rest_behind: Behind,
    ) -> None:
        self.tally = tally
        self._spills = spills
        self._tests_behind = tests_behind
        self._rest_behind = rest_behind
        self._dataset = dataset
        self._split = split
        self._writers = writers
        self._test_numbers = _Numbers()
        self._solution_numbers = _Numbers()
        self._problems: list[dict[str, object]] = []
        self._tests: list[Block] = []
        self._solutions: list[Block] = []
        self._rejected: list[dict[str, str]] = []
        self._rejected_keys: tuple[str, str, int] = ("", "", 0)
        self._rows = self._bytes = 0

    def add_problem(self, columns: dict[str, object], tests: Block, solutions: Block) -> None:
        """Write one problem; problems come sorted by id, their tests and solutions are set aside."""
        day = columns["contest_date"]
        columns["contest_date"] = date.fromisoformat(day) if isinstance(day, str) else None
        self._problems.append(columns)
        self._tests.append(tests)
        self._solutions.append(solutions)
        self.tally.keep(columns)
        self._rows += tests.rows + solutions.rows
        self._bytes += tests.place.length + solutions.place.length
        full = self._rows >= COLLECTED_ROWS or self._bytes >= COLLECTED_BYTES
        if full or len(self._problems) >= COLLECTED_PROBLEMS:
            self._flush()

    def add_rejected(self, row: RejectedRow) -> None:
        """Write one rejected row; they come sorted, and a key that repeats gets a number."""
        native_id, reason, repeated = self._rejected_keys
        repeated = repeated + 1 if (native_id, reason) == (row.native_id, row.reason) else 0
        self._rejected_keys = (row.native_id, row.reason, repeated)
        shown = f"{row.native_id}#{repeated + 1}" if repeated else row.native_id
        columns = {"dataset": self._dataset, "split": self._split, **row._asdict(), "native_id": shown}
        self._rejected.append(columns)
        self.tally.dropped[row.reason] += 1
        if len(self._rejected) >= COLLECTED_PROBLEMS:
            self._flush_rejected()

    def finish(self) -> None:
        """Write what is left."""
        self._flush()
        self._flush_rejected()
        self._tests_behind.wait()
        self._rest_behind.wait()

    def _flush_rejected(self) -> None:
        self._writers["rejected"].write(pa.Table.from_pylist(self._rejected, schema=REJECTED.schema))
        self._rejected = []

    def _flush(self) -> None:
        if not self._problems:
            return
        collected = self._collected()
        self._problems, self._tests, self._solutions = [], [], []
        self._rows = self._bytes = 0
        ids = pa.array([problem["problem_id"] for problem in collected.problems], pa.string())
        self._tests_behind.call(lambda: self._write_tests(ids, collected))
        self._rest_behind.call(lambda: self._write_rest(ids, collected))

    def _collected(self) -> _Collected:
        tests = self._spills.get_rows(self._tests, TEST_BLOCK)
        solutions = self._spills.get_rows(self._solutions, SOLUTION_BLOCK)
        test_counts = np.array([block.rows for block in self._tests], np.int64)
        solution_counts = np.array([block.rows for block in self._solutions], np.int64)
        is_correct = solutions["is_correct"].to_numpy(zero_copy_only=False)
        correct = np.bincount(_owners(solution_counts)[is_correct], minlength=len(self._problems))
        for problem, n_tests, n_solutions in zip(self._problems, test_counts, correct, strict=True):
            problem["n_tests"], problem["n_solutions"] = int(n_tests), int(n_solutions)
        return _Collected(self._problems, tests, test_counts, solutions, solution_counts)

    def _write_tests(self, ids: pa.Array, collected: _Collected) -> None:
        tests = collected.tests
        if not tests.num_rows:
            return
        owner = _owners(collected.test_counts)
        bound = pa.array(_bounds(collected), pa.large_string())
        found = find_suspicions(
            tests,
            owner,
            has_solution=[bool(problem["n_solutions"]) for problem in collected.problems],
            is_function=[problem["io_mode"] == IoMode.FUNCTION for problem in collected.problems],
            is_outside=np.asarray(bound.is_valid()),
        )
        numbers = self._test_numbers.up_to(collected.test_counts)
        columns = [ids.take(pa.array(owner)), numbers, tests["kind"], tests["input"], tests["expected"]]
        columns += [found.column, bound]
        self._writers["tests"].write(pa.Table.from_arrays(columns, schema=TESTS.schema))
        self.tally.notes["tests"] += tests.num_rows
        for name, count in found.counts.items():
            self.tally.notes[f"suspicion:{name}"] += count

    def _write_rest(self, ids: pa.Array, collected: _Collected) -> None:
        self._writers["problems"].write(pa.Table.from_pylist(collected.problems, schema=PROBLEMS.schema))
        solutions, counts = collected.solutions, collected.solution_counts
        if not solutions.num_rows:
            return
        columns = [ids.take(pa.array(_owners(counts))), self._solution_numbers.up_to(counts)]
        columns += [solutions["language"], solutions["code"]]
        columns += [
            pc.if_else(solutions["is_judged"], solutions["is_correct"], None),
            pc.if_else(pc.equal(solutions["verdict"], ""), None, solutions["verdict"]),
        ]
        self._writers["solutions"].write(pa.Table.from_arrays(columns, schema=SOLUTIONS.schema))
        self.tally.notes["solutions"] += solutions.num_rows


def _bounds(collected: _Collected) -> list[str | None]:
    """Return for each test the bound that it is outside of."""
    found: list[str | None] = []
    for problem, count in zip(collected.problems, collected.test_counts, strict=True):
        tests = collected.tests.slice(len(found), int(count))
        found += broken_bounds(problem, tests["kind"].to_pylist(), tests["input"])
    return found


def _owners(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the number of the problem of each row."""
    return np.repeat(np.arange(len(counts)), counts)
