"""The authored problems are right: every solution really runs, and does what it is said to do.

Plain subprocesses: the code is our own. How the judge runs the code of others is tested with the judge.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ocr_pipeline.sample import path
from ocr_pipeline.sample.authored import Problem, Response, Solution, Test, load_problems

PROBLEMS = load_problems(path("problems"))
TOLD = [problem for problem in PROBLEMS if not problem.same_as]
LIMITS = {"time_limit", "memory_limit"}  # these run into the judge's limits on purpose
LONGEST_CPP_INPUT = 1000  # the keel number of thousands of digits fits no C++ integer
DRIVER = """
import contextlib, io, json, pathlib, sys
sys.set_int_max_str_digits(0)
job = json.load(sys.stdin)
outputs = []
for text in job["inputs"]:
    if job["input_file"]:
        pathlib.Path(job["input_file"]).write_text(text)
    sys.stdin, out = io.StringIO(text), io.StringIO()
    names = {"__name__": "__main__"}
    try:
        with contextlib.redirect_stdout(out):
            exec(job["code"], names)
            if job["call"]:
                target = names["Solution"]() if "Solution" in names else None
                function = getattr(target, job["call"]) if target else names[job["call"]]
                print(json.dumps(function(*json.loads(text))))
    except Exception:
        outputs.append(None)
        continue
    outputs.append(pathlib.Path(job["output_file"]).read_text() if job["output_file"] else out.getvalue())
print(json.dumps(outputs))
"""


def _by_slug(problem: Problem) -> str:
    return problem.slug


def _python_outputs(problem: Problem, code: str, folder: Path) -> list[str | None]:
    """Return what the program prints (or writes to its file) for each test; ``None`` where it fails."""
    job = {
        "code": code,
        "call": problem.function_name,
        "inputs": [test.input for test in problem.tests],
        "input_file": problem.input_file,
        "output_file": problem.output_file,
    }
    done = subprocess.run(
        [sys.executable, "-I", "-c", DRIVER],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=60,
        check=True,
    )
    outputs: list[str | None] = json.loads(done.stdout)
    return outputs


def _cpp_output(problem: Problem, test: Test, folder: Path) -> str | None:
    """Return what the compiled program prints or writes for one test; ``None`` when it fails."""
    if problem.input_file:
        (folder / problem.input_file).write_text(test.input)
    done = subprocess.run(
        ["./program"], input=test.input, capture_output=True, text=True, cwd=folder, timeout=60, check=False
    )
    if done.returncode:
        return None
    return (folder / problem.output_file).read_text() if problem.output_file else done.stdout


def _accepted(problem: Problem, test: Test, output: str | None) -> bool:
    if output is None:
        return False
    if problem.function_name:
        return bool(json.loads(output) == json.loads(test.expected))
    return bool(CHECKERS.get(problem.slug, _same_tokens)(test, output))


def _same_tokens(test: Test, output: str) -> bool:
    return output.split() == test.expected.split()


def _close(tolerance: float) -> Callable[[Test, str], bool]:
    def check(test: Test, output: str) -> bool:
        expected = float(test.expected)
        return abs(float(output) - expected) <= tolerance * max(1.0, abs(expected))

    return check


def _a_seating(test: Test, output: str) -> bool:
    n, seats = int(test.input), [int(word) for word in output.split()]
    apart = all(abs(left - right) > 1 for left, right in pairwise(seats))
    return seats == [-1] if test.expected == "-1\n" else sorted(seats) == list(range(1, n + 1)) and apart


def _two_planks(test: Test, output: str) -> bool:
    (_, gap), lengths = ([int(word) for word in line.split()] for line in test.input.splitlines())
    left, right = (int(word) for word in output.split())
    if test.expected == "0 0\n":
        return (left, right) == (0, 0)
    return 1 <= left < right and lengths[left - 1] + lengths[right - 1] == gap


CHECKERS: dict[str, Callable[[Test, str], bool]] = {
    "rope_cut": _close(1e-6),
    "tea_mixing": _close(1e-4),
    "seating_order": _a_seating,
    "two_planks": _two_planks,
    "name_tags": lambda test, output: sorted(output.split()) == sorted(test.expected.split()),
    "stepping_stones": lambda test, output: output.lower() == test.expected.lower(),
}


def _solves(problem: Problem, code: str, folder: Path) -> bool:
    outputs = _python_outputs(problem, code, folder)
    return all(_accepted(problem, test, output) for test, output in zip(problem.tests, outputs, strict=True))


@pytest.mark.parametrize("problem", TOLD, ids=_by_slug)
def test_python_solutions_do_what_they_are_said_to_do(problem: Problem, tmp_path: Path) -> None:
    """A right solution passes every test, a wrong one fails one, unless the tests are weak on purpose."""
    for solution in problem.solutions:
        if solution.language == "python":
            passes = solution.correct or solution.passes_tests
            assert _solves(problem, solution.code, tmp_path) is passes, solution.name


@pytest.mark.slow
@pytest.mark.parametrize("problem", TOLD, ids=_by_slug)
def test_cpp_solutions_do_what_they_are_said_to_do(problem: Problem, tmp_path: Path) -> None:
    """Right C++ solutions pass every test that fits their types, wrong ones fail one."""
    for solution in problem.solutions:
        if solution.language == "cpp":
            assert _cpp_solves(problem, solution.code, tmp_path) is solution.correct, solution.name


def _cpp_solves(problem: Problem, code: str, folder: Path) -> bool:
    if problem.function_name:
        return (
            _compiled(code + _cpp_main(problem, code), folder) and _cpp_output(problem, problem.tests[0], folder) == ""
        )
    return _compiled(code, folder) and all(
        _accepted(problem, test, _cpp_output(problem, test, folder)) for test in problem.tests
    )


def _compiled(code: str, folder: Path) -> bool:
    (folder / "program.cpp").write_text(code)
    command = ["g++", "-std=c++17", "-O1", "-w", "-o", "program", "program.cpp"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


def _cpp_main(problem: Problem, code: str) -> str:
    """Return a program that calls the function with each test's arguments and exits with 1 on a difference."""
    function = f"Solution().{problem.function_name}" if "class Solution" in code else problem.function_name
    lines = []
    for test in problem.tests:
        if len(test.input) < LONGEST_CPP_INPUT:
            arguments = ", ".join(_cpp_literal(value) for value in json.loads(test.input))
            lines.append(f"if (!({function}({arguments}) == {_cpp_literal(json.loads(test.expected))})) return 1;")
    return "\nint main() {\n" + "\n".join(lines) + "\n}\n"


