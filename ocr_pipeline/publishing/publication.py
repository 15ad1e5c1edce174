"""What of a release is published: its files with the card that a hub reads, its rows by licence, and what is withheld."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ocr_pipeline.errors import InputError, StoreError
from ocr_pipeline.exports.statements import WITHHELD, Statements
from ocr_pipeline.samples.options import TextPolicy
from ocr_pipeline.sources.parts import first_line
from ocr_pipeline.store import sha256_of_file

__all__ = ["Publication", "read_release"]

SUMS: Final = "SHA256SUMS"
CARD: Final = "README.md"
FENCE: Final = "---\n"
COLUMNS: Final = ("input", "license", "dataset", "problem_id", "language")
KNOWN_LICENCES: Final = frozenset(
    {"apache-2.0", "bsd-3-clause", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0"}
    | {"cc0-1.0", "gpl-3.0", "mit", "odc-by", "unlicense"}
)
"""Licences that the hub knows by the names that we use; any other is ``other`` there."""
OTHER_LICENCE: Final = "other"


@dataclass(frozen=True, slots=True)
class Publication:
    """One release as it is handed on."""

    folder: Path
    revision: str
    """Its name, which is the tag."""
    rows: Counter[str]
    """By language."""
    licences: Counter[str]
    """Rows by licence of the problem."""
    withheld: int
    """Rows whose statement is left out because of its licence."""
    made: dict[str, bytes]
    """Files that are written anew: the card, which names the licences, and the checksums."""

    @property
    def files(self) -> dict[str, Path | bytes]:
        """Every file by its path in the repository: where it is, or what it holds."""
        kept = (path for path in self.folder.rglob("*") if path.is_file())
        found: dict[str, Path | bytes] = {path.relative_to(self.folder).as_posix(): path for path in kept}
        return dict(sorted((found | self.made).items()))

    def lines(self) -> Iterator[str]:
        """Describe it for a person."""
        for name, content in self.files.items():
            size = len(content) if isinstance(content, bytes) else content.stat().st_size
            yield f"  {size:14,} bytes  {name}"
        yield f"configurations: {_counted(self.rows)}"
        yield f"licences: {_counted(Counter({name.replace(', ', ' + '): count for name, count in self.licences.items()}))}"
        yield f"withheld: the statements of {self.withheld:,} of {self.rows.total():,} rows, which their licence forbids to copy"


def read_release(folder: Path, redistributable: Iterable[str] | None = None) -> Publication:
    """Read a release and make sure that it may be handed on.

    Parameters
    ----------
    redistributable
        Data sets whose statements may be handed on; ``None``: those whose licences allow it.

    Raises
    ------
    InputError
        When it is not a release, or holds statements that may not be handed on.
    StoreError
        When a file is not what its checksum says, or not what a release holds.
    """
    if not (folder / SUMS).is_file():
        message = f"`{folder}` is not a release; write one with `ocr-pipeline release NAME`"
        raise InputError(message)
    sums = _checked(folder)
    statements = Statements(TextPolicy.PLACEHOLDER, redistributable)
    rows, licences, forbidden = Counter[str](), Counter[str](), Counter[str]()
    withheld = 0
    for path in sorted(folder.glob("data/*.parquet")):
        for row in _rows(path):
            rows[row["language"]] += 1
            licences[row["license"] or ""] += 1
            withheld += row["input"] == WITHHELD
            if row["input"] != WITHHELD and not statements.may_be_handed_on(row):
                forbidden[statements.dataset_of(row)] += 1
    if forbidden:
        held = ", ".join(f"{dataset} in {count:,} rows" for dataset, count in sorted(forbidden.items()))
        message = (
            f"`{folder}` holds statements that may not be handed on: {held}; "
            "release a selection with text_policy placeholder, or name a data set that you may hand on with --redistributable"
        )
        raise InputError(message)
    card = _with_licences(_text(folder / CARD), licences).encode()
    sums[CARD] = hashlib.sha256(card).hexdigest()
    made = {CARD: card, SUMS: "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())).encode()}
    return Publication(folder, folder.resolve().name, rows, licences, withheld, made)


def _checked(folder: Path) -> dict[str, str]:
    """Return the checksums of a release by file, after every file was compared with its own."""
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in _text(folder / SUMS).splitlines())}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {SUMS}
    there.add(CARD)  # no release is without one
    wrong = sorted(there ^ sums.keys()) or [
        name for name in sorted(sums) if sha256_of_file(folder / name) != sums[name]
    ]
    if wrong:
        message = f"`{folder / wrong[0]}` is not what {SUMS} says; a release never changes, so write it again under another name"
        raise StoreError(message)
    return sums


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Give the rows of a file of data, whose checksum says nothing about what wrote it."""
    try:
        file = pq.ParquetFile(path)
        types = {field.name: field.type for field in file.schema_arrow}
        wrong = [name for name in COLUMNS if types.get(name) not in {pa.string(), pa.large_string()}]
        if wrong:
            message = f"`{path}` does not hold the rows of a release: it has no text in `{wrong[0]}`"
            raise StoreError(message)
        for batch in file.iter_batches(columns=list(COLUMNS)):
            if batch["language"].null_count:
                message = f"`{path}` holds a row without a language"
                raise StoreError(message)
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        message = f"`{path}` cannot be read as Parquet: {first_line(error)}"
        raise StoreError(message) from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        message = f"`{path}` is not UTF-8 text"
        raise StoreError(message) from None


def _with_licences(card: str, licences: Iterable[str]) -> str:
    """Name the licences at the head of a card, where a hub looks for them."""
    named = {name for text in licences for name in text.split(", ")}
    known = sorted({name if name in KNOWN_LICENCES else OTHER_LICENCE for name in named})
    lines = "".join(f"- {name}\n" for name in known)
    return card.replace(FENCE, f"{FENCE}license:\n{lines}", 1)


def _counted(rows: Counter[str]) -> str:
    return ", ".join(f"{name or 'none named'} ({count:,} rows)" for name, count in sorted(rows.items()))
