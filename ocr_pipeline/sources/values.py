"""Values of raw fields, parsed: JSON without losing integers of any length and with NaN kept apart, lists, dates, ids.

What ends a row raises :class:`RowDefect`; what only makes a value absent raises :class:`ValueError`, which
:class:`ocr_pipeline.sources.reading.Reading` turns into a note. What a field means is the reader's business.
"""

from __future__ import annotations

import ast
import json
import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final

import orjson

from ocr_pipeline.sources.rules import Reason, RowDefect
from ocr_pipeline.sources.text import without_surrogates

__all__ = [
    "NAN",
    "NOT_JSON",
    "HugeNumber",
    "Json",
    "clean_id",
    "day_of",
    "exact_json",
    "fast_json",
    "field_text",
    "holds_nan",
    "is_file_name",
    "json_text",
    "listed",
    "one_line",
    "quoted",
    "require_text",
    "truth",
    "whole_number",
]

Json = object
"""Whatever JSON can hold: dict, list, str, int, float, bool, None, and :class:`HugeNumber`."""

EXACT_DIGITS: Final = 18  # any integer this long fits in 64 bits, which orjson writes
QUOTED_CHARACTERS: Final = 120
ID_CHARACTERS: Final = 200
NUMBER_TEXT: Final = re.compile(r"[-+]?[0-9]{1,15}(?:\.[0-9]{1,15})?", re.ASCII)
GROUPED_TEXT: Final = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+", re.ASCII)
NO_VALUE: Final = frozenset({"", "none", "null", "-", "nan", "n/a", "unrated", "unknown"})
SEPARATORS: Final = re.compile(r"\s*[,;|\n]\s*")
QUOTES: Final = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"")
ARRAY_TEXT: Final = re.compile(r"\[\s*(?:'[^'\n]*'|\"[^\"\n]*\")(?:\s+(?:'[^'\n]*'|\"[^\"\n]*\"))+\s*\]")
TAG_KEYS: Final = ("name", "tag", "value", "label", "slug")
TAG_CHARACTERS: Final = 60  # longer words are prose, not tags
TRUTH_WORDS: Final = {
    "true": True,
    "yes": True,
    "1": True,
    "1.0": True,
    "false": False,
    "no": False,
    "0": False,
    "0.0": False,
}
FILE_NAME: Final = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,64}", re.ASCII)
SPACES: Final = re.compile(r"[\s\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class HugeNumber:
    """A number that no 64-bit integer or double holds, by its digits; it is written back as it came."""

    digits: str


@dataclass(frozen=True, slots=True)
class _NotANumber:
    """Stands for NaN and the infinities, which JSON has no word for."""


@dataclass(frozen=True, slots=True)
class _NotJson:
    """Stands for a text that a fast parser refused."""


NAN: Final = _NotANumber()
NOT_JSON: Final = _NotJson()


def quoted(value: object) -> str:
    """Return the start of a value for a message."""
    if isinstance(value, list | dict | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, str) and len(value) > QUOTED_CHARACTERS:
        return f"{value[:QUOTED_CHARACTERS]!r}…"
    return repr(value)[: 2 * QUOTED_CHARACTERS]


def fast_json(text: str) -> Json:
    """Parse JSON fast, or return :data:`NOT_JSON`; integers beyond 64 bits may lose digits."""
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return NOT_JSON


def exact_json(text: str, field: str) -> tuple[Json, bool]:
    """Parse JSON with every digit of every integer; say whether control characters inside texts were let through.

    Raises
    ------
    RowDefect
        ``invalid_json`` or ``nested_too_deeply``.
    """
    try:
        return _exact(text, strict=True), False
    except ValueError:
        pass
    except RecursionError:
        raise RowDefect(Reason.NESTED_TOO_DEEPLY, f"{field} is nested too deeply: {quoted(text[:80])}") from None
    try:
        return _exact(text, strict=False), True
    except ValueError as error:
        raise RowDefect(Reason.INVALID_JSON, f"{field}: {error}; it starts {quoted(text[:80])}") from None


def _exact(text: str, *, strict: bool) -> Json:
    return json.loads(text, parse_int=_integer, parse_float=_float, parse_constant=lambda _: NAN, strict=strict)


def _integer(digits: str) -> int | HugeNumber:
    return int(digits) if len(digits) <= EXACT_DIGITS else HugeNumber(digits)


def _float(digits: str) -> float | HugeNumber:
    number = float(digits)
    return number if math.isfinite(number) else HugeNumber(digits)


def holds_nan(value: Json) -> bool:
    """Say whether NaN or an infinity stands anywhere in a value of :func:`parse_exact_json`."""
    stack = [value]
    while stack:
        top = stack.pop()
        if top is NAN:
            return True
        if isinstance(top, list):
            stack.extend(top)
        elif isinstance(top, dict):
            stack.extend(top.values())
    return False


def json_text(value: Json, field: str) -> str:
    """Write a value back as compact JSON.

    Raises
    ------
    RowDefect
        ``nested_too_deeply``, or ``wrong_type`` for what JSON cannot hold.
    """
    try:
        return _dumped(value)
    except TypeError as error:
        if "surrogates" not in str(error):
            reason = Reason.NESTED_TOO_DEEPLY if "Recursion" in str(error) else Reason.WRONG_TYPE
            raise RowDefect(reason, f"{field}: {error}") from None
    try:
        return _dumped(_mended(value))
    except (RecursionError, TypeError):
        raise RowDefect(Reason.NESTED_TOO_DEEPLY, f"{field} is nested too deeply") from None


def _dumped(value: Json) -> str:
    return orjson.dumps(value, _digits, orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_NON_STR_KEYS).decode()


def _mended(value: Json) -> Json:
    if isinstance(value, str):
        return without_surrogates(value)
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in value.items()}
    return value


