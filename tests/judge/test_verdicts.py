"""Programs in the sandbox and the verdicts they get."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ocr_pipeline.errors import InputError, JudgeError
from ocr_pipeline.judge import JudgeConfig, Limits, Runner, RunStatus, Tiers, probe, programs, run_program
from ocr_pipeline.judge.asserting import parse_assert_test, run_assert_test
from ocr_pipeline.judge.canaries import failing_canary
from ocr_pipeline.judge.gate import Gate
from ocr_pipeline.judge.sandbox import building, probing, require_hidden
from ocr_pipeline.judge.verdicts import Candidate, Execution, ProblemSpec, Reason, Test, Verdict, judge_candidate

needs_gxx = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
SUM = "print(sum(map(int, input().split())))"


def judged(
    runner: Runner,
    gate: Gate,
    code: str,
    *tests: Test,
    problem: ProblemSpec | None = None,
    config: JudgeConfig | None = None,
) -> Execution:
    """Judge a Python program."""
    spec = problem or ProblemSpec("p", time_limit_s=2.0)
    settings = config or JudgeConfig(python_time_factor=1.0)
    return judge_candidate(runner, spec, tests, Candidate("python", code), settings, gate)


def test_a_program_is_run_on_each_input(runner: Runner) -> None:
    """Each run sees its own input and a fresh program."""
    results = run_program(
        f"seen = []\nseen.append(1)\n{SUM[:-1]} + len(seen))", "python", ["1 2\n", b"3 4\n"], runner=runner
    )
    assert [result.stdout for result in results] == [b"4\n", b"8\n"]
    assert all(result.status is RunStatus.OK and result.cpu_time_s for result in results)


@needs_gxx
def test_a_cpp_program_is_run_on_each_input(runner: Runner) -> None:
    """One compilation serves all tests; memory and static state start anew each time."""
    code = '#include <cstdio>\nstatic int n; int main() { int a; std::scanf("%d", &a); n += a; std::printf("%d", n); }'
    results = run_program(code, "cpp", ["1", "2", "3"], runner=runner)
    assert [result.stdout for result in results] == [b"1", b"2", b"3"]


@needs_gxx
def test_a_cpp_program_that_does_not_compile_says_where(runner: Runner) -> None:
    """The compiler's message is kept."""
    result = run_program("int main() { return missing; }", "cpp", [""], runner=runner)[0]
    assert result.status is RunStatus.COMPILE_ERROR
    assert "main.cpp:1" in result.stderr


def test_without_a_cpp_compiler_cpp_is_not_run_and_python_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing compiler is nobody's wrong answer."""
    monkeypatch.setattr(building, "cpp_compiler", lambda: None)
    with Runner() as runner:
        assert run_program("int main() {}", "cpp", [""], runner=runner)[0].status is RunStatus.NOT_RUN
        assert run_program("print(1)", "python", [""], runner=runner)[0].status is RunStatus.OK
        assert failing_canary(runner, "cpp") is None


def test_the_verdict_is_that_of_the_first_failed_test(runner: Runner, gate: Gate) -> None:
    """Later tests still run and count."""
    execution = judged(
        runner, gate, SUM, Test("a", "1 2", "3"), Test("b", "x", "3"), Test("c", "2 2", "5"), Test("d", "0", "0")
    )
    assert execution.verdict is Verdict.RUNTIME_ERROR
    assert execution.tests_passed == 2
    assert [result.verdict for result in execution.results][2] is Verdict.WRONG_ANSWER
    assert "ValueError" in (execution.detail or "")


def test_stopping_at_the_first_failure_leaves_the_rest_out(runner: Runner, gate: Gate) -> None:
    """Tests that were not run count as failed, and the detail says so."""
    config = JudgeConfig(stop_at_first_failure=True)
    execution = judged(runner, gate, SUM, Test("a", "1", "2"), Test("b", "1", "1"), config=config)
    assert len(execution.results) == 1
    assert execution.tests_total == 2
    assert "1 tests were not run" in (execution.detail or "")


