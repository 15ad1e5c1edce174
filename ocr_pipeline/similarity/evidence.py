"""What two statements tell about being the same problem, beyond likeness: examples, bounds, versions, what is asked.

Everything here is read from the texts and compared without a model. A reading that fails is empty, never evidence.
What follows from the evidence is decided by deduplication and by the contamination check.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from ocr_pipeline.similarity.text import normalise, says_little

__all__ = [
    "ENDING_TOKENS",
    "OPPOSITES",
    "ExampleComparison",
    "Facts",
    "bounds_differ",
    "canonical_example",
    "few_other_words",
    "lexical_similarities",
    "opposite_asked",
    "parts_of_series",
    "read_facts",
    "series_base",
    "shared_examples",
    "versions_differ",
]

LEXICAL_CHARACTERS: Final = 20_000  # rapidfuzz is quadratic; no real statement differs only after this
FACT_CHARACTERS: Final = 200_000  # the same for reading examples and bounds
EXAMPLE_TOKENS: Final = 200  # long tests are told apart by their beginning
MOST_EXAMPLES: Final = 50
MOST_DIGITS: Final = 40  # longer digits are not a bound
ENDING_TOKENS: Final = 3  # shorter inputs end others by chance

_RULED: Final = r"[ \t#*=\-]*"
_NUMBERED: Final = r"[ \t]*#?[ \t]*\d{0,2}"
_MARK: Final = re.compile(
    rf"^{_RULED}(?P<sample>(?:sample|example)s?[ \t]+)?(?P<kind>input|output)s?{_NUMBERED}{_RULED}(?::|$)"
    r"|^(?P<chinese>输入|输出)[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)
_EXAMPLES_HEADING: Final = re.compile(
    rf"^{_RULED}(?:(?:sample|example)s?(?:[ \t]+(?:case|test)s?)?{_NUMBERED}{_RULED}(?:[:.]|$|(?=input\b))"
    r"|(?:sample|example)s?[ \t]+(?:in|out)put|示例)",
    re.IGNORECASE | re.MULTILINE,
)
_EXAMPLE_END: Final = re.compile(
    rf"^{_RULED}(?:explanations?|notes?|constraints?|hints?|limits?|scoring|subtasks?|(?:sample|example)s?|time limit|"
    r"memory limit|tags|follow[ -]?up|use standard input|use call-based|read the inputs|解释|提示|示例)\b",
    re.IGNORECASE | re.MULTILINE,
)
_BLANKS: Final = re.compile(r"[ \t\r\f\v\u00a0]+")
_RULES: Final = re.compile(r"([-=#*])\1{3,}")
_EMPTY_LINES: Final = re.compile(r"\n(?: ?\n){2,}")
_CHINESE: Final = {"输入": "input", "输出": "output"}
_PROGRAM: Final = re.compile(
    r"^\s*(?:def |class \w+[:(]|function |#include|import \w|from \w+ import|```)", re.MULTILINE
)
_ASSIGNED: Final = re.compile(r"\b[A-Za-z_]\w*[ \t]*=(?!=)")
_SEPARATORS: Final = re.compile(r"[\s,;\"'`]+")
_DECIMALS: Final = re.compile(r"(-?\d+)\.(\d*?)0*")
_GROUPED: Final = r"-?\d{1,3}(?:(?:[ ,]|\{,\})\d{3})+(?![\d^])"  # 10 000 and 10,000
_NUMBER: Final = rf"(?:{_GROUPED}|-?\d[\d,]*(?:\^-?\d+)?)"
_BOUND: Final = rf"{_NUMBER}(?:\s*\*\s*{_NUMBER})*"
_LIMIT: Final = re.compile(rf"[≤<]\s*([^≤<>≥]{{1,60}}?)\s*[≤<]\s*({_BOUND})(?![\w.]*\s*[≤<])")
_UPPER: Final = re.compile(rf"(?<=[a-z\])|0-9])\s*[≤<]\s*({_BOUND})(?![\w.]*\s*[≤<])")
_TEN: Final = re.compile(r"10(?:\^([1-9]\d?)|([3-9]|1[0-8]))")  # a power of ten, also one that lost its sign
_VERSION: Final = re.compile(r"\b(?:this is (?:the |an? )?|\()(\w+) (?:version|subtask)\b")
_VERSIONS: Final = {
    **dict.fromkeys(("easy", "easier", "simple", "simpler", "simplified"), "easy"),
    **dict.fromkeys(("hard", "harder", "difficult", "complex"), "hard"),
    **dict.fromkeys(("medium", "intermediate"), "medium"),
    **dict.fromkeys(("extreme", "hardest", "harderest", "insane"), "extreme"),
}
"""How statements call their versions → which one it is."""
_ANY_ANSWER: Final = re.compile(
    r"\b(?:any|arbitrary) (?:one )?of (?:them|these|those|the (?:possible |valid |correct |optimal )?(?:answers|solutions))\b"
    r"|\bany (?:valid|correct|possible|optimal|suitable|such) (?:\w+ )?(?:one|answer|solution|output|order|way)\b"
    r"|\b(?:multiple|several|many|more than one) (?:\w+ ){0,3}(?:answers|solutions|outputs)\b|\bany order\b|\b(?:print|output|return) any\b"
)
_BETWEEN_DIGITS: Final = re.compile(r"[\s,{}]+")
_LETTERS: Final = re.compile(r"[a-z]+")
_NUMERAL: Final = r"[ivx]+|v?\d{1,2}|one|two|three|four|five|easy|easier|hard|harder|medium|extreme"
_TITLE_VERSION: Final = re.compile(
    rf"[\s\-(]+(?:(?:part|version|level|volume)[\s\-]+(?P<part>[a-e]|{_NUMERAL})|(?P<version>{_NUMERAL})(?: version)?)\)?$"
)
_TITLE_LEVEL: Final = re.compile(r"^(?P<version>easy|hard|medium|simple)\s+(?P<base>\S.*)$")
MOST_OTHER_WORDS: Final = 3
_WORDS: Final = re.compile(r"[^\W\d_]{3,}")
_DRESS: Final = frozenset(
    {"the", "ith", "jth", "kth", "nth", "image", "frac", "example", "examples", "sample", "samples"}
)
"""Words that two sources write differently for one statement."""

OPPOSITES: Final = (
    (
        "minimum minimize minimise minimal smallest shortest lowest fewest",
        "maximum maximize maximise maximal largest longest highest greatest biggest",
    ),
    ("odd", "even"),
    ("ascending increasing", "descending decreasing"),
    ("first", "last"),
    ("prefix", "suffix"),
    ("row rows", "column columns"),
    ("union", "intersection"),
    ("encode encrypt", "decode decrypt"),
    ("positive", "negative"),
    ("uppercase", "lowercase"),
    ("sum addition", "product multiplication"),
    ("permutations permutation", "combinations combination"),
    ("left", "right"),
    ("division quotient", "product multiplication"),
    ("sum addition", "difference subtraction"),
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What one statement says outright."""

    normal: str
    examples: Mapping[str, str] = field(default_factory=dict)
    """Input → output, both in a canonical form."""
    style: str = ""
    """How the examples give their input: call (``x = 1``) or stdin; empty without examples or when they differ."""
    is_program: bool = False
    """Code comes before any example: examples and comparisons are those of whoever wrote the code."""
    bounds: frozenset[str] = frozenset()
    """Upper bounds, such as 10^5 in ``n ≤ 10^5``, in a canonical form. Lower ones are corrected too often."""
    limits: Mapping[str, str] = field(default_factory=dict)
    """Variable → its upper bound, for those between two comparisons."""
    asked: tuple[tuple[bool, bool], ...] = ()
    """Which side of each of :data:`OPPOSITES` the words name."""
    version: str = ""
    """easy, hard, … when the statement calls itself a version."""
    says_little: bool = False
    """It is so short that two problems may have it."""
    any_answer: bool = False
    """It takes any of several answers: another answer to the same input tells nothing."""


