"""Other ways to set code apart than fences: HTML, LaTeX, BBCode, Org, signs that look like backticks, indentation.

They are looked for only in an answer whose fences hold no program, so that prose is never searched for them otherwise.
What is found has the form of a fence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from ocr_pipeline.answers.fences import Fence
from ocr_pipeline.answers.tags import NO_TAG, Tag, tag_of
from ocr_pipeline.answers.wrappings import values_in

__all__ = ["find_shapes", "has_code_line"]

MOST_SHAPES: Final = 64  # of one form; keeps hostile texts from costing n²


class _Form(NamedTuple):
    """How a form begins and ends; the groups of ``opens`` may name the language."""

    hint: bytes
    """What every text of the form holds, lower case: looked for first."""
    opens: re.Pattern[bytes]
    closes: re.Pattern[bytes]
    is_html: bool = False


def _form(hint: bytes, opens: bytes, closes: bytes, *, is_html: bool = False) -> _Form:
    flags = re.IGNORECASE | re.MULTILINE
    return _Form(hint, re.compile(opens, flags), re.compile(closes, flags), is_html)


ELEMENTS: Final = rb"parameter|execute|program|code_interpreter|antartifact|artifact|script|file|tool_code|python_code|cpp_code|source_code"
"""Elements in which tool calls and pages of assistants hand over a program."""
LIKE_BACKTICKS: Final = "\uff40\u02cb\u00b4\u2032\u2035\u2018\u2019'"
"""What a keyboard or a converter makes of a backtick."""
FORMS: Final = (
    _form(b"```", rb"```[ \t]*([\w+#.-]+)[ \t]+(?=[^`\n]+```[ \t]*$)", rb"```"),
    *(
        _form(sign * 3, rb"^[ \t]*(?:%b){3}[ \t]*([\w+#.-]+)[ \t]*\r?\n" % sign, rb"\n[ \t]*(?:%b){3}" % sign)
        for sign in (character.encode() for character in LIKE_BACKTICKS)
    ),
    _form(b"\\`\\`\\`", rb"^[ \t]*(?:\\`){3}[ \t]*([\w+#.-]*)[ \t]*\r?\n", rb"\n[ \t]*(?:\\`){3}"),
    _form(b"<pre", rb"<pre\b([^<>]*)>\s*?(?:<code\b([^<>]*)>)?", rb"(?:</code\s*>\s*)?</pre\s*>", is_html=True),
    _form(b"<code", rb"<code\b([^<>]*)>", rb"</code\s*>", is_html=True),
    _form(
        b"&lt;pre",
        rb"&lt;pre\b([^&\n]*)&gt;\s*?(?:&lt;code\b([^\n]*?)&gt;)?",
        rb"(?:&lt;/code&gt;\s*)?&lt;/pre&gt;",
        is_html=True,
    ),
    _form(
        b"\\begin{",
        rb"\\begin\{(?:lstlisting|minted|verbatim|code|python|cpp|pythoncode|cppcode)\*?\}"
        rb"(?:\[([^\]\n]*)\])?(?:\{([^}\n]*)\})?",
        rb"\\end\{(?:lstlisting|minted|verbatim|code|python|cpp|pythoncode|cppcode)\*?\}",
    ),
    _form(b"[code", rb"\[code(?:[=: ]([^\]\n]*))?\]", rb"\[/code\]"),
    _form(b"[/", rb"\[(python3?|cpp|c\+\+)\]", rb"\[/(?:python3?|cpp|c\+\+)\]"),
    _form(b"</", rb"<(python3?|cpp|c\+\+)>", rb"</(?:python3?|cpp|c\+\+)>"),
    _form(b"highlight", rb"\{%-?\s*highlight\s+(\S+)[^\n]*?%\}", rb"\{%-?\s*endhighlight"),
    _form(b"#+begin_src", rb"^[ \t]*#\+begin_src[ \t]*(\S*)[^\n]*$", rb"^[ \t]*#\+end_src"),
    _form(b"\n----", rb"^\[source,?[ \t]*([^\],\n]*)[^\]\n]*\]\r?\n----+[ \t]*$", rb"^----+[ \t]*$"),
    _form(b"{{{", rb"^\{\{\{(?:#!(\w+))?[ \t]*$", rb"^\}\}\}"),
    _form(b"<parameter", rb"<parameter[= ][^<>\n]*>", rb"</parameter>"),
    _form(b"</", rb"<(?:" + ELEMENTS + rb")\b(?![= ]?name=)([^<>\n]*)>(?=\s*[^<\s])", rb"</(?:" + ELEMENTS + rb")>"),
    _form(b"<|python_tag|>", rb"<\|python_tag\|>", rb"<\|eo[mt](?:_id)?\|>|\Z"),
    # the closing tag may have been taken for the token that ends the turn
    _form(b"solution>", rb"<solution>", rb"</solution>|\Z"),
    _form(b"answer>", rb"<(?:final_)?answer>", rb"</(?:final_)?answer>|\Z"),
)
HINT_BYTES: Final = frozenset(form.hint[:1] for form in FORMS)
CODE: Final = (
    rb"(?:#include\b|import \w|from \w+ import |def \w+\(|class \w+|using namespace |int main\s*\(|for \w+ in .+:$)"
)
FIRST_CODE_LINE: Final = re.compile(CODE, re.MULTILINE)
CODE_LINE: Final = re.compile(b"\n" + CODE, re.MULTILINE)  # a literal first is three times as fast as ``^``
INDENTED: Final = re.compile(rb"(?:^(?: {4}|[ ]{0,3}\t)[^\n]*\S[^\n]*(?:\n|\Z)(?:^[ \t\r]*\n)*)+", re.MULTILINE)
PROMPT: Final = re.compile(rb"^(?:In[ \t]?\[\d*\]:|>>> )[^\n]*(?:\n(?!\n\n)[^\n]*)*", re.MULTILINE)
LONGEST_INFO_BYTES: Final = 64
BLANK_BEFORE: Final = re.compile(rb"(?:\A|\n)[ \t\r]*\n\Z|\A\Z")  # without it, indented lines go on with a paragraph


def find_shapes(text: bytes, start: int, end: int) -> Iterator[Fence]:
    """Yield what is set apart in ``text[start:end]`` in another way than by a fence."""
    lower = text[start:end].lower()
    there = {byte for byte in HINT_BYTES if byte in lower}  # prose has few of them
    for form in FORMS:
        if form.hint[:1] in there and form.hint in lower:
            yield from _of_form(text, form, start, end)
    if b"{" in there and (b'":' in lower or b"':" in lower or b'" :' in lower):
        for value in values_in(text, start, end):
            yield _shape(text, value.start, value.end, value.tag)._replace(is_quoted=True)
    if any(sign in lower for sign in (b"\nin [", b"\nin[", b"\n>>> ")):
        for found in PROMPT.finditer(text, start, end):
            yield _shape(text, found.start(), found.end(), NO_TAG)
    if (b"\n    " in lower or b"\n\t" in lower) and not has_code_line(text, start, end):
        for found in INDENTED.finditer(text, start, end):
            if BLANK_BEFORE.search(text[max(start, found.start() - 80) : found.start()]):
                yield _indented(text, found)


def has_code_line(text: bytes, start: int, end: int) -> bool:
    """Tell that the first line or a later one begins as a program's line does."""
    found = FIRST_CODE_LINE.match(text, start, end) or CODE_LINE.search(text, start, end)
    return found is not None


