"""From problems to decided pairs.

Statements with one normal form are compared once. Every pair of contents at or above the threshold, of one origin or
reviewed gets its evidence and decision, a batch at a time: what stays of a pair is a few numbers, for pairs grow with the
square of the problems. Each is then spelled out for the problems that have these contents. A content shared by more than
:data:`MOST_SPELLED_OUT` problems is represented by the one of them that is preferred: its pairs, and for each other
member the pair with its witness, stand for the rest.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ocr_pipeline.console import progress
from ocr_pipeline.duplicates.decisions import DecidedBy, Decision, Undecided, Verdict, decide, settle
from ocr_pipeline.duplicates.execution import Execution, run_on_each_other
from ocr_pipeline.duplicates.identities import split_contents
from ocr_pipeline.duplicates.witnesses import choose_witnesses, preference
from ocr_pipeline.options import Options, option
from ocr_pipeline.similarity import Encoder, Pairs, Reviews, settle_cosines, similar_pairs
from ocr_pipeline.similarity.cases import Cases, read_cases
from ocr_pipeline.similarity.catalogue import Catalogue, Entry, read_catalogue, text_key
from ocr_pipeline.similarity.evidence import lexical_similarities, read_facts
from ocr_pipeline.similarity.opinions import PairOpinions, ask_opinions
from ocr_pipeline.similarity.profile import Profile, Sign, compare_profiles, read_profile, read_profiles
from ocr_pipeline.similarity.text import pair_of_keys
from ocr_pipeline.tables import DUPLICATE_PAIRS

__all__ = [
    "Comparison",
    "DecidedPairs",
    "DuplicateConfig",
    "choose_among",
    "compare_problems",
    "count_problem_pairs",
    "decide_contents",
    "find_pairs",
    "read_problems",
    "score_contents",
]

MOST_SPELLED_OUT: Final = 100
"""Problems of one content, and contents of one origin, whose pairs are all written; a placeholder on thousands would give
millions."""
PAIRS_PER_BATCH: Final = 8_192

Integers: TypeAlias = "npt.NDArray[np.int64]"


class DuplicateConfig(Options):
    """What is near enough to be compared, and what becomes of pairs that no evidence decides."""

    threshold: float = option(
        0.7, "Lowest cosine of a pair; 0.7 is the figure of the OpenCodeReasoning papers", ge=-1, le=1
    )
    undecided: Undecided = option(
        Undecided.KEEP, "Pairs that no evidence decides: keep both problems, or drop one as the plain threshold would"
    )
    execution_pairs: int = option(
        200,
        "Undecided pairs, the most alike first, whose correct solutions are run on each other's tests; 0: none",
        unit="pairs",
        ge=0,
    )


@dataclass(frozen=True, slots=True)
class Comparison:
    """The decided pairs, and what a person should know about them."""

    pairs: pa.Table
    notes: Mapping[str, int]
    """Counts: pairs per decision, silent statements, reviews that settled nothing."""


@dataclass(frozen=True, slots=True)
class DecidedPairs:
    """Pairs of contents (or of one with itself) by position, and what is decided about them; one row each."""

    contents: Sequence[str]
    left: Integers
    right: Integers
    cosine: npt.NDArray[np.float64]
    lexical: npt.NDArray[np.float64]
    verdicts: Sequence[Verdict]
    signs: Sequence[frozenset[Sign]]
    agreeing: npt.NDArray[np.int32]
    """Inputs that both know with one output."""
    conflicting: npt.NDArray[np.int32]
    tests_equal: Sequence[bool | None]

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.left)

    def key(self, row: int) -> str:
        """Return the content key of a pair: reviews are stored under it."""
        return _key(self.contents[self.left[row]], self.contents[self.right[row]])

    def where(self, decision: Decision) -> list[int]:
        """Return the rows with a decision."""
        return [row for row, verdict in enumerate(self.verdicts) if verdict.decision is decision]

    def select(self, rows: Sequence[int]) -> DecidedPairs:
        """Return some of the pairs."""
        chosen = np.array(rows, np.int64)
        return DecidedPairs(
            self.contents,
            self.left[chosen],
            self.right[chosen],
            self.cosine[chosen],
            self.lexical[chosen],
            [self.verdicts[row] for row in rows],
            [self.signs[row] for row in rows],
            self.agreeing[chosen],
            self.conflicting[chosen],
            [self.tests_equal[row] for row in rows],
        )


def find_pairs(
    problems: Iterable[pa.RecordBatch],
    *,
    tests: Iterable[pa.RecordBatch] | None,
    config: DuplicateConfig,
    encoder: Encoder,
    reviews: Reviews,
    opinions: PairOpinions | None = None,
    execution: Execution | None = None,
) -> pa.Table:
    """Return every pair of problems at or above the threshold, equal, of one origin or reviewed, as ``duplicate_pairs``.

    Parameters
    ----------
    problems
        Rows with ``problem_id`` and ``statement``; further columns of ``problems`` are evidence, and choose the kept member.
    tests
        Rows of ``tests``: what is known of the answers beside the statements' examples; ``None`` when there are none.
    config
        The threshold, and what becomes of undecided pairs.
    encoder
        Turns statements into vectors.
    reviews
        What people decided; overrides everything.
    opinions
        A model for the pairs that no evidence decides.
    execution
        The judge with solutions and tests, for the pairs that no rule decides.

    Raises
    ------
    InputError
        When problem ids are missing or repeated.
    """
    return compare_problems(
        problems,
        tests=tests,
        config=config,
        encoder=encoder,
        reviews=reviews,
        opinions=opinions,
        execution=execution,
    ).pairs


def compare_problems(
    problems: Iterable[pa.RecordBatch],
    *,
    tests: Iterable[pa.RecordBatch] | None,
    config: DuplicateConfig,
    encoder: Encoder,
    reviews: Reviews,
    opinions: PairOpinions | None = None,
    execution: Execution | None = None,
) -> Comparison:
    """Do what :func:`find_pairs` does, and count."""
    catalogue, cases = read_problems(problems, tests)
    scored = score_contents(catalogue, encoder, config.threshold, reviews)
    decided = decide_contents(catalogue, scored, cases, reviews)
    verdicts = list(decided.verdicts)
    runs = {} if execution is None else _execute(catalogue, decided, verdicts, execution, config.execution_pairs)
    if opinions is not None:
        _ask(catalogue, decided, verdicts, opinions)
    decided = replace(decided, verdicts=[settle(verdict, config.undecided) for verdict in verdicts])
    witnesses = choose_among(catalogue, decided)
    rows = _spell_out(catalogue, decided, witnesses)
    pairs = _table(catalogue, decided, rows, witnesses)
    return Comparison(pairs, _notes(catalogue, decided, rows[2], reviews) | runs)


def read_problems(
    problems: Iterable[pa.RecordBatch], tests: Iterable[pa.RecordBatch] | None
) -> tuple[Catalogue, Mapping[str, Cases]]:
    """Return the problems by content, those apart that contradict each other, and what their tests answer."""
    catalogue = read_catalogue(problems)
    cases = read_cases(tests or (), catalogue.entries)
    return split_contents(catalogue, cases), cases


def score_contents(
    catalogue: Catalogue,
    encoder: Encoder,
    threshold: float,
    reviews: Reviews,
    *,
    borders: Sequence[float] | None = None,
) -> Pairs:
    """Score the pairs of contents that are near, of one origin, or that people called duplicates whatever their cosine.

    ``borders`` are as in :func:`ocr_pipeline.similarity.settle_cosines`.
    """
    contents = list(catalogue.contents)
    texts = [catalogue.text(content) for content in contents]
    speaking = np.array([place for place, content in enumerate(contents) if content not in catalogue.silent], np.int64)
    found = similar_pairs([texts[place] for place in speaking], encoder, threshold, borders=borders)
    near = Pairs(speaking[found.left], speaking[found.right], found.cosine)
    places = {content: place for place, content in enumerate(contents)}
    more = {*_of_one_origin(catalogue, places), *_reviewed(catalogue, places, reviews)}
    wanted = np.array(sorted(more), np.int64).reshape(-1, 2)
    is_known = np.isin(wanted @ [len(texts), 1], near.left * len(texts) + near.right)
    below = _score(texts, wanted[~is_known], encoder)
    left, right = np.concatenate([near.left, below.left]), np.concatenate([near.right, below.right])
    order = np.lexsort((right, left))
    return Pairs(left[order], right[order], np.concatenate([near.cosine, below.cosine])[order])


def _score(texts: Sequence[str], pairs: Integers, encoder: Encoder) -> Pairs:
    """Score pairs that are not near."""
    left, right = pairs.T
    places = {text: row for row, text in enumerate(sorted({texts[place] for place in pairs.ravel().tolist()}))}
    if not places:
        return Pairs(left, right, np.zeros(0))
    vectors = encoder.encode(list(places)).astype(np.float64)
    a, b = (vectors[[places[texts[place]] for place in side]] for side in (left, right))
    return settle_cosines(Pairs(left, right, np.einsum("ij,ij->i", a, b)), texts, texts, encoder, -1.0)


def _of_one_origin(catalogue: Catalogue, places: Mapping[str, int]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of contents that were published at one place; of very many only those with the preferred one."""
    holders: dict[str, set[int]] = defaultdict(set)
    for content, place in places.items():
        for origin in catalogue.origins(content):
            holders[origin].add(place)
    contents = list(places)
    for found in holders.values():
        if len(found) <= MOST_SPELLED_OUT:
            yield from combinations(sorted(found), 2)
            continue
        first = min(found, key=lambda place: preference(_preferred(catalogue, contents[place])))
        yield from ((min(first, place), max(first, place)) for place in found if place != first)


