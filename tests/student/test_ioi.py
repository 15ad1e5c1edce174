"""Tasks with graders, headers and subtasks: from rows of the source to scores by subtask."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ocr_pipeline import cli
from ocr_pipeline.sources.ioi import read_ioi, standing_before
from ocr_pipeline.teacher.servers import Replay

Run = Callable[..., None]

HEADER = """#pragma once
#include <vector>
long long total(std::vector<int> values);
int price(int kind);
"""
GRADER = """#include "shop.h"
#include <cstdio>
#include <vector>
static int n;  // a name that programs like, too
static std::vector<int> values;
static const char *brace = "}";
int price(int kind) {
  if (kind < 0) { return 0; }
  return values[kind];
}
static void read_all() {
  if (scanf("%d", &n) != 1) { n = 0; }
  values.resize(n);
  for (int &one : values) scanf("%d", &one);
}
int main() {
  read_all();
  printf("secret %lld%s", total(values), *brace == '}' ? "\\n" : "");
}
"""
CHECKER = """#include "compare.h"
#include <cstdio>
int main(int, char **argv) { printf("%g", same(argv[2], argv[3]) ? 1.0 : 0.5); }
"""
COMPARE = """#include <fstream>
#include <string>
static bool same(const char *left, const char *right) {
  std::ifstream a(left), b(right);
  std::string x, y;
  while (a >> x) { if (!(b >> y) || x != y) return false; }
  return !(b >> y);
}
"""


def row(subtask: str, score: float, names: list[str], **more: Any) -> dict[str, Any]:
    """Build a subtask as the source has it."""
    files = [["graders/shop.h", HEADER], ["graders/grader.cpp", GRADER], ["checker/checker.cpp", CHECKER]]
    files += [["checker/compare.h", COMPARE], ["run", "#!/bin/bash"], ["graders/empty.h", ""]]
    return {
        "id": "shop",
        "year": 2024,
        "day": 1,
        "name": "Shop",
        "subtask": subtask,
        "score": score,
        "score_precision": 2,
        "problem": "Implement total: the sum of all values. price(i) is the value of i.",
        "time_limit": 2.0,
        "memory_limit": 268_435_456,
        "grader_files": files,
        "test_names": names,
    } | more


ROWS = [row("00-samples", 0, ["0-01"]), row("01-small", 30, ["1-01", "1-02"]), row("02-large", 70, ["1-01", "2-01"])]
INPUTS = {"0-01": [1, 2], "1-01": [3], "1-02": [4, 5], "2-01": [2_000_000_000, 2_000_000_000]}
TESTS = [
    {
        "year": 2024,
        "problem_id": "shop",
        "test_name": name,
        "test_input": f"{len(values)}\n{' '.join(map(str, values))}\n",
        "test_output": f"secret {sum(values)}\n",
    }
    for name, values in INPUTS.items()
]
RIGHT = """#include "shop.h"
int n = 0;
long long total(vector<int> v) { for (n = 0; n < (int)v.size(); n++) if (price(n) != v[n]) return -1;
  long long sum = 0; for (int x : v) sum += x; return sum; }
