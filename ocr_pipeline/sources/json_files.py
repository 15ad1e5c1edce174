"""JSON files as rows: an object per line, several on one, objects over several lines, a list, or a list in an object.

Also gzipped, and in UTF-16. A list is read item by item, so that memory holds one item and a block; an object that
holds all rows is read as a whole. A line or item that is not an object is data: it gets a reason. A file that cannot
be read to its end is an :class:`InputError`.
"""

from __future__ import annotations

import codecs
import gzip
import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path, PurePath
from typing import IO, Final

import orjson

from ocr_pipeline.sources.reading import Reading, Row
from ocr_pipeline.sources.rules import Reason, Rejection, RowDefect
from ocr_pipeline.sources.values import quoted
from ocr_pipeline.sources.walk import is_of_split, is_split_name
from ocr_pipeline.store import encoding_of

__all__ = ["JSON_FILES", "json_rows", "lines_of"]

LINES: Final = (".jsonl", ".ndjson")
LINES_OR_PACKED: Final = (*LINES, ".jsonl.gz", ".ndjson.gz")
JSON_FILES: Final = (*LINES_OR_PACKED, ".json", ".json.gz")
OPENING: Final = (b"[", b"{")
SEEN_BYTES: Final = 64
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


def json_rows(path: Path, wrapped_split: str | None = None) -> Iterator[Reading]:
    """Yield every row of a file; blank lines are none.

    Parameters
    ----------
    path
        The file.
    wrapped_split
        Take the rows of this split from inside the file's only object, such as ``{"data": […]}``.
    """
    items = _items if _is_document(path) else _lines
    with _open(path) as file:
        readings = (_row(part) for item in items(file) if item.strip() for part in _apart(item))
        if wrapped_split is None:
            yield from readings
            return
        first, second = next(readings, None), next(readings, None)
        if first is not None and second is None and first.rejection is None:
            yield from map(first.inside, _inner_rows(first.row, wrapped_split))


def _inner_rows(row: Row, split: str) -> Iterator[Row]:
    """Yield the rows inside an object: a list of them, one by name, or columns side by side as pandas writes them."""
    splits = {key: value for key, value in row.items() if is_split_name(key)}
    chosen = {key: value for key, value in splits.items() if is_of_split(PurePath(f"{key}.json"), split)}
    for value in (chosen or row).values():
        if isinstance(value, list):
            yield from (_unpacked(item) for item in value if isinstance(item, dict))
    if row and all(isinstance(value, dict) for value in row.values()):
        yield from (value for value in row.values() if isinstance(value, dict))
        yield from _across([value for value in row.values() if isinstance(value, dict)], list(row))


def _across(columns: Sequence[Mapping[str, object]], names: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of columns that have their values by row."""
    if all(column.keys() == columns[0].keys() for column in columns):
        for key in columns[0]:
            yield {name: column[key] for name, column in zip(names, columns, strict=True)}


def _unpacked(item: Row) -> Row:
    """Return a row that a data server put into a record of its own, beside the row's number."""
    row = item.get("row")
    return row if isinstance(row, dict) and "row_idx" in item else item


def _open(path: Path) -> IO[bytes]:
    """Open a file as UTF-8, whatever it is."""
    with _packed(path) as file:
        encoding = encoding_of(file.read(SEEN_BYTES))
    if not encoding.startswith("utf-16"):
        return _packed(path)
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    with _packed(path) as file:
        text = codecs.getreader(encoding)(file, "replace")
        while chunk := text.read(CHUNK_BYTES):
            copy.write(chunk.encode("utf-8", "replace"))
    copy.seek(0)
    return copy


def _packed(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _is_document(path: Path) -> bool:
    """Say whether a file is one list, or objects over several lines, instead of an object per line."""
    with _open(path) as file:
        lines = (line.strip() for line in _lines(file))
        first, second = islice(chain(filter(None, lines), (b"", b"")), 2)
    if path.name.endswith(LINES_OR_PACKED):
        return first in OPENING and second != b"" and not _is_object(second)
    return first.startswith(b"[") or first == b"{" or (first.startswith(b"{") and not first.endswith(b"}"))


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _apart(item: bytes) -> Iterator[bytes]:
    """Yield the objects of a line that holds several; any other line is one item."""
    if b"}{" not in item.replace(b" ", b"").replace(b",", b""):
        yield item
        return
    parts, rest = list[str](), item.decode("utf-8", "surrogateescape").strip()
    while rest and (end := _end_of_item(rest)):
        parts.append(rest[:end])
        rest = rest[end:].lstrip(" \t\r\n,")
    if rest or len(parts) == 1:
        yield item
    else:
        yield from (part.encode("utf-8", "surrogateescape") for part in parts)


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


def _row(item: bytes) -> Reading:
    row = Reading({})
    try:
        value = orjson.loads(item)
        exact = isinstance(value, dict) and any(isinstance(part, dict | list) for part in value.values())
        if exact and LONG_NUMBER.search(item):
            value = row.exact_json(item.decode(), "the row")  # the fast parser rounds long integers
    except orjson.JSONDecodeError:
        text = str(row.decoded(item))
        try:
            value = row.exact_json(text, "the row")
        except RowDefect as defect:
            return Reading({"line": text}, Rejection(Reason.UNREADABLE_ROW, defect.rejection.detail))
    if isinstance(value, dict):
        return row.inside(value)
    detail = f"the row is a JSON {type(value).__name__}, not an object: {quoted(value)}"
    return Reading({"line": value}, Rejection(Reason.UNREADABLE_ROW, detail))