def _preferred(catalogue: Catalogue, content: str) -> Entry:
    return min((catalogue.entries[one] for one in catalogue.contents[content]), key=preference)


def _reviewed(catalogue: Catalogue, places: Mapping[str, int], reviews: Reviews) -> Iterator[tuple[int, int]]:
    """Yield the pairs of contents with a standing review whose two problems still say what was reviewed."""
    for key, problem_ids in reviews.problem_ids.items():
        entries = [catalogue.entries.get(problem_id) for problem_id in problem_ids]
        contents = sorted(entry.content for entry in entries if entry is not None and entry.content in places)
        if len(set(contents)) == len(problem_ids) and _key(*contents) == key and reviews.decision(key):
            yield places[contents[0]], places[contents[1]]


def decide_contents(catalogue: Catalogue, scored: Pairs, cases: Mapping[str, Cases], reviews: Reviews) -> DecidedPairs:
    """Decide every scored pair of contents, and those that several problems share, from evidence alone."""
    contents = list(catalogue.contents)
    equal = [place for place, content in enumerate(contents) if len(catalogue.contents[content]) > 1]
    wanted = [contents[place] for place in sorted({*equal, *scored.left.tolist(), *scored.right.tolist()})]
    profiles = read_profiles(catalogue, cases, wanted)
    left, right = (np.concatenate([side, np.array(equal, np.int64)]) for side in (scored.left, scored.right))
    cosine = np.concatenate([scored.cosine, np.ones(len(equal))])
    columns = _Columns()
    with progress("comparing", total=len(left), unit="pairs") as bar:
        for start in range(0, len(left), PAIRS_PER_BATCH):
            part = slice(start, start + PAIRS_PER_BATCH)
            pairs = [(contents[i], contents[j]) for i, j in zip(left[part].tolist(), right[part].tolist(), strict=True)]
            columns.add(pairs, cosine[part], profiles, reviews)
            bar.advance(len(pairs))
    return columns.decided(contents, left, right, cosine)