@dataclass(frozen=True, slots=True)
class ExampleComparison:
    """How the examples of two statements relate."""

    left: frozenset[str]
    """Inputs of the one that the other answers the same."""
    right: frozenset[str]
    conflicting: int
    """Inputs of both with another output: something else is asked."""


def read_facts(statement: str, normal: str | None = None) -> Facts:
    """Read a statement; its normal form is made unless it is given."""
    text = _without_runs(unicodedata.normalize("NFKC", statement[:FACT_CHARACTERS]))
    normal = normalise(statement[:FACT_CHARACTERS]) if normal is None else normal[:FACT_CHARACTERS]
    examples, style = _read_examples(text)
    return Facts(
        normal=normal,
        examples=examples,
        style=style,
        is_program=_is_program(text),
        bounds=_read_bounds(normal),
        limits={name: _canonical_bound(high) for name, high in _LIMIT.findall(normal)},
        asked=_read_asked(normal),
        version=_read_version(normal),
        says_little=says_little(normal),
        any_answer=_ANY_ANSWER.search(normal) is not None,
    )


def _without_runs(text: str) -> str:
    """Shorten runs of blanks, rules and empty lines, on which the patterns above would take quadratic time."""
    return _EMPTY_LINES.sub("\n\n", _RULES.sub(r"\1\1\1", _BLANKS.sub(" ", text)))


