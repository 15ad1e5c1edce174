"""Exports for RL: exact shapes, only problems whose grader can be right, the tests that tell most."""

from __future__ import annotations

import importlib.util
import json
import sys
import types
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.errors import OptionError
from ocr_pipeline.exports.coverage import Case, choose
from ocr_pipeline.exports.options import RL_FORMATS
from ocr_pipeline.tables import CLEAN_PROBLEMS, PROBLEM_DIFFICULTY, TESTS
from tests.exports.tables import STATEMENT, cases_for, problem, put, put_problems, put_trust, run, sums
from tests.exports.test_conversations import read

FORMS = sorted(RL_FORMATS)


def test_verl(tmp_path: Path) -> None:
    """Turns, a rule with the tests as JSON, and what is beside them."""
    folder = put_problems(tmp_path, [problem("1", rating=1900)], cases_for("1", *sums(6)))
    run("export", folder, "--format", "verl", "--out", tmp_path / "out")
    (row,) = read(tmp_path / "out")
    assert list(row) == ["data_source", "prompt", "ability", "reward_model", "extra_info"]
    assert (row["data_source"], row["ability"], row["reward_model"]["style"]) == ("codecontests", "code", "rule")
    assert [turn["role"] for turn in row["prompt"]] == ["user"]
    assert STATEMENT in row["prompt"][0]["content"]
    truth = json.loads(row["reward_model"]["ground_truth"])
    assert truth == {"inputs": [one for one, _ in sums(6)], "outputs": [two for _, two in sums(6)]}
    assert (row["extra_info"]["index"], row["extra_info"]["split"], row["extra_info"]["difficulty"]) == (
        0,
        "train",
        "1900",
    )


CALLS = [(f'[[{number}, 2], "é"]', f"[{number},2]") for number in range(5)]


def called(name: str = "1", **values: Any) -> dict[str, Any]:
    """Return a problem that asks for a function."""
    return problem(name, io_mode="function", function_name="solve", starter_code="def solve(a, b):", **values)


def test_calls_are_one_json_value_a_line(tmp_path: Path) -> None:
    """As verl's graders read them; results are JSON as Python writes it."""
    folder = put_problems(tmp_path, [called()], cases_for("1", *CALLS))
    run("export", folder, "--format", "verl", "--out", tmp_path / "out")
    truth = json.loads(read(tmp_path / "out")[0]["reward_model"]["ground_truth"])
    assert truth["fn_name"] == "solve"
    assert truth["inputs"][1] == '[1, 2]\n"é"'
    assert truth["outputs"][1] == "[1, 2]"


def test_rllm(tmp_path: Path) -> None:
    """Two lists for CodeContests, a list of tests for Codeforces, and for functions, whose name two lists would lose."""
    problems = [problem("1"), problem("2", problem_id="codeforces/train/2", dataset="codeforces"), called("3")]
    tests = cases_for("1", *sums(5)) + cases_for("2", *sums(5)) + cases_for("3", *CALLS)
    for test in tests[5:10]:
        test["problem_id"] = "codeforces/train/2"
    run("export", put_problems(tmp_path, problems, tests), "--format", "rllm", "--out", tmp_path / "out")
    lists, tested, functions = read(tmp_path / "out")
    assert set(json.loads(lists["reward_model"]["ground_truth"])) == {"inputs", "outputs"}
    assert tested["data_source"] == "codeforces"
    first = json.loads(tested["reward_model"]["ground_truth"])[0]
    assert first == {"input": "0 1\n", "output": "1\n", "testtype": "stdin", "metadata": {"func_name": None}}
    first = json.loads(functions["reward_model"]["ground_truth"])[0]
    assert (first["testtype"], first["metadata"]) == ("functional", {"func_name": "solve"})
    assert functions["data_source"] == "livecodebench"


