"""Raw rows in the hub's schemas, written for the tests, and a way to ingest them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.sources import ingest
from ocr_pipeline.store import FileWriter
from ocr_pipeline.tables import table_named

TABLES = ("problems", "tests", "solutions", "rejected")
TACO_COLUMNS = (
    *("question", "solutions", "starter_code", "input_output", "difficulty", "raw_tags", "name", "source", "tags"),
    *("skill_types", "url", "Expected Auxiliary Space", "time_limit", "date", "picture_num", "memory_limit"),
    "Expected Time Complexity",
)


@dataclass(frozen=True)
class Ingested:
    """What one ingest wrote."""

    counts: StageCounts
    folder: Path

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return the rows of a table."""
        return pq.read_table(self.folder / f"{table}.parquet").to_pylist()

    def one(self) -> dict[str, Any]:
        """Return the only problem."""
        (problem,) = self.rows("problems")
        return problem

    def bytes(self) -> dict[str, bytes]:
        """Return the bytes of all tables."""
        return {table: (self.folder / f"{table}.parquet").read_bytes() for table in TABLES}


def run(
    dataset: str,
    paths: Sequence[Path],
    out: Path,
    *,
    split: str = "train",
    workers: int = 1,
    columns: Mapping[str, str] | None = None,
) -> Ingested:
    """Ingest into a folder."""
    with ExitStack() as stack:
        writers = {
            table: stack.enter_context(FileWriter(out / f"{table}.parquet", table_named(table))) for table in TABLES
        }
        counts = ingest(dataset, paths, split=split, writers=writers, columns=columns, workers=workers)
    return Ingested(counts, out)


def parquet(path: Path, rows: Sequence[dict[str, Any]], schema: pa.Schema | None = None, **options: Any) -> Path:
    """Write rows as Parquet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path, **options)
    return path


def json_lines(path: Path, rows: Sequence[Any]) -> Path:
    """Write rows as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def taco(**changes: Any) -> dict[str, Any]:
    """Return a row in TACO's 17 text columns."""
    return dict.fromkeys(TACO_COLUMNS, "") | {
        "question": "Add the two integers that stand on the first line and print their sum.",
        "solutions": json.dumps(["a, b = map(int, input().split())\nprint(a + b)\n"]),
        "input_output": json.dumps({"inputs": ["1 2\n", "3 4\n"], "outputs": ["3\n", "7\n"]}),
        "difficulty": "EASY",
        "raw_tags": "['math', 'implementation']",
        "tags": "['Mathematics']",
        "skill_types": "[]",
        "source": "codeforces",
        "time_limit": "2.0 seconds",
        "memory_limit": "256.0 megabytes",
        "date": "2019-12-31",
        "picture_num": "0",
        "url": "https://codeforces.com/problemset/problem/1/Z",
        **changes,
    }


def apps(**changes: Any) -> dict[str, Any]:
    """Return a row in the columns of APPS on the hub."""
    return {
        "problem_id": 7,
        "question": "Double the integer that is read and print the result.",
        "solutions": json.dumps(["print(2 * int(input()))"]),
        "input_output": json.dumps({"inputs": ["2\n"], "outputs": ["4\n"]}),
        "difficulty": "interview",
        "url": "https://www.codewars.com/kata/0",
        "starter_code": "",
        **changes,
    }


def contest(**changes: Any) -> dict[str, Any]:
    """Return a row in the columns of CodeContests."""
    return {
        "name": "77_A. Shelves",
        "description": "Count the shelves that hold at least one box and print the count.",
        "public_tests": {"input": ["2\n"], "output": ["1\n"]},
        "private_tests": {"input": ["3\n"], "output": ["2\n"]},
        "generated_tests": {"input": ["4\n", "4\n"], "output": ["3\n", "3\n"]},
        "source": 2,
        "difficulty": 7,
        "solutions": {"language": [3, 1], "solution": ["print(1)\r\n", "print 1"]},
        "incorrect_solutions": {"language": [2], "solution": ["int main(){}"]},
        "cf_contest_id": 77,
        "cf_index": "A",
        "cf_points": 500.0,
        "cf_rating": 1500,
        "cf_tags": ["math", "greedy"],
        "is_description_translated": False,
        "untranslated_description": "",
        "time_limit": {"seconds": 2, "nanos": 500_000_000},
        "memory_limit_bytes": 256 << 20,
        "input_file": "",
        "output_file": "",
        **changes,
    }


