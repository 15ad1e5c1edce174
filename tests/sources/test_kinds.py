"""Raw files as people have them: limits with units, packages, wrapped and foreign files."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from ocr_pipeline.errors import InputError
from ocr_pipeline.sources import limits
from ocr_pipeline.sources.latex import Sources, plain_text
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
    ],
)
def test_a_time_limit_keeps_its_unit(text: str, seconds: float) -> None:
    """Units, decimal commas, clock times and words are read."""
    assert limits.seconds(text) == seconds


@pytest.mark.parametrize(("text", "mebibytes"), [("65536 KB", 64.0), ("0.25 gigabytes", 256.0), ("64 MB", 64.0)])
def test_a_memory_limit_keeps_its_unit(text: str, mebibytes: float) -> None:
    """Everything comes in MiB."""
    assert limits.mebibytes(text) == mebibytes


def test_an_unknown_unit_is_unreadable() -> None:
    """A limit that is wrong by a thousand is worse than none."""
    with pytest.raises(ValueError, match="parsecs"):
        limits.seconds("2 parsecs")


def test_solutions_show_what_they_return() -> None:
    """A sum is no list; what something is appended to is one."""
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
