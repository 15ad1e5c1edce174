"""What a statement says of its input: names in their order, bounds, alphabets, and how values go together.

Bounds are read more freely here than in :mod:`ocr_pipeline.bounds`, which accuses tests: what is read is held against
the known inputs, and only what they obey is used. Which value has which name is found out in ``naming.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ocr_pipeline.bounds import NUMBER, element_of, number_in, plain_math

__all__ = ["End", "Interval", "Mention", "Said", "Sort", "read_statement"]

INPUT_PART: Final = re.compile(
    r"^[^\w\n]*(?:\\(?:sub)*section\*?\{)?\s*input(?:\s+(?:format|specification|data|description|file))?\b[}:\s*#-]*$"
    r"(?P<part>.*?)(?=^[^\w\n]*(?:\\(?:sub)*section\*?\{)?\s*(?:output|sample|example|interaction|note)s?\b[^\n.]{0,40}$|\Z)",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
CONSTRAINTS_PART: Final = re.compile(
    r"^[^\w\n]*(?:constraints?|limits|assumptions)\b[}:\s*#-]*$(?P<part>.*?)(?=^[^\w\n]*(?:\\(?:sub)*section\*?\{)?\s*"
    r"(?:input|output|sample|example)s?\b[^\n.]{0,40}$|\Z)",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
VERB: Final = re.compile(r"\\(?:verb|lstinline)\*?(?P<sign>[^\sA-Za-z0-9*])(?P<text>[^\n]*?)(?P=sign)")
LONG_WORD: Final = re.compile(r"\S{400,}")
MOST_POWER: Final = 4_000
"""Digits of the largest number that is read or made."""


def _tower(match: re.Match[str]) -> str:
    """Return an exponent that is a power itself as one number."""
    return f"^{min(int(match[1]) ** int(match[2]), MOST_POWER)}"


LATEX_NOISE: Final[tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...]] = (
    (re.compile(r"(?<!\\)%[^\n]*"), ""),
    (re.compile(r"\\(?:emph|textbf|textit|texttt|underline|textsf)\s*\{([^{}]*)\}"), r"\1"),
    (re.compile(r"\{\\(?:tt|em|bf|it|rm)\b\s*([^{}]*)\}"), r"\1"),
    (re.compile(r"\\(?:ell)(?![a-z])"), "ell"),
    (re.compile(r"\\(?:neq|ne|not\s*=)(?![a-z])|\u2260|!="), " \u2260 "),
    (re.compile(r"\\item\b"), "\n- "),
    (re.compile(r"\\(?:begin|end)\s*\{[^{}]*\}(?:\[[^\]]*\])?"), "\n"),
    (re.compile(r"``|''"), '"'),
    (re.compile(r"\^\s*\{\s*\{?(\d{1,3})\}?\s*\^\s*\{?(\d{1,2})\}?\s*\}"), _tower),
    (re.compile(r"\\(?:quad|qquad|,|;|!|:)"), " "),
)
MATH: Final = re.compile(r"\$\$?(?P<math>[^$]{1,200})\$\$?|<var>(?P<var>[^<]{1,60})</var>|\\\((?P<paren>.{1,120}?)\\\)")
PLAIN_NAME: Final = (
    r"(?:[A-Za-z]\w{0,12}'?(?:_\{?\w{1,6}(?:[+-]\w{1,2})?(?:,\w(?!\w))?\}?)?(?:\[\w{1,3}\])*|\|[A-Za-z]\w{0,6}\|)"
)
NAME: Final = re.compile(PLAIN_NAME)
NAME_LIST: Final = rf"{PLAIN_NAME}(?:\s*(?:,\s*(?:and\s+)?|\band\b\s*){PLAIN_NAME}){{0,9}}"
FACTOR: Final = rf"(?:\d{{1,9}}\s?\*?\s?)?{PLAIN_NAME}(?:\s?[+-]\s?\d{{1,9}})?(?![\w(*^/])"
OPERAND: Final = rf"(?:{NUMBER}(?![\w^*]|\.\d)|{FACTOR}(?!\s*,)|{NAME_LIST})"
SIGN: Final = r"\s*(?:[≤≥<>])\s*"
CHAIN: Final = re.compile(rf"(?<![\w.])(?:{OPERAND})(?:{SIGN}(?:{OPERAND})){{1,9}}")
SIGNS: Final = re.compile(rf"({SIGN})")
BETWEEN: Final = re.compile(
    rf"(?P<names>{NAME_LIST})[^.\n≤<]{{0,60}}?\b(?:between|in the range|from|range)\s*\[?\(?\s*(?P<low>{NUMBER})\s*(?:and|to|,|\u2026|\.\.+|-)\s*(?P<high>{NUMBER})"
)
EXPRESSION: Final = re.compile(
    rf"(?:(?P<times>\d{{1,9}})\s?\*?\s?)?(?P<name>{PLAIN_NAME})(?:\s?(?P<sign>[+-])\s?(?P<plus>\d{{1,9}}))?"
)
MATH_WORDS: Final = frozenset(
    [
        "leq",
        "geq",
        "lt",
        "gt",
        "le",
        "ge",
        "times",
        "cdot",
        "ldots",
        "dots",
        "ne",
        "neq",
        "in",
        "mod",
        "gcd",
        "log",
        "min",
        "max",
        "sum",
        "prod",
        "sqrt",
        "frac",
        "text",
        "mathrm",
        "mathit",
        "and",
        "or",
        "for",
        "all",
        "if",
        "where",
        "the",
        "forall",
        "infty",
        "pmod",
        "bmod",
        "left",
        "right",
        "quad",
    ]
)
ENGLISH: Final = frozenset(["a", "an", "i"])
SORTS: Final = re.compile(
    r"\b(?P<integer>integers?|whole numbers?|naturals?)\b|\b(?P<real>real|floating|decimals?|fraction(?:al)?|floats?)\b"
    r"|\b(?P<string>strings?|words?|texts?|names?|sequence of characters)\b|\b(?P<character>characters?|letters?)\b",
    re.IGNORECASE,
)
DECIMALS: Final = re.compile(
    r"(?P<count>\d+|one|two|three|four|five|six|seven|eight|nine|ten|twelve)\s+(?:decimals?|(?:decimal\s+)?(?:digits?|places?)(?:\s+(?:after|past|behind|following)|\b))",
    re.IGNORECASE,
)
NUMERALS: Final = {
    word: count
    for count, word in enumerate(
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"], 1
    )
}
LONGEST: Final = re.compile(
    rf"(?:at most|up to|no more than|not exceed(?:ing)?|maximum of|maximum length(?: of)?|length at most)\s+(?P<most>{NUMBER})\s*(?:\w+\s+)?(?:characters?|letters?|symbols?|digits?|chars)\b"
    rf"|length(?:\s+of\s+(?:the\s+|each\s+)?\w+){{0,2}}\s+(?:is\s+|will be\s+|does not exceed\s+|not exceed(?:ing)?\s+)?(?:at most|up to|no more than|not more than|≤|<=)?\s*(?P<length>{NUMBER})"
    rf"|(?:of|have|has)\s+length\s+(?:at most|up to|no more than|between \d+ and|≤)\s+(?P<other>{NUMBER})",
    re.IGNORECASE,
)
QUOTED: Final = re.compile(r"(?:\"|'|`|\u201c|\u2018)(?P<one>[^\s\w]|\w)(?:\"|'|`|\u201d|\u2019)+")
LENGTH_OF: Final = re.compile(r"\|\s?(?P<name>[A-Za-z]\w{0,6}(?:_\w)?)\s?\|")


ABSOLUTE: Final = re.compile(
    rf"\babsolute values?\s+(?:of\s+)?(?:is\s+|are\s+)?(?:at most|not exceed\w*|no more than|up to|≤|less than)\s+({NUMBER})"
)
UNEQUAL: Final = re.compile(rf"({PLAIN_NAME})\s*\u2260\s*({PLAIN_NAME})")
ELSEWHERE: Final = re.compile(r"\bif\b.*\bthen\b|\bin particular\b|\bguarante|\bassume\b", re.IGNORECASE)
SHORTEST_PART: Final = 10
UNMARKED: Final = re.compile(
    r"(?<![\w'])(?:[A-Za-z]\d?|[A-Za-z]{1,3}_\{?\w{1,3}\}?|[A-Z]{2,3}|[A-Za-z]\[\w\])(?![\w'])"
)


SUBSCRIPT: Final = re.compile(r"_?\{?(\d|(?<=[_{])[A-Za-z])\}?$")


class Sort(StrEnum):
    """What a statement calls a value."""

    INTEGER = "integer"
    REAL = "real"
    STRING = "string"
    CHARACTER = "character"


@dataclass(frozen=True, slots=True)
class End:
    """An end of an interval: ``times * name + plus``, or the number ``plus``."""

    plus: int
    name: str | None = None
    times: int = 1
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Interval:
    """What is said of a name."""

    low: End | None
    high: End | None
    is_far: bool = False
    """The numbers are the ends of a longer chain, ``1 ≤ a < b ≤ n``: they count where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A name where it is first said."""

    name: str
    is_element: bool
    """It has a subscript: one of several values."""
    sort: Sort | None
    is_series: bool = False
    """It is said with dots: ``a_1, …, a_n``."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a statement says."""

    mentions: Sequence[Mention]
    intervals: Mapping[str, Sequence[Interval]]
    relations: Sequence[tuple[str, str, str]]
    """Left, sign, right: names that are compared, with ``<``, ``<=`` or ``!=``."""
    text: str
    """The part about the input, in plain notation."""
    sentences: Sequence[str]
    told_elsewhere: Sequence[str]
    """Sentences outside of the input part that may promise something."""
    largest: int | None
    """The largest absolute value of all numbers."""
    longest: int | None
    """Characters of the longest text."""
    decimals: int | None
    quoted: str
    """Single characters in quotes."""
    lengths: Mapping[str, Sequence[Interval]] = field(default_factory=dict)
    """What is said of the length of a name."""
    has_input_part: bool = True
    """The sentences are those of a part about the input, and not of the whole statement."""


