"""Raw files as people have them: limits with units, packages, wrapped and foreign files."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import math
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from ocr_pipeline.errors import InputError
from ocr_pipeline.sources import limits
from ocr_pipeline.sources.latex import Sources, plain_text
from ocr_pipeline.sources.raw import column_names
from ocr_pipeline.sources.returns import Shape, shape_returned
from tests.sources import rows as raw
from tests.sources.rows import run


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500 ms", 0.5),
        ("1,5 sec", 1.5),
        ("0:00:02", 2.0),
        ("half a second", 0.5),
        ("1,000 ms", 1.0),
        ("2.0 seconds", 2.0),
        ("2s.", 2.0),
        ("1 500 ms", 1.5),
        ("1m30s", 90.0),
        ("1 min 30 s", 90.0),
        ("PT1.5S", 1.5),
        ("Time limit: 2 seconds", 2.0),
        ("<= 2 s", 2.0),
        ("1 second / 2 seconds", 1.0),
        ("\uff12 seconds", 2.0),
    ],
)
def test_a_time_limit_keeps_its_unit(text: str, seconds: float) -> None:
    """Units, decimal commas, clock times and words are read."""
    assert limits.seconds(text) == seconds


@pytest.mark.parametrize(
    ("text", "mebibytes"),
    [
        ("65536 KB", 64.0),
        ("0.25 gigabytes", 256.0),
        ("64 MB", 64.0),
        ("64 000 KB", 62.5),
        ("Memory limit: 256 MB", 256.0),
        ("268,435,456 bytes", 256.0),
        ("256 Mo", 256.0),
    ],
)
def test_a_memory_limit_keeps_its_unit(text: str, mebibytes: float) -> None:
    """Everything comes in MiB."""
    assert limits.mebibytes(text) == mebibytes


def test_an_unknown_unit_is_unreadable() -> None:
    """A limit that is wrong by a thousand is worse than none."""
    with pytest.raises(ValueError, match="parsecs"):
        limits.seconds("2 parsecs")


@pytest.mark.parametrize(
    ("read", "text"), [(limits.seconds, "3/2 s"), (limits.seconds, "1½ s"), (limits.seconds, "30 s 2 s")]
)
def test_a_number_that_is_part_of_another_is_unreadable(read: Callable[[str], float], text: str) -> None:
    """The first digits of a fraction are not the limit."""
    with pytest.raises(ValueError, match="s"):
        read(text)


@pytest.mark.parametrize("amount", ["268435456", 268435456, "1/4 GB", "2^28 bytes"])
def test_a_memory_limit_of_no_machine_is_unreadable(amount: object) -> None:
    """A number of bytes without its unit is not one of mebibytes."""
    with pytest.raises(ValueError, match=r"\d"):
        limits.mebibytes(amount)


def test_a_duration_of_two_fields_is_read() -> None:
    """As protocol buffers have it."""
    assert limits.seconds({"seconds": 2, "nanos": 500_000_000}) == 2.5


def test_solutions_show_what_they_return() -> None:
    """A sum is not a list; what something is appended to is one."""
    assert shape_returned(["def f(a):\n    return sum(a)"], "f") is Shape.SCALAR
    assert shape_returned(["def f(a):\n    b = []\n    b.append(1)\n    return b"], "f") is Shape.LIST
    assert shape_returned(["print(1)"], "f") is None


def test_a_latex_statement_is_text() -> None:
    """Comments and pictures are left out, files and constants are in their places."""
    source = "\\problemname{Twice}\n\\includegraphics{a.png}\n100\\% of $n\\%$ % jury\n\\input{body} \\constant{lim}"
    text = plain_text(source, Sources({"body": "Read n."}.get, {"lim": "7"}))
    assert text == "Twice\n\n100% of $n\\%$\nRead n.\n7"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("key", ["data", "train", ""])
def test_rows_inside_an_object_or_a_list_are_rows(tmp_path: Path, key: str, indent: int | None, encoding: str) -> None:
    """One line or many, in UTF-8 or UTF-16."""
    rows = [raw.own(problem_id=str(number)) for number in range(3)]
    text = json.dumps({key: rows} if key else rows, indent=indent)
    (tmp_path / "a.json").write_text(text, encoding=encoding)
    assert run("own", [tmp_path / "a.json"], tmp_path / "out").counts.kept == 3


def test_a_numbered_set_with_a_gap_is_refused(tmp_path: Path) -> None:
    """What a download that died left is never read as if it were all."""
    raw.parquet(tmp_path / "raw" / "train-00000-of-00002.parquet", [raw.taco()])
    with pytest.raises(InputError, match=r"1 of 2 files: train-00001-of-00002.parquet"):
        run("taco", [tmp_path / "raw"], tmp_path / "out")


def test_a_zipped_package_keeps_what_its_folders_mean(tmp_path: Path) -> None:
    """A submission in `mixed` is neither right nor wrong."""
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as file:
        file.writestr("problem.yaml", "name: Twice\n")
        file.writestr("problem_statement/problem.en.tex", "Read n and print it twice.")
        file.writestr("data/sample/1.in", "2\n")
        file.writestr("data/sample/1.ans", "4\n")
        file.writestr("submissions/mixed/a.py", "print(4)\n")
    result = run("kattis", [tmp_path / "twice.zip"], tmp_path / "out")
    (solution,) = result.rows("solutions")
    assert (solution["is_correct"], solution["source_verdict"]) == (None, "mixed")
    assert result.one()["statement"].endswith("Sample Input 1\n\n2\n\nSample Output 1\n\n4")


ROWS = [raw.own(problem_id=str(number), title=f"Title {number}") for number in range(3)]
LINES = "\n".join(map(json.dumps, ROWS))
CSV = "problem_id,statement,title\n" + "".join('{problem_id},"{statement}",{title}\n'.format(**row) for row in ROWS)


@pytest.mark.parametrize(
    "wrapped",
    [
        {"data": {"rows": ROWS}},
        {"status": "ok", "result": {"items": ROWS, "total": 3}},
        {"columns": [{"name": "statement"}], "data": ROWS},
        {"columns": list(ROWS[0]), "index": [0, 1, 2], "data": [list(row.values()) for row in ROWS]},
        {name: [row[name] for row in ROWS] for name in ROWS[0]},
        {name: {str(number): row[name] for number, row in enumerate(ROWS)} for name in ROWS[0]},
        {"features": [{"name": "title"}], "rows": [{"row_idx": n, "row": row} for n, row in enumerate(ROWS)]},
        {row["problem_id"]: {"statement": row["statement"], "title": row["title"]} for row in ROWS},
        {"data": {"train": ROWS, "test": ROWS[:1]}},
    ],
)
def test_rows_are_found_in_whatever_object_they_are(tmp_path: Path, wrapped: object) -> None:
    """What else is in the object is not a row, and each row keeps its id."""
    (tmp_path / "a.json").write_text(json.dumps(wrapped), encoding="utf-8")
    result = run("own", [tmp_path / "a.json"], tmp_path / "out")
    assert [(row["native_id"], row["title"]) for row in result.rows("problems")] == [
        (row["problem_id"], row["title"]) for row in ROWS
    ]
    assert result.rows("rejected") == []


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl.gz", gzip.compress(LINES.encode())),
        ("a.jsonl", gzip.compress(LINES.encode())),
        ("a.jsonl.bz2", bz2.compress(LINES.encode())),
        ("a.jsonl.xz", lzma.compress(LINES.encode())),
        ("a.jsonl.zst", pa.compress(LINES.encode(), "zstd", asbytes=True)),
        ("A.JSONL", LINES.encode()),
        ("a.jsonl", LINES.replace("\n", "\r").encode()),
        ("a.jsonl", "".join(f"\x1e{json.dumps(row)}\n" for row in ROWS).encode()),
        ("a.json", json.dumps(ROWS).encode("utf-32")),
        ("a.csv", CSV.encode()),
        ("a.csv.gz", gzip.compress(CSV.encode("utf-16"))),
        ("a.csv", CSV.replace(",", "|").encode()),
        ("a.csv", ("sep=;\n" + CSV.replace(",", ";")).encode("utf-8-sig")),
        ("a.tsv", CSV.replace(",", "\t").encode()),
    ],
)
def test_files_are_read_however_they_are_packed_and_written(tmp_path: Path, name: str, data: bytes) -> None:
    """By their first bytes, not by their names."""
    (tmp_path / name).write_bytes(data)
    result = run("own", [tmp_path / name], tmp_path / "out")
    assert [row["title"] for row in result.rows("problems")] == ["Title 0", "Title 1", "Title 2"]


def test_csv_bytes_that_are_not_utf_8_are_mended_and_noted(tmp_path: Path) -> None:
    """One letter of another encoding costs that letter, not the file."""
    (tmp_path / "a.csv").write_bytes(CSV.replace("Title 1", "Größe").encode("latin-1"))
    found = {
        row["native_id"]: (row["title"], row["repairs"])
        for row in run("own", [tmp_path], tmp_path / "o").rows("problems")
    }
    assert found == {"0": ("Title 0", []), "1": ("Gr\ufffd\ufffde", ["invalid_utf8"]), "2": ("Title 2", [])}


def test_a_csv_row_with_too_many_cells_is_rejected(tmp_path: Path) -> None:
    """The others are read; a row with too few has nulls."""
    (tmp_path / "a.csv").write_text(f"{CSV}x,text,title,more\n7,{ROWS[0]['statement']}\n", encoding="utf-8")
    result = run("own", [tmp_path / "a.csv"], tmp_path / "out")
    assert [row["detail"] for row in result.rows("rejected")] == ["1 cells too many"]
    assert {row["native_id"]: row["title"] for row in result.rows("problems")}["7"] is None


@pytest.mark.parametrize(
    ("tags", "read"),
    [
        ('["dp", "math"]', ["dp", "math"]),
        ("['dp' 'math']", ["dp", "math"]),
        (json.dumps('["dp", "math"]'), ["dp", "math"]),
        ("dp\nmath", ["dp", "math"]),
        ([{"name": "dp"}, {"tag": "math", "id": 3}], ["dp", "math"]),
        ("nan", []),
    ],
)
def test_tags_are_read_as_people_write_them(tmp_path: Path, tags: object, read: list[str]) -> None:
    """Lists as text of several kinds, lines, and objects with a name."""
    (tmp_path / "a.json").write_text(json.dumps([raw.own(tags=tags)]), encoding="utf-8")
    assert run("own", [tmp_path / "a.json"], tmp_path / "out").one()["tags"] == read


@pytest.mark.parametrize("rating", [1600, 1600.0, "1600", "1600.0", "*1600", "1,600"])
def test_ratings_are_numbers_however_they_are_written(tmp_path: Path, rating: object) -> None:
    """As text, with a star, with a comma."""
    (tmp_path / "a.json").write_text(json.dumps([raw.own(rating=rating)]), encoding="utf-8")
    assert run("own", [tmp_path / "a.json"], tmp_path / "out").one()["rating"] == 1600


def test_nan_is_no_value(tmp_path: Path) -> None:
    """Tables of numbers write it where there is none: neither a text of the wrong type nor a limit that cannot be read."""
    row = raw.own(rating=math.nan, time_limit_s=math.nan, starter_code=math.nan, title=math.nan)
    (tmp_path / "a.json").write_text(json.dumps([row]), encoding="utf-8")
    problem = run("own", [tmp_path / "a.json"], tmp_path / "out").one()
    assert [problem[name] for name in ("rating", "time_limit_s", "starter_code", "title", "repairs")] == [None] * 4 + [
        []
    ]


def test_columns_of_other_names_are_mapped(tmp_path: Path) -> None:
    """In CSV, JSON inside an object, and Parquet; a column of theirs that has such a name already gives way."""
    theirs = [{"question": row["statement"], "key": row["problem_id"], "statement": "a summary"} for row in ROWS]
    files = {"a.csv": "key,question,statement\n" + "".join('{key},"{question}",x\n'.format(**row) for row in theirs)}
    files["a.json"] = json.dumps({"data": {"rows": theirs}})
    raw.parquet(tmp_path / "a.parquet", theirs)
    columns = column_names(["statement=question", " problem_id = key "])
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    for name in (*files, "a.parquet"):
        result = run("own", [tmp_path / name], tmp_path / f"out_{name}", columns=columns)
        assert [(row["native_id"], row["statement"]) for row in result.rows("problems")] == [
            (row["problem_id"], row["statement"]) for row in ROWS
        ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["statement"], "`statement` does not map a column; write OURS=THEIRS"),
        (["=question"], "`=question` does not map a column"),
        (["statement=a", "statement=b"], "column `statement` is mapped to `a` and to `b`"),
        (["statement=a", "title=a"], "column `a` is mapped to more than one of ours"),
        (["statement=statement", "title=heading"], "no file has a column `heading`, which `title` is mapped to"),
    ],
)
def test_a_mapping_that_means_nothing_is_one_clear_line(tmp_path: Path, given: list[str], message: str) -> None:
    """Also a slip in the name of a column of theirs."""
    (tmp_path / "a.csv").write_text(CSV, encoding="utf-8")
    with pytest.raises(InputError) as raised:
        run("own", [tmp_path / "a.csv"], tmp_path / "out", columns=column_names(given))
    assert str(raised.value).startswith(message)


POLYGON = """<?xml version="1.0" encoding="utf-8"?>
<problem revision="4" short-name="shelf-sum" url="">
  <names><name language="russian" value="Полки"/><name language="english" value="Shelf Sum"/></names>
  <judging cpu-name="any" input-file="" output-file="">
    <testset name="pretests"><time-limit>1000</time-limit><tests><test method="manual"/></tests></testset>
    <testset name="tests">
      <time-limit>2500</time-limit><memory-limit>268435456</memory-limit><test-count>4</test-count>
      <input-path-pattern>tests/%02d</input-path-pattern><answer-path-pattern>tests/%02d.a</answer-path-pattern>
      <tests><test method="manual" sample="true"/><test method="generated" cmd="gen 3"/>
        <test method="generated" cmd="gen 7"/><test method="generated" cmd="gen 9"/></tests>
    </testset>
  </judging>
  <assets>
    <checker name="std::rcmp6.cpp" type="testlib"/>
    <solutions>
      <solution tag="main"><source path="solutions/sum.cpp" type="cpp.g++17"/></solution>
      <solution tag="wrong-answer"><source path="solutions/first.py" type="python.3"/></solution>
      <solution tag="time-limit-exceeded-or-accepted"><source path="solutions/slow.py" type="python.3"/></solution>
    </solutions>
  </assets>
  <tags><tag value="math"/><tag value="implementation"/></tags>
