"""Files as people keep them: packed or not, in UTF-8, UTF-16 or UTF-32, under names in small letters or capitals."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa

from ocr_pipeline.store import encoding_of

__all__ = ["bare_name", "open_packed", "open_text"]

SEEN_BYTES: Final = 64
CHUNK_BYTES: Final = 1 << 20
PACKED: Final = (".gz", ".bz2", ".xz", ".zst")
UTF_32: Final = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


def bare_name(path: Path) -> str:
    """Return a file's name in small letters, without the ending that says how it is packed."""
    name = path.name.lower()
    return next((name.removesuffix(ending) for ending in PACKED if name.endswith(ending)), name)


def open_packed(path: Path) -> IO[bytes]:
    """Open what a file holds; how it is packed is seen from its first bytes, whatever its name says.

    Raises
    ------
    OSError, EOFError, zlib.error, lzma.LZMAError
        When it cannot be read, also later.
    """
    with path.open("rb") as file:
        start = file.read(SEEN_BYTES)
    opened: IO[bytes] = next((unpack for magic, unpack in UNPACKING if magic.match(start)), _as_it_is)(path)
    return opened


def open_text(path: Path) -> IO[bytes]:
    """Open a text as UTF-8, whatever it is packed and written in; bytes that are not UTF-8 stay as they are."""
    with open_packed(path) as file:
        start = file.read(SEEN_BYTES)
    encoding = "utf-32" if start.startswith(UTF_32) else encoding_of(start)
    if not encoding.startswith(("utf-16", "utf-32")):
        return open_packed(path)
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    with open_packed(path) as file:
        text = codecs.getreader(encoding)(file, "replace")
        while chunk := text.read(CHUNK_BYTES):
            copy.write(chunk.encode("utf-8", "replace"))
    copy.seek(0)
    return copy


def _as_it_is(path: Path) -> IO[bytes]:
    return path.open("rb")


def _unpack_zstd(path: Path) -> IO[bytes]:
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    with pa.input_stream(str(path), compression="zstd") as packed:
        shutil.copyfileobj(packed, copy, CHUNK_BYTES)
    copy.seek(0)
    return copy


UNPACKING: Final[tuple[tuple[re.Pattern[bytes], Callable[[Path], Any]], ...]] = (
    (re.compile(rb"\x1f\x8b\x08"), gzip.open),
    (re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"), bz2.open),
    (re.compile(rb"\xfd7zXZ\x00"), lzma.open),
    (re.compile(rb"\x28\xb5\x2f\xfd"), _unpack_zstd),
)
