"""Reads from a statement how its input is laid out: its lines, how often they repeat, and how many values each has.

Phrases such as ``each of the next m lines contains three integers x, y and r`` are read in their order. What comes out
is a guess: it counts only where it reads every known input to its end. Sentences that say no layout are passed over.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ocr_pipeline.bounds import NUMBER
from ocr_pipeline.generating.grammar import Block, Field, Item, Kind, Line, Linear, Series
from ocr_pipeline.generating.statement import NUMERALS, Said, key_of

__all__ = ["Outline", "outline_of"]

LONGEST_SENTENCE: Final = 1_000
"""Longer ones say no layout."""
MOST_LINES: Final = 10
"""Lines that a statement counts in words, ``the next two lines``."""
ARTICLES: Final = dict.fromkeys(("a", "an", "single", "the", "another"), 1)
COUNTS: Final = ARTICLES | NUMERALS
SHORT_NAME: Final = r"(?:\|?[A-Za-z]\w{0,2}'?(?:_\{?\w{1,6}\}?)?\|?)"
COUNT: Final = rf"(?:(?P<times>\d{{1,2}})\s?\*?\s?)?(?P<name>{SHORT_NAME})(?:\s?(?P<sign>[+-])\s?(?P<plus>\d))?"
NUMBER_OF: Final = rf"\b(?:(?P<numeral>{'|'.join(COUNTS)}|\d{{1,2}})|{COUNT})"
NAMES: Final = rf"{SHORT_NAME}(?:\s*(?:,\s*(?:and\s+)?|\band\b\s*)(?!an?\s+[a-z]{{2}}){SHORT_NAME}){{0,11}}"
REPEATED: Final = re.compile(
    rf"\b(?:(?:next|following|other|remaining|last|of|the|then|follows?|by|comes?|are|is)\s+){{0,6}}{NUMBER_OF}\s+"
    r"(?:\w+\s+){0,1}(?:lines|rows)\b(?:,?\s+each\b(?!\s+(?:of\s+which\s+)?line))?",
    re.IGNORECASE,
)
EACH: Final = re.compile(
    r"(?<!\bin )(?<!\bof )(?<!\bon )\b(?:each|every|all)\s+(?:(?:such|of|these|those|the|one)\s+)*(?:lines?\b|rows?\b|them\b)|"
    r"\b(?:the\s+)?[ijk][-'\s]{0,2}th\s+(?:(?:of|such|these|those|the|next|following)\s+)*(?:lines?|rows?|them|which)\b",
    re.IGNORECASE,
)
SINGLE: Final = re.compile(
    r"\b(?:(?:first|second|third|fourth|fifth|sixth|next|following|last|only|final|single|one)\s+(?:and\s+only\s+)?)+(?:input\s+)?"
    r"(?:lines?|(?=contains?\b|consists))\b(?P<of>\s+(?:of|in|for)\s+(?:the\s+)?(?:(?:each|every|a)\s+)?(?:input|file|(?:data\s?set|(?:test\s?)?case)s?)\b)?",
    re.IGNORECASE,
)
A_LINE: Final = re.compile(
    r"\b(?:starts?\s+with|then\s+follows?|follow(?:s|ed)(?:\s+by)?|consists?\s+of|next\s+(?:is|comes))\s+(?:only\s+)?(?:a|one)\s+(?:(?:single|last|final)\s+)?line\b",
    re.IGNORECASE,
)
UNITS: Final = re.compile(
    rf"\b(?:then|next|there|that|this|after)\b[^.;:]{{0,20}}\bfollows?\b(?:(?!\blines?\b)[^.;:]){{0,60}}?\b(?!(?:the|an?|one|single|another|of|to|in|and|for)\b){NUMBER_OF}\s+(?P<noun>[a-z]{{3,}}?)s?\b(?![^.;]*\blines?\b)",
    re.IGNORECASE,
)
UNIT: Final = re.compile(
    r"^(?:each|every|an?|the description of (?:an?|each))\s+(?P<noun>[a-z]{3,}\s)?[^.;]{0,30}?\b(?:consists? of|contains?|is described by|is (?:given|described) (?:by|on|as|in))\s+(?:an?|one)\s+(?:single\s+)?line\b",
    re.IGNORECASE,
)
WHOLE: Final = re.compile(
    r"^(?:the\s+)?(?:(?P<of>each|every)\s+(?:test\s?)?case|input(?:\s+file)?|(?:standard\s+)?input)\s+(?:contains|consists\s+of|is)\b",
    re.IGNORECASE,
)
NUMBER_OF_CASES: Final = re.compile(
    r"\bnumber\s+of\s+(?:the\s+)?(?:(?:input\s+)?(?:test|data)\s?(?:cases?|sets?)|cases|tests)\b|\bnumber test cases",
    re.IGNORECASE,
)
BLANK: Final = re.compile(
    r"\b(?:preceded by|before each \w+(?: \w+)? (?:is|there is)) an? (?:blank|empty) line\b", re.IGNORECASE
)
DESCRIPTIONS: Final = re.compile(
    r"\bdescriptions?\s+of\s+(?:the\s+|each\s+)*(?:(?:input\s+)?(?:test|data)\s?(?:cases?|sets?)|cases|tests)\b",
    re.IGNORECASE,
)
EACH_CASE: Final = re.compile(
    r"\b(?:each|every|a)\s+(?:(?:test\s?)?case|data\s?set|test)\b|\bfor\s+each\s+(?:test\s?)?case", re.IGNORECASE
)
CUT: Final = re.compile(
    r"\b(?:where|which|denot\w+|represent\w*|indicat\w+|meaning|telling|specify\w*|such that|respectively)\b|;",
    re.IGNORECASE,
)
SCALARS: Final = r"(?:integer|real|decimal|floating[- ]point)\s+numbers?|integers?|numbers?|real|reals|values?|floats?|coordinates?|times?"
TEXTS: Final = r"strings?|words?|characters?|letters?|symbols?|digits?|names?"
APPOSITION: Final = re.compile(
    rf",\s+(?:the|an?|this|these|they|its|for|so|as|in)\s+(?!and\b)(?!(?:[\w-]+\s+){{0,2}}(?:{SCALARS}|{TEXTS})\b(?!\s+of))[^,;]*",
    re.IGNORECASE,
)
ASIDE: Final = re.compile(r"\s[\u2014\u2013-]+\s+(?=[a-z])[^,;]*|^\s*,?\s*(?:which|that)\s+(?=contain|has|consist)")
TWICE: Final = {"a": "two", "one": "two", "two": "four", "three": "six", "four": "eight"}
PAIRS_OF: Final = re.compile(
    rf"\b(?P<numeral>{'|'.join(TWICE)})\s+pairs?\s+of\s+(?=(?:[a-z]+\s+)?(?:{SCALARS})\b)", re.IGNORECASE
)
ONE_OF: Final = re.compile(r"\bone of (?:the )?(?=(?:letter|character|word|string|number|integer)s)", re.IGNORECASE)
STOP: Final = (
    rf"(?!(?:and|or|of|where|to|is|in|lines?|rows?|with|as|for|between|from|on|at|number\s+of|{'|'.join(COUNTS)})\b)"
)
PHRASE: Final = re.compile(
    rf"(?:{NUMBER_OF}\s+)?(?:{STOP}[a-z][a-z-]*,?\s+){{0,3}}?(?:(?P<scalar>(?:{SCALARS})\b(?!\s+of\s))|(?P<text>{TEXTS})|(?P<other>[a-z]{{3,}}s))\b"
    rf"(?:(?=\s*[,:]?\s*(?P<names>{NAMES})(?![\w']))|)",
    re.IGNORECASE,
)
ONLY_NAMES: Final = re.compile(
    rf"\b(?:contain(?:s|ing)?|consist(?:s|ing)? of|has|have|holds?|with|gives?|integers|numbers|values)\s*:?\s+"
    rf"(?P<names>{NAMES})(?![\w'])(?P<dots>\s*,?\s*\u2026)?"
)
MANY_TEXTS: Final = re.compile(r"strings|words|names", re.IGNORECASE)
"""Texts that are values of their own: ``n strings``, and not the ``n characters`` of one."""
NUMBER_OF_THINGS: Final = re.compile(
    r"\b(?:the|an?)\s+(?:number|height|width|length|size|amount)\s+of\b|\bone of the\b", re.IGNORECASE
)
BOUND: Final = re.compile(
    rf"(?:{NUMBER}\s*[≤<]\s*)?(?<![\w'])(?P<name>{SHORT_NAME}(?:\s*,\s*{SHORT_NAME}){{0,9}})\s*[≤<]\s*{NUMBER}"
)
IN_BRACKETS: Final = re.compile(r"\((?:[^()]|\([^()]*\))*\)")
PARTS_OF_A_VALUE: Final = re.compile(
    r"\b(?:(?:string|word|text|sequence|row)s?\s+(?:of|with|having)\s+(?:length\s+|exactly\s+)?|at most\s+|up to\s+|least\s+|than\s+|between\s+\d+ and\s+)$",
    re.IGNORECASE,
)
OPERATOR: Final = re.compile(r"[-+*/^]\s*$")
OVERVIEW: Final = re.compile(r"\b(?:consists? of|contains?|are|has|in)\s+(?:exactly\s+)?$", re.IGNORECASE)
CASES: Final = re.compile(r"(?:test|case|data)", re.IGNORECASE)
NEXT_VALUE: Final = re.compile(
    rf"\bthe (?:second|third|fourth|fifth|next|other) (?:{SCALARS}|{TEXTS}) (?:on|of|in) (?:the|this|each) line,? (?P<name>{SHORT_NAME})?(?![\w'])",
    re.IGNORECASE,
)
GROUP: Final = re.compile(
    r"^(?:each|every|an?)\s+\w+(?:\s\w+)?\s+(?:starts?|begins?)\s+with\s+(?:a|one)\s+line\b", re.IGNORECASE
)
REST: Final = re.compile(r"\bthe (?:remainder|rest) of (?:the|each|this) line\b", re.IGNORECASE)
BEGINS: Final = re.compile(r"^\s*(?:starts?|begins?)\s+with\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Count:
    """``times * name + plus``, or the number ``plus``."""

    plus: int
    name: str | None = None
    times: int = 1


@dataclass(frozen=True, slots=True)
class _Value:
    """A value of a line, or a list of as many as its count says."""

    name: str | None
    count: _Count | None = None
    is_text: bool = False
    length: _Count | None = None
    """How many characters a text has."""


@dataclass(slots=True)
class _Entry:
    """A line, and how often it comes; its values are ``None`` until they are said."""

    count: _Count | None
    in_case: bool
    values: list[_Value] | None = None
    is_open: bool = False
    """Only how it begins was said."""
    is_group: bool = False
    """It is no line, but several that are said after it."""
    said: str = ""
    """The sentences that say it."""

    @property
    def begins_cases(self) -> bool:
        """Whether what comes after it is of one case."""
        return self.in_case or self.is_group or NUMBER_OF_CASES.search(self.said) is not None


@dataclass(frozen=True, slots=True)
class Outline:
    """The layout of an input."""

    items: tuple[Item, ...]
    names: Mapping[int, str]
    """Names of the fields that have one."""
    said: Mapping[int, str]
    """By field: the sentences that say the line that it is in."""
    lengths: Mapping[int, Linear]
    """How many characters texts have, where it is said."""


def outline_of(said: Said, *, is_spaced: bool = False) -> Outline | None:
    """Return the layout that a statement says, or ``None`` where it says none that is understood whole.

    Parameters
    ----------
    said
        What was read of the statement.
    is_spaced
        A text that is alone on its line may hold spaces.
    """
    reader = _Reader(
        frozenset(each.name for each in said.mentions if not each.is_element),
        frozenset(each.name for each in said.mentions),
    )
    for sentence in said.sentences:
        if len(sentence) <= LONGEST_SENTENCE:
            reader.read(sentence)
    if not reader.entries or any(each.values is None for each in reader.entries):
        return None
    return _Builder(is_spaced).built(reader.entries)


@dataclass(frozen=True, slots=True)
class _Lead:
    """Where a sentence begins to speak of lines."""

    match: re.Match[str]
    count: _Count | None = None
    is_again: bool = False
    """The lines were said before."""


@dataclass(slots=True)
class _Reader:
    """Reads sentences in their order."""

    scalars: frozenset[str]
    """Names of single values."""
    known: frozenset[str]
    """All names."""
    entries: list[_Entry] = field(default_factory=list)

    def read(self, sentence: str) -> None:
        """Add the lines that a sentence says, or give those that wait for their values what it says of them."""
        plain = BOUND.sub(lambda match: match["name"], IN_BRACKETS.sub(" ", sentence)).replace("\u2260", "and")
        inside = " ".join(IN_BRACKETS.findall(sentence))
        if GROUP.search(plain) and self.entries and self.entries[-1].values is None:
            self.entries[-1].is_group, self.entries[-1].values = True, []
        in_case = EACH_CASE.search(plain) is not None or any(each.begins_cases for each in self.entries)
        if BLANK.search(plain):
            self.entries.append(_Entry(None, in_case, [], said=sentence))
            return
        self._go_on(plain, inside)
        leads = self._leads(plain)
        for place, lead in enumerate(leads):
            end = leads[place + 1].match.start() if place + 1 < len(leads) else len(plain)
            content = plain[lead.match.end() : end]
            values = self._values(content, inside)
            if lead.is_again:
                self._fill(sentence, lead, content, values, in_case=in_case)
            elif not DESCRIPTIONS.search(content) and (values or not WHOLE.match(lead.match[0])):
                rounds = lead.count.plus if lead.count is not None and lead.count.name is None else 1
                count = lead.count if lead.count is not None and lead.count.name is not None else None
                self.entries += [
                    _Entry(count, in_case, list(values) if values else None, said=sentence) for _ in range(rounds)
                ]

    def _go_on(self, plain: str, inside: str) -> None:
        """Add what is said of the rest of a line."""
        last = self.entries[-1] if self.entries else None
        if last is None or not last.is_open or last.values is None:
            return
        if (match := NEXT_VALUE.search(plain)) is not None:
            last.values += [_Value(name) for name in self._names(match["name"])] or [_Value(None)]
        elif (match := REST.search(plain)) is not None:
            last.values += self._values(plain[match.end() :], inside) or []

    def _fill(self, sentence: str, lead: _Lead, content: str, values: list[_Value], *, in_case: bool) -> None:
        """Give lines that were said before their values."""
        waiting = [each for each in self.entries if each.values is None]
        if values and not waiting and UNIT.match(lead.match[0]):
            self.entries.append(_Entry(None, in_case, values, said=sentence))
        for each in waiting if values else ():
            each.values, each.is_open = list(values), BEGINS.match(content) is not None
            each.said += " " + sentence

    def _leads(self, plain: str) -> list[_Lead]:
        """Return where a sentence begins to speak of lines; of those that overlap the first."""
        found = [_Lead(match, is_again=True) for pattern in (EACH, UNIT) for match in pattern.finditer(plain)]
        for match in (*REPEATED.finditer(plain), *UNITS.finditer(plain)):
            count = _count(match, self.scalars)
            is_overview = OVERVIEW.search(plain[: match.start("name" if match["numeral"] is None else "numeral")])
            if count is None or CASES.match(match.groupdict().get("noun") or ""):
                continue
            if count.name or (1 < count.plus <= MOST_LINES and not is_overview):
                found.append(_Lead(match, count))
        found += [_Lead(match) for pattern in (SINGLE, A_LINE) for match in pattern.finditer(plain)]
        whole = WHOLE.search(plain)
        if not found and whole is not None:
            found.append(_Lead(whole))
        kept: list[_Lead] = []
        for each in sorted(found, key=lambda each: (each.match.start(), -each.match.end())):
            if not kept or each.match.start() >= kept[-1].match.end():
                kept.append(each)
        return kept

    def _values(self, content: str, inside: str) -> list[_Value]:
        """Return the values of a line from what is said after it."""
        content = ASIDE.sub(" ", content)
        cut = CUT.search(content)
        content = APPOSITION.sub(" ", content[: cut.start()] if cut else content)
        said = ONE_OF.sub("one ", PAIRS_OF.sub(lambda match: f"{TWICE[match['numeral'].lower()]} ", content))
        values: list[_Value] = []
        for match in PHRASE.finditer(said):
            count = _count(match, self.scalars)
            before = said[: match.start()]
            if count is not None and count.name is not None and OPERATOR.search(before):  # `n+m integers`
                return []
            if count is not None and not PARTS_OF_A_VALUE.search(before):
                values += self._of_phrase(match, count)
        if not values:
            only = ONLY_NAMES.search(said)
            names = self._names(only["names"]) if only is not None and not only["dots"] else []
            if names and not any(each.endswith("[]") for each in names):
                return [_Value(name) for name in names]
            values = [_Value(None) for _ in NUMBER_OF_THINGS.findall(said)]
        return self._with_name(values, inside)

    def _of_phrase(self, match: re.Match[str], count: _Count) -> list[_Value]:
        """Return the values of one phrase: ``two integers a and b``, ``n integers``, ``the string s``."""
        names, is_text = self._names(match["names"]), match["text"] is not None
        if count.name is not None:
            is_one = is_text and MANY_TEXTS.fullmatch(match["text"]) is None
            return [_Value(names[0] if names else None, None if is_one else count, is_one, count if is_one else None)]
        if match["other"]:
            return []
        if (match["numeral"] or "the").lower() == "the":
            return [_Value(name, is_text=is_text) for name in names]
        own = (names[place] if place < len(names) else None for place in range(count.plus))
        return [_Value(name, is_text=is_text) for name in own]

    def _names(self, text: str | None) -> list[str]:
        """Return the names at the beginning of a text that the statement knows."""
        found = (
            name if name in self.known else key_of(name)
            for name in re.findall(SHORT_NAME, re.sub(r"\band\b", ",", text or ""))
        )
        return list(itertools.takewhile(self.known.__contains__, found))

    def _with_name(self, values: list[_Value], inside: str) -> list[_Value]:
        """Give a single value the one name that is said in brackets."""
        if len(values) == 1 and values[0].name is None and values[0].count is None:
            names = {name for name in re.findall(SHORT_NAME, inside) if name in self.scalars}
            if len(names) == 1:
                return [replace(values[0], name=names.pop())]
        return values


def _count(match: re.Match[str], scalars: frozenset[str]) -> _Count | None:
    """Return the number that a phrase says; ``None`` where it is a word that is no name."""
    low = (match["numeral"] or "the").lower()
    if match["name"] is None:
        return _Count(COUNTS[low] if low in COUNTS else int(low))
    name = key_of(match["name"])
    if name not in scalars:
        return None
    plus = int(match["plus"] or 0) * (-1 if match["sign"] == "-" else 1)
    return _Count(plus, name, int(match["times"] or 1))


@dataclass(slots=True)
class _Builder:
    """Numbers the fields of a layout in their order."""

    is_spaced: bool
    """Texts may hold spaces."""
    names: dict[int, str] = field(default_factory=dict)
    said: dict[int, str] = field(default_factory=dict)
    lengths: dict[int, Linear] = field(default_factory=dict)
    fields: dict[str, int] = field(default_factory=dict)
    number: int = 0

    def built(self, entries: Sequence[_Entry]) -> Outline | None:
        """Return the layout; ``None`` where a count has no value before it."""
        group = next((each.count for each in entries if each.is_group), None)
        before = [each for each in entries if not each.in_case and not each.is_group]
        cases = [each for each in entries if each.in_case]
        try:
            items = tuple(self._items(before))
            if cases:
                if not before or not items:
                    return None
                number = cases[0].count
                if (
                    number is not None and self.fields.get(number.name or "") == self.number - 1
                ):  # `each of the t lines`
                    return Outline((*items, *self._items(cases)), self.names, self.said, self.lengths)
                count = Linear(0, self.number - 1) if group is None else self._linear(group)
                items = (*items, Block(count, tuple(self._items(cases))))
        except KeyError:
            return None
        return Outline(items, self.names, self.said, self.lengths)

    def _items(self, entries: Sequence[_Entry]) -> Iterator[Item]:
        for each in entries:
            count = None if each.count is None else self._linear(each.count)
            start = self.number
            kind = (
                Kind.TEXT
                if self.is_spaced and each.values and len(each.values) == 1 and each.values[0].is_text
                else Kind.WORD
            )
            line = Line(tuple(self._part(value, kind) for value in each.values or ()))
            self.said |= dict.fromkeys(range(start, self.number), each.said)
            yield line if count is None else Block(count, (line,))

    def _part(self, value: _Value, kind: Kind) -> Field | Series:
        count = None if value.count is None else self._linear(value.count)
        if value.length is not None:
            self.lengths[self.number] = self._linear(value.length)
        spec = Field(self.number, kind)
        if value.name is not None:
            self.names[self.number] = value.name
            if count is None:
                self.fields[value.name] = self.number
        self.number += 1
        return spec if count is None else Series(spec, count)

    def _linear(self, count: _Count) -> Linear:
        return Linear(count.plus, None if count.name is None else self.fields[count.name], count.times)
