"""Interactive problems: a candidate talks with the interactor of its source, each in a jail of its own."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from ocr_pipeline.judge import JudgeConfig, Reason, Runner, Verdict, interacting
from ocr_pipeline.judge.gate import Gate
from ocr_pipeline.judge.verdicts import Candidate, Execution, ProblemSpec, Test, judge_candidate

needs_gxx = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
# The problem: guess a number between 1 and 1,000 in ten questions; the interactor says <, > or =.
INTERACTOR = """import sys
secret = int(open(sys.argv[1]).read())
assert int(open(sys.argv[2]).read()) == secret
open(sys.argv[3] + "judgemessage.txt", "w").write("seen")
for turn in range(10):
    line = sys.stdin.readline().split()
    if len(line) != 1 or not line[0].isdecimal(): sys.exit(43)
    guess = int(line[0])
    print("=" if guess == secret else "<" if secret < guess else ">", flush=True)
    if guess == secret: sys.exit(42)
sys.exit(43)
"""
TESTLIB = """#include <cstdio>
#include <cstdlib>
int main(int count, char **words) {
    if (count < 4) return 3;
    int secret, guess, answer;
    FILE *given = fopen(words[1], "r"), *log = fopen(words[2], "w"), *theirs = fopen(words[3], "r");
    if (!given || !log || !theirs || fscanf(given, "%d", &secret) != 1 || fscanf(theirs, "%d", &answer) != 1) return 3;
    for (int turn = 0; turn < 10; turn++) {
        if (scanf("%d", &guess) != 1) return 2;
        fprintf(log, "%d\\n", guess);
        printf("%s\\n", guess == secret ? "=" : secret < guess ? "<" : ">");
        fflush(stdout);
        if (guess == secret) return 0;
    }
    return 1;
}
"""
RIGHT = """low, high = 1, 1000
while True:
    middle = (low + high) // 2
    print(middle, flush=True)
    said = input()
    if said == "=": break
    if said == "<": high = middle - 1
    else: low = middle + 1
"""
RIGHT_CPP = """#include <iostream>
#include <string>
int main() {
    int low = 1, high = 1000; std::string said;
    for (;;) {
        int middle = (low + high) / 2;
        std::cout << middle << std::endl;
        if (!(std::cin >> said) || said == "=") return 0;
        if (said == "<") high = middle - 1; else low = middle + 1;
    }
}
"""
TESTS = [Test("0", "1\n", "1\n"), Test("1", "777\n", "777\n")]


def problem(code: str = INTERACTOR, language: str = "python", protocol: str = "kattis", **more: object) -> ProblemSpec:
    """Return an interactive problem."""
    spec = ProblemSpec(
        "p", io_mode="interactive", checker="special", checker_language=language, checker_protocol=protocol,
        checker_code=code, time_limit_s=0.2,
    )  # fmt: skip
    return replace(spec, **more)  # type: ignore[arg-type]


def judged(runner: Runner, gate: Gate, code: str, spec: ProblemSpec, language: str = "python") -> Execution:
    """Judge a program on both tests."""
    return judge_candidate(runner, spec, TESTS, Candidate(language, code), JudgeConfig(), gate)


@needs_gxx
@pytest.mark.parametrize("language", ["python", "cpp"])
@pytest.mark.parametrize("protocol", ["kattis", "testlib"])
def test_a_right_program_is_accepted(runner: Runner, gate: Gate, language: str, protocol: str) -> None:
    """In both languages, by interactors of both protocols."""
    spec = problem() if protocol == "kattis" else problem(TESTLIB, "cpp", "testlib")
    execution = judged(runner, gate, RIGHT if language == "python" else RIGHT_CPP, spec, language)
    assert (execution.verdict, execution.tests_passed, execution.needs_checker) == ("accepted", 2, False), execution


@pytest.mark.parametrize(
    ("code", "verdict", "part"),
    [
        ("for i in range(2, 12):\n    print(i, flush=True)\n    input()", "wrong_answer", ""),
        ("print('what?', flush=True)\ninput()", "wrong_answer", ""),
        ("pass", "wrong_answer", ""),
        ("print(500, flush=True)\nraise SystemExit(3)", "runtime_error", "exit code 3"),
        ("input()", "time_limit", interacting.DEADLOCK),
        ("import sys\nprint(500)\nsys.stdin.readline()", "time_limit", interacting.DEADLOCK),
        ("while True: pass", "time_limit", ""),
        ("import time\nprint('what?', flush=True)\nwhile True: time.sleep(0.1)", "wrong_answer", ""),
        ("print('x' * 10 ** 7, flush=True)\ninput()", "wrong_answer", ""),
        ("while True: print('x' * 10 ** 6, end='', flush=True)", "output_limit", ""),
        ("a = b'x' * (400 << 20)", "memory_limit", ""),
        (RIGHT + "import os\nos.write(1, b'more\\n' * 100000)", "accepted", ""),
        (RIGHT + "raise SystemExit(3)", "runtime_error", "exit code 3"),
    ],
    ids=["too many turns", "not a number", "silent", "crash", "waits first", "forgets to flush", "endless",
         "sleeps after its rejection", "long line", "flood", "memory", "talks on after the end", "crash after the end"],
)  # fmt: skip
def test_each_side_is_blamed_for_its_own(runner: Runner, gate: Gate, code: str, verdict: str, part: str) -> None:
    """Who ended first, and why, decides; two that wait for each other are stopped by the clock."""
    execution = judged(runner, gate, code, problem())
    assert execution.verdict == verdict, execution
    assert part in (execution.detail or "")


FRAGILE = INTERACTOR.replace(" or not line[0].isdecimal()", "")
BROKEN = FRAGILE.replace("if len(line) != 1: sys.exit(43)", "")


def test_a_program_that_breaks_its_interactor_is_wrong(runner: Runner, gate: Gate) -> None:
    """The interactor rejects a program that says nothing, so it is sound: what this one said broke it."""
    assert judged(runner, gate, "print('what?', flush=True)\ninput()", problem(FRAGILE)).verdict == "wrong_answer"


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        (problem(BROKEN), "exit status 1"),
        (problem("import sys\nsys.exit(7)"), "exit status 7"),
        (problem("def broken(:"), "cannot be run"),
        (problem("class A {}", "java"), "cannot be run"),
        (problem(protocol="open_r1"), "need their interactor"),
        (problem(checker_code=None), "need their interactor"),
        (problem(checker_flags="x" * 600, checker_language="cpp"), "are longer than"),
    ],
    ids=["crash", "odd exit", "syntax", "language", "protocol", "none", "long flags"],
)
def test_without_a_sound_interactor_nobody_is_judged(runner: Runner, gate: Gate, spec: ProblemSpec, part: str) -> None:
    """It is nobody's wrong answer."""
    execution = judged(runner, gate, "print('what?', flush=True)\ninput()", spec)
    assert (execution.verdict, execution.reason) == (Verdict.NOT_RUN, Reason.INTERACTIVE), execution
    assert part in (execution.detail or "")


