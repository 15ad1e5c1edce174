"""HTML that all pages share: the frame, tables, coloured code. Whatever a text holds, it is shown as text."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Final
from urllib.parse import quote, urlencode

__all__ = ["Html", "code", "code_style", "escaped", "link", "options", "page", "pre", "table", "word"]

PAGES: Final = (("review", "Review"), ("browse", "Browse"), ("funnel", "Funnel"))
GOOD: Final = frozenset({"accepted", "answered", "kept", "ok", "clean", "trusted", "strong", "unique", "right"})
WARM: Final = frozenset(
    {"not_run", "undecided", "unchecked", "fair", "no_test_to_show", "not_drawn", "one_sided", "unlabelled"}
)
LANGUAGES: Final = {"python": "python", "python2": "python", "cpp": "cpp", "java": "java"}


class Html(str):
    """Markup: it is not escaped again."""

    __slots__ = ()


def escaped(value: object) -> Html:
    """Return a value as text of a page; what is markup already stays as it is."""
    if isinstance(value, Html):
        return value
    if value is None:
        return Html("")
    if isinstance(value, float):
        return Html(f"{value:.4g}")
    return Html(f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else html.escape(str(value)))


def word(text: object) -> Html:
    """Return a verdict in its colour."""
    tone = "good" if text in GOOD else "warm" if text in WARM else "bad"
    return Html(f"<span class='word {tone}'>{escaped(text)}</span>") if text else Html("")


def pre(text: str) -> Html:
    """Return a text as it is laid out."""
    return Html(f"<pre>{html.escape(text)}</pre>")


def code(text: str, language: str | None) -> Html:
    """Return a program with its words coloured."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import TextLexer, get_lexer_by_name

    lexer = get_lexer_by_name(LANGUAGES[language]) if language in LANGUAGES else TextLexer()
    lexer.stripnl = False
    return Html(f"<pre class='code hl'>{highlight(text, lexer, HtmlFormatter(nowrap=True))}</pre>")


@cache
def code_style() -> str:
    """Return the colours of programs, for bright and for dark screens."""
    from pygments.formatters import HtmlFormatter

    bright, dark = (HtmlFormatter(style=style).get_style_defs(".hl") for style in ("default", "github-dark"))
    plain = ".hl { background: transparent !important; }"
    return f"{bright}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n{plain}"


def link(path: str, text: object, **query: object) -> Html:
    """Return a link to another page; what is empty is left out of its query."""
    given = {name: value for name, value in query.items() if value not in (None, "")}
    target = quote(path, safe="/") + (f"?{urlencode(given)}" if given else "")
    return Html(f"<a href='{html.escape(target)}'>{escaped(text)}</a>")


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Iterable[str] = ()) -> Html:
    """Return a table; columns of ``numbers`` are set to the right."""
    to_the_right = set(numbers)
    marks = [" class='n'" if head in to_the_right else "" for head in heads]
    head = "".join(f"<th{mark}>{escaped(name)}</th>" for name, mark in zip(heads, marks, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{mark}>{escaped(cell)}</td>" for cell, mark in zip(row, marks, strict=True)) + "</tr>"
        for row in rows
    )
    return Html(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def options(name: str, values: Mapping[str, str], chosen: str) -> Html:
    """Return a list to choose one of: value to label."""
    every = "".join(
        f"<option value='{html.escape(value)}'{' selected' if value == chosen else ''}>{html.escape(label)}</option>"
        for value, label in values.items()
    )
    return Html(f"<select name='{name}' aria-label='{name}'>{every}</select>")


def page(here: str, title: str, body: str) -> str:
    """Return a whole page."""
    links = "".join(f"<a href='/{path}' class='{'here' if path == here else ''}'>{label}</a>" for path, label in PAGES)
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'><link rel='icon' href='data:,'>"
        f"<title>{html.escape(title)} · ocr-pipeline studio</title>"
        "<link rel='stylesheet' href='/static/studio.css'><link rel='stylesheet' href='/static/code.css'>"
        "<script src='/static/studio.js' defer></script></head>"
        f"<body><header><b>studio</b>{links}</header><main>{body}</main></body></html>"
    )
