"""A release on object storage is as immutable and as plain as one in a folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pytest

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import InputError, StoreError
from ocr_pipeline.evidence.release import release
from ocr_pipeline.store import Store, open_root
from ocr_pipeline.tables import SFT_DATASET
from tests.evidence.root import build_root
from tests.store.s3_server import Fault, Server


@pytest.fixture(name="local")
def _local(tmp_path: Path) -> Store:
    return build_root(tmp_path / "data")


def files_of(place: str) -> dict[str, bytes]:
    """Return every object below a place."""
    filesystem, base = open_root(place)
    infos = filesystem.get_file_info(pafs.FileSelector(base, recursive=True))
    names = [info.path for info in infos if info.is_file]
    return {name.removeprefix(f"{base}/"): filesystem.open_input_stream(name).read() for name in names}


def text(place: str) -> str:
    """Return one small object."""
    filesystem, path = open_root(place)
    return str(filesystem.open_input_stream(path).read().decode())


def test_every_reader_sees_the_same_rows(local: Store, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """pandas, Polars, pyarrow, DuckDB and datasets, each with nothing but the address."""
    datasets, duckdb = pytest.importorskip("datasets"), pytest.importorskip("duckdb")
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    fsspec = pytest.importorskip("obstore.fsspec")
    fsspec.register("s3")  # what s3fs is elsewhere
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    place = release(local, SFT_DATASET, "2026-11", f"{root}/releases")
    assert place == f"{root}/releases/2026-11"
    wanted = sorted(local.open(SFT_DATASET).to_table(columns=["sample_id"])["sample_id"].to_pylist())
    filesystem, base = open_root(place)
    assert sorted(ds.dataset(f"{base}/data", filesystem=filesystem).to_table()["sample_id"].to_pylist()) == wanted
    assert sorted(pandas.read_parquet(f"{place}/data")["sample_id"]) == wanted
    assert sorted(polars.read_parquet(f"{place}/data/*.parquet")["sample_id"]) == wanted
    connection = duckdb.connect()
    connection.register_filesystem(fsspec.FsspecStore("s3"))
    parts = [f"{place}/{name}" for name in files_of(place) if name.endswith(".parquet")]
    found = connection.sql(f"select sample_id from read_parquet({parts})").fetchall()
    assert sorted(row[0] for row in found) == wanted
    loaded = datasets.load_dataset(
        "parquet", data_files=f"{place}/data/*.parquet", split="train", cache_dir=f"{local.root}/cache"
    )
    assert sorted(loaded["sample_id"]) == wanted


def test_it_is_the_release_of_a_folder(local: Store, root: str) -> None:
    """The same files with the same bytes, checksums for all of them, and a pointer to the newest."""
    place = release(local, SFT_DATASET, "2026-11", f"{root}/releases")
    folder = Path(release(local, SFT_DATASET, "2026-11"))
    found = files_of(place)
    assert found == {
        file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()
    }
    for line in found["SHA256SUMS"].decode().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256(found[name]).hexdigest() == digest
    assert text(f"{root}/releases/latest") == "2026-11\n"


def test_a_name_that_is_taken_keeps_its_rows(local: Store, root: str) -> None:
    """The same rows again are the same release; other rows under its name are refused, and the pointer stays."""
    release(local, SFT_DATASET, "first", f"{root}/releases")
    assert release(local, SFT_DATASET, "first", f"{root}/releases") == f"{root}/releases/first"
    before = files_of(f"{root}/releases/first")
    keys = local.partitions(SFT_DATASET)[0]
    rows = local.open(SFT_DATASET, **keys).to_table().select(SFT_DATASET.schema.names)
    with local.writer(SFT_DATASET, keys, config={}, code_version="2") as writer:
        writer.write(rows.slice(0, 1))
        writer.counts = StageCounts(1, 1)
    with pytest.raises(InputError, match="holds other rows, and a release never changes"):
        release(local, SFT_DATASET, "first", f"{root}/releases")
    assert files_of(f"{root}/releases/first") == before
    assert text(f"{root}/releases/latest") == "first\n"


def test_a_broken_upload_is_finished_by_the_next_try(local: Store, root: str, s3: Server) -> None:
    """Checksums come last: without them nobody takes it for whole, and the pointer still names what is."""
    s3.misbehave(Fault(403, method="PUT", path="LICENSES.tsv"))
    with pytest.raises(StoreError, match="check the credentials"):
        release(local, SFT_DATASET, "first", f"{root}/releases")
    with pytest.raises(FileNotFoundError):
        text(f"{root}/releases/latest")
    s3.misbehave()
    release(local, SFT_DATASET, "first", f"{root}/releases")
    assert text(f"{root}/releases/latest") == "first\n"
    assert "LICENSES.tsv" in files_of(f"{root}/releases/first")


def test_without_a_name_the_rows_name_it(local: Store) -> None:
    """The same rows are the same release, whenever they are released."""
    first, again = release(local, SFT_DATASET), release(local, SFT_DATASET)
    assert first == again
    assert Path(first).name.startswith("sft_dataset-")