def canonical_example(text: str) -> str:
    """Return an input or output without layout, quotes, brackets, variable names and trailing decimal zeros."""
    parts = _SEPARATORS.split(_ASSIGNED.sub(" ", text))
    tokens = (_token(part) for part in parts[: EXAMPLE_TOKENS + 1] if part)
    return " ".join(token for token in tokens if token)[: EXAMPLE_TOKENS * 20].casefold()


def _token(part: str) -> str:
    bare = part.strip("[](){}").rstrip(".") if any(character.isalnum() for character in part) else part.strip("[]{}")
    decimals = _DECIMALS.fullmatch(bare)
    if decimals is None:
        return bare
    return decimals[1] if not decimals[2] else f"{decimals[1]}.{decimals[2]}"


def _read_examples(text: str) -> tuple[dict[str, str], str]:
    """Pair each example's input with the output that follows it."""
    heading = _EXAMPLES_HEADING.search(text)
    begin = heading.start() if heading else 0
    marks = list(_MARK.finditer(text, begin))
    examples: dict[str, str] = {}
    styles = set()
    for given, answer, following in zip(marks, marks[1:], [*marks[2:], None], strict=False):
        if _kind(given) != "input" or _kind(answer) != "output":
            continue
        raw_input = text[given.end() : answer.start()]
        raw_output = _until_end(text[answer.end() : following.start() if following else len(text)])
        key, value = canonical_example(raw_input), canonical_example(raw_output)
        if key and value and len(examples) < MOST_EXAMPLES and (heading or _ASSIGNED.search(raw_input)):
            examples.setdefault(key, value)
            styles.add("call" if _ASSIGNED.search(raw_input) else "stdin")
    return examples, styles.pop() if len(styles) == 1 else ""


def _is_program(text: str) -> bool:
    """Tell a program with comments from a statement, which may end with starter code."""
    first = _MARK.search(text)
    return _PROGRAM.search(text, 0, first.start() if first else len(text)) is not None


def _kind(mark: re.Match[str]) -> str:
    return (mark["kind"] or _CHINESE[mark["chinese"]]).lower()


def _until_end(text: str) -> str:
    end = _EXAMPLE_END.search(text)
    text = text[: end.start()] if end else text
    # AtCoder's outputs are followed by a paragraph about them.
    paragraphs = re.split(r"\n[ \t]*\n", text.strip())
    return paragraphs[0]


def _read_bounds(normal: str) -> frozenset[str]:
    return frozenset(_canonical_bound(bound) for bound in _UPPER.findall(normal))


def _canonical_bound(bound: str) -> str:
    """Return one spelling: 2*10^5, 2 * 105 (a power that lost its sign), 200,000 and 200 000 are one bound."""
    mantissa, tens, rest = 1, 0, []
    for part in bound.split("*"):
        number = _BETWEEN_DIGITS.sub("", part)
        if power := _TEN.fullmatch(number):
            tens += int(power[1] or power[2])
        elif number.isdecimal() and len(number) <= MOST_DIGITS:
            digits = number.rstrip("0") or "0"
            mantissa, tens = mantissa * int(digits), tens + len(number) - len(digits)
        else:
            rest.append(number.replace("^", ""))
    return "*".join([*sorted(rest), *([str(mantissa)] if mantissa != 1 else []), f"10^{tens}"])