class _Columns:
    """Gathers what stays of each pair; equal verdicts and sets of signs are kept once."""

    def __init__(self) -> None:
        self._lexical: list[npt.NDArray[np.float64]] = [np.zeros(0)]
        self._verdicts: list[Verdict] = []
        self._signs: list[frozenset[Sign]] = []
        self._agreeing: list[int] = []
        self._conflicting: list[int] = []
        self._tests_equal: list[bool | None] = []
        self._known_verdicts: dict[Verdict, Verdict] = {}
        self._known_signs: dict[frozenset[Sign], frozenset[Sign]] = {}

    def add(
        self,
        pairs: Sequence[tuple[str, str]],
        cosines: npt.NDArray[np.float64],
        profiles: Mapping[str, Profile],
        reviews: Reviews,
    ) -> None:
        """Decide a batch."""
        sides = [[profiles[pair[side]].facts.normal for pair in pairs] for side in (0, 1)]
        lexical = lexical_similarities(*sides)
        self._lexical.append(lexical)
        for (one, other), cosine, likeness in zip(pairs, cosines.tolist(), lexical.tolist(), strict=True):
            evidence = compare_profiles(profiles[one], profiles[other], cosine=cosine, lexical=likeness)
            review = reviews.decision(_key(one, other)) if reviews.votes else None
            verdict = decide(evidence, exact=text_key(one) == text_key(other), review=review)
            self._verdicts.append(self._known_verdicts.setdefault(verdict, verdict))
            self._signs.append(self._known_signs.setdefault(evidence.signs, evidence.signs))
            self._agreeing.append(evidence.cases.agreeing)
            self._conflicting.append(evidence.cases.conflicting)
            self._tests_equal.append(evidence.tests_equal)

    def decided(
        self, contents: Sequence[str], left: Integers, right: Integers, cosine: npt.NDArray[np.float64]
    ) -> DecidedPairs:
        """Return all pairs."""
        return DecidedPairs(
            contents=contents,
            left=left,
            right=right,
            cosine=cosine,
            lexical=np.concatenate(self._lexical),
            verdicts=self._verdicts,
            signs=self._signs,
            agreeing=np.array(self._agreeing, np.int32),
            conflicting=np.array(self._conflicting, np.int32),
            tests_equal=self._tests_equal,
        )


