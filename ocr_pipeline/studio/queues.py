"""The queues of the review page: what each asks about, which keys decide, and the card that is shown for one question.

All are of one kind: items in an order, each with a key that its content gives, decided by people one after the other. Pairs
of texts are decided in ``reviews``, programs and tests in ``findings``. The pages know only what is here.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ocr_pipeline.similarity import ReviewDecision, Reviews
from ocr_pipeline.similarity.profile import spoken
from ocr_pipeline.store import Store
from ocr_pipeline.studio.decisions import Finding, PairKind
from ocr_pipeline.studio.difference import side_by_side
from ocr_pipeline.studio.markup import Html, code, escaped, link, pre
from ocr_pipeline.studio.queue import Pair, uncertain_pairs
from ocr_pipeline.studio.subjects import Subject, row_of, survivors, untrusted_tests
from ocr_pipeline.studio.texts import Statement, problem_statement, statements_of
from ocr_pipeline.tables import (
    CONTAMINATION,
    DUPLICATE_PAIRS,
    FINDINGS,
    REVIEWS,
    TEST_QUALITY,
    TEST_TRUST,
    Table,
)

__all__ = ["QUEUES", "Choice", "Item", "Queue", "card_of", "word_of"]

Item = Pair | Subject


@dataclass(frozen=True, slots=True)
class Choice:
    """A decision that a key makes."""

    label: str
    key: str
    decision: ReviewDecision | Finding


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue."""

    name: str
    title: str
    choices: tuple[Choice, Choice]
    table: Table
    """Where its decisions are."""
    reads: tuple[Table, ...]
    """What its items are made from."""
    find: Callable[[Store], list[Any]]
    empty: str
    """What to do where there is nothing to ask."""


def _pairs(*, kind: PairKind, undecided: bool) -> Callable[[Store], list[Any]]:
    def find(store: Store) -> list[Any]:
        return [pair for pair in uncertain_pairs(store) if pair.kind is kind and (pair.decision is None) is undecided]

    return find


SAME: Final = (Choice("Duplicate", "d", ReviewDecision.DUPLICATE), Choice("Distinct", "n", ReviewDecision.DISTINCT))
HELD: Final = (Choice("Contaminated", "d", ReviewDecision.DUPLICATE), Choice("Clean", "n", ReviewDecision.DISTINCT))
TRUE: Final = (Choice("Wrong", "d", Finding.WRONG), Choice("Right", "n", Finding.RIGHT))
MAKE_PAIRS: Final = "Materialize `duplicate_pairs` and `contamination`"
QUEUES: Final[Mapping[str, Queue]] = {
    queue.name: queue
    for queue in (
        Queue(
            "undecided",
            "Undecided pairs",
            SAME,
            REVIEWS,
            (DUPLICATE_PAIRS, CONTAMINATION),
            _pairs(kind=PairKind.DUPLICATE, undecided=True),
            MAKE_PAIRS,
        ),
        Queue(
            "duplicates",
            "Duplicates",
            SAME,
            REVIEWS,
            (DUPLICATE_PAIRS, CONTAMINATION),
            _pairs(kind=PairKind.DUPLICATE, undecided=False),
            MAKE_PAIRS,
        ),
        Queue(
            "contamination",
            "Contamination",
            HELD,
            REVIEWS,
            (DUPLICATE_PAIRS, CONTAMINATION),
            lambda store: [pair for pair in uncertain_pairs(store) if pair.kind is PairKind.CONTAMINATION],
            MAKE_PAIRS,
        ),
        Queue(
            "survivors",
            "Surviving wrong programs",
            TRUE,
            FINDINGS,
            (TEST_QUALITY,),
            survivors,
            "Materialize `test_quality`",
        ),
        Queue("tests", "Untrusted tests", TRUE, FINDINGS, (TEST_TRUST,), untrusted_tests, "Materialize `test_trust`"),
    )
}
SAID: Final = {"rating": "rating", "n_tests": "tests:", "license": "licence"}


def word_of(queue: Queue, decision: str) -> str:
    """Return a decision in the words of a queue."""
    return next((choice.label.lower() for choice in queue.choices if choice.decision == decision), decision)