def test_nemo_gym(tmp_path: Path) -> None:
    """One line per problem: what the model is asked, and unit tests of texts."""
    folder = put_problems(tmp_path, [problem("1", difficulty="HARD")], cases_for("1", *sums(5)))
    run("export", folder, "--format", "nemo-gym", "--out", tmp_path / "out")
    (row,) = read(tmp_path / "out")
    assert [turn["role"] for turn in row["responses_create_params"]["input"]] == ["user"]
    tests = row["verifier_metadata"]["unit_tests"]
    assert (len(tests["inputs"]), len(tests["outputs"]), tests["fn_name"]) == (5, 5, None)
    assert row["verifier_metadata"]["difficulty"] == "HARD"
    assert {"hash_id", "dataset", "source"} <= set(row)


def test_prime_rl(tmp_path: Path) -> None:
    """Tasks and an environment package beside them, which holds every file that a package needs."""
    folder = put_problems(tmp_path, [problem("1")], cases_for("1", *sums(5)))
    run("export", folder, "--format", "prime-rl", "--out", tmp_path / "out")
    (row,) = pq.read_table(tmp_path / "out" / "rl_dataset.parquet").to_pylist()
    assert row["tests"][0] == {"input": "0 1\n", "expected": "1\n"}
    assert (row["task_id"], row["language"], row["weight"]) == ("code_contests/train/1", "python", 1.0)
    written = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert written >= {f"environment/{name}" for name in ("pyproject.toml", "ocr_problems/taskset.py")}


def test_the_environment_yields_the_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The template makes a task of each row, with all that the judge needs; its library is a stub of the same names."""
    folder = put_problems(tmp_path, [problem("1", time_limit_s=2.0)], cases_for("1", *sums(5)))
    run("export", folder, "--format", "prime-rl", "--out", tmp_path / "out")
    monkeypatch.setitem(sys.modules, "verifiers", types.ModuleType("verifiers"))
    monkeypatch.setitem(sys.modules, "verifiers.v1", stub_of_verifiers())
    place = tmp_path / "out" / "environment" / "ocr_problems" / "taskset.py"
    spec = importlib.util.spec_from_file_location("taskset", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    taskset = module.ProblemsTaskset()
    taskset.config = types.SimpleNamespace(
        rows=str(tmp_path / "out" / "rl_dataset.parquet"), judge_url="http://127.0.0.1:1", task=None
    )
    (task,) = taskset.load()
    assert task.key == "code_contests/train/1"
    assert task.data.problem == {"io_mode": "stdin", "checker": "tokens", "time_limit_s": 2.0}
    assert len(task.data.tests) == 5


def stub_of_verifiers() -> types.ModuleType:
    """Return a module with the names that the template uses."""

    class Data:
        def __init__(self, **values: Any) -> None:
            self.__dict__ |= values

    class Generic:
        def __class_getitem__(cls, _: object) -> type:
            return cls

    class Task(Generic):
        def __init__(self, data: Data, config: object) -> None:
            self.data, self.config = data, config

    stub = types.ModuleType("verifiers.v1")
    names = {"TaskData": Data, "Task": Task, "Taskset": Generic, "TasksetConfig": object, "Trace": object}
    stub.__dict__.update(names, reward=lambda function: function)
    return stub


UNFIT = {
    "interactive": {"io_mode": "interactive"},
    "files": {"io_mode": "file"},
    "no_checker": {"checker": "special"},
    "checker_not_carried": {"checker": "unordered"},
    "no_statement": {"statement": ""},
    "statement_may_not_be_handed_on": {"dataset": "taco", "problem_id": "taco/train/1"},
    "statement_is_withheld": {"statement": "-"},
    "function_without_name": {"io_mode": "function"},
    "unknown_io_mode": {"io_mode": "telepathy"},
    "no_tests": {"problem_id": "code_contests/train/other"},
}


@pytest.mark.parametrize("form", ["verl", "rllm", "nemo-gym"])
@pytest.mark.parametrize("reason", UNFIT)
def test_a_problem_that_cannot_be_graded_is_counted(form: str, reason: str, tmp_path: Path) -> None:
    """One rule, one reason."""
    folder = put_problems(tmp_path, [problem("1", **UNFIT[reason])], cases_for("1", *sums(5)))
    account = run("export", folder, "--format", form, "--out", tmp_path / "out")
    assert account["dropped"] == {reason: 1}


def test_a_problem_that_is_given_twice(tmp_path: Path) -> None:
    """Task keys are unique: the second one is counted."""
    folder = put_problems(tmp_path, [problem("1"), problem("1")], cases_for("1", *sums(5)))
    account = run("export", folder, "--format", "verl", "--out", tmp_path / "out")
    assert (account["kept"], account["dropped"]) == (1, {"repeated": 1})


def test_what_our_judge_knows_is_carried_to_it(tmp_path: Path) -> None:
    """Files, checkers and their programs go to prime-rl, whose environment asks our judge; interactive ones do not."""
    program = {"checker_code": "raise SystemExit(42)", "checker_language": "python", "checker_protocol": "kattis"}
    kinds = [
        {"io_mode": "file"},
        {"checker": "special", **program},
        {"checker": "unordered"},
        {"io_mode": "interactive"},
    ]
    problems = [problem(str(number), **kind) for number, kind in enumerate(kinds)]
    tests = [test for number in range(4) for test in cases_for(str(number), *sums(5))]
    account = run("export", put_problems(tmp_path, problems, tests), "--format", "prime-rl", "--out", tmp_path / "out")
    assert (account["kept"], account["dropped"]) == (3, {"interactive": 1})


def test_a_tolerance_is_not_for_every_grader(tmp_path: Path) -> None:
    """The graders of NeMo Gym and rllm would refuse right answers of a float problem; verl's has a tolerance."""
    folder = put_problems(tmp_path, [problem("1", checker="float")], cases_for("1", *sums(5)))
    assert run("export", folder, "--format", "verl", "--out", tmp_path / "out")["kept"] == 1
    for form in ("nemo-gym", "rllm"):
        account = run("export", folder, "--format", form, "--out", tmp_path / form)
        assert account["dropped"] == {"checker_not_carried": 1}
    known = run("export", folder, "--format", "nemo-gym", "--out", tmp_path / "out", "--no-strict-checkers")
    assert known["kept"] == 1