def read_statement(statement: str) -> Said:
    """Read what a statement says of its input."""
    shown = VERB.sub(lambda match: f'"{match["text"]}"', LONG_WORD.sub(" ", statement))
    for pattern, meaning in LATEX_NOISE:
        shown = pattern.sub(meaning, shown)
    part = _part(shown)
    names = _mentions(part)
    plain = _flat(plain_math(part + "\n\n" + _all_math(shown)))
    own = _flat(plain_math(part))
    intervals: dict[str, list[Interval]] = {}
    relations: list[tuple[str, str, str]] = []
    for chain in CHAIN.finditer(plain):
        _read_chain(chain[0], intervals, relations)
    for said in BETWEEN.finditer(plain):
        for name in _split(said["names"]):
            low, high = End(number_in(said["low"])), End(number_in(said["high"]))
            intervals.setdefault(key_of(name), []).append(Interval(low, high))
    relations += [(key_of(match[1]), "!=", key_of(match[2])) for match in UNEQUAL.finditer(plain)]
    lengths = {
        match["name"]: found for name, found in intervals.items() if (match := LENGTH_OF.fullmatch(name)) is not None
    }
    return Said(
        names,
        intervals,
        relations,
        own.lower(),
        _sentences(own),
        [each for each in _sentences(shown.replace(part, " ")) if ELSEWHERE.search(each)] if part != shown else [],
        next((number_in(match[1]) for match in ABSOLUTE.finditer(own)), None),
        _longest(own),
        _decimals(own),
        "".join(sorted({match["one"] for match in QUOTED.finditer(own)})),
        lengths,
        INPUT_PART.search(shown) is not None,
    )


