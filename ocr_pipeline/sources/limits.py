"""Limits as sources write them: numbers with a unit, clock times, and words.

Sources agree on nothing: ``2.0 seconds``, ``500 ms``, ``1,5 sec``, ``0:00:02``, ``half a second``, ``65536 KB``,
``0.25 gigabytes``. A unit that is not known makes the limit unreadable: a limit that is wrong by a thousand is worse
than none.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Final

__all__ = ["mebibytes", "number", "seconds"]

NOTHING: Final = frozenset({"", "none", "null", "-", "nan", "n/a", "unlimited", "no limit"})
QUANTITY: Final = re.compile(
    r"(?P<number>[0-9]{1,3}(?: [0-9]{3})+(?![0-9])|[0-9]{1,15}(?:[.,'][0-9]{1,15})*|[.,][0-9]{1,15})(?P<power>e[-+]?[0-9]{1,2})?\s*(?P<unit>[^\W\d_]*)"
)
WORDS: Final = {"a": 1.0, "an": 1.0, "half": 0.5, "quarter": 0.25} | {
    word: float(count)
    for count, word in enumerate(
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"], start=1
    )
}
IN_WORDS: Final = re.compile(
    rf"(?P<number>{'|'.join(WORDS)})(?P<half>\s+and\s+a\s+half)?\s+(?:of\s+)?(?:an?\s+)?(?P<unit>[^\W\d_]+)"
)
LABEL: Final = re.compile(r"(?:[a-z][a-z ]{0,30}(?::|=|\bis\b)|<=|≤|~|=|about\b|at most\b)\s*(?=[0-9.])")
FRACTION: Final = re.compile(r"\s*[/^*\u00d7\u2044]\s*[0-9]")
"""Behind a number without a unit: what was read is a part of it."""
ISO: Final = re.compile(r"pt(?:(\d{1,4})h)?(?:(\d{1,4})m)?(?:(\d{1,6}(?:[.,]\d{1,9})?)s)?")
MOST_MIB: Final = 1 << 20
"""More memory than any limit: such a number is in bytes, or in nobody knows what."""
CLOCK: Final = re.compile(r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2}(?:[.,]\d{1,6})?)")
GROUPED: Final = re.compile(r"[0-9]{1,3}(?:[,'][0-9]{3})+(?:\.[0-9]+)?")
MOST: Final = 1e15  # no limit is that long

# Singular and plural, English and Russian, as the judges write them; compared in lower case and without a dot.
TIME_UNITS: Final[Mapping[str, float]] = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds", "с", "сек", "секунда", "секунды", "секунд"), 1.0),  # noqa: RUF001 - Russian
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "millisecond", "milliseconds", "мс", "мсек"), 1e-3),
    **dict.fromkeys(("us", "µs", "μs", "usec", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), 1e-9),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes", "мин"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
}
MEMORY_UNITS: Final[Mapping[str, float]] = {
    **dict.fromkeys(("b", "byte", "bytes", "байт"), 1 / 1024**2),
    **dict.fromkeys(("k", "kb", "kib", "kbyte", "kbytes", "kilobyte", "kilobytes", "kibibytes", "ko"), 1 / 1024),
    **dict.fromkeys(("кб", "килобайт"), 1 / 1024),
    **dict.fromkeys(("m", "mb", "mib", "mbyte", "mbytes", "megabyte", "megabytes", "mebibytes", "mo"), 1.0),
    **dict.fromkeys(("мб", "мегабайт", "мегабайта"), 1.0),
    **dict.fromkeys(("g", "gb", "gib", "gbyte", "gbytes", "gigabyte", "gigabytes", "gibibytes", "go"), 1024.0),
    **dict.fromkeys(("гб", "гигабайт", "гигабайта"), 1024.0),  # noqa: RUF001 - Russian
}
FINE_UNITS: Final = frozenset({1e-3, 1e-6, 1e-9, 1 / 1024**2, 1 / 1024})
"""Units that limits have thousands of: there, and only there, ``1,000`` is a thousand."""


def seconds(value: object, unit: str = "s") -> float | None:
    """Return a time limit in seconds; ``None`` when there is none.

    Parameters
    ----------
    value
        A number, or a text such as ``500 ms``, ``1,5 sec``, ``0:00:02`` or ``two seconds``.
    unit
        Of a number that has none.

    Raises
    ------
    ValueError
        When it cannot be read.
    """
    if isinstance(value, str):
        clock = CLOCK.fullmatch(value.strip()) or (value.strip() and ISO.fullmatch(value.strip().lower()))
        if clock and any(clock.groups()):
            hours, minutes, rest = (float((part or "0").replace(",", ".")) for part in clock.groups())
            return _positive(hours * 3600.0 + minutes * 60.0 + rest)
    if isinstance(value, Mapping) and value.keys() <= {"seconds", "nanos"}:  # a duration of protocol buffers
        return _positive(float(value.get("seconds") or 0) + float(value.get("nanos") or 0) / 10**9)
    return _quantity(value, TIME_UNITS, unit)


def mebibytes(value: object, unit: str = "MiB") -> float | None:
    """Return a memory limit in MiB; ``None`` when there is none. Sources that write MB mean MiB.

    Raises
    ------
    ValueError
        When it cannot be read.
    """
    amount = _quantity(value, MEMORY_UNITS, unit)
    if amount is not None and amount > MOST_MIB:
        raise ValueError(amount)
    return amount


def number(value: object) -> float | None:
    """Return a positive number without a unit; ``None`` when there is none.

    Raises
    ------
    ValueError
        When it cannot be read.
    """
    return _quantity(value, {"": 1.0}, "")


def _quantity(value: object, units: Mapping[str, float], unit: str) -> float | None:
    if value is None or value != value:  # noqa: PLR0124 - NaN, with which tables of numbers say that there is none
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _positive(_times(float(value), units[unit.lower()]) if abs(value) < MOST else math.nan)
    if not isinstance(value, str):
        raise ValueError(type(value).__name__)  # noqa: TRY004 - one handler notes all that cannot be read
    text = " ".join(unicodedata.normalize("NFKC", value).lower().split())
    if text in NOTHING:
        return None
    count, factor = _parts(text, units, unit)
    return _positive(_times(count, factor))


def _times(count: float, factor: float) -> float:
    """Multiply, or divide by a whole number: a thousandth is none in binary."""
    return count * factor if factor >= 1 else count / round(1 / factor)


def _parts(text: str, units: Mapping[str, float], unit: str) -> tuple[float, float]:
    """Return the number of a text and the factor of its unit."""
    text = LABEL.sub("", text, count=1) if LABEL.match(text) else text
    if match := QUANTITY.match(text):
        rest = text[match.end() :]
        factor = units[_unit(match["unit"] or _unit_behind(rest) or unit, units)]
        amount = float(_plain(match["number"], factor) + (match["power"] or ""))
        if not match["unit"] and FRACTION.match(rest):
            raise ValueError(text)
        if not match["unit"] or not rest.strip()[:1].isdigit():
            return amount, factor
        more, smaller = _parts(rest.strip(), units, unit)  # one minute and thirty seconds
        if smaller >= factor:
            raise ValueError(text)
        return amount + more * smaller / factor, factor
    if match := IN_WORDS.match(text):
        return WORDS[match["number"]] + 0.5 * bool(match["half"]), units[_unit(match["unit"], units)]
    raise ValueError(text)


def _unit(word: str, units: Mapping[str, float]) -> str:
    if word.lower() not in units:
        raise ValueError(word)
    return word.lower()


def _unit_behind(rest: str) -> str:
    """Return the unit behind a range such as ``1 - 2 seconds``: the limit is its first number."""
    match = re.match(r"\s*(?:-|\u2013|to)\s*[0-9.,]{1,15}\s*([^\W\d_]*)", rest)
    return match[1] if match else ""


def _plain(digits: str, factor: float) -> str:
    """Return a number with a decimal point: a comma is one, unless it groups the thousands of a small unit."""
    if " " in digits:
        return digits.replace(" ", "")
    if GROUPED.fullmatch(digits) and (factor in FINE_UNITS or digits.count(",") > 1 or "'" in digits):
        return digits.replace(",", "").replace("'", "")
    return digits.replace(",", ".")


def _positive(amount: float) -> float | None:
    if math.isnan(amount) or amount < 0:
        raise ValueError(amount)
    return amount or None