"""
OVERFLOWING = """#include "shop.h"
int values;
long long total(std::vector<int> v) { values = 0; for (int x : v) values = (int)((unsigned)values + x); return values; }
"""
ONLY_LARGE = """#include <bits/stdc++.h>
long long total(std::vector<int> v) { return v.size() == 2 && v[0] < 100 ? 0 : std::accumulate(v.begin(), v.end(), 0LL); }
"""


def test_subtasks_of_one_statement_are_one_problem() -> None:
    """Samples become example tests, memory counts MiB, the checker is one file, and names are those of the source."""
    [task], dropped = read_ioi(ROWS, TESTS, split="test")
    assert (task.problem["problem_id"], task.problem["memory_limit_mib"], dict(dropped)) == (
        "ioi/test/2024/shop",
        256,
        {},
    )
    assert [(test["test_id"], test["kind"]) for test in task.tests] == [
        ("0-01", "example"),
        ("1-01", "private"),
        ("1-02", "private"),
        ("2-01", "private"),
    ]
    assert [(each["name"], each["points"], each["test_ids"]) for each in task.subtasks] == [
        ("01-small", 30.0, ["1-01", "1-02"]),
        ("02-large", 70.0, ["1-01", "2-01"]),
    ]
    assert "static bool same" in task.problem["checker_code"]
    assert "long long total" in task.problem["starter_code"]


def test_other_statements_are_other_problems() -> None:
    """Where each subtask has a statement of its own, each is asked on its own."""
    rows = [ROWS[1], ROWS[2] | {"problem": "Implement total for large values."}]
    tasks, _ = read_ioi(rows, TESTS, split="test")
    assert [task.problem["native_id"] for task in tasks] == ["2024/shop/01-small", "2024/shop/02-large"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"grader_files": [["graders/manager.cpp", "int main() {}"]]}, "needs_manager"),
        ({"problem": "  "}, "empty_statement"),
        ({"test_names": ["9-99"]}, "missing_tests"),
    ],
)
def test_what_cannot_be_judged_has_a_reason(change: dict[str, Any], reason: str) -> None:
    """Nothing is left out without a word."""
    tasks, dropped = read_ioi([row("01", 30, ["1-01"]) | change], TESTS, split="test")
    assert (tasks, dict(dropped)) == ([], {reason: 1})


def test_a_grader_keeps_its_names_to_itself() -> None:
    """Only main and what the header promises is outside of the namespace; strings and comments close nothing."""
    text = standing_before(GRADER, {"shop.h": HEADER})
    outside = text.split("namespace ocr_grader {")
    assert "static int n;" in outside[1]
    assert "int price(int kind) { using namespace ocr_grader;" in outside[1].partition("\n}\n")[2]
    assert "int main() { using namespace ocr_grader;" in text
    assert "#pragma" not in text


@pytest.fixture(name="run")
def _run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    def run(*arguments: str) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["ocr-pipeline", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code in {0, None}

    return run


def test_a_student_is_scored_by_subtask(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Best of three: one solves the small subtask, one only the large test, together all points; a whole program too."""
    for name, rows in (("rows", ROWS), ("cases", TESTS)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")
    run("ingest-ioi", "rows.jsonl", "--tests", "cases.jsonl", "--out", "ioi")
    assert "1 problems, 4 tests, 2 subtasks of 100 points, 1 graders" in capsys.readouterr().out
    scores = {}
    for label, codes in {"right": [RIGHT], "partial": [OVERFLOWING, ONLY_LARGE]}.items():
        lines = [
            {"match": ["Implement total"], "sample_index": number, "finish_reason": "stop", "stop_reason": None}
            | {"message": {"role": "assistant", "content": f"```cpp\n{code}\n```"}, "created": 1, "processing_ms": 1}
            | {"usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
            for number, code in enumerate(codes)
        ]
        (tmp_path / "answers.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines), encoding="utf-8")
        with Replay(tmp_path / "answers.jsonl", strict=True, model="served") as server:
            given = ["--problems", "ioi/problems.parquet", "--tests", "ioi/tests.parquet", "--url", server.urls[0]]
            more = ["--graders", "ioi/graders.jsonl", "--subtasks", "ioi/subtasks.jsonl", "--language", "cpp"]
            asked = ["--preset", "ioi", "--n", str(len(codes)), "--k", "1", "--out", label]
            run("student", "evaluate", "served", *given, *more, *asked)
        scores[label] = capsys.readouterr().out.splitlines()[-2:]
    assert scores["right"][0].startswith("ioi/test/2024/shop: 100 of 100, best alone 100")
    assert scores["partial"][0].startswith("ioi/test/2024/shop: 100 of 100, best alone 70")
    assert scores["partial"][1] == "total: 100 of 100, 0 problems unscored"
    summary = {
        each["method"]: each["pass_at_k"]
        for each in pq.read_table(tmp_path / "partial/evaluation_summary.parquet").to_pylist()
    }
    assert summary["direct"] == 0.0
