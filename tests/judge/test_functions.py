"""C++ functions are called with typed JSON arguments; the compiler finds the parameters' types."""

from __future__ import annotations

import json
import shutil

import pytest

from ocr_pipeline.judge import JudgeConfig, Runner
from ocr_pipeline.judge.gate import Gate
from ocr_pipeline.judge.verdicts import Candidate, Execution, ProblemSpec, Reason, Test, judge_candidate

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
PROBLEM = ProblemSpec("p", io_mode="function", function_name="solve", time_limit_s=5.0)


def judged(runner: Runner, gate: Gate, code: str, *cases: tuple[object, object]) -> Execution:
    """Judge a C++ function on arguments and results."""
    tests = [
        Test(str(number), given if isinstance(given, str) else json.dumps(given), json.dumps(expected))
        for number, (given, expected) in enumerate(cases)
    ]
    return judge_candidate(runner, PROBLEM, tests, Candidate("cpp", code), JudgeConfig(), gate)


METHOD = "class Solution {\npublic:\n    %s\n};"


@pytest.mark.parametrize(
    ("body", "arguments", "result"),
    [
        ("int solve(int n, vector<vector<int>>& q) { q[0][0] += n; return q[0][0]; }", [2, [[3, 4], [5]]], 5),
        ("string solve(string s, char c) const { return s + c; }", ['é\u2028"\\\n\U0001f600', "x"], 'é\u2028"\\\n\U0001f600x'),
        ("vector<bool> solve(const vector<bool>& b) { auto c = b; c.push_back(true); return c; }", [[False]], [False, True]),
        ("double solve(double a, long long b) { return a + b; }", [0.5, 9007199254740993], 9007199254740993.5),
        ("unsigned long long solve(unsigned long long a) { return a; }", [18446744073709551615], 18446744073709551615),
        ("vector<vector<char>> solve(vector<vector<char>>& b) { b[0][0] = '#'; return b; }", [[[".", "x"]]], [["#", "x"]]),
        ("static vector<string> solve(vector<string> w) { sort(w.begin(), w.end()); return w; }", [["b", "a"]], ["a", "b"]),
        ("pair<int, int> solve() { return {1, -2}; }", [], [1, -2]),
        ("ListNode* solve(ListNode* a) { a->next->next = nullptr; return a; }", [[1, 2, 3]], [1, 2]),
        ("ListNode* solve(ListNode* a) { return a; }", [[]], []),
        ("TreeNode* solve(TreeNode* t) { swap(t->left, t->right); return t; }", [[1, 2, 3, None, 4]], [1, 3, 2, None, None, None, 4]),
        ("int solve(int a, int b) { cout << 99 << endl; return a - b; }", {"a": 5, "b": 3}, 2),
    ],
)  # fmt: skip
def test_values_of_usual_types_travel(runner: Runner, gate: Gate, body: str, arguments: object, result: object) -> None:
    """Numbers, texts, lists, lists of lists, linked lists and trees, by value or by reference; what it prints is not its result."""
    execution = judged(runner, gate, METHOD % body, (arguments, result))
    assert execution.verdict == "accepted", execution.detail


def test_a_plain_function_and_a_main_of_the_candidates_own(runner: Runner, gate: Gate) -> None:
    """Its own main is not entered, its own headers and node types are used, and each test starts anew."""
    code = """#include <vector>
using namespace std;
struct ListNode { int val; ListNode *next; ListNode(int x) : val(x), next(nullptr) {} };
static int calls = 0;
int solve(ListNode *list) { calls++; int sum = calls; for (; list; list = list->next) sum += list->val; return sum; }
int main() { return 7; }
"""
    assert judged(runner, gate, code, ([[1, 2]], 4), ([[]], 1), ([[5]], 6)).verdict == "accepted"


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (METHOD % "int solve(int n) { return n + 1; }", "wrong_answer"),
        (METHOD % "int solve(vector<int> n) { return n[0]; }", "runtime_error"),
        (METHOD % "int solve(int n) { exit(0); }", "runtime_error"),
        (METHOD % "int solve(int n) { throw n; }", "runtime_error"),
        (METHOD % "int solve(int n) { for (volatile int i = n; i;) {} return 0; }", "time_limit"),
        (METHOD % "int solve(int n) { return missing; }", "compile_error"),
        (METHOD % "int other(int n) { return n; }", "compile_error"),
    ],
)
def test_failures_are_the_candidates(runner: Runner, gate: Gate, code: str, verdict: str) -> None:
    """A wrong result, wrong parameters, an early end, an exception, an endless loop, and what does not compile."""
    config = JudgeConfig(cpp_time_factor=0.1)
    execution = judge_candidate(runner, PROBLEM, [Test("0", "[3]", "3")], Candidate("cpp", code), config, gate)
    assert execution.verdict == verdict


def test_mappings_do_not_travel_which_is_nobodys_failure(runner: Runner, gate: Gate) -> None:
    """The code compiles, only nobody can call it: not run, with the compiler's words."""
    execution = judged(runner, gate, METHOD % "int solve(unordered_map<int, int> m) { return 1; }", ([{}], 1))
    assert execution.reason is Reason.LANGUAGE
    assert "cannot be called" in (execution.detail or "")


@pytest.mark.parametrize(
    "code",
    [
        METHOD % "int solve(unordered_map<int, int> m) { return 1; }",
        METHOD % "struct Own {}; int solve(Own own) { return 1; }",
        (METHOD % "int solve(int n) { return 1; }") + "\n#define template oops\n",
    ],
    ids=["another type", "a type of its own", "spoils what calls it"],
)
def test_a_candidate_cannot_make_itself_uncallable(runner: Runner, gate: Gate, code: str) -> None:
    """Where all values are of kinds that travel, a function that takes none of them has failed."""
    execution = judged(runner, gate, code, ({"n": [3]}, 1))
    assert execution.verdict == "compile_error", execution


def test_asserts_are_python(runner: Runner, gate: Gate) -> None:
    """Tests that are programs of asserts are not run on C++ code."""
    execution = judged(runner, gate, METHOD % "int solve(int n) { return n; }", ("assert solve(1) == 1", ""))
    assert execution.reason is Reason.LANGUAGE
