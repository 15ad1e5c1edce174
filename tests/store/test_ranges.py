"""A condition on texts reads only the row groups that may hold them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from ocr_pipeline.store import among

NAMES = [f"{number:03}" for number in range(100)]


@pytest.mark.parametrize("wanted", [[], ["007"], ["042", "040", "049"], ["000", "099"], ["nowhere", "001"]])
def test_exactly_the_wanted_rows_are_found(tmp_path: Path, wanted: list[str]) -> None:
    """Whatever the order of the values, and whether they are there."""
    pq.write_table(pa.table({"name": NAMES}), tmp_path / "rows.parquet", row_group_size=10)
    found = ds.dataset(tmp_path / "rows.parquet").to_table(filter=among("name", wanted))["name"].to_pylist()
    assert found == sorted(set(wanted) & set(NAMES))


def test_row_groups_outside_the_range_are_passed_over(tmp_path: Path) -> None:
    """The statistics of a row group are enough to pass over it."""
    pq.write_table(pa.table({"name": NAMES}), tmp_path / "rows.parquet", row_group_size=10)
    fragment = next(iter(ds.dataset(tmp_path / "rows.parquet").get_fragments()))
    assert len(fragment.split_by_row_group(among("name", ["041", "048"]))) == 1
