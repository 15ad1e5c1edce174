"""The decisions of people, as a table of the data root that only ever grows.

A decision is a row of ``reviews``; taking it back is another row. The table is an ordinary partition of the store:
each append writes it anew under its lock and exchanges it as a whole, so that a crash leaves the old table or the new
one, and readers and manifests treat it like any other input. What the rows say together is settled by
:mod:`ocr_pipeline.similarity.reviews`.

Where ``OCR_PIPELINE_LEDGER`` names a database, each row is durable there first, and the table is written from what is there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from itertools import combinations
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.counts import StageCounts, cohen_kappa
from ocr_pipeline.errors import InputError, OvertakenError
from ocr_pipeline.similarity import ReviewDecision, Reviews, read_reviews
from ocr_pipeline.store import Store
from ocr_pipeline.store.postgres import Database, database_url
from ocr_pipeline.tables import REVIEWS, Table

__all__ = [
    "Agreement",
    "Finding",
    "PairKind",
    "Review",
    "SubjectKind",
    "agreements",
    "append_reviews",
    "last_standing",
    "restore_reviews",
    "standing",
    "stored_reviews",
]

FORMAT: Final = "1"
MOST_OVERTAKEN: Final = 20
REVIEWS_TABLE: Final = "ocr_pipeline.reviews"
REVIEWS_SCHEMA: Final = f"""
CREATE TABLE {REVIEWS_TABLE} (
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE, pair_key text, kind text NOT NULL, decision text NOT NULL,
    reviewer text, reviewed_at timestamptz, left_id text, right_id text, note text,
    PRIMARY KEY (pair_key, reviewer, reviewed_at)
)
"""
VOTE_COLUMNS: Final = ["pair_key", "decision", "reviewer", "reviewed_at"]


class PairKind(StrEnum):
    """What a pair consists of."""

    DUPLICATE = "duplicate"
    CONTAMINATION = "contamination"


class SubjectKind(StrEnum):
    """What else a person decides about; such decisions are in ``findings``."""

    SURVIVOR = "survivor"
    """A program that its source calls wrong and that passes every test."""
    TEST = "test"
    """A test that correct reference solutions fail."""


class Finding(StrEnum):
    """What a person says of a program or a test."""

    WRONG = "wrong"
    RIGHT = "right"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Review:
    """One decision of one person on one pair of texts, or on a program or test of a problem."""

    pair_key: str
    kind: PairKind | SubjectKind
    decision: ReviewDecision | Finding
    reviewer: str
    reviewed_at: datetime
    left_id: str | None = None
    right_id: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often two reviewers of the same pairs say the same."""

    reviewers: tuple[str, str]
    pairs: int
    agreed: int
    kappa: float | None
    """Cohen's kappa: agreement beyond chance; ``None`` when chance alone explains it all."""


def append_reviews(store: Store, reviews: Sequence[Review], table: Table = REVIEWS) -> None:
    """Add rows to the table of reviews, or to that of findings, all or none, without touching those that are there.

    Where another machine was faster, they are added to what it wrote.

    Raises
    ------
    StoreError
        When the data root cannot be written.
    """
    if not reviews:
        return
    added = pa.Table.from_pylist([asdict(review) for review in reviews], schema=REVIEWS.schema)
    for attempt in range(MOST_OVERTAKEN + 1):
        try:
            _append(store, added, table)
        except OvertakenError:
            if attempt == MOST_OVERTAKEN:
                raise
        else:
            return


def _append(store: Store, added: pa.Table, table: Table = REVIEWS) -> None:
    url = database_url() if table is REVIEWS else None
    with store.writer(table, config={}, code_version=FORMAT) as writer:  # its lock also covers the reading
        rows = pa.concat_tables([stored_reviews(store, table), added])
        if url is not None:
            rows = _kept_in_database(url, rows)
        writer.write(rows)
        writer.counts = StageCounts(rows_in=rows.num_rows, kept=rows.num_rows)


