"""Graders: compiled apart from the programs whose functions they call, hiding what no header promises, and speaking last."""

from __future__ import annotations

import re

import pytest

from ocr_pipeline.including import with_included
from ocr_pipeline.judge.checkpoint import key_prefix
from ocr_pipeline.judge.gate import Gate
from ocr_pipeline.judge.grading import Grader
from ocr_pipeline.judge.programs import Limits, Program, Runner, RunResult, RunStatus
from ocr_pipeline.judge.verdicts import Candidate, JudgeConfig, ProblemSpec, Reason, Test, Verdict, judge_candidate

HEADER = "int play(int n);\nint ask(int x);\n"
CODE = f"""{HEADER}
#include <cstdio>
#include <string>
#include <vector>
#ifdef _MSC_VER
#include <windows.h>
#endif
#define MAXN 5
int secret_number, queries, n, sub, object;
static int hidden;
struct Node {{ int v; Node(int x); }};
Node::Node(int x) : v(x) {{}}
std::vector<std::string> words;
int ask(int x) {{ queries++; sub++; object--; hidden = x; return x < secret_number ? -1 : x > secret_number; }}
int main() {{
  scanf("%d %d", &n, &secret_number);
  words.push_back("n main exit");
  int answer = play(n);
  printf("%s %d %s\\n", answer == secret_number ? "OK" : "WRONG", queries <= 1 ? 100 : 0, words[0].c_str());
  if (answer == 7) exit(0);
}}
"""
GRADER = Grader(CODE, ("ask", "play"))
GIVEN = b"100 42\n"
FULL = b"OK 100 n main exit\n"
START = f"#include <bits/stdc++.h>\n{HEADER}"


def graded(runner: Runner, code: str, grader: Grader = GRADER) -> RunResult:
    """Run a program with its grader."""
    program = runner.open(START + code, "cpp", Limits(), grader=grader)
    if isinstance(program, RunResult):
        return program
    with program:
        return program.run(GIVEN, Limits())


@pytest.mark.parametrize(
    "code",
    [
        "int play(int k) { return 42; }",
        "int n, queries, secret_number; const int MAXN = 7; int play(int k) { n = MAXN; return 42; }",
        "struct Node { int w; Node(int x); }; Node::Node(int x) : w(x + 1) {} int play(int k) { return Node(41).w; }",
        "int play(int k) { try { throw std::string(); } catch (const std::string &) { return 42; } return 0; }",
    ],
)
def test_a_program_may_use_the_names_of_its_grader(runner: Runner, code: str) -> None:
    """Variables, macros and types of the same name are others, and exceptions pass."""
    run = graded(runner, code)
    assert (run.status, run.stdout) == (RunStatus.OK, FULL), run.stderr


@pytest.mark.parametrize(
    "code",
    [
        "extern int secret_number; int play(int n) { return secret_number; }",
        'extern int hidden asm("_ZL6hidden"); int play(int n) { return hidden; }',
        "extern int queries; int play(int n) { for (int i = 0;; i++) if (!ask(i)) { queries = 0; return i; } }",
        "namespace ocr_grader { extern int queries; } int play(int n) { ocr_grader::queries = 0; return 42; }",
        'extern "C" void ocr_judge_end(int); int play(int n) { puts("OK 100 n main exit"); ocr_judge_end(0); return 0; }',
        "int main() {} int play(int n) { return 42; }",
    ],
)
def test_what_a_grader_keeps_to_itself_is_not_linked(runner: Runner, code: str) -> None:
    """A program that names the secret, the counter or what ends the grader does not compile."""
    assert graded(runner, code).status is RunStatus.COMPILE_ERROR


@pytest.mark.parametrize(
    "code",
    [
        'int play(int n) { puts("OK 100 n main exit"); exit(0); }',
        'int play(int n) { puts("OK 100 n main exit"); fflush(stdout); _Exit(0); }',
        'struct A { A() { puts("OK 100 n main exit"); exit(0); } } a; int play(int n) { return 42; }',
        "int play(int n) { exit(0); }",
    ],
)
def test_a_program_that_ends_before_its_grader_has_failed(runner: Runner, code: str) -> None:
    """Whatever it printed: the last word is missing."""
    run = graded(runner, code)
    assert (run.status, run.stderr) == (RunStatus.RUNTIME_ERROR, "the program ended before its grader did")