def _flat(text: str) -> str:
    """Let each paragraph be one line, and each item of a list."""
    return re.sub(r"(?<!\n)\n(?![\n-])", " ", re.sub(r"[ \t]+", " ", text))


def _sentences(text: str) -> list[str]:
    plain = _flat(plain_math(text))
    return [each.strip() for each in re.split(r"(?<=[.!?])\s+|\n", plain) if each.strip()]


def _part(text: str) -> str:
    found = INPUT_PART.search(text)
    part = found["part"] if found and len(found["part"].strip()) > SHORTEST_PART else text
    more = CONSTRAINTS_PART.search(text)
    return part + ("\n\n" + more["part"] if more and more["part"] not in part else "")


def _all_math(text: str) -> str:
    """Return the formulas with a comparison of the whole statement, and lines that begin with one."""
    signs = ("\\le", "<", ">", "≤", "≥", "\\ge", "\u2260")
    formulas = [match[0] for match in MATH.finditer(text) if any(sign in match[0] for sign in signs)]
    return "\n\n".join(formulas)


def _mentions(part: str) -> list[Mention]:
    """Return the names of a text in the order in which they are first said.

    ``x_i`` and ``a_1, …, a_n`` are one name; ``x_1, x_2, x_3`` without dots, or ``t_m, t_l``, are one name each.
    """
    said = [(name, key_of(name), before, "\u2026" in after) for name, before, after in _names_said(part)]
    dotted = {key for _, key, _, has_dots in said if has_dots}
    subscripts: dict[str, dict[str, None]] = {}
    for name, key, _, _ in said:
        if key.endswith("[]") and (sub := SUBSCRIPT.search(name)):
            subscripts.setdefault(key, {})[sub[1]] = None
    bare = {name for name, key, _, _ in said if not key.endswith("[]")}
    for key, subs in subscripts.items():
        if key in dotted or subs.keys() & {"i", "j", "k"}:  # `x_n`, where `n` says how many there are
            subscripts[key] = {sub: None for sub in subs if not (_is_label(sub) and sub in bare)}
    labelled = {key for key, subs in subscripts.items() if _count(subs, _is_label) > 1}
    single = labelled | {key for key, subs in subscripts.items() if key not in dotted and _count(subs, str.isdigit) > 1}
    found: dict[str, Mention] = {}
    for name, key, before, _ in said:
        sub = SUBSCRIPT.search(name)
        if (
            key in single
            and sub is not None
            and sub[1] in subscripts[key]
            and (_is_label(sub[1]) or (sub[1].isdigit() and key not in dotted))
        ):
            own = re.sub(r"[{}\s]", "", name)
            found.setdefault(own, Mention(own, is_element=False, sort=_sort_of(before)))
        elif key not in single or key in dotted:
            found.setdefault(key, Mention(key, key.endswith("[]"), _sort_of(before), key in dotted))
    indexes = {sub for subs in subscripts.values() for sub in subs if sub in {"i", "j", "k"}}
    indexes -= {
        name for name in indexes if re.search(rf"\b(?:integers?|numbers?)[,:]?\s*\$?{name}\b(?!['-]?\s?th)", part)
    }
    return [each for each in found.values() if each.name not in indexes and not each.name.startswith("|")]


