"""Statement text in normal form, and what can be seen in it: images, interaction, nothing but links.

Normal form is applied once: LF newlines, Unicode NFC, HTML entities that end in a semicolon resolved one level, no
NUL, no lone surrogates. The hash of the text before that stays with the problem. Nothing is trimmed or reworded.
"""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from typing import Final

from ocr_pipeline.sources.rules import Reason, Repair, RowDefect

__all__ = [
    "has_image",
    "is_interactive",
    "normal_code",
    "normal_text",
    "require_statement",
    "sha256_of_text",
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


def without_surrogates(text: str, repairs: set[Repair]) -> str:
    """Return text that UTF-8 can hold: surrogate pairs joined, lone ones replaced."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        repairs.add(Repair.LONE_SURROGATES)
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def normal_text(raw: str, repairs: set[Repair]) -> str:
    """Return a statement in normal form, noting what had to change."""
    text = normal_code(raw, repairs)
    if "&" in text:
        text = _noting(ENTITY.sub(_entity, text), text, Repair.HTML_ENTITIES, repairs)
    if not text.isascii():
        text = _noting(unicodedata.normalize("NFC", text), text, Repair.UNICODE_NFC, repairs)
    return text


def normal_code(raw: str, repairs: set[Repair]) -> str:
    """Return program text with LF newlines, and without what no UTF-8 file holds."""
    text = without_surrogates(raw, repairs)
    if "\r" in text:
        text = _noting(text.replace("\r\n", "\n").replace("\r", "\n"), text, Repair.NEWLINES, repairs)
    if "\0" in text:
        text = _noting(text.replace("\0", ""), text, Repair.NUL_REMOVED, repairs)
    return text


def _noting(new: str, old: str, repair: Repair, repairs: set[Repair]) -> str:
    if new != old:
        repairs.add(repair)
    return new


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
        ``empty_statement``, or ``links_only`` when nothing but links or images stands there.
    """
    if not statement.strip():
        raise RowDefect(Reason.EMPTY_STATEMENT, "the statement is empty")
    if ("http" in statement or "www." in statement or has_image(statement)) and _letters(statement) < LEAST_LETTERS:
        raise RowDefect(Reason.LINKS_ONLY, f"nothing but links or images: {statement.strip()[:200]!r}")


def _letters(statement: str) -> int:
    return sum(character.isalpha() for character in LINK.sub(" ", statement))
