"""Find Markdown code fences in bytes and choose the one that holds the code.

The rules are CommonMark's, widened to what models write: a fence may be indented or stand on a list item's line,
an opener with a language inside a fence nests, and a fence of Markdown is looked into. Positions are byte offsets.
Think tags are not known here; neither is whether the code is any good. Values are named tuples: a frozen dataclass takes
four times as long to make, and every row makes several.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from ocr_pipeline.answers.words import FencePolicy
from ocr_pipeline.tables import Language

__all__ = [
    "LANGUAGE_TAGS",
    "Fence",
    "Fences",
    "choose_fence",
    "extract_code",
    "find_fences",
    "has_fence_marker",
    "prose_of",
    "says",
    "without_fences",
]

INVISIBLE: Final = re.compile("|".join("\u00a0\u200b\u200c\u200d\u2060\ufeff").encode())  # no break, zero widths
PREFIX: Final = re.compile(rb"(?:[ \t]|" + INVISIBLE.pattern + rb")*(?:(?:[-*+]|\d{1,3}[.)])[ \t]+)?")
LONGEST_PREFIX_BYTES: Final = 64  # nobody indents a fence deeper; also keeps a text of one long line from costing n²
DEEPEST_CLOSER_INDENT: Final = 3  # CommonMark: deeper than that, a fence line is content
SIGNS: Final = (b"```", b"~~~")
NEWLINE: Final = ord("\n")
LONGEST_INFO_BYTES: Final = 64  # of what stands behind an opener; the language is its first word
MARKDOWN: Final = frozenset({"", "markdown", "md"})
LANGUAGE_TAGS: Final = {
    Language.PYTHON: frozenset({"python", "python3", "python2", "py", "py3", "py2", "pypy", "pypy3"}),
    Language.CPP: frozenset({"cpp", "c++", "cxx", "cc", "c", "hpp", "h", "c++11", "c++14", "c++17", "c++20", "cpp17"}),
}
"""What models write behind the opening of a fence, by language; `says` also knows them with a version behind."""
VERSION: Final = "0123456789.-"
LANGUAGE_WORD: Final = re.compile(r"[^\s,:;=(){}\[\]]+")

LOOKS_LIKE: Final = {
    Language.PYTHON: re.compile(
        rb"^\s*(?:import|from|def|class|for|while|if|print|with|try)\b|\binput\(|\w\s*=\s", re.MULTILINE
    ),
    Language.CPP: re.compile(rb"#\s*include|\bmain\s*\(|\bclass\s+\w+|;\s*$", re.MULTILINE),
}


class _Marker(NamedTuple):
    """A line that may open or close a fence."""

    line_start: int
    line_end: int
    character: int
    length: int
    indent: int
    info: bytes


class Fence(NamedTuple):
    """One complete fence: the byte range of its content, and how its opener looks."""

    start: int
    end: int
    language: str
    indent: int
    is_tilde: bool
    outer: tuple[int, int]
    """The same with the lines that open and close it."""
    is_nested: bool = False


class Fences(NamedTuple):
    """The complete fences of a text in order, and whether one stays open at its end."""

    complete: tuple[Fence, ...]
    is_open: bool


NO_FENCES: Final = Fences((), is_open=False)


def has_fence_marker(text: bytes, start: int, end: int) -> bool:
    """Tell quickly that a range may hold a fence; most reasonings hold none."""
    return any(text.find(sign[:1], start, end) >= 0 and text.find(sign, start, end) >= 0 for sign in SIGNS)


def find_fences(text: bytes, start: int = 0, end: int | None = None) -> Fences:
    """Find the outermost complete fences in ``text[start:end]``; fences of Markdown are replaced by those inside."""
    end = len(text) if end is None else end
    markers = _markers(text, start, end)
    if not markers:
        return NO_FENCES
    pairs, is_open = _pair(markers)
    fences: list[Fence] = []
    for first, last in pairs:
        fences.extend(_inside(markers, first, last))
    return Fences(tuple(fences), is_open)


def choose_fence(text: bytes, fences: Sequence[Fence], policy: FencePolicy, language: Language | None) -> Fence | None:
    """Choose the fence that holds the code.

    Fences in the asked language come first, and with them untagged ones that look like it; then untagged ones; then
    the others. Within the best class the policy decides, so an example output after the program is not mistaken for it.
    """
    if len(fences) < 2:  # noqa: PLR2004 - there is nothing to choose from
        return fences[0] if fences else None
    ranks = [_rank(text, fence, language) for fence in fences]
    lowest = min(ranks)
    best = [fence for fence, rank in zip(fences, ranks, strict=True) if rank == lowest]
    return best[-1] if policy is FencePolicy.LAST else best[0]


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


def extract_code(text: str, policy: FencePolicy = FencePolicy.LAST, language: Language | None = None) -> str | None:
    """Return the code of an answer's last (or first) complete fence, or None when there is none.

    Newlines become LF, the indentation of the fence is removed from its lines, and the newline before the closing
    line is not part of the code.
    """
    raw = text.encode()
    fence = choose_fence(raw, find_fences(raw).complete, policy, language)
    return None if fence is None else code_of(raw, fence).decode()


def says(tag: str, language: Language) -> bool:
    """Tell that the word behind a fence names the language, with a version or without: ``c++23``, ``python3.11``."""
    tags = LANGUAGE_TAGS[language]
    return tag in tags or tag.rstrip(VERSION) in tags


def code_of(text: bytes, fence: Fence) -> bytes:
    """Return the content of a fence as a program file would hold it."""
    code = text[fence.start : fence.end]
    if b"\r" in code:
        code = code.replace(b"\r\n", b"\n").removesuffix(b"\r")
    if fence.indent:
        code = re.sub(rb"^[ \t]{1,%d}" % fence.indent, b"", code, flags=re.MULTILINE)
    return code.removeprefix(b"\xef\xbb\xbf")


def _rank(text: bytes, fence: Fence, language: Language | None) -> int:
    if language is None or says(fence.language, language):
        return 0
    if fence.language:
        return 2
    return 0 if LOOKS_LIKE[language].search(text, fence.start, fence.end) else 1


def _markers(text: bytes, start: int, end: int) -> list[_Marker]:
    markers: list[_Marker] = []
    for sign in SIGNS:
        markers += _markers_of(text, sign, start, end)
    return sorted(markers)


def _markers_of(text: bytes, sign: bytes, start: int, end: int) -> list[_Marker]:
    markers = []
    position = text.find(sign, start, end)
    while position >= 0:
        line_end = text.find(b"\n", position, end)
        line_end = end if line_end < 0 else line_end
        marker = _marker_at(text, sign, position, start, line_end)
        if marker is not None:
            markers.append(marker)
        position = text.find(sign, line_end, end)
    return markers


def _marker_at(text: bytes, sign: bytes, position: int, start: int, line_end: int) -> _Marker | None:
    """Read the line that holds ``sign`` at ``position``, or tell that it is no fence."""
    line_start = _line_of_fence(text, position, start)
    if line_start is None:
        return None
    line = text[position:line_end].rstrip()
    info = line.lstrip(sign[:1])
    if sign == b"```" and b"`" in info:
        return None  # an inline code span, as CommonMark has it
    indent = 0 if line_start == position else len(INVISIBLE.sub(b"", text[line_start:position]))
    return _Marker(line_start, line_end, sign[0], len(line) - len(info), indent, info.strip())


def _line_of_fence(text: bytes, position: int, start: int) -> int | None:
    """Return where the line of a sign begins; None when more stands before it than may stand before a fence."""
    if position == start or text[position - 1] == NEWLINE:
        return position
    earliest = max(start, position - LONGEST_PREFIX_BYTES)
    newline = text.rfind(b"\n", earliest, position)
    if newline < 0 and earliest > start:
        return None
    line_start = newline + 1 if newline >= 0 else start
    return line_start if PREFIX.fullmatch(text, line_start, position) else None


def _pair(markers: Sequence[_Marker]) -> tuple[list[tuple[int, int]], bool]:
    """Pair openers with closers; return the outermost pairs as marker numbers, and whether an opener is left."""
    opened: list[int] = []
    pairs: list[tuple[int, int]] = []
    for number, marker in enumerate(markers):
        if opened and _closes(marker, markers[opened[-1]]):
            first = opened.pop()
            while pairs and pairs[-1][0] > first:
                pairs.pop()
            pairs.append((first, number))
        elif not opened or _nests(marker, markers[opened[-1]]):
            opened.append(number)
    return pairs, bool(opened)


def _closes(marker: _Marker, opener: _Marker) -> bool:
    same = marker.character == opener.character and marker.length >= opener.length and not marker.info
    return same and marker.indent <= opener.indent + DEEPEST_CLOSER_INDENT


def _nests(marker: _Marker, outer: _Marker) -> bool:
    return bool(marker.info) and marker.indent <= outer.indent + DEEPEST_CLOSER_INDENT


def _inside(markers: Sequence[_Marker], first: int, last: int) -> list[Fence]:
    """Return the fence between two markers, or the fences inside it when it only wraps Markdown."""
    outer = _fence(markers[first], markers[last])
    if outer.language not in MARKDOWN or last == first + 1:
        return [outer]
    inner = markers[first + 1 : last]
    pairs, _ = _pair(inner)
    return [_fence(inner[left], inner[right], is_nested=True) for left, right in pairs] or [outer]


def _fence(opener: _Marker, closer: _Marker, *, is_nested: bool = False) -> Fence:
    start = opener.line_end + 1
    return Fence(
        start=start,
        end=max(start, closer.line_start - 1),
        language=_language(opener.info[:LONGEST_INFO_BYTES]),
        indent=opener.indent,
        is_tilde=opener.character == ord("~"),
        outer=(opener.line_start, closer.line_end),
        is_nested=is_nested,
    )


@functools.lru_cache(1 << 10)
def _language(info: bytes) -> str:
    """Return the first word of an info string, lower case: ``python`` of ``{.python title="a"}`` and of ``Python``."""
    found = LANGUAGE_WORD.search(info.decode("utf-8", "replace").lower().lstrip("{[(. "))
    return found[0].removeprefix("language-").lstrip(".") if found else ""
