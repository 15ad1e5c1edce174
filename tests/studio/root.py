"""A data root with uncertain pairs of problems and one suspected contamination, for the review pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ocr_pipeline.similarity import pair_key
from ocr_pipeline.store import Store
from ocr_pipeline.tables import CONTAMINATION, DUPLICATE_PAIRS, PROBLEMS
from tests.evidence.root import problem, put

THRESHOLD = 0.7
STATEMENTS = {
    "apps/train/1": "Add two numbers.\n\nPrint <b>the sum</b>.",
    "apps/train/2": "Sort the list in rising order.",
    "apps/train/3": "Count the letters of a word.",
    "apps/train/4": "=SUM(A1:A9) is what the sheet shows. Print it.",
    "taco/train/1": "Add both numbers.\n\nPrint the sum.",
    "taco/train/2": "Sort the list in falling order.",
    "taco/train/3": "Count the vowels of a word.",
    "taco/train/4": "Print what the sheet shows.",
    "humaneval/test/0": "Return how many letters a word has.",
}
COSINES = {1: 0.71, 2: 0.86, 3: 0.75, 4: 0.95}


def key_of(number: int) -> str:
    """Return the key of the pair of problems with this number."""
    return pair_key(STATEMENTS[f"apps/train/{number}"], STATEMENTS[f"taco/train/{number}"])


def pair(number: int, **more: Any) -> dict[str, Any]:
    """Return a row of ``duplicate_pairs`` that the threshold decided."""
    row = {"left_id": f"apps/train/{number}", "right_id": f"taco/train/{number}", "cosine": COSINES[number]}
    decided = {"decision": "duplicate", "decided_by": "threshold", "lexical": 0.6, "pair_key": key_of(number)}
    return row | decided | more


def contaminated() -> dict[str, Any]:
    """Return a row of ``contamination`` that the threshold decided."""
    left, right = "apps/train/3", "humaneval/test/0"
    row = {"problem_id": left, "benchmark": "humaneval", "benchmark_version": "1", "benchmark_id": right}
    decided = {"decision": "contaminated", "decided_by": "threshold", "cosine": 0.72, "lexical": 0.6}
    return row | decided | {"span": "letters of a word", "pair_key": pair_key(STATEMENTS[left], STATEMENTS[right])}


def build_many(root: Path, texts: dict[str, str]) -> Store:
    """Write problems of two data sets with the same numbers, and an uncertain pair for each number."""
    store = Store(root)
    for dataset in ("apps", "taco"):
        rows = [problem(name, statement=text) for name, text in texts.items() if name.startswith(dataset)]
        put(store, PROBLEMS, rows, {"dataset": dataset})
    names = [name for name in texts if name.startswith("apps")]
    pairs = [(name, name.replace("apps", "taco")) for name in names]
    rows = [
        {"left_id": left, "right_id": right, "pair_key": pair_key(texts[left], texts[right]), "cosine": 0.8}
        | {"decision": "duplicate", "decided_by": "threshold", "lexical": 0.6}
        for left, right in pairs
    ]
    put(store, DUPLICATE_PAIRS, rows, config={"threshold": THRESHOLD})
    return store


def build_root(root: Path, *pairs: dict[str, Any]) -> Store:
    """Write problems, pairs (all four when none are given) and one suspected contamination."""
    store = Store(root)
    for dataset in ("apps", "taco", "humaneval"):
        rows = [problem(name, statement=text) for name, text in STATEMENTS.items() if name.startswith(dataset)]
        put(store, PROBLEMS, rows, {"dataset": dataset})
    every = pairs or tuple(pair(number) for number in COSINES)
    put(store, DUPLICATE_PAIRS, every, config={"threshold": THRESHOLD})
    put(store, CONTAMINATION, [contaminated()], config={"threshold": THRESHOLD})
    return store
