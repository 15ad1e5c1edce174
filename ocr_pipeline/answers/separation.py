"""Tell reasoning and answer of one response apart, and find the code, by byte offsets.

A closing tag counts only where a reader would take it for one: not quoted, not in inline code, not in a fence. The
answer begins after the last one that counts. Whether the code is a program is not decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from ocr_pipeline.answers.fences import (
    INVISIBLE,
    Fence,
    choose_fence,
    code_of,
    find_fences,
    has_fence_marker,
    says,
)
from ocr_pipeline.answers.words import Case, FencePolicy, Separation
from ocr_pipeline.tables import Language

__all__ = [
    "CLOSING",
    "FAILED",
    "OPENING",
    "Parts",
    "Separated",
    "Span",
    "Thought",
    "find_thought",
    "separate_text",
    "split_thought",
]

OPENING: Final = b"<think>"
CLOSING: Final = b"</think>"
BOM: Final = b"\xef\xbb\xbf"
MOST_CLOSINGS: Final = 64  # looked at from the end; more than that is a loop, and keeps hostile texts from costing n²
LONGEST_LINE_BYTES: Final = 2_000
NEWLINE: Final = ord("\n")
FIRST_NON_ASCII: Final = 0x80
SPACE: Final = re.compile(rb"\s*")
CODE: Final = (
    rb"(?:#include\b|import \w|from \w+ import |def \w+\(|class \w+|using namespace |int main\s*\(|for \w+ in .+:$)"
)
FIRST_CODE_LINE: Final = re.compile(CODE, re.MULTILINE)
CODE_LINE: Final = re.compile(b"\n" + CODE, re.MULTILINE)  # a literal first is three times as fast as ``^``
QUOTES: Final = (
    (b"'", b"'"),
    (b'"', b'"'),
    (b"`", b"`"),
    ("“".encode(), "”".encode()),
    (b"\xe2\x80\x98", b"\xe2\x80\x99"),  # typographic single quotes
    ("«".encode(), "»".encode()),
)


class Span(NamedTuple):
    """A byte range."""

    start: int
    end: int


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


class Thought(NamedTuple):
    """Where the thought stands in a text, and what is odd about it."""

    reasoning: Span | None
    answer: Span | None
    reasons: tuple[Separation, ...] = ()
    cases: tuple[Case, ...] = ()
    may_hold_fences: bool = True
    """Whether it is worth looking for fences in the reasoning: one pass over most texts is enough to say no."""


def separate_text(
    text: bytes, language: Language | None, policy: FencePolicy, *, is_truncated: bool = False
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
    is_truncated
        The server stopped because of the length.
    """
    start = len(BOM) if text.startswith(BOM) else 0
    if _skip_space(text, start, len(text)) == len(text):
        return _without_code((Separation.EMPTY_RESPONSE,), bom=start > 0)
    thought = find_thought(text, start)
    answer_reasons, fence, fences, cases = _read_answer(text, thought.answer, policy, language)
    reasoning_fences, has_code = _reasoning_fences(text, thought)
    return Separated(
        reasons=((Separation.TRUNCATED,) if is_truncated else ()) + thought.reasons + answer_reasons,
        reasoning=thought.reasoning,
        answer=thought.answer,
        code=None if fence is None else code_of(text, fence),
        fence=fence,
        fences=fences,
        reasoning_fences=reasoning_fences,
        reasoning_has_code=has_code,
        cases=((Case.BOM,) if start else ()) + thought.cases + cases,
    )


class Parts(NamedTuple):
    """Reasoning and answer as text; an answer that is None never began."""

    reasoning: str | None
    answer: str | None


def split_thought(text: str) -> Parts:
    """Return reasoning and answer of a text, without the tags."""
    raw = text.encode("utf-8", "replace")
    thought = find_thought(raw, len(BOM) if raw.startswith(BOM) else 0)
    spans = (thought.reasoning, thought.answer)
    return Parts(*(None if span is None else raw[span.start : span.end].decode() for span in spans))


def _without_code(reasons: tuple[Separation, ...], *, bom: bool) -> Separated:
    return Separated(
        reasons, None, None, None, None, (), (), reasoning_has_code=False, cases=(Case.BOM,) if bom else ()
    )


def _skip_space(text: bytes, start: int, end: int) -> int:
    found = SPACE.match(text, start, end)
    return found.end() if found else start


def find_thought(text: bytes, start: int = 0) -> Thought:
    """Find the thought of a text that begins at ``start``."""
    end = len(text)
    last = text.rfind(CLOSING, start)
    may_hold_fences = has_fence_marker(text, start, last if last >= 0 else end)
    closings = _real_closings(text, start, last, may_hold_fences=may_hold_fences) if last >= 0 else []
    quoted = (Case.QUOTED_TAG,) if last >= 0 and (not closings or closings[0] != last) else ()
    if closings:
        return _closed_thought(text, start, closings, quoted, may_hold_fences=may_hold_fences)
    opened = _opening(text, start, end)
    if opened is None:
        return Thought(None, Span(start, end), (Separation.NO_THINK,), quoted)
    return Thought(Span(opened, end), None, (Separation.UNCLOSED_THINK,), quoted)