def _of_form(text: bytes, form: _Form, start: int, end: int) -> Iterator[Fence]:
    for _ in range(MOST_SHAPES):
        opener = form.opens.search(text, start, end)
        closer = form.closes.search(text, opener.end(), end) if opener else None
        if opener is None or closer is None:
            return
        info = b" ".join(group for group in opener.groups() if group)
        yield _shape(text, opener.end(), closer.start(), tag_of(info[:LONGEST_INFO_BYTES]), is_html=form.is_html)
        start = closer.end()


def _indented(text: bytes, found: re.Match[bytes]) -> Fence:
    lines = [line for line in found[0].split(b"\n") if line.strip()]
    indent = min(len(line) - len(line.lstrip(b" \t")) for line in lines)
    return _shape(text, found.start(), found.end(), NO_TAG, indent=indent)


def _shape(text: bytes, start: int, end: int, tag: Tag, *, indent: int = 0, is_html: bool = False) -> Fence:
    """Return a fence whose content has no blank lines around it."""
    content = text[start:end]
    blank = len(content) - len(content.lstrip())
    first = start + (content.rfind(b"\n", 0, blank) + 1 if blank < len(content) else 0)
    return Fence(
        start=first,
        end=max(first, start + len(content.rstrip())),
        tag=tag,
        indent=indent,
        is_tilde=False,
        outer=(start, end),
        is_html=is_html,
        is_other_form=True,
    )
