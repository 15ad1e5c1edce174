"""Reviews as a CSV file, for people who prefer a spreadsheet: the queue goes out, decisions come back.

The file is UTF-8 with a byte order mark, which spreadsheets need to see. A row that cannot be used is reported with the
number a spreadsheet shows and left out; the others are stored. The file itself is never changed.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import InputError
from ocr_pipeline.similarity import ReviewDecision
from ocr_pipeline.similarity.profile import spoken
from ocr_pipeline.store import Store, atomic_write, open_csv
from ocr_pipeline.studio.decisions import PairKind, Review, append_reviews, stored_reviews
from ocr_pipeline.studio.queue import Pair, uncertain_pairs
from ocr_pipeline.studio.texts import excerpts_of

__all__ = ["Imported", "export_reviews", "import_reviews"]

COLUMNS: Final = (
    "pair_key",
    "decision",
    "reviewer",
    "reviewed_at",
    "note",
    "kind",
    "left_id",
    "right_id",
    "cosine",
    "lexical",
    "tests_equal",
    "pipeline_decision",
    "decided_by",
    "evidence",
    "left_statement",
    "right_statement",
)
EXCERPT_CHARACTERS: Final = 1_000
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
KEY: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the lines of a file."""

    counts: StageCounts
    problems: tuple[str, ...]
    """One line for each line of the file that was not stored or is worth a look, in the order of the file."""


def export_reviews(store: Store, path: Path, *, benchmarks: Path) -> StageCounts:
    """Write the queue with all standing decisions: a line per decision, and one to fill in per undecided pair.

    Parameters
    ----------
    store
        The data root.
    path
        The CSV file to write.
    benchmarks
        Folder of the benchmarks that were not ingested, for their statements.

    Raises
    ------
    InputError
        When the file cannot be written.
    """
    latest = _latest(stored_reviews(store))
    pairs = uncertain_pairs(store)
    excerpts = excerpts_of(store, pairs, benchmarks, EXCERPT_CHARACTERS)
    try:
        with atomic_write(path) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
            writer = csv.DictWriter(text, COLUMNS)
            writer.writeheader()
            for pair in pairs:
                writer.writerows(_lines(excerpts, pair, latest.get(pair.pair_key, [])))
    except OSError as error:
        message = f"`{path}` cannot be written: {error.strerror}; name a file in a folder that exists and is yours"
        raise InputError(message) from error
    decided = sum(pair.pair_key in latest for pair in pairs)
    return StageCounts(rows_in=len(pairs), kept=len(pairs), notes={"decided": decided, "open": len(pairs) - decided})


def _latest(stored: pa.Table) -> dict[str, list[Mapping[str, object]]]:
    """Return the standing rows of every pair, one per reviewer."""
    latest: dict[tuple[str, str], Mapping[str, object]] = {}
    for row in sorted(stored.to_pylist(), key=lambda row: row["reviewed_at"]):
        latest[row["pair_key"], row["reviewer"]] = row
    found: dict[str, list[Mapping[str, object]]] = {}
    for (key, _), row in sorted(latest.items()):
        if row["decision"] != ReviewDecision.WITHDRAWN:
            found.setdefault(key, []).append(row)
    return found


def _lines(
    excerpts: Mapping[str, str], pair: Pair, rows: Sequence[Mapping[str, object]]
) -> Iterator[dict[str, object]]:
    evidence = {
        "pair_key": pair.pair_key,
        "kind": pair.kind.value,
        "left_id": pair.left_id,
        "right_id": pair.right_id,
        "cosine": f"{pair.cosine:.4f}",
        "lexical": f"{pair.lexical:.4f}",
        "tests_equal": "" if pair.tests_equal is None else str(pair.tests_equal).lower(),
        "pipeline_decision": pair.decision.value if pair.decision else "undecided",
        "decided_by": pair.decided_by,
        "evidence": spoken(pair.evidence),
        "left_statement": _no_formula(excerpts.get(pair.left_id, "")),
        "right_statement": _no_formula(excerpts.get(pair.right_id, "")),
    }
    for row in rows or [{}]:
        moment = row.get("reviewed_at")
        stated = {name: row.get(name) or "" for name in ("decision", "reviewer", "note")}
        yield evidence | stated | {"reviewed_at": moment.isoformat() if isinstance(moment, datetime) else ""}


