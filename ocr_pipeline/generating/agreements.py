"""What holds between the arguments of all known calls of a function, and must hold in made ones.

A number that is the length of a list, a value that is in it, two numbers in order: statements of functions rarely say so, and right
programs differ where it does not hold.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any, Final

__all__ = ["LENGTH", "Agreement", "agreements_of"]

FEWEST_CALLS: Final = 3
"""What may be chance in one or two calls is asked of so many."""
Call = list[Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """A way in which two arguments go together."""

    name: str
    applies: Callable[[Any, Any], bool]
    """Whether it can be asked of two values at all."""
    holds: Callable[[Any, Any], bool]
    mended: Callable[[Any, Any, random.Random], tuple[Any, Any]]
    """Two values for which it holds, as near as possible."""
    calls: int = 1
    """Known calls that it needs."""
    stands_for: tuple[str, ...] = ()
    """Weaker ways, which need not be asked of the same two."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two arguments that go together in all known calls."""

    kind: Kind
    one: int
    other: int

    def holds(self, call: Call) -> bool:
        """Say whether they do in a call."""
        one, other = call[self.one], call[self.other]
        return self.kind.applies(one, other) and self.kind.holds(one, other)

    def mend(self, call: Call, rng: random.Random) -> None:
        """Change a call so that they do."""
        if not self.holds(call):
            call[self.one], call[self.other] = self.kind.mended(call[self.one], call[self.other], rng)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number_of(one: object, other: object) -> bool:
    return _is_number(one) and isinstance(other, str | list)


def _is_number_of_rows(one: object, other: object) -> bool:
    return _is_number(one) and isinstance(other, list) and all(isinstance(each, str | list) for each in other)


def _may_be_in(one: object, other: object) -> bool:
    return isinstance(one, str) if isinstance(other, str) else isinstance(other, list) and not isinstance(one, list)


def _is_in(one: object, other: Any) -> bool:  # noqa: ANN401 - a text or a list
    return bool(one in other) and (not isinstance(one, str) or len(one) > 0)


def _width(rows: Sequence[Any]) -> int:
    return len(rows[0]) if rows else 0


LENGTH: Final = Kind(
    "length",
    _is_number_of,
    lambda one, other: bool(one == len(other)),
    lambda _, other, __: (len(other), other),
    stands_for=("below length", "up to length"),
)
KINDS: Final = (
    Kind(
        "same length",
        lambda one, other: isinstance(one, list) and isinstance(other, list),
        lambda one, other: len(one) == len(other),
        lambda one, other, _: (one[: len(other)], other[: len(one)]),
    ),
    Kind(
        "texts of one length",
        lambda one, other: isinstance(one, str) and isinstance(other, str),
        lambda one, other: len(one) == len(other),
        lambda one, other, _: (one[: len(other)], other[: len(one)]),
        calls=FEWEST_CALLS,
    ),
    Kind(
        "is in",
        _may_be_in,
        _is_in,
        lambda one, other, rng: (rng.choice(other) if other else one, other),
        calls=FEWEST_CALLS,
    ),
    LENGTH,
    Kind(
        "width",
        _is_number_of_rows,
        lambda one, other: bool(one == _width(other)),
        lambda _, other, __: (_width(other), other),
        calls=2,
    ),
    Kind(
        "below length",
        _is_number_of,
        lambda one, other: bool(one < len(other)),
        lambda _, other, rng: (rng.randrange(len(other)) if other else -1, other),
        calls=FEWEST_CALLS,
        stands_for=("up to length",),
    ),
    Kind(
        "up to length",
        _is_number_of,
        lambda one, other: bool(one <= len(other)),
        lambda _, other, __: (len(other), other),
    ),
    Kind(
        "less",
        lambda one, other: _is_number(one) and _is_number(other),
        lambda one, other: bool(one < other),
        lambda one, other, _: (other, one),
        calls=FEWEST_CALLS,
        stands_for=("up to",),
    ),
    Kind(
        "up to",
        lambda one, other: _is_number(one) and _is_number(other),
        lambda one, other: bool(one <= other),
        lambda one, other, _: (other, one),
        calls=FEWEST_CALLS,
    ),
)


def agreements_of(calls: Sequence[Call]) -> tuple[Agreement, ...]:
    """Return what holds between two arguments in all calls, of several ways only the strictest."""
    found = []
    for one, other in permutations(range(len(calls[0])), 2):
        implied: set[str] = set()
        for kind in KINDS:
            agreement = Agreement(kind, one, other)
            if len(calls) >= kind.calls and kind.name not in implied and all(map(agreement.holds, calls)):
                found.append(agreement)
                implied |= set(kind.stands_for)
    return tuple(sorted(found, key=lambda each: (KINDS.index(each.kind), each.one, each.other)))
