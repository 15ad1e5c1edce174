"""pass@k: exact, unbiased, and honest about what was not judged."""

from __future__ import annotations

import itertools
import json
import math
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline import cli
from ocr_pipeline.errors import InputError
from ocr_pipeline.student import paired_difference, pass_at_k, summarize
from ocr_pipeline.tables import STUDENT_EVALUATION

Run = Callable[..., tuple[int, str]]


def evaluation(scores: dict[str, tuple[int, int]], *, not_run: int = 0) -> pa.Table:
    """Build rows of one student: problem -> (judged, correct)."""
    rows = [
        {
            "student": "s",
            "benchmark": "b",
            "problem_id": problem,
            "method": "direct",
            "n": n,
            "correct": c,
            "not_run": not_run,
        }
        for problem, (n, c) in scores.items()
    ]
    return pa.Table.from_pylist(rows, schema=STUDENT_EVALUATION.schema)


def reference(n: int, c: int, k: int) -> float:
    """Compute the estimator by the published product form."""
    return 1.0 if n - c < k else 1.0 - math.prod(1.0 - k / i for i in range(n - c + 1, n + 1))


counts = st.integers(1, 8).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n)))


@given(counts)
def test_equals_exhaustive_enumeration(case: tuple[int, int, int]) -> None:
    """It is the share of all k-subsets of n samples that hold a correct one."""
    n, c, k = case
    subsets = list(itertools.combinations(range(n), k))
    hits = sum(any(index < c for index in subset) for subset in subsets)
    assert pass_at_k(n, c, k) == Fraction(hits, len(subsets))


@pytest.mark.parametrize(
    ("n", "c", "k"),
    [(200, 0, 1), (200, 13, 1), (200, 13, 10), (200, 13, 100), (200, 199, 100), (100, 1, 100), (5, 2, 3), (10, 10, 10)],
)
def test_equals_the_humaneval_product_form(n: int, c: int, k: int) -> None:
    """It equals the numerically stable product that the HumanEval harness computes."""
    assert float(pass_at_k(n, c, k)) == pytest.approx(reference(n, c, k), rel=1e-12, abs=1e-15)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_pass_at_1_is_the_share_of_correct_samples(case: tuple[int, int]) -> None:
    """For k = 1 it is c / n, exactly."""
    n, c = case
    assert pass_at_k(n, c, 1) == Fraction(c, n)


@pytest.mark.parametrize(("n", "c", "k"), [(4, 1, 5), (0, 0, 1), (3, 4, 1), (3, -1, 1), (3, 1, 0)])
def test_refuses_what_has_no_unbiased_estimate(n: int, c: int, k: int) -> None:
    """Fewer samples than k, or impossible counts, are an input error that names the numbers."""
    with pytest.raises(InputError, match=r"\d"):
        pass_at_k(n, c, k)


def test_the_standard_error_has_the_problem_as_its_unit() -> None:
    """Many samples of few problems do not shrink it: it is the deviation over problems by the root of their number."""
    scores = {"a": (1000, 1000), "b": (1000, 0), "c": (1000, 500)}
    [row] = summarize(evaluation(scores), [1]).to_pylist()
    assert row["pass_at_k"] == pytest.approx(0.5)
    assert row["standard_error"] == pytest.approx(0.5 / math.sqrt(3))


def test_a_single_problem_has_no_standard_error() -> None:
    """With one problem the error is unknown, not 0."""
    [row] = summarize(evaluation({"a": (4, 2)}), [1]).to_pylist()
    assert row["standard_error"] is None


def test_unscored_is_not_zero() -> None:
    """A problem without enough judged samples is left out and counted, it does not pull the mean down."""
    [row] = summarize(evaluation({"a": (2, 2), "b": (0, 0)}, not_run=2), [1]).to_pylist()
    assert (row["pass_at_k"], row["n_problems"], row["n_unscored"]) == (1.0, 1, 1)


