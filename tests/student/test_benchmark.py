"""Benchmarks: which problems are asked and how, students behind a server, and the whole trial of tiny students."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ocr_pipeline import cli
from ocr_pipeline.errors import InputError
from ocr_pipeline.judge import JudgeConfig
from ocr_pipeline.student.assess import AssessConfig, evaluate_candidates, try_benchmark
from ocr_pipeline.student.benchmark import Benchmark, read_benchmark
from ocr_pipeline.student.config import preset
from ocr_pipeline.student.evaluation import Window
from ocr_pipeline.student.generation import Completion, Sampling
from ocr_pipeline.student.options import TryOptions
from ocr_pipeline.student.rows import Task, TrainingRow
from ocr_pipeline.student.trial import TRIED, TryConfig, guided_rows, run_trial, summarize_trial
from ocr_pipeline.tables import PROBLEMS, TESTS
from ocr_pipeline.teacher.servers import Replay

Rows = list[dict[str, Any]]


def problem(problem_id: str, **more: Any) -> dict[str, Any]:
    """Build a problem that adds a number to its input."""
    return {"problem_id": problem_id, "dataset": "own", "statement": f"Add {problem_id}.", "io_mode": "stdin"} | more


def case(problem_id: str, given: str = "1", expected: str = "2", **more: Any) -> dict[str, Any]:
    """Build a test."""
    return {
        "problem_id": problem_id,
        "test_id": "000000",
        "kind": "example",
        "input": given,
        "expected": expected,
    } | more


def benchmark(problems: Rows, tests: Rows, name: str = "own", **options: Any) -> Benchmark:
    """Read rows as a benchmark."""
    return read_benchmark(
        name,
        pa.Table.from_pylist(problems, schema=PROBLEMS.schema).to_batches(),
        pa.Table.from_pylist(tests, schema=TESTS.schema).to_batches(),
        **options,
    )


DATED = [problem(str(day), contest_date=date(2024, 8, day)) for day in range(1, 6)]


def test_a_window_asks_the_contests_of_its_days() -> None:
    """Both ends count, a problem without a day is outside, one without tests is left out; all are accounted for."""
    found = benchmark(
        [*DATED, problem("undated")],
        [case(str(day)) for day in (1, 2, 3, 5)] + [case("undated")],
        window=Window(date(2024, 8, 2), date(2024, 8, 4)),
    )
    assert [each.problem_id for each in found.asked] == ["2", "3"]
    assert found.tests["problem_id"].to_pylist() == ["2", "3"]
    assert (found.counts.rows_in, found.counts.kept) == (6, 2)
    assert dict(found.counts.dropped) == {"outside_window": 3, "no_tests": 1}


def test_an_empty_benchmark_is_refused() -> None:
    """The message counts why nothing is left."""
    with pytest.raises(InputError, match=r"^no problem of `benchmark` is left: 5 outside window; give other"):
        benchmark(DATED, [case("1")], "benchmark", window=Window(date(2025, 1, 1)))
    with pytest.raises(InputError, match=r"^no problem is left: 5 no tests; give other"):
        benchmark(DATED, [], "")


FUNCTION = {"io_mode": "function", "function_name": "add_one"}
STARTER = 'def add_one(x: int) -> int:\n    """Add one."""\n'


@pytest.mark.parametrize(
    ("more", "shown"),
    [
        ({"starter_code": STARTER}, f"Add p.\n{STARTER}"),
        ({"starter_code": STARTER, "statement": STARTER}, STARTER + "\n\nUse Call-Based format"),
        ({}, "The function is called `add_one`.\nFor example, add_one([1, 'a'], None) returns True.\n"),
    ],
)
def test_the_prompt_of_a_function_problem(more: dict[str, Any], shown: str) -> None:
    """Starter code is shown once; without it the name and one test, as a call, say what is wanted."""
    found = benchmark([problem("p", **FUNCTION | more)], [case("p", '[[1,"a"],null]', "true")])
    prompt = found.asked[0].code_prompt()
    assert shown in prompt
    assert prompt.count("def add_one") == ("starter_code" in more)


class FailingStudent:
    """Answers the first of two requests; the second cannot be asked."""

    name = "failing"

    def complete(self, prompts: Sequence[str], *, task: Task, n: int, sampling: Sampling) -> Iterator[list[Completion]]:
        """Answer right, or not at all."""
        del task, n, sampling
        for _ in prompts:
            yield [Completion("print(int(input()) + 1)", "stop", 9), Completion("", None, 0, failed=True)]


def test_what_could_not_be_asked_is_unscored() -> None:
    """A request that failed is not_run: it lowers n, never pass@k."""
    rows = try_benchmark(
        benchmark([problem("p")], [case("p")]), FailingStudent(), AssessConfig("own", n=2), JudgeConfig()
    )
    assert rows["verdict"].to_pylist() == ["accepted", "not_run"]
    direct = next(row for row in evaluate_candidates(rows).to_pylist() if row["method"] == "direct")
    assert (direct["n"], direct["correct"], direct["not_run"]) == (1, 1, 1)


def recordings(folder: Path, count: int) -> Path:
    """Write a recorded student that answers with the first solution of each problem."""
    solutions = {
        row["problem_id"]: row["code"] for row in pq.read_table(folder / "solutions.parquet").to_pylist()[::-1]
    }
    lines = [
        recording([f"[GEN_CODE]\nQUESTION:\n{row['statement']}"], 0, f"```python\n{solutions[row['problem_id']]}\n```")
        for row in pq.read_table(folder / "problems.parquet").to_pylist()[:count]
    ]
    file = folder / "recordings.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return file


def run(arguments: list[str]) -> None:
    """Run a command of the library."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["ocr-pipeline", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert ended.value.code == 0


