"""Tries a checker that the teacher wrote on known tests: what it must accept, and what it must not (decision 155).

Answers and outputs of right programs must be accepted. Outputs that are hardly right must be refused: those of other
tests, spoiled answers, and what wrong programs print. One of them alone may be right by accident, so kinds are counted.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final

from ocr_pipeline.generating.outcomes import Use
from ocr_pipeline.judge.checkers import CheckerBroken, Referee
from ocr_pipeline.judge.verdicts import Test

__all__ = ["SPOILED_TESTS", "TestOutput", "try_checker"]

SPOILED_TESTS: Final = 10
"""Known tests whose answers are spoiled, and that known programs are run on for this."""
OTHER_ANSWERS: Final = 3
FAR: Final = 1_000_003
"""What is added to a number so that it is right by accident nowhere: a prime beyond the bounds of most lists."""
NONSENSE: Final = ("", "no output at all")
TOKEN: Final = re.compile(r"\S+")
INTEGER: Final = re.compile(r"[+-]?\d{1,4000}")
TestOutput = tuple[Test, bytes]


class _Spoiled(StrEnum):
    """What is wrong with an output that should be refused."""

    OTHER_TEST = "other_test"
    FIRST_CHANGED = "first_changed"
    LAST_CHANGED = "last_changed"
    WRONG_PROGRAM = "wrong_program"
    ONE_MORE = "one_more"
    ONE_FEWER = "one_fewer"
    FAR_OFF = "far_off"


BY_ACCIDENT: Final = {_Spoiled.OTHER_TEST, _Spoiled.FIRST_CHANGED, _Spoiled.LAST_CHANGED, _Spoiled.WRONG_PROGRAM}
"""Where several answers are right these may be, too, so that one refused output shows that the checker looks."""


def try_checker(
    referee: Referee, tests: Sequence[Test], right: Iterable[TestOutput], wrong: Iterable[TestOutput]
) -> Use:
    """Say whether a checker can be believed.

    Parameters
    ----------
    referee
        The checker; it is not closed here.
    tests
        Known tests; the answers of the first ones are spoiled.
    right, wrong
        Outputs of known programs that differ from the answer.
    """
    answers = ((test, _bytes(test.expected)) for test in tests)
    if not tests or not all(_says(referee, *each) for each in (*answers, *right)):
        return Use.REFUSES_KNOWN
    said: dict[_Spoiled, list[bool | None]] = defaultdict(list)
    for kind, test, output in _spoiled(tests[:SPOILED_TESTS]):
        said[kind].append(_says(referee, test, _bytes(output)))
    for test, printed in wrong:
        said[_Spoiled.WRONG_PROGRAM].append(_says(referee, test, printed))
        if said[_Spoiled.WRONG_PROGRAM][-1] is False:
            break
    accepts_nonsense = any(_says(referee, test, _bytes(text)) for test in tests for text in NONSENSE)
    if referee.has_given_up:
        return Use.TIME_LIMIT
    if accepts_nonsense or any(not _is_refused(kind, answers) for kind, answers in said.items()):
        return Use.ACCEPTS_ANYTHING
    return Use.USED


def _is_refused(kind: _Spoiled, said: Sequence[bool | None]) -> bool:
    """Say whether enough outputs of a kind are refused; where there are none, nothing speaks against the checker."""
    enough = min(1, len(said)) if kind in BY_ACCIDENT else len(said) / 2
    return said.count(False) >= enough


def _says(referee: Referee, test: Test, output: bytes) -> bool | None:
    """Return what the checker says; ``None`` where it broke, which is neither."""
    try:
        return referee.accepts(_bytes(test.input), _bytes(test.expected), output)
    except CheckerBroken:
        return None


def _spoiled(tests: Sequence[Test]) -> Iterator[tuple[_Spoiled, Test, str]]:
    for place, test in enumerate(tests):
        text = test.expected.rstrip()
        others = [each for each in (*tests[place + 1 :], *tests[:place]) if each.expected.split() != text.split()]
        for other in others[:OTHER_ANSWERS]:
            yield _Spoiled.OTHER_TEST, test, other.expected
        tokens = list(TOKEN.finditer(text))
        if not tokens:
            continue
        first, last = tokens[0], tokens[-1]
        yield _Spoiled.ONE_MORE, test, f"{text} {last[0]}\n"
        if len(tokens) > 1:
            yield _Spoiled.ONE_FEWER, test, f"{text[: last.start()].rstrip()}\n"
            yield _Spoiled.LAST_CHANGED, test, f"{text[: last.start()]}{_changed(last[0], 1)}\n"
        yield _Spoiled.FIRST_CHANGED, test, f"{text[: first.start()]}{_changed(first[0], 1)}{text[first.end() :]}\n"
        yield _Spoiled.FAR_OFF, test, f"{text[: last.start()]}{_changed(last[0], FAR)}\n"


def _changed(token: str, by: int) -> str:
    """Return another token of the same look: a number nearby or far off, or a word with another last letter."""
    if INTEGER.fullmatch(token):
        return str(int(token) + by)
    try:
        return str(2 * float(token) + by)  # a tolerance that is relative must not take it
    except ValueError:
        pass
    letters = "ab" if token[-1].islower() else "AB" if token[-1].isupper() else "01" if token[-1].isdigit() else "#."
    spoiled = token[:-1] + letters[token[-1] == letters[0]]
    return spoiled if by == 1 else spoiled * 2


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
