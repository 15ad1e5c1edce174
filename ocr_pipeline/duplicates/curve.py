"""What another threshold would keep, before anybody commits to one.

The pairs are found once at the lowest threshold; every point is then a selection from them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.duplicates.decisions import DecidedBy, Decision, Verdict, decide, gather_evidence
from ocr_pipeline.duplicates.pairs import DuplicateConfig, compare_catalogue
from ocr_pipeline.duplicates.witnesses import choose_witnesses
from ocr_pipeline.similarity import Encoder, Reviews, normalise
from ocr_pipeline.similarity.catalogue import Catalogue, read_catalogue
from ocr_pipeline.similarity.evidence import lexical_similarity, read_facts

__all__ = ["CURVE", "THRESHOLDS", "LabelledPair", "decide_labelled", "threshold_curve"]

THRESHOLDS: Final = (0.60, 0.65, 0.70, 0.75, 0.80, 0.85, 0.90)
SHOWN_PAIRS: Final = 3

CURVE: Final = pa.schema(
    [
        pa.field("threshold", pa.float64(), nullable=False),
        pa.field("kept", pa.int64(), nullable=False),
        pa.field("pairs", pa.int64(), nullable=False),
        pa.field("duplicate_pairs", pa.int64(), nullable=False),
        pa.field("pairs_at_the_threshold", pa.list_(pa.string()), nullable=False),
        pa.field("precision", pa.float64()),
        pa.field("recall", pa.float64()),
    ]
)
"""One row per threshold; precision and recall are those on the labelled pairs, null without any."""


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """Two statements, and whether they are the same problem."""

    left: str
    right: str
    is_same: bool


def threshold_curve(
    problems: Iterable[pa.RecordBatch],
    *,
    tests: Iterable[pa.RecordBatch] | None,
    encoder: Encoder,
    reviews: Reviews,
    labelled: Sequence[LabelledPair] = (),
    thresholds: Sequence[float] = THRESHOLDS,
) -> pa.Table:
    """Return what each threshold would keep, as :data:`CURVE`."""
    catalogue = read_catalogue(problems)
    config = DuplicateConfig(threshold=min(thresholds))
    pairs = compare_catalogue(catalogue, tests=tests, config=config, encoder=encoder, reviews=reviews).pairs
    decided = decide_labelled(labelled, encoder)
    rows = [_point(threshold, catalogue, pairs, labelled, decided) for threshold in sorted(thresholds)]
    return pa.Table.from_pylist(rows, schema=CURVE)


def decide_labelled(labelled: Sequence[LabelledPair], encoder: Encoder) -> list[tuple[float, Verdict]]:
    """Return the cosine of each labelled pair, and what the tiers say of it when it is compared at all."""
    texts = sorted({normalise(text) for pair in labelled for text in (pair.left, pair.right)})
    place = {text: row for row, text in enumerate(texts)}
    vectors = encoder.encode(texts).astype(np.float64)
    decided = []
    for pair in labelled:
        left, right = read_facts(pair.left), read_facts(pair.right)
        cosine = float(vectors[place[normalise(pair.left)]] @ vectors[place[normalise(pair.right)]])
        lexical = lexical_similarity(left.normal, right.normal)
        evidence = gather_evidence(left, right, cosine=cosine, lexical=lexical)
        decided.append((cosine, decide(evidence, exact=left.normal == right.normal, review=None)))
    return decided


def _point(
    threshold: float,
    catalogue: Catalogue,
    pairs: pa.Table,
    labelled: Sequence[LabelledPair],
    decided: Sequence[tuple[float, Verdict]],
) -> dict[str, object]:
    settled = pc.is_in(pairs["decided_by"], value_set=pa.array([DecidedBy.EXACT.value, DecidedBy.REVIEW.value]))
    found = pairs.filter(pc.or_(pc.greater_equal(pairs["cosine"], threshold), settled))
    duplicates = found.filter(pc.equal(found["decision"], Decision.DUPLICATE.value))
    precision, recall = _quality(threshold, labelled, decided)
    return {
        "threshold": threshold,
        "kept": len(catalogue.entries) - _dropped(catalogue, duplicates),
        "pairs": found.num_rows,
        "duplicate_pairs": duplicates.num_rows,
        "pairs_at_the_threshold": [
            f"{row['left_id']} ~ {row['right_id']}" for row in found.sort_by("cosine").slice(0, SHOWN_PAIRS).to_pylist()
        ],
        "precision": precision,
        "recall": recall,
    }


def _dropped(catalogue: Catalogue, duplicates: pa.Table) -> int:
    alike: dict[str, set[str]] = defaultdict(set)
    for left_id, right_id in zip(*(duplicates[name].to_pylist() for name in ("left_id", "right_id")), strict=True):
        left, right = catalogue.entries[left_id].content, catalogue.entries[right_id].content
        alike[left].add(right)
        alike[right].add(left)
    entries = [catalogue.entries[one] for content in alike for one in catalogue.contents[content]]
    return len(choose_witnesses(entries, alike))


def _quality(
    threshold: float, labelled: Sequence[LabelledPair], decided: Sequence[tuple[float, Verdict]]
) -> tuple[float | None, float | None]:
    called = [
        verdict.decision is Decision.DUPLICATE and (cosine >= threshold or verdict.decided_by is DecidedBy.EXACT)
        for cosine, verdict in decided
    ]
    hits = sum(is_called and pair.is_same for pair, is_called in zip(labelled, called, strict=True))
    same = sum(pair.is_same for pair in labelled)
    return (hits / sum(called) if any(called) else None), (hits / same if same else None)
