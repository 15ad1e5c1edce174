"""A partition comes back as it was written, with the same bytes however it came, and is replaced as a whole."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_pipeline import open_table
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import InputError, StoreError
from ocr_pipeline.store import FileWriter, InputRef, Manifest, Store, TableWriter, canonical_json
from ocr_pipeline.store.parts import Slices
from ocr_pipeline.store.rows import conform
from ocr_pipeline.tables import PROBLEMS, RESPONSES, SFT_DATASET, TESTS, Table
from tests.store.rows import TACO, TEXTS, inputs, manifest_json, test_rows, write

SMALL = Table(TESTS.name, TESTS.description, TESTS.schema, TESTS.key, TESTS.partition_by, row_group_rows=3)
SLICED = replace(SMALL, partition_by=(), sliced_by="kind")


def _cut(rows: pa.Table, cuts: list[int]) -> list[pa.Table]:
    edges = sorted({0, rows.num_rows, *(cut % (rows.num_rows + 1) for cut in cuts)})
    return [rows.slice(start, end - start) for start, end in itertools.pairwise(edges)]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(TEXTS, max_size=20), st.lists(st.integers(0, 100), max_size=5), st.lists(st.integers(0, 100), max_size=5)
)
def test_bytes_do_not_depend_on_batching(texts: list[str], first: list[int], second: list[int]) -> None:
    """The same rows give the same file, in one batch, in many, or in none at a time."""
    with tempfile.TemporaryDirectory() as folder:
        store, rows, written = Store(folder), test_rows(texts), []
        for cuts in (first, second):
            with store.writer(SMALL, TACO, config={}, code_version="1") as writer:
                for piece in _cut(rows, cuts):
                    writer.write(piece)
            part = Path(store.path(TESTS, **TACO)) / "part-00000.parquet"
            written.append((part.read_bytes(), writer.manifest))
    assert written[0] == written[1]


@settings(max_examples=30, deadline=None)
@given(st.lists(TEXTS, max_size=20))
def test_rows_come_back_as_they_were_written(texts: list[str]) -> None:
    """Any text survives, in order, in exactly the table's schema."""
    with tempfile.TemporaryDirectory() as folder:
        store, rows = Store(folder), test_rows(texts)
        write(store, rows, table=SMALL)
        back = store.open(TESTS, **TACO).to_table()
    assert back.select(TESTS.schema.names).to_pylist() == rows.to_pylist()
    assert back.schema.field("input").type == pa.large_string()


def test_a_partition_without_rows_is_whole(tmp_path: Path) -> None:
    """Nothing is a result too: the partition exists, has its schema and no rows."""
    manifest = write(Store(tmp_path), test_rows([]))
    assert manifest.rows == 0
    assert open_table(tmp_path, "tests", dataset="taco").to_table().num_rows == 0


def test_the_manifest_names_every_file_with_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows, bytes and SHA-256 per part file are those of the files on disk."""
    monkeypatch.setattr("ocr_pipeline.store.writing.ROW_GROUPS_PER_PART", 2)
    manifest = write(Store(tmp_path), test_rows([str(i) for i in range(14)]), table=SMALL)
    folder = tmp_path / "tests" / "dataset=taco"
    assert [file.name for file in manifest.files] == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    assert {file.name for file in folder.glob("part-*")} == {file.name for file in manifest.files}
    for file in manifest.files:
        data = (folder / file.name).read_bytes()
        assert (file.bytes, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert file.rows == pq.read_metadata(folder / file.name).num_rows
    assert manifest.rows == 14
    assert inputs(Store(tmp_path)) == [str(i) for i in range(14)]


def test_the_manifest_tells_from_what_it_was_built(tmp_path: Path) -> None:
    """Config and its hash, code version, inputs with their hashes, model and counts stand in it, and come back."""
    reference = InputRef("problems", TACO, "ab" * 32)
    with Store(tmp_path).writer(
        TESTS, TACO, config={"threshold": 0.7}, code_version="3", inputs=[reference], model="teacher@1"
    ) as writer:
        writer.write(test_rows(["a"]))
        writer.counts = StageCounts(2, 1, {"why": 1})
    raw = manifest_json(tmp_path)
    assert raw["config"] == {"threshold": 0.7}
    assert raw["config_sha256"] == hashlib.sha256(b'{"threshold":0.7}').hexdigest()
    assert (raw["code_version"], raw["model"], raw["schema_version"]) == ("3", "teacher@1", 1)
    back = Store(tmp_path).manifest(TESTS, **TACO)
    assert back == writer.manifest
    assert back is not None
    assert back.inputs == (reference,)
    assert back.stage_counts == StageCounts(2, 1, {"why": 1})


def test_writing_again_replaces_the_whole_partition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No part file of the old content stays, and nothing of the staging."""
    monkeypatch.setattr("ocr_pipeline.store.writing.ROW_GROUPS_PER_PART", 1)
    store = Store(tmp_path)
    write(store, test_rows(["old"] * 9), table=SMALL)
    write(store, test_rows(["new"]), table=SMALL)
    assert inputs(store) == ["new"]
    assert sorted(path.name for path in (tmp_path / "tests" / "dataset=taco").iterdir()) == [
        "_manifest.json",
        "part-00000.parquet",
    ]
    assert not any((tmp_path / "_staging").iterdir())


