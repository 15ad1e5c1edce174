"""Lets tests of many processes run side by side, and one alone when its time must be measured without neighbours.

Two locked files: everybody passes the door, briefly, and then shares the room; who wants to be alone keeps the door
shut while the room empties, so a stream of newcomers cannot starve it. The kernel drops the locks of a killed process.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ocr_pipeline.errors import JudgeError
from ocr_pipeline.judge.sandbox.building import cache_folder

__all__ = ["Gate"]


class Gate:
    """The gate of this machine and user."""

    def __init__(self, folder: Path | None = None) -> None:
        base = cache_folder() if folder is None else folder  # not a folder where others could put these files first
        try:
            self._door, self._room = (_open(base / f"{name}.lock") for name in ("door", "room"))
        except OSError as error:
            message = f"the judge cannot lock its files in `{base}`: {error}; set XDG_CACHE_HOME to a folder of yours"
            raise JudgeError(message) from error

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Run beside others."""
        fcntl.flock(self._door, fcntl.LOCK_EX)
        fcntl.flock(self._room, fcntl.LOCK_SH)
        fcntl.flock(self._door, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._room, fcntl.LOCK_UN)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until nobody runs, and keep everybody out."""
        fcntl.flock(self._door, fcntl.LOCK_EX)
        fcntl.flock(self._room, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._room, fcntl.LOCK_UN)
            fcntl.flock(self._door, fcntl.LOCK_UN)

    def close(self) -> None:
        """Leave."""
        for descriptor in (self._door, self._room):
            with suppress(OSError):
                os.close(descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
