"""The manifest of a partition: what it holds and what it was built from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import StoreError
from ocr_pipeline.tables import SCHEMA_VERSION

__all__ = [
    "MANIFEST",
    "InputRef",
    "Manifest",
    "PartFile",
    "canonical_json",
    "fingerprint",
    "sha256_of",
    "sha256_of_file",
]

MANIFEST: Final = "_manifest.json"


def canonical_json(value: object) -> str:
    """Serialize so that equal values give equal text: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_of(text: str) -> str:
    """Hash a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_of_file(path: Path) -> str:
    """Hash a file on disk."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class PartFile:
    """One Parquet file of a partition."""

    name: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class InputRef:
    """A partition that another one was built from, or a slice of it, by its content."""

    table: str
    partition: dict[str, str]
    content_sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a partition holds and what it was built from; its presence means that the partition is whole."""

    table: str
    partition: dict[str, str]
    files: tuple[PartFile, ...]
    config: dict[str, Any]
    code_version: str
    inputs: tuple[InputRef, ...]
    counts: dict[str, Any] = field(default_factory=dict)
    model: str | None = None
    schema_version: int = SCHEMA_VERSION
    slices: dict[str, str] = field(default_factory=dict)
    """Hash of the rows of each value of the column by which the table is sliced."""

    @property
    def rows(self) -> int:
        """Rows of all part files."""
        return sum(file.rows for file in self.files)

    @property
    def bytes(self) -> int:
        """Bytes of all part files."""
        return sum(file.bytes for file in self.files)

    @property
    def content_sha256(self) -> str:
        """Hash of the content alone: a rebuild with the same bytes has the same one."""
        return sha256_of(canonical_json([self.schema_version, [file.sha256 for file in self.files]]))

    @property
    def fingerprint(self) -> str:
        """Hash of what it was built from: when it has not changed, building again would give the same."""
        return fingerprint(self.config, self.code_version, self.inputs)

    @property
    def stage_counts(self) -> StageCounts:
        """The account that the step gave."""
        return StageCounts(**self.counts)

    def to_json(self) -> str:
        """Serialize for ``_manifest.json``."""
        derived = {
            "rows": self.rows,
            "config_sha256": sha256_of(canonical_json(self.config)),
            "content_sha256": self.content_sha256,
            "fingerprint": self.fingerprint,
        }
        return json.dumps(asdict(self) | derived, sort_keys=True, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str) -> Manifest:
        """Parse ``_manifest.json``.

        Raises
        ------
        StoreError
            When the text is not a manifest.
        """
        try:
            raw = json.loads(text)
            known = {name: raw[name] for name in cls.__dataclass_fields__ if name in raw}
            known["files"] = tuple(PartFile(**file) for file in raw["files"])
            known["inputs"] = tuple(InputRef(**ref) for ref in raw["inputs"])
            return cls(**known)
        except (ValueError, KeyError, TypeError) as error:
            message = f"`{source}` is not a manifest ({error!r}); remove the partition and build it again"
            raise StoreError(message) from error


def fingerprint(config: Mapping[str, Any], code_version: str, inputs: Iterable[InputRef]) -> str:
    """Hash everything that affects the bytes of a partition."""
    references = sorted(canonical_json(asdict(ref)) for ref in inputs)
    return sha256_of(canonical_json([SCHEMA_VERSION, dict(config), code_version, references]))