def test_time_is_cpu_time_and_the_judge_gives_up_after_some(runner: Runner, gate: Gate) -> None:
    """An endless program is stopped on each test until the judge gives up."""
    config = JudgeConfig(python_time_factor=0.1, give_up_after_time_limits=2)
    execution = judged(runner, gate, "while True: pass", *(Test(str(i), "", "") for i in range(5)), config=config)
    assert execution.verdict is Verdict.TIME_LIMIT
    assert len(execution.results) == 2
    assert all(0.2 <= (result.cpu_time_s or 0) < 0.5 for result in execution.results)


def test_a_run_near_its_limit_is_run_once_more_alone(
    runner: Runner, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the limit and one and a half times it, the second run decides."""
    alone = []
    real = gate.alone
    monkeypatch.setattr(gate, "alone", lambda: alone.append(1) or real())
    code = "import time\nwhile time.process_time() < 0.6: pass\nprint(1)"
    execution = judged(runner, gate, code, Test("a", "", "1"), problem=ProblemSpec("p", time_limit_s=0.5))
    assert alone == [1]
    assert execution.verdict is Verdict.TIME_LIMIT


def test_memory_is_peak_memory_even_when_the_program_hides_it(runner: Runner) -> None:
    """A freed block counts; a reserved and untouched one does not."""
    limits = Limits(memory_mib=64.0)
    greedy = "block = bytearray(80 << 20)\ndel block\nprint(1)"
    modest = "import mmap\nblock = mmap.mmap(-1, 300 << 20)\nprint(1)"
    assert run_program(greedy, "python", [""], limits, runner=runner)[0].status is RunStatus.MEMORY_LIMIT
    assert run_program(modest, "python", [""], limits, runner=runner)[0].status is RunStatus.OK


def test_output_beyond_the_cap_is_an_output_limit(runner: Runner) -> None:
    """The cap is exact and nothing beyond it is read."""
    result = run_program("print('x' * (3 << 20))", "python", [""], Limits(output_mib=1.0), runner=runner)[0]
    assert result.status is RunStatus.OUTPUT_LIMIT
    assert len(result.stdout) == 1 << 20


def test_a_syntax_error_is_a_compile_error(runner: Runner, gate: Gate) -> None:
    """Also where Python cannot read the code as text."""
    for code in ("print 'x'", "def f(:", "x = '\0'"):
        assert judged(runner, gate, code, Test("a", "", "")).verdict is Verdict.COMPILE_ERROR


def test_file_problems_read_and_write_files(runner: Runner, gate: Gate) -> None:
    """``input.txt`` and ``output.txt`` are in the working folder; each test gets fresh ones."""
    code = "text = open('input.txt').read()\nopen('output.txt', 'x').write(text[::-1])"
    problem = ProblemSpec("p", io_mode="file")
    execution = judged(runner, gate, code, Test("a", "abc", "cba"), Test("b", "de", "ed"), problem=problem)
    assert execution.verdict is Verdict.ACCEPTED


def test_file_problems_are_not_run_where_no_file_can_be(gate: Gate, runner: Runner) -> None:
    """In tier B nothing can be written; a path is not a name. Neither is the candidate's failure."""
    code = "open('out.txt', 'w').write(open('in.txt').read())"
    problem = ProblemSpec("p", io_mode="file", input_file="in.txt", output_file="out.txt")
    assert judged(runner, gate, code, Test("a", "abc", "abc"), problem=problem).verdict is Verdict.ACCEPTED
    with Runner(Tiers.B) as weaker:
        assert judged(weaker, gate, code, Test("a", "x", "x"), problem=problem).reason is Reason.NO_FILES
    outside = ProblemSpec("p", io_mode="file", input_file="../in.txt")
    assert judged(runner, gate, code, Test("a", "x", "x"), problem=outside).reason is Reason.NO_FILES


@pytest.mark.parametrize(
    "trick",
    [
        "os.symlink('/etc/hostname', 'output.txt')",
        "os.mkfifo('output.txt')",
        "os.mkdir('output.txt')",
        "os.remove('input.txt') or os.mkdir('input.txt')",
        "os.remove('input.txt') or os.symlink('/proc/self/mem', 'input.txt')",
    ],
)
def test_tricks_with_files_hurt_only_who_plays_them(runner: Runner, gate: Gate, trick: str) -> None:
    """Only a plain file is read, and the next test finds its own input."""
    code = f"import os\ntext = open('input.txt').read()\nif text == 'trick':\n    {trick}\nelse:\n    open('output.txt', 'w').write(text)"
    tests = [Test("a", "trick", "x"), Test("b", "fine", "fine"), Test("c", "too", "too")]
    execution = judged(runner, gate, code, *tests, problem=ProblemSpec("p", io_mode="file"))
    assert next(result.verdict for result in execution.results) in {Verdict.WRONG_ANSWER, Verdict.RUNTIME_ERROR}
    assert execution.tests_passed == 2


def test_what_a_test_wrote_never_meets_the_next(runner: Runner) -> None:
    """The scratch folder is empty at the start of every test."""
    code = "import os\nprint(os.listdir('.'))\nopen('left', 'w').write('x')"
    results = run_program(code, "python", ["", ""], runner=runner)
    assert [result.stdout for result in results] == [b"[]\n", b"[]\n"]


def test_a_function_is_called_with_typed_values(runner: Runner, gate: Gate) -> None:
    """As a method of ``Solution`` with the usual imports, or as a plain function; prints are not the result."""
    problem = ProblemSpec("p", io_mode="function", function_name="add")
    method = "class Solution:\n    def add(self, a: List[int], b: int) -> int:\n        print('no')\n        return reduce(lambda x, y: x + y, a, b)"
    plain = "def add(a, b):\n    return sum(a) + b"
    for code in (method, plain):
        assert judged(runner, gate, code, Test("a", "[[1, 2], 3]", "6"), problem=problem).verdict is Verdict.ACCEPTED
    missing = judged(runner, gate, "def other(): pass", Test("a", "[[1], 3]", "6"), problem=problem)
    assert missing.verdict is Verdict.RUNTIME_ERROR
    assert "no function 'add'" in (missing.detail or "")


def test_only_leetcode_predefines_names(runner: Runner, gate: Gate) -> None:
    """A plain function finds what the starter code imports, where that is there, and nothing that it forgot to import."""
    problem = ProblemSpec("p", io_mode="function", function_name="root")
    code = "def root(a):\n    return int(math.sqrt(a))"
    assert_test = Test("a", "assert root(9) == 3", "")
    for test in (Test("a", "[9]", "3"), assert_test):
        assert "name 'math' is not defined" in (judged(runner, gate, code, test, problem=problem).detail or "")
        starter = "from __future__ import annotations\nimport nowhere\nimport math\nfrom the docs\ndef root(a):\n"
        given = replace(problem, starter_code=starter)
        assert judged(runner, gate, code, test, problem=given).verdict is Verdict.ACCEPTED
    method = "class Solution:\n    def root(self, a):\n        return int(math.sqrt(a))"
    assert judged(runner, gate, method, Test("a", "[9]", "3"), problem=problem).verdict is Verdict.ACCEPTED


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("def add(a, b):\n    return a + b", "accepted"),
        ("def add(a, b):\n    return a - b", "wrong_answer"),
        ("def add(a, b):\n    raise KeyError(a)", "runtime_error"),
        ("import os\ndef add(a, b):\n    os._exit(0)", "runtime_error"),
        ("class Any(int):\n    def __eq__(self, other): return True\ndef add(a, b): return Any(0)", "wrong_answer"),
        ("import builtins\nbuiltins.AssertionError = KeyError\ndef add(a, b): return 0", "wrong_answer"),
        ("def add(a, b):\n    while True: pass", "time_limit"),
    ],
)
def test_asserts_run_where_the_candidate_cannot_reach_them(runner: Runner, gate: Gate, code: str, verdict: str) -> None:
    """Only plain values come back; patches, exits and odd equalities change nothing."""
    problem = ProblemSpec("p", io_mode="function", function_name="add", time_limit_s=1.0)
    program = "def check(candidate):\n    assert candidate(20, 22) == 42\n    assert candidate((1,), (2,)) == (1, 2) or candidate(0, 1) == 1\n"
    assert judged(runner, gate, code, Test("a", program, ""), problem=problem).verdict == verdict


