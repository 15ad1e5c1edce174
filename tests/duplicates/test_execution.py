"""Pairs that running programs decides, with the real judge on our own small problems."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ocr_pipeline.cli import build_app
from ocr_pipeline.duplicates import DuplicateConfig, Execution, compare_problems
from ocr_pipeline.duplicates.execution import run_on_each_other
from ocr_pipeline.errors import JudgeError
from ocr_pipeline.judge import JudgeConfig, lending
from ocr_pipeline.judge.lending import judge_of_pairs, lend_judge
from ocr_pipeline.similarity import Reviews
from ocr_pipeline.tables import EXECUTIONS
from tests.similarity.stub import WordEncoder, problems

STORY = "a miller sells flour to every village along the old river and wants the cheapest tour"
NUMBERS = ([71, 15, 52], [100, 31, 20], [44, 18, 26], [19, 12, 31], [23, 77, 60])
OTHER_NUMBERS = ([61, 90, 22], [55, 14, 33], [28, 28, 70], [33, 17, 19], [25, 46, 50])
MOST = "print(max(map(int, input().split())))"
MOST_TOO = "a = sorted(map(int, input().split()))\nprint(a[-1])"
LEAST = "print(min(map(int, input().split())))"
FIRST_BIG = "a = list(map(int, input().split()))\nprint(max(a) if a[0] < 50 else a[0] - 1)"
LINES = "n = int(input())\nprint(max(int(input()) for _ in range(n)))"


def answer(code: str, numbers: Sequence[int]) -> str:
    """Return what a program says of some numbers."""
    ordered = sorted(numbers)
    return str(ordered[-1] if "max" in code or "[-1]" in code else ordered[0])


def rows(code: str, problem_id: str, inputs: Sequence[Sequence[int]], layout: str = " ") -> list[dict[str, str]]:
    """Return the tests of a problem that asks for what the code prints."""
    return [
        {"problem_id": problem_id, "test_id": str(n), "kind": "private", "input": layout.join(map(str, one)), "expected": answer(code, one)}
        for n, one in enumerate(inputs)
    ]  # fmt: skip


def execution(tests: Sequence[dict[str, str]], programs: Sequence[tuple[str, str]], folder: Path) -> Execution:
    """Return the real judge with tests and correct solutions of problems that read standard input."""
    ids = sorted({one["problem_id"] for one in tests})
    judged = pa.table({"problem_id": ids, "io_mode": ["stdin"] * len(ids)})
    solutions = pa.Table.from_pylist(
        [{"problem_id": one, "language": "python", "code": code, "is_correct": True} for one, code in programs]
    )

    def given(_: Collection[str]) -> Iterable[pa.RecordBatch]:
        return pa.Table.from_pylist(list(tests)).to_batches()

    judge = lend_judge(judge_of_pairs(JudgeConfig(workers=0)), folder)
    if judge is None:
        pytest.skip("no sandbox works here")
    return Execution(judge, judged.to_batches, given, lambda _: solutions.to_batches())


@pytest.mark.parametrize(
    ("left", "right", "is_same"),
    [
        ([MOST], [MOST_TOO], True),
        ([MOST], [LEAST], None),
        ([FIRST_BIG, MOST], [MOST_TOO], True),
        ([MOST], [LINES], None),
    ],
    ids=["one problem", "other answers to every input", "a wrong solution among correct ones", "another form of input"],
)  # fmt: skip
def test_solutions_are_run_on_the_other_problems_tests(
    left: list[str], right: list[str], is_same: bool | None, tmp_path: Path  # noqa: FBT001 - what is expected
) -> None:  # fmt: skip
    """Both ways all right: one problem. What passes no test at all may only read another form of input."""
    layout = "\n" if right == [LINES] else " "
    others = [[3, *one] for one in OTHER_NUMBERS] if right == [LINES] else OTHER_NUMBERS
    tests = rows(left[-1], "x", NUMBERS) + rows(right[0], "y", others, layout)
    programs = [("x", one) for one in left] + [("y", one) for one in right]
    assert run_on_each_other(execution(tests, programs, tmp_path), {5: [["x"], ["y"]]}, most=9) == {5: is_same}


def test_programs_that_answer_some_tests_wrongly_tell_two_problems(tmp_path: Path) -> None:
    """Maximum and minimum agree where all numbers are equal, so the input is read, and disagree elsewhere."""
    tests = rows(MOST, "x", [[4, 4], *NUMBERS]) + rows(LEAST, "y", [[4, 4], *OTHER_NUMBERS])
    programs = [("x", MOST), ("y", LEAST)]
    assert run_on_each_other(execution(tests, programs, tmp_path), {0: [["x"], ["y"]]}, most=9) == {0: False}


def test_three_tests_with_long_outputs_are_enough(tmp_path: Path) -> None:
    """What the outputs tell and how many tests there are is counted apart."""
    code = "print(max(map(int, input().split())) * 10**40)"
    tests = [one | {"expected": one["expected"] + "0" * 40} for name in "xy" for one in rows(MOST, name, NUMBERS[:3])]
    programs = [(name, code) for name in "xy"]
    assert run_on_each_other(execution(tests, programs, tmp_path), {0: [["x"], ["y"]]}, most=9) == {0: True}


def test_tests_that_tell_little_are_not_run(tmp_path: Path) -> None:
    """Passing five questions of yes or no is luck."""
    tests = [
        {"problem_id": one, "test_id": str(n), "kind": "private", "input": str(n), "expected": "YES"}
        for one in ("x", "y")
        for n in range(5)
    ]
    programs = [("x", 'print("YES")'), ("y", 'print("yes".upper())')]
    assert run_on_each_other(execution(tests, programs, tmp_path), {0: [["x"], ["y"]]}, most=9) == {}


def test_the_budget_is_in_pairs_and_the_first_are_run(tmp_path: Path) -> None:
    """Of three pairs two are run; with a budget of none, none."""
    tests = [row for one in "abc" for row in rows(MOST, one, NUMBERS)]
    given = execution(tests, [(one, MOST) for one in "abc"], tmp_path)
    pairs = {7: [["a"], ["b"]], 3: [["b"], ["c"]], 5: [["a"], ["c"]]}
    assert set(run_on_each_other(given, pairs, most=2)) == {7, 3}
    assert run_on_each_other(given, pairs, most=0) == {}


def test_results_are_kept_for_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second run of a pair takes its verdicts from the folder and starts no program."""
    tests = rows(MOST, "x", NUMBERS) + rows(MOST_TOO, "y", OTHER_NUMBERS)
    given = execution(tests, [("x", MOST), ("y", MOST_TOO)], tmp_path)
    assert run_on_each_other(given, {0: [["x"], ["y"]]}, most=9) == {0: True}
    monkeypatch.setattr("ocr_pipeline.judge.step.judge_task", lambda *_: pytest.fail("a program was run again"))
    assert run_on_each_other(given, {0: [["x"], ["y"]]}, most=9) == {0: True}


