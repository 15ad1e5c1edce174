"""The bounds that a statement gives for its input, such as ``1 ≤ n, m ≤ 2·10^5``: read from text, held against values.

A bound is an interval that the statement gives for a name: ``1 ≤ n ≤ 100``, ``n is between 1 and 100``, or alone in
brackets or on a line, ``(n ≤ 100)``. A value breaks it when it is below or above every such interval of the name:
subtasks, notes and examples narrow bounds, the widest one counts. A number that may have lost a
superscript on its way (``105`` for ``10^5``, ``231`` for ``2^31``) is taken as the wider one. Which value of a test
has which name is found out in :mod:`ocr_pipeline.sources.outside`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

__all__ = [
    "NAME",
    "NAMES",
    "Bounds",
    "Interval",
    "Number",
    "bounds_in",
    "element_of",
    "number_in",
    "plain_math",
    "split_names",
]

RAISED: Final = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
Meaning = str | Callable[[re.Match[str]], str]
# What notations and markup mean, one after the other, each with the signs of which one is in every match.
PLAIN: Final[tuple[tuple[str, re.Pattern[str], Meaning], ...]] = tuple(
    (signs, re.compile(pattern), meaning)
    for signs, pattern, meaning in (
        ("<", r"<sup>\s*([^<>\n]{1,20}?)\s*</sup>", r"^\1"),
        ("<", r"<sub>\s*([^<>\n]{1,20}?)\s*</sub>", r"_{\1}"),
        ("<", r"</?(?:i|b|em|strong|var|code|span|tt|p|li|ul|nobr)\b[^<>\n]{0,80}>", ""),
        ("\\", r"\\(?:math(?:rm|it|bf|tt)|text(?:rm|it|tt)?|operatorname|rm|it)\s*\{([^{}\n]*)\}", r"\1"),
        ("$`{\\", r"\{,\}|\\left\b|\\right\b|\\[,;!]|\$|`|\\\(|\\\)", ""),
        ("\\~\xa0\u2009\u202f", r"\\ |~|\xa0|\u2009|\u202f", " "),
        ("\\≦⩽<&", r"\\leq?(?:slant|q)?(?![a-z])|≦|⩽|<\s?=|=\s?<|&le;|&lt;=", "≤"),
        ("\\≧⩾>&", r"\\geq?(?:slant|q)?(?![a-z])|≧|⩾|>\s?=|&ge;|&gt;=", "≥"),
        ("\\&", r"\\lt(?![a-z])|&lt;", "<"),
        ("\\&", r"\\gt(?![a-z])|&gt;", ">"),
        ("*", r"(?<=\d)\*\*(?=\d)", "^"),
        ("*", r"(?<![\w*])\*{1,2}(\w{1,12})\*{1,2}(?![\w*])", r"\1"),
        (
            "\\\u00d7·⋅∙•\u2217x",
            r"\\(?:cdot|times|ast)(?![a-z])|[\u00d7·⋅∙•\u2217]|(?<=\d)x(?=10\^)|(?<=\d) x (?=10\^)",
            "*",
        ),
        ("\\.", r"\\(?:[lc]?dots[cb]?|vdots|ddots)(?![a-z])|\.{2,}", "…"),
        ("\\", r"\\(?:[lr]?vert|mid)(?![a-z])", "|"),
        ("\u2212\u2013", r"\u2212|\u2013(?=\s?\d)", "-"),
        ("^", r"\^\s*\{\s*(-?[\w+\-*/]{1,20})\s*\}", r"^\1"),
        ("_", r"_\s*\{\s*([^{}\n]{1,20}?)\s*\}", lambda match: "_" + match[1].replace(" ", "")),
        ("⁰¹²³⁴⁵⁶⁷⁸⁹", r"[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,4}", lambda match: "^" + match[0].translate(RAISED)),
    )
)
NAME: Final = (
    r"(?:\|\s?[A-Za-z]\w{0,20}(?:_[\w,+-]{1,8})?\s?\||"
    r"[A-Za-z]\w{0,30}(?:_[\w,+-]{1,8})?(?:\[\w{1,3}\])*(?:\.(?:length|size)(?:\(\))?)?)"
)
NAMES: Final = rf"{NAME}(?: ?, ?(?:and )?{NAME}){{0,7}}(?: ?,? ?\band {NAME})?"
DIGITS: Final = r"(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d{1,3}(?: 000)+(?!\d)|\d{1,25})"
NUMBER: Final = rf"(?:- ?)?{DIGITS}(?: ?[*^] ?{DIGITS}){{0,3}}(?: ?[+-] ?\d{{1,10}})?"
SIGN: Final = r" {0,3}(?:[≤≥<>]|={1,2}) {0,3}"
OPERAND: Final = re.compile(f"(?:{NUMBER}|{NAMES})")
LAST_OPERAND: Final = re.compile(rf"(?:(?<!\w){NUMBER}|\b{NAMES}|{NAME})\Z")
SIGNS: Final = re.compile(f"({SIGN})")
# What makes the last operand more than was read: `n ≤ 2m`, `n ≤ 10^5 / k`, `n ≤ 5 million`.
GOES_ON: Final = re.compile(
    r" *[*/^%!(+\\{≤≥<>=]| ?- ?\w|\w|\.\d| (?:million|thousand|billion|lakh|crore|percent|k|M)\b"
)
# What makes the first one more: `k * n ≤ 5`, `sum of n ≤ 10`, `if n ≤ 5`.
BEGUN: Final = re.compile(r"(?:[\w.)\]}|*/^%!+\\-] ?|\b(?:of|all|for|if|when|where|that|with|case) )\Z", re.IGNORECASE)
OPENS: Final = re.compile(r"(?:^|[(,;\[:\n]|\band)\s*\Z")
CLOSES: Final = re.compile(r"\s*(?:\Z|[),;\]\n]|\.(?:\s|\Z)|and\b)")
WINDOW: Final = 48
"""Characters before a sign in which its operand is looked for."""
INTERVAL: Final = rf"[\[(]?\s?({NUMBER})\s*(?:,|;|\band\b|\bto\b|…|-)\s*({NUMBER})(?:\s*[\])])?"
BETWEEN: Final = re.compile(
    rf"\b({NAMES})(?:\s*,)?\s*\(?\s*(?:(?:is|are|will be|lies?|will lie)\s+)?(?:an?\s+)?(?:integers?\s+)?"
    r"(?:(?:in\s+|within\s+)(?:the\s+)?(?:range|interval|segment)\s*(?:of\s+|from\s+)?"
    rf"|between\s+|from\s+|∈\s*|\\in\s*){INTERVAL}"
)
AT_MOST: Final = re.compile(
    rf"[(,\n]\s*(?:where\s+)?({NAME})\s+(?:(?:does|do|will)\s+not\s+exceed|"
    rf"is\s+(?:at\s+most|not?\s+(?:more|greater|larger)\s+than))\s+({NUMBER})(?=\s*[),.\n])"
)
IN_WORDS: Final = (
    (re.compile(r"(?:between|range|interval|segment|from|∈|\\in\b)[^\n\d]{0,14}\d"), BETWEEN, "{1} ≤ {0} ≤ {2}"),
    (re.compile(r"(?:exceed|most|than) {1,3}\d"), AT_MOST, "{0} ≤ {1}"),
)
BULLET: Final = re.compile(r"^\s*(?:[-*+•]|\d{1,2}[.)])\s+", re.MULTILINE)
FALLING: Final = frozenset("≥>")
RISING: Final = {"≥": "≤", ">": "<", "=": "=", "==": "="}
LOST_TENS: Final = re.compile(r"10([2-9]|1[0-8])")
LOST_TWOS: Final = re.compile(r"2([4-9]|[1-3]\d|6[0-4])")
MOST_POWER: Final = 4_000
ELEMENT: Final = re.compile(r"([A-Za-z]+)(?:_(?:[a-z]|\d)(?:,[a-z\d])?|(?:\[[a-z]\])+)")


class Number(NamedTuple):
    """A number as it may be meant: as it is written, or the wider one that lost a superscript."""

    least: int
    most: int


class Interval(NamedTuple):
    """What one chain of signs says about a name; an end is a number, a name, or open."""

    low: Number | str | None
    high: Number | str | None
    is_low_open: bool
    is_high_open: bool
    shown: str

    def excludes(self, value: int, known: Mapping[str, int]) -> tuple[bool | None, bool | None]:
        """Say whether a value is below, and whether it is above; ``None`` where that end is open."""
        low, high = Interval._end(self.low, known), Interval._end(self.high, known)
        is_below = self.low is not None and low is not None and value < low.least + self.is_low_open
        is_above = self.high is not None and high is not None and value > high.most - self.is_high_open
        return None if self.low is None else is_below, None if self.high is None else is_above

    @staticmethod
    def _end(end: Number | str | None, known: Mapping[str, int]) -> Number | None:
        """Return the number of an end; ``None`` where it is a name that is not known, or open."""
        if isinstance(end, str):
            return Number(known[end], known[end]) if end in known else None
        return end

    @property
    def has_number(self) -> bool:
        """Say whether an end is a number."""
        return isinstance(self.low, Number) or isinstance(self.high, Number)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The intervals that a statement gives, by name."""

    intervals: Mapping[str, Sequence[Interval]]

    def broken(self, name: str, value: int, known: Mapping[str, int]) -> str | None:
        """Return the bound that a value breaks, as the statement has it; ``None`` when it breaks none.

        Parameters
        ----------
        name
            Of the value.
        value
            The value.
        known
            Other values of the same test, for bounds such as ``k ≤ n``.
        """
        intervals = self.intervals.get(name, ())
        for sides in zip(*(interval.excludes(value, known) for interval in intervals), strict=True):
            stated = [interval.shown for interval, side in zip(intervals, sides, strict=True) if side is not None]
            if stated and False not in sides:
                return stated[0]
        return None


