"""What another threshold would keep, before anybody commits to one.

The pairs are found and decided once at the lowest threshold; every point is then a selection from them. No model is asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ocr_pipeline.duplicates.decided import DecidedPairs
from ocr_pipeline.duplicates.decisions import DecidedBy, Decision, Undecided, Verdict, decide
from ocr_pipeline.duplicates.pairs import (
    choose_among,
    count_problem_pairs,
    decide_contents,
    problem_pairs,
    read_problems,
    score_contents,
)
from ocr_pipeline.errors import InputError
from ocr_pipeline.similarity import Encoder, Pairs, Reviews, normalise
from ocr_pipeline.similarity.catalogue import Catalogue
from ocr_pipeline.similarity.evidence import lexical_similarities, read_facts
from ocr_pipeline.similarity.profile import Profile, compare_profiles, read_profile
from ocr_pipeline.tables import Table

__all__ = ["CURVE", "THRESHOLDS", "LabelledPair", "decide_labelled", "quality_at", "read_labelled", "threshold_curve"]

THRESHOLDS: Final = (0.60, 0.65, 0.70, 0.75, 0.80, 0.85, 0.90)
SHOWN_PAIRS: Final = 3
SHOWN_WITHIN: Final = 0.01
MOST_PAIRS: Final = 250_000
"""Pairs that are decided for the curve; with more, its lowest thresholds are left out. At the 0.1 ms that a pair takes
this bounds the curve to half a minute; 30,000 statements of one field have as many at 0.7."""
SETTLED: Final = frozenset({DecidedBy.EXACT, DecidedBy.ORIGIN, DecidedBy.REVIEW})
"""What decides whatever the cosine is."""
LABELLED_COLUMNS: Final = ("text_a", "text_b", "label")

CURVE: Final = Table(
    name="threshold_curve",
    description="What other thresholds would keep.",
    schema=pa.schema(
        [
            pa.field("threshold", pa.float64(), nullable=False),
            pa.field("kept", pa.int64(), nullable=False),
            pa.field("pairs", pa.int64(), nullable=False),
            pa.field("duplicate_pairs", pa.int64(), nullable=False),
            pa.field("undecided_pairs", pa.int64(), nullable=False),
            pa.field("pairs_at_the_threshold", pa.list_(pa.string()), nullable=False),
            pa.field("precision", pa.float64()),
            pa.field("recall", pa.float64()),
            pa.field("queued", pa.float64()),
        ]
    ),
    key=("threshold",),
)
"""One row per threshold. Precision, recall (dropped) and the share of the same that is queued are those on the labelled pairs; without any, those that were measured with
this encoder on 942 pairs (``benchmarks/dedup_quality.py``), or null."""


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """Two statements, and whether they are the same problem."""

    left: str
    right: str
    is_same: bool


def read_labelled(path: Path) -> list[LabelledPair]:
    """Read labelled pairs from Parquet: ``text_a``, ``text_b`` and ``label``, 1 for the same problem.

    Raises
    ------
    InputError
        When the file cannot be read or lacks a column.
    """
    try:
        rows = pq.read_table(path, columns=list(LABELLED_COLUMNS)).to_pylist()
    except (OSError, pa.ArrowInvalid) as error:
        reason = str(error).partition("\n")[0]
        message = f"labelled pairs `{path}` cannot be read: {reason}; give Parquet with {', '.join(LABELLED_COLUMNS)}"
        raise InputError(message) from error
    return [LabelledPair(row["text_a"] or "", row["text_b"] or "", is_same=row["label"] == 1) for row in rows]


def threshold_curve(
    problems: Iterable[pa.RecordBatch],
    *,
    tests: Iterable[pa.RecordBatch] | None,
    encoder: Encoder,
    reviews: Reviews,
    labelled: Sequence[LabelledPair] = (),
    thresholds: Sequence[float] = THRESHOLDS,
    undecided: Undecided = Undecided.KEEP,
) -> pa.Table:
    """Return what each threshold would keep, as :data:`CURVE`, from the lowest that brings at most :data:`MOST_PAIRS`."""
    catalogue, cases = read_problems(problems, tests)
    borders = [border for threshold in thresholds for border in (threshold, threshold + SHOWN_WITHIN)]
    scored = score_contents(catalogue, encoder, min(thresholds), reviews, borders=borders)
    ascending = np.sort(scored.cosine)
    drawn = [one for one in sorted(thresholds) if len(ascending) - np.searchsorted(ascending, one) <= MOST_PAIRS]
    near = scored.cosine >= (drawn[0] if drawn else np.inf)
    pairs = decide_contents(
        catalogue, Pairs(scored.left[near], scored.right[near], scored.cosine[near]), cases, reviews
    )
    pairs = replace(pairs, verdicts=pairs.verdicts.settled(undecided))
    quality = quality_at(drawn, labelled, encoder) if labelled else _measured_quality(encoder.name)
    rows = [_point(threshold, catalogue, pairs) | quality.get(threshold, {}) for threshold in drawn]
    return pa.Table.from_pylist(rows, schema=CURVE.schema)


def decide_labelled(labelled: Sequence[LabelledPair], encoder: Encoder) -> list[tuple[float, Verdict]]:
    """Return the cosine of each labelled pair, and what the tiers say of it when it is compared at all."""
    texts = sorted({normalise(text) for pair in labelled for text in (pair.left, pair.right)})
    place = {text: row for row, text in enumerate(texts)}
    vectors = encoder.encode(texts).astype(np.float64)
    profiles: dict[str, Profile] = {}
    decided = []
    for pair in labelled:
        for text in (pair.left, pair.right):
            if text not in profiles:
                profiles[text] = read_profile(read_facts(text), [])
        left, right = profiles[pair.left], profiles[pair.right]
        cosine = float(vectors[place[normalise(pair.left)]] @ vectors[place[normalise(pair.right)]])
        lexical = float(lexical_similarities([left.facts.normal], [right.facts.normal])[0])
        evidence = compare_profiles(left, right, cosine=cosine, lexical=lexical)
        decided.append((cosine, decide(evidence, exact=left.facts.normal == right.facts.normal, review=None)))
    return decided


def _point(threshold: float, catalogue: Catalogue, pairs: DecidedPairs) -> dict[str, object]:
    is_settled = pairs.verdicts.among([kind.decided_by in SETTLED for kind in pairs.verdicts.kinds])
    found = pairs.select(np.flatnonzero((pairs.cosine >= threshold) | is_settled))
    distance = found.cosine - threshold
    is_near = (distance >= 0) & (distance < SHOWN_WITHIN) & (found.left != found.right)
    near = sorted(np.flatnonzero(is_near).tolist(), key=found.key)
    duplicates = found.select(found.verdicts.where(Decision.DUPLICATE))
    return {
        "threshold": threshold,
        "kept": len(catalogue.entries) - len(choose_among(catalogue, found)),
        "pairs": count_problem_pairs(catalogue, found),
        "duplicate_pairs": count_problem_pairs(catalogue, duplicates),
        "undecided_pairs": count_problem_pairs(catalogue, found.select(found.verdicts.where(Decision.UNDECIDED))),
        "pairs_at_the_threshold": [
            " ~ ".join(next(problem_pairs(catalogue, found, row))) for row in near[:SHOWN_PAIRS]
        ],
    }


def quality_at(
    thresholds: Iterable[float], labelled: Sequence[LabelledPair], encoder: Encoder
) -> dict[float, dict[str, float | None]]:
    """Return precision, recall and the share that is queued of the tiers on labelled pairs, by threshold."""
    decided = decide_labelled(labelled, encoder)
    return {threshold: _quality(threshold, labelled, decided) for threshold in thresholds}


def _measured_quality(encoder_name: str) -> dict[float, dict[str, float | None]]:
    """Return what was measured with an encoder of this name, if anything was."""
    measured = json.loads(resources.files("ocr_pipeline.duplicates").joinpath("quality.json").read_text("utf-8"))
    rows = measured["by_threshold"] if measured["encoder"] == encoder_name else []
    return {row["threshold"]: {name: row[name] for name in ("precision", "recall", "queued")} for row in rows}


def _quality(
    threshold: float, labelled: Sequence[LabelledPair], decided: Sequence[tuple[float, Verdict]]
) -> dict[str, float | None]:
    called = [
        verdict.decision is Decision.DUPLICATE and (cosine >= threshold or verdict.decided_by is DecidedBy.EXACT)
        for cosine, verdict in decided
    ]
    hits = sum(is_called and pair.is_same for pair, is_called in zip(labelled, called, strict=True))
    same = sum(pair.is_same for pair in labelled)
    waiting = sum(
        pair.is_same and cosine >= threshold and verdict.decision is Decision.UNDECIDED
        for pair, (cosine, verdict) in zip(labelled, decided, strict=True)
    )
    return {
        "precision": hits / sum(called) if any(called) else None,
        "recall": hits / same if same else None,
        "queued": waiting / same if same else None,
    }
