"""Reference solutions are asked about the tests first; what they fail is never held against a sample."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from ocr_pipeline.cli import build_app
from ocr_pipeline.judge import JudgeConfig, TrustConfig, check_tests, judge
from ocr_pipeline.judge.trust import decide
from ocr_pipeline.tables import EXECUTIONS, TEST_TRUST
from tests.kept import Rows

SUM = "print(sum(map(int, input().split())))"
OTHER = "a, b = map(int, input().split())\nprint(b + a)"
PROBLEMS = pa.table({"problem_id": ["good", "one_bad", "all_bad", "any_answer", "no_solution", "outdated"]})
CASES = {
    "good": [("1 2", "3"), ("3 4", "7")],
    "one_bad": [("1 2", "3"), ("3 4", "8"), ("5 6", "11")],
    "all_bad": [("1 2", "4"), ("3 4", "8")],
    "any_answer": [("5", "5"), ("6", "6"), ("7", "1")],
    "no_solution": [("1 2", "3")],
    "outdated": [("1 2", "3")],
}
SOLUTIONS = [
    ("good", "python", SUM, True),
    ("good", "python", "print(0)", False),
    ("one_bad", "python", SUM, True),
    ("one_bad", "python", OTHER, True),
    ("all_bad", "python", SUM, True),
    ("any_answer", "python", "n = input()\nprint(n if n != '7' else 1)", True),
    ("any_answer", "python", "print(input())", True),
    ("no_solution", "python", SUM, False),
    ("no_solution", "java", "class A {}", True),
    ("outdated", "python", "print 3", True),
]


def all_cases() -> pa.Table:
    """Return the tests of all problems."""
    rows = [
        {"problem_id": problem, "test_id": f"{number:06}", "input": text, "expected": expected}
        for problem, cases in CASES.items()
        for number, (text, expected) in enumerate(cases)
    ]
    return pa.Table.from_pylist(rows)


def solutions_table(rows: list[tuple[str, str, str, bool]]) -> pa.Table:
    """Return solutions of problem, language, code and whether they are right."""
    names = ("problem_id", "language", "code", "is_correct")
    return pa.Table.from_pylist(
        [{**dict(zip(names, row, strict=True)), "solution_id": f"{number:06}"} for number, row in enumerate(rows)]
    )


def all_tests(_: Collection[str]) -> list[pa.RecordBatch]:
    """Give all tests, whatever is asked for."""
    return all_cases().to_batches()


def checked(
    solutions: list[tuple[str, str, str, bool]], *, per_language: int = 3, checkpoint: Path | None = None
) -> tuple[list[dict[str, Any]], Any]:
    """Check the tests of all problems."""
    rows, table = Rows(TEST_TRUST.schema), solutions_table(solutions)
    counts = check_tests(
        PROBLEMS.to_batches, all_tests, lambda _: table.to_batches(),
        config=TrustConfig(solutions_per_language=per_language), writer=rows, checkpoint=checkpoint,
    )  # fmt: skip
    return rows.rows, counts


def test_each_problem_and_each_flagged_test_has_a_row() -> None:
    """In the problems' order; wrong solutions and other languages do not count."""
    rows, counts = checked(SOLUTIONS)
    found = [(row["problem_id"], row["test_id"], row["flag"], row["n_solutions_run"], row["n_passed"]) for row in rows]
    assert found == [
        ("good", None, "trusted", 1, 1),
        ("one_bad", None, "tests_flagged", 2, 2),
        ("one_bad", "000001", "no_solution_passes", 2, 0),
        ("all_bad", None, "no_solution_passes", 1, 0),
        ("any_answer", None, "tests_flagged", 2, 2),
        ("any_answer", "000002", "rejects_solutions", 2, 1),
        ("no_solution", None, "unchecked", 0, 0),
        ("outdated", None, "unchecked", 0, 0),
    ]
    assert (counts.rows_in, counts.kept, counts.dropped) == (6, 5, {"no_solution_passes": 1})
    assert counts.notes["tests flagged"] == 2
    assert counts.notes["solutions run"] == 6


