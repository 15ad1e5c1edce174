"""Tell reasoning and answer of one text apart, by byte offsets.

A closing tag counts only where a reader would take it for one: not quoted, not in inline code, not in a fence. The answer
begins after the last one that counts. Where a server told the two apart itself, its word counts and tags do not. Texts
without ``<think>`` are read in the dialects of other teachers; which program an answer holds is not decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from ocr_pipeline.answers.fences import END_TOKENS, INVISIBLE, find_fences, find_rare, has_fence_marker
from ocr_pipeline.answers.words import Case, Separation

__all__ = [
    "BOM",
    "CLOSING",
    "OPENING",
    "Parts",
    "Span",
    "Thought",
    "find_thought",
    "skip_space",
    "split_thought",
]

OPENING: Final = b"<think>"
CLOSING: Final = b"</think>"
BOM: Final = b"\xef\xbb\xbf"
MOST_SLASHES: Final = 256
MOST_CLOSINGS: Final = 64  # looked at from the end; more than that is a loop, and keeps hostile texts from costing n²
MOST_LAST_BYTES: Final = 64  # looked at one by one; beyond that, looking for the whole tag costs less
LONGEST_LINE_BYTES: Final = 2_000
LONGEST_TOKENS_BYTES: Final = 160
NEWLINE: Final = ord("\n")
GREATER: Final = ord(">")
SPACE: Final = re.compile(rb"\s*")
QUOTES: Final = (
    (b"'", b"'"),
    (b'"', b'"'),
    (b"`", b"`"),
    ("“".encode(), "”".encode()),
    (b"\xe2\x80\x98", b"\xe2\x80\x99"),  # typographic single quotes
    ("«".encode(), "»".encode()),
)

NAME: Final = (
    rb"(?:[\w:.-]{0,24}(?:thinking|think|thoughts?|reasoning|reason|reflection|scratchpad|ponder|monologue|rationale|deliberation)(?:[_-]process)?"
    rb"|analysis|planning|plan|cot|chain[_-]of[_-]thought"
    rb"|pensamiento|razonamiento|pensamento|raciocinio|pensiero|ragionamento|raisonnement|denken|gedanken?|denkprozess"
    rb"|[\w ]{0,24}[\x80-\xff][\w\x80-\xff ]{1,60})"
)
"""What teachers call a thought; a word of another script at the very beginning is taken for its translation."""
LEFT: Final = (  # also as HTML and JSON escape it, triangles, brackets of other scripts and the wide <
    rb"(?:<\|?|&(?:lt|#60|#[xX]3[cC]);|\\<|\\u003[cC]|\[|\xe2\x97\x81|\xe2\x80\xb9|\xe3\x80\x90|\xef\xbc\x9c)"
)
RIGHT: Final = (
    rb"(?:\|?>|&(?:gt|#62|#[xX]3[eE]);|\\?>|\\u003[eE]|\]|\xe2\x96\xb7|\xe2\x80\xba|\xe3\x80\x91|\xef\xbc\x9e)"
)
OTHER_OPENING: Final = re.compile(
    rb"(?P<begin><\|?(?:begin|start)_(?:of_)?(?P<part>" + NAME + rb")\|?>)"
    rb"|(?P<affix><\|?(?P<word>" + NAME + rb")_(?:start|begin)\|?>)"
    rb"|(?P<tag>" + LEFT + rb"\s*(?P<name>" + NAME + rb")\s*" + RIGHT + rb")"
    rb"|(?P<harmony>(?:<\|start\|>assistant)?<\|channel\|>\s*(?:analysis|commentary)[^<]{0,40}(?:<\|constrain\|>[^<]{0,20})?<\|message\|>)"
    rb"|(?P<stripped>analysis)"
    rb"|(?P<gemma><\|channel>\s*thought\s*\n)|(?P<unused><unused94>(?:thought\b)?)"
    rb"|(?P<granite>\**Here(?: is|'s) my thought process:?\**)"
    rb"|(?P<details><details[^<>\n]*>\s*<summary>[^<\n]{0,40}(?:think|thought|reason)[^<\n]{0,40}</summary>)"
    rb"|(?P<told>Thinking\.\.\.[ \t]*\n)",
    re.IGNORECASE,
)
HARMONY_FINAL: Final = rb"(?:<\|end\|>)?\s*(?:<\|start\|>assistant)?<\|channel\|>\s*final[^<]{0,40}(?:<\|constrain\|>[^<]{0,20})?<\|message\|>"
CLOSINGS: Final = {
    "harmony": re.compile(HARMONY_FINAL),
    "stripped": re.compile(rb"assistant\s?final"),
    "gemma": re.compile(rb"<channel\|>"),
    "unused": re.compile(rb"<unused95>"),
    "details": re.compile(rb"</details>", re.IGNORECASE),
    "told": re.compile(rb"^\.\.\.done thinking\.[ \t]*$", re.MULTILINE),
    "granite": re.compile(rb"\**Here(?: is|'s) my response:?\**", re.IGNORECASE),
}
OTHER_CLOSING: Final = re.compile(rb"/\s?(?:seed:|longcat_|mm:)?(?i:thinking|think|thoughts?|reasoning)\s?" + RIGHT)
LEFT_BEHIND: Final = re.compile(LEFT + rb"\s?\Z")
SURE: Final = re.compile(rb"(?:<|&lt;|\\<|\xe2\x97\x81)[\x20-\x7f\xe2\x96\xb7]+\Z")
"""Openings that begin a thought even if nothing closes it; a word in brackets or in another script needs its closing."""
END_OF_THOUGHT: Final = b"<|end_of_thought|>"
FINAL_CHANNEL: Final = b"<|channel|>final<|message|>"
SOLUTION: Final = re.compile(rb"\s*<\|begin_of_solution\|>")
ESCAPED: Final = b"&"


class Span(NamedTuple):
    """A byte range."""

    start: int
    end: int


class Thought(NamedTuple):
    """Where the thought is in a text, and what is odd about it."""

    reasoning: Span | None
    answer: Span | None
    reasons: tuple[Separation, ...] = ()
    cases: tuple[Case, ...] = ()
    may_hold_fences: bool = True
    """Whether it is worth looking for fences in the reasoning: one pass over most texts is enough to say no."""
    is_escaped: bool = False
    """The text was escaped as HTML is, tags and program alike."""


class Parts(NamedTuple):
    """Reasoning and answer as text; an answer that is None never began."""

    reasoning: str | None
    answer: str | None


def find_thought(
    text: bytes, start: int = 0, *, answer_start: int | None = None, think_tags: Sequence[tuple[str, str]] = ()
) -> Thought:
    """Find the thought of a text that begins at ``start``.

    Parameters
    ----------
    text
        The response, UTF-8.
    start
        Where it begins, behind a byte order mark.
    answer_start
        Where the answer begins in a text in normal form, if the server told reasoning and answer apart.
    think_tags
        More pairs of opening and closing tags, which come before the known ones.
    """
    if answer_start is not None:
        return _given_thought(text, start, answer_start)
    for opening, closing in think_tags:
        pattern = re.compile(re.escape(closing.encode()))
        opens = text.startswith(opening.encode(), skip_space(text, start, len(text)))
        if opens or text.find(closing.encode(), start) >= 0:
            first = skip_space(text, start, len(text)) + len(opening.encode()) if opens else None
            return _other_thought(text, start, first, pattern)
    end = len(text)
    last = _last_closing(text, start, end)
    if last < 0 and (other := _find_other(text, start)) is not None:
        return other
    may_hold_fences = has_fence_marker(text, start, last if last >= 0 else end)
    closings = _real(text, start, _backwards(text, start, last), may_hold_fences=may_hold_fences) if last >= 0 else []
    quoted = (Case.QUOTED_TAG,) if last >= 0 and (not closings or closings[0].start != last) else ()
    if closings:
        return _closed_thought(text, start, closings, quoted, may_hold_fences=may_hold_fences)
    opened = _opening(text, start, end)
    if opened is None:
        return Thought(None, _answer(text, start), (Separation.NO_THINK,), quoted)
    return Thought(Span(opened, end), None, (Separation.UNCLOSED_THINK,), quoted)


def split_thought(text: str) -> Parts:
    """Return reasoning and answer of a text, without the tags."""
    raw = text.encode("utf-8", "replace")
    thought = find_thought(raw, len(BOM) if raw.startswith(BOM) else 0)
    spans = (thought.reasoning, thought.answer)
    return Parts(*(None if span is None else raw[span.start : span.end].decode("utf-8", "replace") for span in spans))


def skip_space(text: bytes, start: int, end: int) -> int:
    """Return where the first byte that is not white space is."""
    found = SPACE.match(text, start, end)
    return found.end() if found else start


def _answer(text: bytes, start: int) -> Span:
    """Return the answer from ``start`` on, without the tokens with which the model ended its turn."""
    end = len(text)
    if text.endswith((b">", b"]", b">\n", b"]\n")):
        tail = max(start, end - LONGEST_TOKENS_BYTES)
        for found in END_TOKENS.finditer(text, tail):
            end = found.start() if found.end() == len(text) else end
    return Span(start, max(start, end))


def _given_thought(text: bytes, start: int, answer_start: int) -> Thought:
    """Return the parts that the server told apart; a tag in either is only spoken of."""
    opened, closing = start + len(OPENING), answer_start - len(CLOSING)
    spoken = text.find(CLOSING, opened, closing) >= 0 or text.find(CLOSING, answer_start) >= 0
    reasons = (Separation.EMPTY_REASONING,) if skip_space(text, opened, closing) == closing else ()
    return Thought(Span(opened, closing), _answer(text, answer_start), reasons, (Case.QUOTED_TAG,) if spoken else ())


def _closed_thought(
    text: bytes, start: int, closings: list[Span], cases: tuple[Case, ...], *, may_hold_fences: bool
) -> Thought:
    closing, end = closings[0], len(text)
    opened = _opening(text, start, closing.start)
    if opened is None:
        opened, cases = start, (*cases, Case.ONLY_CLOSING_TAG)
    elif skip_space(text, start, end) != opened - len(OPENING):
        cases = (*cases, Case.TEXT_BEFORE_THINK)
    reasons = _reasons(text, opened, closings)
    if _opening(text, closing.end, end) is not None:
        reasons.insert(len(closings) > 1, Separation.UNCLOSED_THINK)
    return Thought(Span(opened, closing.start), _answer(text, closing.end), tuple(reasons), cases, may_hold_fences)


def _reasons(text: bytes, opened: int, closings: list[Span]) -> list[Separation]:
    reasons: list[Separation] = [Separation.SEVERAL_CLOSINGS] if len(closings) > 1 else []
    if skip_space(text, opened, closings[0].start) == closings[0].start:
        reasons.append(Separation.EMPTY_REASONING)
    return reasons


def _backwards(text: bytes, start: int, last: int) -> Iterator[Span]:
    """Yield the closing tags from the last one back."""
    position = last
    while position >= 0:
        yield Span(position, position + len(CLOSING))
        position = _last_closing(text, start, position)


def _last_closing(text: bytes, start: int, end: int) -> int:
    """Return what ``text.rfind(CLOSING, start, end)`` does, by way of its last byte, which is rare in prose."""
    position = text.rfind(b">", start, end)
    for _ in range(MOST_LAST_BYTES):
        if position < 0 or text.endswith(CLOSING, start, position + 1):
            return max(-1, position + 1 - len(CLOSING)) if position >= 0 else -1
        position = text.rfind(b">", start, position)
    return text.rfind(CLOSING, start, position + 1) if position >= 0 else -1


def _real(text: bytes, start: int, closings: Iterator[Span], *, may_hold_fences: bool) -> list[Span]:
    """Return the last closing tag that counts and, if there is one, another before it."""
    real: list[Span] = []
    for looked_at, tag in enumerate(closings):
        if looked_at == MOST_CLOSINGS or len(real) == 2:  # noqa: PLR2004 - the last decides, one more makes them several
            break
        if not (may_hold_fences and _is_fenced(text, start, tag)) and not _is_quoted(text, tag):
            real.append(tag)
    return real


def _opening(text: bytes, start: int, end: int) -> int | None:
    """Return where the reasoning begins: after the first opening tag that begins a line and is not in a fence."""
    if text.startswith(OPENING, start, end):
        return start + len(OPENING)
    position = find_rare(text, OPENING, start, end)
    for _ in range(MOST_CLOSINGS):
        if position < 0:
            return None
        line = max(text.rfind(b"\n", start, position) + 1, start)
        begins_line = not INVISIBLE.sub(b"", text[line:position]).strip()
        if begins_line and not _is_fenced(text, start, Span(position, position + len(OPENING))):
            return position + len(OPENING)
        position = text.find(OPENING, position + 1, end)
    return None


def _is_quoted(text: bytes, tag: Span) -> bool:
    """Tell that a tag is between quotes or in inline code."""
    position, after = tag
    if position == 0 or text[position - 1] == NEWLINE:
        return False
    line = max(text.rfind(b"\n", max(0, position - LONGEST_LINE_BYTES), position) + 1, position - LONGEST_LINE_BYTES, 0)
    if any(text.endswith(left, 0, position) and text.startswith(right, after) for left, right in QUOTES):
        return True
    end = text.find(b"\n", after, after + LONGEST_LINE_BYTES)
    end = min(len(text), after + LONGEST_LINE_BYTES) if end < 0 else end
    return any(text.count(sign, line, position) % 2 and text.count(sign, after, end) for sign in (b"`", b'"'))


def _is_fenced(text: bytes, start: int, tag: Span) -> bool:
    """Tell that a tag is inside a fence: one is open before it, and what follows closes more than it opens.

    A fence that the reasoning forgot to close does not hide the tag: then the fences after it are balanced.
    """
    return find_fences(text, start, tag.start).is_open and find_fences(text, tag.end).is_open


def _find_other(text: bytes, start: int) -> Thought | None:
    """Read a text without ``</think>`` in the dialects of other teachers; None when it is in none of them."""
    first = skip_space(text, start, len(text))
    opening = None if text.startswith(OPENING, first) else OTHER_OPENING.match(text, first)
    if opening is not None:
        thought = _other_thought(
            text, start, opening.end(), _closing_of(opening), is_escaped=opening[0].startswith(ESCAPED)
        )
        if thought.answer is not None or SURE.match(opening[0]):
            return thought
    if find_rare(text, END_OF_THOUGHT, first, len(text)) >= 0:
        return _other_thought(text, start, None, re.compile(re.escape(END_OF_THOUGHT)))
    if text.startswith(FINAL_CHANNEL, first):
        return Thought(None, _answer(text, first + len(FINAL_CHANNEL)), (Separation.NO_THINK,), (Case.OTHER_TAG,))
    if find_rare(text, FINAL_CHANNEL, first, len(text)) >= 0:
        return _other_thought(text, start, None, CLOSINGS["harmony"])
    found = [span for match in _other_closings(text, first) if (span := _whole_tag(text, match))]
    if not found:
        return None
    opened = first + len(OPENING) if text.startswith(OPENING, first) else None
    return _with_closings(text, start, opened, found, is_escaped=text.startswith(ESCAPED, found[-1].start))


def _other_closings(text: bytes, start: int) -> Iterator[re.Match[bytes]]:
    """Yield what ``OTHER_CLOSING.finditer`` does, from slash to slash: prose holds few."""
    position = text.find(b"/", start)
    for _ in range(MOST_SLASHES):
        if position < 0:
            return
        if (found := OTHER_CLOSING.match(text, position)) is not None:
            yield found
        position = text.find(b"/", position + 1)
    if position >= 0:
        yield from OTHER_CLOSING.finditer(text, position)


def _whole_tag(text: bytes, slash: re.Match[bytes]) -> Span | None:
    left = LEFT_BEHIND.search(text[max(0, slash.start() - 5) : slash.start()])
    return Span(slash.start() - len(left[0]), slash.end()) if left else None


def _closing_of(opening: re.Match[bytes]) -> re.Pattern[bytes]:
    if opening["tag"]:
        name = re.escape(opening["name"].strip())
        return re.compile(LEFT + rb"\s*/\s*" + name + rb"\s*" + RIGHT, re.IGNORECASE)
    if opening["affix"]:
        return re.compile(rb"<\|?" + re.escape(opening["word"]) + rb"_(?:end|stop)\|?>", re.IGNORECASE)
    if opening["begin"]:
        return re.compile(rb"<\|?(?:end|stop)_(?:of_)?" + re.escape(opening["part"]) + rb"\|?>", re.IGNORECASE)
    return next(CLOSINGS[kind] for kind in CLOSINGS if opening[kind])


def _other_thought(
    text: bytes, start: int, opened: int | None, closing: re.Pattern[bytes], *, is_escaped: bool = False
) -> Thought:
    found = [Span(*match.span()) for match in closing.finditer(text, start if opened is None else opened)]
    return _with_closings(text, start, opened, found, is_escaped=is_escaped)


def _with_closings(text: bytes, start: int, opened: int | None, found: list[Span], *, is_escaped: bool) -> Thought:
    cases: tuple[Case, ...] = (Case.OTHER_TAG,)
    real = _real(text, start, reversed(found), may_hold_fences=has_fence_marker(text, start, len(text)))
    if not real and opened is None:
        return Thought(None, _answer(text, start), (Separation.NO_THINK,), (Case.QUOTED_TAG,))
    if not real:
        assert opened is not None  # noqa: S101 - for the type checker: the case above
        return Thought(Span(opened, len(text)), None, (Separation.UNCLOSED_THINK,), cases)
    if opened is None:
        opened, cases = start, (*cases, Case.ONLY_CLOSING_TAG)
    closing = real[0]
    begin = SOLUTION.match(text, closing.end)
    answer = _answer(text, begin.end() if begin else closing.end)
    reasons = tuple(_reasons(text, opened, real))
    return Thought(Span(opened, closing.start), answer, reasons, cases, is_escaped=is_escaped)
