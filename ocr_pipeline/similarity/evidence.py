"""What two statements tell about being the same problem, beyond likeness: examples, bounds, versions, what is asked.

Everything here is read from the texts and compared without a model. A reading that fails is "none", never evidence.
What follows from the evidence is decided by deduplication and by the contamination check.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ocr_pipeline.similarity.text import normalise

__all__ = [
    "ExampleComparison",
    "Facts",
    "bounds_differ",
    "canonical_example",
    "compare_examples",
    "lexical_similarity",
    "opposite_asked",
    "read_facts",
    "versions_differ",
]

LEXICAL_CHARACTERS: Final = 20_000  # rapidfuzz is quadratic; no real statement differs only after this
FACT_CHARACTERS: Final = 200_000  # the same for reading examples and bounds
EXAMPLE_TOKENS: Final = 200  # long tests are told apart by their beginning
MOST_EXAMPLES: Final = 50
CONTAINED_TOKENS: Final = 3  # shorter inputs end others by chance

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
_NUMBER: Final = r"-?\d[\d,]*(?:\^-?\d+)?"
_BOUND: Final = rf"{_NUMBER}(?:\s*\*\s*{_NUMBER})*"
_LIMIT: Final = re.compile(rf"[≤<]\s*([^≤<>≥]{{1,60}}?)\s*[≤<]\s*({_BOUND})(?![\w.]*\s*[≤<])")
_UPPER: Final = re.compile(rf"(?<=[a-z\])|0-9])\s*[≤<]\s*({_BOUND})(?![\w.]*\s*[≤<])")
_POWER: Final = re.compile(r"(\d*[1-9])(0{3,})")
_VERSION: Final = re.compile(r"\b(?:this is (?:the |an? )?|\()(easy|hard|medium|simplified) (?:version|subtask)\b")
_LETTERS: Final = re.compile(r"[a-z]+")
_TITLE_VERSION: Final = re.compile(r"[\s\-(]+(?P<version>[ivx]+|\d{1,2}|easy|hard|medium)(?: version)?\)?$")

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
    title: str = ""


@dataclass(frozen=True, slots=True)
class ExampleComparison:
    """How the examples of two statements relate; all zero when either has none or their styles differ."""

    comparable: bool = False
    shared: int = 0
    """Examples with the same input and the same output."""
    conflicting: int = 0
    """Examples with the same input and another output: something else is asked."""


def read_facts(statement: str, *, title: str | None = None, tests: Mapping[str, str] | None = None) -> Facts:
    """Read a statement; ``tests`` are its example tests where a table holds them, which then count as its examples."""
    text = _without_runs(unicodedata.normalize("NFKC", statement[:FACT_CHARACTERS]))
    normal = normalise(statement[:FACT_CHARACTERS])
    examples, style = (dict(tests), "stdin") if tests else _read_examples(text)
    return Facts(
        normal=normal,
        examples=examples,
        style=style,
        is_program=_is_program(text),
        bounds=_read_bounds(normal),
        limits={name: _canonical_bound(high) for name, high in _LIMIT.findall(normal)},
        asked=_read_asked(normal),
        version=_first_group(_VERSION, normal),
        title=normalise(title or ""),
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
    """Return one spelling: 10^5, 105 (a power that lost its sign), 100,000 and 100000 are one bound."""
    factors = [_factor(part.strip().replace(",", "")) for part in bound.split("*")]
    return "*".join(sorted(factor for factor in factors if factor not in {"", "1"})) or "1"


def _factor(number: str) -> str:
    power = _POWER.fullmatch(number)
    if power is None:
        return number.replace("^", "")
    mantissa, zeros = power[1], len(power[2])
    if mantissa.endswith("1") and set(mantissa[:-1]) <= {"0"}:
        return f"10{zeros}"
    return f"{mantissa}*10{zeros}"


def _first_group(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""


def compare_examples(left: Facts, right: Facts) -> ExampleComparison:
    """Compare what the two statements answer to the same inputs.

    An input that holds the other's counts as the same: one form of a problem may give a size that the other leaves out.
    Examples of a program's comments tell only by agreement: who rewrites a program invents new ones.
    """
    matched = [
        answer == other_answer
        for given, answer in left.examples.items()
        for other, other_answer in right.examples.items()
        if _same_input(given, other)
    ]
    comparable = bool(left.style) and left.style == right.style and not (left.is_program or right.is_program)
    return ExampleComparison(comparable=comparable, shared=sum(matched), conflicting=len(matched) - sum(matched))


def _same_input(left: str, right: str) -> bool:
    if left == right:
        return True
    short, long = sorted((left, right), key=len)
    return short.count(" ") >= CONTAINED_TOKENS - 1 and long.endswith(f" {short}")


def lexical_similarity(left: str, right: str, *, at_least: float = 0.0) -> float:
    """Return the edit similarity of two normal forms, 0 to 1; of very long ones, of their beginnings.

    A similarity below ``at_least`` is returned as 0, which takes a fraction of the time.
    """
    from rapidfuzz import fuzz

    one, other = left[:LEXICAL_CHARACTERS], right[:LEXICAL_CHARACTERS]
    return float(fuzz.ratio(one, other, score_cutoff=100 * at_least)) / 100


def bounds_differ(left: Facts, right: Facts) -> bool:
    """Say whether one variable has two upper bounds, or each statement a bound that the other lacks.

    A bound on one side only may be an omission, and is no difference; a program's comparisons are no bounds.
    """
    if left.is_program or right.is_program:
        return False
    other_limit = any(left.limits[name] != right.limits[name] for name in left.limits.keys() & right.limits.keys())
    return other_limit or (bool(left.bounds - right.bounds) and bool(right.bounds - left.bounds))


def opposite_asked(left: Facts, right: Facts) -> bool:
    """Say whether one statement asks for the opposite of the other, such as the smallest and the largest."""
    return any(sorted(sides) == [(False, True), (True, False)] for sides in zip(left.asked, right.asked, strict=True))


def _read_asked(normal: str) -> tuple[tuple[bool, bool], ...]:
    words = set(_LETTERS.findall(normal))
    return tuple((not words.isdisjoint(one.split()), not words.isdisjoint(other.split())) for one, other in OPPOSITES)


def versions_differ(left: Facts, right: Facts) -> bool:
    """Say whether they are parts of one series: easy and hard version, or one title with I and II."""
    if left.version and right.version and left.version != right.version:
        return True
    bases, parts = zip(*(_split_title(facts.title) for facts in (left, right)), strict=True)
    return bool(bases[0]) and bases[0] == bases[1] and parts[0] != parts[1]


def _split_title(title: str) -> tuple[str, str]:
    """Split "paint house iii" into the base and the part; a title without a part has an empty one."""
    found = _TITLE_VERSION.search(title)
    return (title[: found.start()], found["version"]) if found else (title, "")
