"""JSON files as rows: an object per line, several on one, objects over several lines, a list, or rows in an object.

Packed or not, in any Unicode encoding. A list is read item by item, so that memory holds one item and a block; an
object that holds all rows is read as a whole. A line or item that is not an object is data: it gets a reason. A file
that cannot be read to its end is an :class:`InputError`.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path, PurePath
from typing import IO, Final

import orjson

from ocr_pipeline.sources.opening import bare_name, open_packed, open_text
from ocr_pipeline.sources.reading import Reading, Row
from ocr_pipeline.sources.rules import Reason, Rejection, RowDefect
from ocr_pipeline.sources.values import NAN, quoted
from ocr_pipeline.sources.walk import is_of_split, is_split_name

__all__ = ["JSON_FILES", "json_rows", "lines_of", "wrapped_rows"]

LINES: Final = (".jsonl", ".ndjson")
JSON_FILES: Final = (*LINES, ".json")
OPENING: Final = (b"[", b"{")
CHUNK_BYTES: Final = 1 << 20
MOST_WRAPPERS: Final = 5
TRIED_ROWS: Final = 20
BETWEEN_ITEMS: Final = re.compile(r"[\s,]*")
BETWEEN_OBJECTS: Final = b" \t\r,\x1e"  # a line may hold several objects; a record separator comes before each
LONG_NUMBER: Final = re.compile(rb"[0-9]{19}")
# Only where an item ends matters here; what it holds is read afterwards.
ITEMS: Final = json.JSONDecoder(strict=False, parse_int=str, parse_float=str)


def lines_of(path: Path) -> int | None:
    """Return the number of lines; ``None`` where it is not cheap to know or says nothing about rows."""
    if not path.name.lower().endswith(LINES):
        return None
    with open_packed(path) as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(CHUNK_BYTES), b""))


def json_rows(path: Path) -> Iterator[Reading]:
    """Yield every row of a file; blank lines are none."""
    items = _items if _is_document(path) else _lines
    with open_text(path) as file:
        yield from (_row(part) for item in items(file) if item.strip() for part in _apart(item))


def wrapped_rows(path: Path, split: str, required: frozenset[str], id_column: str = "") -> Iterator[Reading]:
    """Yield the rows inside a file's only object; none where it holds no rows that have the columns.

    Rows are a list of objects, however deep, objects by their ids, columns side by side, or what pandas and data
    servers make of them. The first such collection whose rows have the columns is taken, no other.

    Parameters
    ----------
    path
        The file.
    split
        Where the object has a part per split, which one to take.
    required
        The columns that rows have.
    id_column
        Where the key goes under which a row stands, if the row does not have it.
    """
    readings = json_rows(path)
    first, second = next(readings, None), next(readings, None)
    if first is None or second is not None or first.rejection is not None:
        return
    for rows in _collections(first.row, split, MOST_WRAPPERS):
        if any(required <= row.keys() for _, row in rows[:TRIED_ROWS]):
            for key, row in rows:
                is_named_outside = key is not None and id_column and id_column not in row
                yield first.inside({**row, id_column: key} if is_named_outside else row)
            return


_Rows = list[tuple[str | None, Row]]
"""Rows, each with the key under which it stands, if there is one."""


def _collections(value: object, split: str, depth: int) -> Iterator[_Rows]:
    """Yield whatever may be the rows of a value, from the outside in."""
    if isinstance(value, list):
        yield [(None, _unpacked(item)) for item in value if isinstance(item, dict)]
        return
    if not isinstance(value, dict) or not value or depth == 0:
        return
    splits = {key: inner for key, inner in value.items() if is_split_name(key)}
    if splits:
        value = {key: inner for key, inner in splits.items() if is_of_split(PurePath(f"{key}.json"), split)}
    names, lines = value.get("columns"), value.get("data")
    if isinstance(names, list) and isinstance(lines, list) and all(isinstance(line, list) for line in lines):
        yield [(None, dict(zip(map(str, names), line, strict=False))) for line in lines]
    columns = list(value.values())
    if all(isinstance(column, list) for column in columns):
        yield [(None, dict(zip(value, cells, strict=True))) for cells in _across(columns)]
    if all(isinstance(column, dict) for column in columns):
        yield list(value.items())
        if all(column.keys() == columns[0].keys() for column in columns):
            yield [(None, {name: column[key] for name, column in value.items()}) for key in columns[0]]
    for inner in columns:
        yield from _collections(inner, split, depth - 1)


def _across(columns: list[list[object]]) -> Iterable[tuple[object, ...]]:
    """Return the cells of columns of one length row by row; nothing for others."""
    return zip(*columns, strict=True) if len({len(column) for column in columns}) == 1 else ()


def _unpacked(item: Row) -> Row:
    """Return a row that a data server put into a record of its own, beside the row's number."""
    row = item.get("row")
    return row if isinstance(row, dict) and "row_idx" in item else item


def _is_document(path: Path) -> bool:
    """Say whether a file is one list, or objects over several lines, instead of an object per line."""
    with open_text(path) as file:
        lines = (line.strip() for line in _lines(file))
        first, second = islice(chain(filter(None, lines), (b"", b"")), 2)
    if bare_name(path).endswith(LINES):
        return first in OPENING and second != b"" and not _is_object(second)
    return first.startswith(b"[") or first == b"{" or (first.startswith(b"{") and not first.endswith(b"}"))


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _apart(item: bytes) -> Iterator[bytes]:
    """Yield the objects of a line that holds several; any other line is one item."""
    if b"}{" not in item.translate(None, BETWEEN_OBJECTS):
        yield item.strip(BETWEEN_OBJECTS)
        return
    parts, rest = list[str](), item.decode("utf-8", "surrogateescape").strip(" \t\r\n,\x1e")
    while rest and (end := _end_of_item(rest)):
        parts.append(rest[:end])
        rest = rest[end:].lstrip(" \t\r\n,\x1e")
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
        return row.inside({name: None if cell is NAN else cell for name, cell in value.items()})
    detail = f"the row is a JSON {type(value).__name__}, not an object: {quoted(value)}"
    return Reading({"line": value}, Rejection(Reason.UNREADABLE_ROW, detail))
