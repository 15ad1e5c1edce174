"""The endpoints answer in the words of those who ask, and a program gets the verdict that the command gives it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ocr_pipeline.cli import build_app
from tests.serving.server import Client, serving

ADD = "a, b = map(int, input().split())\nprint(a + b)\n"
ADD_CPP = "#include <iostream>\nint main() { long long a, b; std::cin >> a >> b; std::cout << a + b; }\n"
TESTS = [("20 22\n", "42\n"), ("1 2\n", "3\n")]


@pytest.fixture(scope="module")
def service() -> Iterator[Client]:
    """Return one service for all tests of this module."""
    with serving("--longest-run", "5") as client:
        yield client


def judge_tests(service: Client, code: str, **more: Any) -> tuple[int, dict[str, Any]]:
    """Judge a program by two tests of adding."""
    tests = [{"input": given, "expected": expected} for given, expected in TESTS]
    return service.post("/judge_tests", {"code": code, "tests": tests} | more)


@pytest.mark.parametrize(
    ("code", "language", "status", "run_status", "return_code"),
    [
        (ADD, "python", "Success", "Finished", 0),
        (ADD_CPP, "cpp", "Success", "Finished", 0),
        ("raise SystemExit(3)", "python", "Failed", "Finished", 3),
        ("while True: pass", "python", "Failed", "TimeLimitExceeded", None),
        ("x = bytearray(300 << 20)\nprint(len(x))", "python", "Failed", "Finished", 137),
        ("print(", "python", "Failed", "Finished", 1),
    ],
)
def test_run_code(
    service: Client, code: str, language: str, status: str, run_status: str, return_code: int | None
) -> None:
    """Status, exit code and output are SandboxFusion's; a memory limit is a failure with an exit code."""
    body = {"code": code, "language": language, "stdin": "20 22\n", "run_timeout": 1, "memory_limit_MB": 200}
    _, reply = service.post("/run_code", body)
    run = reply["run_result"]
    assert (reply["status"], run["status"], run["return_code"]) == (status, run_status, return_code)
    if status == "Success":
        assert run["stdout"].strip() == "42"


def test_a_program_that_does_not_compile(service: Client) -> None:
    """What the C++ compiler refuses is in the compile result."""
    _, reply = service.post("/run_code", {"code": "int main() { return x; }", "language": "cpp"})
    assert (reply["status"], reply["run_result"], reply["compile_result"]["return_code"]) == ("Failed", None, 1)
    assert "main.cpp" in reply["compile_result"]["stderr"]


def test_large_output(service: Client) -> None:
    """A long output is whole, which other sandboxes call a time limit."""
    _, reply = service.post("/run_code", {"code": "print('x' * 300_000)", "language": "python"})
    assert len(reply["run_result"]["stdout"]) == 300_001


def test_an_unknown_language_is_nobodys_failure(service: Client) -> None:
    """It is a sandbox error, which clients do not score."""
    status, reply = service.post("/run_code", {"code": "class A {}", "language": "java"})
    assert (status, reply["status"]) == (200, "SandboxError")


def fenced(code: str, language: str = "python") -> str:
    """Return an answer with a program."""
    return f"I add them.\n\n```{language}\n{code}```\n"


@pytest.mark.parametrize(("code", "accepted"), [(ADD, True), (ADD.replace("+", "-"), False)])
@pytest.mark.parametrize("as_text", [False, True])
def test_submit(service: Client, code: str, accepted: bool, as_text: bool) -> None:  # noqa: FBT001 - parameters of a test
    """The tests are in the request, as a list or as JSON; each has its outcome."""
    tests: Any = [{"input": {"stdin": given}, "output": {"stdout": expected}} for given, expected in TESTS]
    data = {"id": 7, "test": json.dumps(tests) if as_text else tests}
    config = {"language": "python", "provided_data": data, "run_timeout": 2}
    status, reply = service.post("/submit", {"dataset": "own", "id": 7, "completion": fenced(code), "config": config})
    assert (status, reply["id"], reply["accepted"]) == (200, 7, accepted)
    assert [test["passed"] for test in reply["tests"]] == [accepted] * 2
    assert reply["extracted_code"].strip() == code.strip()


def verify(service: Client, text: str, **metadata: Any) -> tuple[int, dict[str, Any]]:
    """Ask as NeMo Gym does."""
    given, expected = ([one for one, _ in TESTS], [two for _, two in TESTS])
    message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
    body = {
        "responses_create_params": {"input": [{"role": "user", "content": "Add."}]},
        "response": {"id": "r", "output": [{"type": "reasoning", "summary": []}, message]},
        "verifier_metadata": {"unit_tests": {"inputs": given, "outputs": expected}} | metadata,
    }
    return service.post("/verify", body)


@pytest.mark.parametrize(
    ("text", "reward"), [(fenced(ADD), 1.0), (fenced(ADD.replace("+", "-")), 0.0), ("", 0.0), ("No idea.", 0.0)]
)
def test_verify(service: Client, text: str, reward: float) -> None:
    """The reward stands beside all that was asked; an answer without a program is the model's failure."""
    status, reply = verify(service, text, difficulty="easy")
    assert (status, reply["reward"], reply["difficulty"]) == (200, reward, "easy")
    assert reply["responses_create_params"]["input"][0]["content"] == "Add."
    assert reply["response"]["id"] == "r"


