"""Problems against benchmarks: the pairs that are near, equal, reviewed or share a rare span, and each one's nearest.

Tiers: people's reviews, one normal form, rules, a model's opinion, the threshold. The rules differ from those between training
problems in what they are after: a harder version of a benchmark's problem, or one with other bounds, still gives its
solution away and is contaminated; another question about the same input is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ocr_pipeline.contamination.benchmark import Benchmark
from ocr_pipeline.contamination.spans import Span, find_spans
from ocr_pipeline.errors import InputError
from ocr_pipeline.options import Options, option
from ocr_pipeline.similarity import (
    COSINE_NOISE,
    Encoder,
    Pairs,
    ReviewDecision,
    Reviews,
    neighbours_between,
    normalise,
    settle_cosines,
)
from ocr_pipeline.similarity.catalogue import Catalogue, read_catalogue
from ocr_pipeline.similarity.evidence import compare_examples, lexical_similarity, opposite_asked, read_facts
from ocr_pipeline.similarity.opinions import PairOpinions, ask_opinions
from ocr_pipeline.similarity.prose import read_views
from ocr_pipeline.similarity.scores import COSINE_DIGITS
from ocr_pipeline.similarity.text import pair_of_keys
from ocr_pipeline.tables import CONTAMINATION

__all__ = ["ContaminationConfig", "ContaminationDecision", "check"]

NEAREST_DIGITS: Final = 2
"""Digits of a cosine below the threshold: it decides nothing, and fewer borders mean fewer texts to score again."""
NEAREST_ROWS: Final = 4_096
NEARLY_SAME_TEXT: Final = 0.8
TELLING_SPAN_WORDS: Final = 25
TELLING_WORDS: Final = 12
"""A shared sequence of this length, with as many words of its own, has been copied."""


class ContaminationDecision(StrEnum):
    """What a pair of a problem and a benchmark's problem is."""

    CONTAMINATED = "contaminated"
    CLEAN = "clean"


class _Tier(StrEnum):
    EXACT = "exact"
    RULE = "rule"
    THRESHOLD = "threshold"
    OPINION = "opinion"
    REVIEW = "review"


class ContaminationConfig(Options):
    """What is near enough to be suspected."""

    threshold: float = option(
        0.7, "Lowest cosine of a suspect; 0.7 is the figure of the OpenCodeReasoning papers", ge=-1, le=1
    )


@dataclass(frozen=True, slots=True)
class _Match:
    """A problem's content and a benchmark's content, with what is known before deciding."""

    left: str
    right: str
    cosine: float
    span: Span | None
    near: bool
    """At or above the threshold."""

    @property
    def is_copied(self) -> bool:
        return self.span is not None and _is_copied(self.span)


def check(
    problems: Iterable[pa.RecordBatch],
    benchmarks: Sequence[Benchmark],
    *,
    config: ContaminationConfig,
    encoder: Encoder,
    reviews: Reviews,
    opinions: PairOpinions | None = None,
) -> pa.Table:
    """Return the ``contamination`` table: for every problem and benchmark the suspects, or the nearest one.

    A benchmark that is added later is compared without encoding the problems again when the encoder has a cache.

    Raises
    ------
    InputError
        When problem ids are missing or repeated, or two benchmarks have one name.
    """
    names = [benchmark.name for benchmark in benchmarks]
    if len(set(names)) != len(names):
        message = f"two benchmarks have one name: {', '.join(sorted(names))}; give each its own"
        raise InputError(message)
    catalogue = read_catalogue(problems)
    rows = [
        row
        for benchmark in sorted(benchmarks, key=lambda one: one.name)
        for row in _check_one(catalogue, benchmark, config.threshold, encoder, reviews, opinions)
    ]
    ordered = sorted(rows, key=lambda row: (row["problem_id"], row["benchmark"], row["benchmark_id"]))
    return pa.Table.from_pylist(ordered, schema=CONTAMINATION.schema)


