"""Files that appear under their name only when they are whole: a temporary name, the disk, then the rename."""

from __future__ import annotations

import fcntl
import glob
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

__all__ = ["atomic_write", "sync"]


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that replaces ``path`` when the block ends well, and is gone when it does not.

    Several processes may write the same path: each has a file of its own, and the last one to finish wins. What a
    killed writer left behind is removed by the next one. Missing folders are created.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    with temporary.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # gone with the process: a file without its lock is abandoned
        lock = os.dup(file.fileno())  # holds the lock until the file has its name, even if the block closes the file
        try:
            yield file
            file.close()
            sync(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
            os.close(lock)


def sync(path: Path) -> None:
    """Wait until a file is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _remove_abandoned(path: Path) -> None:
    """Remove the temporary files of writers that were killed before they could."""
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with suppress(OSError), temporary.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            temporary.unlink()