def _digits(value: object) -> orjson.Fragment:
    if isinstance(value, HugeNumber):
        return orjson.Fragment(value.digits)
    raise TypeError(type(value).__name__)


def require_text(value: object, field: str) -> str:
    """Return a text field.

    Raises
    ------
    RowDefect
        ``wrong_type`` for anything but text and null; null is the empty text.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    raise RowDefect(Reason.WRONG_TYPE, f"{field} is {type(value).__name__}, not text: {quoted(value)}")


def field_text(value: object, field: str) -> str:
    """Return a field that holds JSON as its text, also when somebody has parsed it already; null is the empty text.

    Raises
    ------
    RowDefect
        ``wrong_type`` for anything but text, null and what JSON can hold.
    """
    return json_text(value, field) if isinstance(value, dict | list) else require_text(value, field)


def one_line(text: str) -> str | None:
    """Return a short text as one line; ``None`` when it is blank."""
    return SPACES.sub(" ", text).strip() or None


def is_file_name(text: str) -> bool:
    """Say whether a text is the plain name of a file, and no way to one."""
    return FILE_NAME.fullmatch(text) is not None


def truth(value: object) -> bool | None:
    """Return a truth value, also as a word or a number of a file that knows only text; ``None`` for anything else."""
    if isinstance(value, bool):
        return value
    return TRUTH_WORDS.get(str(value).strip().lower()) if isinstance(value, str | int | float) else None


def clean_id(value: object) -> str | None:
    """Return a native id as one line of text, or ``None`` when there is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column of integers with a null in it, as pandas writes it
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value) if isinstance(value, str) or value.bit_length() < 64 else ""  # noqa: PLR2004 - a 64-bit integer
    return SPACES.sub(" ", without_surrogates(text)).strip()[:ID_CHARACTERS] or None


def listed(value: object) -> Sequence[object] | None:
    """Return the items of a list, of a JSON or Python list as text, or of words with commas; ``None`` for anything else."""
    items = _listed(value) if isinstance(value, str) else value
    if items is None:
        return ()
    if not isinstance(items, list | tuple | set | frozenset):
        return None
    return tuple(_name_of(item) for item in items)


def _name_of(item: object) -> object:
    """Return the name of a tag that is an object of its own; anything else as it is."""
    named = [item[key] for key in TAG_KEYS if key in item] if isinstance(item, dict) else []
    return named[0] if named else item


@lru_cache(maxsize=4_096)  # the same few lists of tags are in thousands of rows
def _listed(text: str) -> object:
    stripped = text.strip()
    if stripped.lower() in {"[]", *NO_VALUE}:
        return None
    if stripped.startswith('"[') or ARRAY_TEXT.fullmatch(stripped):
        return _unquoted(stripped)
    if not stripped.startswith(("[", "(", "{")):
        words = SEPARATORS.split(stripped)
        return words if max(map(len, words)) <= TAG_CHARACTERS else {}
    try:
        return orjson.loads(stripped)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return _literal(stripped)


def _unquoted(text: str) -> object:
    """Return a list that is JSON in JSON, or that an array printed without commas."""
    if text.startswith('"'):
        inner = fast_json(text)
        return _listed(inner) if isinstance(inner, str) else {}
    return [quotes[1:-1] for quotes in QUOTES.findall(text)]


def _literal(text: str) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an unknown escape inside a tag is not worth a warning
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return {}


def whole_number(value: object) -> int | None:
    """Return a rating such as 1600 or ``*1600``; ``None`` when there is none, or 0.

    Raises
    ------
    ValueError
        When it is not a 32-bit integer.
    """
    if isinstance(value, str):
        text = value.strip().lstrip("*")
        text = text.replace(",", "") if GROUPED_TEXT.fullmatch(text) else text
        value = float(text) if NUMBER_TEXT.fullmatch(text) else None if text.lower() in NO_VALUE else text
    if value is None or value != value:  # noqa: PLR0124 - NaN, with which tables of numbers say that there is none
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and abs(value) < 1 << 31:
        return int(value) or None
    raise ValueError(value)


def day_of(value: object) -> date | None:
    """Return the day of an ISO date or time stamp; ``None`` when there is none.

    Raises
    ------
    ValueError
        When it is anything else.
    """
    if value is None or value == "":
        return None
    if isinstance(value, date):
        return date(value.year, value.month, value.day)
    return date.fromisoformat(value[:10] if isinstance(value, str) else "")
