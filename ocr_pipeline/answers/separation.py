"""Take one response apart: reasoning, answer and program, and everything that speaks against it.

Where the thought ends is decided in ``thoughts``, which fence holds the program in ``choice``. Whether the code is a
program of its language is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from ocr_pipeline.answers.choice import NO_CHOICE, Choice, choose_program
from ocr_pipeline.answers.ending import Ending
from ocr_pipeline.answers.fences import Fence, find_fences
from ocr_pipeline.answers.shapes import has_code_line
from ocr_pipeline.answers.thoughts import BOM, Span, Thought, find_thought, skip_space
from ocr_pipeline.answers.words import Case, FencePolicy, Separation
from ocr_pipeline.tables import Language

__all__ = ["FAILED", "Separated", "separate_text"]

FIRST_NON_ASCII: Final = 0x80
BROKEN: Final = {Ending.LENGTH: (Separation.TRUNCATED,), Ending.BROKEN: (Separation.BROKEN_OFF,)}


class Separated(NamedTuple):
    """One response in its parts; offsets count from the start of the text that was given."""

    reasons: tuple[Separation, ...]
    reasoning: Span | None
    answer: Span | None
    code: bytes | None
    fence: Fence | None
    fences: tuple[Fence, ...]
    reasoning_fences: tuple[Fence, ...]
    reasoning_has_code: bool
    cases: tuple[Case, ...]
    is_program: bool = False
    """The code reads, prints or defines something, and needs no other piece of the answer."""

    @property
    def separation(self) -> Separation:
        """The first reason, or ``ok``."""
        return self.reasons[0] if self.reasons else Separation.OK


FAILED: Final = Separated(
    reasons=(Separation.REQUEST_FAILED,),
    reasoning=None,
    answer=None,
    code=None,
    fence=None,
    fences=(),
    reasoning_fences=(),
    reasoning_has_code=False,
    cases=(),
)
"""What a request without an answer comes apart into."""


class _Answer(NamedTuple):
    """What an answer holds."""

    reasons: tuple[Separation, ...]
    choice: Choice = NO_CHOICE
    fences: tuple[Fence, ...] = ()
    cases: tuple[Case, ...] = ()


def separate_text(
    text: bytes,
    language: Language | None,
    policy: FencePolicy,
    *,
    ending: Ending = Ending.WHOLE,
    answer_start: int | None = None,
    think_tags: Sequence[tuple[str, str]] = (),
) -> Separated:
    """Take one response apart.

    Parameters
    ----------
    text
        The response, UTF-8.
    language
        The language that was asked for; fences in it are preferred.
    policy
        Which of several such fences holds the code.
    ending
        Why the server stopped.
    answer_start
        Where the answer begins, if the server told reasoning and answer apart.
    think_tags
        Pairs of tags that open and close the reasoning, beside the known ones.
    """
    start = len(BOM) if text.startswith(BOM) else 0
    if skip_space(text, start, len(text)) == len(text):
        return FAILED._replace(reasons=(Separation.EMPTY_RESPONSE,), cases=(Case.BOM,) if start else ())
    thought = find_thought(text, start, answer_start=answer_start, think_tags=think_tags)
    answer = _read_answer(text, thought, policy, language)
    reasoning_fences, has_code = _reasoning_fences(text, thought)
    return Separated(
        reasons=BROKEN.get(ending, ()) + thought.reasons + answer.reasons,
        reasoning=thought.reasoning,
        answer=thought.answer,
        code=answer.choice.code,
        fence=answer.choice.fence,
        fences=answer.fences,
        reasoning_fences=reasoning_fences,
        reasoning_has_code=has_code,
        cases=((Case.BOM,) if start else ()) + thought.cases + answer.cases,
        is_program=answer.choice.is_program,
    )


def _reasoning_fences(text: bytes, thought: Thought) -> tuple[tuple[Fence, ...], bool]:
    if thought.reasoning is None or not thought.may_hold_fences:
        return (), False
    found = find_fences(text, thought.reasoning.start, thought.reasoning.end)
    return found.complete, bool(found.complete) or found.is_open


def _read_answer(text: bytes, thought: Thought, policy: FencePolicy, language: Language | None) -> _Answer:
    answer = thought.answer
    if answer is None:
        return _Answer(())
    first = skip_space(text, answer.start, answer.end)
    if first == answer.end:
        return _Answer((Separation.EMPTY_ANSWER,))
    found = find_fences(text, answer.start, answer.end)
    fences = tuple(fence._replace(is_html=True) for fence in found.complete) if thought.is_escaped else found.complete
    choice = choose_program(text, answer, fences, policy, language, is_open=found.is_open)
    cases = _answer_cases(text, answer, first, fences, choice.fence, language)
    if choice.fence is None:
        return _Answer((Separation.UNCLOSED_FENCE if found.is_open else Separation.NO_CODE,), cases=cases)
    all_fences = fences if choice.fence in fences else (*fences, choice.fence)
    return _Answer((), choice, all_fences, cases)


def _answer_cases(
    text: bytes, answer: Span, first: int, fences: tuple[Fence, ...], fence: Fence | None, language: Language | None
) -> tuple[Case, ...]:
    cases: list[Case] = []
    if fence is not None:
        cases += _fence_cases(fence, len(fences), language)
    elif has_code_line(text, first, answer.end):
        cases.append(Case.CODE_OUTSIDE_FENCE)
    if text.find(b"\r", answer.start, answer.end) >= 0 and text.find(b"\r\n", answer.start, answer.end) >= 0:
        cases.append(Case.CRLF)
    if text[first] >= FIRST_NON_ASCII:
        cases.append(Case.NON_ASCII_START)
    return tuple(cases)


def _fence_cases(fence: Fence, count: int, language: Language | None) -> Iterator[Case]:
    if count > 1:
        yield Case.SEVERAL_FENCES
    if fence.is_nested:
        yield Case.NESTED_FENCE
    if fence.is_tilde:
        yield Case.TILDE_FENCE
    if fence.indent:
        yield Case.INDENTED_FENCE
    if fence.is_other_form:
        yield Case.OTHER_FORM
    if not fence.language:
        yield Case.FENCE_WITHOUT_LANGUAGE
    elif language is not None and fence.tag.language is not language:
        yield Case.WRONG_FENCE_LANGUAGE
