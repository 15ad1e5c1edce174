"""A source's own checker decides where an output differs from the expected one, in a jail of its own."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ocr_pipeline.judge import JudgeConfig, Runner
from ocr_pipeline.judge.checkers import with_headers
from ocr_pipeline.judge.gate import Gate
from ocr_pipeline.judge.verdicts import Candidate, Execution, ProblemSpec, Test, judge_candidate

needs_gxx = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
# The problem: print any divisor of n that is not 1. The answer holds one of them.
TESTS = [Test("0", "12\n", "12\n"), Test("1", "35\n", "5\n")]
RULE = "def right(n, text):\n    d = int(text)\n    return 1 < d <= n and n % d == 0\n"
KATTIS_PYTHON = f"""import sys
{RULE}
n = int(open(sys.argv[1]).read())
assert right(n, open(sys.argv[2]).read()), "the answer is no answer"
open(sys.argv[3] + "judgemessage.txt", "w").write("seen")
sys.exit(42 if right(n, sys.stdin.read()) else 43)
"""
OPEN_R1 = f"""import sys
{RULE}
given, answer, output = (open(name).read() for name in sys.argv[1:4])
print(1 if right(int(given), output) and right(int(given), answer) else 0)
"""
CPP = """#include <fstream>
#include <iostream>
int main(int count, char **words) {
    long long n, answer, output;
    std::ifstream given(words[1]), theirs(words[%(answer)d]);
    given >> n; theirs >> answer;
    if (answer < 2 || n %% answer) return 3;
    %(read)s
    return output > 1 && n %% output == 0 ? %(yes)d : %(no)d;
}
"""
KATTIS_CPP = CPP % {"answer": 2, "read": "std::cin >> output;", "yes": 42, "no": 43}
TESTLIB = CPP % {"answer": 3, "read": "std::ifstream(words[2]) >> output;", "yes": 0, "no": 1}
SMALLEST = "n = int(input())\nprint(min(d for d in range(2, n + 1) if n % d == 0))"
ONE = "print(1)"
WORDS = "print('no number')"


def problem(language: str, protocol: str, code: str, flags: str | None = None) -> ProblemSpec:
    """Return a problem with a checker."""
    return ProblemSpec(
        "p", checker="special", checker_language=language, checker_protocol=protocol, checker_code=code,
        checker_flags=flags,
    )  # fmt: skip


def judged(runner: Runner, gate: Gate, spec: ProblemSpec, code: str) -> Execution:
    """Judge a Python program on the tests above."""
    return judge_candidate(runner, spec, TESTS, Candidate("python", code), JudgeConfig(), gate)


@needs_gxx
@pytest.mark.parametrize(
    ("language", "protocol", "code"),
    [
        ("python", "kattis", KATTIS_PYTHON),
        ("cpp", "kattis", KATTIS_CPP),
        ("cpp", "testlib", TESTLIB),
        ("python", "open_r1", OPEN_R1),
    ],
    ids=["kattis python", "kattis cpp", "testlib cpp", "open_r1"],
)
def test_each_protocol_accepts_another_right_output_and_rejects_a_wrong_one(
    runner: Runner, gate: Gate, language: str, protocol: str, code: str
) -> None:
    """Input, answer and output arrive where the protocol says; what broke the checker was wrong."""
    spec = problem(language, protocol, code)
    right = judged(runner, gate, spec, SMALLEST)
    assert (right.verdict, right.tests_passed, right.needs_checker) == ("accepted", 2, False)
    assert judged(runner, gate, spec, ONE).verdict == "wrong_answer"
    assert judged(runner, gate, spec, WORDS).verdict == "wrong_answer"


def test_flags_of_a_package_are_arguments(runner: Runner, gate: Gate) -> None:
    """They follow the folder."""
    spec = problem("python", "kattis", "import sys\nsys.exit(42 if sys.argv[4:] == ['loose', '3'] else 43)", "loose 3")
    assert judged(runner, gate, spec, ONE).verdict == "accepted"
    assert judged(runner, gate, replace(spec, checker_flags=None), ONE).verdict == "wrong_answer"


@needs_gxx
@pytest.mark.parametrize(
    ("language", "protocol", "code", "part"),
    [
        ("python", "kattis", "import sys\nsys.exit(1)", "exit status 1"),
        ("python", "open_r1", "print('maybe')", "exit status 0"),
        ("python", "open_r1", "while True: pass", "time_limit"),
        ("cpp", "testlib", '#include "testlib.h"\nint main() {}', "does not compile"),
        ("java", "kattis", "class A {}", "no checkers are run in `java`"),
        ("cpp", "kattis", KATTIS_CPP, "are longer than"),
    ],
    ids=["odd exit", "odd print", "endless", "missing header", "language", "long flags"],
)
def test_a_broken_checker_decides_nothing(
    runner: Runner, gate: Gate, monkeypatch: pytest.MonkeyPatch, language: str, protocol: str, code: str, part: str
) -> None:
    """The one expected output is compared with, and the row says that passes are a lower bound, and why."""
    from ocr_pipeline.judge import checkers

    monkeypatch.setattr(checkers, "LIMITS", replace(checkers.LIMITS, cpu_s=0.3))
    spec = problem(language, protocol, code, "x" * 600 if part == "are longer than" else None)
    known = judged(runner, gate, spec, "n = int(input())\nprint(n if n == 12 else 5)")
    assert (known.verdict, known.needs_checker) == ("accepted", False)
    other = judged(runner, gate, spec, SMALLEST)
    assert (other.verdict, other.tests_passed, other.needs_checker) == ("wrong_answer", 1, True)
    assert part in (other.detail or "")


@pytest.mark.parametrize(("protocol", "is_open"), [("open_r1", False), ("made", True)])
def test_a_models_checker_that_an_output_breaks_decides_nothing(
    runner: Runner, gate: Gate, protocol: str, *, is_open: bool
) -> None:
    """A source's checker that accepts the answer is believed to have met nonsense; a model's is not."""
    code = "import sys\nanswer, output = (open(name).read().split() for name in sys.argv[2:])\nprint(1 if answer == output else 1 // 0)"
    other = judged(runner, gate, problem("python", protocol, code), SMALLEST)
    assert (other.verdict, other.needs_checker) == ("wrong_answer", is_open)


def test_a_checker_gets_no_more_than_its_jail(runner: Runner, gate: Gate, tmp_path: Path) -> None:
    """Neither the host's files nor the network are in its reach, and it leaves nothing to the next test."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    code = f"""import os, socket, sys
