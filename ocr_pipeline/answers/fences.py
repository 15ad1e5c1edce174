"""Find Markdown code fences in bytes.

The rules are CommonMark's, widened to what models write: a fence may be indented, quoted, or begin on a list item's line
or behind a sentence; an opener with a language inside a fence nests; a fence of Markdown is looked into; an end token
or a sentence may follow the closing fence. Positions are byte offsets. Think tags are not known here; neither is whether
the code is any good. Values are named tuples: a frozen dataclass takes four times as long to make, and every row makes
several.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from ocr_pipeline.answers.tags import NO_TAG, Tag, tag_of

__all__ = [
    "END_TOKENS",
    "INVISIBLE",
    "Fence",
    "Fences",
    "code_of",
    "find_fences",
    "find_rare",
    "has_fence_marker",
    "prose_of",
    "without_fences",
]

INVISIBLE: Final = re.compile("|".join("\u00a0\u200b\u200c\u200d\u2060\ufeff").encode())  # no break, zero widths
PREFIX: Final = re.compile(
    rb"(?:[ \t>]|"
    + INVISIBLE.pattern
    + rb")*(?:(?:[-*+]|\xe2\x80\xa2|\(?\w{1,3}[.)])[ \t]+)*(?:\*\*)?"  # list items, quotes, bold
)
END_TOKENS: Final = re.compile(
    rb"(?:\s*(?:<\|[^|<>\n]{1,40}\|>|</?s>|<\xef\xbd\x9c[^<>\n]{1,60}\xef\xbd\x9c>|<(?:eos|end_of_turn|eot)>"
    rb"|\[/?INST\]|\[(?:EOS|/?ANSWER)\]|</(?:answer|solution)>))+\s*"
)
"""Tokens with which a model ends its turn, where a server leaves them in the text."""
PUNCTUATION: Final = re.compile(rb"[\s.,;:!?)\]*_\"']+|\xe3\x80\x82")
COMMENT: Final = re.compile(rb"\s*(?:#|//|\*\s|/\*|--|%)")
WORD: Final = re.compile(rb"\w")
LONGEST_PREFIX_BYTES: Final = 64  # nobody indents a fence deeper; also keeps a text of one long line from costing n²
DEEPEST_CLOSER_INDENT: Final = 3  # CommonMark: deeper than that, a fence line is content
SIGNS: Final = (b"```", b"~~~")
FEWEST_SIGNS: Final = 3
MOST_FIRST_BYTES: Final = 64  # looked at one by one; beyond that, looking for the whole sign costs less
BACKTICK: Final = ord("`")
NEWLINE: Final = ord("\n")
LONGEST_INFO_BYTES: Final = 64  # of what is behind an opener; the first known word names the language
QUOTES: Final = (b'"""', b"'''")
MOST_CLOSERS_TRIED: Final = 8  # for a fence that may end inside a text of its program
BOM: Final = b"\xef\xbb\xbf"
TAG_LINES: Final = frozenset({b"python", b"python3", b"py", b"cpp", b"c++"})
MARKUP: Final = re.compile(rb"</?(?:code|span|pre|font)(?:\s[^<>]*)?>", re.IGNORECASE)
LINE_BREAK: Final = re.compile(rb"<br\s*/?>\n?", re.IGNORECASE)


CODE_BEHIND_TAG: Final = re.compile(
    rb"(?:python3?|py|cpp|c\+\+)[ \t]+(?=import |from \w+ import |#include|def \w+\(|class \w+|print\(|for |while |int main|"
    rb"[A-Za-z_][\w, ]*[ \t]*=[ \t]*[\w.]+[\[(])",
    re.IGNORECASE,
)
"""A program that begins on the line of its fence."""


class _Marker(NamedTuple):
    """A line that may open or close a fence."""

    line_start: int
    line_end: int
    content_end: int
    """Where the content ends when this line closes a fence."""
    character: int
    length: int
    indent: int
    quotes: int
    info: bytes
    is_glued: bool
    """Other text is before it on its line."""