def test_verify_a_response_that_is_summed_up(service: Client) -> None:
    """A client that only sends the text of a response is understood."""
    tests = {"inputs": ["1 2"], "outputs": ["3"]}
    body = {"response": {"output_text": fenced(ADD)}, "verifier_metadata": {"unit_tests": tests}}
    assert service.post("/verify", body)[1]["reward"] == 1.0


def test_verify_a_function(service: Client) -> None:
    """Arguments are one JSON value a line, results JSON; the checker may be named beside."""
    tests = {"inputs": ["1\n2.5"], "outputs": ["3.5000001"], "fn_name": "add"}
    _, reply = verify(service, fenced("def add(a, b):\n    return a + b\n"), unit_tests=tests, checker="float")
    assert (reply["reward"], reply["result"]) == (1.0, [True])


def test_code_judge(service: Client) -> None:
    """One test a request, or many submissions in a batch, each with its id."""
    one = {"type": "python", "solution": ADD, "input": "1 2", "expected_output": "3", "sub_id": "a"}
    _, reply = service.post("/judge", one)
    assert (reply["sub_id"], reply["success"], reply["run_success"], reply["reason"]) == ("a", True, True, "")
    wrong = one | {"expected_output": "4", "sub_id": "b"}
    _, reply = service.post("/judge/batch", {"type": "batch", "submissions": [one, wrong] * 4})
    assert [each["success"] for each in reply["results"]] == [True, False] * 4


def test_a_run_without_an_expected_output(service: Client) -> None:
    """A submission that expects nothing succeeds when it runs well."""
    _, well = service.post("/judge", {"type": "python", "solution": "print(1)"})
    _, ill = service.post("/judge", {"type": "python", "solution": "1 / 0"})
    assert (well["success"], ill["success"]) == (True, False)


def test_all_tests_in_one_request(service: Client) -> None:
    """The answer has the columns of executions."""
    status, reply = judge_tests(service, ADD)
    assert (status, reply["verdict"], reply["pass_rate"], reply["tests_total"]) == (200, "accepted", 1.0, 2)
    assert [result["verdict"] for result in reply["results"]] == ["accepted"] * 2


CASES = [
    ("accepted", "python", ADD, {}),
    ("wrong", "python", "print(1)", {}),
    ("half", "python", "print(42)", {}),
    ("late", "python", "while True: pass", {"time_limit_s": 0.1}),
    ("big", "python", "x = bytearray(400 << 20)", {"memory_limit_mib": 64}),
    ("crash", "python", "1 / 0", {}),
    ("syntax", "python", "print(", {}),
    ("cpp", "cpp", ADD_CPP, {}),
    ("cpp_error", "cpp", "int main() { return x; }", {}),
    ("float", "python", "a, b = map(int, input().split())\nprint(a + b + 1e-9)", {"checker": "float"}),
    ("file", "python", "open('o.txt', 'w').write(open('i.txt').read())", {"io_mode": "file", "input_file": "i.txt"}),
    (
        "checker",
        "python",
        "print(41)",
        {
            "checker": "special",
            "checker_language": "python",
            "checker_protocol": "testlib",
            "checker_code": "raise SystemExit(0)",
        },
    ),
    ("exit", "python", "import os\nprint(42, flush=True)\nos._exit(0)", {}),
    ("escape", "python", "import os\nos.system('id')\nprint(42)", {}),
]


def test_the_service_agrees_with_the_command(service: Client, tmp_path: Path) -> None:
    """Every kind of program, limit, checker and mode has the verdict and the results of ``ocr-pipeline judge``."""
    problems = [{"problem_id": name, "io_mode": "stdin", "checker": "tokens"} | more for name, _, _, more in CASES]
    samples = [
        {"sample_id": name, "problem_id": name, "language": language, "code": code} for name, language, code, _ in CASES
    ]
    tests = [
        {"problem_id": name, "test_id": f"{number:06}", "input": given, "expected": expected}
        for name, *_ in CASES
        for number, (given, expected) in enumerate(TESTS)
    ]
    for table, rows in (("problems", problems), ("samples", samples), ("tests", tests)):
        (tmp_path / f"{table}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = [
        word for name in ("problems", "tests", "samples") for word in (f"--{name}", str(tmp_path / f"{name}.jsonl"))
    ]
    done = CliRunner().invoke(build_app(["judge"]), ["judge", *files, "--out", str(tmp_path / "out"), "--workers", "0"])
    assert done.exit_code == 0, done.output
    executions = {row["sample_id"]: row for row in pq.read_table(tmp_path / "out" / "executions.parquet").to_pylist()}
    for name, language, code, more in CASES:
        _, reply = judge_tests(service, code, language=language, problem=more)
        wanted = executions[name]
        names = ("verdict", "tests_total", "tests_passed", "pass_rate", "first_failed_test", "needs_checker")
        assert {key: reply[key] for key in names} == {key: wanted[key] for key in names}, name
        assert [one["verdict"] for one in reply["results"]] == [one["verdict"] for one in wanted["results"]], name


def test_many_at_once(service: Client) -> None:
    """Requests of many clients get their own answers, and are counted."""

    def one(number: int) -> tuple[int, str]:
        status, reply = service.post("/run_code", {"code": f"print({number})", "language": "python"})
        return status, reply["run_result"]["stdout"]

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(one, range(48))) == [(200, f"{number}\n") for number in range(48)]
    _, text = service.get("/metrics")
    assert "judge_in_flight 0" in text
    assert 'judge_verdicts_total{verdict="ok"}' in text
