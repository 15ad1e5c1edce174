"""Problems, tests and rows of the data set, written for the tests of exports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from typer.testing import CliRunner

from ocr_pipeline.cli import build_app
from ocr_pipeline.tables import CLEAN_PROBLEMS, SFT_DATASET, TEST_TRUST, TESTS, Table
from tests.samples.rows import rows

STATEMENT = "Print the sum of all numbers. Zahlen: 世界 🎲"
OUTPUT = "<think>\nAdd them.\n</think>\n\n```python\nprint(sum(map(int, input().split())))\n```\n"


def sft(number: int = 0, **values: Any) -> dict[str, Any]:
    """Return one row of the data set."""
    plain = {
        "id": f"hash-{number}",
        "input": STATEMENT,
        "output": OUTPUT,
        "source": "codeforces",
        "license": "cc-by-4.0",
        "dataset": "code_contests",
        "split": "train",
        "difficulty": "EASY",
        "solution": "print(sum(map(int, input().split())))",
        "index": str(number),
        "language": "python",
        "problem_id": f"code_contests/train/{number}",
        "sample_id": f"s{number:04}",
        "pass_rate": 1.0,
        "model": "r1",
    }
    return plain | values


def problem(name: str = "1", **values: Any) -> dict[str, Any]:
    """Return one clean problem whose statement may be handed on."""
    plain = {
        "problem_id": f"code_contests/train/{name}",
        "dataset": "code_contests",
        "split": "train",
        "native_id": name,
        "site": "codeforces",
        "statement": STATEMENT,
        "io_mode": "stdin",
        "checker": "tokens",
        "license": "cc-by-4.0",
    }
    return plain | values


def cases_for(name: str, *cases: tuple[str, str], kind: str = "private") -> list[dict[str, Any]]:
    """Return tests of a problem."""
    return [
        {
            "problem_id": f"code_contests/train/{name}",
            "test_id": f"{number:06}",
            "kind": kind,
            "input": given,
            "expected": expected,
        }
        for number, (given, expected) in enumerate(cases)
    ]


def sums(count: int) -> list[tuple[str, str]]:
    """Return tests of adding numbers."""
    return [(f"{number} 1\n", f"{number + 1}\n") for number in range(count)]


def put(folder: Path, table: Table, values: list[dict[str, Any]]) -> Path:
    """Write rows of a table into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{table.name}.parquet"
    pq.write_table(pa.Table.from_batches([rows(table, values)]), path)
    return path


def put_problems(folder: Path, problems: list[dict[str, Any]], tests: list[dict[str, Any]]) -> Path:
    """Write problems with their tests, as a command's output folder holds them."""
    put(folder, CLEAN_PROBLEMS, problems)
    put(folder, TESTS, tests)
    return folder


def put_trust(folder: Path, *trust: tuple[str, str | None, str]) -> Path:
    """Write what reference solutions said: problem, test or none, flag."""
    values = [
        {"problem_id": f"code_contests/train/{name}", "test_id": test, "flag": flag} for name, test, flag in trust
    ]
    return put(folder, TEST_TRUST, values)


def put_sft(folder: Path, *values: dict[str, Any]) -> Path:
    """Write rows of the data set."""
    return put(folder, SFT_DATASET, list(values))


def run(*arguments: object, code: int = 0) -> dict[str, Any]:
    """Run a command and return its account."""
    words = [str(argument) for argument in arguments]
    done = CliRunner().invoke(build_app([words[0]]), [*words, "--json"])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    account: dict[str, Any] = json.loads(done.stdout)
    assert account["rows_in"] == account["kept"] + sum(account["dropped"].values())
    return account