def test_untrusted_tests_are_left_out(tmp_path: Path) -> None:
    """Tests that reference solutions fail, and problems that none passes or nobody could check, each with its reason."""
    folder = put_problems(
        tmp_path,
        [problem(name) for name in ("flagged", "useless", "unchecked", "unknown")],
        [test for name in ("flagged", "useless", "unchecked", "unknown") for test in cases_for(name, *sums(6))],
    )
    put_trust(
        folder,
        ("flagged", None, "tests_flagged"),
        ("flagged", "000002", "rejects_solutions"),
        ("useless", None, "no_solution_passes"),
        ("unchecked", None, "unchecked"),
    )
    account = run("export", folder, "--format", "verl", "--out", tmp_path / "out")
    assert account["dropped"] == {"no_solution_passes_the_tests": 1, "tests_unchecked": 2}
    assert account["notes"] == {"tests left out: untrusted": 1}
    assert "2 1\n" not in json.loads(read(tmp_path / "out")[0]["reward_model"]["ground_truth"])["inputs"]
    kept = run("export", folder, "--format", "verl", "--out", tmp_path / "all", "--unchecked", "keep")
    assert kept["kept"] == 3


def test_too_few_tests(tmp_path: Path) -> None:
    """Repeated, contradicting and empty tests do not count."""
    cases = [*sums(4), ("0 1\n", "1\n"), ("9\n", "1"), ("9\n", "2"), ("8\n", ""), ("", " \n")]
    folder = put_problems(tmp_path, [problem("1")], cases_for("1", *cases))
    assert run("export", folder, "--format", "verl", "--out", tmp_path / "out")["dropped"] == {"too_few_tests": 1}
    account = run("export", folder, "--format", "verl", "--out", tmp_path / "out", "--min-tests", 4)
    assert account["notes"] == {"tests left out: repeated": 1, "tests left out: suspect": 4}