def test_an_endless_interactor_is_nobodys_failure(runner: Runner, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own time ends it; on a machine that gives it no core, that is said."""
    monkeypatch.setattr(interacting, "LIMITS", replace(interacting.LIMITS, cpu_s=2.0))
    execution = judged(runner, gate, "print('what?', flush=True)\ninput()", problem("while True: pass"))
    assert execution.verdict is Verdict.NOT_RUN, execution
    assert any(words in (execution.detail or "") for words in ("ended with time_limit", "gave the interactor no core"))


SLOW = "import time\nend = time.process_time() + 4\nwhile time.process_time() < end: pass\n" + INTERACTOR
GULLIBLE = """import sys
for line in sys.stdin:
    for _ in range(10 ** 5): pass
    print("?", flush=True)
sys.exit(43)
"""


def test_a_program_waits_for_a_slow_interactor(runner: Runner, gate: Gate) -> None:
    """Its wall clock is longer where the interactor computes."""
    spec = problem(SLOW, time_limit_s=0.1)
    execution = judge_candidate(runner, spec, TESTS[:1], Candidate("python", RIGHT), JudgeConfig(), gate)
    assert execution.verdict == "accepted", execution


def test_a_program_cannot_take_itself_out_by_keeping_its_interactor_busy(
    runner: Runner, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Questions without end until the interactor's own time is over: the program is wrong, and judged."""
    monkeypatch.setattr(interacting, "LIMITS", replace(interacting.LIMITS, cpu_s=2.0))
    code = "print('1\\n' * 10 ** 5, flush=True)\nwhile True: input()"
    assert judged(runner, gate, code, problem(GULLIBLE)).verdict == "wrong_answer"


def test_neither_side_reaches_the_other_but_through_the_pipes(runner: Runner, gate: Gate) -> None:
    """The candidate has no descriptor, file or process of its interactor, and cannot read input or answer."""
    code = """import os
seen = []
for fd in range(256):
    try: seen += [os.pread(fd, 100, 0)]
    except OSError: pass
for path in ("/proc/self/fd/4", "/proc/self/fd/5", "/tmp/judgemessage.txt"):
    try: seen += [open(path, "rb").read()]
    except OSError: pass
secret = [word for text in seen for word in text.split() if word in (b"1", b"777")]
print(secret[0].decode() if secret else 0, flush=True)
for _ in range(9):
    input(); print(0, flush=True)
"""
    assert judged(runner, gate, code, problem()).tests_passed == 0


def test_a_disturbed_talk_starts_again_with_a_new_interactor(
    runner: Runner, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an earlier talk left behind is nobody's answer."""
    from ocr_pipeline.judge.programs import Program
    from ocr_pipeline.judge.sandbox import DisturbedError

    read, disturbed = Program.read, []

    def disturbing(self: Program, *arguments: object) -> object:
        result = read(self, *arguments)  # type: ignore[arg-type]
        if not disturbed and result.cpu_time_s is not None and self._program != -1:
            disturbed.append(1)
            message = "killed from outside"
            raise DisturbedError(message)
        return result

    monkeypatch.setattr(Program, "read", disturbing)
    assert judged(runner, gate, RIGHT, problem()).verdict == "accepted"
    assert disturbed