def evaluated(folder: Path, server: Replay, *options: str) -> dict[str, dict[str, Any]]:
    """Run the command on what was ingested into a folder; return the summary by method."""
    arguments = ["student", "evaluate", server.model, "--url", server.urls[0], "--benchmark", "mbpp"]
    arguments += ["--problems", str(folder / "problems.parquet"), "--tests", str(folder / "tests.parquet")]
    run([*arguments, "--out", str(folder / "out"), *(options or ("--n", "2", "--k", "1,2")), "--json"])
    rows = pq.read_table(folder / "out" / "evaluation_summary.parquet").to_pylist()
    return {f"{row['method']}@{row['k']}": row for row in rows}


def test_a_served_student_sits_a_benchmark(tmp_path: Path) -> None:
    """MBPP rows are ingested, asked through the teacher's client, judged; what the server refuses is unscored."""
    row = {"task_id": 1, "text": "Turn a pair around.", "code": "def turn(pair):\n    return pair[::-1]"}
    row |= {"test_list": ["assert turn((1, 2)) == (2, 1)"], "challenge_test_list": []}
    other = row | {"task_id": 2, "text": "Add one.", "code": "def up(x):\n    return x + 1"}
    other |= {"test_list": ["assert up(1) == 2"]}
    lines = "".join(json.dumps(each) + "\n" for each in (row, other))
    (tmp_path / "rows.jsonl").write_text(lines, encoding="utf-8")
    ingested(tmp_path / "rows.jsonl", tmp_path)
    with Replay(recordings(tmp_path, 1), strict=True, model="student") as server:
        summary = evaluated(tmp_path, server)
    assert (summary["direct@1"]["pass_at_k"], summary["direct@1"]["n_problems"]) == (1.0, 1)
    assert summary["direct@1"]["n_unscored"] == 1
    assert {"majority@1", "oracle@1", "public_tests@1", "random@1", "shortest@1"} <= summary.keys()


def ingested(raw: Path, folder: Path) -> None:
    """Bring MBPP rows into normal form."""
    run(["ingest", "mbpp", str(raw), "--split", "test", "--out", str(folder), "--json"])


def recording(match: list[str], index: int, text: str) -> dict[str, Any]:
    """Build one recorded answer."""
    return {
        "match": match,
        "sample_index": index,
        "message": {"role": "assistant", "content": text},
        "finish_reason": "stop",
        "stop_reason": None,
        "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18},
        "created": 1_767_225_600,
        "processing_ms": 1,
    }


RIGHT, WRONG = "print(int(input()) + 1)", "print(int(input()) + {0})"


def led_by_plans(path: Path) -> Path:
    """Write a student that is right once in four, always with the good one of its two plans, never with the other."""
    lines = [recording(["[GEN_CODE]"], index, RIGHT if index == 0 else WRONG.format(index + 1)) for index in range(4)]
    lines += [recording(["[GEN_PLAN]", "step by step"], index, plan) for index, plan in enumerate(PLANS)]
    lines.append(recording(["[GEN_CODE]", "step by step", PLANS[1]], 0, RIGHT))
    lines.append(recording(["[GEN_CODE]", "step by step", PLANS[0]], 0, WRONG.format(7)))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


PLANS = ("1. Guess a number.\n2. Print it.", "1. Read the number.\n2. Add one to it and print the sum.")


