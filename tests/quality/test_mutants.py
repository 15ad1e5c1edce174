"""Mutants: spoiled programs that can still be read."""

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.quality.mutants import Mutant, mutants_of
from ocr_pipeline.quality.mutations import MutationKind, parser_of
from ocr_pipeline.sample import path
from ocr_pipeline.sample.authored import load_problems

PYTHON = """\
def best(items, limit):
    reach = [0] * (limit + 1)
    for weight, value in sorted(items, key=lambda item: item[1], reverse=True):
        for room in range(weight, limit + 1):
            if reach[room - weight] + value > reach[room] and weight > 0:
                reach[room] = reach[room - weight] + value
            reach[room] = max(reach[room], reach[room - 1])
    return reach[limit] % 1000000007
"""
CPP = """\
#include <bits/stdc++.h>
using namespace std;
int main() {
    long long n, most = 0;
    cin >> n;
    vector<long long> a(n);
    for (int i = 0; i < n; i++) cin >> a[i];
    sort(a.begin(), a.end(), greater<long long>());
    for (int i = 0; i < n; i++) {
        if (a[i] > 0 && i != 3) {
            most = max(most, a[i] * (i + 1));
        }
    }
    cout << most % 1000000007 << endl;
}
"""
MANY = 1_000
KINDS = set(MutationKind)


def made(code: str, language: str, kind: MutationKind) -> set[str]:
    """Return the lines that the mutants of a kind have and the program has not, without their indentation."""
    before = {line.strip() for line in code.splitlines()}
    mutants = [one for one in mutants_of(code, language, limit=MANY) if one.kind is kind]
    return {line.strip() for one in mutants for line in one.code.splitlines()} - before


@pytest.mark.parametrize(
    ("kind", "line", "spoiled"),
    [
        (MutationKind.COMPARISON, "a = x < y", "a = x <= y"),
        (MutationKind.ARITHMETIC, "a = x - y", "a = x + y"),
        (MutationKind.LOGIC, "a = x and y", "a = x or y"),
        (MutationKind.OFF_BY_ONE, "a = list(range(x))", "a = list(range((x) - 1))"),
        (MutationKind.OFF_BY_ONE, "a = y[x]", "a = y[(x) + 1]"),
        (MutationKind.OFF_BY_ONE, "a = 0", "a = 1"),
        (MutationKind.BOUNDARY, "a = x % 1000000007", "a = x % 1000000006"),
        (MutationKind.BOUNDARY, "a = float('inf')", "a = 1000"),
        (MutationKind.SORT_ORDER, "a = sorted(x)", "a = sorted(x, reverse=True)"),
        (MutationKind.SORT_ORDER, "x.sort(key=len)", "x.sort()"),
        (MutationKind.SORT_ORDER, "a = sorted(x)", "a = list(x)"),
        (MutationKind.CONDITION, "a = x if y else 2", "a = x if not (y) else 2"),
        (MutationKind.BRANCH, "a = x if y else 2", "a = x if True else 2"),
        (MutationKind.STATEMENT, "x.append(y)", "pass"),
        (MutationKind.EXTREME, "a = max(x, y)", "a = min(x, y)"),
        (MutationKind.GREEDY, "a = max(x, y)", "a = (x)"),
    ],
)
def test_a_python_program_is_spoiled_as_people_do(kind: MutationKind, line: str, spoiled: str) -> None:
    """Each kind of mistake is made."""
    assert spoiled in made(f"{line}\n", "python", kind)


@pytest.mark.parametrize(
    ("kind", "line", "spoiled"),
    [
        (MutationKind.COMPARISON, "b = x <= y;", "b = x < y;"),
        (MutationKind.ARITHMETIC, "x += y;", "x -= y;"),
        (MutationKind.LOGIC, "b = x && y;", "b = x || y;"),
        (MutationKind.OFF_BY_ONE, "for (int i = 0; i < n; i++) f(i);", "for (int i = 0; i < (n) - 1; i++) f(i);"),
        (MutationKind.OFF_BY_ONE, "y = a[i];", "y = a[(i) - 1];"),
        (MutationKind.BOUNDARY, "x = LLONG_MAX;", "x = 1000;"),
        (MutationKind.BOUNDARY, "int a[100005];", "int a[1000];"),
        (MutationKind.WIDTH, "long long x = 0;", "int x = 0;"),
        (MutationKind.WIDTH, "vector<long long> a;", "vector<int> a;"),
        (MutationKind.WIDTH, "double x = 0;", "float x = 0;"),
        (MutationKind.SORT_ORDER, "sort(a.begin(), a.end());", "sort(a.rbegin(), a.rend());"),
        (MutationKind.SORT_ORDER, "sort(a, a + n, by_end);", "sort(a, a + n);"),
        (MutationKind.SORT_ORDER, "sort(a, a + n);", "(void)0;"),
        (MutationKind.CONDITION, "if (x) y = 1;", "if (!(x)) y = 1;"),
        (MutationKind.BRANCH, "if (x) y = 1;", "if (false) y = 1;"),
        (MutationKind.STATEMENT, "x = y;", ";"),
        (MutationKind.EXTREME, "x = std::min(x, y);", "x = std::max(x, y);"),
        (MutationKind.GREEDY, "x = max(x, y);", "x = (y);"),
        (MutationKind.GREEDY, "for (;;) { f(x); }", "for (;;) { f(x); break; }"),
    ],
)
def test_a_cpp_program_is_spoiled_as_people_do(kind: MutationKind, line: str, spoiled: str) -> None:
    """Each kind of mistake is made."""
    assert spoiled in made(f"void f() {{\n{line}\n}}\n", "cpp", kind)


