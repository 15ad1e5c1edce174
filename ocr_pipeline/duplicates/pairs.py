"""From problems to decided pairs.

Statements with one normal form are compared once. Every pair of contents at or above the threshold, of one origin or
reviewed gets its evidence and decision, a batch at a time: what stays of a pair is a few numbers, for pairs grow with the
square of the problems. Each is then spelled out for the problems that have these contents. A content shared by more than
:data:`MOST_SPELLED_OUT` problems is represented by the one of them that is preferred: its pairs, and for each other
member the pair with its witness, stand for the rest. The rows of the table are made while they are written.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ocr_pipeline.console import progress
from ocr_pipeline.duplicates.decided import DecidedPairs, Integers, Numbers, Verdicts, key_of
from ocr_pipeline.duplicates.decisions import LEXICAL_BORDERS, DecidedBy, Decision, Undecided, Verdict, decide
from ocr_pipeline.duplicates.execution import Execution, run_on_each_other
from ocr_pipeline.duplicates.identities import split_contents
from ocr_pipeline.duplicates.witnesses import choose_witnesses, preference
from ocr_pipeline.options import Options, option
from ocr_pipeline.similarity import Encoder, Pairs, Reviews, settle_cosines, similar_pairs
from ocr_pipeline.similarity.cases import CaseComparison, Cases, read_cases
from ocr_pipeline.similarity.catalogue import Catalogue, Entry, read_catalogue, text_key
from ocr_pipeline.similarity.evidence import lexical_similarities, read_facts
from ocr_pipeline.similarity.opinions import PairOpinions, ask_opinions
from ocr_pipeline.similarity.profile import Evidence, Profile, Sign, compare_profiles, read_profile, read_profiles
from ocr_pipeline.similarity.signs import ComparedPairs, SignTable, mask_of, signs_of
from ocr_pipeline.tables import DUPLICATE_PAIRS

__all__ = [
    "Comparison",
    "DuplicateConfig",
    "choose_among",
    "compare_problems",
    "count_problem_pairs",
    "decide_contents",
    "read_problems",
    "score_contents",
]

MOST_SPELLED_OUT: Final = 100
"""Problems of one content, and contents of one origin, whose pairs are all written; a placeholder on thousands would give
millions."""
PAIRS_PER_BATCH: Final = 8_192
NONE_IN_COMMON: Final = mask_of([Sign.OTHER_EXAMPLES, Sign.OTHER_TESTS])


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

    rows: int
    batches: Callable[[], Iterator[pa.RecordBatch]]
    """The rows of ``duplicate_pairs``, made while they are read: as text a pair takes ten times what it takes as numbers."""
    notes: Mapping[str, int]
    """Counts: pairs per decision, silent statements, reviews that settled nothing."""
    reviewed: frozenset[str]
    """The keys of those pairs that people reviewed."""

    @property
    def pairs(self) -> pa.Table:
        """All pairs at once, where they are few."""
        return pa.Table.from_batches(self.batches(), DUPLICATE_PAIRS.schema)


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
    """Decide every pair of problems at or above the threshold, equal, of one origin or reviewed.

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
    catalogue, cases = read_problems(problems, tests)
    decided = decide_contents(catalogue, score_contents(catalogue, encoder, config.threshold, reviews), cases, reviews)
    runs = {} if execution is None else _execute(catalogue, decided, execution, config.execution_pairs)
    if opinions is not None:
        _ask(catalogue, decided, opinions)
    decided = replace(decided, verdicts=decided.verdicts.settled(config.undecided))
    witnesses = choose_among(catalogue, decided)
    rows = _spell_out(catalogue, decided, witnesses)
    reviewed = (
        frozenset(reviews.votes).intersection(map(decided.key, range(len(decided)))) if reviews.votes else frozenset()
    )
    silent = {"silent_statements": len(catalogue.silent_ids)} if catalogue.silent_ids else {}
    return Comparison(
        rows=len(rows[0]),
        batches=lambda: _batches(catalogue, decided, rows, witnesses),
        notes=_count_verdicts(decided.verdicts, rows[2]) | silent | reviews.notes(reviewed) | runs,
        reviewed=reviewed,
    )


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
    del found
    more = {*_of_one_origin(catalogue, places), *_reviewed(catalogue, places, reviews)}
    wanted = np.array(sorted(more), np.int64).reshape(-1, 2)
    is_known = np.isin(wanted @ [len(texts), 1], near.left * len(texts) + near.right)
    if is_known.all():
        return near  # sorted, as the texts that speak are
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
        if len(set(contents)) == len(problem_ids) and key_of(*contents) == key and reviews.decision(key):
            yield places[contents[0]], places[contents[1]]