def test_plan_sampling_beats_direct_sampling_where_it_must(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Through the command, a server and the real judge: examples tell the good plan, which leads to right programs.

    Every number of the summary follows again from the stored candidates.
    """
    problems, tests = ([each("1"), each("1b")] for each in (problem, case))
    pq.write_table(pa.Table.from_pylist(problems), tmp_path / "problems.parquet")
    pq.write_table(pa.Table.from_pylist(tests), tmp_path / "tests.parquet")
    with Replay(led_by_plans(tmp_path / "student.jsonl"), strict=True, model="student") as server:
        summary = evaluated(tmp_path, server, "--n", "4", "--k", "1", "--plans", "2", "--codes-per-plan", "1")
    value = {method: row["pass_at_k"] for method, row in summary.items()}
    assert (value["direct@1"], value["plan_sampling@1"]) == (0.25, 1.0)
    assert (value["random@1"], value["public_tests@1"], value["oracle@1"]) == (0.25, 1.0, 1.0)
    stored = pq.read_table(tmp_path / "out" / "student_candidates.parquet")
    assert evaluate_candidates(stored).equals(pq.read_table(tmp_path / "out" / "student_evaluation.parquet"))
    capsys.readouterr()
    run(["student", "summarize", str(tmp_path / "out" / "student_candidates.parquet")])
    [line] = [line for line in capsys.readouterr().out.splitlines() if " plan_sampling " in line]
    assert line.split()[3:5] == ["pass@1", "1.000"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_reference_solutions_pass_the_real_benchmark(real_data: Path, tmp_path: Path) -> None:
    """A recorded student that hands in MBPP's own solutions passes all but one of the first 200 problems, or all."""
    first = pq.read_table(real_data / "benchmarks" / "mbpp.parquet").slice(0, 200)
    pq.write_table(first, tmp_path / "mbpp.parquet")
    ingested(tmp_path / "mbpp.parquet", tmp_path)
    with Replay(recordings(tmp_path, 200), strict=True, model="student") as server:
        summary = evaluated(tmp_path, server)
    assert summary["direct@1"]["n_problems"] == 200
    assert summary["direct@1"]["pass_at_k"] >= 0.995


CODE = "x = int(input())\nprint(x + {0})"
PLAN = "1. Read the number.\n2. Add {0} to it and print the sum."


def taught(problems: Rows, found: Benchmark) -> list[TrainingRow]:
    """Build one code row and one plan row per problem."""
    rows = []
    for row, each in zip(problems, found.asked, strict=True):
        code, plan = (text.format(row["problem_id"]) for text in (CODE, PLAN))
        rows.append(TrainingRow(f"c{each.problem_id}", Task.CODE, each.code_prompt(), code, each.problem_id))
        rows.append(TrainingRow(f"p{each.problem_id}", Task.PLAN, each.plan_prompt, plan, each.problem_id))
    return rows


ADDING = [problem(str(number)) for number in range(4)]
ADDED = [case(str(number), "5", str(5 + number)) for number in range(4)]


def test_guided_rows_ask_as_plan_sampling_asks() -> None:
    """Each program stands once below each plan of its problem; what is there already is not made again."""
    found = benchmark(ADDING, ADDED)
    rows = taught(ADDING, found)
    made = guided_rows(rows, found.asked)
    assert [row.prompt for row in made] == [each.code_prompt(PLAN.format(each.problem_id)) for each in found.asked]
    assert [row.completion for row in made] == [CODE.format(number) for number in range(4)]
    assert guided_rows([*rows, *made], found.asked) == []


def test_rows_in_other_words_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    """Rows of an earlier version ask in other words; the message says what to make again."""
    found = benchmark(ADDING, ADDED)
    rows = [TrainingRow("a", Task.CODE, "Add, in words of their own.", "print(1)", "1")]
    config = TryConfig(preset("tiny"), TryOptions().assess(TRIED))
    with pytest.raises(InputError, match="make plan_sft_dataset again"):
        run_trial(rows, found.problems, found.tests.to_batches(), config=config, folder=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_tiny_students_solve_what_they_were_taught(tmp_path: Path) -> None:
    """Every trained student solves its problems, directly and (where plans were in prompts) guided; an untrained one does not."""
    pytest.importorskip("transformers", reason="needs the extra `train`")
    found = benchmark(ADDING, ADDED)
    recipe = preset("tiny").replaced(max_steps=120, batch_rows=4)
    config = TryConfig(recipe, TryOptions(n=2, codes_per_plan=1, chain_of_thought=True).assess(TRIED))
    trial = run_trial(taught(ADDING, found), found.problems, found.tests.to_batches(), config=config, folder=tmp_path)
    summary = summarize_trial(trial.evaluation, [1])
    value = {(row["student"], row["method"]): row["pass_at_k"] for row in summary.to_pylist()}
    assert value["untrained", "direct"] == 0.0
    for student in ("sft", "chain_of_thought", "joint", "joint_guided", "joint_guided_plan_head"):
        assert value[student, "direct"] >= 0.75
    assert min(value[name, "plan_sampling"] for name in ("joint_guided", "joint_guided_plan_head")) >= 0.75
    assert ("sft", "plan_sampling") not in value
