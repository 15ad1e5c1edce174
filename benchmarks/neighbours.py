"""All pairs at cosine 0.7: ours, the bare matrix product, faiss flat and semhash, in CPU seconds of one thread and one run.

Vectors are Gaussian with the covariance of real embedded statements (``OCR_REAL_DATA``; without it that of white noise, which no
model gives) and 15 % planted near ones. ``python benchmarks/neighbours.py [ROWS [tool …]]``; without arguments every tool on
20,000 rows, then all but semhash on 100,000, where faiss answers a tenth of the queries and its time is taken ten times.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from ocr_pipeline.similarity import load_encoder, neighbours, normalise
from ocr_pipeline.similarity.neighbours import COLUMNS_PER_TILE, ROWS_PER_TILE

THRESHOLD = 0.7
NEAREST = 10
DIMENSION = 384
STATEMENT_CHARACTERS = 600
PLANTED_SHARE = 0.15
MIB = 1024
MANY = 50_000  # beyond, the peers do a tenth of the work
NOISE = 1e-6  # float32 products of pairs this near to the threshold may fall on either side

Vectors: TypeAlias = "npt.NDArray[np.float32]"
Keys: TypeAlias = "npt.NDArray[np.int64]"
"""Pairs ``i < j`` as ``i * rows + j``."""


def main() -> None:
    """Print CPU seconds, pairs and peak memory of each tool."""
    import torch

    torch.set_num_threads(1)
    spread = spread_of_statements()
    if len(sys.argv) > 1:
        compare(int(sys.argv[1]), sys.argv[2:] or list(TOOLS), spread)
        return
    compare(20_000, list(TOOLS), spread)
    compare(100_000, [name for name in TOOLS if name != "semhash"], spread)


def compare(count: int, names: Sequence[str], spread: Vectors) -> None:
    """Run tools on one set of vectors, ours first: peak memory is that of the process."""
    vectors = planted(count, spread)
    neighbours(vectors[:5_000], THRESHOLD)  # loads what is loaded once
    spent: dict[str, float] = {}
    found: dict[str, Keys] = {}
    for name in names:
        spent[name], pairs = TOOLS[name](vectors)
        found.update({} if pairs is None else {name: pairs})
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB
        shown = "" if pairs is None else f"{len(pairs):9,} pairs"
        more = f"{spent[name] / spent['ours']:6.2f} times ours" if "ours" in spent else ""
        print(f"{count:8,} rows  {name:12} {spent[name]:8.2f} CPU-s {more}  peak {peak:6,.0f} MiB  {shown}", flush=True)
    if {"ours", "faiss"} <= found.keys():
        print(f"{count:8,} rows  {agreement(vectors, found['ours'], found['faiss'])}", flush=True)


def spread_of_statements() -> Vectors:
    """Return a matrix that gives white noise the covariance of real embeddings, mean included."""
    data = Path(os.environ.get("OCR_REAL_DATA", "")) / "taco" / "test_statements.parquet"
    if not data.is_file():
        print("without OCR_REAL_DATA: white noise")
        return np.eye(DIMENSION, dtype=np.float32)
    cache = os.environ.get("OCR_EMBEDDINGS")
    statements = pq.read_table(data).column("prompt").to_pylist()
    encoder = load_encoder(cache=Path(cache) if cache else None)
    rows = encoder.encode([normalise(text)[:STATEMENT_CHARACTERS] for text in statements]).astype(np.float64)
    values, directions = np.linalg.eigh(rows.T @ rows / len(rows))
    return (directions * np.sqrt(np.maximum(values, 0))).T.astype(np.float32)


def planted(count: int, spread: Vectors) -> Vectors:
    """Return unit rows of which 15 % are near another one, at cosines from about 0.6 to 1."""
    random = np.random.default_rng(0)
    vectors = random.standard_normal((count, DIMENSION), np.float32)
    for start in range(0, count, ROWS_PER_TILE):
        vectors[start : start + ROWS_PER_TILE] = unit(vectors[start : start + ROWS_PER_TILE] @ spread)
    copies = random.permutation(count)[: int(count * PLANTED_SHARE)]
    distances = random.uniform(0, 1.2, (len(copies), 1)).astype(np.float32)
    noise = unit(random.standard_normal((len(copies), DIMENSION), np.float32) @ spread)
    vectors[copies] = unit(vectors[(copies + 1) % count] + distances * noise)
    return vectors


def unit(rows: Vectors) -> Vectors:
    """Return rows of length one."""
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def ours(vectors: Vectors) -> tuple[float, Keys | None]:
    """Search as the pipeline does."""
    start = time.process_time()
    found = neighbours(vectors, THRESHOLD)
    return time.process_time() - start, found.left * len(vectors) + found.right


def float32_products(vectors: Vectors) -> tuple[float, Keys | None]:
    """Compute the bare products of the vectors as they are; of many rows only as many as make a tenth of the products."""
    import torch

    share = tenth_of_many(vectors)
    rows = torch.from_numpy(vectors[: int(len(vectors) / share**0.5)])
    start = time.process_time()
    for top in range(0, len(rows), ROWS_PER_TILE):
        for left in range(top, len(rows), COLUMNS_PER_TILE):
            torch.matmul(rows[top : top + ROWS_PER_TILE], rows[left : left + COLUMNS_PER_TILE].T)
    return (time.process_time() - start) * share, None


def faiss_flat(vectors: Vectors) -> tuple[float, Keys | None]:
    """Search with an exact index for all that is near; of many rows every tenth asks."""
    share = tenth_of_many(vectors)
    asking = np.ascontiguousarray(vectors[::share])
    added, index = faiss_index(vectors)
    start = time.process_time()
    limits, _, others = index.range_search(asking, THRESHOLD)
    spent = added + (time.process_time() - start) * share
    rows = np.repeat(np.arange(0, len(vectors), share), np.diff(limits.astype(np.int64)))
    return spent, (rows * len(vectors) + others)[rows < others]


def faiss_nearest(vectors: Vectors) -> tuple[float, Keys | None]:
    """Search with an exact index for a fixed number of neighbours, as is usual; what is beyond them is missed."""
    share = tenth_of_many(vectors)
    asking = np.ascontiguousarray(vectors[::share])
    added, index = faiss_index(vectors)
    start = time.process_time()
    index.search(asking, NEAREST)
    return added + (time.process_time() - start) * share, None


def faiss_index(vectors: Vectors) -> tuple[float, Any]:
    """Return an exact index on one thread, and what making it took."""
    import faiss

    faiss.omp_set_num_threads(1)
    start = time.process_time()
    index = faiss.IndexFlatIP(DIMENSION)
    index.add(vectors)
    return time.process_time() - start, index


def tenth_of_many(vectors: Vectors) -> int:
    """Return what a measured time is to be multiplied with."""
    return 1 if len(vectors) <= MANY else 10


def semhash_default(vectors: Vectors) -> tuple[float, Keys | None]:
    """Deduplicate with semhash's default index."""
    from semhash import SemHash

    class Known:
        def encode(self, inputs: list[str], **_: object) -> Vectors:
            return vectors[[int(text) for text in inputs]]

    records = [str(number) for number in range(len(vectors))]
    start = time.process_time()
    SemHash.from_records(records, model=Known()).self_deduplicate(threshold=THRESHOLD)
    return time.process_time() - start, None


def agreement(vectors: Vectors, found: Keys, exact: Keys) -> str:
    """Compare with an exact search, in the rows that it answered."""
    asked = np.unique(exact // len(vectors))
    mine = found[np.isin(found // len(vectors), asked)]
    differing = np.setxor1d(mine, exact)
    left, right = np.divmod(differing, len(vectors))
    cosines = np.einsum("ij,ij->i", vectors[left].astype(np.float64), vectors[right].astype(np.float64))
    wrong = int((np.abs(cosines - THRESHOLD) > NOISE).sum())
    return f"pairs that differ from the exact search of faiss: {wrong} of {len(exact):,}"


TOOLS: dict[str, Callable[[Vectors], tuple[float, Keys | None]]] = {
    "ours": ours,
    "float32": float32_products,
    "faiss": faiss_flat,
    "faiss-nearest": faiss_nearest,
    "semhash": semhash_default,
}

if __name__ == "__main__":
    main()
