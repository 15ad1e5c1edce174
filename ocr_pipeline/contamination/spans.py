"""Word sequences that a problem shares with a benchmark's problem and with hardly anything else.

A shared sequence is evidence only when it is rare: what many statements have ("the first line contains an integer") and
what consists of the words of input formats is boilerplate. Flagging on any shared 8-gram, as other pipelines do, drops
unrelated problems for "input is given from standard input in the".
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final, TypeAlias

__all__ = ["Places", "Span", "find_spans", "rare_places"]

WORDS_PER_GRAM: Final = 8
MOST_HOLDERS: Final = 10  # one problem may stand in several sources; more holders make a sequence boilerplate
HOLDERS_SHARE: Final = 0.001
FEWEST_TELLING_WORDS: Final = 6  # below, a sequence says how input is written, not what is asked
MOST_WORDS: Final = 20_000  # bounds the work of one giant statement
_WORD: Final = re.compile(r"[^\W_]+")

Places: TypeAlias = Mapping[str, Sequence[tuple[int, int]]]
"""Sequence of words → the texts of a benchmark that have it, with the word it begins at."""


@dataclass(frozen=True, slots=True)
class Span:
    """The longest rare word sequence that two texts share."""

    text: str
    words: int
    telling_words: int
    """Distinct words that are neither numbers nor of an input format."""


def rare_places(problems: Iterable[str], benchmarks: Sequence[Sequence[str]]) -> list[Places]:
    """Return where each benchmark has sequences that hardly any text has; the problems are read once, one at a time.

    Parameters
    ----------
    problems, benchmarks
        Normal forms; the texts of each benchmark are its positions.
    """
    indexes = [_index([_words(text) for text in texts]) for texts in benchmarks]
    held: list[Counter[str]] = [Counter() for _ in indexes]
    read = 0
    for text in problems:
        read += 1
        grams = set(_grams(_words(text)))
        for index, counts in zip(indexes, held, strict=True):
            counts.update(gram for gram in grams if gram in index)
    found: list[Places] = []
    for texts, index, counts in zip(benchmarks, indexes, held, strict=True):
        most = max(MOST_HOLDERS, int(HOLDERS_SHARE * (read + len(texts))))
        found.append(
            {
                gram: places
                for gram, places in index.items()
                if counts[gram] + len({number for number, _ in places}) <= most
            }
        )
    return found


def find_spans(problems: Iterable[str], rare: Places) -> dict[tuple[int, int], Span]:
    """Return the longest rare span of each pair of a problem and a benchmark's problem that share one.

    Parameters
    ----------
    problems
        Normal forms; the keys of the result are their positions, and those of the benchmark's texts.
    rare
        One benchmark's, of :func:`rare_places`.
    """
    return {
        (number, other): span
        for number, text in enumerate(problems)
        for other, span in _longest_runs(_words(text), rare).items()
        if span.telling_words >= FEWEST_TELLING_WORDS
    }


def _words(text: str) -> list[str]:
    return _WORD.findall(text)[:MOST_WORDS]


def _grams(words: Sequence[str]) -> list[str]:
    return [" ".join(words[start : start + WORDS_PER_GRAM]) for start in range(len(words) - WORDS_PER_GRAM + 1)]


def _index(texts: Sequence[Sequence[str]]) -> Places:
    places: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for number, words in enumerate(texts):
        for start, gram in enumerate(_grams(words)):
            places[gram].append((number, start))
    return dict(places)


def _longest_runs(words: Sequence[str], rare: Places) -> dict[int, Span]:
    """Follow each shared sequence along both texts; return the longest one per text of the benchmark."""
    longest: dict[int, tuple[int, int]] = {}
    running: dict[tuple[int, int], int] = {}
    for start, gram in enumerate(_grams(words)):
        following: dict[tuple[int, int], int] = {}
        for number, other_start in rare.get(gram, ()):
            begin = running.get((number, other_start - 1), start)
            following[number, other_start] = begin
            length = start - begin + WORDS_PER_GRAM
            if length > longest.get(number, (0, 0))[0]:
                longest[number] = (length, begin)
        running = following
    return {number: _span(words[begin : begin + length]) for number, (length, begin) in longest.items()}


def _span(words: Sequence[str]) -> Span:
    telling = {word for word in words if word not in _boilerplate() and not word.isnumeric()}
    return Span(text=" ".join(words), words=len(words), telling_words=len(telling))


@cache
def _boilerplate() -> frozenset[str]:
    """Return the words of input formats, and those that every statement has."""
    return frozenset(
        resources.files("ocr_pipeline.contamination").joinpath("boilerplate.txt").read_text("utf-8").split()
    )
