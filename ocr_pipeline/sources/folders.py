"""Problems as folders or archives: what marks one, and how its files are read.

The module of a data set says which files a folder has and turns it into the rows that the tables of that data set
hold, so that one reader reads both. A file that is missing is a null column; what is in the files is judged there.
"""

from __future__ import annotations

import re
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from ocr_pipeline.errors import InputError
from ocr_pipeline.sources.reading import Row

__all__ = ["ARCHIVES", "LANGUAGES", "FolderForm", "Package", "file_text", "packages_in", "with_headers", "yaml_object"]

LANGUAGES: Final = {
    ".c": "c",
    ".cc": "cpp",
    ".cpp": "cpp",
    ".cs": "csharp",
    ".cxx": "cpp",
    ".go": "go",
    ".hs": "haskell",
    ".java": "java",
    ".js": "javascript",
    ".kt": "kotlin",
    ".py": "python",
    ".py2": "python2",
    ".py3": "python",
    ".rs": "rust",
}
ARCHIVES: Final = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
MOST_UNPACKED_BYTES: Final = 8 << 30
INCLUDE: Final = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)".*$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FolderForm:
    """One kind of folder: the file that marks it, and the rows that a folder becomes under a name."""

    marker: str
    rows: Callable[[Path, str], Iterator[Row]]


@dataclass(frozen=True, slots=True)
class Package:
    """A problem's folder, on disk or inside an archive."""

    path: Path
    inside: PurePosixPath | None = None
    """The folder inside the archive ``path``; ``None`` when ``path`` is the folder."""

    @property
    def name(self) -> str:
        """The name of the folder, or that of the archive when the problem is all that it holds."""
        if self.inside is None:
            return self.path.name
        return self.inside.name or self.path.name.removesuffix(_ending(self.path))

    @contextmanager
    def opened(self) -> Iterator[Path]:
        """Return the folder on disk; that of an archive is there until the block ends.

        Raises
        ------
        InputError
            When the archive cannot be unpacked.
        """
        if self.inside is None:
            yield self.path
            return
        with tempfile.TemporaryDirectory(prefix="ocr_pipeline_") as folder:
            _unpack(self.path, self.inside, Path(folder))
            yield Path(folder) / self.inside


def packages_in(archive: Path, marker: str) -> list[Package]:
    """Return the folders of an archive that hold a marker; none for a file that is not an archive."""
    try:
        names = map(PurePosixPath, _names(archive))
        return [Package(archive, name.parent) for name in sorted(names) if name.name == marker]
    except (zipfile.BadZipFile, tarfile.TarError, EOFError):
        return []


def _ending(path: Path) -> str:
    return next((ending for ending in ARCHIVES if path.name.lower().endswith(ending)), path.suffix)


def _names(archive: Path) -> list[str]:
    if archive.suffix.lower() == ".zip":
        with zipfile.ZipFile(archive) as file:
            return file.namelist()
    with tarfile.open(archive) as file:
        return file.getnames()


def _unpack(archive: Path, inside: PurePosixPath, folder: Path) -> None:
    """Unpack one folder of an archive; neither a path out of it nor a bomb gets through."""
    try:
        if archive.suffix.lower() == ".zip":
            with zipfile.ZipFile(archive) as file:
                entries = [entry for entry in file.infolist() if PurePosixPath(entry.filename).is_relative_to(inside)]
                _require_small(archive, sum(entry.file_size for entry in entries))
                file.extractall(folder, entries)  # noqa: S202 - the standard library strips ways out of the folder
        else:
            with tarfile.open(archive) as file:
                members = [member for member in file if PurePosixPath(member.name).is_relative_to(inside)]
                _require_small(archive, sum(member.size for member in members))
                file.extractall(folder, members, filter="data")
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, RuntimeError, NotImplementedError) as error:
        message = f"`{archive}` cannot be unpacked: {error}; pack it again as a plain zip"
        raise InputError(message) from error


def _require_small(archive: Path, size: int) -> None:
    if size > MOST_UNPACKED_BYTES:
        message = f"`{archive}` unpacks to {size:,} bytes, more than {MOST_UNPACKED_BYTES:,}; unpack it by hand"
        raise InputError(message)


def file_text(path: Path) -> str | None:
    """Return a file's text; what is not UTF-8 is replaced, so that the row can be judged."""
    return path.read_bytes().decode("utf-8-sig", "replace") if path.is_file() else None


def with_headers(path: Path, seen: set[Path] | None = None) -> str:
    """Return a source with the headers beside it in the place of their first inclusion."""
    included_before = set() if seen is None else seen
    included_before.add(path)

    def included(match: re.Match[str]) -> str:
        header = path.parent / match[1]
        if header in included_before:
            return ""
        is_beside = header.parent == path.parent and header.is_file()
        return with_headers(header, included_before) if is_beside else match[0]

    return INCLUDE.sub(included, file_text(path) or "")


def yaml_object(text: str | None) -> Mapping[str, object] | None:
    """Return what a YAML file sets, nothing for an empty or absent one, ``None`` for one that cannot be read."""
    import yaml  # type: ignore[import-untyped]

    try:
        value = yaml.safe_load(text or "")
    except (yaml.YAMLError, ValueError, LookupError, ArithmeticError, TypeError, AttributeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None if value else {}
