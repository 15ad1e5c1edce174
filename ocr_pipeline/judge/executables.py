"""Executables that a compiler made: what their header says, and the cache that keeps them."""

from __future__ import annotations

import hashlib
import os
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ocr_pipeline.judge.sandbox import building, memory_file
from ocr_pipeline.store import atomic_write

__all__ = ["ELF_HEADER", "ELF_SEGMENT", "ProgramCache", "StaticImage", "contents", "static_image"]

CACHE_BYTES: Final = 2 << 30
DIGEST_BYTES: Final = 32
ELF_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
ELF_SEGMENT: Final = struct.Struct("<IIQQQQQQ")
EXECUTABLE, LOADED, DYNAMIC, INTERPRETER = 2, 1, 2, 3


@dataclass(frozen=True, slots=True)
class StaticImage:
    """What the header of an executable says."""

    is_plain: bool
    """It is loaded by the kernel alone: nothing runs before its entry point, which is the fork server's."""
    memory_bytes: int


def static_image(content: bytes) -> StaticImage:
    """Read the header of an executable; a source can make its compiler write anything."""
    try:
        magic, kind, _, _, _, start, _, _, _, size, count, *_ = ELF_HEADER.unpack_from(content)
        if magic[:6] != b"\x7fELF\x02\x01" or size != ELF_SEGMENT.size:
            return StaticImage(is_plain=False, memory_bytes=0)
        segments = [ELF_SEGMENT.unpack_from(content, start + size * number) for number in range(count)]
    except (struct.error, OverflowError):  # a table that is beyond the file, or beyond any file
        return StaticImage(is_plain=False, memory_bytes=0)
    foreign = any(segment[0] in {DYNAMIC, INTERPRETER} for segment in segments)
    return StaticImage(kind == EXECUTABLE and not foreign, sum(each[6] for each in segments if each[0] == LOADED))


@dataclass(frozen=True, slots=True)
class ProgramCache:
    """Executables by the hash of their source, oldest removed first when they exceed two gibibytes."""

    folder: Path = field(default_factory=lambda: building.cache_folder() / "programs")

    def get(self, key: str) -> int | None:
        """Return a sealed copy of the executable."""
        path = self.folder / key
        with suppress(OSError):
            os.utime(path)
            content = path.read_bytes()
            if content[:DIGEST_BYTES] == _digest(memoryview(content)[DIGEST_BYTES:]):
                return memory_file(memoryview(content)[DIGEST_BYTES:], name="program")
            path.unlink()  # cut short, by a full disk or a crash
        return None

    def put(self, key: str, program: int) -> None:
        """Keep an executable; a full disk only costs the cache."""
        with suppress(OSError):
            self.folder.mkdir(exist_ok=True, mode=0o700)
            with atomic_write(self.folder / key) as file:
                content = contents(program)
                file.write(_digest(content) + content)
            self._shrink()

    def _shrink(self) -> None:
        entries = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in self.folder.iterdir())
        total = sum(size for _, size, _ in entries)
        for _, size, path in entries:
            if total <= CACHE_BYTES:
                return
            path.unlink(missing_ok=True)
            total -= size


def contents(descriptor: int) -> bytes:
    """Return all that a descriptor holds."""
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def _digest(content: bytes | memoryview) -> bytes:
    return hashlib.sha256(content).digest()