def plain_math(text: str) -> str:
    """Return text with one notation for comparisons, products, powers, subscripts and dots."""
    for signs, pattern, meaning in PLAIN:
        if any(sign in text for sign in signs):
            text = pattern.sub(meaning, text)
    return BULLET.sub("", text)


def bounds_in(text: str) -> Bounds:
    """Read the bounds out of a statement in plain notation."""
    found: dict[str, list[Interval]] = {}
    others: dict[str, list[Interval]] = {}
    text = "\n".join((text, *_in_signs(text)))
    for start, end in _chains(text):
        before = text[max(0, start - 8) : start]
        if GOES_ON.match(text, end) or BEGUN.search(before):
            continue
        is_alone = OPENS.search(before) is not None and CLOSES.match(text, end) is not None
        for name, interval in _intervals(text[start:end]):
            if is_alone or (interval.low is not None and interval.high is not None):
                found.setdefault(element_of(name), []).append(interval)
            elif interval.has_number:
                others.setdefault(element_of(name), []).append(interval)
    return Bounds({name: [*intervals, *others.get(name, ())] for name, intervals in found.items()})


def _in_signs(text: str) -> Iterator[str]:
    """Yield with signs what a statement says in words, such as ``n is between 1 and 100``."""
    for hint, pattern, signs in IN_WORDS:
        for match in hint.finditer(text):
            if said := pattern.search(text, max(0, match.start() - WINDOW), match.end() + WINDOW):
                yield signs.format(*said.groups())


