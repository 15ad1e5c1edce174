"""JSON files as rows: one object per line, or one list of objects; also gzipped.

A list is read item by item, so that memory holds one item and a block. A line or item that is no object is data: it
gets a reason. A file that cannot be read to its end is an :class:`InputError`.
"""

from __future__ import annotations

import codecs
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import orjson

from ocr_pipeline.sources.model import RawRow
from ocr_pipeline.sources.rules import Reason, Rejection, Repair, RowDefect
from ocr_pipeline.sources.values import decoded, parse_exact_json, quoted

__all__ = ["JSON_FILES", "json_rows", "lines_of"]

LINES: Final = (".jsonl", ".ndjson")
JSON_FILES: Final = (*LINES, ".json", ".jsonl.gz", ".ndjson.gz", ".json.gz")
CHUNK_BYTES: Final = 1 << 20
BETWEEN_ITEMS: Final = re.compile(r"[\s,]*")
LONG_NUMBER: Final = re.compile(rb"[0-9]{19}")
# Only where an item ends matters here; what it holds is read afterwards.
ITEMS: Final = json.JSONDecoder(strict=False, parse_int=str, parse_float=str)


def lines_of(path: Path) -> int | None:
    """Return the number of lines; ``None`` where it is not cheap to know or says nothing about rows."""
    if not path.name.endswith(LINES):
        return None
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(CHUNK_BYTES), b""))


def json_rows(path: Path) -> Iterator[RawRow]:
    """Yield every row of a file; blank lines are none."""
    items = _items if _is_document(path) else _lines
    with _open(path) as file:
        for item in items(file):
            if item.strip():
                yield _row(item)


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _is_document(path: Path) -> bool:
    """Say whether a ``.json`` file is one list, or an object over several lines, instead of an object per line."""
    if not path.name.endswith((".json", ".json.gz")):
        return False
    with _open(path) as file:
        start = next((line.strip() for line in _lines(file) if line.strip()), b"")
    return start.startswith(b"[") or start == b"{"


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    mark = codecs.BOM_UTF8
    for line in file:
        yield line.removeprefix(mark)
        mark = b""


def _items(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the items of a list; what cannot be told apart any more is one item."""
    text = codecs.getreader("utf-8-sig")(file, "surrogateescape")
    rest, is_end = text.read(CHUNK_BYTES).lstrip().removeprefix("["), False
    while rest or not is_end:
        rest = rest[_skip(rest) :]
        end = _end_of_item(rest)
        if end and (is_end or end < len(rest)):
            yield rest[:end].encode("utf-8", "surrogateescape")
            rest = rest[end:]
        elif is_end:
            yield rest.strip().removesuffix("]").encode("utf-8", "surrogateescape")
            return
        else:
            more = text.read(max(CHUNK_BYTES, len(rest)))  # twice as much each time: a long item is tried a few times
            rest, is_end = rest + more, not more


def _skip(text: str) -> int:
    match = BETWEEN_ITEMS.match(text)
    return match.end() if match else 0


def _end_of_item(text: str) -> int:
    """Return where the first item ends; 0 when that is not to be seen."""
    try:
        return ITEMS.raw_decode(text)[1]
    except (ValueError, RecursionError):
        return 0


def _row(item: bytes) -> RawRow:
    repairs: set[Repair] = set()
    try:
        value = orjson.loads(item)
        exact = isinstance(value, dict) and any(isinstance(part, dict | list) for part in value.values())
        if exact and LONG_NUMBER.search(item):
            value = parse_exact_json(item.decode(), "the row", repairs)  # the fast parser rounds long integers
    except orjson.JSONDecodeError:
        text = str(decoded(item, repairs))
        try:
            value = parse_exact_json(text, "the row", repairs)
        except RowDefect as defect:
            return RawRow({"line": text}, Rejection(Reason.UNREADABLE_ROW, defect.rejection.detail))
    if isinstance(value, dict):
        return RawRow(value, repairs=frozenset(repairs))
    detail = f"the row is a JSON {type(value).__name__}, not an object: {quoted(value)}"
    return RawRow({"line": value}, Rejection(Reason.UNREADABLE_ROW, detail))
