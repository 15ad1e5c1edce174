"""Raw files as people have them: links, both splits in one folder, lists of objects, other types, damage."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ocr_pipeline.errors import InputError
from ocr_pipeline.sources.rules import Reason, Repair
from tests.sources import rows as raw
from tests.sources.rows import run


def written(path: Path, content: bytes) -> Path:
    """Write a file and the folders it stands in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("test6.jsonl", "test"),
        ("data-train-v0.3.1.jsonl", "train"),
        ("full/partial-train/0000.parquet", "train"),
        ("prompt-00000-of-00001.parquet", "prompt"),
        ("validation-00000-of-00001.parquet", "valid"),
        ("generated_tests/test_cases_0001.parquet", None),
        ("contests.jsonl", None),
    ],
)
def test_names_of_files_tell_the_split(name: str, split: str | None, tmp_path: Path) -> None:
    """Shards, numbered releases and versions carry their split; what carries none belongs to all."""
    write = raw.json_lines if name.endswith("l") else raw.parquet
    write(tmp_path / "raw" / name, [raw.mbpp()])
    for wanted in ("train", "test", "valid", "prompt"):
        if split in {wanted, None}:
            assert run("mbpp", [tmp_path / "raw"], tmp_path / wanted, split=wanted).counts.kept == 1
        else:
            with pytest.raises(InputError, match="holds no rows"):
                run("mbpp", [tmp_path / "raw"], tmp_path / wanted, split=wanted)


def test_problem_folders_of_both_splits_are_told_apart(tmp_path: Path) -> None:
    """Problem 0 of the train folder is not problem 0 of the test folder."""
    for split in ("train", "test"):
        written(tmp_path / "apps" / split / "0000" / "question.txt", f"Print the word {split}, please.".encode())
    for split in ("train", "test"):
        assert split in run("apps", [tmp_path / "apps"], tmp_path / f"out_{split}", split=split).one()["statement"]


def test_folders_of_one_name_are_several_problems(tmp_path: Path) -> None:
    """Packages of two years that share a name keep their own tests."""
    for year in ("2014", "2015"):
        folder = tmp_path / "packages" / year / "shelves"
        written(folder / "problem.yaml", b"")
        written(folder / "problem_statement" / "problem.tex", f"Print the year {year} and no more.".encode())
        written(folder / "data" / "secret" / "1.in", b"")
        written(folder / "data" / "secret" / "1.ans", year.encode())
    result = run("kattis", [tmp_path / "packages"], tmp_path / "out")
    assert [row["native_id"] for row in result.rows("problems")] == ["2014/shelves", "2015/shelves"]
    assert [(row["problem_id"][-12:], row["expected"]) for row in result.rows("tests")] == [
        ("2014/shelves", "2014"),
        ("2015/shelves", "2015"),
    ]


def test_links_are_followed_once_and_descriptions_left_alone(tmp_path: Path) -> None:
    """A linked folder is read, a link in a circle ends, and a hub's description of itself is not data."""
    raw.parquet(tmp_path / "elsewhere" / "a.parquet", [raw.taco()])
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "ALL").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "raw" / "again").symlink_to(tmp_path / "raw")
    written(tmp_path / "raw" / "dataset_infos.json", b'{"default": {}}')
    assert run("taco", [tmp_path / "raw"], tmp_path / "out").counts.rows_in == 1


