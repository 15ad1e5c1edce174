"""Rows in buckets by the hash of a key, so that keys of any number are compared a bucket at a time.

Equal keys are in one bucket, so what holds of sets (what is missing, common, there twice) holds bucket by bucket, and the
memory of a comparison is that of one bucket. Few rows are one bucket and stay in memory; more go through files of a
temporary folder (``TMPDIR``), which lives as long as the comparison.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Bucketed", "Buckets"]

ROWS_PER_BUCKET: Final = 200_000
"""Some 15 MB of ids of 64 characters, and four times that while they are compared."""
MOST_BUCKETS: Final = 256
ROWS_PER_WRITE: Final = 65_536
SEPARATOR: Final = "\x1f"

Bucketed = Callable[[int], pa.Table]
"""The rows of a bucket, by its number."""


class Buckets:
    """Spreads rows over as many buckets as their number asks for; equal numbers of buckets can be compared.

    Parameters
    ----------
    most_rows
        Of the largest set of rows that will be spread.
    """

    def __init__(self, most_rows: int) -> None:
        self.count = min(max(1, -(-most_rows // ROWS_PER_BUCKET)), MOST_BUCKETS)
        self._open = ExitStack()
        self._sets = 0

    def __enter__(self) -> Self:
        """Make the folder, where one is needed."""
        if self.count > 1:
            self._folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="ocr_pipeline_keys_")))
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the folder."""
        self._open.close()

    def spread(self, rows: Iterable[pa.RecordBatch], by: Sequence[str], schema: pa.Schema) -> Bucketed:
        """Take rows, and return a function that gives those of each bucket, in the order in which they came."""
        if self.count == 1:
            whole = pa.Table.from_batches([batch.select(schema.names) for batch in rows], schema)
            return lambda _: whole
        self._sets += 1
        path = str(self._folder / f"{self._sets}.arrow")
        places: list[list[int]] = [[] for _ in range(self.count)]
        with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, schema) as writer:
            written = itertools.count()
            for some in _gathered(rows, schema):
                for number, part in self._parted(some, by):
                    for batch in part.combine_chunks().to_batches():
                        writer.write_batch(batch)
                        places[number].append(next(written))

        def read(number: int) -> pa.Table:
            with pa.OSFile(path, "rb") as file, pa.ipc.open_file(file) as reader:
                return pa.Table.from_batches([reader.get_batch(place) for place in places[number]], schema)

        return read

    def _parted(self, rows: pa.Table, by: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
        keys = [rows[name].cast(pa.string()) for name in by]
        joined = keys[0] if len(keys) == 1 else pc.binary_join_element_wise(*keys, SEPARATOR, null_handling="replace")
        places = np.fromiter((crc32((one or "").encode()) % self.count for one in joined.to_pylist()), np.int64)
        order = np.argsort(places, kind="stable")
        sorted_rows = rows.take(order)
        ends = np.searchsorted(places[order], np.arange(self.count + 1))
        for number, (start, end) in enumerate(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)):
            if start < end:
                yield number, sorted_rows.slice(start, end - start)


def _gathered(rows: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield fewer and larger pieces: a file takes some hundred bytes more with each."""
    waiting: list[pa.RecordBatch] = []
    for batch in rows:
        waiting.append(batch.select(schema.names))
        if sum(one.num_rows for one in waiting) >= ROWS_PER_WRITE:
            yield pa.Table.from_batches(waiting, schema)
            waiting = []
    yield pa.Table.from_batches(waiting, schema)