def test_a_candidate_cannot_read_the_asserts(runner: Runner) -> None:
    """No object of the candidate's process holds the expected values."""
    code = "import gc\ndef add(a, b):\n    needle = bytes.fromhex('5345435245542d4558').decode()\n    return 42 if needle in str(gc.get_objects()) else 0"
    parsed = parse_assert_test("assert add(1, 2) != 'SECRET-EXPECTED' and add(1, 2) == 42", "add")
    assert parsed is not None
    outcome = run_assert_test(runner, code, "python", parsed, Limits())
    assert outcome.run.status is RunStatus.OK
    assert not outcome.passed


PAIRS = "class Pair:\n    def __init__(self, a): self.a = a\ndef total(pairs): return sum(p.a for p in pairs)"


def test_asserts_may_use_what_only_the_candidate_defines(runner: Runner, gate: Gate) -> None:
    """Its class is used from the other jail, and the result says that the asserts believed the candidate."""
    problem = ProblemSpec("p", io_mode="function", function_name="total")
    test = Test("a", "assert total([Pair(1), Pair(2)]) == 3", "")
    execution = judged(runner, gate, PAIRS, test, problem=problem)
    assert execution.verdict is Verdict.ACCEPTED
    assert execution.trusts_candidate
    plain = Test("a", "assert total([]) == 0", "")
    assert not judged(runner, gate, PAIRS, plain, problem=problem).trusts_candidate