def card_of(store: Store, benchmarks: Path, queue: Queue, item: Item, votes: Reviews, reviewer: str) -> Html:
    """Return what a reviewer sees of one item."""
    if isinstance(item, Pair):
        return _pair_card(store, benchmarks, queue, item, votes, reviewer)
    return _subject_card(store, item)


# ---- pairs ----


def _pair_card(store: Store, benchmarks: Path, queue: Queue, pair: Pair, votes: Reviews, reviewer: str) -> Html:
    asked = (
        "Are these the same problem?"
        if pair.kind is PairKind.DUPLICATE
        else f"Is the problem on the left in {pair.benchmark}?"
    )
    left, right = statements_of(store, pair, benchmarks)
    marked = side_by_side(left.text, right.text) if left and right else (_plain(left), _plain(right))
    sides = "".join(
        f"<div>{_statement(name, statement, text)}</div>"
        for name, statement, text in zip((pair.left_id, pair.right_id), (left, right), marked, strict=True)
    )
    evidence = f"<p class='facts'>Evidence: {escaped(spoken(pair.evidence))}</p>" if pair.evidence else ""
    span = f"<p class='facts'>Both say: <q>{escaped(pair.span)}</q></p>" if pair.span else ""
    facts = " · ".join(_facts(queue, pair, votes, reviewer))
    return Html(
        f"<h1>{escaped(asked)}</h1><p class='facts'>{facts}</p>{evidence}{span}<div class='sides'>{sides}</div>"
    )


def _facts(queue: Queue, pair: Pair, votes: Reviews, reviewer: str) -> Iterable[str]:
    tests = {True: "the same", False: "different, or none in common", None: "not comparable"}[pair.tests_equal]
    by = f" (by {' '.join(filter(None, (pair.decided_by, pair.rule)))})" if pair.decided_by else ""
    yield f"cosine <b>{pair.cosine:.4f}</b>"
    yield f"lexical similarity <b>{pair.lexical:.2f}</b>"
    if pair.kind is PairKind.DUPLICATE:
        yield f"known answers <b>{tests}</b>"
    said = word_of(queue, pair.decision) if pair.decision else "undecided"
    yield f"the pipeline says <b>{escaped(said)}</b>{escaped(by)}"
    others = {who: vote for who, vote in votes.votes.get(pair.pair_key, {}).items() if who != reviewer}
    if len(set(others.values())) > 1:  # one other opinion is kept back, so that the second one is independent
        yield "<b>other reviewers disagree</b>"


def _statement(name: str, statement: Statement | None, marked: str) -> str:
    if statement is None:
        return f"<p class='facts'><b>{escaped(name)}</b> · its statement is not in this data root</p>"
    shown = link(f"/problem/{name}", name) if statement.facts else escaped(name)  # only what was ingested has a history
    facts = " · ".join([f"<b>{shown}</b>", *(_fact(fact, value) for fact, value in statement.facts.items())])
    return f"<p class='facts'>{facts}</p><div class='statement'>{marked}</div>"


def _plain(statement: Statement | None) -> str:
    return html.escape(statement.text) if statement else ""


def _fact(name: str, value: Any) -> str:  # noqa: ANN401 - any scalar of the table
    return escaped(f"{SAID.get(name, '')} {value}".strip())


# ---- programs and tests ----


def _subject_card(store: Store, subject: Subject) -> Html:
    statement = problem_statement(store, subject.left_id)
    row = row_of(store, subject)
    if row is None:
        asked, shown = "", "<p class='facts'>it is not in this data root any more</p>"
    elif "code" in row:
        asked, shown = "Is this program wrong?", code(row["code"], row["language"])
    else:
        asked = "Is this test wrong?"
        shown = f"<p class='facts'>input</p>{pre(row['input'])}<p class='facts'>expected</p>{pre(row['expected'])}"
    left = _statement(subject.left_id, statement, _plain(statement))
    right = f"<p class='facts'><b>{escaped(subject.right_id)}</b></p>{shown}"
    return Html(
        f"<h1>{asked}</h1><p class='facts'>{escaped(subject.detail)}</p>"
        f"<div class='sides'><div>{left}</div><div>{right}</div></div>"
    )