def _chains(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each chain of signs and operands begins and ends; operands are only looked for beside signs."""
    signs = [match.span() for match in SIGNS.finditer(text)]
    at = 0
    while at < len(signs):
        last = at
        while last + 1 < len(signs) and OPERAND.fullmatch(text, signs[last][1], signs[last + 1][0]):
            last += 1
        tail = text[max(0, signs[at][0] - WINDOW) : signs[at][0]]
        left, right = LAST_OPERAND.search(tail), OPERAND.match(text, signs[last][1])
        if left and right:
            yield signs[at][0] - len(tail) + left.start(), right.end()
        at = last + 1


def _intervals(chain: str) -> Iterator[tuple[str, Interval]]:
    """Yield what a chain such as ``1 ≤ n < m ≤ 100`` says about each of its names."""
    parts = SIGNS.split(chain)
    operands, signs = [_operand(part) for part in parts[::2]], [sign.strip() for sign in parts[1::2]]
    if any(sign in FALLING for sign in signs):
        operands, signs = operands[::-1], [RISING.get(sign, "") for sign in signs[::-1]]
    if any(len(names) > 1 and number and _is_name(operands[number - 1]) for number, names in _lists(operands)):
        return  # `n ≤ m, k ≤ 5`: two statements, and nobody can tell where the second begins
    shown = " ".join(chain.split())
    for number, names in _lists(operands):
        before = (operands[number - 1], signs[number - 1]) if number else None
        after = (operands[number + 1], signs[number]) if number < len(signs) else None
        low = _end(before[0]) if before and before[1] in {"≤", "<"} else None
        high = _end(after[0]) if after and after[1] in {"≤", "<"} else None
        is_open = [side is not None and side[1] == "<" for side in (before, after)]
        for name in names if low is not None or high is not None else ():
            yield name, Interval(low, high, is_open[0], is_open[1], shown)


def _end(operand: Number | list[str]) -> Number | str | None:
    if isinstance(operand, Number):
        return operand
    return operand[0] if len(operand) == 1 else None


def _lists(operands: Sequence[Number | list[str]]) -> Iterator[tuple[int, list[str]]]:
    return ((number, operand) for number, operand in enumerate(operands) if not isinstance(operand, Number))


def _is_name(operand: Number | list[str]) -> bool:
    return not isinstance(operand, Number)


def _operand(text: str) -> Number | list[str]:
    text = text.strip()
    return _number(text) if text[0] in "-0123456789" else split_names(text)


def _number(text: str) -> Number:
    """Return the value of a sum of products of powers."""
    plain = re.sub(r"[\s,]", "", text)
    ends = [_value(plain, is_restored=is_restored) for is_restored in (False, True)]
    return Number(min(ends), max(ends))


def _value(text: str, *, is_restored: bool) -> int:
    total = 0
    for sign, product in re.findall(r"([+-]?)([\d*^]+)", text):
        value = 1
        for power in product.split("*"):
            base, *exponents = power.split("^")
            number = _restored(base) if is_restored and not exponents else int(base or 0)
            for exponent in exponents:
                number **= min(int(exponent or 1), MOST_POWER)
            value *= number
        total += -value if sign == "-" else value
    return total


def _restored(digits: str) -> int:
    """Return the power that a number may have been before its superscript was lost."""
    if match := LOST_TENS.fullmatch(digits):
        return int(10 ** int(match[1]))
    match = LOST_TWOS.fullmatch(digits)
    return int(2 ** int(match[1])) if match else int(digits)


def element_of(name: str) -> str:
    """Return the name that all elements of a list share, ``a[]`` for ``a_i`` and ``a_1``; other names as they are."""
    name = re.sub(r"\s", "", name).replace("()", "").replace(".size", ".length")
    match = ELEMENT.fullmatch(name)
    return f"{match[1]}[]" if match else name


def split_names(names: str) -> list[str]:
    """Return the names of a list such as ``n, m and k``."""
    return [name for name in re.split(r"\s*,\s*(?:and\s)?|\s+and\s+", names.strip()) if name]


def number_in(text: str) -> int:
    """Return the value of a number such as ``2*10^5``; where it may have lost a superscript, the wider one."""
    return _number(text).most