</problem>
"""
POLYGON_FILES = {
    "problem.xml": POLYGON,
    "statement-sections/english/legend.tex": "A shelf holds $n$ boxes. % the jury likes shelves\n\n\\begin{center}"
    "\\includegraphics{shelf.png}\\end{center}\n\nAdd up \\textbf{all} weights.",
    "statement-sections/english/input.tex": "The first line contains $n$ ($1 \\le n \\le 9$).",
    "statement-sections/english/output.tex": "Print the sum.",
    "statement-sections/english/notes.tex": "A box may weigh nothing.",
    "statement-sections/english/example.01": "2\n3 4\n",
    "statement-sections/english/example.01.a": "7\n",
    "statement-sections/russian/legend.tex": "Полка.",
    "tests/01": "2\n3 4\n",
    "tests/01.a": "7\n",
    "tests/02": "1\n5\n",
    "tests/02.a": "5\n",
    "tests/03": "12\n1 1 1 1 1 1 1 1 1 1 1 1\n",
    "tests/03.a": "12\n",
    "solutions/sum.cpp": "int main() { return 0; }\n",
    "solutions/first.py": "print(input())\n",
    "solutions/slow.py": "print(7)\n",
}


@pytest.mark.parametrize("is_packed", [False, True])
def test_a_whole_package_of_polygon_is_read(tmp_path: Path, *, is_packed: bool) -> None:
    """Statement, limits, checker, tests of the main set, and what each solution's tag means; from a folder or a zip."""
    if is_packed:
        with zipfile.ZipFile(tmp_path / "shelf-sum.zip", "w") as file:
            for name, text in POLYGON_FILES.items():
                file.writestr(name, text)
        given = tmp_path / "shelf-sum.zip"
    else:
        given = tmp_path / "shelf-sum"
        for name, text in POLYGON_FILES.items():
            (given / name).parent.mkdir(parents=True, exist_ok=True)
            (given / name).write_text(text, encoding="utf-8")
    result = run("kattis", [given], tmp_path / "out")
    problem = result.one()
    assert problem["statement"] == (
        "A shelf holds $n$ boxes.\n\nAdd up all weights.\n\nInput\n\nThe first line contains $n$ ($1 \\le n \\le 9$).\n\n"
        "Output\n\nPrint the sum.\n\nSample Input 1\n\n2\n3 4\n\nSample Output 1\n\n7\n\nNote\n\nA box may weigh nothing."
    )
    columns = (
        "native_id",
        "title",
        "site",
        "time_limit_s",
        "memory_limit_mib",
        "checker",
        "float_tolerance",
        "io_mode",
    )
    assert [problem[name] for name in columns] == [
        *("shelf-sum", "Shelf Sum", "polygon", 2.5, 256.0, "float", 1e-6, "stdin")
    ]
    assert (problem["tags"], problem["has_image"]) == (["implementation", "math"], True)
    assert [(test["kind"], test["input"][:2].strip(), test["bound"]) for test in result.rows("tests")] == [
        ("example", "2", None),
        ("private", "1", None),
        ("private", "12", "1 ≤ n ≤ 9: n = 12"),
    ]
    found = {row["language"] + ":" + row["source_verdict"]: row["is_correct"] for row in result.rows("solutions")}
    assert found == {
        "cpp:main": True,
        "python:wrong-answer": False,
        "python:time-limit-exceeded-or-accepted": None,
    }
    assert [row["reason"] for row in result.rows("rejected")] == ["wrong_type"]  # the test that was not generated
