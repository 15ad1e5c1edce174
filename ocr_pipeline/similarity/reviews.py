"""What people decided on pairs: reading the table, and settling what it says about each pair.

The table is append-only. Of one reviewer's rows on a pair the latest counts, and a withdrawn one counts as none;
reviewers who disagree leave the pair undecided. A decision is about two texts, so it holds wherever these two meet,
in deduplication as in contamination. Showing pairs and storing decisions is the studio's part.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from ocr_pipeline.errors import InputError
from ocr_pipeline.store import open_csv

if TYPE_CHECKING:
    import pyarrow.dataset as ds

__all__ = ["ReviewDecision", "ReviewSource", "Reviews", "read_reviews"]

NEEDED: Final = ("pair_key", "decision")
SHOWN: Final = 5  # lines of one kind; the counts hold all
UNDATED: Final = datetime.min.replace(tzinfo=UTC)

ReviewSource: TypeAlias = "str | Path | pa.Table | ds.Dataset | Iterable[pa.RecordBatch]"


class ReviewDecision(StrEnum):
    """What a reviewer says about a pair."""

    DUPLICATE = "duplicate"
    DISTINCT = "distinct"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Reviews:
    """The standing vote of every reviewer on every pair."""

    votes: Mapping[str, Mapping[str, ReviewDecision]] = field(default_factory=dict)
    """Pair key → reviewer → decision; withdrawn votes are absent."""
    problem_ids: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Pair key → the two ids as they were when it was last reviewed: a hint where to look, to be checked by content."""
    rows: int = 0
    invalid_rows: int = 0
    """Rows without a pair key or with a decision that is none of :class:`ReviewDecision`; they are ignored."""

    def decision(self, pair_key: str) -> ReviewDecision | None:
        """Return what all reviewers of the pair agree on; ``None`` when nobody reviewed it or they disagree."""
        decisions = set(self.votes.get(pair_key, {}).values())
        return decisions.pop() if len(decisions) == 1 else None

    @property
    def disputed(self) -> frozenset[str]:
        """The pairs whose reviewers disagree."""
        return frozenset(key for key, votes in self.votes.items() if len(set(votes.values())) > 1)

    def notes(self, known: Iterable[str]) -> dict[str, int]:
        """Count what a person should know, given the keys of the pairs that exist now; zeros are left out."""
        counts = {
            "reviews_disputed": len(self.disputed),
            "reviews_invalid": self.invalid_rows,
            "reviews_of_unknown_pairs": len(set(self.votes).difference(known)),
        }
        return {name: count for name, count in counts.items() if count}

    def warnings(self, known: Iterable[str]) -> list[str]:
        """Say, a line each, which reviews settle nothing, given the keys of the pairs that exist now."""
        lines = [
            f"reviewers disagree on pair {self._shown(key)}: "
            + ", ".join(f"{who or 'unnamed'} says {vote}" for who, vote in self.votes[key].items())
            + "; the pipeline decides until they agree"
            for key in sorted(self.disputed)[:SHOWN]
        ]
        unknown = sorted(set(self.votes).difference(known))
        lines += [
            f"reviewed pair {self._shown(key)} is none of these problems' pairs; it is left aside"
            for key in unknown[:SHOWN]
        ]
        if self.invalid_rows:
            words = ", ".join(ReviewDecision)
            lines.append(f"{self.invalid_rows} reviews have no pair_key or a decision that is none of {words}")
        return lines

    def _shown(self, key: str) -> str:
        ids = self.problem_ids.get(key)
        return f"`{key}`" + (f" ({' and '.join(ids)})" if ids else "")


