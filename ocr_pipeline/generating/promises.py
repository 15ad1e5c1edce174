"""Finds what inputs keep to although no grammar holds it: sentences that restrict values, and habits of the known inputs.

A sentence of the input part is a promise unless it is known to be harmless: it says the format, a bound or what a value
means. A habit is what every known input shows and chance would hardly make. What is done about either is decided in
``freezing.py``; habits of blocks whose rounds differ are there, too.
"""

from __future__ import annotations

import itertools
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ocr_pipeline.generating.grammar import Field, Kind

__all__ = ["BRACKETS", "Habit", "List", "bounds_sum", "habits_of", "is_balanced", "promises_in", "restricts"]

RESTRICTS: Final = re.compile(
    r"\b(?:palindrom\w*|brackets?|parenthes[ei]s|balanced|well-?formed|correct|valid|regular|consistent|even|odd|parity|"
    r"multiples? of|divisible|divid(?:es|ed by)|co-?prime|relatively prime|powers? of|gcd|greatest common|progressions?|heap|mountain|unimodal|"
    r"bitonic|monoton\w*|convex|symmetric\w*|leading zero\w*|distinct|unique|different|differ|sorted|\w*(?:in|de)creasing|ascending|"
    r"descending|alphabetical\w*|lexicographic\w*|permutation|primes?|sums?|product of|average|median|connected|acyclic|bipartite|(?:a|the|this|given|rooted|binary|undirected|weighted|spanning|labell?ed|connected|forms?) trees?|"
    r"no two|no pair|none of|neither|both [a-z']+ (?:and|letters|digits|characters)|(?:exactly|at least|at most) (?:once|twice|half|(?:one|two|three|\d+) of)|"
    r"anagrams?|rotation|each other|revers\w+|alternat\w+|non-?zero|repeat\w*|perfect squares?|fibonacci|neighbou?r\w*|consecutive|"
    r"(?:exactly|at least|at most|more than) \w+ times|contains? both|no three|same line|inside|(?<!pair of )adjacent|(?:first|last|top|bottom) row|between [a-z] and [a-z]|one of the [a-z]_\w|every second|pairwise|borders?|triangles?|common divisor|mean of|twin|degree (?:of )?at (?:most|least)|self-?loops?|multiple edges|removing any|distance between|different from|differs? from|same (?:last|first|length|digit|letter)|hh:mm|always|never|possible|solutions? exists?|answers? exists?|forming|forms? an?|whose (?!lengths?\b|numbers?\b|absolute)\w+ (?:is|are))\b"
)
"""Words that restrict values even where a sentence says a format, a bound or a meaning."""
OF_INDEXES: Final = re.compile(
    r"[a-z]_\{?[ijk]\w*\}?\s*[≤<≥>=\u2260]\s*[ijk]\b|\|\s?[a-z]_\{?[ijk]|[a-z]_\{?[ijk]{2}\}?\s*[=\u2260≤]\s*[a-z]_|\b[a-z]_\{?[1-9n]\}?\s*=\s*-?\d"
)
"""Formulas that compare values with their index or their neighbours."""
ENDS: Final = re.compile(r"\b(?:start|begin|end)s? (?:and end )?with\b")
PARTS: Final = re.compile(r"\b(?:lines?|inputs?|cases?|descriptions?|data|files?|rows?|menu|newline|blank)\b")
"""What starts and ends with something where a sentence is about the format."""
IMMATERIAL: Final = re.compile(
    r"(?:distinct|unique|different) (?:[a-z]+ )?(?:identif\w+|ids?|numbers?|labels?|index\w*) (?:between|from|in the range)|"
    r"number of (?:different|distinct|unique|even|odd|consecutive|connected|[a-z]+)\b|not necessarily (?:all )?\w+|"
    r"\b(?:may|might|need) (?:not )?(?:be )?\w+(?: (?:each other|one another))?|\bat least one (?:integer|line|character)(?! of)|\bdifferent (?:test|line|input)\w*"
)
FORMAT: Final = re.compile(
    r"\b(?:lines?|rows?|inputs?|follow\w*|separated|single|(?:starts?|begins?) with|consist\w*|"
    r"(?:contains?|has|have|are|is|holds) (?:\w+ ){0,3}(?:integers?|strings?|numbers?))\b|[≤≥<>\u2260|]|\bbetween\b|\bin the range\b"
)
MEANING: Final = re.compile(
    r"\b(?:denot\w+|represent\w*|describ\w+|specif\w+|indicat\w+|means?|meaning|stands? for|correspond\w*|called|known as|refers?|"
    r"we (?:define|consider)|numbered|labell?ed|indexed|identif\w+|respectively|otherwise|either|one of the|"
    r"(?:lower|upper)-?\s?case|english|latin|alphanumeric|ascii|two-way|one-way|bidirectional|undirected|directed|"
    r"(?:connect|join|link)\w* (?:\w+ ){0,3}[a-z] (?:and|to|with) [a-z])\b|"
    r"^(?:there (?:is|are|will be) (?:exactly )?(?:\w|two|three|some|several|many|multiple)\b(?! (?:solution|answer|way))|this is|these are|initially|for simplicity|note|if)\b|\b(?:you|your|he|she|his|her|we|currently)\b|"
    r"\b(?:is|are) (?:at|on|located|placed)\b|\bchronological\b|"
    r"\b(?:is|are) (?:the|its|his|her) (?!\w+est\b|same|maximum|minimum|first|last|result|concatenation|only)(?:[a-z-]+ ){1,3}(?:of|in|for|that|to|at|from|between)\b|"
    r"\b(?:is|are) an? (?:\w+ )?(?:string|integer|number|real|name)\b|\b(?:at most|at least|less than|more than|greater than|up to|exceed\w*) \d"
)
SAYS: Final = re.compile(
    r"\b(?:is|are|has|have|contains?|occurs?|appears?|forms?|makes?|will|does|do|can|cannot|must|lies?|gives?|given|shares?|equals?|obeys?|"
    r"satisf\w+|rises?|falls?|never|always|no|ends?|starts?|[a-z]+s) \w"
)
TASK: Final = re.compile(
    r"\b(?:find|print|output|comput\w+|determine|return|count|how many|whether|write|your|you|if|calculate|what|task|answer|"
    r"can|should|would|want\w*|need\w*|let|called|defined?|say)\b|\?"
)
UNLIKELY: Final = math.exp(-4)
"""2 %: for what nobody writes by accident, such as palindromes."""
TIDY: Final = 1e-3
"""For what people write out of tidiness, such as 1 2 3."""
FEWEST: Final = 3
"""Known inputs that chance may have made otherwise."""
SHOWS: Final = 0.9
"""An input that chance makes so more often shows nothing."""
DRAWS: Final = 100
LONGEST_DRAWN: Final = 10
MOST_LISTS: Final = 40
MOST_SUMMED: Final = 50
BRACKETS: Final = {"(": ")", "[": "]", "{": "}", "<": ">"}