def test_an_object_that_says_what_it_holds_is_believed_and_said_so(runner: Runner, gate: Gate) -> None:
    """A list would be looked into; an object of the candidate's own class answers for itself."""
    problem = ProblemSpec("p", io_mode="function", function_name="f")
    test = Test("a", "assert 5 in f()", "")
    liar = "class All:\n    def __contains__(self, item): return True\ndef f(): return All()"
    assert judged(runner, gate, liar, test, problem=problem).trusts_candidate
    assert not judged(runner, gate, "def f(): return [5]", test, problem=problem).trusts_candidate


def test_only_the_data_set_chooses_one_process(runner: Runner, gate: Gate) -> None:
    """A candidate in the process of its asserts can forge success, so the row says so."""
    problem = ProblemSpec("p", io_mode="function", function_name="total")
    given = {"assert": "assert total([Pair(1), Pair(2)]) == 3", "one_process": True}
    execution = judged(runner, gate, PAIRS, Test("a", json.dumps(given), ""), problem=problem)
    assert execution.verdict is Verdict.ACCEPTED
    assert execution.trusts_candidate
    wrong = judged(runner, gate, PAIRS.replace("sum", "len"), Test("a", json.dumps(given), ""), problem=problem)
    assert wrong.verdict is Verdict.RUNTIME_ERROR


# An answer in the words of the protocol: 7, and an argument that is to have another private attribute.
PATCH_BY_A_FORGED_ROW = """import os, json
def f(goal):
    rows = [["l", [1, 2, 3]], ["v", 7], ["l", [4]], ["d", []], ["=", [3, ["n", ["ListNode", [["_wanted", 1]]]]]]]
    answer = json.dumps({"value": rows}).encode()
    os.write(3, len(answer).to_bytes(4, "big") + answer)
    return 7
"""
FORGE = """import sys, os
frame = sys._getframe()
while frame:
    for value in list(frame.f_locals.values()) + list(frame.f_globals.values()):
        if isinstance(value, dict) and "token" in value:
            os.write(3, str(value["token"]).encode())
            os._exit(0)
    frame = frame.f_back
"""


