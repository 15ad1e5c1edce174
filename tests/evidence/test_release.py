"""A release is read by every reader with its plain defaults, and never changes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from typer.testing import CliRunner

from ocr_pipeline.cli import build_app
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import InputError
from ocr_pipeline.store import Store
from ocr_pipeline.tables import SFT_DATASET
from tests.evidence.root import build_root


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> Store:
    return build_root(tmp_path / "data")


def released(store: Store, name: str = "2026-11") -> Path:
    """Release through the command, and return the folder."""
    done = CliRunner().invoke(build_app(["release", "funnel"]), ["release", name, "--data", str(store.root)])
    if done.exception is not None:
        raise done.exception
    return Path(done.stdout.strip())


def test_every_reader_sees_the_same_rows(store: Store) -> None:
    """pandas, Polars, DuckDB, pyarrow and datasets, each with nothing but the path."""
    datasets, duckdb = pytest.importorskip("datasets"), pytest.importorskip("duckdb")
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    folder = released(store)
    wanted = sorted(store.open(SFT_DATASET).to_table(columns=["sample_id"])["sample_id"].to_pylist())
    assert wanted
    data = folder / "data"
    assert sorted(ds.dataset(data).to_table()["sample_id"].to_pylist()) == wanted
    assert sorted(pandas.read_parquet(data)["sample_id"]) == wanted
    assert sorted(polars.read_parquet(data)["sample_id"]) == wanted
    assert sorted(row[0] for row in duckdb.sql(f"select sample_id from '{data}/*.parquet'").fetchall()) == wanted
    loaded = datasets.load_dataset("parquet", data_dir=str(data), split="train", cache_dir=str(folder.parent / "cache"))
    assert sorted(loaded["sample_id"]) == wanted
    python = datasets.load_dataset(str(folder), "python", split="train", cache_dir=str(folder.parent / "cache"))
    assert set(python["language"]) == {"python"}


def test_it_says_what_it_holds_and_points_to_itself(store: Store) -> None:
    """Card, licences, and the hash of every file; nobody can write by accident."""
    folder = released(store)
    lines = dict(reversed(line.split("  ")) for line in (folder / "SHA256SUMS").read_text().splitlines())
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert set(lines) == set(files) - {"SHA256SUMS"}
    assert all(hashlib.sha256(files[name].read_bytes()).hexdigest() == digest for name, digest in lines.items())
    rows = sum(int(line.split("\t")[1]) for line in (folder / "LICENSES.tsv").read_text().splitlines()[1:])
    assert rows == store.open(SFT_DATASET).count_rows()
    assert (folder.parent / "latest").read_text() == "2026-11\n"
    assert all(path.stat().st_mode & 0o222 == 0 for path in files.values())


@pytest.mark.parametrize("name", ["../other", "latest", "", "a b"])
def test_a_name_that_cannot_be_a_folder_is_one_line(store: Store, name: str) -> None:
    """Nothing is written."""
    with pytest.raises(InputError, match="a release is named by"):
        released(store, name)
    assert not (Path(store.root) / "releases").exists()


def test_a_name_that_is_taken_keeps_its_rows(store: Store) -> None:
    """The same rows again are the same release; others are refused, and nothing is left behind."""
    folder = released(store)
    assert released(store) == folder
    before = sorted(folder.parent.iterdir())
    keys = store.partitions(SFT_DATASET)[0]
    rows = store.open(SFT_DATASET, **keys).to_table().select(SFT_DATASET.schema.names)
    with store.writer(SFT_DATASET, keys, config={}, code_version="2") as writer:
        writer.write(rows.slice(0, 1))
        writer.counts = StageCounts(1, 1)
    with pytest.raises(InputError, match="holds other rows, and a release never changes"):
        released(store)
    assert sorted(folder.parent.iterdir()) == before


def test_a_root_without_rows_has_no_release(tmp_path: Path) -> None:
    """And no folder is left."""
    with pytest.raises(InputError, match="holds no sft_dataset"):
        released(Store(tmp_path / "empty"))
    assert not (tmp_path / "empty" / "releases").exists()
