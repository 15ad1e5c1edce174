"""Problems against benchmarks: the pairs that are near, equal, of one origin, reviewed or share a rare span, and each one's nearest.

What is decided about them is said in :mod:`ocr_pipeline.contamination.decisions`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ocr_pipeline.contamination.benchmark import Benchmark
from ocr_pipeline.contamination.decisions import (
    ContaminationDecision,
    Tier,
    Undecided,
    Verdict,
    decide,
    settle,
)
from ocr_pipeline.contamination.spans import Places, Span, find_spans, rare_places
from ocr_pipeline.errors import InputError
from ocr_pipeline.options import Options, option
from ocr_pipeline.similarity import (
    COSINE_NOISE,
    Encoder,
    Pairs,
    Reviews,
    neighbours_between,
    normalise,
    settle_cosines,
)
from ocr_pipeline.similarity.catalogue import Catalogue, read_catalogue
from ocr_pipeline.similarity.evidence import lexical_similarities
from ocr_pipeline.similarity.opinions import PairOpinions, ask_opinions
from ocr_pipeline.similarity.profile import Evidence, Profile, Sign, compare_profiles, read_profiles
from ocr_pipeline.similarity.prose import read_views
from ocr_pipeline.similarity.scores import COSINE_DIGITS
from ocr_pipeline.similarity.text import pair_of_keys
from ocr_pipeline.tables import CONTAMINATION

__all__ = ["ContaminationConfig", "ContaminationDecision", "check", "count_decisions"]

NEAREST_DIGITS: Final = 2
"""Digits of a cosine below the threshold: it decides nothing, and fewer borders mean fewer texts to score again."""
PROBLEMS_AT_ONCE: Final = 2_048
"""Problems whose vectors, profiles and rows are in memory together."""
NEAREST_ROWS: Final = 4_096
TELLING_SPAN_WORDS: Final = 25
TELLING_WORDS: Final = 12
"""A shared sequence of this length, with as many words of its own, has been copied."""


class ContaminationConfig(Options):
    """What is near enough to be suspected."""

    threshold: float = option(
        0.7, "Lowest cosine of a suspect; 0.7 is the figure of the OpenCodeReasoning papers", ge=-1, le=1
    )
    undecided: Undecided = option(
        Undecided.DROP, "Suspects that no evidence decides: drop them, for a benchmark is protected, or keep them"
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


@dataclass(frozen=True, slots=True)
class _Target:
    """A benchmark with all that a problem is compared with, read once."""

    benchmark: Benchmark
    catalogue: Catalogue
    views: _Views
    profiles: Mapping[str, Profile]
    rare: Places


def check(
    problems: Iterable[pa.RecordBatch],
    benchmarks: Sequence[Benchmark],
    *,
    config: ContaminationConfig,
    encoder: Encoder,
    reviews: Reviews,
    opinions: PairOpinions | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yield the ``contamination`` table, sorted: for every problem and benchmark the suspects, or the nearest one.

    Of the problems only the statements are in memory together; what is derived from them is that of some at a time. A
    benchmark that is added later is compared without encoding the problems again when the encoder has a cache.

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
    targets = _read_targets(catalogue, benchmarks, encoder)
    for ids, part in _in_parts(catalogue) if targets else ():
        views = _encode_views(part, encoder)
        rows = [
            row
            for target in targets
            for row in _check_one(part, views, target, config, encoder, reviews, opinions)
            if row["problem_id"] in ids
        ]
        rows.sort(key=lambda row: (row["problem_id"], row["benchmark"], row["benchmark_id"]))
        yield pa.RecordBatch.from_pylist(rows, schema=CONTAMINATION.schema)


def _in_parts(catalogue: Catalogue) -> Iterator[tuple[set[str], Catalogue]]:
    """Yield some ids at a time, in their order, with the contents that they have; one that others have too comes again."""
    ids = list(catalogue.entries)
    for start in range(0, len(ids), PROBLEMS_AT_ONCE):
        some = set(ids[start : start + PROBLEMS_AT_ONCE])
        wanted = {catalogue.entries[one].content for one in some} & catalogue.contents.keys()
        if wanted:
            contents = {content: catalogue.contents[content] for content in sorted(wanted)}
            yield some, replace(catalogue, contents=contents)


def count_decisions(contamination: pa.RecordBatch) -> Counter[str]:
    """Count the suspects by decision and tier; what is below the threshold is not a suspect."""
    decided = zip(contamination["decision"].to_pylist(), contamination["decided_by"].to_pylist(), strict=True)
    counts = Counter(f"suspects_{said}" + (f"_by_{tier}" if tier else "") for said, tier in decided)
    counts.pop(f"suspects_{ContaminationDecision.CLEAN}_by_{Tier.THRESHOLD}", None)
    return counts


def _read_targets(catalogue: Catalogue, benchmarks: Sequence[Benchmark], encoder: Encoder) -> list[_Target]:
    read = [(one, read_catalogue(one.problems.to_batches())) for one in sorted(benchmarks, key=lambda one: one.name)]
    read = [(benchmark, target) for benchmark, target in read if target.contents]
    texts = [[target.text(one) for one in target.contents] for _, target in read]
    rare = rare_places(map(catalogue.text, catalogue.contents), texts)
    return [
        _Target(benchmark, target, _encode_views(target, encoder), read_profiles(target, {}, target.contents), places)
        for (benchmark, target), places in zip(read, rare, strict=True)
    ]


def _check_one(
    catalogue: Catalogue,
    views: _Views,
    target: _Target,
    config: ContaminationConfig,
    encoder: Encoder,
    reviews: Reviews,
    opinions: PairOpinions | None,
) -> list[dict[str, Any]]:
    matches = _find_matches(catalogue, views, target, config.threshold, encoder, reviews)
    found = _decide_all(catalogue, target, matches, reviews, opinions)
    decided = [
        (match, (settle(verdict, config.undecided), evidence))
        for match, (verdict, evidence) in zip(matches, found, strict=True)
    ]
    return [
        {
            "problem_id": problem_id,
            "benchmark": target.benchmark.name,
            "benchmark_version": target.benchmark.version,
            "benchmark_id": benchmark_id,
            "cosine": match.cosine,
            "lexical": evidence.lexical,
            "span": match.span.text if match.span else None,
            "decision": verdict.decision.value,
            "decided_by": verdict.decided_by.value if verdict.decided_by else None,
            "pair_key": pair_of_keys(match.left, match.right),
            "rule": verdict.rule.value if verdict.rule else None,
            "evidence": [sign.value for sign in Sign if sign in evidence.signs],
        }
        for match, (verdict, evidence) in decided
        for problem_id in catalogue.contents[match.left]
        for benchmark_id in target.catalogue.contents[match.right]
    ]


def _find_matches(
    catalogue: Catalogue, left: _Views, target: _Target, threshold: float, encoder: Encoder, reviews: Reviews
) -> list[_Match]:
    right = target.views
    lefts, rights = list(catalogue.contents), list(target.catalogue.contents)
    near = _best(
        left, right, neighbours_between(left.vectors, right.vectors, threshold - COSINE_NOISE), encoder, threshold
    )
    spans = find_spans(map(catalogue.text, lefts), target.rare)
    wanted = {pair for pair, span in spans.items() if _is_copied(span)} | _reviewed(lefts, rights, reviews)
    wanted |= _of_one_origin(catalogue, target.catalogue)
    accompanied = {i for i, _ in {*near, *wanted}}
    wanted |= {(i, j) for i, j in _nearest(left, right) if i not in accompanied}
    views = [(one, other) for i, j in sorted(wanted - near.keys()) for one in left.of(i) for other in right.of(j)]
    below = _best(left, right, _scored(left.vectors, right.vectors, views), encoder, -1.0, digits=NEAREST_DIGITS)
    return [
        _Match(lefts[i], rights[j], cosine, spans.get((i, j)), near=(i, j) in near)
        for (i, j), cosine in sorted((near | below).items())
    ]


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


def _of_one_origin(catalogue: Catalogue, targets: Catalogue) -> set[tuple[int, int]]:
    """Return the pairs that were published at one place, whatever their cosine."""
    holders: dict[str, list[int]] = defaultdict(list)
    for place, content in enumerate(targets.contents):
        for origin in targets.origins(content):
            holders[origin].append(place)
    return {
        (place, other)
        for place, content in enumerate(catalogue.contents)
        for origin in catalogue.origins(content)
        for other in holders.get(origin, ())
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


def _decide_all(
    catalogue: Catalogue,
    target: _Target,
    matches: Sequence[_Match],
    reviews: Reviews,
    opinions: PairOpinions | None,
) -> list[tuple[Verdict, Evidence]]:
    left = read_profiles(catalogue, {}, {match.left for match in matches})
    right = target.profiles
    lexical = lexical_similarities(
        [left[match.left].facts.normal for match in matches], [right[match.right].facts.normal for match in matches]
    )
    found = []
    for match, likeness in zip(matches, lexical.tolist(), strict=True):
        sides = left[match.left], right[match.right]
        evidence = compare_profiles(*sides, cosine=match.cosine, lexical=likeness)
        verdict = decide(
            evidence,
            *sides,
            exact=match.left == match.right,
            near=match.near,
            copied=match.is_copied,
            review=reviews.decision(pair_of_keys(match.left, match.right)),
        )
        found.append((verdict, evidence))
    if opinions is None:
        return found
    rows = [row for row, (verdict, _) in enumerate(found) if verdict.decision is ContaminationDecision.UNDECIDED]
    texts = [(catalogue.statement(matches[row].left), target.catalogue.statement(matches[row].right)) for row in rows]
    for row, opinion in zip(rows, ask_opinions(opinions, texts), strict=True):
        if opinion is not None:
            said = ContaminationDecision.CONTAMINATED if opinion else ContaminationDecision.CLEAN
            found[row] = Verdict(said, Tier.OPINION), found[row][1]
    return found
