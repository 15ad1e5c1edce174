"""What makes a test suspect, seen from the tests alone: column-wise over the tests of many problems at once.

Which tests are outside of the bounds of their statement is found in :mod:`ocr_pipeline.sources.outside`; whether the reference solutions pass a test is found out by running them, later.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.sources.buffers import bytes_of
from ocr_pipeline.sources.rules import Suspicion
from ocr_pipeline.tables import TestKind

__all__ = ["Suspicions", "find_suspicions"]

Mask = npt.NDArray[np.bool_]

ELLIPSES: Final = (b"...", "…".encode())
NEWLINE: Final = ord("\n")
CUT_OFF: Final = re.compile(r"\w ?(?:\.\.\.|…)\n?\Z")
TAIL_BYTES: Final = 16
WORD_BYTES: Final = 8
MIXERS: Final = [np.uint64(3**power) for power in (21, 27, 33, 39)]  # odd, so that no bit is lost
BLANK_BYTES: Final = 64  # an expected output of nothing but white space is no longer than this
INTEGER_KEY: Final = r'[{,]"-?[0-9]+":'


@dataclass(frozen=True, slots=True)
class Suspicions:
    """The suspicions of each test as a list column, and how many tests each rule hit."""

    column: pa.ListArray
    counts: dict[str, int]


def find_suspicions(
    tests: pa.RecordBatch,
    problem: npt.NDArray[np.int64],
    *,
    has_solution: Sequence[bool],
    is_function: Sequence[bool],
    is_outside: Mask,
) -> Suspicions:
    """Find suspicions in the tests of several problems.

    Parameters
    ----------
    tests
        Columns ``kind``, ``input`` and ``expected``, without nulls.
    problem
        For each test, the number of its problem.
    has_solution, is_function
        For each problem, whether it has a correct solution, and whether it is call-based.
    is_outside
        For each test, whether it is outside of the bounds of its statement.
    """
    inputs, expected = tests["input"], tests["expected"]
    duplicate, contradiction = _repeated(inputs, expected, problem)
    generated = np.asarray(pc.equal(tests["kind"], TestKind.GENERATED.value))
    called = np.asarray(is_function, bool)[problem]
    masks = {
        Suspicion.CONTRADICTION: contradiction,
        Suspicion.DUPLICATE: duplicate,
        Suspicion.EMPTY_EXPECTED: _blank(expected) & ~called,  # a program of asserts expects nothing besides
        Suspicion.GENERATED_WITHOUT_SOLUTION: generated & ~np.asarray(has_solution, bool)[problem],
        Suspicion.INTEGER_KEYS: _integer_keys(inputs, expected, called),
        Suspicion.OUT_OF_BOUNDS: is_outside,
        Suspicion.TRUNCATED: _truncated(inputs) | _truncated(expected),
    }
    counts = {name.value: int(mask.sum()) for name, mask in masks.items() if mask.any()}
    return Suspicions(_listed(masks), counts)


def _repeated(inputs: pa.Array, expected: pa.Array, problem: npt.NDArray[np.int64]) -> tuple[Mask, Mask]:
    """Say which tests repeat an earlier one, and which share their input with a test that expects something else.

    Only inputs of one problem that have the same length, beginning and end are compared: hardly any others are equal.
    """
    duplicate, contradiction = np.zeros(len(problem), bool), np.zeros(len(problem), bool)
    candidates = np.flatnonzero(_in_groups(_outlines(inputs) + problem.astype(np.uint64) * MIXERS[0]))
    if len(candidates):
        places = pa.array(candidates)
        same_input = problem[candidates] * len(problem) + _codes(inputs.take(places))
        duplicate[candidates], contradiction[candidates] = _same(same_input, _codes(expected.take(places)))
    return duplicate, contradiction


def _outlines(texts: pa.Array) -> npt.NDArray[np.uint64]:
    """Return a number per text that is the same for equal texts: its length, and the ends of all but the shortest."""
    ends, data = bytes_of(texts)
    lengths = ends[1:] - ends[:-1]
    outlines: npt.NDArray[np.uint64] = lengths.astype(np.uint64) * MIXERS[1]
    long = np.flatnonzero(lengths >= WORD_BYTES)
    if len(long):
        # A view with a stride of one byte: words[i] is bytes i to i + 7 as one number, and nothing is copied. Sums and
        # products wrap around at 64 bits, which is what mixes them.
        words = np.ndarray((len(data) - WORD_BYTES + 1,), np.uint64, data, strides=(1,))
        outlines[long] += words[ends[:-1][long]] * MIXERS[2] + words[ends[1:][long] - WORD_BYTES] * MIXERS[3]
    return outlines


def _in_groups(keys: npt.NDArray[np.uint64]) -> Mask:
    """Say which keys stand more than once."""
    ordered = np.sort(keys)
    return np.isin(keys, ordered[1:][ordered[1:] == ordered[:-1]])


def _codes(texts: pa.Array) -> npt.NDArray[np.int64]:
    """Give each distinct text a number."""
    return np.asarray(texts.dictionary_encode().indices, dtype=np.int64)


def _same(inputs: npt.NDArray[np.int64], expected: npt.NDArray[np.int64]) -> tuple[Mask, Mask]:
    rows = len(inputs)
    same_input = np.unique(inputs, return_inverse=True)[1]
    pairs = same_input * np.int64(rows) + expected
    _, first, pair = np.unique(pairs, return_index=True, return_inverse=True)
    answers = np.bincount(same_input[first], minlength=rows)  # distinct expected outputs per input
    return first[pair] != np.arange(rows), answers[same_input] > 1


def _blank(expected: pa.Array) -> Mask:
    mask = np.asarray(pc.less_equal(pc.binary_length(expected), BLANK_BYTES))
    short = np.flatnonzero(mask)
    trimmed = pc.utf8_trim_whitespace(expected.take(pa.array(short)))
    mask[short] = np.asarray(pc.equal(pc.binary_length(trimmed), 0))
    return mask


def _truncated(texts: pa.Array) -> Mask:
    """Find texts that a judge's page cut: they end in dots right behind a word, which no grid of dots does."""
    ends, data = bytes_of(texts)
    mask = np.zeros(len(texts), bool)
    stops = ends[1:].astype(np.int64)
    long = np.flatnonzero(stops - ends[:-1] > len(ELLIPSES[0]))
    stops = stops[long] - (data[stops[long] - 1] == NEWLINE)
    for dots in ELLIPSES:
        tail = [data[stops - back] == byte for back, byte in enumerate(reversed(dots), start=1)]
        mask[long[np.logical_and.reduce(tail)]] = True
    for number in np.flatnonzero(mask):
        tail_bytes = data[max(ends[number], ends[number + 1] - TAIL_BYTES) : ends[number + 1]].tobytes()
        mask[number] = CUT_OFF.search(tail_bytes.decode("utf-8", "ignore")) is not None
    return mask


def _integer_keys(inputs: pa.Array, expected: pa.Array, called: Mask) -> Mask:
    mask = np.zeros(len(called), bool)
    chosen = np.flatnonzero(called)
    if len(chosen):
        places = pa.array(chosen)
        found = [pc.match_substring_regex(column.take(places), INTEGER_KEY) for column in (inputs, expected)]
        mask[chosen] = np.asarray(pc.or_(*found))
    return mask


def _listed(masks: dict[Suspicion, Mask]) -> pa.ListArray:
    """Turn one mask per rule into a list of names per test; the rules come sorted by name."""
    table = np.column_stack(list(masks.values()))
    offsets = np.concatenate(([0], np.cumsum(table.sum(axis=1)))).astype(np.int32)
    names = pa.array([name.value for name in masks], pa.string()).take(pa.array(np.nonzero(table)[1]))
    return pa.ListArray.from_arrays(pa.array(offsets), names)
