"""Reads the judgement out of a critique: right, wrong, or nothing that could be read.

The last judgement that is marked as one counts: a tag, a boxed word, a word after "Judgement:" or "Verdict:"; without any,
a last line that is one of the words alone. Both words side by side are the choice that was offered, not a judgement.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from ocr_pipeline.answers.thoughts import split_thought

__all__ = ["Judgement", "read_judgement"]


class Judgement(StrEnum):
    """What a critic says of a program."""

    RIGHT = "right"
    WRONG = "wrong"
    NONE = "none"
    """Nothing that could be read, or nobody was asked."""


RIGHT_WORDS: Final = ("right", "correct", "accepted")
WRONG_WORDS: Final = ("wrong", "incorrect", "rejected")
OPENING_MARK: Final = re.compile(r"<judge?ment>|\\boxed", re.IGNORECASE)
CLOSING_MARK: Final = re.compile(r"</judge?ment>", re.IGNORECASE)
MARKUP: Final = re.compile(r"\\text|[*_`'\"\u2018\u2019\u201c\u201d\[\]{}$#]")
WORD: Final = rf"(?P<negated>not\s+)?(?P<word>{'|'.join((*RIGHT_WORDS, *WRONG_WORDS))})\b"
MARKED: Final = re.compile(
    r"\b(?:judge?ment|verdict)\s*(?:[:=\u2013\u2014-]|\bis\b|\n)\s*\(?"
    rf"(?:(?:the|this)\s+(?:program|solution|code|answer|submission)\s+is\s+)?{WORD}[ \t]*(?:[.!;,()]|$)",
    re.IGNORECASE | re.MULTILINE,
)
ALONE: Final = re.compile(rf"\W*{WORD}\W*", re.IGNORECASE)


def read_judgement(answer: str) -> Judgement:
    """Return the judgement of a whole answer, reasoning included; what was only thought does not count."""
    said = split_thought(answer).answer or ""
    text = MARKUP.sub("", CLOSING_MARK.sub("\n", OPENING_MARK.sub("\njudgement: ", said))).strip()
    found = list(MARKED.finditer(text))
    if not found:
        alone = ALONE.fullmatch(text.rpartition("\n")[2])
        return _judgement(alone) if alone else Judgement.NONE
    last = _judgement(found[-1])
    if len(found) > 1 and _judgement(found[-2]) is not last and not text[found[-2].end() : found[-1].start()].strip():
        return Judgement.NONE
    return last


def _judgement(found: re.Match[str]) -> Judgement:
    is_right = (found["word"].lower() in RIGHT_WORDS) != bool(found["negated"])
    return Judgement.RIGHT if is_right else Judgement.WRONG
