"""Which files below a folder are raw files, and of which split: hub downloads and folders that people made.

Links are followed, once each; hidden files, such as a download's cache, are no raw files. What cannot be looked into
is an error: a folder that is passed over would be rows that nobody misses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Final

from ocr_pipeline.errors import InputError

__all__ = ["files_below", "is_of_split", "looking_at"]

SPLIT_NAMES: Final = {
    "train": "train",
    "test": "test",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "prompt": "prompt",  # MBPP's ten rows for few-shot prompts
}
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
        return  # a link to a folder that it stands in
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
