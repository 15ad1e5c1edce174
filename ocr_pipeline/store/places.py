"""Where a partition is written: a local folder that is exchanged as a whole, or objects that the manifest names last."""

from __future__ import annotations

import ctypes
import os
import shutil
import uuid
from pathlib import Path
from typing import IO, Final, Protocol

import pyarrow as pa
import pyarrow.fs as pafs

from ocr_pipeline.errors import StoreError
from ocr_pipeline.store.atomic import sync
from ocr_pipeline.store.manifest import MANIFEST, Manifest

__all__ = ["LocalPlace", "ObjectPlace", "Place", "held_files"]

AT_FDCWD: Final = -100
RENAME_EXCHANGE: Final = 2


class Place(Protocol):
    """Takes the part files of one partition and publishes them with their manifest, or discards them."""

    def part_name(self, number: int) -> str:
        """Return the name of a part file."""

    def open(self, name: str) -> IO[bytes] | pa.NativeFile:
        """Open a part file for writing."""

    def publish(self, manifest: Manifest) -> None:
        """Replace the partition by the files that the manifest names."""

    def discard(self) -> None:
        """Remove what was written and not published."""


class LocalPlace:
    """A staging folder that is exchanged with the partition's."""

    def __init__(self, target: Path, staging: Path) -> None:
        self._target = target
        self._folder = staging / f"{os.getpid()}-{uuid.uuid4().hex}"
        shutil.rmtree(staging, ignore_errors=True)  # what a killed writer left; the lock says that nobody else is here
        self._folder.mkdir(parents=True)

    def part_name(self, number: int) -> str:
        """Return the name of a part file."""
        return f"part-{number:05d}.parquet"

    def open(self, name: str) -> IO[bytes]:
        """Open a file in the staging folder."""
        return (self._folder / name).open("wb")

    def publish(self, manifest: Manifest) -> None:
        """Exchange the staging folder with the partition's, once all of it is on the disk."""
        for file in manifest.files:
            sync(self._folder / file.name)
        (self._folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
        sync(self._folder / MANIFEST)
        self._target.parent.mkdir(parents=True, exist_ok=True)
        _replace_folder(self._folder, self._target)
        self.discard()

    def discard(self) -> None:
        """Remove the staging folder, and in it what the exchange left."""
        shutil.rmtree(self._folder.parent, ignore_errors=True)


class ObjectPlace:
    """Objects with names of their own, made valid by the manifest that is put last."""

    def __init__(self, filesystem: pafs.FileSystem, target: str) -> None:
        self._filesystem = filesystem
        self._target = target
        self._token = uuid.uuid4().hex[:12]
        self._written: list[str] = []
        filesystem.create_dir(target, recursive=True)

    def part_name(self, number: int) -> str:
        """Give each writer's part files names of their own."""
        return f"part-{number:05d}-{self._token}.parquet"

    def open(self, name: str) -> pa.NativeFile:
        """Open an object."""
        self._written.append(name)
        return self._filesystem.open_output_stream(f"{self._target}/{name}")

    def publish(self, manifest: Manifest) -> None:
        """Put the manifest, then delete what it does not name."""
        with self._filesystem.open_output_stream(f"{self._target}/{MANIFEST}") as sink:
            sink.write(manifest.to_json().encode())
        kept = {file.name for file in manifest.files} | {MANIFEST}
        for info in self._filesystem.get_file_info(pafs.FileSelector(self._target)):
            if info.base_name not in kept:
                self._filesystem.delete_file(info.path)

    def discard(self) -> None:
        """Delete the objects of this writer."""
        for name in self._written:
            self._filesystem.delete_file(f"{self._target}/{name}")


def _replace_folder(new: Path, target: Path) -> None:
    """Put ``new`` in the place of ``target``; the old content ends up under the name of ``new``."""
    if not target.exists():
        new.rename(target)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    exchange = getattr(libc, "renameat2", None)
    if exchange and exchange(AT_FDCWD, os.fsencode(new), AT_FDCWD, os.fsencode(target), RENAME_EXCHANGE) == 0:
        return
    # A file system without exchange: a reader may find no partition, never half of one.
    aside = new.with_name(f"{new.name}.old")
    target.rename(aside)
    new.rename(target)


def held_files(folder: Path) -> list[pa.NativeFile]:
    """Open every part file of one version: a partition that is replaced during a scan is still read as it was.

    Raises
    ------
    StoreError
        When the manifest names a file that is not there.
    """
    while True:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        held = Path(f"/dev/fd/{handle}")  # this very folder, even when another one takes over its name
        try:
            manifest = Manifest.from_json((held / MANIFEST).read_text(encoding="utf-8"), str(folder / MANIFEST))
            return [pa.OSFile(str(held / file.name)) for file in manifest.files]
        except FileNotFoundError as error:
            if folder.exists() and folder.stat().st_ino == os.fstat(handle).st_ino:
                message = f"partition `{folder}` is damaged: {error}; remove it and build it again"
                raise StoreError(message) from error
        finally:
            os.close(handle)
