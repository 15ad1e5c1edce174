"""Syntax verdicts: both opinions are kept, and only a compiler's rejection drops a row."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ocr_pipeline.samples import SyntaxVerdict, compilers
from ocr_pipeline.samples.compilers import WORKER, Opinion, PythonCompiler, _read_diagnosis, check_cpp
from ocr_pipeline.samples.syntax import Source, SyntaxReport, judge_syntax
from ocr_pipeline.tables import Language

needs_gpp = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")

PYTHON = [
    ("program", "n = int(input())\nprint(n)", SyntaxVerdict.OK),
    ("match", "match x:\n    case [1, *_]:\n        pass", SyntaxVerdict.OK),
    ("starred annotation that Tree-sitter flags", "def f(*args: *int): ...", SyntaxVerdict.OK),
    ("no body", "def f():\n\nprint(1)", SyntaxVerdict.ERROR),
    ("return at top level", "return 1", SyntaxVerdict.ERROR),
    ("unclosed", "print((1)", SyntaxVerdict.ERROR),
    ("indentation", "if x:\nprint(1)", SyntaxVerdict.ERROR),
    ("null byte", "x = 1\0", SyntaxVerdict.ERROR),
    ("prose that begins with print", "print the sum of all numbers.", SyntaxVerdict.ERROR),
    ("print statement", "n = input()\nprint n", SyntaxVerdict.PYTHON2),
    ("except comma", "try:\n    f()\nexcept ValueError, e:\n    pass", SyntaxVerdict.PYTHON2),
    ("raise comma", 'raise ValueError, "no"', SyntaxVerdict.PYTHON2),
    ("not equal", "if a <> b:\n    pass", SyntaxVerdict.PYTHON2),
    ("long integer", "x = 10L", SyntaxVerdict.PYTHON2),
    ("exec statement", "exec 'x = 1'", SyntaxVerdict.PYTHON2),
    ("C++", "#include <iostream>\nint main() { std::cout << 1; }", SyntaxVerdict.WRONG_LANGUAGE),
    ("Java", "public class Main {\n  public static void main(String[] a) {}\n}", SyntaxVerdict.WRONG_LANGUAGE),
    ("JavaScript", "const x = require('fs');\nconsole.log(x);", SyntaxVerdict.WRONG_LANGUAGE),
    ("nothing", "", SyntaxVerdict.EMPTY),
    ("comments", "# your code here\n\n# more", SyntaxVerdict.EMPTY),
    ("docstring", '"""To be done."""', SyntaxVerdict.EMPTY),
    ("very deep", "(" * 5_000 + ")" * 5_000, SyntaxVerdict.ERROR),
    ("deep unary", "-" * 200_000 + "1", SyntaxVerdict.ERROR),
    ("deep attributes", "x" + ".a" * 200_000, SyntaxVerdict.ERROR),
    ("huge integer", "x = " + "9" * 10_000, SyntaxVerdict.ERROR),
    ("huge", "x = 1\n" * 200_000, SyntaxVerdict.TOO_LARGE),
]
MACROS = (
    '#include <cstdio>\n#define rep(i, a, n) for (int i = a; i < n; i++)\nint main() { rep(i, 0, 3) { puts(""); } }'
)
CPP = [
    ("program", '#include <cstdio>\nint main() { puts("a"); }', SyntaxVerdict.OK),
    ("macros that Tree-sitter flags", MACROS, SyntaxVerdict.OK),
    (
        "missing header of somebody else",
        '#include "testlib.h"\n#define FOR(T) while (T--)\nint main() { FOR(3) f(); }',
        SyntaxVerdict.OK,
    ),
    (
        "valid in one dialect only",
        "#define rep(i, n) for (int i = 0; i < n; i++)\nint concept; int main() { rep(i, 2) {} }",
        SyntaxVerdict.OK,
    ),
    ("broken", "int main() { return 0 }", SyntaxVerdict.ERROR),
    ("cut off", "int main() { for (", SyntaxVerdict.ERROR),
    ("Python", "for i in range(3):\n    print(i)", SyntaxVerdict.WRONG_LANGUAGE),
    ("comments", "// nothing\n/* at all */", SyntaxVerdict.EMPTY),
    ("very deep", "int main() { return " + "(" * 2_000 + ")" * 2_000 + "; }", SyntaxVerdict.ERROR),
]


def judge(code: str, language: Language = Language.PYTHON, tag: str = "") -> SyntaxReport:
    """Judge one source."""
    return next(judge_syntax([Source(code.encode(), language, tag)]))


@pytest.mark.parametrize(("name", "code", "verdict"), PYTHON, ids=[name for name, _, _ in PYTHON])
def test_python(name: str, code: str, verdict: SyntaxVerdict) -> None:
    """CPython decides; Python 2, other languages and empty code have their own names."""
    assert judge(code).verdict is verdict, name


@needs_gpp
@pytest.mark.parametrize(("name", "code", "verdict"), CPP, ids=[name for name, _, _ in CPP])
def test_cpp(name: str, code: str, verdict: SyntaxVerdict) -> None:
    """A flag on C++ drops a row only when g++ agrees."""
    assert judge(code, Language.CPP).verdict is verdict, name


@needs_gpp
def test_both_opinions_are_kept() -> None:
    """The report says what each of the two said."""
    flagged, broken, unasked = (
        judge(code, Language.CPP) for code in (MACROS, "int main() { return 0 }", "int main() { return x; }")
    )
    assert (flagged.tree_sitter_ok, flagged.compiler_ok) == (False, True)
    assert (broken.tree_sitter_ok, broken.compiler_ok) == (False, False)
    assert (unasked.tree_sitter_ok, unasked.compiler_ok) == (True, None)
    missed = judge("def f():\n\nprint(1)")
    assert (missed.tree_sitter_ok, missed.compiler_ok) == (True, False)


def test_without_gpp_nothing_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tree-sitter's opinion on C++ alone drops no row."""
    monkeypatch.setattr("ocr_pipeline.samples.compilers.has_cpp_compiler", lambda: False)
    report = judge("int main() { return 0 }", Language.CPP)
    assert (report.verdict, report.tree_sitter_ok, report.compiler_ok) == (SyntaxVerdict.OK, False, None)