@pytest.mark.parametrize(
    ("code", "asserts", "entry_point"),
    [
        ("class set: pass\ndef f(x): return None", "assert set(f(1)) == {2}", "f"),
        ("abs = object()\ndef f(x): return None", "assert abs(f(1) - 2) < 1e-6", "f"),
        ("class check: pass\ndef f(x): return None", "def check(candidate):\n    assert candidate(1) == 2", "f"),
        ("class f:\n    def __new__(cls, *a): return 7", "assert f(1) == 2", "f"),
        ("def abs(x): return 0.0\ndef f(x): return 1e9", "assert abs(f(1) - 2) < 1e-6", "f"),
        ("def all(x): return True\ndef f(x): return None", "assert all(f(i) == i + 1 for i in range(5))", "f"),
        ("def range(*a): return []\ndef f(x): return None", "for i in range(3):\n    assert f(i) == i", "f"),
        ("class A:\n    def __eq__(s, o): return True\n    __lt__ = __sub__ = __eq__\ndef f(x): return A()", "assert f(1) == 2", "f"),
        ("class A:\n    def __eq__(s, o): return True\n    def __sub__(s, o): return 0.0\ndef f(x): return A()", "assert abs(f(1) - 2) < 1e-6", "f"),
        ("class A:\n    def __eq__(s, o): return True\ndef f(x): return A()", "assert f(1) == f(2)", "f"),
        ("def f(x):\n    class _ANY: pass\n    return _ANY()", "from unittest.mock import ANY\nassert f(1) == [2]", "f"),
        ("class SkipTest(Exception): pass\ndef f(x): raise SkipTest('no')", "from unittest import *\nclass T(TestCase):\n    def test(self): self.assertEqual(f(1), 2)\nr = TextTestRunner().run(defaultTestLoader.loadTestsFromTestCase(T))\nassert r.wasSuccessful()", "f"),
        ("def f(g):\n    g.gi_frame.f_globals['ok'] = True\n    return 2", "ok = False\nassert f(i for i in range(3)) == 3 or ok", "f"),
        ("class Stack:\n    def __eq__(s, o): return True\n    def pop(s): return s", "s = Stack()\nassert s.pop() == 1", "Stack"),
        ("class np: allclose = staticmethod(lambda *a: True)\ndef f(x): return 0", "import numpy as np\nassert np.allclose(f(1), 2)", "f"),
        ("def f(x): raise StopIteration", "assert all(map(f, [1, 2]))", "f"),
        (PATCH_BY_A_FORGED_ROW, "class Goal:\n    _wanted = 2\ngoal = Goal()\nassert f(goal) == goal._wanted", "f"),
    ],
)  # fmt: skip
def test_no_name_or_object_of_the_candidates_decides_an_assert(
    runner: Runner, gate: Gate, code: str, asserts: str, entry_point: str
) -> None:
    """Built-ins, the asserts' own names and plain values win; equality with the candidate's objects is never theirs."""
    problem = ProblemSpec("p", io_mode="function", function_name=entry_point)
    test = Test("a", json.dumps({"assert": asserts, "entry_point": entry_point}), "")
    execution = judged(runner, gate, FORGE + code, test, problem=problem)
    assert execution.verdict in {Verdict.WRONG_ANSWER, Verdict.RUNTIME_ERROR}, execution.detail


