"""All pairs at cosine 0.7: ours, the bare matrix product, faiss flat and semhash, in CPU seconds of one run.

Vectors are Gaussian with planted near-duplicates (15 %). ``python benchmarks/neighbours.py [ROWS] [tool …]``; the
default is 30,000 rows and every tool.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ocr_pipeline.similarity import neighbours
from ocr_pipeline.similarity.neighbours import COLUMNS_PER_TILE, ROWS_PER_TILE

THRESHOLD = 0.7
DIMENSION = 384
MIB = 1024


def main() -> None:
    """Print CPU seconds, pairs and peak memory of each tool."""
    import torch

    torch.set_num_threads(1)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 30_000
    tools: dict[str, Callable[[npt.NDArray[np.float32]], int]] = {
        "floor": floor,
        "ours": lambda vectors: len(neighbours(vectors, THRESHOLD)),
        "faiss": faiss_flat,
        "semhash": semhash_default,
    }
    vectors = planted(count)
    neighbours(vectors[:2_000], THRESHOLD)  # loads what is loaded once
    for name in sys.argv[2:] or tools:
        start = time.process_time()
        pairs = tools[name](vectors)
        spent = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB
        print(f"{name:8} {count:8,} rows {spent:8.2f} CPU-s  {pairs:9,} pairs  peak {peak:,.0f} MiB", flush=True)


def planted(count: int) -> npt.NDArray[np.float32]:
    """Return unit rows of which 15 % are near another one."""
    random = np.random.default_rng(0)
    vectors = random.standard_normal((count, DIMENSION), dtype=np.float32)
    copies = random.permutation(count)[: int(count * 0.15)]
    vectors[copies] = vectors[(copies + 1) % count] + 0.5 * random.standard_normal((len(copies), DIMENSION), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def floor(vectors: npt.NDArray[np.float32]) -> int:
    """Multiply the tiles of the upper triangle and look at nothing."""
    import torch

    from ocr_pipeline.similarity.neighbours import _product_kind

    rows = torch.from_numpy(vectors).to(_product_kind()[0])
    for top in range(0, len(vectors), ROWS_PER_TILE):
        for start in range(top, len(vectors), COLUMNS_PER_TILE):
            rows[top : top + ROWS_PER_TILE] @ rows.T[:, start : start + COLUMNS_PER_TILE]
    return 0


def faiss_flat(vectors: npt.NDArray[np.float32]) -> int:
    """Search every row against all with an exact index."""
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatIP(DIMENSION)
    index.add(vectors)
    limits, _, _ = index.range_search(vectors, THRESHOLD)
    return (int(limits[-1]) - len(vectors)) // 2


def semhash_default(vectors: npt.NDArray[np.float32]) -> int:
    """Deduplicate with semhash's default index; the number is what it drops."""
    from semhash import SemHash

    class Known:
        def encode(self, inputs: list[str], **_: object) -> npt.NDArray[np.float32]:
            return vectors[[int(text) for text in inputs]]

    records = [str(number) for number in range(len(vectors))]
    return len(SemHash.from_records(records, model=Known()).self_deduplicate(threshold=THRESHOLD).filtered)


if __name__ == "__main__":
    main()