def test_without_a_sandbox_nothing_is_lent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Solutions of strangers are never run unprotected by default."""

    def refuse(_: str) -> None:
        message = "no sandbox works here"
        raise JudgeError(message)

    monkeypatch.setattr(lending, "choose_plan", refuse)
    assert lend_judge(JudgeConfig(), tmp_path) is None


def test_running_decides_what_rules_leave_open() -> None:
    """Its tier is in the table, and the pairs that were run are counted; several right answers make a failure no evidence."""

    def judge(*parts: Any) -> pa.Table:
        samples = [row for batch in parts[2] for row in batch.to_pylist()]
        rest = {"tests_passed": 2, "tests_total": 5, "language": "python", "results": []}
        done = [one | rest | {"verdict": "wrong_answer"} for one in samples]
        empty = {field.name: None for field in EXECUTIONS.schema}
        return pa.Table.from_pylist([empty | one for one in done])

    def compared(**columns: list[object]) -> tuple[list[Any], dict[str, int]]:
        batches = problems(("x", STORY), ("y", f"{STORY} by boat"), **columns)
        tests = pa.Table.from_pylist(
            rows(MOST, "x", NUMBERS[:4]) + rows(LEAST, "y", [NUMBERS[4], *OTHER_NUMBERS[:3]])
        ).drop_columns("kind")
        lent = Execution(
            judge,
            lambda: batches,
            lambda _: tests.to_batches(),
            lambda _: pa.table({"problem_id": ["x", "y"], "language": ["python"] * 2, "code": ["1", "2"], "is_correct": [True] * 2}).to_batches(),
        )  # fmt: skip
        done = compare_problems(
            batches, tests=None, config=DuplicateConfig(), encoder=WordEncoder(), reviews=Reviews(), execution=lent
        )
        return done.pairs.select(["decision", "decided_by"]).to_pylist(), dict(done.notes)

    said, notes = compared()
    assert said == [{"decision": "distinct", "decided_by": "execution"}]
    assert notes == {"pairs_distinct_by_execution": 1, "pairs_run": 1}
    said, notes = compared(checker=["special", "tokens"])
    assert said == [{"decision": "undecided", "decided_by": None}]
    assert notes == {"pairs_run": 1, "pairs_undecided": 1}


def test_the_command_runs_solutions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Problems, tests and solutions as files: the same problem with other tests is found by running."""
    monkeypatch.setattr("ocr_pipeline.similarity.services.load_encoder", lambda *_, **__: WordEncoder())
    if lend_judge(JudgeConfig(), tmp_path / "probe") is None:
        pytest.skip("no sandbox works here")
    table = pa.table({"problem_id": ["x", "y"], "statement": [STORY, f"{STORY} by boat"], "io_mode": ["stdin"] * 2})
    pq.write_table(table, tmp_path / "problems.parquet")
    tests = rows(MOST, "x", NUMBERS) + [one | {"kind": "generated"} for one in rows(MOST, "y", OTHER_NUMBERS)]
    pq.write_table(pa.Table.from_pylist(tests), tmp_path / "tests.parquet")
    solutions = {
        "problem_id": ["x", "y"],
        "language": ["python"] * 2,
        "code": [MOST, MOST_TOO],
        "is_correct": [True] * 2,
    }
    pq.write_table(pa.table(solutions), tmp_path / "solutions.parquet")
    arguments = ["dedup", str(tmp_path / "problems.parquet"), "--out", str(tmp_path / "out")]
    files = [f"--{name}={tmp_path / name}.parquet" for name in ("tests", "solutions")]
    result = CliRunner().invoke(build_app(["dedup"]), [*arguments, *files, "--workers=0"])
    assert result.exit_code == 0, result.output
    (pair,) = pq.read_table(tmp_path / "out" / "duplicate_pairs.parquet").to_pylist()
    assert (pair["decision"], pair["decided_by"]) == ("duplicate", "execution")
