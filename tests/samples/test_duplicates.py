"""Samples with the same code but for comments and white space point at the first."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.samples.duplicates import CANDIDATES, RoughIndex, find_repeats, normal_form, rough_key

SAME = [
    ("python", "x = 1\nprint(x)", "x=1\n\n# say\nprint( x )  # it\n"),
    ("python", "if a:\n    b()\n    c()", "if a:\n  b()\n  c()"),
    ("python", "if a:\n\tb()", "if a:\n    b()"),
    ("python", "f(a,\n  b)", "f(a, b)"),
    ("python", "x = a + \\\n    b", "x = a + b"),
    ("python", "s = '# no comment'", "s  =  '# no comment' # comment"),
    ("python", "x = 1\r\ny = 2", "x = 1\ny = 2"),
    ("cpp", "int main() { return 0; }", "int main()\n{\n    // done\n    return 0; /* really */\n}\n"),
    ("cpp", "#define A 1\nint x;", "#define A 1 // one\n\nint   x;"),
    ("cpp", 'auto s = "//";', 'auto s = "//"; // s'),
    ("cpp", "a=-1;", "a = -1;"),
    ("cpp", "int a = 1'000; // it's", "int a=1'000;"),
]
DIFFERENT = [
    ("python", "if a:\n    b()\n    c()", "if a:\n    b()\nc()"),
    ("python", "s = 'a b'", "s = 'ab'"),
    ("python", "s = '#a'", "s = '#b'"),
    ("python", "x = 1", "y = 1"),
    ("python", "not a", "nota"),
    ("python", "for i in a:\n  for j in b:\n    f()\n  g()", "for i in a:\n  for j in b:\n    f()\n    g()"),
    ("cpp", "a = b+ ++c;", "a = b++ +c;"),
    ("cpp", "#define A\nint x;", "#define A int x;"),
    ("cpp", 'puts("a  b");', 'puts("a b");'),
    ("cpp", 'auto s = R"(a // b)";', 'auto s = R"(a // c)";'),
]


@pytest.mark.parametrize(("language", "left", "right"), SAME)
def test_same_code(language: str, left: str, right: str) -> None:
    """Comments, blank lines and spacing do not make another program; the rough key agrees."""
    assert normal_form(left.encode(), language) == normal_form(right.encode(), language)
    assert rough_key("p", language, left.encode()) == rough_key("p", language, right.encode())


@pytest.mark.parametrize(("language", "left", "right"), DIFFERENT)
def test_different_code(language: str, left: str, right: str) -> None:
    """Whatever changes a token, a string or the structure makes another program."""
    assert normal_form(left.encode(), language) != normal_form(right.encode(), language)


PIECES = st.sampled_from(
    ["x", "if a:", "    ", "\n", "'#'", '"//"', "(", ")", "+", "1", "def f():", "'", '"', "é", "\\", "/", "R"]
)
NOISE = {
    "python": st.sampled_from(["  # noise\n", "\n\n", " # 'x'\n"]),
    "cpp": st.sampled_from(["  // noise\n", "\n\n", " /* x */\n"]),
}


@pytest.mark.parametrize("language", ["python", "cpp"])
@given(data=st.data())
def test_equal_form_means_equal_rough_key(language: str, data: st.DataObject) -> None:
    """The rough key never tells apart what the lexer calls the same: no duplicate is missed."""
    lines = data.draw(st.lists(st.lists(PIECES, max_size=6).map("".join), max_size=6))
    noise = data.draw(NOISE[language])
    left, right = "\n".join(lines).encode(), noise.join(lines).encode()
    if normal_form(left, language) == normal_form(right, language):
        assert rough_key("p", language, left) == rough_key("p", language, right)


def test_keys_belong_to_one_problem_and_language() -> None:
    """The same code for another problem is another sample."""
    keys = {rough_key(problem, language, b"x = 1") for problem in ("p", "q") for language in ("python", "cpp")}
    assert len(keys) == 4


def test_rough_index_finds_shared_keys_across_batches() -> None:
    """Rows that share a key are candidates wherever they stand; rows without code are not."""
    index = RoughIndex()
    a, b, c = (bytes([value]) * 16 for value in b"abc")
    index.add([a, None, b])
    index.add([])
    index.add([None, c, a])
    assert index.candidates().tolist() == [0, 5]
    assert RoughIndex().candidates().tolist() == []


def candidates(rows: list[tuple[bytes, int, str, int]]) -> pa.RecordBatch:
    """Return rows of key, sample index, sample id and row."""
    return pa.RecordBatch.from_pylist([dict(zip(CANDIDATES.names, row, strict=True)) for row in rows], CANDIDATES)


def test_no_candidates() -> None:
    """Without candidates nothing repeats."""
    assert find_repeats([]).between(0, 2).to_pylist() == [None, None]


@given(st.permutations([("k", 0, "s0"), ("k", 1, "s1"), ("k", 2, "s2"), ("other", 0, "s3")]))
def test_first_sample_does_not_depend_on_the_order(samples: list[tuple[str, int, str]]) -> None:
    """The others point at the first sample of the problem, in whatever order the rows came."""
    rows = [(key.encode(), number, name, row) for row, (key, number, name) in enumerate(samples)]
    found = find_repeats([candidates(rows[:1]), candidates(rows[1:])]).between(0, 4).to_pylist()
    expected = {"s0": None, "s1": "s0", "s2": "s0", "s3": None}
    assert {name: found[row] for row, (_, _, name) in enumerate(samples)} == expected


def test_between_takes_a_window() -> None:
    """A batch gets the originals of its own rows."""
    repeats = find_repeats([candidates([(b"k", 0, "first", 1), (b"k", 1, "second", 4)])])
    assert repeats.between(0, 3).to_pylist() == [None, None, None]
    assert repeats.between(3, 6).to_pylist() == [None, "first", None]
    assert np.array_equal(repeats.rows, [4])


HOSTILE = ['"\\', "'''\"", 'R"(', "/* ", "/*", "'", '"', "\\", "abc'", "x.", "#", "//", "1'", "'''"]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("language", ["python", "cpp"])
@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_code_is_not_quadratic(language: str, piece: str) -> None:
    """A hundred thousand quotes or comments that nothing closes are read at once; the time limit watches."""
    code = (piece * 100_000).encode()
    assert len(rough_key("p", language, b"# /" + code)) > 0
    assert len(normal_form(code, language)) < 3 * len(code)