@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_of_objects_is_read_item_by_item(
    indent: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ``.json`` file may be one list, as the sanitized MBPP is: the same tables as from lines."""
    monkeypatch.setattr("ocr_pipeline.sources.json_files.CHUNK_BYTES", 100)
    rows: list[Any] = [raw.apps(problem_id=number, question=f"Print {number} \N{SNOWMAN}, ]}},") for number in range(5)]
    lines = run("apps", [raw.json_lines(tmp_path / "rows.jsonl", [*rows, [1], 3])], tmp_path / "out1")
    text = json.dumps([*rows, [1], 3], indent=indent)
    listed = run("apps", [written(tmp_path / "rows.json", b"\xef\xbb\xbf" + text.encode())], tmp_path / "out2")
    packed = run("apps", [written(tmp_path / "rows.json.gz", gzip.compress(text.encode()))], tmp_path / "out3")
    assert lines.bytes() == listed.bytes() == packed.bytes()
    torn = run("apps", [written(tmp_path / "torn.json", text[:-200].encode())], tmp_path / "out4").counts
    assert torn.dropped == {Reason.UNREADABLE_ROW.value: 1}


def test_a_byte_order_mark_and_windows_newlines_are_no_part_of_a_row(tmp_path: Path) -> None:
    """The first line of a file that was saved on Windows is a row like any other."""
    path = written(tmp_path / "rows.jsonl", b"\xef\xbb\xbf" + json.dumps(raw.apps()).encode() + b"\r\n")
    assert run("apps", [path], tmp_path / "out").counts.kept == 1


def test_a_file_without_rows_beside_others_is_no_error(tmp_path: Path) -> None:
    """Empty files stand beside full ones; alone they are nothing to ingest."""
    raw.parquet(tmp_path / "raw" / "a.parquet", [raw.taco()])
    pq.write_table(pa.Table.from_pylist([raw.taco()]).slice(0, 0), tmp_path / "raw" / "b.parquet")
    empty = written(tmp_path / "raw" / "c.jsonl", b"\n")
    assert run("taco", [tmp_path / "raw"], tmp_path / "out").counts.rows_in == 1
    with pytest.raises(InputError, match="no rows"):
        run("taco", [empty], tmp_path / "out2")


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.string_view(), pa.binary(), pa.dictionary(pa.int32(), pa.string())]
)
def test_every_kind_of_text_column_gives_the_same_bytes(kind: pa.DataType, tmp_path: Path) -> None:
    """Writers differ in how they store text: long, as views, by dictionary, or as bytes without a mark."""
    one = run("taco", [raw.parquet(tmp_path / "plain.parquet", [raw.taco()])], tmp_path / "out1")
    schema = pa.schema([(name, kind) for name in raw.TACO_COLUMNS])
    row = {name: value.encode() if kind == pa.binary() else value for name, value in raw.taco().items()}
    two = run("taco", [raw.parquet(tmp_path / "other.parquet", [row], schema)], tmp_path / "out2")
    assert one.bytes() == two.bytes()


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("generated_tests", pa.array([{"input": [b"\xff"], "output": [b"1"]}]), None),
        ("generated_tests", pa.array([{"input": [[1]], "output": [[2]]}]), Reason.WRONG_TYPE),
        ("generated_tests", pa.array([{"input": [1], "output": [2]}]), Reason.WRONG_TYPE),
        ("solutions", pa.array([{"language": [[3]], "solution": ["print(1)"]}]), None),
        ("cf_rating", pa.array([-(2**62)], pa.timestamp("us")), None),
        ("time_limit", pa.array([2**31 - 1], pa.date32()), None),
    ],
)
def test_columns_of_any_type_are_data(column: str, value: pa.Array, reason: Reason | None, tmp_path: Path) -> None:
    """Whatever a Parquet column holds, the row is kept or has a reason."""
    table = pa.Table.from_pylist([raw.contest()])
    table = table.set_column(table.column_names.index(column), column, value)
    pq.write_table(table, tmp_path / "rows.parquet")
    counts = run("code_contests", [tmp_path / "rows.parquet"], tmp_path / "out").counts
    assert counts.dropped == ({} if reason is None else {reason.value: 1})


def test_fields_that_are_parsed_already_are_as_good_as_json(tmp_path: Path) -> None:
    """Somebody's own export may hold values where the hub holds their JSON; long integers keep their digits."""
    big = 12345678901234567890123
    tests = {"inputs": [[big]], "outputs": [big + 1], "fn_name": "next"}
    rows = [raw.apps(input_output=json.dumps(tests)), raw.apps(input_output=tests, solutions=["print(1)"])]
    texts = [
        run("apps", [raw.json_lines(tmp_path / f"{n}.jsonl", [row])], tmp_path / f"out{n}").rows("tests")
        for n, row in enumerate(rows)
    ]
    assert texts[0] == texts[1]
    assert texts[0][0]["input"] == f"[{big}]"
    case = {"input": "1", "output": "2", "testtype": "stdin"}
    row = raw.livecodebench(public_test_cases=[case], private_test_cases=[case], metadata={})
    assert run("livecodebench", [raw.json_lines(tmp_path / "l.jsonl", [row])], tmp_path / "l").one()["n_tests"] == 2


def test_ids_are_the_same_as_numbers_and_as_text(tmp_path: Path) -> None:
    """A column of integers with a null in it is one of floats: ``7.0`` is still problem 7."""
    rows = [raw.apps(problem_id=7), raw.apps(problem_id="7"), raw.apps(problem_id=7.0)]
    result = run("apps", [raw.json_lines(tmp_path / "rows.jsonl", rows)], tmp_path / "out")
    assert result.one()["native_id"] == "7"
    hub = {"id" if name == "problem_id" else name: value for name, value in raw.apps().items()}
    assert run("apps", [raw.json_lines(tmp_path / "hub.jsonl", [hub])], tmp_path / "out2").one()["native_id"] == "7"


@pytest.mark.parametrize("dataset", ["taco", "code_contests"])
def test_a_damaged_file_is_one_clear_line(dataset: str, tmp_path: Path) -> None:
    """Whichever byte of a Parquet file is wrong, it is read or refused in one line."""
    make = {"taco": raw.taco, "code_contests": raw.contest}[dataset]
    whole = raw.parquet(tmp_path / "rows.parquet", [make()] * 20, row_group_size=5).read_bytes()
    said = []
    for place in range(4, len(whole), len(whole) // 60):
        path = written(tmp_path / "damaged.parquet", whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            run(dataset, [path], tmp_path / "out")
        except InputError as error:
            said.append(str(error))
    assert said
    assert not any("\n" in line for line in said)


def test_a_damaged_archive_is_one_clear_line(tmp_path: Path) -> None:
    """A gzip file that was cut or has a wrong byte is refused, not half read."""
    whole = gzip.compress("".join(json.dumps(raw.apps(problem_id=n)) + "\n" for n in range(40)).encode())
    for place in range(20, len(whole), 7):
        for content in (whole[:place], whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :]):
            with pytest.raises(InputError, match="cannot be read to its end"):
                run("apps", [written(tmp_path / "rows.jsonl.gz", content)], tmp_path / "out")


def test_a_split_is_a_plain_name(tmp_path: Path) -> None:
    """A split stands between slashes in every id."""
    path = raw.parquet(tmp_path / "rows.parquet", [raw.taco()])
    for split in ("", "a/b"):
        with pytest.raises(InputError, match="not a name for a split"):
            run("taco", [path], tmp_path / "out", split=split)


def test_a_package_of_the_newer_format_is_read(tmp_path: Path) -> None:
    """Type, names by language, limits and the validator's arguments stand elsewhere than in the older format."""
    settings = "problem_format_version: 2023-07-draft\ntype: {}\nname: {{en: Shelves, sv: Hyllor}}\nlimits: {{time_limit: 2.5}}\n"
    for kind in ("pass-fail", "interactive", "[pass-fail, multi-pass]"):
        folder = tmp_path / "in" / kind.strip("[]")
        written(folder / "problem.yaml", settings.format(kind).encode())
        written(folder / "statement" / "problem.en.tex", b"Print one of the numbers that are right.")
        written(folder / "data" / "secret" / "test_group.yaml", b"output_validator_args: [float_tolerance, 1e-4]\n")
    result = run("kattis", [tmp_path / "in"], tmp_path / "out").rows("problems")
    modes = {row["native_id"]: row["io_mode"] for row in result}
    assert modes == {"interactive": "interactive", "pass-fail": "stdin", "pass-fail, multi-pass": "interactive"}
    assert {(row["title"], row["time_limit_s"], row["float_tolerance"]) for row in result} == {("Shelves", 2.5, 1e-4)}


@pytest.mark.parametrize("settings", [b"name: [\n", b"name: !!int ''\n", b"- 1\n", b"\xff\xfe\0"])
def test_a_package_with_unreadable_settings_is_rejected(settings: bytes, tmp_path: Path) -> None:
    """Without its settings nobody knows how a package is judged; its tests are counted as lost."""
    written(tmp_path / "in" / "p" / "problem.yaml", settings)
    written(tmp_path / "in" / "p" / "statement" / "problem.en.tex", b"Print one of the numbers that are right.")
    for name in ("1.in", "1.ans", "2.in", "2.ans", "3.in"):
        written(tmp_path / "in" / "p" / "data" / "secret" / name, b"1")
    counts = run("kattis", [tmp_path / "in"], tmp_path / "out").counts
    assert counts.dropped == {Reason.UNREADABLE_ROW.value: 1, Reason.WRONG_TYPE.value: 1}
    assert counts.notes["tests_of_unknown_problems"] == 2


def test_a_date_column_is_read_like_a_text_one(tmp_path: Path) -> None:
    """A contest's start may be a time stamp of Parquet."""
    row = raw.livecodebench(contest_date=datetime(2024, 8, 3))  # noqa: DTZ001 - Parquet keeps no zone here
    problem = run("livecodebench", [raw.parquet(tmp_path / "rows.parquet", [row])], tmp_path / "out").one()
    assert problem["contest_date"].isoformat() == "2024-08-03"
    assert Repair.UNREADABLE_DATE not in problem["repairs"]


def test_the_start_of_a_contest_may_be_a_time_stamp(tmp_path: Path) -> None:
    """Seconds since 1970 and Parquet's own time stamps give the same day; a wrong year beside them does not count."""
    starts = [1_577_836_800, datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 1)]  # noqa: DTZ001 - Parquet may keep no zone
    for number, start in enumerate(starts):
        for year in (None, 1999):
            row = raw.codeforces(contest_start=start, contest_start_year=year)
            out = tmp_path / f"{number}_{year}"
            problem = run("codeforces", [raw.parquet(out / "rows.parquet", [row])], out / "out").one()
            assert problem["contest_date"].isoformat() == "2020-01-01"


def package(folder: Path, **files: bytes) -> Path:
    """Write a problem package with a secret test, and the given files by their path."""
    for name, content in {"problem.yaml": b"", "data/secret/1.in": b"1", "data/secret/1.ans": b"2", **files}.items():
        written(folder / name, content)
    return folder


def test_every_submission_of_a_package_is_read_or_counted(tmp_path: Path) -> None:
    """A folder with one source is a program with its headers, one with several is rejected, texts are not programs."""
    files = {
        "problem_statement/problem.tex": b"Print the number that follows.",
        "submissions/accepted/a.py": b"print(2)",
        "submissions/accepted/README": b"Both are right.",
        "submissions/accepted/notes.md": b"So they are.",
        "submissions/accepted/.hidden.py": b"",
        "submissions/accepted/one/main.cpp": b'#include "two.h"\nint main() { return two; }',
        "submissions/accepted/one/two.h": b"int two;",
        "submissions/accepted/several/Main.java": b"class Main {}",
        "submissions/accepted/several/Other.java": b"class Other {}",
        "submissions/accepted/texts/README.txt": b"Nothing.",
        "submissions/wrong_answer/old.rb": b"puts 1",
    }
    result = run("kattis", [package(tmp_path / "in" / "p", **files)], tmp_path / "out")
    assert [(row["language"], row["code"], row["is_correct"]) for row in result.rows("solutions")] == [
        ("python", "print(2)", True),
        ("cpp", "int two;\nint main() { return two; }", True),
        ("unknown", "puts 1", False),
    ]
    (rejected,) = result.rows("rejected")
    assert (rejected["native_id"], rejected["reason"]) == ("p", Reason.WRONG_TYPE)
    assert "accepted/several" in rejected["detail"]
    assert result.counts.rows_in == 2


@pytest.mark.parametrize("place", ["problem_statement/problem.sv.tex", "statement/problem.sv.md"])
def test_a_package_without_an_english_statement_is_kept(place: str, tmp_path: Path) -> None:
    """Another language is better than none, and it is noted; an English statement is taken where there is one."""
    swedish = {place: "Skriv ut talet som följer.".encode(), "problem.yaml": b"name: {en: Next, sv: Nasta}"}
    package(tmp_path / "in" / "one", **swedish)
    english = {"problem_statement/problem.en.tex": b"Print the number that follows."}
    package(tmp_path / "in" / "two", **swedish, **english)
    one, two = run("kattis", [tmp_path / "in"], tmp_path / "out").rows("problems")
    assert (one["statement"], one["title"]) == ("Skriv ut talet som följer.", "Nasta")
    assert (two["statement"], two["title"]) == ("Print the number that follows.", "Next")
    assert Repair.OTHER_LANGUAGE in one["repairs"]
    assert Repair.OTHER_LANGUAGE not in two["repairs"]
