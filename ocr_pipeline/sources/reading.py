"""One raw row while it is read: its columns as typed values, and what had to be repaired or noted on the way.

A column that cannot be used either ends the row, as :class:`RowDefect`, or is absent and noted; the docstrings say
which. How a value is parsed is defined in :mod:`ocr_pipeline.sources.values`, :mod:`ocr_pipeline.sources.limits` and
:mod:`ocr_pipeline.sources.text`; what a column means is the reader's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Final, TypeAlias, TypeVar

import pyarrow as pa

from ocr_pipeline.sources import limits, text, values
from ocr_pipeline.sources.rules import Rejection, Repair

__all__ = ["Reading", "Row"]

Row: TypeAlias = Mapping[str, object]
"""A raw row by column. Columns that a layout names as ``arrow_columns`` hold Arrow arrays when they come from Parquet."""

Mending: TypeAlias = tuple[tuple[Repair, Callable[[str], str]], ...]
Value = TypeVar("Value")

CODE_MENDING: Final[Mending] = (
    (Repair.LONE_SURROGATES, text.without_surrogates),
    (Repair.NEWLINES, text.with_lf_newlines),
    (Repair.NUL_REMOVED, text.without_nul),
)
TEXT_MENDING: Final[Mending] = (
    *CODE_MENDING,
    (Repair.HTML_ENTITIES, text.with_entities_resolved),
    (Repair.UNICODE_NFC, text.in_nfc),
)


class Reading:
    """Reads the columns of one row and remembers the repairs.

    Parameters
    ----------
    row
        The raw row.
    rejection
        Why it cannot be read at all.
    repairs
        Where to note repairs; a set of its own by default.
    """

    __slots__ = ("rejection", "repairs", "row")

    def __init__(self, row: Row, rejection: Rejection | None = None, repairs: set[Repair] | None = None) -> None:
        self.row = row
        self.rejection = rejection
        self.repairs: set[Repair] = set() if repairs is None else repairs

    def inside(self, row: Row) -> Reading:
        """Read an object inside this row; its repairs are repairs of the row."""
        return Reading(row, repairs=self.repairs)

    def note(self, *repairs: Repair) -> None:
        """Remember repairs."""
        self.repairs.update(repairs)

    def get(self, column: str) -> object:
        """Return a column as it is; null when it is absent."""
        return self.row.get(column)

    def text(self, column: str) -> str:
        """Return a text; null is the empty text, anything else ends the row."""
        return values.require_text(self.row.get(column), column)

    def json_text(self, column: str) -> str:
        """Return JSON as its text, also when it is parsed already; null is the empty text, anything else ends the row."""
        return values.field_text(self.row.get(column), column)

    def code(self, column: str) -> str:
        """Return a program in normal form; null is the empty text, anything else ends the row."""
        return self.normal_code(self.text(column))

    def program(self, column: str) -> str | None:
        """Return a program in normal form, or ``None`` when it is absent, blank or not text."""
        value = self.row.get(column)
        return self.normal_code(value) if isinstance(value, str) and value.strip() else None

    def line(self, column: str) -> str | None:
        """Return a short text as one line, or ``None`` when it is absent, blank or not text."""
        return self._line(self.row.get(column))

    def _line(self, value: object) -> str | None:
        return values.one_line(self._mended(value, CODE_MENDING[:1])) if isinstance(value, str) else None

    def native_id(self, *columns: str) -> str | None:
        """Return the first of some columns that holds an id."""
        return next((found for column in columns if (found := values.clean_id(self.row.get(column)))), None)

    def file_name(self, column: str) -> str | None:
        """Return the name of a file in the working folder, or ``None`` when there is none or it is more than a name."""
        name = self.line(column)
        if name is None or values.is_file_name(name):
            return name
        self.note(Repair.UNREADABLE_FILE_NAME)
        return None

    def flag(self, column: str) -> bool | None:
        """Return a truth value, also as the word for one; ``None`` when there is none."""
        return values.truth(self.row.get(column))

    def names(self, *columns: str) -> tuple[str, ...]:
        """Return tags from lists, JSON lists, Python literals or words with commas, sorted and without repetition."""
        return tuple(sorted({name for column in columns for name in self._names(self.row.get(column))}))

    def _names(self, value: object) -> set[str]:
        items = values.listed(value)
        if items is None:
            self.note(Repair.UNREADABLE_TAGS)
            return set()
        if not all(isinstance(item, str) for item in items):
            self.note(Repair.UNREADABLE_TAGS)
        return {name for item in items if (name := self._line(item)) is not None}

    def seconds(self, column: str, *, unit: str = "s") -> float | None:
        """Return a time limit; a number without a unit is in ``unit``, and what cannot be read is noted."""
        return self._read(lambda value: limits.seconds(value, unit), column, Repair.UNREADABLE_LIMIT)

    def mebibytes(self, column: str, *, unit: str = "MiB") -> float | None:
        """Return a memory limit; a number without a unit is in ``unit``, and what cannot be read is noted."""
        return self._read(lambda value: limits.mebibytes(value, unit), column, Repair.UNREADABLE_LIMIT)

    def number(self, column: str) -> float | None:
        """Return a positive number; what cannot be read is noted."""
        return self._read(limits.number, column, Repair.UNREADABLE_LIMIT)

    def rating(self, column: str) -> int | None:
        """Return a rating, also as text; what is not a 32-bit integer is noted."""
        return self._read(values.whole_number, column, Repair.UNREADABLE_RATING)

    def day(self, column: str) -> date | None:
        """Return the day of an ISO date or time stamp; what cannot be read is noted."""
        return self._read(values.day_of, column, Repair.UNREADABLE_DATE)

    def _read(self, read: Callable[[object], Value | None], column: str, repair: Repair) -> Value | None:
        try:
            return read(self.row.get(column))
        except ValueError:
            self.note(repair)
            return None

    def normal_code(self, raw: str) -> str:
        """Return program text with LF newlines, and without what no UTF-8 file holds."""
        return self._mended(raw, CODE_MENDING)

    def normal_text(self, raw: str) -> str:
        """Return a statement in normal form."""
        return self._mended(raw, TEXT_MENDING)

    def _mended(self, raw: str, mending: Mending) -> str:
        for repair, mend in mending:
            mended = mend(raw)
            if mended != raw:
                self.repairs.add(repair)
                raw = mended
        return raw

    def json(self, source: str, field: str) -> values.Json:
        """Parse JSON fast; integers beyond 64 bits may lose digits, so use it where only texts matter."""
        value = values.fast_json(source)
        return self.exact_json(source, field) if value is values.NOT_JSON else value

    def exact_json(self, source: str, field: str) -> values.Json:
        """Parse JSON with every digit of every integer; control characters inside texts are let through and noted."""
        value, is_lenient = values.exact_json(source, field)
        if is_lenient:
            self.note(Repair.LENIENT_JSON)
        return value

    def decoded(self, value: object) -> object:
        """Return a value with text for all bytes in it; what is not UTF-8 is replaced."""
        if isinstance(value, bytes):
            try:
                return value.decode()
            except UnicodeDecodeError:
                self.note(Repair.INVALID_UTF8)
                return value.decode("utf-8", "replace")
        if isinstance(value, list):
            return [self.decoded(item) for item in value]
        if isinstance(value, dict):
            return {key: self.decoded(item) for key, item in value.items()}
        return value

    def text_array(self, texts: Sequence[str]) -> pa.LargeStringArray:
        """Build an Arrow array, mending text that UTF-8 cannot hold."""
        try:
            return pa.array(texts, pa.large_string())
        except UnicodeEncodeError:
            self.note(Repair.LONE_SURROGATES)
            return pa.array([text.without_surrogates(each) for each in texts], pa.large_string())