def _failing_after(rows: pa.Table, writer: TableWriter) -> pa.Table:
    """Write the rows, then fail as a step might."""
    writer.write(rows)
    raise KeyError(rows.num_rows)


def test_a_failing_step_leaves_the_old_partition(tmp_path: Path) -> None:
    """An error inside the block keeps what was there, and leaves no rest behind."""
    store = Store(tmp_path)
    write(store, test_rows(["old"]))
    with pytest.raises(KeyError), store.writer(TESTS, TACO, config={}, code_version="1") as writer:
        writer.write(_failing_after(test_rows(["new"] * 9_000), writer))
    assert inputs(store) == ["old"]
    assert not any((tmp_path / "_staging").iterdir())


def test_a_file_system_without_exchange_still_replaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where renameat2 cannot exchange, two renames do it."""
    store = Store(tmp_path)
    write(store, test_rows(["old"]))
    monkeypatch.setattr("ctypes.CDLL", lambda *_args, **_options: object())
    write(store, test_rows(["new"]))
    assert inputs(store) == ["new"]
    assert not any((tmp_path / "_staging").iterdir())


def test_long_rows_make_small_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row group stays below its limit in bytes even when its number of rows would be fine."""
    monkeypatch.setattr("ocr_pipeline.store.parts.ROW_GROUP_BYTES", 10_000)
    write(Store(tmp_path), test_rows(["x" * 4_000] * 8))
    file = pq.ParquetFile(tmp_path / "tests" / "dataset=taco" / "part-00000.parquet")
    sizes = [file.read_row_group(number).nbytes for number in range(file.num_row_groups)]
    file.close()
    assert len(sizes) == 4
    assert max(sizes) <= 10_000


def test_columns_are_described_in_the_file(tmp_path: Path) -> None:
    """A reader finds table, description and unit in the Parquet itself."""
    with FileWriter(tmp_path / "problems.parquet", PROBLEMS) as writer:
        writer.write(PROBLEMS.schema.empty_table())
    schema = pq.read_schema(tmp_path / "problems.parquet")
    assert schema.metadata[b"table"] == b"problems"
    assert schema.metadata[b"schema_version"] == b"1"
    assert schema.field("memory_limit_mib").metadata[b"unit"] == b"MiB"
    for column in PROBLEMS.schema:
        assert schema.field(column.name).metadata[b"description"] == column.metadata[b"description"]


def test_text_has_no_dictionary_and_pages_have_checksums(tmp_path: Path) -> None:
    """Long text is written plain, names with a dictionary; zstd throughout."""
    write(Store(tmp_path), test_rows(["text"] * 100))
    group = pq.read_metadata(tmp_path / "tests" / "dataset=taco" / "part-00000.parquet").row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert not columns["input"].has_dictionary_page
    assert columns["kind"].has_dictionary_page
    assert {column.compression for column in columns.values()} == {"ZSTD"}