List = Sequence[Any]
"""The values of a list, the characters of a text, or one number."""


def restricts(sentence: str, *, has_texts: bool) -> bool:
    """Say whether a sentence has words that restrict values."""
    low = IMMATERIAL.sub(" ", sentence.lower())
    if not has_texts:  # integers are read without leading zeros anyway
        low = re.sub(r"leading zero\w*", " ", low)
    return (
        RESTRICTS.search(low) is not None
        or OF_INDEXES.search(low) is not None
        or (ENDS.search(low) is not None and PARTS.search(low) is None)
    )


def promises_in(sentence: str, *, is_of_input: bool, has_texts: bool) -> bool:
    """Say whether a sentence restricts the values of an input.

    Parameters
    ----------
    sentence
        One in plain notation.
    is_of_input
        It is of a part that is about the input; elsewhere, what is asked for has the same words.
    has_texts
        The input has texts.
    """
    low = sentence.lower()
    if not is_of_input:
        return restricts(sentence, has_texts=has_texts) and SAYS.search(low) is not None and not TASK.search(low)
    if restricts(sentence, has_texts=has_texts):
        return True
    return not FORMAT.search(low) and not MEANING.search(low) and SAYS.search(low) is not None


# ---- habits ----


@dataclass(frozen=True, slots=True)
class Habit:
    """What all lists of a field have in common."""

    name: str
    chance: float
    """The largest probability of as much by chance at which it counts."""
    holds: Callable[[List], bool]
    for_texts: bool = False
    for_numbers: bool = True
    """Whether texts and lists of numbers may have it."""


def habits_of(
    spec: Field, by_input: Sequence[Sequence[List]], *, direction: int = 0, is_distinct: bool = False
) -> Iterator[Habit]:
    """Yield what all known lists of a field have in common although chance would hardly make it.

    Chance draws evenly between the smallest and the largest known value, or from the known characters, as the order
    and distinctness that are known allow. At least ``FEWEST`` inputs must show it: those of one are often alike.
    """
    known = [[each for each in lists if len(each)] for lists in by_input]
    every = [each for lists in known for each in lists]
    if not every:
        return
    is_text = spec.kind is not Kind.INTEGER
    values: List = (
        sorted({value for each in every for value in each})
        if is_text
        else range(min(map(min, every)), max(map(max, every)) + 1)
    )
    for habit in HABITS:
        if (habit.for_texts if is_text else habit.for_numbers) and all(map(habit.holds, every)):
            rng = random.Random(habit.name)  # noqa: S311 - reproducible, not secret
            if _is_unlikely(habit, known, _Draw(values, rng, direction, is_distinct)):
                yield habit