def test_without_compilers_tree_sitter_decides_on_python() -> None:
    """When compilers are not asked, their opinion is null and Tree-sitter's place of the error is given."""
    source = Source(b"x = 1\ny = = 2", Language.PYTHON)
    report = next(judge_syntax([source], ask_compilers=False))
    assert (report.verdict, report.compiler_ok, report.line) == (SyntaxVerdict.ERROR, None, 2)


@pytest.mark.parametrize(
    ("code", "language", "place"),
    [
        ("x = 1\nprint((x)\n", Language.PYTHON, (2, 6)),
        ("é = 'ü' $", Language.PYTHON, (1, 11)),
        pytest.param("int main() {\n  int x = ;\n}", Language.CPP, (2, 11), marks=needs_gpp),
    ],
)
def test_place_of_the_error(code: str, language: Language, place: tuple[int, int]) -> None:
    """Line and column count from 1, the column in bytes."""
    report = judge(code, language)
    assert (report.line, report.column) == place


def test_the_tag_tells_the_language_of_what_does_not_compile() -> None:
    """Code that the asked language rejects and that says another one is in the wrong language."""
    assert judge("fn f() -> i32 { 1 }", tag="rust").verdict is SyntaxVerdict.WRONG_LANGUAGE
    assert judge("x = 1", tag="cpp").verdict is SyntaxVerdict.OK


def test_unknown_language() -> None:
    """A language that we have no grammar for is named, not guessed."""
    assert next(judge_syntax([Source(b"x", None)])).verdict is SyntaxVerdict.UNSUPPORTED


def test_mixed_batch_keeps_its_order() -> None:
    """Reports come in the order of the sources, also where a C++ source has Python asked about it."""
    sources = [
        Source(b"x = 1", Language.PYTHON),
        Source(b"for i in range(3):\n    print(i)", Language.CPP),
        Source(b"x = (", Language.PYTHON),
        Source(b"x", None),
        Source(b"y = 2", Language.PYTHON),
    ]
    verdicts = [str(report.verdict) for report in judge_syntax(sources)]
    assert verdicts == ["ok", "wrong_language", "error", "unsupported_language", "ok"]


