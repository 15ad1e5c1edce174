"""Where a partition is written: a local folder that is exchanged as a whole, or objects that the manifest names last."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, Protocol

import pyarrow as pa
import pyarrow.fs as pafs

from ocr_pipeline.errors import OvertakenError, StoreError
from ocr_pipeline.store.atomic import sync
from ocr_pipeline.store.manifest import MANIFEST, Manifest
from ocr_pipeline.store.objects import Found, Objects

__all__ = ["REPLACED", "LocalPlace", "ObjectPlace", "Place", "held_files", "named_files"]

AT_FDCWD: Final = -100
RENAME_EXCHANGE: Final = 2
REPLACED: Final = "_replaced-"


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
        self._replaced = _text_of(target / MANIFEST)

    def part_name(self, number: int) -> str:
        """Return the name of a part file."""
        return f"part-{number:05d}.parquet"

    def open(self, name: str) -> IO[bytes]:
        """Open a file in the staging folder."""
        return (self._folder / name).open("wb")

    def publish(self, manifest: Manifest) -> None:
        """Exchange the staging folder with the partition's, once all of it is on the disk.

        Raises
        ------
        OvertakenError
            When somebody has replaced the partition since, which the lock forbids to everybody on this machine.
        """
        for file in manifest.files:
            sync(self._folder / file.name)
        (self._folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
        sync(self._folder / MANIFEST)
        if _text_of(self._target / MANIFEST) != self._replaced:
            message = (
                f"`{self._target}` was replaced while this run wrote it, so its rows are not published: another machine does not "
                "see this one's locks; keep the root on storage with file locks or on s3://, and run again"
            )
            raise OvertakenError(message)
        self._target.parent.mkdir(parents=True, exist_ok=True)
        _replace_folder(self._folder, self._target)
        self.discard()

    def discard(self) -> None:
        """Remove the staging folder, and in it what the exchange left."""
        shutil.rmtree(self._folder.parent, ignore_errors=True)


class ObjectPlace:
    """Objects with names of their own, made valid by the manifest that is put last, and only if it replaces what it should.

    The parts that it replaces stay for the readers that have them open; a record of them stands beside, and a later writer
    deletes them when it is old enough. What no manifest ever named, since its writer was killed, is swept by a person.

    Parameters
    ----------
    objects, filesystem
        The storage: what puts on condition, and what streams.
    target
        The partition's path.
    writer
        Who writes, for the one who comes too late.
    grace_s
        How long replaced parts stay, in seconds.
    """

    def __init__(
        self, objects: Objects, filesystem: pafs.FileSystem, target: str, *, writer: Mapping[str, str], grace_s: float
    ) -> None:
        self._objects = objects
        self._filesystem = filesystem
        self._target = target
        self._writer = writer
        self._grace_s = grace_s
        self._token = uuid.uuid4().hex[:12]
        self._own: list[str] = []
        self._replaced = objects.get(f"{target}/{MANIFEST}")

    def part_name(self, number: int) -> str:
        """Give each writer's part files names of their own."""
        return f"part-{number:05d}-{self._token}.parquet"

    def open(self, name: str) -> pa.NativeFile:
        """Open an object."""
        self._own.append(name)
        return self._filesystem.open_output_stream(f"{self._target}/{name}")

    def publish(self, manifest: Manifest) -> None:
        """Put the manifest in the place of the one that was there at the start; what that named goes after the grace period.

        Raises
        ------
        OvertakenError
            When another writer has published since; says who.
        """
        self._require_own_parts(manifest)
        own, self._own = self._own, []  # a put without an answer may have published them: then nobody may delete them
        try:
            self._objects.put(
                f"{self._target}/{MANIFEST}",
                manifest.to_json().encode(),
                replaces=self._replaced,
                writer=self._writer,
            )
        except OvertakenError:
            self._own = own
            raise
        with suppress(StoreError):  # it is published; what could not be noted or deleted is left to a sweep
            self._note_replaced()
            self._delete_old({file.name for file in manifest.files})

    def _require_own_parts(self, manifest: Manifest) -> None:
        listed = self._objects.listed(self._target)
        for file in manifest.files:
            if file.name not in listed or listed[file.name].bytes != file.bytes:
                message = f"`{self._target}/{file.name}` is not as it was written; somebody else deletes in this storage: find out who, and run again"
                raise StoreError(message)

    def _note_replaced(self) -> None:
        names = named_files(self._replaced)
        if names:
            self._objects.put_plainly(
                f"{self._target}/{REPLACED}{self._token}.json", json.dumps(sorted(names)).encode()
            )

    def _delete_old(self, present: set[str]) -> None:
        """Delete what was replaced long enough ago, by the clock of the storage."""
        listed = self._objects.listed(self._target)
        now = listed[MANIFEST].modified
        for record, stored in listed.items():
            if record.startswith(REPLACED) and (now - stored.modified).total_seconds() >= self._grace_s:
                found = self._objects.get(f"{self._target}/{record}")
                names = set(json.loads(found.data)) if found else set()
                self._objects.delete([f"{self._target}/{name}" for name in sorted(names - present)])
                self._objects.delete([f"{self._target}/{record}"])

    def discard(self) -> None:
        """Delete the objects of this writer that were not published."""
        with suppress(StoreError):  # the error that led here is the one to tell
            self._objects.delete([f"{self._target}/{name}" for name in self._own])


def named_files(manifest: Found | None) -> set[str]:
    """Return the part files that a manifest names; none of one that is damaged."""
    if manifest is None:
        return set()
    try:
        return {file.name for file in Manifest.from_json(manifest.data.decode(), MANIFEST).files}
    except (StoreError, UnicodeDecodeError):
        return set()


def _text_of(path: Path) -> str | None:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None


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


def held_files(folder: Path) -> list[tuple[str, pa.NativeFile]]:
    """Open every part file of one version, each with its name: a partition that is replaced during a scan is still read as it was.

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
            return [(file.name, pa.OSFile(str(held / file.name))) for file in manifest.files]
        except FileNotFoundError as error:
            if folder.exists() and folder.stat().st_ino == os.fstat(handle).st_ino:
                message = f"partition `{folder}` is damaged: {error}; remove it and build it again"
                raise StoreError(message) from error
        finally:
            os.close(handle)
