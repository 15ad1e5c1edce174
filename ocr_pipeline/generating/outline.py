"""Reads from a statement how its input is laid out: its lines, how often they repeat, and how many values each has.

Phrases such as ``each of the next m lines contains three integers x, y and r`` are read in their order. What comes out
is a guess: it counts only where it reads every known input to its end. Sentences that say no layout are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ocr_pipeline.bounds import NUMBER
from ocr_pipeline.generating.grammar import Block, Field, Item, Kind, Line, Linear, Series
from ocr_pipeline.generating.statement import PLAIN_NAME, Said, key_of

__all__ = ["Outline", "outline_of"]

MOST_LINES: Final = 10
"""Lines that a statement counts in words, ``the next two lines``."""
NUMERALS: Final = {
    **{word: 1 for word in ("a", "an", "one", "single", "the", "another")},
    **{word: place for place, word in enumerate(["two", "three", "four", "five", "six", "seven", "eight", "nine"], 2)},
}
SHORT_NAME: Final = r"(?:\|?[A-Za-z]\w{0,2}'?(?:_\{?\w{1,6}\}?)?\|?)"
COUNT: Final = rf"(?:(?P<times>\d{{1,2}})\s?\*?\s?)?(?P<name>{SHORT_NAME})(?:\s?(?P<sign>[+-])\s?(?P<plus>\d))?"
NUMBER_OF: Final = rf"\b(?:(?P<numeral>{'|'.join(NUMERALS)}|\d{{1,2}})|{COUNT})"
NAMES: Final = rf"{SHORT_NAME}(?:\s*(?:,\s*(?:and\s+)?|\band\b\s*)(?!an?\s+[a-z]{{2}}){SHORT_NAME})*"
REPEATED: Final = re.compile(
    rf"\b(?:(?:next|following|other|remaining|last|of|the|then|follows?|by|comes?|are|is)\s+)*{NUMBER_OF}\s+"
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
    r"\b(?:starts?\s+with|then\s+follows?|follow(?:s|ed)(?:\s+by)?|consists?\s+of|next\s+(?:is|comes))\s+(?:only\s+)?(?:a|one)\s+(?:(?:single|last|final)\s+)?line\b", re.IGNORECASE
)
UNITS: Final = re.compile(
    rf"\b(?:then|next|there|that|this|after)\b[^.;:]{{0,20}}\bfollows?\b(?:(?!\blines?\b)[^.;:]){{0,60}}?\b(?!(?:the|an?|one|single|another|of|to|in|and|for)\b){NUMBER_OF}\s+(?P<noun>[a-z]{{3,}}?)s?\b(?![^.;]*\blines?\b)", re.IGNORECASE
)
UNIT: Final = re.compile(
    r"^(?:each|every|an?|the description of (?:an?|each))\s+(?P<noun>[a-z]{3,}\s)?[^.;]{0,30}?\b(?:consists? of|contains?|is described by|is (?:given|described) (?:by|on|as|in))\s+(?:an?|one)\s+(?:single\s+)?line\b",
    re.IGNORECASE,
)
WHOLE: Final = re.compile(
    r"^(?:the\s+)?(?:(?P<of>each|every)\s+(?:test\s?)?case|input(?:\s+file)?|(?:standard\s+)?input)\s+(?:contains|consists\s+of|is)\b", re.IGNORECASE
)
NUMBER_OF_CASES: Final = re.compile(r"\bnumber\s+of\s+(?:the\s+)?(?:(?:input\s+)?(?:test|data)\s?(?:cases?|sets?)|cases|tests)\b|\bnumber test cases", re.IGNORECASE)
BLANK: Final = re.compile(r"\b(?:preceded by|before each \w+(?: \w+)? (?:is|there is)) an? (?:blank|empty) line\b", re.IGNORECASE)
DESCRIPTIONS: Final = re.compile(r"\bdescriptions?\s+of\s+(?:the\s+|each\s+)*(?:(?:input\s+)?(?:test|data)\s?(?:cases?|sets?)|cases|tests)\b", re.IGNORECASE)
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
    rf",\s+(?:the|an?|this|these|they|its|for|so|as|in)\s+(?!and\b)(?!(?:[\w-]+\s+){{0,2}}(?:{SCALARS}|{TEXTS})\b(?!\s+of))[^,;]*", re.IGNORECASE
)
ASIDE: Final = re.compile(r"\s[\u2014\u2013-]+\s+(?=[a-z])[^,;]*|^\s*,?\s*(?:which|that)\s+(?=contain|has|consist)")
TWICE: Final = {"a": "two", "one": "two", "two": "four", "three": "six", "four": "eight"}
PAIRS_OF: Final = re.compile(rf"\b(?P<numeral>{'|'.join(TWICE)})\s+pairs?\s+of\s+(?=(?:[a-z]+\s+)?(?:{SCALARS})\b)", re.IGNORECASE)
ONE_OF: Final = re.compile(r"\bone of (?:the )?(?=(?:letter|character|word|string|number|integer)s)", re.IGNORECASE)
STOP: Final = rf"(?!(?:and|or|of|where|to|is|in|lines?|rows?|with|as|for|between|from|on|at|number\s+of|{'|'.join(NUMERALS)})\b)"
PHRASE: Final = re.compile(
    rf"(?:{NUMBER_OF}\s+)?(?:{STOP}[a-z][a-z-]*,?\s+){{0,3}}?(?:(?P<scalar>(?:{SCALARS})\b(?!\s+of\s))|(?P<text>{TEXTS})|(?P<other>[a-z]{{3,}}s))\b"
    rf"(?:(?=\s*[,:]?\s*(?P<names>{NAMES})(?![\w']))|)",
    re.IGNORECASE,
)
ONLY_NAMES: Final = re.compile(
    rf"\b(?:contain(?:s|ing)?|consist(?:s|ing)? of|has|have|holds?|with|gives?|integers|numbers|values)\s*:?\s+"
    rf"(?P<names>{NAMES})(?![\w'])(?P<dots>\s*,?\s*\u2026)?"
)
NUMBER_OF_THINGS: Final = re.compile(r"\b(?:the|an?)\s+(?:number|height|width|length|size|amount)\s+of\b|\bone of the\b", re.IGNORECASE)
BOUND: Final = re.compile(
    rf"(?:{NUMBER}\s*[≤<]\s*)?(?<![\w'])(?P<name>{SHORT_NAME}(?:\s*,\s*{SHORT_NAME})*)\s*[≤<]\s*{NUMBER}"
)
IN_BRACKETS: Final = re.compile(r"\((?:[^()]|\([^()]*\))*\)")
PARTS_OF_A_VALUE: Final = re.compile(
    r"\b(?:(?:string|word|text|sequence|row)s?\s+(?:of|with|having)\s+(?:length\s+|exactly\s+)?|at most\s+|up to\s+|least\s+|than\s+|between\s+\d+ and\s+)$", re.IGNORECASE
)
OVERVIEW: Final = re.compile(r"\b(?:consists? of|contains?|are|has|in)\s+(?:exactly\s+)?$", re.IGNORECASE)
CASES: Final = re.compile(r"(?:test|case|data)", re.IGNORECASE)
NEXT_VALUE: Final = re.compile(
    rf"\bthe (?:second|third|fourth|fifth|next|other) (?:{SCALARS}|{TEXTS}) (?:on|of|in) (?:the|this|each) line,? (?P<name>{SHORT_NAME})?(?![\w'])", re.IGNORECASE
)
GROUP: Final = re.compile(r"^(?:each|every|an?)\s+\w+(?:\s\w+)?\s+(?:starts?|begins?)\s+with\s+(?:a|one)\s+line\b", re.IGNORECASE)
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


@dataclass(frozen=True, slots=True)
class Outline:
    """The layout of an input."""

    items: tuple[Item, ...]
    names: Mapping[int, str]
    """Names of the fields that have one."""
    said: Mapping[int, str]
    """By field: the sentences that say the line that it is in."""


def outline_of(said: Said, *, is_spaced: bool = False) -> Outline | None:
    """Return the layout that a statement says, or ``None`` where it says none that is understood whole.

    Parameters
    ----------
    said
        What was read of the statement.
    is_spaced
        A text that is alone on its line may hold spaces.
    """
    scalars = frozenset(each.name for each in said.mentions if not each.is_element)
    known = frozenset(each.name for each in said.mentions)
    entries: list[_Entry] = []
    for sentence in said.sentences:
        _read(sentence, scalars, known, entries)
    if not entries or any(each.values is None for each in entries):
        return None
    return _Builder(known, is_spaced).built(entries)


def _read(sentence: str, scalars: frozenset[str], known: frozenset[str], entries: list[_Entry]) -> None:
    """Add the lines that a sentence says, or give those that wait for their values what it says of them."""
    plain = BOUND.sub(lambda match: match["name"], IN_BRACKETS.sub(" ", sentence)).replace("\u2260", "and")
    inside = " ".join(IN_BRACKETS.findall(sentence))
    in_case = EACH_CASE.search(plain) is not None or any(
        each.in_case or each.is_group or NUMBER_OF_CASES.search(each.said) for each in entries
    )
    if GROUP.search(plain) and entries and entries[-1].values is None:
        entries[-1].is_group, entries[-1].values, in_case = True, [], True
    if BLANK.search(plain):
        entries.append(_Entry(None, in_case, [], said=sentence))
        return
    if entries and entries[-1].is_open and entries[-1].values is not None:
        if (match := NEXT_VALUE.search(plain)) is not None:
            entries[-1].values += [_Value(name) for name in _names(match["name"], known)] or [_Value(None)]
        elif (match := REST.search(plain)) is not None:
            entries[-1].values += _values(plain[match.end() :], inside, scalars, known) or []
    leads = _leads(plain, scalars)
    for place, (lead, count, is_each) in enumerate(leads):
        end = leads[place + 1][0].start() if place + 1 < len(leads) else len(plain)
        content = plain[lead.end() : end]
        if DESCRIPTIONS.search(content) and not is_each:
            continue
        values = _values(content, inside, scalars, known)
        waiting = [each for each in entries if each.values is None]
        if is_each:
            if values and not waiting and UNIT.match(lead[0]):
                entries.append(_Entry(None, in_case, list(values), said=sentence))
            for each in waiting if values else ():
                each.values, each.is_open = list(values), BEGINS.match(content) is not None
                each.said += " " + sentence
            continue
        if not values and WHOLE.match(lead[0]):
            continue
        for _ in range(count.plus if count is not None and count.name is None else 1):
            once = None if count is None or count.name is None else count
            entries.append(_Entry(once, in_case, list(values) if values else None, said=sentence))


def _leads(plain: str, scalars: frozenset[str]) -> list[tuple[re.Match[str], _Count | None, bool]]:
    """Return where a sentence begins to speak of lines: the place, how many there are, and whether they were said before."""
    found: list[tuple[re.Match[str], _Count | None, bool]] = [
        (match, None, True) for pattern in (EACH, UNIT) for match in pattern.finditer(plain)
    ]
    for match in (*REPEATED.finditer(plain), *UNITS.finditer(plain)):
        count = _count(match, scalars)
        is_overview = OVERVIEW.search(plain[: match.start("name" if match["numeral"] is None else "numeral")])
        if CASES.match(match.groupdict().get("noun") or ""):
            continue
        if count is not None and (count.name or (1 < count.plus <= MOST_LINES and not is_overview)):
            found.append((match, count, False))
    found += [(match, None, False) for pattern in (SINGLE, A_LINE) for match in pattern.finditer(plain)]
    if not found and (match := WHOLE.search(plain)):
        found.append((match, None, False))
    found.sort(key=lambda each: (each[0].start(), -each[0].end()))
    kept: list[tuple[re.Match[str], _Count | None, bool]] = []
    for each in found:
        if not kept or each[0].start() >= kept[-1][0].end():
            kept.append(each)
    return kept


def _count(match: re.Match[str], scalars: frozenset[str]) -> _Count | None:
    """Return the number that a phrase says; ``None`` where it is a word that is no name."""
    low = (match["numeral"] or "the").lower()
    if match["name"] is None:
        return _Count(NUMERALS[low] if low in NUMERALS else int(low))
    name = key_of(match["name"])
    if name not in scalars:
        return None
    plus = int(match["plus"] or 0) * (-1 if match["sign"] == "-" else 1)
    return _Count(plus, name, int(match["times"] or 1))


def _values(content: str, inside: str, scalars: frozenset[str], known: frozenset[str]) -> list[_Value] | None:
    """Return the values of a line from what is said after it; ``None`` where nothing is."""
    content = ASIDE.sub(" ", content)
    cut = CUT.search(content)
    content = PAIRS_OF.sub(lambda match: f"{TWICE[match['numeral'].lower()]} ", content)
    said = ONE_OF.sub("one ", APPOSITION.sub(" ", content[: cut.start()] if cut else content))
    values: list[_Value] = []
    for match in PHRASE.finditer(said):
        count = _count(match, scalars)
        names = _names(match["names"], known)
        if count is None or PARTS_OF_A_VALUE.search(said[: match.start()]) or (match["other"] and count.name is None):
            continue
        if count.name is not None:
            is_one = match["text"] is not None and not _are_many(match)
            values.append(_Value(names[0] if names else None, None if is_one else count, is_one))
        elif (match["numeral"] or "the").lower() == "the":
            values += [_Value(name, is_text=match["text"] is not None) for name in names]
        else:
            own = (names[place] if place < len(names) else None for place in range(count.plus))
            values += [_Value(name, is_text=match["text"] is not None) for name in own]
    if values:
        return _with_name(values, inside, scalars)
    match = ONLY_NAMES.search(said)
    names = _names(match["names"], known) if match else []
    if names and match and not match["dots"] and not any(each.endswith("[]") for each in names):
        return [_Value(name) for name in names]
    return _with_name([_Value(None) for _ in NUMBER_OF_THINGS.findall(said)], inside, scalars) or None


def _are_many(match: re.Match[str]) -> bool:
    """Say whether texts are values of their own: ``n strings``, and not the ``n characters`` of one."""
    return re.fullmatch(r"(?:strings|words|names)", match["text"] or "", re.IGNORECASE) is not None


def _names(text: str | None, known: frozenset[str]) -> list[str]:
    names: list[str] = []
    for name in re.findall(SHORT_NAME, re.sub(r"\band\b", ",", text or "")):
        own = name if name in known else key_of(name)
        if own not in known:
            break
        names.append(own)
    return names


def _with_name(values: list[_Value], inside: str, scalars: frozenset[str]) -> list[_Value]:
    """Give a single value the one name that is said in brackets."""
    if len(values) == 1 and values[0].name is None and values[0].count is None:
        names = {name for name in re.findall(SHORT_NAME, inside) if name in scalars}
        if len(names) == 1:
            return [replace(values[0], name=names.pop())]
    return values


@dataclass(slots=True)
class _Builder:
    """Numbers the fields of a layout in their order."""

    known: frozenset[str]
    is_spaced: bool
    """Texts may hold spaces."""
    names: dict[int, str] = field(default_factory=dict)
    said: dict[int, str] = field(default_factory=dict)
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
                if number is not None and self.fields.get(number.name or "") == self.number - 1:  # `each of the t lines`
                    return Outline((*items, *self._items(cases)), self.names, self.said)
                count = Linear(0, self.number - 1) if group is None else self._linear(group)
                items = (*items, Block(count, tuple(self._items(cases))))
        except KeyError:
            return None
        return Outline(items, self.names, self.said)

    def _items(self, entries: Sequence[_Entry]) -> Iterator[Item]:
        for each in entries:
            count = None if each.count is None else self._linear(each.count)
            start = self.number
            kind = Kind.TEXT if self.is_spaced and each.values and len(each.values) == 1 and each.values[0].is_text else Kind.WORD
            line = Line(tuple(self._part(value, kind) for value in each.values or ()))
            self.said |= dict.fromkeys(range(start, self.number), each.said)
            yield line if count is None else Block(count, (line,))

    def _part(self, value: _Value, kind: Kind) -> Field | Series:
        count = None if value.count is None else self._linear(value.count)
        spec = Field(self.number, kind)
        if value.name is not None:
            self.names[self.number] = value.name
            if count is None:
                self.fields[value.name] = self.number
        self.number += 1
        return spec if count is None else Series(spec, count)

    def _linear(self, count: _Count) -> Linear:
        return Linear(count.plus, None if count.name is None else self.fields[count.name], count.times)
