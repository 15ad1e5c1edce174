"""Tests are made for a table of problems: outputs are agreed, kept tests catch something, every input is accounted for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ocr_pipeline.cli import build_app
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.engine import LocalEngine
from ocr_pipeline.generating.by_model import AskTeacher
from ocr_pipeline.generating.checking import refused_right_programs
from ocr_pipeline.generating.options import GeneratingConfig
from ocr_pipeline.generating.outcomes import CPU_NOTE
from ocr_pipeline.generating.showing import caught_side_by_side
from ocr_pipeline.generating.step import RowSource, make_tests
from ocr_pipeline.judge import JudgeConfig, judge
from ocr_pipeline.tables import EXECUTIONS, GENERATED_TESTS

STATEMENT = "Input\n\nThe first line holds $n$ ($1 \\le n \\le 20$), the second $n$ integers $a_i$ ($-50 \\le a_i \\le 50$).\n\nOutput\n\nThe largest of them."
LARGEST = "n = int(input())\nprint(max(map(int, input().split())))\n"
LARGEST_SLOWLY = "input()\nbest = None\nfor each in input().split():\n    if best is None or int(each) > best:\n        best = int(each)\nprint(best)\n"
FROM_ZERO = "input()\nbest = 0\nfor each in input().split():\n    best = max(best, int(each))\nprint(best)\n"
TESTS = [("1", "example", "3\n1 5 2\n", "5\n"), ("2", "private", "1\n7\n", "7\n")]
CONFIG = GeneratingConfig(workers=0, inputs_per_way=12, mutants=6, largest=2, varied=2)
Made = tuple[list[dict[str, Any]], StageCounts]


class Rows:
    """Takes rows as a table's writer does."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self.rows: list[dict[str, Any]] = []

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Take rows."""
        self.rows += rows.to_pylist()


def source(rows: list[dict[str, Any]]) -> Callable[[Collection[str]], Iterable[pa.RecordBatch]]:
    """Return a lookup of all rows."""
    return lambda _: pa.Table.from_pylist(rows).to_batches() if rows else []


def made(
    folder: Path,
    *,
    tests: list[tuple[str, str, str, str]] = TESTS,
    programs: list[tuple[str, bool]] | None = None,
    config: GeneratingConfig = CONFIG,
    ask: AskTeacher | None = None,
    taken: Rows | None = None,
    earlier: RowSource | None = None,
    **problem: Any,
) -> Made:
    """Make the tests of one problem."""
    writer = Rows()
    chosen = [(LARGEST, True), (LARGEST_SLOWLY, True), (FROM_ZERO, False)] if programs is None else programs
    counts = make_tests(
        pa.Table.from_pylist([{"problem_id": "p", "statement": STATEMENT, **problem}]).to_batches(),
        source(
            [dict(zip(("test_id", "kind", "input", "expected"), test, strict=True), problem_id="p") for test in tests]
        ),
        source(
            [
                {
                    "problem_id": "p",
                    "solution_id": f"s{number}",
                    "language": "python",
                    "code": code,
                    "is_correct": right,
                }
                for number, (code, right) in enumerate(chosen)
            ]
        ),
        config=config,
        writer=writer,
        programs=taken or Rows(),
        finished=folder,
        ask=ask,
        earlier=earlier,
        engine=LocalEngine(0),
    )
    return writer.rows, counts


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return the tests of the problem, made once."""
    return made(tmp_path_factory.mktemp("made"))


def test_a_wrong_program_that_the_known_tests_let_pass_is_caught(once: Made) -> None:
    """Starting from zero is wrong for negative numbers only, which no known test has."""
    rows, counts = once
    assert any("s2" in row["catches"] for row in rows)
    assert counts.notes["wrong caught by known tests"] == 0
    assert counts.notes["wrong caught"] == 1


def test_no_made_test_refuses_a_right_program(once: Made) -> None:
    """Every expected output is what right programs print."""
    for row in once[0]:
        assert int(row["expected"]) == max(map(int, row["input"].split("\n")[1].split()))


def test_every_input_is_kept_or_has_a_reason(once: Made) -> None:
    """The account of inputs adds up, and reasons are those of the funnel."""
    rows, counts = once
    assert counts.kept == len(rows)
    assert counts.rows_in == counts.kept + sum(counts.dropped.values())
    assert set(counts.dropped) <= {"known", "constraint", "bounds", "shape", "catches_nothing", "too_large", "over_cap"}