class Fence(NamedTuple):
    """One complete fence: the byte range of its content, and how its opener looks."""

    start: int
    end: int
    tag: Tag
    indent: int
    is_tilde: bool
    outer: tuple[int, int]
    """The same with the lines that open and close it."""
    is_nested: bool = False
    quotes: int = 0
    """How many quote signs begin each of its lines."""
    is_html: bool = False
    """Its content is HTML, or its whole text was escaped as HTML is."""
    is_other_form: bool = False
    """It is not a fence but another way to set code apart."""
    is_quoted: bool = False
    """Its content is a text of JSON or of a Python dictionary, with its quotes."""

    @property
    def language(self) -> str:
        """The word that names its language, lower case."""
        return self.tag.word


class Fences(NamedTuple):
    """The complete fences of a text in order, and whether one stays open at its end."""

    complete: tuple[Fence, ...]
    is_open: bool


NO_FENCES: Final = Fences((), is_open=False)


def has_fence_marker(text: bytes, start: int, end: int) -> bool:
    """Tell quickly that a range may hold a fence; most reasonings hold none."""
    return find_rare(text, b"```", start, end) >= 0 or find_rare(text, b"~~~", start, end) >= 0


def find_rare(text: bytes, sign: bytes, start: int, end: int) -> int:
    """Return what ``text.find(sign, start, end)`` does, for a sign whose first byte is rare.

    Looking for one byte is thirty times as fast as looking for several.
    """
    find, first = text.find, sign[:1]
    position = find(first, start, end)
    for _ in range(MOST_FIRST_BYTES):
        if position < 0 or text.startswith(sign, position, end):
            return position
        position = find(first, position + 1, end)
    return find(sign, position, end) if position >= 0 else -1


def find_fences(text: bytes, start: int = 0, end: int | None = None) -> Fences:
    """Find the outermost complete fences in ``text[start:end]``; fences of Markdown are replaced by those inside."""
    end = len(text) if end is None else end
    markers = _markers(text, start, end)
    if not markers:
        return NO_FENCES
    pairs, is_open = _pair(text, markers)
    fences: list[Fence] = []
    for first, last in pairs:
        fences.extend(_inside(text, markers, first, last))
    return Fences(tuple(fences), is_open)


def code_of(text: bytes, fence: Fence) -> bytes:
    """Return the content of a fence as a program file would hold it."""
    code = text[fence.start : fence.end]
    if b"\r" in code:
        code = code.replace(b"\r\n", b"\n").removesuffix(b"\r")
    if fence.quotes:
        code = re.sub(rb"^[ \t]*(?:>[ \t]?){1,%d}" % fence.quotes, b"", code, flags=re.MULTILINE)
    if fence.indent:
        code = _outdented(code, fence.indent)
    if not fence.tag.word:
        code = _without_tag_line(code)
    if fence.is_html:
        code = _unescaped(code)
    return code.removeprefix(BOM)


def prose_of(text: bytes, start: int, end: int, fences: Sequence[Fence]) -> bytes:
    """Return ``text[start:end]`` without what is inside its fences; the lines that open and close them stay."""
    return _without(text, start, end, [(fence.start, fence.end) for fence in fences])


def without_fences(text: str) -> str:
    """Return a text without its fences."""
    raw = text.encode("utf-8", "replace")
    return _without(raw, 0, len(raw), [fence.outer for fence in find_fences(raw).complete]).decode()


def _without(text: bytes, start: int, end: int, ranges: Sequence[tuple[int, int]]) -> bytes:
    pieces, position = [], start
    for first, last in ranges:
        pieces.append(text[position:first])
        position = last
    return b"".join((*pieces, text[position:end]))


def _outdented(code: bytes, indent: int) -> bytes:
    """Take the fence's indentation from the lines; only what all have in common where some have less of it."""
    widths = [len(line) - len(line.lstrip(b" \t")) for line in code.split(b"\n") if line.strip()]
    common = min(widths, default=0)
    depth = common if common < indent and widths[0] == common else indent
    return re.sub(rb"^[ \t]{1,%d}" % depth, b"", code, flags=re.MULTILINE) if depth else code


