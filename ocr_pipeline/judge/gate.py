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
from tempfile import gettempdir

__all__ = ["Gate"]


class Gate:
    """The gate of this machine and user."""

    def __init__(self, folder: Path | None = None) -> None:
        base = Path(gettempdir()) if folder is None else folder
        self._door = _open(base / f"ocr-judge-door-{os.geteuid()}")
        self._room = _open(base / f"ocr-judge-room-{os.geteuid()}")

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
