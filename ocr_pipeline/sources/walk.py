"""Which files below a folder are raw files, and of which split: hub downloads and folders that people made.

Links are followed, once each; hidden files, such as a download's cache, are not raw files. What cannot be looked into
is an error: a folder that is passed over would be rows that nobody misses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Final

from ocr_pipeline.errors import InputError

__all__ = ["files_below", "is_of_split", "is_split_name", "looking_at", "require_listed", "require_whole"]

SPLIT_NAMES: Final = {
    "train": "train",
    "test": "test",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "prompt": "prompt",  # MBPP's ten rows for few-shot prompts
}
NUMBERED: Final = re.compile(r"(?P<stem>.*?)(?P<number>\d{5,6})-of-(?P<total>\d{5,6})")
SHOWN: Final = 3
SPLIT_IN_NAME: Final = re.compile(rf"(?:^|[-_./])({'|'.join(SPLIT_NAMES)})(?=[-_]?v?\d|[./])")


@contextmanager
def looking_at(path: Path) -> Iterator[None]:
    """Turn what the file system says about a path into one clear line."""
    try:
        yield
    except OSError as error:
        message = f"`{error.filename or path}` cannot be read: {error.strerror or error}; check its owner and its mode"
        raise InputError(message) from error


def files_below(root: Path) -> list[Path]:
    """Return the files below a folder, sorted.

    Raises
    ------
    InputError
        When a folder cannot be looked into.
    """
    with looking_at(root):
        return list(_walk(root, frozenset()))


def _walk(folder: Path, above: frozenset[tuple[int, int]]) -> Iterator[Path]:
    status = folder.stat()
    here = above | {(status.st_dev, status.st_ino)}
    if here == above:
        return  # a link to a folder that it is in
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _walk(path, here)
        elif path.is_file():
            yield path


def is_of_split(relative: PurePath, split: str) -> bool:
    """Say whether a file or folder belongs to a split, as far as the names on its way tell.

    Names of the hub: ``train-00000-of-00009.parquet``, ``all/train/0000.parquet``, ``test6.jsonl``.
    """
    match = SPLIT_IN_NAME.search(relative.as_posix())
    return match is None or SPLIT_NAMES[match[1]] == SPLIT_NAMES.get(split, split)


def is_split_name(word: str) -> bool:
    """Say whether a word is the name of a split."""
    return word in SPLIT_NAMES


def require_whole(files: Sequence[Path], *, least: int = 1) -> None:
    """Refuse files that are some of a numbered set: what a download that died leaves would be read as if it were all.

    Parameters
    ----------
    files
        Files of one split.
    least
        A set that fewer of the files belong to is what a person chose.

    Raises
    ------
    InputError
        When a set ``NNNNN-of-MMMMM`` has gaps, or a saved data set lacks files that its description names.
    """
    sets: dict[tuple[Path, str, int, str], set[int]] = {}
    for path in files:
        if match := NUMBERED.match(path.name):
            key = (path.parent, match["stem"], int(match["total"]), path.suffix)
            sets.setdefault(key, set()).add(int(match["number"]))
    for (folder, stem, total, suffix), numbers in sets.items():
        missing = [number for number in range(total) if number not in numbers]
        if missing and len(numbers) >= least:
            shown = ", ".join(f"{stem}{number:05}-of-{total:05}{suffix}" for number in missing[:SHOWN])
            more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
            message = (
                f"`{folder}` holds {len(numbers)} of {total} files: {shown}{more} are missing; fetch the data set again"
            )
            raise InputError(message)


def require_listed(files: Iterable[Path]) -> None:
    """Refuse a data set that ``save_to_disk`` wrote and that lacks files which its ``state.json`` names.

    Raises
    ------
    InputError
        When one is missing.
    """
    for path in files:
        if path.name == "state.json":
            missing = [name for name in _listed(path) if not (path.parent / name).is_file()]
            if missing:
                message = f"`{path}` names {missing[0]}, which is missing; copy the data set again"
                raise InputError(message)


def _listed(path: Path) -> list[str]:
    try:
        state = json.loads(path.read_bytes())
        return [file["filename"] for file in state["_data_files"]]
    except (ValueError, LookupError, TypeError):
        return []