def decide_contents(catalogue: Catalogue, scored: Pairs, cases: Mapping[str, Cases], reviews: Reviews) -> DecidedPairs:
    """Decide every scored pair of contents, and those that several problems share, from evidence alone."""
    contents = list(catalogue.contents)
    equal = np.array([place for place, one in enumerate(contents) if len(catalogue.contents[one]) > 1], np.int32)
    left, right = (np.concatenate([side.astype(np.int32), equal]) for side in (scored.left, scored.right))
    is_wanted = np.zeros(len(contents), np.bool_)
    is_wanted[left] = is_wanted[right] = True
    wanted = np.flatnonzero(is_wanted).tolist()
    profiles = read_profiles(catalogue, cases, [contents[place] for place in wanted])
    rows = np.zeros(len(contents), np.int64)
    rows[wanted] = np.arange(len(wanted))
    deciding = _Deciding([*profiles.values()], SignTable([*profiles.values()]), [*profiles], reviews)
    with progress("comparing", total=len(left), unit="pairs") as bar:
        for start in range(0, len(left), PAIRS_PER_BATCH):
            part = slice(start, start + PAIRS_PER_BATCH)
            deciding.add(rows[left[part]], rows[right[part]])
            bar.advance(len(left[part]))
    return deciding.decided(contents, left, right, np.concatenate([scored.cosine, np.ones(len(equal))]))


class _Deciding:
    """Decides pairs in batches. Only those that have known inputs in common, one text or a review become objects."""

    def __init__(
        self, profiles: Sequence[Profile], table: SignTable, contents: Sequence[str], reviews: Reviews
    ) -> None:
        self._profiles, self._table, self._contents, self._reviews = profiles, table, contents, reviews
        self._texts = np.unique([text_key(one) for one in contents], return_inverse=True)[1]
        self._kinds: dict[Verdict, int] = {}
        self._known: dict[tuple[int, ...], int] = {}
        self._lexical = [np.zeros(0)]
        self._rest = [np.zeros((4, 0), np.int32)]

    def add(self, left: Integers, right: Integers) -> None:
        """Decide a batch."""
        sides = [[self._profiles[row].facts.normal for row in side.tolist()] for side in (left, right)]
        lexical = lexical_similarities(*sides)
        compared = self._table.compare(left, right)
        borders = np.digitize(lexical, LEXICAL_BORDERS)
        verdicts = self._of_signs(compared, lexical, borders)
        masks, agreeing, conflicting = compared.masks.copy(), np.zeros_like(left), np.zeros_like(left)
        alone = compared.is_whole & (self._texts[left] != self._texts[right]) & ~self._has_review(left, right)
        for row in np.flatnonzero(~alone).tolist():
            evidence, verdict = self._of_pair(int(left[row]), int(right[row]), float(lexical[row]))
            verdicts[row], masks[row] = self._number(verdict), mask_of(evidence.signs)
            agreeing[row], conflicting[row] = evidence.cases.agreeing, evidence.cases.conflicting
        self._lexical.append(lexical)
        self._rest.append(np.stack([verdicts, masks, agreeing, conflicting]).astype(np.int32))

    def _of_signs(self, compared: ComparedPairs, lexical: npt.NDArray[np.float64], borders: Integers) -> Integers:
        """Return the verdicts that follow from signs and likeness; equal ones are decided once."""
        keys = np.stack([compared.masks, borders, compared.says_little.astype(np.int64)])
        found, first, places = np.unique(keys, axis=1, return_index=True, return_inverse=True)
        for column, row in enumerate(first.tolist()):
            key = tuple(found[:, column].tolist())
            if key not in self._known:
                signs = signs_of(key[0])
                evidence = Evidence(0.0, float(lexical[row]), signs, CaseComparison(), says_little=bool(key[2]))
                self._known[key] = self._number(decide(evidence, exact=False, review=None))
        numbers = np.array([self._known[tuple(one)] for one in found.T.tolist()], np.int64)
        verdicts: Integers = numbers[places.reshape(-1)]
        return verdicts

    def _has_review(self, left: Integers, right: Integers) -> npt.NDArray[np.bool_]:
        if not self._reviews.votes:
            return np.zeros(len(left), np.bool_)
        keys = (self._key(i, j) for i, j in zip(left.tolist(), right.tolist(), strict=True))
        return np.array([key in self._reviews.votes for key in keys], np.bool_)

    def _of_pair(self, left: int, right: int, lexical: float) -> tuple[Evidence, Verdict]:
        one, other = self._profiles[left], self._profiles[right]
        if left == right:  # several problems with one text: what each says beside it is not a pair's evidence
            one = other = read_profile(one.facts, [])
        evidence = compare_profiles(one, other, cosine=0.0, lexical=lexical)
        review = self._reviews.decision(self._key(left, right)) if self._reviews.votes else None
        return evidence, decide(evidence, exact=bool(self._texts[left] == self._texts[right]), review=review)

    def _key(self, left: int, right: int) -> str:
        return key_of(self._contents[left], self._contents[right])

    def _number(self, verdict: Verdict) -> int:
        return self._kinds.setdefault(verdict, len(self._kinds))

    def decided(
        self, contents: Sequence[str], left: Numbers, right: Numbers, cosine: npt.NDArray[np.float64]
    ) -> DecidedPairs:
        """Return all pairs."""
        verdicts, masks, agreeing, conflicting = np.concatenate(self._rest, axis=1)
        return DecidedPairs(
            contents=contents,
            left=left,
            right=right,
            cosine=cosine,
            lexical=np.concatenate(self._lexical),
            verdicts=Verdicts([*self._kinds], verdicts),
            masks=masks,
            agreeing=agreeing,
            conflicting=conflicting,
        )


