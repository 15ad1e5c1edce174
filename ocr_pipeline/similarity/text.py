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

__all__ = ["content_key", "is_placeholder", "key_of_normal", "normalise", "pair_key", "says_little"]

FEW_WORDS: Final = 25
"""Texts this short may be the same of two problems, such as "Solve the task."; of 1,846 real statements none is shorter."""
PLACEHOLDER_WORDS: Final = 40
_PLACEHOLDER: Final = re.compile(
    r"\b(?:withheld|redacted|placeholder|lorem ipsum|coming soon|todo|tbd)\b"
    r"|\bto be (?:added|announced|translated|written)\b|\bpremium (?:users|subscribers|members|only)\b"
    r"|\b(?:no|missing) (?:problem |task )?(?:statement|description|translation)\b"
    r"|\b(?:statement|description|problem|text|content|translation)s?\b.{0,40}\b(?:not (?:yet |currently |publicly )?"
    r"(?:available|included|provided|public|translated)|unavailable|missing|removed|omitted|deleted|restricted|protected)\b"
    r"|\b(?:see|view|open|refer to|visit|download|read|in) (?:the |an? |our |this |its )?(?:\w+ )?"
    r"(?:pdf|attachment|attached|original|website)\b"
    r"|\b(?:see|refer to) (?:the |an? |our |this |its )?(?:\w+ )?(?:image|picture|figure|statements?|link|url)\b"
    r"|\A\W*(?:none|null|nan|n/?a|(?:problem )?(?:statement|description)|undefined|unknown|untitled)\W*\Z"
)
"""What is written where a statement may not be copied or was never there."""

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


def says_little(normal: str) -> bool:
    """Say whether a text in normal form is so short that two problems may have it."""
    return len(normal.split(maxsplit=FEW_WORDS)) <= FEW_WORDS


def is_placeholder(normal: str) -> bool:
    """Say whether a text in normal form is written in place of a statement, or is without any word or number."""
    if not any(character.isalnum() for character in normal):
        return True
    return (
        len(normal.split(maxsplit=PLACEHOLDER_WORDS)) <= PLACEHOLDER_WORDS and _PLACEHOLDER.search(normal) is not None
    )


def content_key(statement: str) -> str:
    """Return the SHA-256 of the normal form, in hexadecimal."""
    return key_of_normal(normalise(statement))


def key_of_normal(normal: str) -> str:
    """Return :func:`content_key` of a text in normal form."""
    return hashlib.sha256(normal.encode("utf-8", "surrogatepass")).hexdigest()


def pair_key(statement_a: str, statement_b: str) -> str:
    """Return the key of an unordered pair of statements: reviews are stored under it."""
    return pair_of_keys(content_key(statement_a), content_key(statement_b))


def pair_of_keys(key_a: str, key_b: str) -> str:
    """Return :func:`pair_key` from the content keys of the two statements."""
    return hashlib.sha256("\n".join(sorted((key_a, key_b))).encode()).hexdigest()
