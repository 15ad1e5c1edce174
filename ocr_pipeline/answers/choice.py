"""Choose the program of an answer among its fences.

Fences tagged with the asked language come first, then untagged ones, then others; among equals the one that is more of a
program, then the last (or the first). What is not a program at all comes after everything that is one, so a trace or an
output is never taken for the program that it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from ocr_pipeline.answers.fences import Fence, code_of, find_fences
from ocr_pipeline.answers.programs import Wholeness, is_piece, may_hold_program, wholeness
from ocr_pipeline.answers.shapes import find_shapes
from ocr_pipeline.answers.words import FencePolicy
from ocr_pipeline.answers.wrappings import is_change, programs_in
from ocr_pipeline.tables import Language

__all__ = ["NO_CHOICE", "Choice", "choose_program", "extract_code"]

CHANGES: Final = frozenset({"", "diff", "patch"})
MOST_COMPARED: Final = 256  # fences of one answer whose content is looked at; more is a loop


class Choice(NamedTuple):
    """The program of an answer, and the fence that it came from."""

    fence: Fence | None
    code: bytes | None
    is_program: bool
    """It reads, prints or defines something, and needs no other piece of the answer."""


NO_CHOICE: Final = Choice(None, None, is_program=False)


class _Candidate(NamedTuple):
    fence: Fence
    code: bytes
    wholeness: Wholeness
    rank: int

    @property
    def order(self) -> tuple[bool, int, int]:
        return self.wholeness == Wholeness.NOTHING, self.rank, -self.wholeness


def choose_program(
    text: bytes,
    answer: tuple[int, int],
    fences: Sequence[Fence],
    policy: FencePolicy,
    language: Language | None,
    *,
    is_open: bool = False,
) -> Choice:
    """Return the program of the answer that lies between two offsets of ``text``, whose complete fences are known.

    Behind a fence that stays open there is nothing but the rest of a program that was cut.
    """
    candidates = _candidates(text, fences, language)
    is_found = is_open or any(each.wholeness for each in candidates)
    if not is_found and may_hold_program(text, *answer, language):
        candidates += [each for each in _candidates(text, find_shapes(text, *answer), language) if each.wholeness]
    if not candidates:
        return NO_CHOICE
    best = min(each.order for each in candidates)
    equals = [each for each in candidates if each.order == best]
    chosen = equals[-1 if policy is FencePolicy.LAST else 0]
    pieces = [each.code for each in candidates if each is not chosen and each.rank <= chosen.rank]
    is_program = chosen.wholeness > Wholeness.NOTHING and not is_piece(chosen.code, pieces, language)
    return Choice(chosen.fence, chosen.code, is_program)


def extract_code(text: str, policy: FencePolicy = FencePolicy.LAST, language: Language | None = None) -> str | None:
    """Return the program of an answer, or None when nothing in it is set apart as code.

    Newlines become LF, the indentation of the fence is removed from its lines, and the newline before the closing
    line is not part of the code.
    """
    raw = text.encode("utf-8", "replace")
    found = find_fences(raw)
    code = choose_program(raw, (0, len(raw)), found.complete, policy, language, is_open=found.is_open).code
    return None if code is None else code.decode("utf-8", "replace")


def _candidates(text: bytes, fences: Iterable[Fence], language: Language | None) -> list[_Candidate]:
    fences = list(fences)
    if len(fences) > MOST_COMPARED:
        fences = fences[: MOST_COMPARED // 2] + fences[-MOST_COMPARED // 2 :]
    return [
        _Candidate(fence, code, _wholeness(code, fence, language), _rank(fence, language))
        for fence in fences
        for code in programs_in(code_of(text, fence), is_quoted=fence.is_quoted)
    ]


def _wholeness(code: bytes, fence: Fence, language: Language | None) -> Wholeness:
    if fence.tag.word in CHANGES and is_change(code):
        return Wholeness.NOTHING
    return wholeness(code, language)


def _rank(fence: Fence, language: Language | None) -> int:
    if language is None or fence.tag.language is language:
        return 0
    return 2 if fence.tag.language is not None or fence.tag.is_other else 1