def test_samples_get_no_false_verdict() -> None:
    """Flagged tests are left out, a useless problem's samples are not run, unchecked problems are judged as they are."""
    trust, _ = checked(SOLUTIONS)
    samples = [("one_bad", OTHER), ("all_bad", SUM), ("any_answer", "print(input())"), ("no_solution", SUM),
               ("good", "print(3)")]  # fmt: skip
    table = pa.table(
        {
            "sample_id": [f"s{number}" for number in range(len(samples))],
            "problem_id": [problem for problem, _ in samples],
            "language": ["python"] * len(samples),
            "code": pa.array([code for _, code in samples], pa.large_string()),
        }
    )
    rows = Rows(EXECUTIONS.schema)
    counts = judge(
        PROBLEMS.to_batches(), all_tests, table.to_batches(), config=JudgeConfig(), writer=rows,
        trust=pa.Table.from_pylist(trust, schema=TEST_TRUST.schema).to_batches(),
    )  # fmt: skip
    found = [(row["verdict"], row["tests_total"], row["tests_untrusted"], row["pass_rate"]) for row in rows.rows]
    assert found == [
        ("accepted", 2, 1, 1.0),
        ("not_run", 0, 0, None),
        ("accepted", 2, 1, 1.0),
        ("accepted", 1, None, 1.0),
        ("wrong_answer", 2, 0, 0.5),
    ]
    assert "no reference solution passes its tests: 1 run" in rows.rows[1]["detail"]
    assert counts.dropped == {"untrusted_tests": 1}
    assert counts.notes["samples of problems with untrusted tests"] == 2


def test_only_the_first_solutions_of_a_language_are_run() -> None:
    """The bound holds per problem and language."""
    many = [("good", "python", f"{SUM}\n# {number}", True) for number in range(9)]
    assert checked(many, per_language=2)[1].notes["solutions run"] == 2


def test_a_second_check_runs_nothing_again(tmp_path: Path) -> None:
    """Results of solutions are kept like those of samples."""
    first, _ = checked(SOLUTIONS, checkpoint=tmp_path)
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patched:
        patched.setattr("ocr_pipeline.judge.tasks.judge_candidate", None)
        assert checked(SOLUTIONS, checkpoint=tmp_path)[0] == first


VERDICTS = st.sampled_from(["accepted", "wrong_answer", "runtime_error", "time_limit"])


@given(st.integers(1, 6).flatmap(lambda n: st.lists(st.lists(VERDICTS, min_size=n, max_size=n), max_size=5)))
def test_no_credible_solution_gives_a_wrong_answer_to_a_trusted_test(outcomes: list[list[str]]) -> None:
    """Whatever the solutions did: what is left is passed by one and wrong for none, or nothing is left."""
    ran = [
        {"verdict": verdicts[0], "tests_total": len(verdicts),
         "results": [{"test_id": str(number), "verdict": verdict} for number, verdict in enumerate(verdicts)]}
        for verdicts in outcomes
    ]  # fmt: skip
    problem, *flagged = decide("p", ran)
    left_out = {row["test_id"] for row in flagged}
    credible = [verdicts for verdicts in outcomes if 2 * verdicts.count("accepted") >= len(verdicts)]
    if problem["flag"] in {"unchecked", "no_solution_passes"}:
        assert not outcomes or not credible or len(left_out) == len(outcomes[0])
        return
    assert problem["flag"] == ("tests_flagged" if flagged else "trusted")
    for column, verdicts in enumerate(zip(*credible, strict=True)):
        trusted = "accepted" in verdicts and "wrong_answer" not in verdicts
        assert trusted is (str(column) not in left_out)


def test_the_command_asks_solutions_first(tmp_path: Path) -> None:
    """``--solutions`` writes ``test_trust`` beside the executions, which leave the flagged tests out."""
    app = build_app(["judge"])
    pq.write_table(PROBLEMS, tmp_path / "problems.parquet")
    pq.write_table(all_cases(), tmp_path / "tests.parquet")
    pq.write_table(solutions_table(SOLUTIONS), tmp_path / "solutions.parquet")
    sample = {"sample_id": "s", "problem_id": "one_bad", "language": "python", "code": SUM}
    pq.write_table(pa.Table.from_pylist([sample]), tmp_path / "samples.parquet")
    names = ("problems", "tests", "samples", "solutions")
    arguments = [part for name in names for part in (f"--{name}", str(tmp_path / f"{name}.parquet"))]
    result = CliRunner().invoke(app, ["judge", *arguments, "--out", str(tmp_path), "--json", "--workers", "0"])
    assert result.exit_code == 0, result.output
    row = pq.read_table(tmp_path / "executions.parquet").to_pylist()[0]
    assert (row["verdict"], row["tests_total"], row["tests_untrusted"]) == ("accepted", 2, 1)
    assert pq.read_table(tmp_path / "test_trust.parquet").num_rows == 8
