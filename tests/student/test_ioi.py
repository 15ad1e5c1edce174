"""Tasks with graders, headers and subtasks: from rows of the source to scores by subtask."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ocr_pipeline import cli
from ocr_pipeline.errors import InputError
from ocr_pipeline.judge import JudgeConfig
from ocr_pipeline.sources.ioi import read_ioi
from ocr_pipeline.store import open_files
from ocr_pipeline.student.assess import AssessConfig, assess
from ocr_pipeline.student.benchmark import read_benchmark
from ocr_pipeline.student.generation import Completion, Sampling
from ocr_pipeline.student.rows import Task
from ocr_pipeline.student.subtasks import read_subtasks
from ocr_pipeline.tables import PROBLEMS
from ocr_pipeline.tables import TESTS as TEST_TABLE
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
        ({"score": None}, "no_points"),
        ({"grader_files": [["graders/shop.h", HEADER]]}, "missing_grader"),
    ],
)
def test_what_cannot_be_judged_has_a_reason(change: dict[str, Any], reason: str) -> None:
    """Nothing is left out without a word."""
    tasks, dropped = read_ioi([row("01", 30, ["1-01"]) | change], TESTS, split="test")
    assert (tasks, dict(dropped)) == ([], {reason: 1})


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


@pytest.mark.parametrize("files", [None, [], [["run", "#!/bin/bash"]]])
def test_a_task_without_a_grader_takes_whole_programs(files: list[list[str]] | None) -> None:
    """Nothing is linked with them, and nothing breaks."""
    [task], dropped = read_ioi([row("01", 30, ["1-01"], grader_files=files)], TESTS, split="test")
    assert (task.grader, task.problem["checker_code"], dict(dropped)) == (None, None, {})


def test_tests_are_those_of_the_year() -> None:
    """A task of two years has its own tests in each; without a year nobody knows whose they are."""
    rows = [row("01", 30, ["1-01"]), row("01", 30, ["1-01"], year=2023)]
    cases = [case | {"test_input": case["test_input"] + str(case["year"])} for case in TESTS]
    old = [case | {"year": 2023, "test_input": "2023"} for case in TESTS]
    tasks, _ = read_ioi(rows, [*old, *cases], split="test")
    assert [task.tests[0]["input"][-4:] for task in tasks] == ["2023", "2024"]
    undated = [{name: value for name, value in case.items() if name != "year"} for case in TESTS]
    tasks, dropped = read_ioi(rows, undated, split="test")
    assert (tasks, dict(dropped)) == ([], {"tests_without_year": 2})
    assert len(read_ioi(rows[:1], undated, split="test")[0]) == 1
    tasks, dropped = read_ioi(rows[:1], old, split="test")
    assert (tasks, dict(dropped)) == ([], {"missing_tests": 1})


def test_rows_and_tests_that_come_twice_count_once() -> None:
    """Equal ones are one; two that differ are no task."""
    [task], _ = read_ioi([*ROWS, *ROWS], [*TESTS, *TESTS], split="test")
    assert sum(each["points"] for each in task.subtasks) == 100
    other = ROWS[1] | {"score": 40}
    assert dict(read_ioi([*ROWS, other], TESTS, split="test")[1]) == {"contradicting_rows": 1}
    more = TESTS[1] | {"test_output": "other"}
    assert dict(read_ioi(ROWS, [*TESTS, more], split="test")[1]) == {"contradicting_tests": 1}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"test_names": []}, "subtask_without_tests"),
        ({"test_names": None}, "subtask_without_tests"),
        ({"problem": None}, "empty_statement"),
    ],
)
def test_what_could_not_be_scored_is_left_out_at_once(change: dict[str, Any], reason: str) -> None:
    """Not after a student was asked."""
    tasks, dropped = read_ioi([row("01", 30, ["1-01"]), row("02", 70, ["2-01"]) | change], TESTS, split="test")
    assert dropped[reason] == 1
    assert all(each["test_ids"] for task in tasks for each in task.subtasks)


@pytest.mark.parametrize(("given", "decimals"), [(None, 2), (0, 0), (1, 1)])
def test_points_are_rounded_as_the_source_says(given: int | None, decimals: int) -> None:
    """To two places where it says nothing; 0 is 0."""
    [task], _ = read_ioi([row("01", 30, ["1-01"], score_precision=given)], TESTS, split="test")
    assert task.subtasks[0]["decimals"] == decimals


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"grader_files": 5}, "row 1 .*grader_files"),
        ({"score": "many"}, "row 1 .*score"),
        ({"score": float("nan")}, "row 1 .*score"),
        ({"id": None}, "row 1 .*id"),
        ({"test_names": "1-01"}, "row 1 .*test_names"),
        ({"time_limit": "soon"}, "row 1 .*time_limit"),
    ],
)
def test_a_row_of_another_shape_is_named(change: dict[str, Any], said: str) -> None:
    """With its number and the column."""
    with pytest.raises(InputError, match=said):
        read_ioi([row("01", 30, ["1-01"]) | change], TESTS, split="test")


def test_a_checker_is_one_file() -> None:
    """With what its headers include, once each, conditions kept."""
    files = [
        ["checker/checker.cpp", '#ifdef _WIN32\n#include "a.h"\n#endif\n#include "a.h"\n#include "b.h"\nint main() {}'],
        ["checker/a.h", '#pragma once\n#include "b.h"\nint x;'],
        ["checker/b.h", "#pragma once\nint y;"],
    ]
    [task], _ = read_ioi([row("01", 30, ["1-01"], grader_files=files)], TESTS, split="test")
    code = task.problem["checker_code"]
    assert "#include" not in code
    assert code.count("int x;") == 2  # one of them under a condition, both under a guard
    assert code.count("#ifndef") > 1


Fails = Callable[..., str]


@pytest.fixture(name="fails")
def _fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Fails:
    def fails(*arguments: str) -> str:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["ocr-pipeline", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 1
        return capsys.readouterr().err.strip()

    return fails


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b'{"id": "shop", "year": 2024', "rows.jsonl"),
        (b'{"id": "shop"}\n', "rows.jsonl"),
        (b"[1]\n", "rows.jsonl"),
        (b"\xff\xfe\n", "rows.jsonl"),
        (b"", "rows.jsonl"),
        (b"not Parquet", "rows.parquet"),
    ],
)
def test_files_that_are_not_rows_are_refused_in_one_line(
    fails: Fails, tmp_path: Path, content: bytes, name: str
) -> None:
    """Rows or tests: broken, empty, of other columns or not Parquet."""
    (tmp_path / name).write_bytes(content)
    (tmp_path / "good.jsonl").write_text(json.dumps(ROWS[1]), encoding="utf-8")
    for rows, tests in ((name, "good.jsonl"), ("good.jsonl", name)):
        said = fails("ingest-ioi", rows, "--tests", tests, "--out", "out")
        assert said
        assert "\n" not in said


@pytest.mark.parametrize(
    "line",
    [
        '{"problem_id": "p", "name": "a", "points": NaN, "test_ids": ["1"]}',
        '{"problem_id": "p", "name": "a", "points": Infinity, "test_ids": ["1"]}',
        '{"problem_id": "p", "name": "a", "points": -1, "test_ids": ["1"]}',
        '{"problem_id": "p", "name": "a", "points": 1, "test_ids": "12"}',
        '{"problem_id": "p", "name": "a", "points": 1, "test_ids": []}',
        '{"problem_id": "p", "name": "a", "points": 1, "test_ids": ["1"], "decimals": "x"}',
        '{"problem_id": "p", "name": "a", "points": 1}',
        '{"problem_id": "p", "name": "a", "points": 1, "test_ids": ["1"]}\n' * 2,
        "[]",
        "",
    ],
)
def test_subtasks_that_cannot_be_scored_are_refused(tmp_path: Path, line: str) -> None:
    """Points that are not a number, tests that are a text, none at all, or a subtask twice."""
    (tmp_path / "subtasks.jsonl").write_text(line, encoding="utf-8")
    with pytest.raises(InputError, match=r"subtasks\.jsonl"):
        read_subtasks(tmp_path / "subtasks.jsonl")


def test_subtasks_without_decimals_have_two(tmp_path: Path) -> None:
    """Null is none named, and 0 is 0."""
    lines = [
        {"problem_id": "p", "name": str(each), "points": 1, "test_ids": [1], "decimals": each} for each in (None, 0)
    ]
    (tmp_path / "subtasks.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert [each.decimals for each in read_subtasks(tmp_path / "subtasks.jsonl")["p"]] == [2, 0]


@pytest.mark.parametrize("named", ["missing.jsonl", "."])
def test_files_that_are_not_there_are_refused_in_one_line(fails: Fails, tmp_path: Path, named: str) -> None:
    """Subtasks and graders alike."""
    rows = [{"sample_id": "1", "problem_id": "p", "verdict": "accepted", "results": []}]
    (tmp_path / "rows.jsonl").write_text(json.dumps(rows[0]), encoding="utf-8")
    (tmp_path / "p.jsonl").write_text(json.dumps({"problem_id": "p", "statement": "x"}), encoding="utf-8")
    case = {"problem_id": "p", "test_id": "1", "kind": "private", "input": "", "expected": ""}
    (tmp_path / "t.jsonl").write_text(json.dumps(case), encoding="utf-8")
    asked = ["student", "evaluate", "x", "--problems", "p.jsonl", "--tests", "t.jsonl", "--out", "out"]
    for arguments in (
        ["student", "score", "rows.jsonl", "--subtasks", named],
        [*asked, "--subtasks", named],
        [*asked, "--graders", named],
    ):
        said = fails(*arguments)
        assert f"`{named}` cannot be read" in said
        assert "\n" not in said


class Doubling:
    """Writes half a program directly and the other half after an explanation; for a second problem none at all."""

    name = "doubling"

    def complete(
        self,
        prompts: Sequence[str],
        *,
        task: Task,  # noqa: ARG002 - a student is asked so
        n: int,
        sampling: Sampling,  # noqa: ARG002
    ) -> Iterator[Sequence[Completion]]:
        """Answer every prompt ``n`` times."""
        for prompt in prompts:
            word = "x == 2" if "explain" in prompt else "x < 2"
            program = f"```python\nx = int(input())\nprint(2 * x if {word} else 0)\n```"
            yield [Completion("I do not know." if "Nothing" in prompt else program, "stop", 9)] * n


def _tried(tmp_path: Path) -> tuple[list[pa.Table], pa.Table]:
    """Return executions and candidates of a student that is sampled in two ways."""
    problems = [
        {"problem_id": name, "dataset": "b", "statement": name, "io_mode": "stdin", "checker": "tokens"}
        for name in ("Double", "Nothing")
    ]
    tests = [
        {"problem_id": name, "test_id": str(i), "kind": "private", "input": str(i), "expected": str(2 * i)}
        for name in ("Double", "Nothing")
        for i in range(3)
    ]
    for name, rows in (("problems", problems), ("tests", tests)):
        (tmp_path / f"{name}.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in rows), encoding="utf-8")
    kept: list[pa.Table] = []
    benchmark = read_benchmark(
        "b", open_files([tmp_path / "problems.jsonl"], PROBLEMS, required=["problem_id"]),
        open_files([tmp_path / "tests.jsonl"], TEST_TABLE, required=["problem_id"]),
    )  # fmt: skip
    benchmark = replace(benchmark, executions=kept)
    examiner = benchmark.examiner(JudgeConfig(workers=0))
    config = AssessConfig("b", 8, Sampling(), chain_of_thought=True)
    return kept, assess(benchmark.asked, Doubling(), examiner, config)


def test_each_way_of_sampling_is_scored_apart(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The best of 8 is of 8 answers, equal ones and those without a program among them, which are worth 0."""
    kept, candidates = _tried(tmp_path)
    pq.write_table(pa.concat_tables(kept), tmp_path / "executions.parquet")
    pq.write_table(candidates, tmp_path / "candidates.parquet")
    parts = [
        (name, part, points, ids)
        for name in ("Double", "Nothing")
        for part, points, ids in (("a", 40, "01"), ("b", 60, "2"))
    ]
    lines = [
        {"problem_id": name, "name": part, "points": points, "test_ids": list(ids)} for name, part, points, ids in parts
    ]
    (tmp_path / "subtasks.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    run("student", "score", "executions.parquet", "--subtasks", "subtasks.jsonl", "--candidates", "candidates.parquet")
    assert capsys.readouterr().out.splitlines() == [
        "chain_of_thought, python:",
        "Double: 60 of 100, best alone 60 (8 submissions, 0 not run)",
        "Nothing: 0 of 100, best alone 0 (8 submissions, 0 not run)",
        "total: 60 of 200, 0 problems unscored",
        "direct, python:",
        "Double: 40 of 100, best alone 40 (8 submissions, 0 not run)",
        "Nothing: 0 of 100, best alone 0 (8 submissions, 0 not run)",
        "total: 40 of 200, 0 problems unscored",
    ]


def test_languages_are_scored_apart(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without candidates the executions say which is which."""
    rows = [
        {"sample_id": language, "problem_id": "p", "language": language, "verdict": "wrong_answer"}
        | {"results": [{"test_id": test, "verdict": "accepted"}]}
        for language, test in (("cpp", "1"), ("python", "2"))
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    lines = [{"problem_id": "p", "name": test, "points": 50, "test_ids": [test]} for test in "12"]
    (tmp_path / "subtasks.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    run("student", "score", "rows.jsonl", "--subtasks", "subtasks.jsonl")
    totals = [line for line in capsys.readouterr().out.splitlines() if line.startswith("total")]
    assert totals == ["total: 50 of 100, 0 problems unscored"] * 2


def test_graders_are_for_cpp_alone(fails: Fails, run: Run, tmp_path: Path) -> None:
    """Before anybody is asked; a program in Python would count 0."""
    for name, rows in (("rows", ROWS), ("cases", TESTS)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")
    run("ingest-ioi", "rows.jsonl", "--tests", "cases.jsonl", "--out", "ioi")
    given = ["--problems", "ioi/problems.parquet", "--tests", "ioi/tests.parquet", "--url", "http://127.0.0.1:9/v1"]
    asked = ["student", "evaluate", "served", *given, "--preset", "ioi", "--out", "out"]
    said = fails(*asked, "--graders", "ioi/graders.jsonl", "--language", "python")
    assert "give --language cpp" in said
    assert "\n" not in said


def test_programs_below_other_plans_do_not_count(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a curve of plans there are final programs for several; those of plan sampling are below the best of all."""
    names = ("sample_id", "sampling", "plan_index", "examples_passed")
    rows = [("t0", "plan_trial", 0, 1), ("t1", "plan_trial", 1, 2)]
    rows += [("f0", "plan_sampling", 0, 0), ("f1", "plan_sampling", 1, 0)]
    same = {"student": "s", "benchmark": "b", "problem_id": "p", "language": "cpp", "code": "x", "examples_total": 2}
    same |= {"verdict": "wrong_answer", "reasoning_tokens": 0, "tokens": 0, "extra_tokens": 0}
    judged = [
        {"sample_id": sample, "problem_id": "p", "language": "cpp", "verdict": "wrong_answer"}
        | {"results": [{"test_id": test, "verdict": "accepted"}]}
        for sample, test in (("f0", "1"), ("f1", "2"))
    ]
    worth = [{"problem_id": "p", "name": test, "points": 50, "test_ids": [test]} for test in "12"]
    told = [same | dict(zip(names, row, strict=True)) for row in rows]
    for name, lines in (("judged", judged), ("subtasks", worth), ("candidates", told)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    run("student", "score", "judged.jsonl", "--subtasks", "subtasks.jsonl", "--candidates", "candidates.jsonl")
    [line, _] = capsys.readouterr().out.splitlines()
    assert line == "p: 50 of 100, best alone 50 (1 submissions, 0 not run)"
