"""From problems to decided pairs.

Statements with one normal form are compared once; every pair of contents at or above the threshold gets its evidence
and decision, and is then spelled out for the problems that have these contents. A content shared by more than
:data:`MOST_SPELLED_OUT` problems is represented by the one of them that is preferred: its pairs, and for each other
member the pair with its witness, stand for the rest.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Final

import pyarrow as pa

from ocr_pipeline.console import progress
from ocr_pipeline.duplicates.decisions import Decision, Evidence, Verdict, decide, first_rule, gather_evidence
from ocr_pipeline.duplicates.witnesses import choose_witnesses, preference
from ocr_pipeline.options import Options, option
from ocr_pipeline.similarity import Encoder, Reviews, similar_pairs
from ocr_pipeline.similarity.catalogue import Catalogue, read_catalogue
from ocr_pipeline.similarity.evidence import Facts, canonical_example, lexical_similarity, read_facts
from ocr_pipeline.similarity.opinions import PairOpinions, ask_opinions
from ocr_pipeline.similarity.text import pair_of_keys
from ocr_pipeline.tables import DUPLICATE_PAIRS, TestKind

__all__ = [
    "Comparison",
    "ContentPair",
    "DuplicateConfig",
    "choose_among",
    "compare_problems",
    "decide_contents",
    "find_pairs",
    "problem_pairs",
    "score_contents",
]

EXAMPLE_KINDS: Final = frozenset({TestKind.EXAMPLE, TestKind.PUBLIC, ""})  # "": a file that does not say
MOST_SPELLED_OUT: Final = 100
"""Problems of one content whose pairs are all written; a placeholder statement on thousands would give millions."""


class DuplicateConfig(Options):
    """What is near enough to be compared."""

    threshold: float = option(
        0.7, "Lowest cosine of a pair; 0.7 is the figure of the OpenCodeReasoning papers", ge=-1, le=1
    )


@dataclass(frozen=True, slots=True)
class Comparison:
    """The decided pairs, and what a person should know about them."""

    pairs: pa.Table
    notes: Mapping[str, int]
    """Counts: pairs per decision, silent statements, reviews that settled nothing."""


@dataclass(frozen=True, slots=True)
class ContentPair:
    """Two contents (or one with itself) and what is decided about them."""

    left: str
    right: str
    evidence: Evidence
    verdict: Verdict
    key: str

    @property
    def is_duplicate(self) -> bool:
        """Whether one of them is enough."""
        return self.verdict.decision is Decision.DUPLICATE


def find_pairs(
    problems: Iterable[pa.RecordBatch],
    *,
    tests: Iterable[pa.RecordBatch] | None,
    config: DuplicateConfig,
    encoder: Encoder,
    reviews: Reviews,
    opinions: PairOpinions | None = None,
) -> pa.Table:
    """Return every pair of problems at or above the threshold, equal or reviewed, as ``duplicate_pairs``.

    Parameters
    ----------
    problems
        Rows with ``problem_id`` and ``statement``; further columns of ``problems`` choose the kept member.
    tests
        Rows of ``tests``, whose examples count where a statement shows none; ``None`` when there are none.
    config
        The threshold.
    encoder
        Turns statements into vectors.
    reviews
        What people decided; overrides everything.
    opinions
        A model for the pairs that no rule decides.

    Raises
    ------
    InputError
        When problem ids are missing or repeated.
    """
    return compare_problems(
        problems, tests=tests, config=config, encoder=encoder, reviews=reviews, opinions=opinions
    ).pairs


def compare_problems(
    problems: Iterable[pa.RecordBatch],
    *,
    tests: Iterable[pa.RecordBatch] | None,
    config: DuplicateConfig,
    encoder: Encoder,
    reviews: Reviews,
    opinions: PairOpinions | None = None,
) -> Comparison:
    """Do what :func:`find_pairs` does, and count."""
    catalogue = read_catalogue(problems)
    cosines = score_contents(catalogue, encoder, config.threshold, reviews)
    decided = decide_contents(catalogue, cosines, tests=tests, reviews=reviews, opinions=opinions)
    witnesses = choose_among(catalogue, decided)
    rows = _spell_out(catalogue, decided, witnesses)
    return Comparison(_table(rows, witnesses), _notes(catalogue, rows, reviews))


def score_contents(
    catalogue: Catalogue,
    encoder: Encoder,
    threshold: float,
    reviews: Reviews,
    *,
    borders: Sequence[float] | None = None,
) -> dict[tuple[str, str], float]:
    """Score the pairs of contents that are near, or that people called duplicates whatever their cosine.

    ``borders`` are as in :func:`ocr_pipeline.similarity.settle_cosines`.
    """
    contents = list(catalogue.contents)
    texts = [catalogue.text(content) for content in contents]
    near = similar_pairs(texts, encoder, threshold, borders=borders)
    found = {(contents[i], contents[j]): cosine for i, j, cosine in near}
    for left, right in _reviewed(catalogue, reviews):
        if (left, right) not in found:
            scored = similar_pairs([catalogue.text(left), catalogue.text(right)], encoder, -1.0)
            found[left, right] = next(iter(scored))[2]
    return found


def decide_contents(
    catalogue: Catalogue,
    cosines: Mapping[tuple[str, str], float],
    *,
    tests: Iterable[pa.RecordBatch] | None,
    reviews: Reviews,
    opinions: PairOpinions | None = None,
    lexical_from: float = 0.0,
) -> list[ContentPair]:
    """Decide every scored pair of contents, and those that several problems share.

    Where nobody reads lexical similarities, those below ``lexical_from`` may be left out; see
    :func:`ocr_pipeline.similarity.evidence.lexical_similarity`.
    """
    facts = _read_all_facts(catalogue, cosines, tests or ())
    evidence = {}
    with progress("comparing", total=len(cosines), unit="pairs") as bar:
        for pair, cosine in cosines.items():
            left, right = facts[pair[0]], facts[pair[1]]
            lexical = round(lexical_similarity(left.normal, right.normal, at_least=lexical_from), 4)
            evidence[pair] = gather_evidence(left, right, cosine=cosine, lexical=lexical)
            bar.advance()
    said = _opinions(catalogue, evidence, reviews, opinions)
    near = [_content_pair(pair, found, reviews, said.get(pair)) for pair, found in evidence.items()]
    equal = [
        _equal_pair(content, facts[content], reviews) for content, ids in catalogue.contents.items() if len(ids) > 1
    ]
    return near + equal


def _reviewed(catalogue: Catalogue, reviews: Reviews) -> Iterator[tuple[str, str]]:
    """Yield the pairs of contents with a standing review whose two problems still say what was reviewed."""
    for key, problem_ids in reviews.problem_ids.items():
        entries = [catalogue.entries.get(problem_id) for problem_id in problem_ids]
        contents = sorted(entry.content for entry in entries if entry is not None)
        if len(set(contents)) == len(problem_ids) and pair_of_keys(*contents) == key and reviews.decision(key):
            yield contents[0], contents[1]


def _read_all_facts(
    catalogue: Catalogue, cosines: Mapping[tuple[str, str], float], tests: Iterable[pa.RecordBatch]
) -> dict[str, Facts]:
    repeated = {content for content, ids in catalogue.contents.items() if len(ids) > 1}
    wanted = sorted(repeated.union(*cosines))
    examples = _read_tests(tests, {problem_id for content in wanted for problem_id in catalogue.contents[content]})
    facts = {}
    for content in wanted:
        ids = catalogue.contents[content]
        titles = sorted({entry.title for entry in (catalogue.entries[one] for one in ids) if entry.title})
        own = next((examples[one] for one in ids if one in examples), None)
        facts[content] = read_facts(catalogue.statement(content), title=titles[0] if titles else None, tests=own)
    return facts


def _read_tests(batches: Iterable[pa.RecordBatch], wanted: set[str]) -> dict[str, dict[str, str]]:
    """Return input → output of the example tests of the wanted problems, in canonical form."""
    examples: dict[str, dict[str, str]] = defaultdict(dict)
    for batch in batches:
        columns = (batch.column(name).to_pylist() for name in ("problem_id", "kind", "input", "expected"))
        for problem_id, kind, given, expected in zip(*columns, strict=True):
            if problem_id in wanted and kind in EXAMPLE_KINDS:
                examples[problem_id][canonical_example(given)] = canonical_example(expected)
    return examples


def _opinions(
    catalogue: Catalogue,
    evidence: Mapping[tuple[str, str], Evidence],
    reviews: Reviews,
    model: PairOpinions | None,
) -> dict[tuple[str, str], bool | None]:
    """Ask a model about the pairs that neither people nor a rule decide."""
    if model is None:
        return {}
    open_pairs = [
        pair
        for pair, found in sorted(evidence.items())
        if reviews.decision(pair_of_keys(*pair)) is None and first_rule(found) is None
    ]
    statements = [(catalogue.statement(left), catalogue.statement(right)) for left, right in open_pairs]
    return dict(zip(open_pairs, ask_opinions(model, statements), strict=True))


def _content_pair(
    pair: tuple[str, str],
    evidence: Evidence,
    reviews: Reviews,
    opinion: bool | None,  # noqa: FBT001 - an opinion is no switch
) -> ContentPair:
    key = pair_of_keys(*pair)
    verdict = decide(evidence, exact=False, review=reviews.decision(key), opinion=opinion)
    return ContentPair(*pair, evidence, verdict, key)


def _equal_pair(content: str, facts: Facts, reviews: Reviews) -> ContentPair:
    key = pair_of_keys(content, content)
    evidence = gather_evidence(facts, facts, cosine=1.0, lexical=1.0)
    return ContentPair(content, content, evidence, decide(evidence, exact=True, review=reviews.decision(key)), key)


def _spell_out(
    catalogue: Catalogue, decided: Sequence[ContentPair], witnesses: Mapping[str, str]
) -> dict[tuple[str, str], ContentPair]:
    """Return the pair of contents of each pair of problems, sorted by the two ids."""
    by_contents = {(pair.left, pair.right): pair for pair in decided}
    rows = {ids: pair for pair in decided for ids in problem_pairs(catalogue, pair)}
    for dropped, kept in witnesses.items():
        left, right = sorted((catalogue.entries[dropped].content, catalogue.entries[kept].content))
        rows[_sorted_pair(dropped, kept)] = by_contents[left, right]
    return dict(sorted(rows.items()))


def problem_pairs(catalogue: Catalogue, pair: ContentPair) -> Iterator[tuple[str, str]]:
    """Yield the problems that have these contents, pair by pair."""
    if pair.left == pair.right:
        ids = catalogue.contents[pair.left]
        if len(ids) <= MOST_SPELLED_OUT:
            yield from combinations(ids, 2)  # ids are sorted
        return
    for left, right in product(_spelled_out(catalogue, pair.left), _spelled_out(catalogue, pair.right)):
        yield _sorted_pair(left, right)


def _spelled_out(catalogue: Catalogue, content: str) -> Sequence[str]:
    ids = catalogue.contents[content]
    if len(ids) <= MOST_SPELLED_OUT:
        return ids
    return [min((catalogue.entries[one] for one in ids), key=preference).problem_id]


def _sorted_pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)


def choose_among(catalogue: Catalogue, decided: Iterable[ContentPair]) -> dict[str, str]:
    """Return the kept witness of each problem that is dropped."""
    alike: dict[str, set[str]] = defaultdict(set)
    for pair in decided:
        if pair.is_duplicate:
            alike[pair.left].add(pair.right)
            alike[pair.right].add(pair.left)
    entries = [catalogue.entries[one] for content in alike for one in catalogue.contents[content]]
    return choose_witnesses(entries, alike)


def _table(rows: Mapping[tuple[str, str], ContentPair], witnesses: Mapping[str, str]) -> pa.Table:
    columns: dict[str, list[object]] = {name: [] for name in DUPLICATE_PAIRS.schema.names}
    for (left, right), pair in rows.items():
        dropped = next((one for one, other in ((left, right), (right, left)) if witnesses.get(one) == other), None)
        values = {
            "left_id": left,
            "right_id": right,
            "cosine": pair.evidence.cosine,
            "lexical": pair.evidence.lexical,
            "tests_equal": pair.evidence.tests_equal,
            "decision": pair.verdict.decision.value,
            "decided_by": pair.verdict.decided_by.value,
            "kept_id": witnesses[dropped] if dropped else None,
            "dropped_id": dropped,
            "pair_key": pair.key,
            "rule": pair.verdict.rule.value if pair.verdict.rule else None,
        }
        for name, value in values.items():
            columns[name].append(value)
    return pa.table(columns, schema=DUPLICATE_PAIRS.schema)


def _notes(catalogue: Catalogue, rows: Mapping[tuple[str, str], ContentPair], reviews: Reviews) -> dict[str, int]:
    counts = Counter(f"pairs_{pair.verdict.decision}_by_{pair.verdict.decided_by}" for pair in rows.values())
    silent = {"silent_statements": len(catalogue.silent_ids)} if catalogue.silent_ids else {}
    return dict(sorted(counts.items())) | silent | reviews.notes(pair.key for pair in rows.values())