def _no_formula(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def import_reviews(store: Store, path: Path, *, reviewer: str | None, now: datetime) -> Imported:
    """Store the decisions of a file: columns ``pair_key`` and ``decision``, and ``reviewer``, ``reviewed_at``, ``note``.

    Parameters
    ----------
    store
        The data root.
    path
        A CSV file, as :func:`export_reviews` writes it.
    reviewer
        Who decided, for lines that do not say.
    now
        When, for lines that do not say.

    Raises
    ------
    InputError
        When the file cannot be read or has no such columns.
    """
    known = {pair.pair_key: pair for pair in uncertain_pairs(store)}
    lines = _Lines(known, stored_reviews(store), reviewer, now)
    reviews = [review for number, row in _read(path) if (review := lines.read(number, row)) is not None]
    append_reviews(store, reviews)
    counts = StageCounts(
        rows_in=lines.rows, kept=len(reviews), dropped=dict(lines.dropped), notes=_notes(reviews, known)
    )
    return Imported(counts.require_conserved("reviews"), tuple(lines.problems))


def _notes(reviews: Iterable[Review], known: Mapping[str, Pair]) -> dict[str, int]:
    strangers = sum(review.pair_key not in known for review in reviews)
    return {"pairs_not_in_this_root": strangers} if strangers else {}


def _read(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    try:
        with open_csv(path) as reader:
            missing = [name for name in ("pair_key", "decision") if name not in (reader.fieldnames or ())]
            if missing:
                message = f"`{path}` has no column {' and no column '.join(missing)}; start from `reviews export`"
                raise InputError(message)
            yield from enumerate(reader, start=2)  # as a spreadsheet counts: the header is row 1
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        message = f"`{path}` cannot be read as CSV: {error}; save it as CSV in UTF-8"
        raise InputError(message) from error


class _LineError(Exception):
    """A line that gives no review: the reason it is counted under, and what to tell the person, if anything."""

    def __init__(self, reason: str, problem: str = "") -> None:
        super().__init__(problem)
        self.reason = reason
        self.problem = problem


class _Lines:
    """Reads the lines of a file one by one and remembers what was wrong with them."""

    def __init__(self, known: Mapping[str, Pair], stored: pa.Table, reviewer: str | None, now: datetime) -> None:
        standing = [row for group in _latest(stored).values() for row in group]
        self._known = known
        self._standing = {(row["pair_key"], row["reviewer"], row["decision"]) for row in standing}
        self._times = {(row["pair_key"], row["reviewer"], row["reviewed_at"]) for row in stored.to_pylist()}
        self._reviewer = reviewer
        self._now = _moment("", now)
        self._seen: dict[tuple[str, str, datetime], tuple[int, str]] = {}
        self.rows = 0
        self.dropped: Counter[str] = Counter()
        self.problems: list[str] = []

    def read(self, number: int, row: Mapping[str, str]) -> Review | None:
        """Return the review of a line, or ``None`` when it holds none that is new."""
        self.rows += 1
        try:
            review = self._review(row)
            self._require_new(number, review)
        except _LineError as error:
            self.dropped[error.reason] += 1
            if error.problem:
                self.problems.append(f"row {number}: {error.problem}")
            return None
        if review.pair_key not in self._known:
            self.problems.append(f"row {number}: no such pair in this data root; stored, it counts once it appears")
        return review

    def _review(self, row: Mapping[str, str]) -> Review:
        word = _cell(row, "decision").lower()
        if not word:
            raise _LineError("undecided")
        key = _cell(row, "pair_key").lower()
        if not KEY.fullmatch(key):
            raise _LineError("bad_pair_key", f"`{key}` is not a pair key; copy it from `reviews export`")
        if word not in set(ReviewDecision):
            raise _LineError("bad_decision", f"decision `{word}` is none of {', '.join(ReviewDecision)}")
        who = _cell(row, "reviewer") or (self._reviewer or "")
        if not who:
            raise _LineError("no_reviewer", "no reviewer; fill in the column or give --reviewer NAME")
        moment = _moment(_cell(row, "reviewed_at"), self._now)
        if (key, who, moment) in self._times:
            moment = self._now  # an exported line whose decision was edited: its time is that of the old decision
        return Review(key, decision=ReviewDecision(word), reviewer=who, reviewed_at=moment, **self._about(key, row))

    def _about(self, key: str, row: Mapping[str, str]) -> dict[str, Any]:
        """Return what the pair is, from the data root where it knows it, else from the line."""
        note = _cell(row, "note") or None
        if key in self._known:
            pair = self._known[key]
            return {"kind": pair.kind, "left_id": pair.left_id, "right_id": pair.right_id, "note": note}
        word = _cell(row, "kind").lower()
        kind = PairKind(word) if word in set(PairKind) else PairKind.DUPLICATE
        left_id, right_id = (_cell(row, name) or None for name in ("left_id", "right_id"))
        return {"kind": kind, "left_id": left_id, "right_id": right_id, "note": note}

    def _require_new(self, number: int, review: Review) -> None:
        if (review.pair_key, review.reviewer, review.decision) in self._standing:
            raise _LineError("already_stored")
        place = (review.pair_key, review.reviewer, review.reviewed_at)
        first, word = self._seen.setdefault(place, (number, review.decision))
        if first == number:
            return
        if word == review.decision:
            raise _LineError("repeated")
        message = f"`{review.reviewer}` says {review.decision} here and {word} in row {first}; keep one of them"
        raise _LineError("conflict", message)


def _cell(row: Mapping[str, str], name: str) -> str:
    return (row.get(name) or "").strip()


def _moment(text: str, now: datetime) -> datetime:
    """Read a time to the millisecond, as the table stores it; one without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(text) if text else now
    except ValueError:
        raise _LineError("bad_time", f"reviewed_at `{text}` is not an ISO 8601 time") from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.replace(microsecond=aware.microsecond // 1000 * 1000)
