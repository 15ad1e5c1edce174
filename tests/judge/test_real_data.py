"""Verdicts on public data whose truth is known: submissions of a contest, published completions, reference solutions."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ocr_pipeline.judge import AssertProblem, JudgeConfig, assert_tests, judge
from ocr_pipeline.judge.lending import KeptRows
from ocr_pipeline.tables import PROBLEMS
from tests.sources import rows as sources_rows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_600)]

WORKERS = 2
EXPECTED = {"time_limit_exceeded": "time_limit", "run_time_error": "runtime_error"}
# Published as solved, although plain Python ends them with a NameError: their harness ran all rows in one namespace, so
# that a program without `import math` could find another's. The last one's test calls a name that nobody defines.
SOLVED_BY_LEAKED_NAMES = {
    "starcoder/HumanEval/106", "starcoder/HumanEval/133", "gpt-3.5-turbo-0613/MBPP/210", "gpt-3.5-turbo-0613/MBPP/359",
    "gpt-3.5-turbo-0613/MBPP/451", "gpt-3.5-turbo-0613/MBPP/495", "gpt-3.5-turbo-0613/MBPP/338",
}  # fmt: skip
# Published as unsolved, although all their asserts hold.
UNSOLVED_BUT_RIGHT = {"gpt-3.5-turbo-0613/MBPP/133", "gpt-3.5-turbo-0613/MBPP/448"}
KNOWN = {
    # Written for Python 2: it does not compile, where its package expects it to fail at run time.
    "oddbinom/run_time_error/per-linear.py": "compile_error",
    # A slow program in a package without accepted Python: it does not come to its wrong answer in the limit of C++.
    "radar/wrong_answer/radar_ulf.py": "time_limit",
    # A simulation that needs the long limit which the package's accepted Python programs make.
    "assassins/wrong_answer/monte_carlo.cc": "time_limit",
}

Row = dict[str, Any]


def verdicts(problems: pa.Table, tests: pa.Table, samples: Sequence[Row], config: JudgeConfig) -> list[Row]:
    """Judge samples and return their rows."""
    rows = KeptRows()
    table = pa.Table.from_pylist(list(samples))
    judge(problems.to_batches(), lambda _: tests.to_batches(), table.to_batches(), config=config, writer=rows)
    return rows.table.to_pylist()


def asserted(rows: Sequence[tuple[AssertProblem, str]], time_limit_s: float = 10.0) -> list[Row]:
    """Judge Python code against asserts, one problem per row."""
    problems, tests = assert_tests([problem for problem, _ in rows])
    samples = [
        {"sample_id": problem.problem_id, "problem_id": problem.problem_id, "language": "python", "code": code}
        for problem, code in rows
    ]
    return verdicts(problems, tests, samples, JudgeConfig(workers=WORKERS, default_time_limit_s=time_limit_s))


def test_published_completions(real_data: Path) -> None:
    """Every verdict is that of plain Python; where the published one is another, it is known."""
    rows, solved = published_completions(real_data)
    accepted = {row["sample_id"]: row["verdict"] == "accepted" for row in asserted(rows)}
    assert accepted == {problem.problem_id: passes_plain_python(problem, code) for problem, code in rows}
    differing = {name for name in solved if accepted[name] is not solved[name]}
    assert differing <= SOLVED_BY_LEAKED_NAMES | UNSOLVED_BUT_RIGHT


def published_completions(real_data: Path) -> tuple[list[tuple[AssertProblem, str]], dict[str, bool]]:
    """Return completions as problems of their own, and which are published as solved."""
    rows, solved = [], {}
    for row in pq.read_table(real_data / "verdicts/function_completions.parquet").to_pylist():
        only_body = row["solution"][:1] == " " and row["model"] == "reflexion"
        code = row["prompt"] + row["solution"] if only_body else row["solution"]
        name = f"{row['model']}/{row['task_id']}"
        rows.append((AssertProblem(name, row["test"], row["entry_point"]), code))
        solved[name] = row["is_solved"]
    return rows, solved


def passes_plain_python(problem: AssertProblem, code: str) -> bool:
    """Run code and asserts as one file."""
    call = "" if "\ncheck(" in problem.program else f"\ncheck({problem.entry_point})"
    command = [sys.executable, "-c", f"{code}\n{problem.program}{call}\n"]
    seed = {"PYTHONHASHSEED": "0"}  # as in the judge: some programs depend on the order of sets
    with suppress(subprocess.TimeoutExpired):
        done = subprocess.run(command, env=seed, capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
        return done.returncode == 0
    return False


def test_reference_completions_of_function_problems(real_data: Path) -> None:
    """Every reference completion passes its asserts; one of them needs 45 s of CPU in plain Python."""
    assert [row for row in reference_completions(real_data) if row["verdict"] != "accepted"] == []


def reference_completions(real_data: Path) -> list[Row]:
    """Judge the reference completions of LeetCode's problems."""
    table = pq.read_table(real_data / "leetcode/v0_3_1_test.parquet").to_pylist()
    rows = [
        (AssertProblem(row["task_id"], row["test"], row["entry_point"], row["prompt"]), row["completion"])
        for row in table
    ]
    return asserted(rows, time_limit_s=30.0)