def codeforces(**changes: Any) -> dict[str, Any]:
    """Return a row in the columns of open-r1/codeforces."""
    return {
        "id": "77/A",
        "contest_id": "77",
        "contest_start": 1_577_836_800,
        "contest_start_year": 2020,
        "index": "A",
        "time_limit": 2.0,
        "memory_limit": 256.0,
        "title": "Shelves",
        "description": "Count the shelves that hold a box.",
        "input_format": "One integer.",
        "output_format": "The count.",
        "interaction_format": None,
        "note": "Boxes are heavy.",
        "examples": [{"input": "2", "output": "1"}],
        "rating": 800,
        "tags": ["math"],
        "official_tests": [{"input": "3", "output": "2"}, {"input": "2", "output": "1"}],
        "official_tests_complete": True,
        "input_mode": "stdio",
        "generated_checker": None,
        **changes,
    }


def livecodebench(**changes: Any) -> dict[str, Any]:
    """Return a row in the columns of LiveCodeBench."""
    return {
        "question_title": "Shelves",
        "question_content": "Count the shelves that hold a box and print the count.",
        "platform": "atcoder",
        "question_id": "abc999_a",
        "contest_id": "abc999",
        "contest_date": "2024-08-03T00:00:00",
        "starter_code": "",
        "difficulty": "easy",
        "public_test_cases": json.dumps([{"input": "2\n", "output": "1\n", "testtype": "stdin"}]),
        "private_test_cases": "[]",
        "metadata": "{}",
        **changes,
    }


def labelled_contest(**changes: Any) -> dict[str, Any]:
    """Return a row of the rendering of CodeContests whose tests and labels are JSON texts."""
    return {
        "id": 5,
        "content": "Count the shelves that hold at least one box and print the count.",
        "labels": json.dumps({"name": "77_A. Shelves", "source": "CODEFORCES", "difficulty": "A"}),
        "test": json.dumps([{"input": {"stdin": "2\n"}, "output": {"stdout": "1\n"}}]),
        **changes,
    }


def leetcode(**changes: Any) -> dict[str, Any]:
    """Return a row in the columns of LeetCodeDataset."""
    return {
        "task_id": "count-shelves",
        "question_id": 9001,
        "difficulty": "Easy",
        "tags": ["Array"],
        "problem_description": "Count the shelves that hold at least one box.",
        "starter_code": "class Solution:\n    def count(self, shelves: List[int]) -> int:\n        ",
        "estimated_date": "2024-08-03",
        "prompt": "from typing import *\n",
        "completion": "class Solution:\n    def count(self, shelves):\n        return sum(map(bool, shelves))",
        "entry_point": "Solution().count",
        "test": "def check(candidate):\n    assert candidate(shelves = [1, 0]) == 1\n",
        "input_output": [{"input": "shelves = [1, 0]", "output": "1"}],
        **changes,
    }


def mbpp(**changes: Any) -> dict[str, Any]:
    """Return a row in the columns of MBPP."""
    return {
        "task_id": 9001,
        "text": "Write a function to count the shelves that hold a box.",
        "code": "def count(shelves):\r\n  return sum(map(bool, shelves))",
        "test_list": ["assert count([1, 0]) == 1"],
        "test_setup_code": "",
        "challenge_test_list": [],
        **changes,
    }


def humaneval(**changes: Any) -> dict[str, Any]:
    """Return a row in the columns of HumanEval."""
    return {
        "task_id": "HumanEval/9001",
        "prompt": 'def count(shelves):\n    """Count the shelves that hold a box.\n    >>> count([1, 0])\n    1\n    """\n',
        "canonical_solution": "    return sum(map(bool, shelves))\n",
        "test": "def check(candidate):\n    assert candidate([1, 0]) == 1\n",
        "entry_point": "count",
        **changes,
    }


def own(**changes: Any) -> dict[str, Any]:
    """Return a row of our own problems table."""
    return {"problem_id": "shelves", "statement": "Count the shelves that hold a box and print the count.", **changes}