def _undecided(decided: DecidedPairs) -> list[int]:
    """Return the undecided pairs, the most alike first."""
    rows = decided.verdicts.where(Decision.UNDECIDED)
    order = np.lexsort((decided.right[rows], decided.left[rows], -decided.lexical[rows]))
    ordered: list[int] = rows[order].tolist()
    return ordered


def _execute(catalogue: Catalogue, decided: DecidedPairs, execution: Execution, most: int) -> dict[str, int]:
    """Let solutions decide pairs, as many as the budget allows, and count those that were run."""
    rows = _undecided(decided)
    sides = {row: [decided.contents[side[row]] for side in (decided.left, decided.right)] for row in rows}
    groups = {row: [catalogue.contents[one] for one in contents] for row, contents in sides.items()}
    found = run_on_each_other(execution, groups, most=most)
    for row, is_same in found.items():
        if is_same:
            decided.verdicts.put(row, Verdict(Decision.DUPLICATE, DecidedBy.EXECUTION))
        elif is_same is False and all(_has_one_answer(catalogue, one) for one in sides[row]):
            decided.verdicts.put(row, Verdict(Decision.DISTINCT, DecidedBy.EXECUTION))
    return {"pairs_run": len(found)}


def _has_one_answer(catalogue: Catalogue, content: str) -> bool:
    entries = [catalogue.entries[one] for one in catalogue.contents[content]]
    return read_profile(read_facts(catalogue.statement(content), catalogue.text(content)), entries).one_answer


def _ask(catalogue: Catalogue, decided: DecidedPairs, model: PairOpinions) -> None:
    """Ask a model about the pairs that nothing else decides."""
    rows = _undecided(decided)
    texts = [
        (
            catalogue.statement(decided.contents[decided.left[row]]),
            catalogue.statement(decided.contents[decided.right[row]]),
        )
        for row in rows
    ]
    for row, opinion in zip(rows, ask_opinions(model, texts), strict=True):
        if opinion is not None:
            said = Decision.DUPLICATE if opinion else Decision.DISTINCT
            decided.verdicts.put(row, Verdict(said, DecidedBy.OPINION))


def choose_among(catalogue: Catalogue, decided: DecidedPairs) -> dict[str, str]:
    """Return the kept witness of each problem that is dropped."""
    alike: dict[str, set[str]] = defaultdict(set)
    for row in decided.verdicts.where(Decision.DUPLICATE).tolist():
        left, right = decided.contents[decided.left[row]], decided.contents[decided.right[row]]
        alike[left].add(right)
        alike[right].add(left)
    entries = [catalogue.entries[one] for content in alike for one in catalogue.contents[content]]
    return choose_witnesses(entries, alike)