def _cpp_literal(value: object) -> str:
    if not isinstance(value, list):
        return json.dumps(value)
    nested = not value or isinstance(value[0], list)
    kind = "std::vector<std::vector<long long>>" if nested else "std::vector<long long>"
    return f"{kind}{{{', '.join(_cpp_literal(item) for item in value)}}}"


def _code_responses(language: str) -> list[Any]:
    return [
        pytest.param(problem, response, id=f"{problem.slug}-{number}")
        for problem in TOLD
        for number, response in enumerate(problem.responses)
        if response.language == language and response.judged and response.judged not in LIMITS
    ]


@pytest.mark.parametrize(("problem", "response"), _code_responses("python"))
def test_judged_python_responses_reach_their_verdict(problem: Problem, response: Response, tmp_path: Path) -> None:
    """What a recorded response is said to be judged as is what really happens to it."""
    assert _solves(problem, response.code, tmp_path) is (response.judged == "accepted")


@pytest.mark.slow
@pytest.mark.parametrize(("problem", "response"), _code_responses("cpp"))
def test_judged_cpp_responses_reach_their_verdict(problem: Problem, response: Response, tmp_path: Path) -> None:
    """The same for C++; a compile error is a program that g++ refuses."""
    if response.judged == "compile_error":
        assert not _compiled(response.code, tmp_path)
    else:
        assert _compiled(response.code + (_cpp_main(problem, response.code) if problem.function_name else ""), tmp_path)
        assert _cpp_solves(problem, response.code, tmp_path) is (response.judged == "accepted")


@pytest.mark.parametrize("problem", TOLD, ids=_by_slug)
def test_each_problem_is_complete(problem: Problem) -> None:
    """Three tests and more, right solutions in both languages and a wrong one, two responses per language, a plan."""
    languages = [response.language for response in problem.responses]
    assert len(problem.tests) >= 3
    assert problem.correct_solutions("python")
    assert problem.correct_solutions("cpp")
    assert [solution for solution in problem.solutions if not solution.correct]
    assert min(languages.count("python"), languages.count("cpp")) >= 2
    assert problem.plans


@pytest.mark.parametrize("problem", PROBLEMS, ids=_by_slug)
def test_the_statement_shows_its_public_tests(problem: Problem) -> None:
    """The examples of the text are the public tests, so neither can be wrong alone."""
    plain = " ".join(problem.statement.split())
    for test in problem.tests:
        if test.kind == "public" and not problem.function_name:
            assert " ".join(test.input.split()) in plain
            assert " ".join(test.expected.split()) in plain


def test_wrong_solutions_are_named() -> None:
    """No two solutions of a problem share a name, so a response names exactly one."""
    for problem in TOLD:
        names = [solution.name for solution in problem.solutions]
        assert len(names) == len(set(names)), problem.slug


def test_solutions_hold_what_they_need(tmp_path: Path) -> None:
    """The harness itself can fail: an empty program solves nothing."""
    assert not _solves(TOLD[0], "", tmp_path)
    assert not _cpp_solves(TOLD[0], Solution("empty", "cpp", "int main() {}").code, tmp_path)