def test_the_type_behind_a_macro_is_narrowed() -> None:
    """Contest programs write their long integers as a macro or an alias."""
    code = "#define int long long\ntypedef long long ll;\nint x;\n"
    assert made(code, "cpp", MutationKind.WIDTH) == {"#define int int", "typedef int ll;"}


@pytest.mark.parametrize(("code", "language"), [(PYTHON, "python"), (CPP, "cpp")])
def test_kinds_take_turns(code: str, language: str) -> None:
    """A few mutants are of many kinds."""
    all_kinds = {one.kind for one in mutants_of(code, language, limit=MANY)}
    few = Counter(one.kind for one in mutants_of(code, language, limit=len(all_kinds)))
    assert set(few) == all_kinds
    assert KINDS - all_kinds <= {MutationKind.WIDTH, MutationKind.STATEMENT}


@pytest.mark.parametrize(("code", "language"), [(PYTHON, "python"), (CPP, "cpp")])
def test_program_and_seed_decide(code: str, language: str) -> None:
    """The same program has the same mutants; another seed takes others."""
    first, again, other = (mutants_of(code, language, limit=12, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert first[:5] == mutants_of(code, language, limit=5, seed=1)


def authored() -> list[tuple[str, str]]:
    """Return the programs of the bundled sample."""
    return [
        (PYTHON, "python"),
        (CPP, "cpp"),
        *((one.code, one.language) for each in load_problems(path("problems")) for one in each.solutions),
    ]


def all_mutants() -> list[tuple[str, str, Mutant]]:
    """Return every mutant of some programs, with its original."""
    programs = authored()
    return [(code, language, one) for code, language in programs for one in mutants_of(code, language, limit=MANY)]


def test_mutants_can_be_read_and_differ_where_they_say() -> None:
    """CPython reads every Python mutant; outside of its span a mutant is the original."""
    found = all_mutants()
    assert len(found) > MANY
    for code, language, mutant in found:
        start, end = mutant.span
        before, after = code.encode()[:start], code.encode()[end:]
        assert mutant.code != code
        assert mutant.code.encode().startswith(before)
        assert mutant.code.encode().endswith(after)
        if language == "python":
            compile(mutant.code, "mutant", "exec")
        else:
            assert not parser_of(language).parse(mutant.code.encode()).root_node.has_error


def test_no_two_mutants_are_equal() -> None:
    """Programs that two edits make alike are one mutant."""
    for _, group in itertools.groupby(all_mutants(), key=lambda one: one[0]):
        codes = [mutant.code for _, _, mutant in group]
        assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    "code",
    [
        "while n:\n    n -= 1\n",
        "while n > 0:\n    step(n)\n    break\n",
        "while low < high:\n    low = low + 1\n",
    ],
)
def test_what_ends_a_loop_stays(code: str) -> None:
    """A mutant that runs for ever costs its time limit, and every test catches it."""
    assert not made(code, "python", MutationKind.STATEMENT)


@pytest.mark.parametrize(
    ("code", "language"),
    [("x = (\n", "python"), ("", "python"), ("   \n", "cpp"), ("x = 1", "java"), ("print 1 + 2\n" * 40_000, "python")],
    ids=["broken", "empty", "blank", "other", "long"],
)
def test_what_cannot_be_read_has_no_mutants(code: str, language: str) -> None:
    """Broken, empty and overlong programs, and other languages."""
    assert not mutants_of(code, language, limit=10)


def test_macros_that_the_parser_dislikes_keep_no_program_from_being_spoiled() -> None:
    """A C++ program with an error of the parser has mutants without further errors."""
    code = (
        "#define rep(i, n) for (int i = 0; i < n; i++)\nint f(int n) { int s = 0; rep(i, n) s += i; return s - 1; }\n"
    )
    assert {one.kind for one in mutants_of(code, "cpp", limit=20)} >= {MutationKind.ARITHMETIC}


@given(st.text(), st.sampled_from(["python", "cpp"]))
def test_any_text_is_survived(code: str, language: str) -> None:
    """Whatever is not a program has mutants or none, and nothing fails."""
    assert len(mutants_of(code, language, limit=3)) <= 3