def _check_one(
    catalogue: Catalogue,
    benchmark: Benchmark,
    threshold: float,
    encoder: Encoder,
    reviews: Reviews,
    opinions: PairOpinions | None,
) -> list[dict[str, object]]:
    targets = read_catalogue(benchmark.problems.to_batches())
    if not targets.contents:
        return []
    matches = _find_matches(catalogue, targets, threshold, encoder, reviews)
    decisions = _decide_all(catalogue, targets, matches, reviews, opinions)
    return [
        {
            "problem_id": problem_id,
            "benchmark": benchmark.name,
            "benchmark_version": benchmark.version,
            "benchmark_id": benchmark_id,
            "cosine": match.cosine,
            "lexical": lexical,
            "span": match.span.text if match.span else None,
            "decision": decision.value,
            "decided_by": tier.value,
            "pair_key": pair_of_keys(match.left, match.right),
        }
        for match, (decision, tier, lexical) in zip(matches, decisions, strict=True)
        for problem_id in catalogue.contents[match.left]
        for benchmark_id in targets.contents[match.right]
    ]


def _find_matches(
    catalogue: Catalogue, targets: Catalogue, threshold: float, encoder: Encoder, reviews: Reviews
) -> list[_Match]:
    left, right = _encode_views(catalogue, encoder), _encode_views(targets, encoder)
    lefts, rights = list(catalogue.contents), list(targets.contents)
    near = _best(
        left, right, neighbours_between(left.vectors, right.vectors, threshold - COSINE_NOISE), encoder, threshold
    )
    spans = find_spans([catalogue.text(one) for one in lefts], [targets.text(one) for one in rights])
    wanted = {pair for pair, span in spans.items() if _is_copied(span)} | _reviewed(lefts, rights, reviews)
    accompanied = {i for i, _ in {*near, *wanted}}
    wanted |= {(i, j) for i, j in _nearest(left, right) if i not in accompanied}
    views = [(one, other) for i, j in sorted(wanted - near.keys()) for one in left.of(i) for other in right.of(j)]
    below = _best(left, right, _scored(left.vectors, right.vectors, views), encoder, -1.0, digits=NEAREST_DIGITS)
    return [
        _Match(lefts[i], rights[j], cosine, spans.get((i, j)), near=(i, j) in near)
        for (i, j), cosine in sorted((near | below).items())
    ]


@dataclass(frozen=True, slots=True)
class _Views:
    """The views of a catalogue's contents: whole statements, and the prose of programs."""

    texts: Sequence[str]
    owners: npt.NDArray[np.int64]
    """View → position of its content."""
    vectors: npt.NDArray[np.float32]

    def of(self, content: int) -> list[int]:
        """Return the views of a content."""
        start, end = np.searchsorted(self.owners, [content, content + 1])
        return list(range(start, end))


def _encode_views(catalogue: Catalogue, encoder: Encoder) -> _Views:
    views = [
        (owner, normalise(view))
        for owner, content in enumerate(catalogue.contents)
        for view in read_views(catalogue.statement(content))
    ]
    texts = [text for _, text in views]
    return _Views(texts, np.array([owner for owner, _ in views], np.int64), encoder.encode(texts))


def _best(
    left: _Views, right: _Views, found: Pairs, encoder: Encoder, threshold: float, *, digits: int = COSINE_DIGITS
) -> dict[tuple[int, int], float]:
    """Settle pairs of views, and return the best cosine of each pair of contents."""
    best: dict[tuple[int, int], float] = {}
    for one, other, cosine in settle_cosines(found, left.texts, right.texts, encoder, threshold, digits=digits):
        pair = int(left.owners[one]), int(right.owners[other])
        best[pair] = max(cosine, best.get(pair, -1.0))
    return best


def _is_copied(span: Span) -> bool:
    return span.words >= TELLING_SPAN_WORDS and span.telling_words >= TELLING_WORDS


def _reviewed(lefts: Sequence[str], rights: Sequence[str], reviews: Reviews) -> set[tuple[int, int]]:
    """Return the pairs that people decided, whatever their cosine; their number is small beside all pairs."""
    if not reviews.votes:
        return set()
    return {
        (i, j)
        for i, left in enumerate(lefts)
        for j, right in enumerate(rights)
        if reviews.decision(pair_of_keys(left, right)) is not None
    }