def test_generated_solutions(real_data: Path) -> None:
    """Model-written solutions pass exactly where their published result says so."""
    done = generated_solutions(real_data)
    assert [passes for _, passes, _ in done] == [published for _, _, published in done]


def generated_solutions(real_data: Path) -> list[tuple[str, bool, bool]]:
    """Judge model-written solutions: name, whether it passes here, whether it is published as passing."""
    problems, tests = [], []
    for folder in sorted((real_data / "apps/folders").iterdir()):
        cases = json.loads((folder / "input_output.json").read_text(encoding="utf-8"))
        name = cases.get("fn_name")
        number = str(int(folder.name))
        problems.append({"problem_id": number, "io_mode": "function" if name else "stdin", "function_name": name})
        for index, (given, wanted) in enumerate(zip(cases["inputs"], cases["outputs"], strict=True)):
            texts = (json.dumps(given), json.dumps(wanted)) if name else (given, wanted)
            tests.append({"problem_id": number, "test_id": f"{index:06}", "input": texts[0], "expected": texts[1]})
    published = pq.read_table(real_data / "apps/generated_solutions.parquet").to_pylist()
    samples = [
        {"sample_id": f"{row['problem_id']}/{row['index']}", "problem_id": str(row["problem_id"]), "language": "python",
         "code": row["code"]} for row in published
    ]  # fmt: skip
    config = JudgeConfig(workers=WORKERS, default_time_limit_s=4.0, give_up_after_time_limits=1)
    done = verdicts(pa.Table.from_pylist(problems), pa.Table.from_pylist(tests), samples, config)
    return [
        (row["sample_id"], row["verdict"] == "accepted", one["result"] == "true")
        for row, one in zip(done, published, strict=True)
    ]


def test_submissions_of_contest_packages(real_data: Path, tmp_path: Path) -> None:
    """Every submission gets its expected verdict, with problems, tests and validator flags as our reader takes them.

    The packages' time limit is a multiple of the slowest accepted submission in whole seconds, on the machine that judges;
    here for each language by itself, because the Python programs were timed with PyPy.
    """
    differing = [
        (name, verdict)
        for name, verdict, wanted in package_verdicts(real_data, tmp_path)
        if verdict != KNOWN.get(name, wanted)
    ]
    assert differing == []


def package_verdicts(real_data: Path, tmp_path: Path) -> Iterator[tuple[str, str, str]]:
    """Judge the submissions of contest packages: name, verdict, the verdict that the package expects."""
    folder = real_data / "judge_packages"
    packages = sources_rows.run("kattis", [folder], tmp_path)
    tests = pa.Table.from_pylist(packages.rows("tests"))
    submissions = package_submissions(folder)
    accepted = [row for row in submissions if row["wanted"] == "accepted"]
    others = [row for row in submissions if row["wanted"] != "accepted"]
    config = JudgeConfig(workers=WORKERS, python_time_factor=1.0, default_time_limit_s=60.0, default_memory_mib=2048.0,
                         give_up_after_time_limits=1)  # fmt: skip
    problems = pa.Table.from_pylist(packages.rows("problems"), schema=PROBLEMS.schema)
    first = verdicts(problems, tests, accepted, config)
    yield from ((row["sample_id"], row["verdict"], "accepted") for row in first)
    for language in ("cpp", "python"):
        given = [row for row in others if row["language"] == language]
        limits = time_limits(language, first, multipliers(folder))
        limited = [{**row, "time_limit_s": limits[row["problem_id"]]} for row in packages.rows("problems")]
        table = pa.Table.from_pylist(limited, schema=PROBLEMS.schema)
        judged = verdicts(table, tests, given, config)
        yield from ((row["sample_id"], row["verdict"], one["wanted"]) for row, one in zip(judged, given, strict=True))


def package_submissions(folder: Path) -> list[Row]:
    """Return the submissions of contest packages with the verdict that is ``wanted``."""
    return [
        {"sample_id": f"{row['problem']}/{row['expected']}/{row['name']}", "problem_id": f"kattis/train/{row['problem']}",
         "language": row["language"], "code": row["code"], "wanted": EXPECTED.get(row["expected"], row["expected"])}
        for row in pq.read_table(folder / "submissions.parquet").to_pylist()
    ]  # fmt: skip


def multipliers(folder: Path) -> dict[str, float]:
    """Return the packages' time multipliers."""
    known = pq.read_table(folder / "problems.parquet", columns=["problem", "time_multiplier"]).to_pylist()
    return {f"kattis/train/{row['problem']}": row["time_multiplier"] for row in known}


def time_limits(language: str, accepted: Iterable[Row], multipliers: Mapping[str, float]) -> dict[str, float]:
    """Return the limits of a language that its own accepted submissions make, or all where it has none."""
    in_order = sorted(accepted, key=lambda row: (row["language"] == language, row["cpu_time_s"]))
    slowest = {row["problem_id"]: row["cpu_time_s"] for row in in_order}  # the last of a problem stays
    return {name: max(1.0, math.ceil(seconds * multipliers[name])) for name, seconds in slowest.items()}