def _without_tag_line(code: bytes) -> bytes:
    """Leave out a first line that is nothing but the name of a language."""
    first, newline, rest = code.partition(b"\n")
    return rest if newline and first.strip().lower() in TAG_LINES else code


def _unescaped(code: bytes) -> bytes:
    import html

    plain = LINE_BREAK.sub(b"\n", MARKUP.sub(b"", code))
    return html.unescape(plain.decode("utf-8", "replace")).encode()


def _markers(text: bytes, start: int, end: int) -> list[_Marker]:
    markers: list[_Marker] = []
    for sign in SIGNS:
        markers += _markers_of(text, sign, start, end)
    if len(markers) > 1:
        markers.sort()
    return _with_reachable_lengths(markers)


def _markers_of(text: bytes, sign: bytes, start: int, end: int) -> list[_Marker]:
    markers: list[_Marker] = []
    position = find_rare(text, sign, start, end)
    while position >= 0:
        line_end = text.find(b"\n", position, end)
        line_end = end if line_end < 0 else line_end
        marker = _marker_at(text, sign, position, start, line_end)
        if marker is not None:
            markers.append(marker)
        position = find_rare(text, sign, line_end, end)
    return markers


def _marker_at(text: bytes, sign: bytes, position: int, start: int, line_end: int) -> _Marker | None:
    """Read the line that holds ``sign`` at ``position``, or tell that it is not a fence."""
    line = text[position:line_end].rstrip()
    info = line.lstrip(sign[:1])
    if sign == b"```" and b"`" in info:
        return None  # an inline code span, as CommonMark has it
    length = len(line) - len(info)
    line_start = _line_of_fence(text, position, start)
    if line_start is None:
        return _glued_marker(text, position, start, line_end, length, info.strip())
    before = text[line_start:position]
    quotes = before.count(b">")
    indent = len(INVISIBLE.sub(b"", before)) if before else 0
    if quotes:
        indent = max(0, len(before) - before.rfind(b">") - 2)
    content_end = line_start - 1
    return _Marker(line_start, line_end, content_end, sign[0], length, indent, quotes, info.strip(), is_glued=False)


def _glued_marker(text: bytes, position: int, start: int, line_end: int, length: int, info: bytes) -> _Marker | None:
    """Read a fence behind other text on its line: it opens behind a sentence, and closes behind the last line of code."""
    newline = text.rfind(b"\n", max(start, position - 4 * LONGEST_PREFIX_BYTES), position)
    before = text[max(newline + 1, start) : position]
    if not WORD.search(before) or COMMENT.match(before) or (info and not _ends_behind(info) and not _is_tag(info)):
        return None
    return _Marker(position, line_end, position, text[position], length, 0, 0, info, is_glued=True)


def _line_of_fence(text: bytes, position: int, start: int) -> int | None:
    """Return where the line of a sign begins; None when more is before it than may be before a fence."""
    if position == start or text[position - 1] == NEWLINE:
        return position
    earliest = max(start, position - LONGEST_PREFIX_BYTES)
    newline = text.rfind(b"\n", earliest, position)
    if newline < 0 and earliest > start:
        return None
    line_start = newline + 1 if newline >= 0 else start
    return line_start if PREFIX.fullmatch(text, line_start, position) else None


def _with_reachable_lengths(markers: list[_Marker]) -> list[_Marker]:
    """Shorten an opener that nothing closes: a model that writes the sign twice means it once."""
    if all(marker.length == FEWEST_SIGNS for marker in markers):
        return markers
    longest = 0
    shortened: list[_Marker] = []
    for marker in reversed(markers):
        if marker.info and not _ends_behind(marker.info):
            reachable = marker if marker.length <= longest else marker._replace(length=FEWEST_SIGNS)
            shortened.append(reachable)
        else:
            longest = max(longest, marker.length)
            shortened.append(marker)
    return shortened[::-1]