def _count(subscripts: Iterable[str], is_one: Callable[[str], bool]) -> int:
    return sum(map(is_one, subscripts))


def _is_label(subscript: str) -> bool:
    """Say whether a subscript tells values apart, and is not an index."""
    return subscript.isalpha() and subscript not in {"i", "j", "k"}


def _names_said(part: str) -> Iterator[tuple[str, str, str]]:
    """Yield every name, with what is before and behind it."""
    if MATH.search(part):
        for match in MATH.finditer(part):
            text = plain_math(match["math"] or match["var"] or match["paren"])
            before = part[max(0, match.start() - 120) : match.start()]
            for name in NAME.finditer(text):
                if name[0].lower() not in MATH_WORDS:
                    yield (
                        name[0],
                        before,
                        text[name.end() : name.end() + 24] + plain_math(part[match.end() : match.end() + 12]),
                    )
        return
    plain = _flat(plain_math(part))
    for match in UNMARKED.finditer(plain):
        around, before = plain[match.end() : match.end() + 3], plain[: match.start()]
        if (
            match[0].lower() in ENGLISH
            and not re.match(r"\s*[,≤<=)]|\s*$", around)
            and not re.search(r"[,(]\s*$|and\s*$", before[-6:])
        ):
            continue
        yield match[0], before[-120:], plain[match.end() : match.end() + 24]