def test_huge_tests(tmp_path: Path) -> None:
    """A test over the cap is left out; a problem of which too few fit says that it was the cap."""
    huge = [("1" * 5_000, str(number)) for number in range(2)]
    cases = [(f"{text}{number}", expected) for number, (text, expected) in enumerate(huge)] + sums(5)
    folder = put_problems(tmp_path, [problem("1")], cases_for("1", *cases))
    account = run("export", folder, "--format", "verl", "--out", tmp_path / "out", "--test-bytes", 6_000)
    assert account["notes"] == {"tests left out: over_cap": 1}
    account = run("export", folder, "--format", "verl", "--out", tmp_path / "out", "--test-bytes", 20)
    assert account["dropped"] == {"tests_over_the_cap": 1}


def test_tests_that_are_no_calls(tmp_path: Path) -> None:
    """Programs of asserts cannot be put into inputs and outputs; our judge runs them."""
    asserts = [(f"assert solve({number}) == {number}", "1") for number in range(5)]
    folder = put_problems(tmp_path, [called()], cases_for("1", *asserts))
    account = run("export", folder, "--format", "verl", "--out", tmp_path / "out")
    assert account["dropped"] == {"tests_are_not_calls": 1}
    assert run("export", folder, "--format", "prime-rl", "--out", tmp_path / "own")["kept"] == 1


cases_of = st.lists(st.tuples(st.booleans(), st.integers(0, 3_000), st.text("ab", max_size=2)), max_size=40)


@given(cases_of, st.integers(1, 5_000), st.integers(1, 20))
def test_the_cap_costs_repetitions_first(given_cases: list[tuple[bool, int, str]], most_bytes: int, most: int) -> None:
    """The cap holds, nothing is lost, and a test of a new magnitude never gives way to a second one of a magnitude."""
    cases = [Case(f"{number:03}", example, "1" * size, out) for number, (example, size, out) in enumerate(given_cases)]
    left_out: Counter[str] = Counter()
    chosen = choose(cases, most_bytes=most_bytes, most=most, left_out=left_out)
    assert sum(case.n_bytes for case in chosen) <= most_bytes
    assert len(chosen) <= most
    assert len(chosen) + left_out.total() == len(cases)
    assert chosen == sorted(chosen, key=lambda case: case.test_id)


def test_examples_then_every_size() -> None:
    """Of many small tests and one of each larger size, a small number keeps the example and all sizes."""
    sizes = [*([4] * 50), 40, 400, 4_000]
    cases = [Case(f"{number:03}", number == 7, "1" * size, str(number)) for number, size in enumerate(sizes)]
    chosen = choose(cases, most_bytes=10_000, most=5, left_out=Counter())
    assert [len(case.input) for case in chosen if not case.is_example] == [4, 40, 400, 4_000]
    assert sum(case.is_example for case in chosen) == 1


def test_difficulty_is_beside_the_rows(tmp_path: Path) -> None:
    """Attempts of all models are pooled, or those of one are taken; the band has the weight of its pool."""
    folder = put_problems(tmp_path, [problem("1")], cases_for("1", *sums(5)))
    measured = [
        {"problem_id": "code_contests/train/1", "model": model, "language": "python", "n": 8, "accepted": accepted}
        for model, accepted in (("a", 8), ("b", 0))
    ]
    put(folder, PROBLEM_DIFFICULTY, measured)
    for options, expected in (((), (16, 0.5, "normal", 1.0)), (("--difficulty-model", "b"), (8, 0.0, "hard", 0.2))):
        run("export", folder, "--format", "verl", "--out", tmp_path / "out", *options)
        info = read(tmp_path / "out")[0]["extra_info"]
        assert (info["n_attempts"], info["pass_at_1"], info["band"], info["weight"]) == expected
    run("export", folder, "--format", "verl", "--out", tmp_path / "out")
    assert json.loads(read(tmp_path / "out")[0]["extra_info"]["pass_at_1_by_model"]) == {"a": 1.0, "b": 0.0}