def test_a_file_appears_only_when_its_block_ends_well(tmp_path: Path) -> None:
    """A command that fails writes no output, half or whole."""
    with pytest.raises(KeyError), FileWriter(tmp_path / "tests.parquet", TESTS) as writer:
        writer.write(_failing_after(test_rows(["a"]), writer))
    assert list(tmp_path.iterdir()) == []


def test_unknown_partitions_are_named_with_those_that_exist(tmp_path: Path) -> None:
    """One line says what there is."""
    write(Store(tmp_path), test_rows(["a"]))
    with pytest.raises(InputError, match=r"no partition tests/dataset=apps .*existing: taco"):
        open_table(tmp_path, "tests", dataset="apps")


def test_unknown_tables_and_keys_are_named(tmp_path: Path) -> None:
    """A wrong table, and a key the table does not have."""
    with pytest.raises(InputError, match=r"no table `test`; the tables are problems, tests"):
        open_table(tmp_path, "test")
    with pytest.raises(InputError, match=r"tests is partitioned by \('dataset',\), not by language"):
        open_table(tmp_path, "tests", language="python")


@pytest.mark.parametrize("bad", ["", "a/b", "..", "a=b", "taco|python", ".hidden", "50%"])
def test_a_key_must_be_fit_for_a_folder(tmp_path: Path, bad: str) -> None:
    """A partition key never leaves its folder."""
    with pytest.raises(InputError, match="cannot be a dataset"):
        Store(tmp_path).path(TESTS, dataset=bad)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_manifest_says_what_to_do(tmp_path: Path) -> None:
    """A manifest that was cut is one line, not a traceback of JSON."""
    write(Store(tmp_path), test_rows(["a"]))
    (tmp_path / "tests" / "dataset=taco" / "_manifest.json").write_text('{"table": "te')
    with pytest.raises(StoreError, match="remove the partition and build it again"):
        open_table(tmp_path, "tests", dataset="taco")


def test_a_folder_without_manifest_is_no_partition(tmp_path: Path) -> None:
    """The manifest is what makes files a partition."""
    write(Store(tmp_path), test_rows(["a"]))
    (tmp_path / "tests" / "dataset=taco" / "_manifest.json").unlink()
    assert Store(tmp_path).partitions(TESTS) == []
    assert Store(tmp_path).manifest(TESTS, **TACO) is None


def test_partitions_can_be_opened_one_or_all(tmp_path: Path) -> None:
    """Leaving out a key means all its values; keys that are no columns become columns."""
    store = Store(tmp_path)
    for dataset in ("taco", "apps"):
        write(store, test_rows([dataset]), partition={"dataset": dataset})
    assert store.partitions(TESTS) == [{"dataset": "apps"}, {"dataset": "taco"}]
    rows = open_table(tmp_path, "tests").to_table(columns=["dataset", "input"]).to_pylist()
    assert rows == [{"dataset": "apps", "input": "apps"}, {"dataset": "taco", "input": "taco"}]


def test_what_is_built_is_current_until_something_changes(tmp_path: Path) -> None:
    """Config, code version and inputs decide; the same ones need no second build."""
    store = Store(tmp_path)
    write(store, test_rows(["a"]), version="1")
    reference = InputRef("problems", TACO, "cd" * 32)
    assert store.current(TESTS, TACO, config={}, code_version="1", inputs=[]) is not None
    assert store.current(TESTS, TACO, config={"k": 1}, code_version="1", inputs=[]) is None
    assert store.current(TESTS, TACO, config={}, code_version="2", inputs=[]) is None
    assert store.current(TESTS, TACO, config={}, code_version="1", inputs=[reference]) is None


def test_a_reference_changes_with_the_content_alone(tmp_path: Path) -> None:
    """Building the same bytes with another code version leaves what stands downstream valid."""
    store = Store(tmp_path)
    write(store, test_rows(["a"]), version="1")
    first = store.reference(TESTS, **TACO)
    write(store, test_rows(["a"]), version="2")
    assert store.reference(TESTS, **TACO) == first
    write(store, test_rows(["b"]), version="2")
    assert store.reference(TESTS, **TACO) != first