def _read_version(normal: str) -> str:
    return next((_VERSIONS[found[1]] for found in _VERSION.finditer(normal) if found[1] in _VERSIONS), "")


def shared_examples(left: Facts, right: Facts) -> ExampleComparison:
    """Compare what the examples of two statements answer to the same inputs.

    An input that holds the other's counts as the same: one form of a problem may give a size that the other leaves out.
    """
    matched = [
        (given, other, answer == other_answer)
        for given, answer in left.examples.items()
        for other, other_answer in right.examples.items()
        if _same_input(given, other)
    ]
    agreed = [(given, other) for given, other, is_same in matched if is_same]
    return ExampleComparison(
        left=frozenset(given for given, _ in agreed),
        right=frozenset(other for _, other in agreed),
        conflicting=len(matched) - len(agreed),
    )


def _same_input(left: str, right: str) -> bool:
    if left == right:
        return True
    short, long = sorted((left, right), key=len)
    return short.count(" ") >= ENDING_TOKENS - 1 and long.endswith(f" {short}")


def lexical_similarities(left: Sequence[str], right: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the edit similarity of pairs of normal forms, 0 to 1, with four digits; of very long ones, of their beginnings."""
    from rapidfuzz import fuzz, process

    one, other = ([text[:LEXICAL_CHARACTERS] for text in texts] for texts in (left, right))
    ratios = process.cpdist(one, other, scorer=fuzz.ratio, dtype=np.float64, workers=1)
    similarities: npt.NDArray[np.float64] = np.round(ratios / 100, 4)
    return similarities


def bounds_differ(left: Facts, right: Facts) -> bool:
    """Say whether one variable has two upper bounds, or each statement a bound that the other lacks.

    A bound on one side only may be an omission, and is not a difference; a program's comparisons are not bounds.
    """
    if left.is_program or right.is_program:
        return False
    other_limit = any(left.limits[name] != right.limits[name] for name in left.limits.keys() & right.limits.keys())
    return other_limit or (bool(left.bounds - right.bounds) and bool(right.bounds - left.bounds))


def few_other_words(left: str, right: str) -> bool:
    """Say whether two normal forms have all words in common but a few: what is asked may be in these."""
    one, other = (Counter(word for word in _WORDS.findall(text) if word not in _DRESS) for text in (left, right))
    more = [(one - other).total(), (other - one).total()]
    return 0 < max(more) <= MOST_OTHER_WORDS


def opposite_asked(left: Facts, right: Facts) -> bool:
    """Say whether one statement asks for the opposite of the other, such as the smallest and the largest."""
    return any(sorted(sides) == [(False, True), (True, False)] for sides in zip(left.asked, right.asked, strict=True))


def _read_asked(normal: str) -> tuple[tuple[bool, bool], ...]:
    words = set(_LETTERS.findall(normal))
    return tuple((not words.isdisjoint(one.split()), not words.isdisjoint(other.split())) for one, other in OPPOSITES)


def versions_differ(left: Facts, right: Facts) -> bool:
    """Say whether they call themselves different versions, such as easy and hard."""
    return bool(left.version and right.version) and left.version != right.version


def parts_of_series(left: Iterable[str], right: Iterable[str]) -> bool:
    """Say whether names tell parts of one series: one title with I and II, or with and without a part."""
    if not set(left).isdisjoint(right):
        return False
    pairs = [(_split_title(one), _split_title(other)) for one in left for other in right]
    return any(bool(one[0]) and one[0] == other[0] and one[1] != other[1] for one, other in pairs)


def series_base(title: str) -> str:
    """Return a title without its part: "paint house" of "paint house iii"."""
    return _split_title(title)[0]


def _split_title(title: str) -> tuple[str, str]:
    """Split "paint house iii" into the base and the part; a title without a part has an empty one."""
    if found := _TITLE_VERSION.search(title):
        return title[: found.start()], found["part"] or found["version"]
    found = _TITLE_LEVEL.match(title)
    return (found["base"], found["version"]) if found else (title, "")