def test_rows_are_drawn_by_band(tmp_path: Path) -> None:
    """What nobody tried is a band of its own."""
    problems = [problem(str(number)) for number in range(6)]
    tests = [test for number in range(6) for test in cases_for(str(number), *sums(5))]
    folder = put_problems(tmp_path, problems, tests)
    tried = [
        {"problem_id": f"code_contests/train/{number}", "model": "a", "n": 4, "accepted": 0} for number in range(2)
    ]
    put(folder, PROBLEM_DIFFICULTY, tried)
    account = run(
        "export", folder, "--format", "verl", "--out", tmp_path / "out", "--mix", "band:unknown=1", "--rows", 3
    )
    assert (account["kept"], account["dropped"]) == (3, {"not_drawn": 3})
    assert [row["extra_info"]["index"] for row in read(tmp_path / "out")] == [0, 1, 2]


def test_a_data_root_holds_all_that_is_needed(tmp_path: Path) -> None:
    """Clean problems, tests, what solutions said and how hard problems are, each in the folder of its table."""
    part = Path("dataset=code_contests")
    put(tmp_path / "clean_problems", CLEAN_PROBLEMS, [problem("1"), problem("2")])
    put(tmp_path / "tests" / part, TESTS, cases_for("1", *sums(6)) + cases_for("2", *sums(6)))
    put_trust(tmp_path / "test_trust" / part, ("1", None, "trusted"), ("2", None, "no_solution_passes"))
    tried = [{"problem_id": "code_contests/train/1", "model": "a", "n": 4, "accepted": 2}]
    put(tmp_path / "problem_difficulty" / part / "language=python", PROBLEM_DIFFICULTY, tried)
    account = run("export", tmp_path, "--format", "verl", "--out", tmp_path / "out")
    assert (account["kept"], account["dropped"]) == (1, {"no_solution_passes_the_tests": 1})
    assert read(tmp_path / "out")[0]["extra_info"]["band"] == "normal"


def test_graders_of_python_are_not_asked_for_more(tmp_path: Path) -> None:
    """C++ is for prime-rl alone."""
    folder = put_problems(tmp_path, [problem("1")], cases_for("1", *sums(5)))
    with pytest.raises(OptionError, match="must be python for verl"):
        run("export", folder, "--format", "verl", "--out", tmp_path / "out", "--language", "cpp")
    account = run("export", folder, "--format", "prime-rl", "--out", tmp_path / "out", "--language", "cpp")
    assert account["kept"] == 1


def test_rows_without_tests_are_refused(tmp_path: Path) -> None:
    """RL needs tests, and the message says where they may come from."""
    put_problems(tmp_path, [problem("1")], [])
    with pytest.raises(OptionError, match="give --tests"):
        run("export", tmp_path / "clean_problems.parquet", "--format", "verl", "--out", tmp_path / "out")


@pytest.mark.parametrize("form", FORMS)
def test_the_readers_of_tables_read_rl_rows(form: str, tmp_path: Path) -> None:
    """The library reads what was written, and the same input gives the same bytes."""
    import datasets

    folder = put_problems(
        tmp_path,
        [problem(str(number)) for number in range(70)],
        [test for number in range(70) for test in cases_for(str(number), *sums(5))],
    )
    for name in ("a", "b"):
        run("export", folder, "--format", form, "--out", tmp_path / name)
    (path,) = (one for one in (tmp_path / "a").iterdir() if one.suffix in {".parquet", ".jsonl"})
    assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    kind = "parquet" if path.suffix == ".parquet" else "json"
    loaded = datasets.load_dataset(kind, data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.num_rows == 70
