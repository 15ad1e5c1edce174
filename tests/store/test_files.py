"""Files that a person names are read as they are, or refused with one line that says what to do."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_pipeline.errors import InputError, StoreError
from ocr_pipeline.store import Store, atomic_write, file_writers, open_csv, open_files
from ocr_pipeline.tables import RESPONSES, SFT_DATASET, TESTS, Table
from tests.store.rows import TEXTS, test_rows, write


def _read(path: Path, table: Table = TESTS, required: list[str] | None = None) -> list[dict[str, Any]]:
    return [row for batch in open_files([path], table, required=required) for row in batch.to_pylist()]


def _lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(TEXTS | st.sampled_from(["2024-01-01", "2024-01-01T00:00:00Z", "1", "true", "null", "07:45"])))
def test_json_lines_keep_every_text(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    """A text that looks like a date, a number or a truth value stays that text."""
    rows = test_rows(texts).to_pylist()
    assert _read(_lines(tmp_path_factory.mktemp("lines") / "tests.jsonl", rows)) == rows


def test_json_lines_may_be_long(tmp_path: Path) -> None:
    """A row of megabytes is a row."""
    rows = test_rows(["x" * 3_000_000, "y"]).to_pylist()
    assert _read(_lines(tmp_path / "tests.jsonl", rows)) == rows


def test_json_dates_become_dates(tmp_path: Path) -> None:
    """Columns of the table that are dates or times take ISO texts."""
    row = {"request_id": "r", "problem_id": "p", "language": "cpp", "text": "t", "created_at": "2026-01-01T00:00:00Z"}
    (back,) = _read(_lines(tmp_path / "responses.jsonl", [row]), RESPONSES, ["request_id", "text"])
    assert back["created_at"].isoformat() == "2026-01-01T00:00:00+00:00"


def test_absent_columns_are_filled(tmp_path: Path) -> None:
    """Inputs may lack optional columns: null, 0, false or empty take their place; unknown columns are left out."""
    row = {"request_id": "r", "problem_id": "p", "language": "cpp", "text": "t", "mood": {"deep": [10**40]}}
    (back,) = _read(_lines(tmp_path / "r.jsonl", [row]), RESPONSES, ["request_id", "problem_id", "language", "text"])
    assert list(back) == RESPONSES.schema.names
    assert (back["finish_reason"], back["attempts"], back["model"]) == (None, 0, "")


def test_what_some_lines_leave_out_has_its_default(tmp_path: Path) -> None:
    """As if the whole column were absent; a required one is missed by name."""
    rows = [{"problem_id": "p", "test_id": "0", "input": "1", "expected": "2", "kind": "private"},
            {"problem_id": "p", "test_id": "1", "input": "1", "expected": "2", "suspicions": None}]  # fmt: skip
    path = _lines(tmp_path / "tests.jsonl", rows)
    needed = ["problem_id", "test_id", "input", "expected"]
    assert [(row["kind"], row["suspicions"]) for row in _read(path, TESTS, needed)] == [("private", []), ("", [])]
    del rows[1]["expected"]
    with pytest.raises(InputError, match="column `expected` of tests holds 1 nulls"):
        _read(_lines(path, rows), TESTS, needed)


@pytest.mark.parametrize("ids", [pa.array(["a", "b"]), pa.array(["a", "b"], pa.large_string()), pa.array([1, 2]),
                                 pa.array([b"a", b"b"]), pa.array(["a", "b"]).dictionary_encode()])  # fmt: skip
def test_rows_of_some_problems_are_found_whatever_the_type_of_their_ids(tmp_path: Path, ids: pa.Array) -> None:
    """In the table's own type, as if everything were read."""
    texts = pa.array(["x", "y"])
    pq.write_table(
        pa.table({"problem_id": ids, "test_id": texts, "input": texts, "expected": texts}), tmp_path / "t.parquet"
    )
    wanted = str(ids[1].as_py()) if not isinstance(ids[1].as_py(), bytes) else "b"
    needed = ["problem_id", "test_id", "input", "expected"]
    batches = open_files([tmp_path / "t.parquet"], TESTS, required=needed, problem_ids=[wanted])
    assert [row["input"] for batch in batches for row in batch.to_pylist() if row["problem_id"] == wanted] == ["y"]


def test_a_missing_required_column_is_named(tmp_path: Path) -> None:
    """The error names the file, the column and what there is."""
    path = _lines(tmp_path / "r.jsonl", [{"request_id": "r"}])
    with pytest.raises(InputError, match=r"r\.jsonl: no column `text`; it has request_id"):
        _read(path, RESPONSES, ["request_id", "text"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}\n{"a": \n', r"line 2 is not JSON"),
        ("[1, 2]\n", r"line 1 is a list, not an object"),
        ('{"problem_id": "p", "input": 3}\n', r"column `input` of tests must be large_string"),
        ("\xff\xfe", r"line 1 is not JSON"),
    ],
)
def test_bad_json_lines_are_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    """The error names the file and the place."""
    (tmp_path / "tests.jsonl").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=message):
        _read(tmp_path / "tests.jsonl")


def test_a_missing_path_is_one_clear_line(tmp_path: Path) -> None:
    """A path that is not there says what is expected."""
    with pytest.raises(InputError, match=r"nowhere` does not exist; give a Parquet or JSONL file"):
        _read(tmp_path / "nowhere")


def test_a_file_that_is_no_parquet_is_one_clear_line(tmp_path: Path) -> None:
    """Whatever its name says."""
    (tmp_path / "tests.parquet").write_text("not parquet at all")
    with pytest.raises(InputError, match=r"tests\.parquet` cannot be read as Parquet"):
        _read(tmp_path / "tests.parquet")