@pytest.mark.parametrize(
    ("code", "asserts", "entry_point"),
    [
        ("def f(a): a.sort()", "a = [3, 1, [2]][:2]\nassert f(a) is None and a == [1, 3]", "f"),
        ("def f(a, b):\n    a[0].append(b); b['k'] = a", "a, b = [[1]], {}\nf(a, b)\nassert a[0][1] is b and b['k'] is a", "f"),
        ("def f(x): return x", "a = [1]\nassert f(a) is a", "f"),
        ("def f(n):\n    while True:\n        yield n\n        n += 1", "g = f(3)\nassert next(g) == 3 and next(g) == 4", "f"),
        ("def f(x): return lambda y: x + y", "assert f(1)(2) == 3", "f"),
        ("def f(g, x): return g(g(x))", "calls = []\nassert f(lambda v: calls.append(v) or v + 1, 1) == 3 and calls == [1, 2]", "f"),
        ("def f(x): print('hi', x)", "import io, contextlib\nb = io.StringIO()\nwith contextlib.redirect_stdout(b): f(1)\nassert b.getvalue() == 'hi 1\\n'", "f"),
        ("from collections import Counter\ndef f(x): return Counter(x)", "assert f('aab').most_common(1) == [('a', 2)]", "f"),
        ("from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef f(x): return P(1, 2)", "assert f(0).y == 2 and f(0) == (1, 2)", "f"),
        ("import numpy as np\ndef f(x): return np.zeros((2, 2))", "assert f(1).shape == (2, 2)", "f"),
        ("from decimal import Decimal\nfrom fractions import Fraction\ndef f(x): return Decimal('0.1'), Fraction(1, 3)", "assert str(f(1)[0]) == '0.1' and f(1)[1].numerator == 1", "f"),
        ("class LRU(dict):\n    def put(self, k, v): self[k] = v\n    def get(self, k): return dict.get(self, k, -1)", "c = LRU()\nc.put(1, 2)\nassert c.get(1) == 2 and c.get(3) == -1", "LRU"),
        ("class V:\n    def __init__(s, x): s.x = x\n    def __add__(s, o): return V(s.x + o.x)\n    def __eq__(s, o): return s.x == o.x", "assert V(1) + V(2) == V(3)\nassert V(1) != V(2) and V(5).x == 5", "V"),
        ("class Broke(Exception): pass\ndef f(x): raise Broke('no')", "try:\n    f(1)\n    assert False\nexcept Broke as e:\n    assert str(e) == 'no'", "f"),
        ("import functools\n@functools.lru_cache\ndef f(x): return x", "f(1)\nassert f.cache_info().misses == 1 and f.__name__ == 'f'", "f"),
        ("def f(d): return d.total / len(d.parts)", "class D:\n    total = 6\n    parts = [1, 2]\nassert f(D()) == 3", "f"),
    ],
)  # fmt: skip
def test_what_two_processes_would_lose_travels(
    runner: Runner, gate: Gate, code: str, asserts: str, entry_point: str
) -> None:
    """Arguments changed in place, identity, generators, functions, printed text, types and methods of results."""
    problem = ProblemSpec("p", io_mode="function", function_name=entry_point)
    test = Test("a", json.dumps({"assert": asserts, "entry_point": entry_point}), "")
    execution = judged(runner, gate, code, test, problem=problem)
    assert execution.verdict is Verdict.ACCEPTED, execution.detail