def test_a_grader_may_exit(runner: Runner) -> None:
    """Its own exit is its end, and the last word is not part of the output."""
    run = graded(runner, "int play(int n) { return 7; }")
    assert (run.status, run.stdout) == (RunStatus.OK, b"WRONG 100 n main exit\n")


def test_templates_of_the_library_are_the_graders_own(runner: Runner) -> None:
    """A program does not bring others for it."""
    run = graded(
        runner,
        "template <> void std::vector<std::string>::push_back(std::string &&) {}\nint play(int n) { return 42; }",
    )
    assert run.stdout == FULL


def test_compiling_a_program_shows_nothing_of_its_grader(runner: Runner) -> None:
    """What the compiler reads for it is empty but for the program."""
    code = """asm(".globl stolen\\nstolen: .incbin \\"/proc/self/fd/1\\"\\n.byte 0");
extern "C" char stolen[];
int play(int n) { fprintf(stderr, "[%s]", stolen); return 42; }"""
    assert graded(runner, code).stderr == "[]"


def test_without_headers_functions_are_promised(runner: Runner) -> None:
    """A grader that declares what it calls itself needs no header; its variables stay hidden."""
    grader = Grader(CODE)
    assert graded(runner, "int play(int n) { return ask(0) * 0 + 42; }", grader).stdout == FULL
    stealing = "extern int secret_number; int play(int n) { return secret_number; }"
    assert graded(runner, stealing, grader).status is RunStatus.COMPILE_ERROR


def test_messages_of_the_linker_are_the_same_in_every_run(runner: Runner) -> None:
    """No suffix and no name of a temporary file is in them."""
    first, second = (graded(runner, "int other(int n) { return n; }") for _ in range(2))
    assert "undefined reference to `play(int)'" in first.stderr
    assert first.stderr == second.stderr
    assert not re.search(r"[0-9a-f]{32}|/cc\w{6}", first.stderr)


def test_a_grader_that_does_not_compile_is_not_the_programs_failure(runner: Runner, gate: Gate) -> None:
    """Nothing is judged, and it says why; nor is a program in another language."""
    problem = ProblemSpec("p", grader_code="int main() { return missing; }", grader_names="play")
    candidate, tests = Candidate("cpp", "int play(int n) { return n; }"), [Test("1", "1", "1")]
    found = judge_candidate(runner, problem, tests, candidate, JudgeConfig(), gate)
    assert (found.verdict, found.reason) == (Verdict.NOT_RUN, Reason.LANGUAGE)
    assert "the grader does not compile" in (found.detail or "")
    python = judge_candidate(runner, problem, tests, Candidate("python", "pass"), JudgeConfig(), gate)
    assert python.verdict is Verdict.NOT_RUN


def test_results_of_other_problems_keep_their_keys() -> None:
    """Only where there is a grader it is part of what a result depends on."""
    plain = key_prefix(ProblemSpec("p"), [], JudgeConfig(), "1")
    assert plain == key_prefix(ProblemSpec("p", grader_code=None), [], JudgeConfig(), "1")
    assert plain != key_prefix(ProblemSpec("p", grader_code="int main() {}"), [], JudgeConfig(), "1")


def test_files_are_included_where_they_are_named(runner: Runner) -> None:
    """However deep, each once where it asks for that, and only under the conditions that stand around."""
    files = {
        "a.h": "#pragma once\nint x = 1;",
        "b.h": '#pragma once\n#include "a.h"\ninline int y() { return x; }',
        "loop.h": '#include "loop.h"\nint z;',
    }
    code = '#if 0\n#include "a.h"\n#endif\n#include "lib/b.h"\n#include <a.h>\n#include "loop.h"\nint main() { return y() - 1 + z; }'
    whole = with_included(code, files)
    assert "#include" not in whole
    opened = runner.open(whole, "cpp", Limits())
    assert isinstance(opened, Program)
    opened.close()
    assert with_included('#include "other.h"\n', files) == '#include "other.h"\n'