def test_a_missing_required_column_is_named(tmp_path: Path) -> None:
    """What a step forgot is an error with the column's name, never a null."""
    store = Store(tmp_path)
    with (
        pytest.raises(InputError, match=r"no column `expected`, which tests needs"),
        store.writer(TESTS, TACO, config={}, code_version="1") as writer,
    ):
        writer.write(test_rows(["a"]).drop_columns(["expected"]))
    assert store.partitions(TESTS) == []


def test_nulls_where_none_may_be_are_counted(tmp_path: Path) -> None:
    """A null in a required column is an error with their number."""
    rows = test_rows(["a", "b"]).to_pylist()
    rows[1]["kind"] = None
    with (
        pytest.raises(InputError, match=r"column `kind` of tests holds 1 nulls"),
        Store(tmp_path).writer(TESTS, TACO, config={}, code_version="1") as writer,
    ):
        writer.write(pa.Table.from_pylist(rows))


def test_optional_columns_are_filled_with_null(tmp_path: Path) -> None:
    """A step writes the columns it knows; the file has all of them."""
    required = {field.name: pa.array(["x"]) for field in SFT_DATASET.schema if not field.nullable}
    partition = {"dataset": "taco", "language": "python"}
    write(Store(tmp_path), pa.table(required), table=SFT_DATASET, partition=partition)
    back = open_table(tmp_path, "sft_dataset").to_table()
    assert back.schema.names == SFT_DATASET.schema.names
    assert back.column("pass_rate").to_pylist() == [None]


@settings(max_examples=40)
@given(st.recursive(st.none() | st.booleans() | st.integers() | TEXTS, lambda inner: st.dictionaries(TEXTS, inner)))
def test_equal_values_have_one_canonical_text(value: object) -> None:
    """The order of keys plays no part."""
    turned = dict(reversed(value.items())) if isinstance(value, dict) else value
    assert canonical_json(value) == canonical_json(turned)


def test_a_manifest_survives_its_text() -> None:
    """What is written is what is read, text outside ASCII included."""
    manifest = Manifest("tests", {"dataset": "tako-ä"}, (), {"a": [1, None]}, "1", ())
    assert Manifest.from_json(manifest.to_json(), "here") == manifest


def test_a_uri_of_a_local_folder_is_a_local_root(tmp_path: Path) -> None:
    """``file://`` is the same as a path."""
    write(Store(f"file://{tmp_path}"), test_rows(["a"]))
    assert inputs(Store(tmp_path)) == ["a"]


def test_a_root_that_cannot_be_opened_is_one_line() -> None:
    """An unknown scheme says which forms there are."""
    with pytest.raises(StoreError, match=r"data root `nowhere://x` cannot be opened: .*s3://bucket/folder"):
        Store("nowhere://x")


def test_responses_are_partitioned_twice(tmp_path: Path) -> None:
    """The folder is hive style, data set before language, whatever order the keys are given in."""
    path = Store(tmp_path).path(RESPONSES, language="cpp", dataset="apps")
    assert path == f"{tmp_path}/responses/dataset=apps/language=cpp"


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["example", "public", "private"]), TEXTS)),
    st.lists(st.integers(0, 100), max_size=5),
)
def test_the_hash_of_a_slice_is_that_of_its_rows(rows: list[tuple[str, str]], cuts: list[int]) -> None:
    """Rows of other values before, between or behind do not change it, nor does the batching."""
    kinds = pa.array([kind for kind, _ in rows], pa.string())
    table = conform(test_rows([text for _, text in rows]).set_column(2, "kind", kinds), SLICED)
    mixed = Slices(SLICED)
    for piece in _cut(table, cuts):
        mixed.write(piece)
    found = mixed.close()
    assert set(found) == {kind for kind, _ in rows}
    for kind, hashed in found.items():
        alone = Slices(SLICED)
        alone.write(table.filter(pc.equal(table["kind"], kind)))
        assert alone.close() == {kind: hashed}


