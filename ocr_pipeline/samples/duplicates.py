"""Find samples of one problem whose code is the same but for comments and white space.

Code is cut into tokens by a small lexer that also works on code that does not compile. Names, literals and order
count; two programs that only do the same are not duplicates. The first sample of a problem is the one that the others
point at, whatever order the rows came in.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ocr_pipeline.tables import Language

__all__ = ["DuplicateIndex", "Repeats", "code_key", "normal_form"]

STRING: Final = (
    rb"[A-Za-z]{0,3}(?:'{3}(?:\\.|[^\\])*?'{3}|\"{3}(?:\\.|[^\\])*?\"{3}|'(?:\\.|[^\\'\n])*'|\"(?:\\.|[^\\\"\n])*\")"
)
RAW_CPP_STRING: Final = rb"[uUL8]{0,3}R\"(?:[^\s()\\]{0,16})\(.*?\)[^\s()\\\"]{0,16}\""
WORD: Final = rb"(?:[\w.]|[^\x00-\x7f])+"
OPERATOR: Final = rb"<<=|>>=|\*\*=|//=|->\*?|\+\+|--|<<|>>|<=>|[-+*/%&|^=!<>:]=|&&|\|\||::|\*\*|//|[^\s\w]"
PYTHON_TOKEN: Final = re.compile(
    rb"#[^\n]*|\\\r?\n|[ \t\r\f]+|(\n[ \t]*|" + b"|".join((STRING, WORD, OPERATOR)) + rb")", re.DOTALL
)
CPP_TOKEN: Final = re.compile(
    rb"//(?:\\\r?\n|[^\n])*|/\*.*?\*/|\\\r?\n|[ \t\r\f\v]+|(\n|"
    + b"|".join((RAW_CPP_STRING, STRING, WORD, OPERATOR))
    + rb")",
    re.DOTALL,
)
SEPARATOR: Final = b"\x00"
INDENT: Final = b"\x01"
KEY_BYTES: Final = 16
NEWLINE: Final = ord("\n")
INDEX_COLUMNS: Final = ("key_high", "key_low", "sample_index", "sample_id", "row")
INDEX_TYPES: Final = (pa.uint64(), pa.uint64(), pa.int32(), pa.string(), pa.int64())
INDEX_SCHEMA: Final = pa.schema(list(zip(INDEX_COLUMNS, INDEX_TYPES, strict=True)))


def normal_form(code: bytes, language: Language | None) -> bytes:
    """Return the tokens of ``code`` without comments and white space; in Python with the depth of each line."""
    return _cpp_form(code) if language is Language.CPP else _python_form(code)


def code_key(problem_id: str, language: str, code: bytes) -> bytes:
    """Return a key that two samples share when they solve the same problem with the same code."""
    known = Language(language) if language in set(Language) else None
    digest = hashlib.blake2b(digest_size=KEY_BYTES)
    for part in (problem_id.encode(), language.encode(), normal_form(code, known)):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.digest()


def _cpp_form(code: bytes) -> bytes:
    """Join the tokens; a line end counts only where it ends a preprocessor directive."""
    tokens: list[bytes] = []
    is_directive, begins_line = False, True
    for token in filter(None, CPP_TOKEN.findall(code)):
        if token == b"\n":
            if is_directive:
                tokens.append(token)
            is_directive, begins_line = False, True
            continue
        is_directive = is_directive or (begins_line and token == b"#")
        begins_line = False
        tokens.append(token)
    return SEPARATOR.join(tokens)


def _python_form(code: bytes) -> bytes:
    """Join the tokens; each line outside brackets begins with its depth."""
    tokens: list[bytes] = []
    indents = [0]
    brackets, line = 0, b"\n"
    for token in filter(None, PYTHON_TOKEN.findall(code.expandtabs())):
        if token[0] == NEWLINE:
            line = token if brackets == 0 else line
            continue
        if line:
            tokens.append(_indent(indents, len(line) - 1))
            line = b""
        if token in b"([{":
            brackets += 1
        elif token in b")]}":
            brackets = max(0, brackets - 1)
        tokens.append(token)
    return SEPARATOR.join(tokens)


def _indent(indents: list[int], width: int) -> bytes:
    """Return the depth of a line that is indented by ``width``, as the tokenizer of Python counts it."""
    while indents[-1] > width:
        indents.pop()
    if indents[-1] < width:
        indents.append(width)
    return INDENT * len(indents)


@dataclass(frozen=True, slots=True)
class Repeats:
    """The rows that repeat an earlier sample, ascending, and the id of the sample that each repeats."""

    rows: npt.NDArray[np.int64]
    originals: pa.Array

    def between(self, start: int, end: int) -> pa.Array:
        """Return, for the rows from ``start`` to ``end``, the id of the repeated sample or null."""
        first, last = np.searchsorted(self.rows, (start, end))
        where = np.full(end - start, -1, np.int64)
        where[self.rows[first:last] - start] = np.arange(first, last)
        return self.originals.take(pa.array(where, mask=where < 0))


@dataclass
class DuplicateIndex:
    """Collects the keys of all samples of a stream, then tells for each row which sample it repeats.

    It holds about 110 bytes per row: 736,000 samples take 80 MB.
    """

    _chunks: list[pa.RecordBatch] = field(default_factory=list)
    _rows: int = 0

    def add(self, keys: list[bytes | None], sample_indexes: pa.Array, sample_ids: pa.Array) -> None:
        """Add the next rows: the key of their code (None without code), number in their problem, and id."""
        rows = np.array([row for row, key in enumerate(keys) if key is not None], np.int64)
        halves = np.frombuffer(b"".join(key for key in keys if key is not None), "<u8").reshape(-1, 2)
        taken = [column.take(pa.array(rows)) for column in (sample_indexes, sample_ids)]
        columns = [pa.array(halves[:, 0]), pa.array(halves[:, 1]), *taken, pa.array(rows + self._rows)]
        self._chunks.append(pa.RecordBatch.from_arrays(columns, names=INDEX_COLUMNS))
        self._rows += len(keys)

    def repeats(self) -> Repeats:
        """Compare all rows that were added."""
        members = _members(pa.Table.from_batches(self._chunks, INDEX_SCHEMA))
        members = members.sort_by([(name, "ascending") for name in INDEX_COLUMNS]).combine_chunks()
        high, low = (members.column(name).to_numpy() for name in INDEX_COLUMNS[:2])
        is_first = np.ones(len(high), bool)
        is_first[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
        first = np.maximum.accumulate(np.where(is_first, np.arange(len(high)), 0))
        rows = members.column("row").to_numpy()[~is_first]
        order = np.argsort(rows)
        originals = members.column("sample_id").take(pa.array(first[~is_first][order]))
        return Repeats(rows[order], originals.combine_chunks())


def _members(table: pa.Table) -> pa.Table:
    """Return the rows whose key occurs more than once."""
    high, low = (table.column(name).to_numpy() for name in INDEX_COLUMNS[:2])
    order = np.lexsort((low, high))
    high, low = high[order], low[order]
    same = (high[1:] == high[:-1]) & (low[1:] == low[:-1])
    is_member = np.zeros(len(order), bool)
    is_member[order[1:]] |= same
    is_member[order[:-1]] |= same
    return table.filter(pa.array(is_member))
