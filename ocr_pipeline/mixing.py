"""Draws rows by weights: exact counts by largest remainder, the same rows whatever their order.

A facet is something that rows differ in, such as language or source. A cell is one combination of the facets that have
weights; its weight is the product of theirs. Within a cell the rows with the smallest seeded hashes are drawn, and none
twice.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from ocr_pipeline.errors import InputError, OptionError

__all__ = ["Draw", "Weight", "largest_remainder", "read_weights"]

OTHERS: Final = "*"
ALSO: Final = {"teacher": "model"}
"""What people call a facet, beside its name."""


@dataclass(frozen=True, slots=True)
class Weight:
    """The weight of rows with one value; without a facet, of the one facet that has such a value."""

    facet: str | None
    value: str
    weight: Fraction


def read_weights(texts: Sequence[str]) -> list[Weight]:
    """Read weights as a person writes them: ``facet:value=weight``, ``value=weight``, or JSON files of them.

    Raises
    ------
    OptionError
        When one cannot be read.
    """
    return [weight for text in texts for weight in _read(text)]


def _read(text: str) -> list[Weight]:
    if text.endswith(".json"):
        return _of_file(Path(text))
    key, sign, amount = text.rpartition("=")
    if not sign or not key:
        message = f"mix must be facet:value=weight, value=weight or a JSON file, got `{text}`"
        raise OptionError(message)
    return [_keyed(key, _weight(amount, text))]


def _keyed(key: str, weight: Fraction) -> Weight:
    facet, colon, value = key.partition(":")
    return Weight(ALSO.get(facet, facet), value, weight) if colon else Weight(None, key, weight)


def _of_file(path: Path) -> list[Weight]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"mix: `{path}` cannot be read: {error}"
        raise OptionError(message) from error
    if not isinstance(found, dict):
        message = f'mix: `{path}` must hold {{"facet": {{"value": weight}}}}'
        raise OptionError(message)
    flat = {
        (f"{key}:{value}" if isinstance(inner, dict) else key): amount
        for key, inner in found.items()
        for value, amount in (inner.items() if isinstance(inner, dict) else [("", inner)])
    }
    return [_keyed(key, _weight(str(amount), f"{path}: {key}")) for key, amount in flat.items()]


def _weight(amount: str, text: str) -> Fraction:
    try:
        weight = Fraction(amount)
    except (ValueError, ZeroDivisionError):
        weight = Fraction(-1)
    if weight < 0:
        message = f"mix: a weight must be a number of at least 0, got `{amount}` in `{text}`"
        raise OptionError(message)
    return weight


def largest_remainder(total: int, weights: Sequence[Fraction]) -> list[int]:
    """Share a total out so that the counts add up to it and each is within one of its exact share."""
    whole = sum(weights)
    exact = [total * weight / whole for weight in weights]
    counts = [math.floor(share) for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda place: (counts[place] - exact[place], place))
    for place in by_remainder[: total - sum(counts)]:
        counts[place] += 1
    return counts


class Draw:
    """Collects what is there, then says which rows are drawn: 12 bytes per row.

    Parameters
    ----------
    weights
        The weights.
    rows
        How many rows are wanted; ``None``: as many as the scarcest cell allows.
    seed
        Which rows are drawn.
    """

    def __init__(self, weights: Sequence[Weight], *, rows: int | None, seed: int) -> None:
        self._weights = weights
        self._rows = rows
        self._seed = seed
        self._kinds: dict[tuple[tuple[str, str], ...], int] = {}
        self._hashes = bytearray()
        self._kind_of: list[npt.NDArray[np.int32]] = []
        self._pending: list[int] = []

    def add(self, key: str, facets: Mapping[str, str]) -> None:
        """Take note of a row that may be drawn."""
        self._hashes += hashlib.blake2b(f"{self._seed}\0{key}".encode(), digest_size=8).digest()
        self._pending.append(self._kinds.setdefault(tuple(facets.items()), len(self._kinds)))
        if len(self._pending) >= 1 << 16:
            self._pack()

    def _pack(self) -> None:
        self._kind_of.append(np.array(self._pending, np.int32))
        self._pending = []

    def drawn(self) -> npt.NDArray[np.bool_]:
        """Return for each row, in the order in which they came, whether it is drawn.

        Raises
        ------
        InputError
            When the rows that are there do not suffice, or no row has a value.
        """
        self._pack()
        kind_of = np.concatenate(self._kind_of)
        kinds = [dict(kind) for kind in self._kinds]
        chosen = np.zeros(len(kind_of), bool)
        weights = self._of_facets(kinds)
        cell_of_kind = [tuple(kind.get(facet, "") for facet in weights) for kind in kinds]
        cells = sorted({cell for cell in cell_of_kind if _product(weights, cell)})
        number = {cell: place for place, cell in enumerate(cells)}
        cell_of = np.array([number.get(cell, -1) for cell in cell_of_kind], np.int64)[kind_of]
        available = np.bincount(cell_of[cell_of >= 0], minlength=len(cells)).tolist()
        order = np.argsort(np.frombuffer(bytes(self._hashes), ">u8"), kind="stable")
        counts = self._counts(list(weights), cells, [_product(weights, cell) for cell in cells], available)
        for place, count in enumerate(counts):
            chosen[order[cell_of[order] == place][:count]] = True
        return chosen

    def _of_facets(self, kinds: Sequence[Mapping[str, str]]) -> dict[str, dict[str, Fraction]]:
        """Return the weights by facet and value, once it is known which facet has a value."""
        values: dict[str, set[str]] = {}
        for kind in kinds:
            for facet, value in kind.items():
                values.setdefault(facet, set()).add(value)
        found: dict[str, dict[str, Fraction]] = {}
        for weight in self._weights:
            facet = weight.facet or _facet_with(weight.value, values)
            if facet not in values:
                message = f"mix: rows have no `{facet}`; they have {', '.join(values) or 'nothing'}"
                raise InputError(message)
            if weight.weight and weight.value not in values[facet] | {OTHERS}:
                known = ", ".join(sorted(values[facet])[:20])
                message = f"mix: no row has the {facet} `{weight.value}`; there are {known}"
                raise InputError(message)
            found.setdefault(facet, {})[weight.value] = weight.weight
        return found

    def _counts(
        self, facets: Sequence[str], cells: Sequence[tuple[str, ...]], weights: Sequence[Fraction], available: list[int]
    ) -> list[int]:
        if not cells:
            raise InputError("mix: no row has a weight above 0; give one to a value that rows have")
        whole = sum(weights)
        most = min(math.floor(there * whole / weight) for there, weight in zip(available, weights, strict=True))
        counts = largest_remainder(most if self._rows is None else self._rows, weights)
        for cell, count, there in zip(cells, counts, available, strict=True):
            if count > there:
                name = ", ".join(f"{facet}={value}" for facet, value in zip(facets, cell, strict=True)) or "any kind"
                message = f"mix: {count} rows of {name} are wanted and there are {there}; {most} rows in all are possible: ask for fewer rows"
                raise InputError(message)
        return counts


def _facet_with(value: str, values: Mapping[str, Iterable[str]]) -> str:
    found = [facet for facet, known in values.items() if value in known]
    if len(found) != 1:
        what = f"several facets have it ({', '.join(found)})" if found else "no row has it"
        message = f"mix: which facet is `{value}`? {what}; write one of {', '.join(values)}, a colon and the value"
        raise OptionError(message)
    return found[0]


def _product(weights: Mapping[str, Mapping[str, Fraction]], cell: Sequence[str]) -> Fraction:
    """Return the weight of a cell; a value without a weight has that of ``*``, or 0."""
    return math.prod(
        (known.get(value, known.get(OTHERS, Fraction(0))) for known, value in zip(weights.values(), cell, strict=True)),
        start=Fraction(1),
    )