MORTAL_WORKER = """
import os, sys
sys.path.insert(0, {folder!r})
import compile_worker
judge = compile_worker.judge
compile_worker.judge = lambda source: os._exit(1) if source == "die" else judge(source)
compile_worker.main()
"""


def test_a_source_that_kills_the_compiler_harms_no_other(tmp_path: Path) -> None:
    """When the worker dies at one source, that one is rejected and the others are judged."""
    program = tmp_path / "worker.py"
    program.write_text(MORTAL_WORKER.format(folder=str(WORKER.parent)), encoding="utf-8")
    with PythonCompiler(program) as compiler:
        compiler.ask([b"die", b"x = 1", b"die", b"die", b"x = (", b"x = 2", b"die"])
        accepted = [opinion.accepted for opinion in compiler.answers()]
    assert accepted == [False, True, False, False, False, True, False]


def test_a_worker_that_somebody_ended_is_started_again() -> None:
    """A question to a worker that was killed in the meantime is answered by a new one."""
    with PythonCompiler() as compiler:
        compiler.ask([b"x = 1"])
        assert all(opinion.accepted for opinion in compiler.answers())
        assert compiler._process is not None
        compiler._process.kill()
        compiler._process.wait()
        compiler.ask([b"x = 2", b"x = ("])
        assert [opinion.accepted for opinion in compiler.answers()] == [True, False]


def test_syntax_warnings_are_silent(capfd: pytest.CaptureFixture[str]) -> None:
    """A doubtful escape is not an error and prints nothing."""
    assert judge("s = '\\d'\nx = 1 is 1").verdict is SyntaxVerdict.OK
    assert capfd.readouterr().err == ""


CPP_MAIN = "#include <iostream>\nint main() {{ {body} }}"


@needs_gpp
@pytest.mark.parametrize(
    ("code", "compiles"),
    [
        (CPP_MAIN.format(body="std::cout << 1;"), True),
        (CPP_MAIN.format(body="x = 3;"), False),
        (CPP_MAIN.format(body="int a = std::string();"), False),
        ("class Solution { public: vector<int> f(vector<int>& a) { sort(a.begin(), a.end()); return a; } };", True),
        ("class Solution { public: vector<int> f(vector<int>& a) { order(a); return a; } };", False),
        ("#include <of_nobody.h>\nint main() {}", None),
        ('#include "/dev/zero"\nint main() {}', None),
    ],
)
def test_a_kept_cpp_program_is_compiled(code: str, compiles: bool | None) -> None:  # noqa: FBT001 - a table's column
    """Names and types are g++'s to judge; a function that is asked for is compiled behind the usual headers."""
    report = next(judge_syntax([Source(code.encode(), Language.CPP, is_kept=True)]))
    assert (report.verdict, report.compiles) == (SyntaxVerdict.OK, compiles)


def test_what_is_dropped_anyway_is_not_compiled() -> None:
    """Compiling costs more than everything else, so only kept programs are asked about."""
    assert next(judge_syntax([Source(CPP_MAIN.format(body="x = 3;").encode(), Language.CPP)])).compiles is None


def test_python_compiles_when_cpython_accepts() -> None:
    """For Python the column repeats the compiler's opinion."""
    assert judge("x = 1").compiles is True


@pytest.mark.parametrize(
    "diagnosis",
    [
        "g++: fatal error: Killed signal terminated program cc1plus",
        "cc1plus: out of memory allocating 65536 bytes",
        "virtual memory exhausted: Cannot allocate memory",
        "sh: 1: ulimit: error: too high",
        "",
    ],
)
def test_a_compiler_that_was_stopped_says_nothing(diagnosis: str) -> None:
    """A limit or a full machine is not a verdict on the program."""
    assert _read_diagnosis(1, diagnosis).accepted is None


@needs_gpp
def test_a_stopped_compiler_is_asked_again_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine stopped is asked once more with no other compiler beside it."""
    opinions = iter([Opinion(accepted=None), Opinion(accepted=True)])
    monkeypatch.setattr(compilers, "_ask_dialect", lambda *_: next(opinions))
    assert check_cpp(b"int main() {}").accepted is True


def test_compilers_have_no_clock() -> None:
    """The same input gives the same bytes at any load: CPU time and memory are limited, never time on the wall."""
    assert "timeout" not in Path(compilers.__file__).read_text(encoding="utf-8")