def _nearest(left: _Views, right: _Views) -> list[tuple[int, int]]:
    """Return the nearest content for each view of the left; among those that noise could swap, the first."""
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(left.texts), NEAREST_ROWS):
        products = left.vectors[start : start + NEAREST_ROWS] @ right.vectors.T
        best = products.max(axis=1, keepdims=True)
        first = (products >= best - COSINE_NOISE).argmax(axis=1)
        pairs += zip(left.owners[start : start + NEAREST_ROWS].tolist(), right.owners[first].tolist(), strict=True)
    return pairs


def _scored(left: npt.NDArray[np.float32], right: npt.NDArray[np.float32], pairs: Sequence[tuple[int, int]]) -> Pairs:
    rows, columns = np.array(pairs, np.int64).reshape(-1, 2).T
    a, b = left[rows].astype(np.float64), right[columns].astype(np.float64)
    return Pairs(rows, columns, np.einsum("ij,ij->i", a, b))


_Decided = tuple[ContaminationDecision, _Tier, float]


def _decide_all(
    catalogue: Catalogue,
    targets: Catalogue,
    matches: Sequence[_Match],
    reviews: Reviews,
    opinions: PairOpinions | None,
) -> list[_Decided]:
    texts = [(catalogue.statement(match.left), targets.statement(match.right)) for match in matches]
    first = [_decide(match, *pair, reviews) for match, pair in zip(matches, texts, strict=True)]
    said = _opinions(first, texts, matches, opinions)
    return [_with_opinion(decided, said.get(number)) for number, decided in enumerate(first)]


def _decide(match: _Match, left_statement: str, right_statement: str, reviews: Reviews) -> _Decided:
    """Decide without a model; what only the threshold decides is left to one."""
    lexical = round(lexical_similarity(normalise(left_statement), normalise(right_statement)), 4)
    review = reviews.decision(pair_of_keys(match.left, match.right))
    if review is not None:
        return _decision(contaminated=review is ReviewDecision.DUPLICATE), _Tier.REVIEW, lexical
    if match.left == match.right:
        return ContaminationDecision.CONTAMINATED, _Tier.EXACT, lexical
    if not match.near and not match.is_copied:
        return ContaminationDecision.CLEAN, _Tier.THRESHOLD, lexical
    ruled = _rule(match, left_statement, right_statement, lexical)
    if ruled is not None:
        return _decision(contaminated=ruled), _Tier.RULE, lexical
    return ContaminationDecision.CONTAMINATED, _Tier.THRESHOLD, lexical


def _decision(*, contaminated: bool) -> ContaminationDecision:
    return ContaminationDecision.CONTAMINATED if contaminated else ContaminationDecision.CLEAN


def _rule(match: _Match, left_statement: str, right_statement: str, lexical: float) -> bool | None:
    """Say whether a rule finds the pair contaminated; ``None`` when none applies."""
    left, right = read_facts(left_statement), read_facts(right_statement)
    examples = compare_examples(left, right)
    if examples.conflicting or (lexical >= NEARLY_SAME_TEXT and opposite_asked(left, right)):
        return False
    if examples.shared or match.is_copied:
        return True
    return False if examples.comparable else None


def _opinions(
    decided: Sequence[_Decided],
    texts: Sequence[tuple[str, str]],
    matches: Sequence[_Match],
    model: PairOpinions | None,
) -> Mapping[int, bool | None]:
    """Ask a model about the pairs that only the threshold calls contaminated."""
    if model is None:
        return {}
    open_pairs = [
        number for number, (_, tier, _) in enumerate(decided) if tier is _Tier.THRESHOLD and matches[number].near
    ]
    return dict(zip(open_pairs, ask_opinions(model, [texts[number] for number in open_pairs]), strict=True))


def _with_opinion(decided: _Decided, opinion: bool | None) -> _Decided:  # noqa: FBT001 - an opinion is no switch
    return decided if opinion is None else (_decision(contaminated=opinion), _Tier.OPINION, decided[2])