def read_reviews(source: ReviewSource, words: type[StrEnum] = ReviewDecision) -> Reviews:
    """Read reviews from Parquet (a file or a folder), JSONL or CSV, or from rows at hand.

    Needed columns: ``pair_key`` and ``decision``; ``reviewer`` and ``reviewed_at`` where there are any. Among equal
    times the later row counts. ``words`` are the decisions there are.

    Raises
    ------
    InputError
        When the source does not exist, cannot be read or lacks a needed column.
    """
    rows = list(_rows(source))
    ordered = sorted(rows, key=lambda row: _time(row.get("reviewed_at")))  # stable: ties keep the order of the rows
    votes: dict[str, dict[str, ReviewDecision]] = {}
    problem_ids: dict[str, tuple[str, str]] = {}
    invalid = 0
    for row in ordered:
        key, decision = _text(row.get("pair_key")), _decision(row.get("decision"), words)
        if not key or decision is None:
            invalid += 1
            continue
        votes.setdefault(key, {})[_text(row.get("reviewer"))] = decision
        if row.get("left_id") and row.get("right_id"):
            problem_ids[key] = (_text(row["left_id"]), _text(row["right_id"]))
    return Reviews(_standing(votes), problem_ids, rows=len(rows), invalid_rows=invalid)


def _standing(votes: Mapping[str, Mapping[str, ReviewDecision]]) -> dict[str, dict[str, ReviewDecision]]:
    standing: dict[str, dict[str, ReviewDecision]] = {}
    for key, by_reviewer in sorted(votes.items()):
        kept: dict[str, ReviewDecision] = {
            who: vote for who, vote in sorted(by_reviewer.items()) if vote != ReviewDecision.WITHDRAWN
        }
        if kept:
            standing[key] = kept
    return standing


def _rows(source: ReviewSource) -> Iterator[dict[str, Any]]:
    if isinstance(source, str | Path):
        yield from _read_path(Path(source))
        return
    rows: Any = source
    for batch in rows.to_batches() if hasattr(rows, "to_batches") else rows:
        _require(batch.schema.names, "reviews")
        yield from batch.to_pylist()


def _read_path(path: Path) -> Iterator[dict[str, Any]]:
    """Read a file, or every file below a folder in the order of their names."""
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in _READERS) if path.is_dir() else [path]
    if not path.exists():
        message = f"reviews `{path}` do not exist; give a Parquet, JSONL or CSV file, or a folder of them"
        raise InputError(message)
    for file in files:
        try:
            yield from _READERS.get(file.suffix.lower(), _read_parquet)(file)
        except (pa.ArrowInvalid, OSError, ValueError, csv.Error) as error:
            message = f"reviews `{file}` cannot be read: {error}; give a Parquet, JSONL or CSV file"
            raise InputError(message) from error


def _read_csv(path: Path) -> Iterator[dict[str, Any]]:
    with open_csv(path) as reader:
        _require(reader.fieldnames or (), str(path))
        yield from reader


def _read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for line in filter(str.strip, lines):
            row = json.loads(line)
            if not isinstance(row, dict):
                message = f"a line holds {type(row).__name__}, not an object"
                raise ValueError(message)  # noqa: TRY004 - one handler names the file
            _require(row, str(path))
            yield row


def _read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    for batch in pq.ParquetFile(path).iter_batches():
        _require(batch.schema.names, str(path))
        yield from batch.to_pylist()


_READERS: Final[Mapping[str, Callable[[Path], Iterator[dict[str, Any]]]]] = {
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".parquet": _read_parquet,
}


def _require(columns: Iterable[str], source: str) -> None:
    present = list(columns)
    missing = [name for name in NEEDED if name not in present]
    if missing:
        message = f"{source}: no column {', '.join(missing)}; a review needs {', '.join(NEEDED)}, and it has {', '.join(present) or 'none'}"
        raise InputError(message)


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _decision(value: object, words: type[StrEnum]) -> Any:  # noqa: ANN401 - one of the words, or nothing
    word = _text(value).lower()
    return words(word) if word in set(words) else None


def _time(value: object) -> datetime:
    """Read a time; what is none sorts first, a time without a zone is UTC."""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(_text(value))
    except ValueError:
        return UNDATED
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