def count_problem_pairs(catalogue: Catalogue, decided: DecidedPairs) -> int:
    """Return how many pairs of problems have these contents."""
    problems = np.array([len(ids) for ids in catalogue.contents.values()], np.int64)
    spelled = np.where(problems <= MOST_SPELLED_OUT, problems, 1)
    left, right = spelled[decided.left], spelled[decided.right]
    return int(np.where(decided.left == decided.right, left * (left - 1) // 2, left * right).sum())


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


Rows: TypeAlias = "npt.NDArray[np.int32]"
"""Left and right problem, by their place among the sorted ids, and the pair of contents: a column per row of the table."""


def _spell_out(catalogue: Catalogue, decided: DecidedPairs, witnesses: Mapping[str, str]) -> Rows:
    """Return the pairs of problems, sorted, with the pair of contents that each belongs to."""
    place = {problem_id: number for number, problem_id in enumerate(catalogue.entries)}  # entries are sorted
    first = np.array([place[ids[0]] for ids in catalogue.contents.values()], np.int32)
    is_single = np.array([len(ids) == 1 for ids in catalogue.contents.values()], np.bool_)
    simple = np.flatnonzero(is_single[decided.left] & is_single[decided.right]).astype(np.int32)
    sides = first[decided.left[simple]], first[decided.right[simple]]
    rest = [
        (place[one], place[other], row)
        for row in np.flatnonzero(~(is_single[decided.left] & is_single[decided.right])).tolist()
        for one, other in problem_pairs(catalogue, decided, row)
    ]
    more = np.array(rest, np.int32).reshape(-1, 3).T
    spelled = np.empty((3, len(simple) + more.shape[1]), np.int32)
    spelled[:, len(simple) :] = more
    np.minimum(*sides, out=spelled[0, : len(simple)])
    np.maximum(*sides, out=spelled[1, : len(simple)])
    spelled[2, : len(simple)] = simple
    del sides, simple
    duplicates = decided.verdicts.where(Decision.DUPLICATE)
    known = {
        (decided.contents[decided.left[row]], decided.contents[decided.right[row]]): row for row in duplicates.tolist()
    }
    is_duplicate = np.zeros(len(decided), np.bool_)
    is_duplicate[duplicates] = True
    present = {(one, other) for one, other in spelled[:2, is_duplicate[spelled[2]]].T.tolist()}
    dropped = []
    for one, other in witnesses.items():
        left, right = sorted((catalogue.entries[one].content, catalogue.entries[other].content))
        ids = sorted((place[one], place[other]))
        if tuple(ids) not in present:
            dropped.append((*ids, known[left, right]))
    rows: Rows = np.concatenate([spelled, np.array(dropped, np.int32).reshape(-1, 3).T], axis=1) if dropped else spelled
    order = np.lexsort((rows[1], rows[0]))
    for column in rows:
        column[:] = column[order]
    return rows


def _batches(
    catalogue: Catalogue, decided: DecidedPairs, rows: Rows, witnesses: Mapping[str, str]
) -> Iterator[pa.RecordBatch]:
    ids = list(catalogue.entries)
    said = {mask: [sign.value for sign in Sign if sign in signs_of(mask)] for mask in np.unique(decided.masks).tolist()}
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
            "tests_equal": [_tests_equal(decided, pair) for pair in pairs],
            "decision": [verdict.decision.value for verdict in verdicts],
            "decided_by": [verdict.decided_by.value if verdict.decided_by else None for verdict in verdicts],
            "kept_id": [None if one is None else witnesses[one] for one in dropped],
            "dropped_id": dropped,
            "pair_key": [decided.key(pair) for pair in pairs],
            "rule": [verdict.rule.value if verdict.rule else None for verdict in verdicts],
            "evidence": [said[int(decided.masks[pair])] for pair in pairs],
            "inputs_agreeing": decided.agreeing[pairs],
            "inputs_conflicting": decided.conflicting[pairs],
        }
        yield pa.record_batch(columns, schema=DUPLICATE_PAIRS.schema)


def _tests_equal(decided: DecidedPairs, row: int) -> bool | None:
    """Say whether common inputs have the same outputs; ``None`` when nothing can be compared."""
    if decided.agreeing[row] or decided.conflicting[row]:
        return not decided.conflicting[row]
    return False if decided.masks[row] & NONE_IN_COMMON else None


def _count_verdicts(verdicts: Verdicts, pairs: Rows) -> dict[str, int]:
    rows = np.bincount(verdicts.codes[pairs], minlength=len(verdicts.kinds)).tolist()
    counts = Counter[str]()
    for kind, count in zip(verdicts.kinds, rows, strict=True):
        counts[_counted(kind)] += count
    return dict(sorted((+counts).items()))


def _counted(verdict: Verdict) -> str:
    return f"pairs_{verdict.decision}" + (f"_by_{verdict.decided_by}" if verdict.decided_by else "")