def _closed_thought(
    text: bytes, start: int, closings: list[int], cases: tuple[Case, ...], *, may_hold_fences: bool
) -> Thought:
    closing, end = closings[0], len(text)
    opened = _opening(text, start, closing)
    if opened is None:
        opened, cases = start, (*cases, Case.ONLY_CLOSING_TAG)
    elif _skip_space(text, start, end) != opened - len(OPENING):
        cases = (*cases, Case.TEXT_BEFORE_THINK)
    reasons: list[Separation] = [Separation.SEVERAL_CLOSINGS] if len(closings) > 1 else []
    if _opening(text, closing + len(CLOSING), end) is not None:
        reasons.append(Separation.UNCLOSED_THINK)
    if _skip_space(text, opened, closing) == closing:
        reasons.append(Separation.EMPTY_REASONING)
    answer = Span(closing + len(CLOSING), end)
    return Thought(Span(opened, closing), answer, tuple(reasons), cases, may_hold_fences)


def _real_closings(text: bytes, start: int, last: int, *, may_hold_fences: bool) -> list[int]:
    """Return the last closing tag that counts and, if there is one, another before it."""
    real: list[int] = []
    position = last
    for _ in range(MOST_CLOSINGS):
        if position < 0 or len(real) == 2:  # noqa: PLR2004 - the last decides, one more makes them several
            break
        is_fenced = may_hold_fences and _is_fenced(text, start, position, CLOSING)
        if not is_fenced and not _is_quoted(text, position, CLOSING):
            real.append(position)
        position = text.rfind(CLOSING, start, position)
    return real


def _opening(text: bytes, start: int, end: int) -> int | None:
    """Return where the reasoning begins: after the first opening tag that begins a line and is not in a fence."""
    if text.startswith(OPENING, start, end):
        return start + len(OPENING)
    position = text.find(OPENING, start, end)
    for _ in range(MOST_CLOSINGS):
        if position < 0:
            return None
        line = max(text.rfind(b"\n", start, position) + 1, start)
        begins_line = not INVISIBLE.sub(b"", text[line:position]).strip()
        if begins_line and not _is_fenced(text, start, position, OPENING):
            return position + len(OPENING)
        position = text.find(OPENING, position + 1, end)
    return None


def _is_quoted(text: bytes, position: int, tag: bytes) -> bool:
    """Tell that a tag stands between quotes or in inline code."""
    if position == 0 or text[position - 1] == NEWLINE:
        return False
    line = max(text.rfind(b"\n", max(0, position - LONGEST_LINE_BYTES), position) + 1, position - LONGEST_LINE_BYTES, 0)
    after = position + len(tag)
    if any(text.endswith(left, 0, position) and text.startswith(right, after) for left, right in QUOTES):
        return True
    end = text.find(b"\n", after, after + LONGEST_LINE_BYTES)
    end = min(len(text), after + LONGEST_LINE_BYTES) if end < 0 else end
    return any(text.count(sign, line, position) % 2 and text.count(sign, after, end) for sign in (b"`", b'"'))


def _is_fenced(text: bytes, start: int, position: int, tag: bytes) -> bool:
    """Tell that a tag stands inside a fence: one is open before it, and what follows closes more than it opens.

    A fence that the reasoning forgot to close does not hide the tag: then the fences after it are balanced.
    """
    return find_fences(text, start, position).is_open and find_fences(text, position + len(tag)).is_open


def _reasoning_fences(text: bytes, thought: Thought) -> tuple[tuple[Fence, ...], bool]:
    if thought.reasoning is None or not thought.may_hold_fences:
        return (), False
    found = find_fences(text, thought.reasoning.start, thought.reasoning.end)
    return found.complete, bool(found.complete) or found.is_open


def _read_answer(
    text: bytes, answer: Span | None, policy: FencePolicy, language: Language | None
) -> tuple[tuple[Separation, ...], Fence | None, tuple[Fence, ...], tuple[Case, ...]]:
    """Return the reasons against an answer, its code's fence, all complete fences, and the noticed cases."""
    if answer is None:
        return (), None, (), ()
    first = _skip_space(text, answer.start, answer.end)
    if first == answer.end:
        return (Separation.EMPTY_ANSWER,), None, (), ()
    found = find_fences(text, answer.start, answer.end)
    fence = choose_fence(text, found.complete, policy, language)
    cases = _answer_cases(text, answer, first, found.complete, fence, language)
    if fence is None:
        return (Separation.UNCLOSED_FENCE if found.is_open else Separation.NO_CODE,), None, (), cases
    return (), fence, found.complete, cases


def _answer_cases(
    text: bytes, answer: Span, first: int, fences: tuple[Fence, ...], fence: Fence | None, language: Language | None
) -> tuple[Case, ...]:
    cases: list[Case] = []
    if fence is not None:
        cases += _fence_cases(fence, len(fences), language)
    elif _has_code_line(text, first, answer.end):
        cases.append(Case.CODE_OUTSIDE_FENCE)
    if text.find(b"\r", answer.start, answer.end) >= 0 and text.find(b"\r\n", answer.start, answer.end) >= 0:
        cases.append(Case.CRLF)
    if text[first] >= FIRST_NON_ASCII:
        cases.append(Case.NON_ASCII_START)
    return tuple(cases)


def _has_code_line(text: bytes, start: int, end: int) -> bool:
    """Tell that the first line or a later one begins as a program's line does."""
    found = FIRST_CODE_LINE.match(text, start, end) or CODE_LINE.search(text, start, end)
    return found is not None


def _fence_cases(fence: Fence, count: int, language: Language | None) -> Iterator[Case]:
    if count > 1:
        yield Case.SEVERAL_FENCES
    if fence.is_nested:
        yield Case.NESTED_FENCE
    if fence.is_tilde:
        yield Case.TILDE_FENCE
    if fence.indent:
        yield Case.INDENTED_FENCE
    if not fence.language:
        yield Case.FENCE_WITHOUT_LANGUAGE
    elif language is not None and not says(fence.language, language):
        yield Case.WRONG_FENCE_LANGUAGE