def test_k_beyond_every_problem_is_refused() -> None:
    """When no problem has k judged samples there is no estimate, and the message says how many there are."""
    with pytest.raises(InputError, match="no problem has more than 3"):
        summarize(evaluation({"a": (3, 1), "b": (2, 1)}), [1, 5])


@given(st.dictionaries(st.text("abcdef", min_size=1), st.integers(0, 6).map(lambda c: (6, c)), min_size=1))
def test_the_order_of_problems_does_not_matter(scores: dict[str, tuple[int, int]]) -> None:
    """The same rows in another order give the same bytes."""
    backwards = dict(reversed(list(scores.items())))
    assert summarize(evaluation(scores), [1, 3]).equals(summarize(evaluation(backwards), [3, 1]))


def test_paired_difference_pairs_by_problem() -> None:
    """Two students that differ by the same amount everywhere differ without error, whatever the problems' spread."""
    left = evaluation({"a": (4, 4), "b": (4, 2), "c": (4, 1), "only left": (4, 4)})
    right = evaluation({"a": (4, 3), "b": (4, 1), "c": (4, 0)})
    result = paired_difference(left, right, 1)
    assert (result.difference, result.standard_error) == (0.25, 0.0)
    assert (result.n_problems, result.n_left_better, result.n_right_better, result.n_unpaired) == (3, 3, 0, 1)


def test_paired_difference_needs_shared_problems() -> None:
    """Students scored on different problems cannot be compared."""
    with pytest.raises(InputError, match="share no problem"):
        paired_difference(evaluation({"a": (1, 1)}), evaluation({"b": (1, 1)}), 1)