def test_a_damaged_file_is_refused_not_read(tmp_path: Path) -> None:
    """Bytes that turned to zero inside a page are noticed by its checksum, in a file and in a partition."""
    texts = [hashlib.sha256(bytes([number])).hexdigest() for number in range(200)]
    store = Store(tmp_path / "root")
    write(store, test_rows(texts))
    (part,) = (tmp_path / "root").rglob("part-*.parquet")
    data = bytearray(part.read_bytes())
    start = len(data) // 4
    data[start : start + 64] = bytes(64)
    part.write_bytes(data)
    with pytest.raises(InputError, match=r"cannot be read as Parquet.*checksum"):
        _read(part)
    with pytest.raises(OSError, match="checksum"):
        store.open(TESTS).to_table()


def test_a_folder_without_parquet_is_one_clear_line(tmp_path: Path) -> None:
    """An empty folder is no input."""
    with pytest.raises(InputError, match="holds no Parquet files"):
        _read(tmp_path)


def test_a_wrong_type_is_named(tmp_path: Path) -> None:
    """A column that cannot be what the table needs."""
    pq.write_table(pa.table({"problem_id": ["p"], "input": [["a"]]}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"column `input` is list<.*tests needs large_string"):
        _read(tmp_path / "t.parquet", required=["problem_id", "input"])


def test_a_partition_or_table_of_a_data_root_is_an_input(tmp_path: Path) -> None:
    """The folders of a data root can be given where a file is expected."""
    store = Store(tmp_path)
    for dataset in ("taco", "apps"):
        write(store, test_rows([dataset]), partition={"dataset": dataset})
    assert [row["input"] for row in _read(tmp_path / "tests")] == ["apps", "taco"]
    assert [row["input"] for row in _read(tmp_path / "tests" / "dataset=taco")] == ["taco"]


def test_a_folder_key_never_hides_a_column(tmp_path: Path) -> None:
    """``sft_dataset`` has a column `dataset` of its own, which may name several sources."""
    values = {field.name: ["x"] for field in SFT_DATASET.schema if not field.nullable}
    rows = pa.table(values | {"dataset": ["apps, taco"]})
    write(Store(tmp_path), rows, table=SFT_DATASET, partition={"dataset": "taco", "language": "cpp"})
    (back,) = _read(tmp_path / "sft_dataset", SFT_DATASET)
    assert (back["dataset"], back["language"]) == ("apps, taco", "x")


def test_a_folder_key_fills_a_column_that_is_missing(tmp_path: Path) -> None:
    """Hive folders of others often leave the key out of the files."""
    folder = tmp_path / "sft" / "dataset=taco" / "language=cpp"
    folder.mkdir(parents=True)
    values = {field.name: ["x"] for field in SFT_DATASET.schema if field.name not in {"dataset", "language"}}
    pq.write_table(pa.table(values | {"pass_rate": [0.5], "reasoning_tokens": [1]}), folder / "0.parquet")
    (back,) = _read(tmp_path / "sft", SFT_DATASET)
    assert (back["dataset"], back["language"]) == ("taco", "cpp")


def test_of_several_files_all_appear_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full when the last file is finished leaves no file of the run, and the old ones as they were."""
    with file_writers(tmp_path, ["tests", "responses"]) as writers:
        writers["tests"].write(test_rows(["a", "b", "c"]))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(path: Path) -> None:
        if "responses" in path.name:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("ocr_pipeline.store.writing.sync", full)
    with pytest.raises(StoreError, match="No space left"), file_writers(tmp_path, ["tests", "responses"]) as writers:
        writers["tests"].write(test_rows(["d"]))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_a_killed_writer_left_is_removed_but_not_what_another_writes(tmp_path: Path) -> None:
    """A temporary file without its lock is nobody's; one that is being written stays."""
    (tmp_path / ".tests.parquet.dead.tmp").write_bytes(b"half")
    with file_writers(tmp_path, ["tests"]) as one:
        assert not (tmp_path / ".tests.parquet.dead.tmp").exists()
        with file_writers(tmp_path, ["tests"]) as two:
            two["tests"].write(test_rows(["e", "f"]))
        one["tests"].write(test_rows(["a", "b", "c"]))
    assert [path.name for path in tmp_path.iterdir()] == ["tests.parquet"]
    assert pq.read_metadata(tmp_path / "tests.parquet").num_rows == 3


def _fail_while_writing(path: Path) -> None:
    with atomic_write(path) as file:
        file.write(b"half")
        raise KeyError(path.name)


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    """A block that fails leaves the old file and nothing else; one that ends well replaces it."""
    path = tmp_path / "new" / "a [1].json"
    with atomic_write(path) as file:
        file.write(b"old")
    with pytest.raises(KeyError):
        _fail_while_writing(path)
    assert [(found.name, found.read_bytes()) for found in path.parent.iterdir()] == [("a [1].json", b"old")]
    (path.parent / ".a [1].json.dead.tmp").write_bytes(b"of a killed writer")
    with atomic_write(path) as file:
        file.write(b"new")
    assert [(found.name, found.read_bytes()) for found in path.parent.iterdir()] == [("a [1].json", b"new")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_csv_is_read_as_spreadsheets_write_it(tmp_path: Path, delimiter: str, encoding: str) -> None:
    """Whatever the separator and the encoding; a long cell is a cell, and a missing one is empty."""
    long = "é" * 200_000
    text = f"a{delimiter}b\r\n1{delimiter}{long}\r\n2\r\n"
    (tmp_path / "rows.csv").write_bytes(text.encode(encoding))
    with open_csv(tmp_path / "rows.csv") as reader:
        assert list(reader) == [{"a": "1", "b": long}, {"a": "2", "b": ""}]