@dataclass(frozen=True, slots=True)
class _Draw:
    """Draws lists by chance."""

    values: List
    rng: random.Random
    direction: int
    is_distinct: bool

    def __call__(self, length: int) -> List:
        if self.is_distinct and length <= len(self.values):
            drawn = self.rng.sample(self.values, length)
        else:
            drawn = [self.values[self.rng.randrange(len(self.values))] for _ in range(length)]
        if self.direction:
            drawn.sort(reverse=self.direction < 0)
        return drawn


def _is_unlikely(habit: Habit, by_input: Sequence[Sequence[List]], draw: _Draw) -> bool:
    """Say whether chance would hardly make all lists so; long ones count as if they were short."""
    chance, shown = 1.0, 0
    for lists in by_input[:MOST_LISTS]:
        before = chance
        for each in lists[:MOST_LISTS]:
            length = min(len(each), LONGEST_DRAWN)
            chance *= (sum(habit.holds(draw(length)) for _ in range(DRAWS)) + 1) / (DRAWS + 1)
            if chance < before * SHOWS and chance <= habit.chance:
                break
        shown += chance < before * SHOWS
        if chance <= habit.chance and shown >= FEWEST:
            return True
    return False


def is_balanced(text: List) -> bool:
    """Say whether a text is of brackets that are all closed."""
    stack: list[str] = []
    for character in text:
        if character in BRACKETS:
            stack.append(BRACKETS[character])
        elif not stack or stack.pop() != character:
            return False
    return not stack


def _is_mountain(values: List) -> bool:
    top = values.index(max(values))
    steps = list(itertools.pairwise(values))
    return all(left <= right for left, right in steps[:top]) and all(left >= right for left, right in steps[top:])


def _is_heap(values: List, sign: int) -> bool:
    return all(sign * (int(values[(place - 1) // 2]) - int(values[place])) >= 0 for place in range(1, len(values)))


def _has_even_steps(values: List) -> bool:
    return len({int(right) - int(left) for left, right in itertools.pairwise(values)}) <= 1


RISES: Final = "never falls"
FALLS: Final = "never rises"
ALL_DIFFER: Final = "distinct"
HABITS: Final = (
    Habit(RISES, TIDY, lambda values: list(values) == sorted(values)),
    Habit(FALLS, TIDY, lambda values: list(values) == sorted(values, reverse=True)),
    Habit(ALL_DIFFER, TIDY, lambda values: len(set(values)) == len(values), for_texts=True),
    Habit("balanced", UNLIKELY, is_balanced, for_texts=True, for_numbers=False),
    Habit("palindrome", UNLIKELY, lambda values: list(values[::-1]) == list(values), for_texts=True),
    Habit(
        "no leading zero", UNLIKELY, lambda text: text[0] != "0" or len(text) == 1, for_texts=True, for_numbers=False
    ),
    Habit("all even", TIDY, lambda values: all(int(each) % 2 == 0 for each in values)),
    Habit("all odd", TIDY, lambda values: all(int(each) % 2 for each in values)),
    Habit("same parity", TIDY, lambda values: len({int(each) % 2 for each in values}) <= 1),
    Habit("powers of two", TIDY, lambda values: all(int(each) > 0 and int(each).bit_count() == 1 for each in values)),
    Habit(
        "neighbours differ",
        TIDY,
        lambda values: all(one != other for one, other in itertools.pairwise(values)),
        for_texts=True,
    ),
    Habit("even steps", TIDY, _has_even_steps),
    Habit("mountain", TIDY, _is_mountain),
    Habit("first is largest", TIDY, lambda values: values[0] == max(values)),
    Habit("first is smallest", TIDY, lambda values: values[0] == min(values)),
    Habit("heap", TIDY, lambda values: _is_heap(values, 1)),
    Habit("smallest first heap", TIDY, lambda values: _is_heap(values, -1)),
    Habit("even sum", TIDY, lambda values: sum(map(int, values)) % 2 == 0),
    Habit("coprime", TIDY, lambda values: math.gcd(*map(int, values)) == 1),
    Habit("each twice", TIDY, lambda values: set(Counter(values).values()) == {2}, for_texts=True),
)


def bounds_sum(lists: Sequence[Sequence[int]], tops: Sequence[int]) -> bool:
    """Say whether the sum of every list is at most the number beside it although chance would hardly make it so."""
    if not lists or any(sum(each) > top for each, top in zip(lists, tops, strict=True)):
        return False
    known = [(each, top) for each, top in zip(lists, tops, strict=True) if each]
    if not known:
        return False
    low, high = min(min(each) for each, _ in known), max(max(each) for each, _ in known)
    rng, chance, shown = random.Random("sum"), 1.0, 0  # noqa: S311 - reproducible, not secret
    for each, top in known[:MOST_LISTS]:
        hits = sum(sum(rng.randint(low, high) for _ in each[:MOST_SUMMED]) <= top for _ in range(DRAWS))
        share = (hits + 1) / (DRAWS + 1)
        chance *= share
        shown += share < SHOWS
    return chance <= TIDY and shown >= FEWEST
