"""What a person looks at: wrong programs beside the smallest made test that catches each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, Final

import pyarrow as pa

__all__ = ["caught_side_by_side"]

MOST_SHOWN: Final = 20
SHOWN_CHARACTERS: Final = 400
SCHEMA: Final = pa.schema(
    [(name, pa.large_string()) for name in ("problem_id", "program", "code", "test_id", "input", "expected")]
)


def caught_side_by_side(
    tests: Iterable[pa.RecordBatch], solutions: Callable[[Collection[str]], Iterable[pa.RecordBatch]]
) -> pa.Table:
    """Return wrong programs of the sources beside the smallest made test that catches each, a bounded number."""
    smallest: dict[tuple[str, str], dict[str, Any]] = {}
    for row in (row for batch in tests for row in batch.to_pylist()):
        for program in row["catches"]:
            place = row["problem_id"], program
            if "#" not in program and len(row["input"]) < len(smallest.get(place, {}).get("input", row["input"] + " ")):
                smallest[place] = row
    chosen = dict(sorted(smallest.items())[:MOST_SHOWN])
    codes = {
        (row["problem_id"], row["solution_id"]): row["code"]
        for batch in solutions({problem_id for problem_id, _ in chosen})
        for row in batch.select(["problem_id", "solution_id", "code"]).to_pylist()
        if (row["problem_id"], row["solution_id"]) in chosen
    }
    rows = [
        {
            "problem_id": problem_id,
            "program": program,
            "code": (codes.get((problem_id, program)) or "")[:SHOWN_CHARACTERS],
            "test_id": row["test_id"],
            "input": row["input"][:SHOWN_CHARACTERS],
            "expected": row["expected"][:SHOWN_CHARACTERS],
        }
        for (problem_id, program), row in chosen.items()
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)