def _key(one: str, other: str) -> str:
    return pair_of_keys(text_key(one), text_key(other))


def _undecided(decided: DecidedPairs, verdicts: Sequence[Verdict]) -> list[int]:
    """Return the undecided pairs, the most alike first."""
    rows = [row for row, verdict in enumerate(verdicts) if verdict.decision is Decision.UNDECIDED]
    return sorted(rows, key=lambda row: (-decided.lexical[row], decided.left[row], decided.right[row]))


def _execute(
    catalogue: Catalogue, decided: DecidedPairs, verdicts: list[Verdict], execution: Execution, most: int
) -> dict[str, int]:
    """Let solutions decide pairs, as many as the budget allows, and count those that were run."""
    rows = _undecided(decided, verdicts)
    sides = {row: [decided.contents[side[row]] for side in (decided.left, decided.right)] for row in rows}
    groups = {row: [catalogue.contents[one] for one in contents] for row, contents in sides.items()}
    found = run_on_each_other(execution, groups, most=most)
    for row, is_same in found.items():
        if is_same:
            verdicts[row] = Verdict(Decision.DUPLICATE, DecidedBy.EXECUTION)
        elif is_same is False and all(_has_one_answer(catalogue, one) for one in sides[row]):
            verdicts[row] = Verdict(Decision.DISTINCT, DecidedBy.EXECUTION)
    return {"pairs_run": len(found)}


def _has_one_answer(catalogue: Catalogue, content: str) -> bool:
    entries = [catalogue.entries[one] for one in catalogue.contents[content]]
    return read_profile(read_facts(catalogue.statement(content), catalogue.text(content)), entries).one_answer


def _ask(catalogue: Catalogue, decided: DecidedPairs, verdicts: list[Verdict], model: PairOpinions) -> None:
    """Ask a model about the pairs that nothing else decides."""
    rows = _undecided(decided, verdicts)
    texts = [
        (
            catalogue.statement(decided.contents[decided.left[row]]),
            catalogue.statement(decided.contents[decided.right[row]]),
        )
        for row in rows
    ]
    for row, opinion in zip(rows, ask_opinions(model, texts), strict=True):
        if opinion is not None:
            verdicts[row] = Verdict(Decision.DUPLICATE if opinion else Decision.DISTINCT, DecidedBy.OPINION)


def choose_among(catalogue: Catalogue, decided: DecidedPairs) -> dict[str, str]:
    """Return the kept witness of each problem that is dropped."""
    alike: dict[str, set[str]] = defaultdict(set)
    for row in decided.where(Decision.DUPLICATE):
        left, right = decided.contents[decided.left[row]], decided.contents[decided.right[row]]
        alike[left].add(right)
        alike[right].add(left)
    entries = [catalogue.entries[one] for content in alike for one in catalogue.contents[content]]
    return choose_witnesses(entries, alike)


def count_problem_pairs(catalogue: Catalogue, decided: DecidedPairs) -> int:
    """Return how many pairs of problems have these contents."""
    return sum(1 for row in range(len(decided)) for _ in problem_pairs(catalogue, decided, row))


def problem_pairs(catalogue: Catalogue, decided: DecidedPairs, row: int) -> Iterator[tuple[str, str]]:
    """Yield the problems that have the contents of a pair, two by two, the smaller id first."""
    left, right = decided.contents[decided.left[row]], decided.contents[decided.right[row]]
    if left == right:
        ids = catalogue.contents[left]
        if len(ids) <= MOST_SPELLED_OUT:
            yield from combinations(ids, 2)  # ids are sorted
        return
    for one, other in product(_spelled_out(catalogue, left), _spelled_out(catalogue, right)):
        yield (one, other) if one < other else (other, one)


