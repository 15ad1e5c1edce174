"""Texts of words: what stands before, between and after the words of known texts is all that stands there in made ones.

A word is letters and digits. ``Hello World!!!`` has two, a space between and ``!!!`` after them; two spaces, or one in front, are another
kind of text, about which the statement may say nothing.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["Worded", "worded"]

WORD: Final = re.compile(r"[^\W_]+")
FEWEST_SEPARATORS: Final = 3
"""So many between words, all of a few kinds, are so by more than chance."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A text in words, with what stands around them: one more than there are words."""

    words: tuple[str, ...]
    around: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Parts:
        """Take a text apart."""
        return cls(tuple(WORD.findall(text)), tuple(WORD.split(text)))

    @property
    def text(self) -> str:
        """The text again."""
        return "".join(part for pair in zip(self.around, (*self.words, ""), strict=True) for part in pair)


@dataclass(frozen=True, slots=True)
class Worded:
    """How texts are made of words."""

    letters: str
    count: tuple[int, int]
    """Fewest and most words."""
    length: tuple[int, int]
    """Of the shortest and of the longest word."""
    before: tuple[str, ...]
    between: tuple[str, ...]
    after: tuple[str, ...]
    alone: tuple[str, ...]
    """Texts without a word."""

    def accepts(self, text: str) -> bool:
        """Say whether a text is made so."""
        parts = Parts.of(text)
        if not parts.words:
            return text in self.alone
        return (
            self.count[0] <= len(parts.words) <= self.count[1]
            and all(self.length[0] <= len(word) <= self.length[1] for word in parts.words)
            and set("".join(parts.words)) <= set(self.letters)
            and parts.around[0] in self.before
            and set(parts.around[1:-1]) <= set(self.between)
            and parts.around[-1] in self.after
        )

    def drawn(self, rng: random.Random, length: int) -> str:
        """Return a text of about so many characters."""
        fewest, most = self.count
        number = rng.randint(fewest, max(fewest, min(most, length // (self.length[0] + 1) + 1)))
        if not number:
            return rng.choice(self.alone)
        around = [rng.choice(self.before), *rng.choices(self.between, k=number - 1), rng.choice(self.after)]
        room = max(0, length - sum(map(len, around)) - number * self.length[0])
        letters = rng.sample(self.letters, rng.choice((1, min(2, len(self.letters)), len(self.letters))))
        words: list[str] = []
        for _ in range(number):
            more = min(room, self.length[1] - self.length[0])
            size = self.length[0] + (rng.randint(0, more) if len(words) < number - 1 else more)
            room -= size - self.length[0]
            words.append("".join(rng.choices(letters, k=size)))
        rng.shuffle(words)
        return Parts(tuple(words), tuple(around)).text

    def mutated(self, text: str, rng: random.Random) -> str:
        """Return a text with a word more or less, or another letter."""
        parts = Parts.of(text)
        if not parts.words:
            return text
        place, action = rng.randrange(len(parts.words)), rng.randrange(3)
        words, around = list(parts.words), list(parts.around)
        if action == 0 and len(words) > max(1, self.count[0]):
            words.pop(place)
            around.pop(max(1, place))
        elif action == 1 and len(words) < self.count[1] and self.between:
            words.insert(place, words[place])
            around.insert(place + 1, rng.choice(self.between))
        else:
            at = rng.randrange(len(words[place]))
            words[place] = words[place][:at] + rng.choice(self.letters) + words[place][at + 1 :]
        return Parts(tuple(words), tuple(around)).text


def worded(texts: Sequence[str]) -> Worded | None:
    """Return how known texts are made of words; ``None`` where they are not, or too little stands between words."""
    known = [Parts.of(text) for text in texts]
    said = [parts for parts in known if parts.words]
    words = [word for parts in said for word in parts.words]
    between = [part for parts in said for part in parts.around[1:-1]]
    if len(between) < FEWEST_SEPARATORS or 2 * sum(map(len, words)) < sum(map(len, texts)):
        return None
    alone = tuple(sorted({text for text, parts in zip(texts, known, strict=True) if not parts.words}))
    counts, lengths = [len(parts.words) for parts in known], [len(word) for word in words]
    return Worded(
        letters="".join(sorted(set("".join(words)))),
        count=(min(counts), max(counts)),
        length=(min(lengths), max(lengths)),
        before=tuple(sorted({parts.around[0] for parts in said})),
        between=tuple(sorted(set(between))),
        after=tuple(sorted({parts.around[-1] for parts in said})),
        alone=alone,
    )