@pytest.mark.parametrize(
    ("code", "given", "expected", "verdict"),
    [
        ("def f(x): return 5.0", "[1]", "Infinity", "wrong_answer"),
        ("def f(x): return float('-inf')", "[1]", "-Infinity", "accepted"),
        ("def f(x): return float('nan')", "[1]", "NaN", "accepted"),
        ("def f(x): return 1.0", "[1]", "NaN", "wrong_answer"),
        ("def f(a, b): return a - b", '{"b": 1, "a": 3}', "2", "accepted"),
        ("class Solution:\n    def f(self, head: Optional[ListNode]) -> Optional[ListNode]: return head", "[[]]", "[]", "accepted"),
        ("class Solution:\n    def f(self, a: List[int]) -> List[int]: return None", "[[]]", "[]", "wrong_answer"),
        ("class Solution:\n    def f(self, a: List[Optional[ListNode]]): return [each.next.val for each in a]", "[[[1, 2], [3, 4]]]", "[2, 4]", "accepted"),
        ("class Solution:\n    def f(self, a) -> List[Optional[ListNode]]: return [ListNode(1, ListNode(2)), None]", "[0]", "[[1, 2], null]", "accepted"),
        ("def f(x):\n    for _ in range(800): x = [x]\n    return x", "[1]", "[" * 800 + "1" + "]" * 800, "accepted"),
        ("def f(x): return list(range(10 ** 6))", "[1]", json.dumps(list(range(10**6))), "accepted"),
        ("def f(n): return 0 if n == 0 else 1 + f(n - 1)", "[40000]", "40000", "accepted"),
        ("import os\ndef f(x):\n    os.write(3, b'[' + b'0,' * 9000000 + b'0]')\n    os._exit(0)", "[1]", "1", "output_limit"),
        ("class Solution:\n    def f(self, n: int) -> Optional[TreeNode]:\n        c = n and self.f(n - 1)\n        return TreeNode(n, c, c) if n else None", "[60]", "[1]", "wrong_answer"),
        ("import os\ndef f(x):\n    os.write(3, repr([['s', [1]]] + [['t', [i + 2, i + 2]] for i in range(60)] + [['v', 1]]).replace(chr(39), chr(34)).encode())\n    os._exit(0)", "[1]", "[1]", "wrong_answer"),
    ],
)  # fmt: skip
def test_results_of_functions(runner: Runner, gate: Gate, code: str, given: str, expected: str, verdict: str) -> None:
    """Infinities, named arguments, empty and nested lists of nodes, depth, size, recursion, and shared parts."""
    problem = ProblemSpec("p", io_mode="function", function_name="f", time_limit_s=5.0)
    execution = judged(runner, gate, code, Test("a", given, expected), problem=problem)
    assert execution.verdict == verdict, execution.detail


def test_streams_of_the_programs_own_are_flushed_while_its_globals_live(runner: Runner) -> None:
    """As an interpreter does: the most copied header of contest code writes in the flush of its own stream."""
    code = "import os, sys\nclass Out:\n    def __init__(self): self.text = []\n    def write(self, s): self.text.append(s)\n    def flush(self): os.write(1, ''.join(self.text).encode()); self.text = []\nsys.stdout = Out()\nprint(6)"
    result = run_program(code, "python", [""], runner=runner)[0]
    assert (result.status, result.stdout, result.stderr) == (RunStatus.OK, b"6\n", "")


@pytest.mark.parametrize(
    ("problem", "language", "code", "n_tests", "reason"),
    [
        (ProblemSpec("p"), "python", " \n", 1, Reason.NO_CODE),
        (ProblemSpec("p"), "python", SUM, 0, Reason.NO_TESTS),
        (ProblemSpec("p", io_mode="interactive"), "python", SUM, 1, Reason.INTERACTIVE),
        (ProblemSpec("p", io_mode="function"), "cpp", "int f();", 1, Reason.NO_FUNCTION),
        (ProblemSpec("p"), "java", "class A {}", 1, Reason.LANGUAGE),
    ],
)
def test_what_nobody_can_judge_is_not_run(
    runner: Runner, gate: Gate, problem: ProblemSpec, language: str, code: str, n_tests: int, reason: Reason
) -> None:
    """It gets a reason, never a failed test."""
    tests = [Test("a", "1", "1")] * n_tests
    execution = judge_candidate(runner, problem, tests, Candidate(language, code), JudgeConfig(), gate)
    assert execution.verdict is Verdict.NOT_RUN
    assert execution.reason is reason
    assert execution.results == ()