def _spelled_out(catalogue: Catalogue, content: str) -> Sequence[str]:
    ids = catalogue.contents[content]
    return ids if len(ids) <= MOST_SPELLED_OUT else [_preferred(catalogue, content).problem_id]


Rows: TypeAlias = "tuple[Integers, Integers, Integers]"
"""Left and right problem, by their place among the sorted ids, and the pair of contents of each row of the table."""


def _spell_out(catalogue: Catalogue, decided: DecidedPairs, witnesses: Mapping[str, str]) -> Rows:
    """Return the pairs of problems, sorted, with the pair of contents that each belongs to."""
    place = {problem_id: number for number, problem_id in enumerate(catalogue.entries)}  # entries are sorted
    spelled = np.array(
        [
            (place[one], place[other], row)
            for row in range(len(decided))
            for one, other in problem_pairs(catalogue, decided, row)
        ],
        np.int64,
    ).reshape(-1, 3)
    known = {
        (decided.contents[i], decided.contents[j]): row
        for row, (i, j) in enumerate(zip(decided.left.tolist(), decided.right.tolist(), strict=True))
        if decided.verdicts[row].decision is Decision.DUPLICATE
    }
    present = {
        (int(one), int(other)) for one, other, row in spelled if decided.verdicts[row].decision is Decision.DUPLICATE
    }
    dropped = []
    for one, other in witnesses.items():
        left, right = sorted((catalogue.entries[one].content, catalogue.entries[other].content))
        ids = sorted((place[one], place[other]))
        if tuple(ids) not in present:
            dropped.append((*ids, known[left, right]))
    rows = np.concatenate([spelled, np.array(dropped, np.int64).reshape(-1, 3)])
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    return rows[:, 0], rows[:, 1], rows[:, 2]


def _table(catalogue: Catalogue, decided: DecidedPairs, rows: Rows, witnesses: Mapping[str, str]) -> pa.Table:
    ids = list(catalogue.entries)
    batches = []
    for start in range(0, len(rows[0]), PAIRS_PER_BATCH):
        lefts, rights, pairs = (column[start : start + PAIRS_PER_BATCH].tolist() for column in rows)
        left, right = [ids[one] for one in lefts], [ids[one] for one in rights]
        dropped = [
            next((one for one, other in ((a, b), (b, a)) if witnesses.get(one) == other), None)
            for a, b in zip(left, right, strict=True)
        ]
        verdicts = [decided.verdicts[pair] for pair in pairs]
        columns = {
            "left_id": left,
            "right_id": right,
            "cosine": decided.cosine[pairs].astype(np.float32),
            "lexical": decided.lexical[pairs].astype(np.float32),
            "tests_equal": [decided.tests_equal[pair] for pair in pairs],
            "decision": [verdict.decision.value for verdict in verdicts],
            "decided_by": [verdict.decided_by.value if verdict.decided_by else None for verdict in verdicts],
            "kept_id": [None if one is None else witnesses[one] for one in dropped],
            "dropped_id": dropped,
            "pair_key": [decided.key(pair) for pair in pairs],
            "rule": [verdict.rule.value if verdict.rule else None for verdict in verdicts],
            "evidence": [[sign.value for sign in Sign if sign in decided.signs[pair]] for pair in pairs],
            "inputs_agreeing": decided.agreeing[pairs],
            "inputs_conflicting": decided.conflicting[pairs],
        }
        batches.append(pa.record_batch(columns, schema=DUPLICATE_PAIRS.schema))
    return pa.Table.from_batches(batches, schema=DUPLICATE_PAIRS.schema)


def _notes(catalogue: Catalogue, decided: DecidedPairs, pairs: Integers, reviews: Reviews) -> dict[str, int]:
    counts = Counter(_counted(decided.verdicts[pair]) for pair in pairs.tolist())
    silent = {"silent_statements": len(catalogue.silent_ids)} if catalogue.silent_ids else {}
    known = {decided.key(row) for row in range(len(decided))} if reviews.votes else set[str]()
    return dict(sorted(counts.items())) | silent | reviews.notes(known)


def _counted(verdict: Verdict) -> str:
    return f"pairs_{verdict.decision}" + (f"_by_{verdict.decided_by}" if verdict.decided_by else "")
