"""Object storage has no rename: the manifest that is put last decides what a partition holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from ocr_pipeline.errors import InputError, StoreError
from ocr_pipeline.store import Store
from ocr_pipeline.tables import TESTS
from tests.store.rows import TACO, inputs, object_store, test_rows, write


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return a store that is not local; its objects lie below ``tmp_path/objects``."""
    return object_store(tmp_path / "objects", monkeypatch, lock_timeout_s=0.1)


def _objects(tmp_path: Path) -> set[str]:
    folder = tmp_path / "objects" / "bucket" / "root" / "tests" / "dataset=taco"
    return {file.name for file in folder.iterdir()} if folder.exists() else set()


def test_rows_come_back(store: Store) -> None:
    """The same reader API as on a local root, with a URI for people."""
    write(store, test_rows(["a", "b"]))
    assert store.local_root is None
    assert inputs(store) == ["a", "b"]
    assert store.partitions(TESTS) == [TACO]
    assert store.uri(TESTS, **TACO) == "s3://bucket/root/tests/dataset=taco"


def test_an_in_memory_file_system_works_by_its_uri() -> None:
    """Any URI that pyarrow opens is a root; nothing but its file system is used."""
    store = Store("mock:///bucket/root")
    write(store, test_rows(["a"]))
    assert inputs(store) == ["a"]


def test_a_new_version_leaves_no_old_objects(store: Store, tmp_path: Path) -> None:
    """After the manifest is put, what it does not name is deleted."""
    first = write(store, test_rows(["old"]))
    second = write(store, test_rows(["new"]))
    assert inputs(store) == ["new"]
    assert _objects(tmp_path) == {"_manifest.json", second.files[0].name}
    assert first.files[0].name != second.files[0].name


def test_content_hashes_do_not_depend_on_object_names(store: Store) -> None:
    """The same rows have the same content hash on object storage and on disk."""
    first, second = write(store, test_rows(["a"])), write(store, test_rows(["a"]))
    assert first.content_sha256 == second.content_sha256


def test_before_the_manifest_readers_see_the_old_version(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects of a writer that was killed are there, but no reader counts them; the next writer deletes them."""
    write(store, test_rows(["old"]))

    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    monkeypatch.setattr("ocr_pipeline.store.places.ObjectPlace.publish", killed)
    monkeypatch.setattr("ocr_pipeline.store.places.ObjectPlace.discard", lambda _: None)
    with pytest.raises(Killed):
        write(store, test_rows(["new"]))
    monkeypatch.undo()
    again = object_store(tmp_path / "objects", monkeypatch)
    assert len(_objects(tmp_path)) == 3
    assert inputs(again) == ["old"]
    write(again, test_rows(["newest"]))
    assert inputs(again) == ["newest"]
    assert len(_objects(tmp_path)) == 2


def test_a_failing_step_deletes_its_objects(store: Store, tmp_path: Path) -> None:
    """An error inside the block leaves the old objects and no others."""
    write(store, test_rows(["old"]))
    before = _objects(tmp_path)
    short = test_rows(["a"]).drop_columns(["expected"])

    def break_off() -> None:
        with store.writer(TESTS, TACO, config={}, code_version="1") as writer:
            writer.write(pa.concat_tables([test_rows(["x"] * 9_000)]))
            writer.write(short)

    with pytest.raises(InputError, match="expected"):
        break_off()
    assert _objects(tmp_path) == before
    assert inputs(store) == ["old"]


def test_an_old_reader_is_told_when_its_objects_are_gone(store: Store) -> None:
    """Who opened the old version never reads a mixture: its objects have names of their own."""
    write(store, test_rows(["old"]))
    opened: ds.Dataset = store.open(TESTS, **TACO)
    write(store, test_rows(["new"]))
    with pytest.raises(FileNotFoundError):
        opened.to_table()


def test_writers_of_one_machine_exclude_each_other(store: Store) -> None:
    """Locks lie outside the storage, which has none."""
    with store.writer(TESTS, TACO, config={}, code_version="1") as writer:
        writer.write(test_rows(["first"]))
        with pytest.raises(StoreError, match="is being written by process"):
            write(store, test_rows(["second"]))
    assert inputs(store) == ["first"]


def test_storage_that_refuses_is_one_clear_line(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the storage names the partition and what to do."""

    def refused(*_: Any) -> None:
        raise OSError("AWS Error ACCESS_DENIED during PutObject")

    monkeypatch.setattr("ocr_pipeline.store.places.ObjectPlace.publish", refused)
    with pytest.raises(StoreError, match=r"`s3://bucket/root/tests/dataset=taco` cannot be written: .*ACCESS_DENIED"):
        write(store, test_rows(["a"]))
