"""What is known of a problem's answers: its inputs with their outputs, from the statement's examples and from all tests.

Inputs and outputs are kept as hashes of a canonical form, so that a hundred thousand tests take two megabytes and two problems
are compared in microseconds. What follows from common inputs is decided elsewhere.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ocr_pipeline.similarity.evidence import canonical_example
from ocr_pipeline.tables import TestKind

__all__ = [
    "NO_CASES",
    "CaseComparison",
    "Cases",
    "Weight",
    "answer_bits",
    "cases_of",
    "compare_cases",
    "example_cases",
    "read_cases",
]

WHOLE_CHARACTERS: Final = 4_000  # longer inputs are told apart by a hash of the rest
MOST_TOKENS: Final = 255
MOST_BITS: Final = 255
BITS_PER_NUMBER: Final = 20
BITS_PER_CHARACTER: Final = 4
TWO: Final = 2
BITS_OF_A_QUESTION: Final = 3
COIN: Final = frozenset({"true", "false", "yes", "no", "0", "1", "-1", ""})
"""Outputs that any two problems may share."""
CASE: Final = np.dtype([("input", "u8"), ("output", "u8"), ("tokens", "u1"), ("bits", "u1"), ("weight", "u1")])
_NUMBER: Final = re.compile(r"-?\d{1,30}")

Table: TypeAlias = "npt.NDArray[np.void]"


class Weight(IntEnum):
    """How sure it is that every source of the problem has this input."""

    GENERATED = 0
    PRIVATE = 1
    SHOWN = 2
    """In the statement, or among the tests that it shows."""


_WEIGHTS: Final = {
    TestKind.EXAMPLE: Weight.SHOWN,
    TestKind.PUBLIC: Weight.SHOWN,
    "": Weight.SHOWN,  # a file that does not say
    TestKind.GENERATED: Weight.GENERATED,
}


@dataclass(frozen=True, slots=True)
class Cases:
    """The known inputs of a problem, each once, sorted by hash."""

    rows: Table

    def __len__(self) -> int:
        """Return the number of inputs."""
        return len(self.rows)

    @property
    def known(self) -> int:
        """Inputs that a source of the problem gives itself: generated ones are of one data set only."""
        return int((self.rows["weight"] > Weight.GENERATED).sum())

    @property
    def shown(self) -> int:
        """Inputs that the statement, or the tests it shows, give."""
        return int((self.rows["weight"] == Weight.SHOWN).sum())


NO_CASES: Final = Cases(np.zeros(0, CASE))


@dataclass(frozen=True, slots=True)
class CaseComparison:
    """How the known answers of two problems relate."""

    agreeing: int = 0
    """Inputs of both with one output."""
    conflicting: int = 0
    """Inputs of both with two outputs."""
    covers: bool = False
    """All that one of them shows (or has, if it shows none) agrees with the other."""
    tokens: int = 0
    """Size of the agreeing inputs."""
    bits: int = 0
    """How much the agreeing outputs tell, about: a yes or no 1, a number its logarithm."""


def example_cases(examples: Mapping[str, str]) -> Cases:
    """Return the examples of a statement, which are in canonical form already."""
    return cases_of((_case(given, answer, Weight.SHOWN) for given, answer in examples.items()))


def read_cases(batches: Iterable[pa.RecordBatch], wanted: Collection[str]) -> dict[str, Cases]:
    """Return the cases of the wanted problems from rows of ``tests``."""
    parts: dict[str, list[Table]] = defaultdict(list)
    for batch in batches:
        rows: dict[str, list[tuple[int, int, int, int, int]]] = defaultdict(list)
        for problem_id, kind, given, expected in _tests(batch):
            if problem_id in wanted and given is not None and expected is not None:
                weight = _WEIGHTS.get(kind or "", Weight.PRIVATE)
                rows[problem_id].append(_case(_canonical(given), _canonical(expected), weight))
        for problem_id, cases in rows.items():
            parts[problem_id].append(np.array(cases, CASE))
    return {problem_id: _sorted(np.concatenate(tables)) for problem_id, tables in parts.items()}


def _tests(batch: pa.RecordBatch) -> Iterator[tuple[str, str | None, str | None, str | None]]:
    kinds = batch.column("kind").to_pylist() if "kind" in batch.schema.names else [None] * batch.num_rows
    columns = (batch.column(name).to_pylist() for name in ("problem_id", "input", "expected"))
    ids, inputs, outputs = columns
    return zip(ids, kinds, inputs, outputs, strict=True)


def cases_of(cases: Iterable[tuple[int, int, int, int, int]], *more: Cases) -> Cases:
    """Return the cases of one problem from several places."""
    return _sorted(np.concatenate([np.array(list(cases), CASE), *(one.rows for one in more)]))


def _sorted(rows: Table) -> Cases:
    """Keep each input once: that of the greatest weight, and among equals that of the smallest output."""
    ordered = rows[np.lexsort((rows["output"], -rows["weight"].astype(np.int8), rows["input"]))]
    first = np.ones(len(ordered), np.bool_)
    first[1:] = ordered["input"][1:] != ordered["input"][:-1]
    return Cases(ordered[first])


def _canonical(text: str) -> str:
    short = canonical_example(text[:WHOLE_CHARACTERS])
    if len(text) <= WHOLE_CHARACTERS:
        return short
    return f"{short} {hashlib.blake2b(''.join(text.split()).encode('utf-8', 'surrogatepass')).hexdigest()}"


def _case(given: str, answer: str, weight: Weight) -> tuple[int, int, int, int, int]:
    tokens = min(given.count(" ") + 1, MOST_TOKENS)
    return _hash(given), _hash(answer), tokens, min(answer_bits(answer), MOST_BITS), weight


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def answer_bits(answer: str) -> int:
    """Return about how much an output in canonical form tells: a yes or no 1 bit, a number its logarithm."""
    total = 0.0
    for token in answer.split(" "):
        if token in COIN:
            total += 1
        elif _NUMBER.fullmatch(token):
            total += min(math.log2(abs(int(token)) + 2), BITS_PER_NUMBER)
        else:
            total += min(BITS_PER_CHARACTER * len(token), BITS_PER_NUMBER)
    return round(total)


def compare_cases(left: Cases, right: Cases) -> CaseComparison:
    """Compare what two problems answer to the same inputs."""
    _, i, j = np.intersect1d(left.rows["input"], right.rows["input"], assume_unique=True, return_indices=True)
    if not len(i):
        return CaseComparison()
    one, other = left.rows[i], right.rows[j]
    agrees = one["output"] == other["output"]
    most = BITS_OF_A_QUESTION if _is_question(left) or _is_question(right) else MOST_BITS
    return CaseComparison(
        agreeing=int(agrees.sum()),
        conflicting=int((~agrees).sum()),
        covers=_covers(left, one[agrees]) or _covers(right, other[agrees]),
        tokens=int(one["tokens"][agrees].sum(dtype=np.int64)),
        bits=int(np.minimum(one["bits"][agrees], most).sum(dtype=np.int64)),
    )


def _is_question(cases: Cases) -> bool:
    """Say whether all outputs are one of two: each then tells hardly more than a yes or no, whatever they are called."""
    return len(cases) > TWO and len(np.unique(cases.rows["output"])) <= TWO


def _covers(whole: Cases, agreeing: Table) -> bool:
    needed = Weight.SHOWN if whole.shown else Weight.PRIVATE
    return 0 < int((whole.rows["weight"] >= needed).sum()) == int((agreeing["weight"] >= needed).sum())