def executions(path: Path, rows: list[tuple[str, str, str]], language: str = "python") -> Path:
    """Write judged samples as JSONL: (sample, problem, verdict)."""
    lines = [
        json.dumps({"sample_id": sample, "problem_id": problem, "language": language, "verdict": verdict})
        for sample, problem, verdict in rows
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Return a function that runs the command line and gives its exit code and what it printed."""

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["ocr-pipeline", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out if not ended.value.code else printed.err

    return run


def test_evaluate_writes_both_tables(run: Run, tmp_path: Path) -> None:
    """The command counts per problem, keeps what was not run apart, and writes both tables."""
    rows = [("1", "p", "accepted"), ("2", "p", "wrong_answer"), ("3", "p", "not_run"), ("4", "q", "not_run")]
    code, printed = run("evaluate", executions(tmp_path / "e.jsonl", rows), "--k", "1,2", "--out", tmp_path, "--json")
    assert code == 0
    assert json.loads(printed)["dropped"] == {"not_run": 2}
    per_problem = pq.read_table(tmp_path / "student_evaluation.parquet").to_pylist()
    assert [(row["problem_id"], row["n"], row["correct"], row["not_run"]) for row in per_problem] == [
        ("p", 2, 1, 1),
        ("q", 0, 0, 1),
    ]
    summary = pq.read_table(tmp_path / "evaluation_summary.parquet").to_pylist()
    assert [(row["k"], row["pass_at_k"], row["n_problems"], row["n_unscored"]) for row in summary] == [
        (1, 0.5, 1, 1),
        (2, 1.0, 1, 1),
    ]


def test_evaluate_enforces_n_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    """A k that no problem can answer fails with one line and leaves no files."""
    file = executions(tmp_path / "e.jsonl", [("1", "p", "accepted")])
    code, message = run("evaluate", file, "--k", "1,10", "--out", tmp_path / "out")
    assert code == 1
    assert "pass@10" in message
    assert not list((tmp_path / "out").glob("*"))


def test_evaluate_counts_a_sample_once(run: Run, tmp_path: Path) -> None:
    """The same file given twice does not double the samples."""
    file = executions(tmp_path / "e.jsonl", [("1", "p", "accepted"), ("2", "p", "time_limit")])
    code, printed = run("evaluate", file, file, "--k", "1", "--out", tmp_path, "--json")
    assert code == 0
    assert json.loads(printed)["dropped"] == {"duplicate_sample": 2}


def test_evaluate_keeps_languages_apart(run: Run, tmp_path: Path) -> None:
    """Samples in two languages are two benchmarks, not one mixture."""
    python = executions(tmp_path / "python.jsonl", [("1", "p", "accepted")])
    cpp = executions(tmp_path / "cpp.jsonl", [("2", "p", "wrong_answer")], language="cpp")
    assert run("evaluate", python, cpp, "--k", "1", "--out", tmp_path)[0] == 0
    summary = pq.read_table(tmp_path / "evaluation_summary.parquet").to_pylist()
    assert [(row["benchmark"], row["pass_at_k"]) for row in summary] == [
        ("benchmark/cpp", 0.0),
        ("benchmark/python", 1.0),
    ]


@pytest.mark.parametrize("verdict", ["passed", ""])
def test_evaluate_refuses_an_unknown_verdict(run: Run, tmp_path: Path, verdict: str) -> None:
    """A word that is no verdict is not silently counted as wrong."""
    code, message = run(
        "evaluate", executions(tmp_path / "e.jsonl", [("1", "p", verdict)]), "--k", "1", "--out", tmp_path
    )
    assert code == 1
    assert "known verdicts" in message


@pytest.mark.parametrize("ks", ["0", "1,,2", "one", "-1", ""])
def test_evaluate_refuses_a_bad_list_of_k(run: Run, tmp_path: Path, ks: str) -> None:
    """Wrong usage exits with 2."""
    file = executions(tmp_path / "e.jsonl", [("1", "p", "accepted")])
    assert run("evaluate", file, f"--k={ks}", "--out", tmp_path)[0] == 2


def test_evaluate_windows_by_contest_date(run: Run, tmp_path: Path) -> None:
    """Only problems of contests inside the window count, both ends included; one without samples is unscored."""
    dates = {
        "old": "2024-07-31",
        "first": "2024-08-01",
        "last": "2025-02-01",
        "unsampled": "2024-12-01",
        "undated": None,
    }
    problems = pa.table(
        {
            "problem_id": list(dates),
            "contest_date": pa.array(list(dates.values())).cast(pa.date32()),
        }
    )
    pq.write_table(problems, tmp_path / "problems.parquet")
    rows = [
        ("1", "old", "wrong_answer"),
        ("2", "first", "accepted"),
        ("3", "last", "accepted"),
        ("4", "undated", "accepted"),
    ]
    file = executions(tmp_path / "e.jsonl", rows)
    window = ["--problems", tmp_path / "problems.parquet", "--since", "2024-08-01", "--until", "2025-02-01"]
    code, printed = run("evaluate", file, "--k", "1", "--out", tmp_path, "--json", *window)
    assert code == 0
    assert json.loads(printed)["dropped"] == {"outside_benchmark": 2}
    [row] = pq.read_table(tmp_path / "evaluation_summary.parquet").to_pylist()
    assert (row["pass_at_k"], row["n_problems"], row["n_unscored"]) == (1.0, 2, 1)


@pytest.mark.parametrize(("right", "n"), [(True, 5), (False, 5), (True, 500)])
def test_all_alike_is_not_certain(*, right: bool, n: int) -> None:
    """The interval around 1.000 or 0.000 is Wilson's: it narrows with the number of problems, and is never empty."""
    record = {"student": "s", "benchmark": "b", "method": "direct", "not_run": 0, "reasoning_tokens_mean": None}
    rows = [record | {"problem_id": f"p{i}", "n": 2, "correct": 2 * right} for i in range(n)]
    [row] = summarize(pa.Table.from_pylist(rows, schema=STUDENT_EVALUATION.schema), [1]).to_pylist()
    assert row["pass_at_k"] == float(right)
    assert 1.96 * row["standard_error"] == pytest.approx(1.96**2 / (n + 1.96**2), rel=1e-3)