def _is_tag(info: bytes) -> bool:
    return len(info.split()) == 1 and tag_of(info[:LONGEST_INFO_BYTES]).is_known


def _ends_behind(info: bytes) -> bool:
    """Tell that what is behind a sign may be behind a closing one: end tokens, punctuation, or a sentence."""
    if END_TOKENS.match(info) or PUNCTUATION.fullmatch(info):
        return True
    if info.endswith(b":") and tag_of(info[:LONGEST_INFO_BYTES]).language is None:
        return True
    return b" " in info and not tag_of(info.split(None, 1)[0][:LONGEST_INFO_BYTES]).is_known and b"=" not in info


def _pair(text: bytes, markers: Sequence[_Marker]) -> tuple[list[tuple[int, int]], bool]:
    """Pair openers with closers; return the outermost pairs as marker numbers, and whether an opener is left."""
    opened: list[int] = []
    pairs: list[tuple[int, int]] = []
    for number, marker in enumerate(markers):
        if opened and _closes(marker, markers[opened[-1]]):
            if _is_inside_text(text, markers, opened[-1], number):
                continue
            first = opened.pop()
            while pairs and pairs[-1][0] > first:
                pairs.pop()
            pairs.append((first, number))
        elif _opens(text, marker) if not opened else _nests(marker, markers[opened[-1]]):
            opened.append(number)
    return pairs, bool(opened)


def _closes(marker: _Marker, opener: _Marker) -> bool:
    if marker.character != opener.character or marker.length < opener.length or marker.quotes < opener.quotes:
        return False
    if marker.info and not _ends_behind(marker.info):
        return False
    return marker.is_glued or marker.indent <= opener.indent + DEEPEST_CLOSER_INDENT


def _opens(text: bytes, marker: _Marker) -> bool:
    if not marker.is_glued:
        return not END_TOKENS.fullmatch(marker.info)
    position = marker.line_start
    return _is_tag(marker.info) if marker.info else text[max(0, position - 2) : position].rstrip().endswith(b":")


def _nests(marker: _Marker, outer: _Marker) -> bool:
    return bool(marker.info) and not marker.is_glued and marker.indent <= outer.indent + DEEPEST_CLOSER_INDENT


def _is_inside_text(text: bytes, markers: Sequence[_Marker], opener: int, closer: int) -> bool:
    """Tell that a closing line is inside a docstring of the program, because a later one leaves no text open."""
    start = markers[opener].line_end
    if not _leaves_text_open(text, start, markers[closer].content_end):
        return False
    later = range(closer + 1, min(closer + 1 + MOST_CLOSERS_TRIED, len(markers)))
    return any(
        _closes(markers[number], markers[opener]) and not _leaves_text_open(text, start, markers[number].content_end)
        for number in later
    )


def _leaves_text_open(text: bytes, start: int, end: int) -> bool:
    return any(text.count(quote, start, end) % 2 for quote in QUOTES)


def _inside(text: bytes, markers: Sequence[_Marker], first: int, last: int) -> list[Fence]:
    """Return the fence between two markers, or the fences inside it when it only wraps Markdown."""
    outer = _fence(markers[first], markers[last])
    if not (outer.tag.is_markdown or not outer.tag.word) or last == first + 1:
        return [outer]
    inner = markers[first + 1 : last]
    pairs, _ = _pair(text, inner)
    return [_fence(inner[left], inner[right], is_nested=True) for left, right in pairs] or [outer]


def _fence(opener: _Marker, closer: _Marker, *, is_nested: bool = False) -> Fence:
    behind = CODE_BEHIND_TAG.match(opener.info) if b" " in opener.info else None
    start = opener.line_end - len(opener.info) + behind.end() if behind else opener.line_end + 1
    return Fence(
        start=start,
        end=max(start, closer.content_end),
        tag=tag_of(opener.info[:LONGEST_INFO_BYTES]) if opener.info else NO_TAG,
        indent=opener.indent,
        is_tilde=opener.character != BACKTICK,
        outer=(opener.line_start, closer.line_end),
        is_nested=is_nested,
        quotes=opener.quotes,
    )
