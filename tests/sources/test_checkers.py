"""The programs with which sources accept or reject an output are read, with how they are started."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sources import rows as raw
from tests.sources.rows import run

COLUMNS = ("checker", "checker_language", "checker_protocol", "checker_flags", "checker_code")


def package(folder: Path, files: dict[str, str], validation: str = "custom") -> Path:
    """Write a problem package with these files beside a statement and a test."""
    settings = f"name: Shelves\nlicense: cc by-sa\nvalidation: {validation}\nvalidator_flags: loose 3\n"
    usual = {"problem.yaml": settings, "problem_statement/problem.en.tex": "Print any of the answers that are right.",
             "data/secret/1.in": "1\n", "data/secret/1.ans": "2\n"}  # fmt: skip
    for name, content in (usual | files).items():
        path = folder / "shelves" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


def checker_of(paths: Path, out: Path, dataset: str = "kattis") -> tuple[object, ...]:
    """Ingest one problem and return its checker's columns."""
    problem = run(dataset, [paths], out).one()
    return tuple(problem[name] for name in COLUMNS)


def test_a_generated_checker_keeps_its_code(tmp_path: Path) -> None:
    """The open-r1 checkers are Python programs that print their verdict."""
    rows = raw.parquet(tmp_path / "rows.parquet", [raw.codeforces(generated_checker="if 1:\r\n    print(1)\n")])
    code = "if 1:\n    print(1)\n"
    assert checker_of(rows, tmp_path / "out", "codeforces") == ("special", "python", "open_r1", None, code)


@pytest.mark.parametrize(
    "place", ["output_validators/check.py", "output_validators/any/check.py", "output_validator/check.py"]
)
def test_a_packages_validator_is_found_in_all_its_places(place: str, tmp_path: Path) -> None:
    """As a file, as a folder, and where the newer format has it; flags are its arguments."""
    found = checker_of(package(tmp_path / "in", {place: "exit(42)"}), tmp_path / "out")
    assert found == ("special", "python", "kattis", "loose 3", "exit(42)")


def test_headers_of_a_validator_stand_in_its_one_file(tmp_path: Path) -> None:
    """Each once, where it was first included; what is not there is left to the compiler."""
    files = {
        "output_validators/any/check.cpp": '#include <cstdio>\n#include "one.h"\n#include "two.h"\n#include "../up.h"\nint main() {}\n',
        "output_validators/any/one.h": '#include "two.h"\nint one;\n',
        "output_validators/any/two.h": "int two;\n",
    }
    code = checker_of(package(tmp_path / "in", files), tmp_path / "out")[-1]
    assert str(code).split() == [
        "#include",
        "<cstdio>",
        "int",
        "two;",
        "int",
        "one;",
        "#include",
        '"../up.h"',
        "int",
        "main()",
        "{}",
    ]


def test_what_is_no_single_checker_is_left_out(tmp_path: Path) -> None:
    """Two validators, and one that runs a program many times: the problem stays special, or interactive, without a program."""
    two = {"output_validators/a.py": "exit(42)", "output_validators/b.py": "exit(43)"}
    assert checker_of(package(tmp_path / "two", two), tmp_path / "out1") == ("special", None, None, None, None)
    one = {"output_validators/a.py": "exit(42)"}
    problem = run("kattis", [package(tmp_path / "one", one, "custom multi-pass")], tmp_path / "out2").one()
    assert (problem["io_mode"], problem["checker_code"]) == ("interactive", None)


def test_an_interactor_stands_where_a_checker_does(tmp_path: Path) -> None:
    """The validator of an interactive problem talks with the programs; the judge knows by the mode."""
    one = {"output_validators/a.py": "exit(42)"}
    problem = run("kattis", [package(tmp_path / "one", one, "custom interactive")], tmp_path / "out").one()
    assert (problem["io_mode"], problem["checker"], problem["checker_protocol"]) == ("interactive", "special", "kattis")
    assert problem["checker_code"] == "exit(42)"


def test_a_checker_survives_our_own_columns(tmp_path: Path) -> None:
    """What ingest wrote can be ingested again."""
    run("kattis", [package(tmp_path / "in", {"output_validators/a.py": "exit(42)"})], tmp_path / "first")
    again = checker_of(tmp_path / "first" / "problems.parquet", tmp_path / "out", "own")
    assert again == ("special", "python", "kattis", "loose 3", "exit(42)")