def restore_reviews(store: Store) -> int:
    """Write the table anew with what the database of the ledgers holds beside it; return how many rows there are.

    Raises
    ------
    InputError
        When ``OCR_PIPELINE_LEDGER`` names no database.
    """
    if database_url() is None:
        raise InputError(
            "reviews are restored from Postgres: set OCR_PIPELINE_LEDGER to postgresql://user@host/database"
        )
    _append(store, REVIEWS.schema.empty_table())
    return len(stored_reviews(store))


def _kept_in_database(url: str, rows: pa.Table) -> pa.Table:
    """Add rows to those of the database, and return all of them, the oldest first."""
    columns = ", ".join(REVIEWS.schema.names)
    marks = ", ".join(["%s"] * len(REVIEWS.schema.names))
    put = f"INSERT INTO {REVIEWS_TABLE} ({columns}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608 - constants only
    everything = f"SELECT {columns} FROM {REVIEWS_TABLE} ORDER BY number"  # noqa: S608
    values = [
        tuple(value.replace("\0", "") if isinstance(value, str) else value for value in row.values())
        for row in rows.to_pylist()
    ]

    def exchange(connection: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401 - a psycopg connection
        with connection.cursor() as cursor:
            cursor.executemany(put, values)
            return cursor.execute(everything).fetchall()  # type: ignore[no-any-return]

    with Database(url, schema=REVIEWS_SCHEMA, table=REVIEWS_TABLE, lock="reviews") as database:
        found = database.run(exchange)
    return pa.Table.from_pylist(
        [dict(zip(REVIEWS.schema.names, row, strict=True)) for row in found], schema=REVIEWS.schema
    )


def stored_reviews(store: Store, table: Table = REVIEWS) -> pa.Table:
    """Return every row of the table of reviews, in the order of writing; none when there is no table."""
    if store.manifest(table) is None:
        return table.schema.empty_table()
    return store.open(table).to_table().cast(table.schema)


def standing(store: Store, table: Table = REVIEWS) -> Reviews:
    """Return the vote of every reviewer that stands now."""
    words = ReviewDecision if table is REVIEWS else Finding
    return read_reviews(stored_reviews(store, table).select(VOTE_COLUMNS), words)


def last_standing(rows: pa.Table, reviewer: str, among: Collection[str] | None = None) -> Review | None:
    """Return the latest decision of a reviewer that was not taken back, on one of some keys where they are given."""
    latest: dict[str, Review] = {}
    own = rows.filter(pc.equal(rows["reviewer"], reviewer))
    for row in sorted(own.to_pylist(), key=lambda row: row["reviewed_at"]):
        if among is not None and row["pair_key"] not in among:
            continue
        latest.pop(row["pair_key"], None)
        if row["decision"] != ReviewDecision.WITHDRAWN:
            latest[row["pair_key"]] = _review(row)
    return next(reversed(latest.values()), None)


def _review(row: dict[str, Any]) -> Review:
    is_pair = row["kind"] in set(PairKind)
    kind = PairKind(row["kind"]) if is_pair else SubjectKind(row["kind"])
    decision = ReviewDecision(row["decision"]) if is_pair else Finding(row["decision"])
    return Review(**(row | {"kind": kind, "decision": decision}))


def agreements(reviews: Reviews) -> list[Agreement]:
    """Compare every two reviewers on the pairs that both decided, most pairs first."""
    both: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for votes in reviews.votes.values():
        for left, right in combinations(sorted(votes), 2):
            both.setdefault((left, right), []).append((votes[left], votes[right]))
    found = [_agreement(reviewers, decisions) for reviewers, decisions in both.items()]
    return sorted(found, key=lambda one: (-one.pairs, one.reviewers))


def _agreement(reviewers: tuple[str, str], decisions: Sequence[tuple[str, str]]) -> Agreement:
    agreed = sum(left == right for left, right in decisions)
    return Agreement(reviewers, len(decisions), agreed, cohen_kappa(decisions))