def _sort_of(before: str) -> Sort | None:
    """Return the last word for a kind of value before a name."""
    last = None
    for match in SORTS.finditer(before.rpartition(". ")[2]):
        last = match
    return Sort(last.lastgroup) if last and last.lastgroup else None


def key_of(name: str) -> str:
    """Return one name for all elements of a list."""
    name = re.sub(r"[{}\s]", "", name)
    found = re.fullmatch(r"([A-Za-z]+'?)_(\w|\w[+-]1|\w,\w|\w\w)", name)
    return f"{found[1]}[]" if found else element_of(name)


def _split(names: str) -> list[str]:
    return [name for name in re.split(r"\s*,\s*(?:and\s+)?|\s*\band\b\s*", names.strip()) if name]


def _read_chain(text: str, intervals: dict[str, list[Interval]], relations: list[tuple[str, str, str]]) -> None:
    parts = SIGNS.split(text)
    operands, signs = [each.strip() for each in parts[::2]], [each.strip() for each in parts[1::2]]
    if any(sign in "≥>" for sign in signs):
        if any(sign in "≤<" for sign in signs):
            return
        operands, signs = operands[::-1], ["<" if sign == ">" else "≤" for sign in signs[::-1]]
    for place, operand in enumerate(operands):
        low = _end(operands[place - 1], is_open=signs[place - 1] == "<") if place else None
        high = _end(operands[place + 1], is_open=signs[place] == "<") if place < len(signs) else None
        if place and low is None and place > 1:  # `0 ≤ a, b < n`: the number counts for all that follow
            low = _end(operands[place - 2], is_open=False)
        far_low, far_high = _number_among(operands[:place][::-1]), _number_among(operands[place + 1 :])
        for name in _names(operand):
            intervals.setdefault(key_of(name), []).append(Interval(low, high))
            far = far_low if low is None or low.name else None, far_high if high is None or high.name else None
            if any(far):
                intervals[key_of(name)].append(Interval(*far, is_far=True))
            if place < len(signs):
                others = _names(operands[place + 1])
                if len(others) == len(_names(operand)) == 1:
                    relations.append((key_of(name), "<" if signs[place] == "<" else "<=", key_of(others[0])))


def _number_among(operands: Sequence[str]) -> End | None:
    """Return the first number of a side of a chain: it holds for all names on the other side of it."""
    return next((End(number_in(each)) for each in operands if re.fullmatch(NUMBER, each)), None)


def _names(operand: str) -> list[str]:
    """Return the names of an operand; none where it is a number or a product."""
    if re.fullmatch(NUMBER, operand):
        return []
    return [name for name in _split(operand) if NAME.fullmatch(name) and name.lower() not in MATH_WORDS]


def _end(operand: str, *, is_open: bool) -> End | None:
    """Return the number or the expression that an operand is; ``None`` where it is a list."""
    if re.fullmatch(NUMBER, operand):
        return End(number_in(operand), is_open=is_open)
    found = EXPRESSION.fullmatch(operand)
    if found is None:
        return None
    plus = int(found["plus"] or 0) * (-1 if found["sign"] == "-" else 1)
    return End(plus, key_of(found["name"]), int(found["times"] or 1), is_open)


def _longest(text: str) -> int | None:
    found = [
        number_in(value)
        for match in LONGEST.finditer(text)
        for value in match.groupdict().values()
        if value is not None
    ]
    return max(found) if found else None


def _decimals(text: str) -> int | None:
    found = [NUMERALS.get(match["count"].lower()) or int(match["count"]) for match in DECIMALS.finditer(text)]
    return max((each for each in found if each <= 20), default=None)  # noqa: PLR2004 - no input has more