def test_a_failing_sandbox_is_tried_again_and_then_not_run(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """An infrastructure failure is nobody's wrong answer."""
    with Runner() as runner:
        restarts = []
        monkeypatch.setattr(runner, "restart", lambda: restarts.append(1))

        def broken(*_: object) -> None:
            message = "the sandbox is on fire"
            raise JudgeError(message)

        monkeypatch.setattr(runner, "open", broken)
        execution = judged(runner, gate, SUM, Test("a", "1", "1"))
    assert execution.reason is Reason.INFRASTRUCTURE
    assert execution.detail == "the sandbox is on fire"
    assert len(restarts) == 2


def test_canaries_tell_a_broken_comparison_from_a_broken_program(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A harness that lets everything pass, or nothing, is found out."""
    assert failing_canary(runner, "python") is None
    monkeypatch.setattr(programs, "_status", lambda *_, **__: RunStatus.OK)
    assert "wrong python program" in (failing_canary(runner, "python") or "")
    monkeypatch.setattr(programs, "_status", lambda *_, **__: RunStatus.RUNTIME_ERROR)
    assert "python" in (failing_canary(runner, "python") or "")


def test_without_any_sandbox_the_judge_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """It never runs unsandboxed silently, and says what to do."""
    monkeypatch.setattr(probing, "failure_of", lambda _: "forbidden here")
    probing.probe.cache_clear()
    probing.choose_plan.cache_clear()
    try:
        assert probe().tier == "C"
        with pytest.raises(JudgeError, match="--unsandboxed"):
            Runner()
    finally:
        probing.probe.cache_clear()
        probing.choose_plan.cache_clear()


@pytest.mark.parametrize("tiers", [Tiers.B, Tiers.UNSANDBOXED])
def test_weaker_tiers_judge_the_same_and_say_what_they_are(tiers: Tiers, gate: Gate) -> None:
    """Every result names the tier."""
    with Runner(tiers) as runner:
        execution = judged(runner, gate, SUM, Test("a", "1 2", "3"))
    assert execution.verdict is Verdict.ACCEPTED
    assert execution.tier == {"B": "B", "unsandboxed": "C"}[tiers]


def test_data_that_programs_could_read_is_refused(tmp_path: Path) -> None:
    """A folder below one that the sandbox shows is not a place for tests."""
    require_hidden([tmp_path])
    with pytest.raises(JudgeError, match="can read"):
        require_hidden([Path("/usr/lib/expected")])


def test_limits_follow_problem_and_language() -> None:
    """A problem's own limit gets the factor of the language; the default limit does not."""
    config = JudgeConfig()
    assert config.limits_for(ProblemSpec("p", time_limit_s=2.0), "python").cpu_s == 10.0
    assert config.limits_for(ProblemSpec("p", time_limit_s=2.0), "cpp").cpu_s == 2.0
    assert config.limits_for(ProblemSpec("p"), "python").cpu_s == 10.0
    assert config.limits_for(ProblemSpec("p", memory_limit_mib=16.0), "cpp").memory_mib == 64.0


@pytest.mark.parametrize(("column", "word"), [("io_mode", "stdio"), ("checker", "exact")])
def test_a_way_of_judging_that_nobody_knows_is_refused_by_name(column: str, word: str) -> None:
    """It is not taken for the usual one in silence."""
    with pytest.raises(InputError, match=rf"problem `p`: {column} must be one of .*, got `{word}`"):
        ProblemSpec("p", **{column: word})


@pytest.mark.parametrize("name", [None, "two words"])
@pytest.mark.parametrize("language", ["python", "cpp"])
def test_a_function_without_a_name_is_nobodys_failure(
    runner: Runner, gate: Gate, name: str | None, language: str
) -> None:
    """The data set failed to say what to call."""
    problem, candidate = ProblemSpec("p", "function", name), Candidate(language, "def f(x): return x")
    found = judge_candidate(runner, problem, [Test("0", "[1]", "1")], candidate, JudgeConfig(), gate)
    assert (found.verdict, found.reason) == (Verdict.NOT_RUN, Reason.NO_FUNCTION)