doors = [lambda: open({str(secret)!r}), lambda: socket.socket(), lambda: os.fork()]
for door in doors:
    try: door()
    except OSError: continue
    sys.exit(43)
if os.listdir("/tmp"): sys.exit(43)
open("/tmp/left", "w").write("x")
sys.exit(42)
"""
    assert judged(runner, gate, problem("python", "kattis", code), ONE).verdict == "accepted"


def test_a_special_problem_without_a_checker_needs_one(runner: Runner, gate: Gate) -> None:
    """As before: the rate is a lower bound."""
    assert judged(runner, gate, ProblemSpec("p", checker="special"), SMALLEST).needs_checker


def test_files_are_checked_too(runner: Runner, gate: Gate) -> None:
    """The output file of a file problem is what the checker sees; the problem names its files."""
    spec = replace(
        problem("python", "open_r1", OPEN_R1), io_mode="file", input_file="garden.in", output_file="garden.out"
    )
    code = "n = int(open('garden.in').read())\nopen('garden.out', 'w').write(str(min(d for d in range(2, n + 1) if n % d == 0)))"
    assert judged(runner, gate, spec, code).verdict == "accepted"
    assert judged(runner, gate, spec, code.replace("garden.in", "input.txt")).verdict == "runtime_error"


def test_headers_of_a_folder_take_the_place_of_their_first_inclusion(tmp_path: Path) -> None:
    """By plain names, in one another too; what is not there stays as it is, and paths are never followed."""
    (tmp_path / "lib.h").write_text("#include <more.h>\nint lib;\n", encoding="utf-8")
    (tmp_path / "more.h").write_text("int more;\n", encoding="utf-8")
    (tmp_path.parent / "outside.h").write_text("int outside;\n", encoding="utf-8")
    code = (
        '#include "lib.h"\n#include <cstdio>\n  #  include "lib.h" // again\n#include "../outside.h"\nint main() {}\n'
    )
    wanted = 'int more; int lib; #include <cstdio> #include "../outside.h" int main() {}'
    assert with_headers(code, tmp_path).split() == wanted.split()
    assert with_headers(code, None) == code


@needs_gxx
def test_a_checker_that_lacks_its_header_names_the_option(runner: Runner, gate: Gate, tmp_path: Path) -> None:
    """The row says how it would be judged; with the header it is."""
    code = '#include "testlib.h"\n' + TESTLIB.replace("int main(", "int entry(")
    lacking = judged(runner, gate, problem("cpp", "testlib", code), SMALLEST)
    assert lacking.needs_checker
    assert "there is no `testlib.h`; give a folder that holds it with --checker-headers" in (lacking.detail or "")
    header = "int entry(int, char **);\nint main(int n, char **words) { return entry(n, words); }\n"
    (tmp_path / "testlib.h").write_text(header, encoding="utf-8")
    completed = judged(runner, gate, problem("cpp", "testlib", with_headers(code, tmp_path)), SMALLEST)
    assert (completed.verdict, completed.needs_checker) == ("accepted", False), completed
