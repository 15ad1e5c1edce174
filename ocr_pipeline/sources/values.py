"""Values of raw fields, read so that nothing a field can hold raises anything but :class:`RowDefect`.

JSON is read without losing integers of any length, with NaN kept apart; Python-literal lists, numbers and dates have
their own small readers. What a field means is the reader's business, not this module's.
"""

from __future__ import annotations

import ast
import json
import math
import re
import warnings
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final

import orjson

from ocr_pipeline.sources.rules import Reason, Repair, RowDefect
from ocr_pipeline.sources.text import normal_code, without_surrogates

__all__ = [
    "HugeNumber",
    "Json",
    "clean_id",
    "date_of",
    "decoded",
    "field_text",
    "file_name",
    "holds_nan",
    "json_text",
    "leading_number",
    "literal_names",
    "optional_code",
    "optional_text",
    "parse_exact_json",
    "parse_json",
    "quoted",
    "require_text",
    "whole_number",
]

Json = object
"""Whatever JSON can hold: dict, list, str, int, float, bool, None, and :class:`HugeNumber`."""

EXACT_DIGITS: Final = 18  # any integer this long fits in 64 bits, which orjson writes
QUOTED_CHARACTERS: Final = 120
ID_CHARACTERS: Final = 200
NUMBER: Final = re.compile(r"\s*([0-9]{1,15}(?:\.[0-9]{1,15})?|\.[0-9]{1,15})")
FILE_NAME: Final = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,64}", re.ASCII)
SPACES: Final = re.compile(r"[\s\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class HugeNumber:
    """A number that no 64-bit integer or double holds, by its digits; it is written back as it came."""

    digits: str


@dataclass(frozen=True, slots=True)
class _NotANumber:
    """Stands for NaN and the infinities, which JSON has no word for."""


NAN: Final = _NotANumber()


def quoted(value: object) -> str:
    """Return the start of a value for a message."""
    if isinstance(value, list | dict | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, str) and len(value) > QUOTED_CHARACTERS:
        return f"{value[:QUOTED_CHARACTERS]!r}…"
    return repr(value)[: 2 * QUOTED_CHARACTERS]


def parse_json(text: str, field: str, repairs: set[Repair]) -> Json:
    """Parse JSON fast; integers beyond 64 bits may lose digits, so use it where only strings matter.

    Raises
    ------
    RowDefect
        ``invalid_json`` or ``nested_too_deeply``.
    """
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return parse_exact_json(text, field, repairs)


def parse_exact_json(text: str, field: str, repairs: set[Repair]) -> Json:
    """Parse JSON with every digit of every integer; control characters inside strings are let through.

    Raises
    ------
    RowDefect
        ``invalid_json`` or ``nested_too_deeply``.
    """
    try:
        return _exact(text, strict=True)
    except ValueError:
        pass
    except RecursionError:
        raise RowDefect(Reason.NESTED_TOO_DEEPLY, f"{field} is nested too deeply: {quoted(text[:80])}") from None
    try:
        value = _exact(text, strict=False)
    except ValueError as error:
        raise RowDefect(Reason.INVALID_JSON, f"{field}: {error}; it starts {quoted(text[:80])}") from None
    repairs.add(Repair.LENIENT_JSON)
    return value


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
        return without_surrogates(value, set())
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


def decoded(value: object, repairs: set[Repair]) -> object:
    """Return a value with text for all bytes in it; what is no UTF-8 is replaced."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            repairs.add(Repair.INVALID_UTF8)
            return value.decode("utf-8", "replace")
    if isinstance(value, list):
        return [decoded(item, repairs) for item in value]
    if isinstance(value, dict):
        return {key: decoded(item, repairs) for key, item in value.items()}
    return value


def optional_text(value: object, repairs: set[Repair]) -> str | None:
    """Return a short text field, or ``None`` when it is absent, blank or no text."""
    if isinstance(value, str) and value.strip():
        return SPACES.sub(" ", without_surrogates(value, repairs)).strip()
    return None


def file_name(value: object, repairs: set[Repair]) -> str | None:
    """Return the name of a file in the working folder, or ``None`` when there is none or it is more than a name."""
    text = optional_text(value, repairs)
    if text is None or FILE_NAME.fullmatch(text):
        return text
    repairs.add(Repair.UNREADABLE_FILE_NAME)
    return None


def optional_code(value: object, repairs: set[Repair]) -> str | None:
    """Return a program, or ``None`` when it is absent, blank or no text."""
    return normal_code(value, repairs) if isinstance(value, str) and value.strip() else None


def clean_id(value: object) -> str | None:
    """Return a native id as one line of text, or ``None`` when there is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column of integers with a null in it, as pandas writes it
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value) if isinstance(value, str) or value.bit_length() < 64 else ""  # noqa: PLR2004 - a 64-bit integer
    return SPACES.sub(" ", without_surrogates(text, set())).strip()[:ID_CHARACTERS] or None


def literal_names(value: object, repairs: set[Repair]) -> tuple[str, ...]:
    """Return tags from a list, a JSON list or a Python-literal list, sorted and without repetition."""
    items = _listed(value) if isinstance(value, str) else value
    if items is None or items == "":
        return ()
    if not isinstance(items, list | tuple | set):
        repairs.add(Repair.UNREADABLE_TAGS)
        return ()
    names = {name for item in items if (name := optional_text(item, repairs)) is not None}
    if len(names) < len(items) and not all(isinstance(item, str) for item in items):
        repairs.add(Repair.UNREADABLE_TAGS)
    return tuple(sorted(names))


@lru_cache(maxsize=4_096)  # the same few lists of tags stand in thousands of rows
def _listed(text: str) -> object:
    stripped = text.strip()
    if stripped in {"", "[]", "None", "null"}:
        return None
    if not stripped.startswith(("[", "(")):
        return {}  # neither list nor nothing: unreadable
    try:
        return orjson.loads(stripped)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return _literal(stripped)


def _literal(text: str) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an unknown escape inside a tag is not worth a warning
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return {}


def leading_number(value: object, repairs: set[Repair]) -> float | None:
    """Return the number that a limit such as ``2.0 seconds`` starts with; ``None`` when there is none."""
    if value is None or (isinstance(value, str) and value.strip().lower() in {"", "none", "null", "-", "nan"}):
        return None
    if isinstance(value, str):
        match = NUMBER.match(value)
        number = float(match.group(1)) if match else math.nan
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value) if abs(value) < 1e15 else math.nan  # noqa: PLR2004 - no limit is that long
    else:
        number = math.nan
    if math.isnan(number) or number < 0:
        repairs.add(Repair.UNREADABLE_LIMIT)
        return None
    return number or None


def whole_number(value: object, repairs: set[Repair]) -> int | None:
    """Return a rating; ``None`` when there is none or it is no 32-bit integer."""
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and abs(value) < 1 << 31:
        return int(value) or None
    repairs.add(Repair.UNREADABLE_RATING)
    return None


def date_of(value: object, repairs: set[Repair]) -> date | None:
    """Return the day of an ISO date or time stamp; ``None`` when there is none."""
    if value is None or value == "":
        return None
    if isinstance(value, date):
        return date(value.year, value.month, value.day)
    try:
        return date.fromisoformat(value[:10] if isinstance(value, str) else "")
    except ValueError:
        repairs.add(Repair.UNREADABLE_DATE)
        return None
