"""Keys of any number, compared a bucket at a time."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.building import key_violations
from ocr_pipeline.store import Buckets, Store
from ocr_pipeline.store import buckets as module
from ocr_pipeline.tables import TESTS
from tests.store.rows import TACO, TEXTS, test_rows, write

SCHEMA = pa.schema([pa.field("a", pa.string()), pa.field("b", pa.int32())])
PEAK = r"""
import sys
from pathlib import Path
import pyarrow as pa
from ocr_pipeline.building import key_violations
from ocr_pipeline.store import Store, buckets
from ocr_pipeline.tables import TESTS

def memory(name):
    return int(next(line for line in open("/proc/self/status") if line.startswith(name)).split()[1])

def grown(root, rows):
    with Store(root).writer(TESTS, {"dataset": "taco"}, config={}, code_version="1") as writer:
        for start in range(0, rows, 10_000):
            ids = [f"taco/train/{number:060}" for number in range(start, start + 10_000)]
            plain = {"kind": "public", "input": "", "expected": ""}
            columns = {"problem_id": ids, "test_id": ids} | {name: [text] * 10_000 for name, text in plain.items()}
            writer.write(pa.table(columns | {"suspicions": pa.array([[]] * 10_000, pa.list_(pa.string()))}))
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    assert key_violations(Store(root), TESTS, {"dataset": "taco"}) == []
    return memory("VmHWM") - before

buckets.ROWS_PER_BUCKET = 20_000
pa.set_memory_pool(pa.system_memory_pool())
grown(sys.argv[1] + "/warm", 20_000)
print(grown(sys.argv[1] + "/few", 100_000), grown(sys.argv[1] + "/many", 400_000))
"""


@given(st.lists(st.tuples(st.none() | TEXTS, st.integers(0, 9)), max_size=200), st.integers(1, 30))
def test_every_row_is_in_one_bucket_and_equal_keys_in_the_same(
    rows: list[tuple[str | None, int]], rows_per_bucket: int
) -> None:
    """Nothing is lost or doubled, whatever the keys are, and no key is in two buckets."""
    batches = [pa.record_batch({"a": [row[0]], "b": [row[1]]}, schema=SCHEMA) for row in rows]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ROWS_PER_BUCKET", rows_per_bucket)
        with Buckets(len(rows)) as buckets:
            read = buckets.spread(batches, ["a"], SCHEMA)
            found = [read(number).to_pylist() for number in range(buckets.count)]
    assert Counter((row["a"], row["b"]) for part in found for row in part) == Counter(rows)
    keys = [key for part in found for key in {row["a"] for row in part}]
    assert len(keys) == len(set(keys))


def _fail_after_spreading(rows: list[pa.RecordBatch], folder: Path) -> None:
    with Buckets(3) as buckets:
        buckets.spread(rows, ["a"], SCHEMA)
        assert list(folder.iterdir())
        message = "a failed comparison"
        raise ArithmeticError(message)


def test_the_folder_is_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was spread over files is removed, also after an error."""
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(module, "ROWS_PER_BUCKET", 1)
    rows = pa.table({"a": ["1", "2", "3"], "b": [1, 2, 3]}, SCHEMA).to_batches()
    with pytest.raises(ArithmeticError, match="a failed comparison"):
        _fail_after_spreading(rows, tmp_path)
    assert not list(tmp_path.iterdir())


def test_keys_that_repeat_are_named_whatever_the_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of a key finds in many buckets what it finds in one."""
    store = Store(tmp_path)
    rows = test_rows([str(number) for number in range(50)])
    write(store, pa.concat_tables([rows, rows.slice(7, 1)]))
    whole = key_violations(store, TESTS, TACO)
    monkeypatch.setattr(module, "ROWS_PER_BUCKET", 5)
    assert key_violations(store, TESTS, TACO) == whole == ["problem_id=p, test_id=0007 stands 2 times"]


def test_the_check_of_a_key_takes_no_more_memory_for_more_rows(tmp_path: Path) -> None:
    """Four times the rows take about the same memory, not four times."""
    done = subprocess.run([sys.executable, "-c", PEAK, str(tmp_path)], check=True, capture_output=True, text=True)
    few, many = map(int, done.stdout.split())
    assert many < 150_000, (few, many)  # KiB: about 50,000 and 79,000; held as a whole 88,000 and 293,000
