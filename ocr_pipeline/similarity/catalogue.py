"""The problems of a comparison, held in memory by content: what is compared, and what chooses between equals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import pyarrow as pa

from ocr_pipeline.errors import InputError
from ocr_pipeline.similarity.origin import read_origins
from ocr_pipeline.similarity.text import is_placeholder, key_of_normal, normalise

__all__ = ["COLUMNS", "Catalogue", "Entry", "read_catalogue", "text_key"]

SHOWN_IDS: Final = 3
LONGEST_PLACEHOLDER: Final = 2_000  # characters with mark-up
DEFAULTS: Final[Mapping[str, Any]] = {
    "title": None,
    "license": "",
    "has_image": False,
    "n_tests": 0,
    "n_solutions": 0,
    "native_id": None,
    "site": None,
    "url": None,
    "io_mode": "",
    "checker": "",
    "float_tolerance": None,
    "time_limit_s": None,
    "memory_limit_mib": None,
    "tags": (),
    "contest_date": None,
}
COLUMNS: Final = ("problem_id", "statement", *DEFAULTS)
"""Columns of problems that a catalogue reads."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One problem."""

    problem_id: str
    statement: str
    content: str
    """Content key of the statement."""
    normal: str
    """The statement in normal form: what is encoded and compared."""
    title: str | None
    license: str
    has_image: bool
    n_tests: int
    n_solutions: int
    native_id: str | None = None
    site: str | None = None
    url: str | None = None
    io_mode: str = ""
    checker: str = ""
    float_tolerance: float | None = None
    time_limit_s: float | None = None
    memory_limit_mib: float | None = None
    tags: Sequence[str] = ()
    contest_date: date | None = None

    @property
    def origins(self) -> frozenset[str]:
        """Where it was published, in canonical form."""
        return read_origins(site=self.site, url=self.url, native_id=self.native_id, title=self.title)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Problems by id, and the statements to be compared, one per content."""

    entries: Mapping[str, Entry]
    contents: Mapping[str, Sequence[str]]
    """Content key → problem ids, sorted; sorted by key. Statements that say nothing are left out. Deduplication splits
    a content whose problems contradict each other, and adds the silent ones; see :func:`text_key`."""
    silent_ids: Sequence[str]
    """Problems whose statement says nothing: no word, no number, or a placeholder. Their texts are compared with none."""
    silent: frozenset[str] = frozenset()
    """Contents whose texts are compared with none."""

    def text(self, content: str) -> str:
        """Return the normal form of a content: what is encoded."""
        return self.entries[self.contents[content][0]].normal

    def statement(self, content: str) -> str:
        """Return the statement of a content, as its first problem has it."""
        return self.entries[self.contents[content][0]].statement

    def origins(self, content: str) -> frozenset[str]:
        """Return where the problems with a content were published."""
        return frozenset[str]().union(*(self.entries[one].origins for one in self.contents[content]))


def text_key(content: str) -> str:
    """Return the content key of a part of a split content: ``<key>/1`` has the text of ``<key>``."""
    return content.partition("/")[0]


def read_catalogue(batches: Iterable[pa.RecordBatch]) -> Catalogue:
    """Read problems; needed are ``problem_id`` and ``statement``.

    Raises
    ------
    InputError
        When an id is repeated or missing.
    """
    normals: dict[str, str] = {}
    entries = [entry for batch in batches for entry in _entries(batch, normals)]
    by_id = {entry.problem_id: entry for entry in sorted(entries, key=lambda entry: entry.problem_id)}
    if len(by_id) != len(entries):
        _reject_repeated(entries)
    contents: dict[str, list[str]] = {}
    silent = []
    for problem_id, entry in by_id.items():
        if len(entry.statement) <= LONGEST_PLACEHOLDER and is_placeholder(entry.normal):
            silent.append(problem_id)
        else:
            contents.setdefault(entry.content, []).append(problem_id)
    return Catalogue(by_id, dict(sorted(contents.items())), silent)


def _entries(batch: pa.RecordBatch, normals: dict[str, str]) -> Iterable[Entry]:
    """Yield the problems; equal normal forms are one string."""
    rows = {
        name: batch.column(name).to_pylist() if name in batch.schema.names else [default] * batch.num_rows
        for name, default in DEFAULTS.items()
    }
    for name in ("problem_id", "statement"):
        if name not in batch.schema.names:
            message = f"the problems have no column `{name}`; they have {', '.join(batch.schema.names)}"
            raise InputError(message)
    for problem_id, statement, *values in zip(
        batch.column("problem_id").to_pylist(), batch.column("statement").to_pylist(), *rows.values(), strict=True
    ):
        if problem_id is None:
            message = "a problem has no problem_id; give every problem one"
            raise InputError(message)
        given = {
            name: default if value is None else value
            for (name, default), value in zip(DEFAULTS.items(), values, strict=True)
        }
        text = statement or ""
        normal = normalise(text)
        content = key_of_normal(normal)
        normal = normals.setdefault(content, normal)
        yield Entry(problem_id=str(problem_id), statement=text, content=content, normal=normal, **given)


def _reject_repeated(entries: Sequence[Entry]) -> None:
    seen: set[str] = set()
    repeated = sorted({entry.problem_id for entry in entries if entry.problem_id in seen or seen.add(entry.problem_id)})  # type: ignore[func-returns-value]
    shown = ", ".join(f"`{problem_id}`" for problem_id in repeated[:SHOWN_IDS])
    more = f" and {len(repeated) - SHOWN_IDS} more" if len(repeated) > SHOWN_IDS else ""
    message = f"{len(repeated)} problem ids are repeated: {shown}{more}; give every problem an id of its own"
    raise InputError(message)
