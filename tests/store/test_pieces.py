"""Row groups that nobody has read: the same rows in any process, of the version that was listed."""

from __future__ import annotations

import multiprocessing
import pickle
from pathlib import Path

import pyarrow as pa
import pytest

from ocr_pipeline.engine import LocalEngine
from ocr_pipeline.errors import StoreError
from ocr_pipeline.store import RowGroup, Store, finely
from ocr_pipeline.store.pieces import FEW
from ocr_pipeline.tables import TESTS, Table
from tests.store.rows import TACO, test_rows

SMALL = Table(TESTS.name, TESTS.description, TESTS.schema, TESTS.key, TESTS.partition_by, row_group_rows=7)
COLUMNS = ["test_id", "dataset"]


def _write(store: Store, rows: int, mark: str = "") -> None:
    with store.writer(SMALL, TACO, config={"mark": mark}, code_version="1") as writer:
        writer.write(test_rows([f"{mark}{number}" for number in range(rows)]))


def _read(piece: RowGroup) -> pa.RecordBatch:
    return piece.read()


def _same(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch


@pytest.mark.parametrize("columns", [None, COLUMNS], ids=["all columns", "some columns, one of them a partition key"])
@pytest.mark.parametrize("workers", [0, 2])
def test_pieces_hold_the_rows_of_the_stream(tmp_path: Path, columns: list[str] | None, workers: int) -> None:
    """In the same order, whole and cut finely, in this process and in others."""
    store = Store(tmp_path)
    _write(store, 40)
    wanted = pa.Table.from_batches(store.batches(SMALL, columns, **TACO))
    for rows in (3, 100):
        pieces = finely(store.pieces(SMALL, columns, **TACO), rows)
        assert pa.Table.from_batches(LocalEngine(workers).map(_same, pieces)) == wanted


def test_many_row_groups_are_not_cut(tmp_path: Path) -> None:
    """Each piece reads its whole row group, so only few of them are worth it."""
    store = Store(tmp_path)
    _write(store, 7 * FEW)
    assert [piece.num_rows for piece in finely(store.pieces(SMALL, **TACO), 2)] == [7] * FEW


def test_a_replaced_partition_is_read_as_it_was(tmp_path: Path) -> None:
    """By this process and by its workers, as long as somebody holds it; then it is refused, for rows must not mix."""
    store = Store(tmp_path)
    _write(store, 20, "old")
    wanted = pa.Table.from_batches(store.batches(SMALL, **TACO))
    pieces = store.pieces(SMALL, **TACO)
    first = next(pieces)
    _write(store, 20, "new")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(_read, [first]) == [first.read()] == wanted.slice(0, 7).to_batches()
    assert pa.Table.from_batches([first.read(), *(piece.read() for piece in pieces)]) == wanted


@pytest.mark.parametrize("workers", [0, 2])
def test_a_partition_that_is_replaced_under_an_engine_is_read_as_it_was(tmp_path: Path, workers: int) -> None:
    """Few row groups are listed before the first is read, and the others wait; all are of one version, however long that takes."""
    store = Store(tmp_path)
    _write(store, 40, "old")
    wanted = pa.Table.from_batches(store.batches(SMALL, **TACO))
    found = LocalEngine(workers).map(_same, finely(store.pieces(SMALL, **TACO), 3))
    first = next(found)
    _write(store, 40, "new")
    assert pa.Table.from_batches([first, *found]) == wanted


def test_a_version_that_nobody_holds_is_refused(tmp_path: Path) -> None:
    """Rows of two versions are never mixed."""
    store = Store(tmp_path)
    _write(store, 20, "old")
    kept = pickle.loads(pickle.dumps(list(store.pieces(SMALL, **TACO))))  # noqa: S301 - what this test wrote
    _write(store, 20, "new")
    with pytest.raises(StoreError, match="was replaced while it was read; run the step again"):
        kept[0].read()


def test_a_damaged_part_is_one_line(tmp_path: Path) -> None:
    """A part that was cut after it was listed, or rows that were changed, are not returned as rows."""
    store = Store(tmp_path)
    _write(store, 20)
    piece = next(store.pieces(SMALL, **TACO))
    path = Path(store.path(SMALL, **TACO)) / "part-00000.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StoreError) as caught:
        piece.read()
    assert "\n" not in str(caught.value)