def test_the_account_says_what_programs_took(once: Made) -> None:
    """CPU in jails is in the notes, and in no table: it differs between runs."""
    assert once[1].notes[CPU_NOTE] > 0
    assert not any("cpu" in name for row in once[0] for name in row)


def test_the_same_problem_gives_the_same_tests(once: Made, tmp_path: Path) -> None:
    """Nothing is random."""
    assert made(tmp_path)[0] == once[0]


def test_a_test_stays_for_what_it_catches_or_for_its_size(once: Made) -> None:
    """No test is there for nothing: at most the largest ones, and those kept for variety, catch nothing."""
    rows, _ = once
    idle = [row for row in rows if not row["catches"]]
    assert len(idle) <= CONFIG.largest + CONFIG.varied
    assert [row["kind"] for row in rows] == ["generated"] * len(rows)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"io_mode": "interactive"}, "interactive"),
        ({"checker": "special"}, "needs_checker"),
        ({"tests": []}, "no_tests"),
        ({"tests": [("1", "example", "3\n1 5 2\n", "5\n"), ("2", "private", "3\n1 5 2\n", "6\n")]}, "unusable_tests"),
        ({"tests": [("1", "example", "x" * 20_000_0, "5\n")]}, "no_grammar"),
        ({"tests": [("1", "example", "3\n1 5 2\n", " ")]}, "unusable_tests"),
        ({"programs": []}, "no_solution"),
        ({"programs": [(LARGEST, True)]}, "one_solution"),
        ({"programs": [(LARGEST, True), (LARGEST + "\n\n", True)]}, "one_solution"),
        ({"programs": [("print(3)", True), ("print(4)", True)]}, "no_solution"),
        ({"programs": [("def", True), (LARGEST, False)]}, "no_solution"),
        ({"tests": [("1", "example", "a\nb c\n", "1\n"), ("2", "private", "4 5 6\n7\n8\n", "2\n")]}, "no_grammar"),
    ],
)
def test_a_problem_that_cannot_have_tests_is_left_alone_with_a_reason(
    change: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    """Nothing is lost and nothing is made up."""
    rows, counts = made(tmp_path, **change)
    assert rows == []
    assert counts.notes[f"problems left alone: {reason}"] == 1


TEN_MEGABYTES = "2000000\n" + "1234 " * 1_999_999 + "1234\n"


def test_a_known_input_of_ten_megabytes_teaches_nothing_and_costs_nothing(tmp_path: Path) -> None:
    """Beside small ones it is left aside; alone it leaves no known input."""
    large = ("9", "private", TEN_MEGABYTES, "1234\n")
    rows, _ = made(tmp_path / "both", tests=[*TESTS, large], config=CONFIG.replaced(inputs_per_way=4, mutants=0))
    assert rows
    assert max(len(row["input"]) for row in rows) < 1_000
    rows, counts = made(tmp_path / "alone", tests=[large])
    assert (rows, counts.notes["problems left alone: unusable_tests"]) == ([], 1)


def test_one_known_test_is_enough(tmp_path: Path) -> None:
    """The statement gives the bounds, the example the shape."""
    rows, _ = made(tmp_path, tests=TESTS[:1])
    assert any("s2" in row["catches"] for row in rows)


def test_a_right_program_that_is_wrong_costs_tests_and_is_not_believed(tmp_path: Path) -> None:
    """Where programs that pass every known test disagree, the input is dropped: nobody knows who is right."""
    rows, counts = made(tmp_path, programs=[(LARGEST, True), (LARGEST_SLOWLY, True), (FROM_ZERO, True)])
    assert counts.dropped["disagreement"] > 0
    assert all(max(map(int, row["input"].split("\n")[1].split())) >= 0 for row in rows)


def test_outputs_that_change_from_run_to_run_are_dropped(tmp_path: Path) -> None:
    """A program that counts on the clock agrees with nobody, not even with itself."""
    restless = "import time\nn = int(input())\na = max(map(int, input().split()))\nprint(a if n < 4 else time.perf_counter_ns())\n"
    rows, counts = made(tmp_path, programs=[(restless, True), (LARGEST_SLOWLY, True)])
    assert counts.dropped["disagreement"] > 0
    assert all(int(row["input"].split("\n")[0]) < 4 for row in rows)


def test_made_tests_judge_as_others_do(once: Made) -> None:
    """They have the columns of tests, so the judge takes them."""
    writer = Rows()
    samples = [
        {"sample_id": name, "problem_id": "p", "language": "python", "code": code}
        for name, code in (("right", LARGEST), ("wrong", FROM_ZERO))
    ]
    judge(
        pa.table({"problem_id": ["p"]}).to_batches(),
        source(once[0]),
        pa.Table.from_pylist(samples).to_batches(),
        config=JudgeConfig(workers=0),
        writer=writer,
    )
    assert [row["verdict"] for row in writer.rows] == ["accepted", "wrong_answer"]
    assert set(EXECUTIONS.schema.names) == set(writer.rows[0])


def test_finished_problems_are_not_made_again(tmp_path: Path) -> None:
    """The second run takes everything from the folder."""
    first, _ = made(tmp_path)
    again, counts = made(tmp_path)
    assert again == first
    assert counts.notes["problems reused"] == 1


def test_what_is_caught_is_shown_side_by_side(once: Made) -> None:
    """A person sees the wrong program beside the smallest test that catches it."""
    tests = pa.Table.from_pylist(once[0], schema=GENERATED_TESTS.schema).to_batches()
    shown = caught_side_by_side(
        tests, source([{"problem_id": "p", "solution_id": "s2", "code": FROM_ZERO}])
    ).to_pylist()
    assert [row["program"] for row in shown] == ["s2"]
    assert shown[0]["code"] == FROM_ZERO
    assert shown[0]["expected"].startswith("-")


def files(folder: Path, problems: int) -> list[str]:
    """Write inputs of the command and return its arguments."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = [f"p{number}" for number in range(problems)]
    rows: dict[str, list[dict[str, Any]]] = {
        "problems": [{"problem_id": name, "statement": f"{STATEMENT} {name}"} for name in ids],
        "tests": [
            dict(zip(("test_id", "kind", "input", "expected"), test, strict=True), problem_id=name)
            for name in ids
            for test in TESTS
        ],
        "solutions": [
            {"problem_id": name, "solution_id": f"s{number}", "language": "python", "code": code, "is_correct": right}
            for name in ids
            for number, (code, right) in enumerate([(LARGEST, True), (LARGEST_SLOWLY, True), (FROM_ZERO, False)])
        ],
    }
    for name, listed in rows.items():
        pq.write_table(pa.Table.from_pylist(listed), folder / f"{name}.parquet")
    given = [argument for name in rows for argument in (f"--{name}", str(folder / f"{name}.parquet"))]
    return ["generate-tests", *given, "--inputs-per-way", "4", "--mutants", "2", "--workers", "0"]


def test_the_command_writes_a_table_of_tests(tmp_path: Path) -> None:
    """Files in, a file of tests out, with the account as JSON."""
    out = tmp_path / "out"
    done = CliRunner().invoke(build_app(), [*files(tmp_path, 1), "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    rows = pq.read_table(out / "generated_tests.parquet").to_pylist()
    account = json.loads(done.stdout[done.stdout.index("{") :])
    assert len(rows) == account["kept"] > 0


@pytest.mark.slow
def test_a_killed_run_makes_nothing_twice(tmp_path: Path) -> None:
    """After kill -9 the next run takes what was finished, and ends with the same rows."""
    arguments = files(tmp_path, 12)
    whole = CliRunner().invoke(build_app(), [*arguments, "--out", str(tmp_path / "whole"), "--json"])
    assert whole.exit_code == 0, whole.output
    command = [sys.executable, "-m", "ocr_pipeline", *arguments, "--out", str(tmp_path / "out"), "--json"]
    if not (Path(__file__).parents[2] / "ocr_pipeline" / "__main__.py").exists():
        command[1:3] = ["-c", "from ocr_pipeline.cli import main; main()"]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stderr is not None
        while line := process.stderr.readline():
            if b" 4 problems" in line or b" 5 problems" in line:
                break
        os.killpg(process.pid, signal.SIGKILL)
    again = CliRunner().invoke(build_app(), [*arguments, "--out", str(tmp_path / "out"), "--json"])
    assert again.exit_code == 0, again.output
    account = json.loads(again.stdout[again.stdout.index("{") :])
    assert account["notes"]["problems reused"] >= 1
    rows = [pq.read_table(tmp_path / name / "generated_tests.parquet").to_pylist() for name in ("whole", "out")]
    assert rows[0] == rows[1]


def asked_again(
    once: Made, problems: list[str], programs: list[dict[str, Any]], *, expected: str | None = None
) -> list[str]:
    """Ask about the first problem with made tests; another expected output spoils all of these."""
    made_rows = [row if expected is None else {**row, "expected": expected} for row in once[0]]
    known = [dict(zip(("test_id", "kind", "input", "expected"), test, strict=True), problem_id="p") for test in TESTS]
    batches = [pa.record_batch({"problem_id": [problem_id]}) for problem_id in problems]
    return list(
        refused_right_programs(
            batches, source(known), source(made_rows), source(programs), config=JudgeConfig(), most=1
        )
    )


RIGHT = {"problem_id": "p", "solution_id": "s0", "language": "python", "code": LARGEST, "is_correct": True}


def test_a_made_test_that_refuses_a_right_program_is_found(once: Made) -> None:
    """A spoiled expected output shows, and an honest table shows nothing."""
    assert asked_again(once, ["p"], [RIGHT]) == []
    (line,) = asked_again(once, ["p"], [RIGHT], expected="99\n")
    assert "refuses s0 (wrong_answer)" in line


def test_a_data_set_without_problems_has_nothing_to_ask(once: Made) -> None:
    """Where no problem is left there is no batch at all."""
    assert asked_again(once, [], [RIGHT]) == []


def test_problems_without_made_tests_are_not_those_that_are_asked_about(once: Made) -> None:
    """The first problem that has made tests may stand in a later batch."""
    assert len(asked_again(once, ["a", "b", "p"], [RIGHT], expected="99\n")) == 1


def test_right_programs_that_made_no_test_are_asked_too(once: Made) -> None:
    """Tests were chosen so that the twelve shortest pass: of the others some are drawn, always the same."""
    longer = [{**RIGHT, "solution_id": f"t{number:02}", "code": LARGEST + "#" * number} for number in range(1, 30)]
    lines = asked_again(once, ["p"], [RIGHT, *longer], expected="99\n")
    refused = {line.split(" refuses ")[1].split()[0] for line in lines}
    shortest = {"s0", *(f"t{number:02}" for number in range(1, 12))}
    assert shortest < refused
    assert len(refused - shortest) == 6
    assert asked_again(once, ["p"], [*reversed(longer), RIGHT], expected="99\n") == lines


def test_a_large_first_known_test_does_not_hide_the_others(tmp_path: Path) -> None:
    """Programs are still tried on the small ones: one that fails them agrees with nobody."""
    large = ("0", "example", "1\n7\n" + " " * 300_000, "7\n")
    _, counts = made(
        tmp_path, tests=[large, *TESTS], programs=[("print(7)", True), (LARGEST, True), (LARGEST_SLOWLY, True)]
    )
    assert counts.notes["right programs that fail known tests"] == 1


def test_a_problem_that_stands_twice_is_made_once_and_counted(tmp_path: Path) -> None:
    """The second of one id is left alone, and the work of the others is not lost."""
    arguments = files(tmp_path, 2)
    problems = tmp_path / "problems.parquet"
    rows = pq.read_table(problems).to_pylist()
    pq.write_table(pa.Table.from_pylist([*rows, rows[0]]), problems)
    done = CliRunner().invoke(build_app(), [*arguments, "--out", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 0, done.output
    account = json.loads(done.stdout[done.stdout.index("{") :])
    assert account["notes"]["problems left alone: duplicate_problem"] == 1
    tests = pq.read_table(tmp_path / "out" / "generated_tests.parquet").select(["problem_id", "test_id"]).to_pylist()
    assert {row["problem_id"] for row in tests} == {"p0", "p1"}
    assert len({tuple(row.values()) for row in tests}) == len(tests)


def test_solutions_may_be_called_programs(tmp_path: Path) -> None:
    """A file with ``program_id`` is taken as one with ``solution_id``, as ``test-quality`` does."""
    arguments = files(tmp_path, 1)
    solutions = tmp_path / "solutions.parquet"
    renamed = pq.read_table(solutions).rename_columns({"solution_id": "program_id"})
    pq.write_table(renamed, solutions)
    done = CliRunner().invoke(build_app(), [*arguments, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    tests = pq.read_table(tmp_path / "out" / "generated_tests.parquet").to_pylist()
    assert any("s2" in row["catches"] for row in tests)


def test_a_problem_whose_right_programs_fail_on_most_inputs_is_left_alone(tmp_path: Path) -> None:
    """The grammar was misread, so that the few inputs on which they agree are not valid either."""
    picky = "input()\na = list(map(int, input().split()))\nassert a[0] in (1, 7)\n"
    programs = [(picky + "print(max(a))\n", True), (picky + "print(sorted(a)[-1])\n", True)]
    rows, counts = made(tmp_path, programs=programs)
    assert not rows
    assert counts.notes["problems left alone: misread"] == 1
    assert counts.dropped["right_fails"] > counts.rows_in / 2