def test_a_reference_to_a_slice_changes_with_its_rows_alone(tmp_path: Path) -> None:
    """Of a table that is read in slices, rows of another value change nothing for who reads one."""
    store, found = Store(tmp_path), []
    for texts in (["a"], ["a", "b"]):
        rows = test_rows(texts).set_column(2, "kind", pa.array(["public", "private"][: len(texts)], pa.string()))
        write(store, rows, table=SLICED, partition={})
        found.append([store.reference(SLICED, kind) for kind in ("public", "private")] + [store.reference(SLICED)])
    assert found[0][0] == found[1][0] == InputRef("tests", {"kind": "public"}, found[0][0].content_sha256)
    assert found[0][1] != found[1][1]
    assert found[0][2] != found[1][2]


def test_a_manifest_without_slices_is_referred_to_as_a_whole(tmp_path: Path) -> None:
    """What was written before slices had hashes is still read."""
    store = Store(tmp_path)
    write(store, test_rows(["a"]), table=replace(SLICED, sliced_by=None), partition={})
    path = tmp_path / "tests" / "_manifest.json"
    before = json.loads(path.read_text(encoding="utf-8"))
    del before["slices"]
    path.write_text(json.dumps(before), encoding="utf-8")
    assert store.reference(SLICED, "public") == store.reference(SLICED)


@settings(max_examples=20, deadline=None)
@given(st.lists(TEXTS, max_size=30), st.sampled_from([None, "a"]))
def test_a_stream_gives_the_rows_of_a_scan(texts: list[str], start: str | None) -> None:
    """In their order, with the columns that were asked for and the keys of the folders, whatever the condition."""
    where = None if start is None else pc.field("input") >= start
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        for dataset in ("taco", "apps"):
            write(store, test_rows(texts), table=SMALL, partition={"dataset": dataset})
        for columns in (None, ["input", "dataset"], ["test_id"]):
            scanned = store.open(TESTS).to_table(columns=columns, filter=where)
            streamed = list(store.batches(TESTS, columns, where=where))
            assert pa.Table.from_batches(streamed, scanned.schema).to_pylist() == scanned.to_pylist()


def test_a_stream_reads_one_row_group_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the reader is, what is held is the row group that it has and the next."""
    write(Store(tmp_path), test_rows([str(i) for i in range(30)]), table=SMALL)
    read: list[int] = []
    to_table = ds.ParquetFileFragment.to_table

    class Counted:
        def __init__(self, fragment: ds.ParquetFileFragment) -> None:
            self.fragment = fragment

        def to_table(self, *arguments: object, **options: object) -> pa.Table:
            read.append(len(read))
            return to_table(self.fragment, *arguments, **options)

        def split_by_row_group(self, *arguments: object, **options: object) -> list[Counted]:
            return [Counted(one) for one in self.fragment.split_by_row_group(*arguments, **options)]

    opened = Store(tmp_path).open(TESTS, **TACO)

    class Opened:
        schema = opened.schema

        @staticmethod
        def get_fragments(*_: object) -> list[Counted]:
            return [Counted(one) for one in opened.get_fragments()]

    store = Store(tmp_path)
    monkeypatch.setattr(store, "open", lambda *_, **__: Opened())
    stream = store.batches(TESTS, ["input"], **TACO)
    for number in range(1, 6):
        next(stream)
        assert len(read) <= number + 1
    stream.close()
    assert len(read) <= 6


def test_a_stream_of_a_missing_partition_says_what_there_is(tmp_path: Path) -> None:
    """The same line as opening it."""
    with pytest.raises(InputError, match="no partition tests/dataset=taco"):
        next(Store(tmp_path).batches(TESTS, **TACO))


@pytest.mark.parametrize("size", [0, 4, 300])
def test_a_truncated_part_is_one_line(tmp_path: Path, size: int) -> None:
    """It names the partition, wherever the file was cut."""
    store = Store(tmp_path)
    write(store, test_rows(["a", "b", "c"]))
    (part,) = (tmp_path / "tests/dataset=taco").glob("*.parquet")
    os.truncate(part, size)
    with pytest.raises(StoreError, match="materialize the partition"):
        list(store.batches(TESTS, **TACO))
