"""The normal form of a statement, and the content keys made from it.

Two statements with one normal form say the same in the same words: only layout, mark-up and letter case differ. The
keys outlive a re-ingestion, so that reviews and embeddings are found again. Likeness short of that is not decided here.
"""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from typing import Final

__all__ = ["content_key", "normalise", "pair_key"]

_SUPERSCRIPT: Final = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹ⁿ⁻]+")  # NFKC would turn 10⁵ into 105
_BULLET: Final = re.compile(r"^[ \t]*[*\-•][ \t]+", re.MULTILINE)
_HTML_SUPERSCRIPT: Final = re.compile(r"<sup>\s*(.{1,12}?)\s*</sup>", re.IGNORECASE)
# Attributes must look like attributes: in "a <b and c> d" nothing is a tag.
_HTML_TAG: Final = re.compile(
    r"</?[a-z][a-z0-9]{0,9}(?:\s+[a-z-]+=(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s<>]+))*\s*/?>", re.IGNORECASE
)
_TEX_SPACING: Final = re.compile(r"\\[,;:! ]|\\(?:quad|qquad|left|right|text|mathrm|mathbf|mathit|operatorname)\b")
_TEX_WORDS: Final = {
    "leq": "≤",
    "le": "≤",
    "geq": "≥",
    "ge": "≥",
    "neq": "≠",
    "ne": "≠",
    "lt": "<",
    "gt": ">",
    "ldots": "...",
    "cdots": "...",
    "dots": "...",
    "times": "*",
    "cdot": "*",
}
_TEX_WORD: Final = re.compile(r"\\(" + "|".join(sorted(_TEX_WORDS, key=len, reverse=True)) + r")(?![a-zA-Z])")
_MARKUP: Final = str.maketrans("", "", "$`\u200b\u200c\u200d\ufeff\u00ad")
_GROUPED: Final = re.compile(r"([\^_])\{([^{}]*)\}")
_SIGNS: Final = str.maketrans(
    {
        "\N{EN DASH}": "-",
        "\N{EM DASH}": "-",
        "\N{MINUS SIGN}": "-",
        "\N{LEFT DOUBLE QUOTATION MARK}": '"',
        "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{MULTIPLICATION SIGN}": "*",
        "\N{DOT OPERATOR}": "*",
    }
)
_COMPARISON: Final = re.compile(r" ?(<=|>=|!=|≤|≥|≠|<|>) ?")
_COMPARISON_SIGN: Final = {"<=": "≤", ">=": "≥", "!=": "≠"}


def normalise(statement: str) -> str:
    """Return the normal form: NFKC, no mark-up, one spelling of signs and powers, single spaces, lower case."""
    # No pattern below may meet a long run of white space: its time would be quadratic.
    text = "\n".join(line for line in (" ".join(line.split()) for line in statement.splitlines()) if line)
    text = _HTML_SUPERSCRIPT.sub(r"^\1", _BULLET.sub("", text))
    text = _SUPERSCRIPT.sub(lambda match: "^" + unicodedata.normalize("NFKC", match[0]), text)
    text = unicodedata.normalize("NFKC", text)
    text = html.unescape(_HTML_TAG.sub(" ", text))
    text = _TEX_SPACING.sub(" ", text)
    text = _TEX_WORD.sub(lambda match: f" {_TEX_WORDS[match[1]]} ", text)
    text = _GROUPED.sub(r"\1\2", text.translate(_MARKUP).translate(_SIGNS).replace("**", ""))
    text = " ".join(text.split())
    text = _COMPARISON.sub(lambda match: f" {_COMPARISON_SIGN.get(match[1], match[1])} ", text)
    return " ".join(text.split()).casefold()


def content_key(statement: str) -> str:
    """Return the SHA-256 of the normal form, in hexadecimal."""
    return hashlib.sha256(normalise(statement).encode("utf-8", "surrogatepass")).hexdigest()


def pair_key(statement_a: str, statement_b: str) -> str:
    """Return the key of an unordered pair of statements: reviews are stored under it."""
    return pair_of_keys(content_key(statement_a), content_key(statement_b))


def pair_of_keys(key_a: str, key_b: str) -> str:
    """Return :func:`pair_key` from the content keys of the two statements."""
    return hashlib.sha256("\n".join(sorted((key_a, key_b))).encode()).hexdigest()
