"""What downstream teams read the Parquet with, each with the line that decision 080 hands out."""

from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from ocr_pipeline import open_table
from ocr_pipeline.store import Store
from ocr_pipeline.tables import SFT_DATASET

TEXT = [name for name in SFT_DATASET.schema.names if name not in {"pass_rate", "reasoning_tokens"}]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data root with two partitions, whose rows name several data sets."""
    folder = tmp_path_factory.mktemp("downstream")
    for dataset in ("taco", "apps"):
        row = {name: [f"{dataset} {name}"] for name in TEXT} | {"dataset": ["apps, taco"]}
        rows = pa.table(
            row | {"sample_id": [dataset], "pass_rate": [0.5], "reasoning_tokens": pa.array([7], pa.int32())}
        )
        partition = {"dataset": dataset, "language": "python"}
        with Store(folder).writer(SFT_DATASET, partition, config={}, code_version="1") as writer:
            writer.write(rows)
    return folder


def test_open_table(root: Path) -> None:
    """Our own door gives the rows of the named partitions."""
    assert open_table(root, "sft_dataset", dataset="taco").to_table()["sample_id"].to_pylist() == ["taco"]
    assert open_table(root, "sft_dataset").to_table()["dataset"].to_pylist() == ["apps, taco"] * 2


def test_pandas(root: Path) -> None:
    """The column of the rows is read, not the folder's key."""
    rows = pd.read_parquet(f"{root}/sft_dataset", partitioning=None)
    assert sorted(rows["sample_id"]) == ["apps", "taco"]
    assert set(rows["dataset"]) == {"apps, taco"}


def test_duckdb(root: Path) -> None:
    """SQL sees the column of the rows."""
    found = duckdb.sql(
        f"select sample_id, dataset from read_parquet('{root}/sft_dataset/**/*.parquet', hive_partitioning = false)"
    ).fetchall()
    assert sorted(found) == [("apps", "apps, taco"), ("taco", "apps, taco")]


def test_polars(root: Path) -> None:
    """A glob of part files is read lazily or at once."""
    rows = pl.read_parquet(f"{root}/sft_dataset/**/*.parquet")
    assert sorted(rows["sample_id"]) == ["apps", "taco"]
    assert set(rows["dataset"]) == {"apps, taco"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_datasets(root: Path, tmp_path: Path) -> None:
    """The `datasets` library loads the same files."""
    import datasets

    pattern = f"{root}/sft_dataset/**/*.parquet"
    rows = datasets.load_dataset("parquet", data_files=pattern, split="train", cache_dir=str(tmp_path))
    assert sorted(rows["sample_id"]) == ["apps", "taco"]
    assert set(rows["dataset"]) == {"apps, taco"}
