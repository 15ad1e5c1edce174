"""Text in normal form, step by step, and what can be seen in a statement: images, interaction, nothing but links.

Normal form is applied once: LF newlines, Unicode NFC, HTML entities that end in a semicolon resolved one level, no
NUL, no lone surrogates. The hash of the text before that stays with the problem. Nothing is trimmed or reworded.
"""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from typing import Final

from ocr_pipeline.sources.rules import Reason, RowDefect

__all__ = [
    "has_image",
    "in_nfc",
    "is_interactive",
    "require_statement",
    "sha256_of_text",
    "with_entities_resolved",
    "with_lf_newlines",
    "without_nul",
    "without_surrogates",
]

# Only entities with their semicolon: `int &notes` is code, not `¬es`.
ENTITY: Final = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
IMAGE: Final = re.compile(
    r"!\[[^\]\n]*\]\s*\(|<\s*img\b|<\s*image\s*>|\[\s*image\s*\]|\\includegraphics|\\illustration\b", re.IGNORECASE
)
IMAGE_WORDS: Final = ("![", "img", "image", "\\includegraphics", "\\illustration")  # one is in every match
LINK: Final = re.compile(
    r"!?\[[^\]\n]*\]\([^)\s]*\)|https?://\S+|www\.\S+|<[^<>\n]{1,300}>|\[\s*image\s*\]", re.IGNORECASE
)
INTERACTIVE: Final = re.compile(
    r"\bthis is an? (?:\w+ ){0,2}interactive (?:problem|task)\b|^\W*interaction(?: protocol)?\W*$",
    re.IGNORECASE | re.MULTILINE,
)
LEAST_LETTERS: Final = 12  # fewer letters than a sentence has: what stays when only a link or a picture was published
LONGEST_ENTITY: Final = 2  # characters that an entity stands for


def sha256_of_text(text: str) -> str:
    """Hash text as it came, also text that is not valid Unicode."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def without_surrogates(text: str) -> str:
    """Return text that UTF-8 can hold: surrogate pairs joined, lone ones replaced."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def with_lf_newlines(text: str) -> str:
    """Return text whose newlines are LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def without_nul(text: str) -> str:
    """Return text without NUL."""
    return text.replace("\0", "") if "\0" in text else text


def with_entities_resolved(text: str) -> str:
    """Return text with HTML entities resolved one level."""
    return ENTITY.sub(_entity, text) if "&" in text else text


def in_nfc(text: str) -> str:
    """Return text in Unicode's composed form."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _entity(match: re.Match[str]) -> str:
    """Resolve a whole entity: what gives more than two characters was `&notit;`, an unknown word after a known one."""
    resolved = html.unescape(match[0])
    return resolved if len(resolved) <= LONGEST_ENTITY else match[0]


def has_image(statement: str) -> bool:
    """Say whether the statement refers to an image."""
    lowered = statement.lower()
    return any(word in lowered for word in IMAGE_WORDS) and IMAGE.search(statement) is not None


def is_interactive(statement: str) -> bool:
    """Say whether the statement declares an interactive problem."""
    return "nteracti" in statement.lower() and INTERACTIVE.search(statement) is not None


def require_statement(statement: str) -> None:
    """Refuse a statement that says nothing.

    Raises
    ------
    RowDefect
        ``empty_statement``, or ``links_only`` when there is nothing but links or images.
    """
    if not statement.strip():
        raise RowDefect(Reason.EMPTY_STATEMENT, "the statement is empty")
    if ("http" in statement or "www." in statement or has_image(statement)) and _letters(statement) < LEAST_LETTERS:
        raise RowDefect(Reason.LINKS_ONLY, f"nothing but links or images: {statement.strip()[:200]!r}")


def _letters(statement: str) -> int:
    return sum(character.isalpha() for character in LINK.sub(" ", statement))
