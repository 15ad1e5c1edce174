"""Find samples of one problem whose code is the same but for comments and white space.

Code is cut into tokens by a small lexer that also works on code that does not compile. Names, literals and order
count; two programs that only do the same are not duplicates. The first sample of a problem is the one that the others
point at, whatever order the rows came in. The lexer is asked only about samples that a rough key could not tell apart.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.tables import Language

__all__ = ["CANDIDATES", "Repeats", "RoughIndex", "code_key", "find_repeats", "normal_form", "rough_key"]

QUOTED: Final = (  # what stays open ends with its line or the text: looking for an end from each quote would take n²
    rb"(?:'{3}(?:\\.|[^\\])*?(?:'{3}|\\?\Z)|\"{3}(?:\\.|[^\\])*?(?:\"{3}|\\?\Z)"
    rb"|'(?:\\.|[^\\'\n])*+'?|\"(?:\\.|[^\\\"\n])*+\"?)"
)
STRING: Final = rb"[A-Za-z]{0,3}" + QUOTED
RAW_CPP_STRING: Final = rb"[uUL8]{0,3}R\"(?:[^\s()\\]{0,16})\(.*?(?:\)[^\s()\\\"]{0,16}\"|\Z)"
CPP_NUMBER: Final = rb"(?<!\w)\d[\w.']*"  # 1'000 opens no string
WORD: Final = rb"(?:[\w.]|[^\x00-\x7f])+"
OPERATOR: Final = rb"<<=|>>=|\*\*=|//=|->\*?|\+\+|--|<<|>>|<=>|[-+*/%&|^=!<>:]=|&&|\|\||::|\*\*|//|[^\s\w]"
PYTHON_TOKEN: Final = re.compile(
    rb"#[^\n]*|\\\r?\n|[ \t\r\f]+|(\n[ \t]*|" + b"|".join((STRING, WORD, OPERATOR)) + rb")", re.DOTALL
)
CPP_TOKEN: Final = re.compile(
    rb"//(?:\\\r?\n|[^\n])*|/\*.*?(?:\*/|\Z)|\\\r?\n|[ \t\r\f\v]+|(\n|"
    + b"|".join((CPP_NUMBER, RAW_CPP_STRING, STRING, WORD, OPERATOR))
    + rb")",
    re.DOTALL,
)
PYTHON_COMMENT: Final = re.compile(rb"#[^\n]*|(" + QUOTED + rb")", re.DOTALL)  # begins with one of three signs: fast
CPP_COMMENT: Final = re.compile(
    rb"//(?:\\\r?\n|[^\n])*|/\*.*?(?:\*/|\Z)|(" + b"|".join((CPP_NUMBER, RAW_CPP_STRING, STRING)) + rb")", re.DOTALL
)
WHITE_SPACE: Final = b" \t\r\n\f\v\\"
SEPARATOR: Final = b"\x00"
INDENT: Final = b"\x01"
KEY_BYTES: Final = 16
CANDIDATES: Final = pa.schema(
    [("key", pa.binary()), ("sample_index", pa.int32()), ("sample_id", pa.string()), ("row", pa.int64())]
)
"""A sample that may be a duplicate: the key of its code, and its row in the stream."""
NEWLINE: Final = ord("\n")


def normal_form(code: bytes, language: str) -> bytes:
    """Return the tokens of ``code`` without comments and white space; in Python with the depth of each line."""
    return _cpp_form(code) if language == Language.CPP else _python_form(code)


def code_key(problem_id: str, language: str, code: bytes) -> bytes:
    """Return a key that two samples share when they solve the same problem with the same code."""
    return _digest(problem_id, language, normal_form(code, language))


def rough_key(problem_id: str, language: str, code: bytes) -> bytes:
    """Return a key that costs a tenth; samples whose code is the same share it, and a few others do too."""
    comments = CPP_COMMENT if language == Language.CPP else PYTHON_COMMENT
    mark = b"/" if language == Language.CPP else b"#"
    bare = comments.sub(rb"\1", code) if mark in code else code
    return _digest(problem_id, language, bare.translate(None, WHITE_SPACE))


def _digest(problem_id: str, language: str, code: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=KEY_BYTES)
    for part in (problem_id.encode(), language.encode(), code):
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
    for token in filter(None, PYTHON_TOKEN.findall(code)):
        if token[0] == NEWLINE:
            line = token if brackets == 0 else line
            continue
        if line:
            tokens.append(_indent(indents, len(line.expandtabs()) - 1))
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


@dataclass
class RoughIndex:
    """Collects the rough keys of all samples of a stream, 24 bytes per row: 736,000 samples take 18 MB."""

    _keys: list[npt.NDArray[np.uint64]] = field(default_factory=list)
    _rows: list[npt.NDArray[np.int64]] = field(default_factory=list)
    _seen: int = 0

    def add(self, keys: list[bytes | None]) -> None:
        """Add the keys of the next rows; None for a row without code."""
        rows = np.array([row for row, key in enumerate(keys) if key is not None], np.int64)
        halves = np.frombuffer(b"".join(key for key in keys if key is not None), np.uint64)
        self._keys.append(halves.reshape(-1, 2))
        self._rows.append(rows + self._seen)
        self._seen += len(keys)

    def candidates(self) -> npt.NDArray[np.int64]:
        """Return the rows that share their key with another row, ascending."""
        if not self._keys:
            return np.empty(0, np.int64)
        high, low = np.concatenate(self._keys).T
        order = np.lexsort((low, high))
        same = (high[order][1:] == high[order][:-1]) & (low[order][1:] == low[order][:-1])
        shares = np.zeros(len(order), bool)
        shares[order[1:]] |= same
        shares[order[:-1]] |= same
        rows: npt.NDArray[np.int64] = np.concatenate(self._rows)[shares]
        return rows


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


def find_repeats(candidates: Iterable[pa.RecordBatch]) -> Repeats:
    """Return which candidates repeat another one; the first of a key by sample index and id is not a repeat.

    Parameters
    ----------
    candidates
        Rows of ``CANDIDATES``: the key of the code, and the columns by which the samples of one key are sorted.
    """
    ordering = [(name, "ascending") for name in CANDIDATES.names]
    ordered = pa.Table.from_batches(list(candidates), CANDIDATES).sort_by(ordering).combine_chunks()
    position = np.arange(ordered.num_rows)
    is_first = np.ones(ordered.num_rows, bool)
    is_first[1:] = pc.not_equal(ordered["key"][1:], ordered["key"][:-1]).to_numpy()
    first = np.maximum.accumulate(np.where(is_first, position, 0))
    repeats, originals = position[~is_first], first[~is_first]
    rows = ordered["row"].to_numpy()[repeats]
    by_row = np.argsort(rows)
    return Repeats(rows[by_row], ordered["sample_id"].combine_chunks().take(pa.array(originals[by_row])))
