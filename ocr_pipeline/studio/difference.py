"""Two texts side by side as HTML, with the words that only one of them has marked.

Words are compared as they stand, white space aside; whatever the texts hold, they are shown as text, never as markup.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Final

from rapidfuzz.distance import Indel

__all__ = ["side_by_side"]

PIECE: Final = re.compile(r"\s+|\w+|[^\w\s]")
SHOWN_CHARACTERS: Final = 50_000


def side_by_side(left: str, right: str) -> tuple[str, str]:
    """Return both texts as HTML with ``<mark>`` around what the other one lacks; longer ones are cut, and say so."""
    left_pieces, right_pieces = (PIECE.findall(text[:SHOWN_CHARACTERS]) for text in (left, right))
    left_words, right_words = _words(left_pieces), _words(right_pieces)
    only_left, only_right = _differing([left_pieces[n] for n in left_words], [right_pieces[n] for n in right_words])
    return (
        _marked(left_pieces, {left_words[n] for n in only_left}) + _cut(left),
        _marked(right_pieces, {right_words[n] for n in only_right}) + _cut(right),
    )


def _words(pieces: Sequence[str]) -> list[int]:
    """Return where the pieces are that are not white space."""
    return [place for place, piece in enumerate(pieces) if not piece.isspace()]


def _differing(left: Sequence[str], right: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return the places of the words to delete on the left and to insert from the right."""
    operations = Indel.opcodes(left, right)
    only_left = [n for step in operations if step.tag == "delete" for n in range(step.src_start, step.src_end)]
    only_right = [n for step in operations if step.tag == "insert" for n in range(step.dest_start, step.dest_end)]
    return only_left, only_right


def _marked(pieces: Sequence[str], places: set[int]) -> str:
    """Join the pieces; neighbouring marked words share one mark."""
    parts: list[str] = []
    inside = False
    for place, piece in enumerate(pieces):
        wanted = place in places or (inside and piece.isspace() and place + 1 in places)
        if wanted != inside:
            parts.append("<mark>" if wanted else "</mark>")
            inside = wanted
        parts.append(html.escape(piece))
    return "".join(parts) + ("</mark>" if inside else "")


def _cut(text: str) -> str:
    missing = len(text) - SHOWN_CHARACTERS
    return f"<em>… {missing:,} more characters</em>" if missing > 0 else ""
