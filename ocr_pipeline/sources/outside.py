"""Which tests are outside of the bounds that their statement gives, and which bound that is.

Values get their names where a statement leaves no doubt, and where the test has the shape that it says: the arguments
of a call by their parameters; on standard input the first line, and the lines that a format shows below it, as far as
they hold as many values as were announced. Nothing is read behind that. A bound that an example of the statement
breaks, or that most tests break, was misread or is a slip of its author: it makes no test suspect.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.bounds import NAME, NAMES, Bounds, bounds_in, element_of, plain_math, split_names
from ocr_pipeline.tables import IoMode, TestKind

__all__ = ["broken_bounds"]

SEEN_BYTES: Final = 16 << 10
"""Of a test's input: its first lines are what is named."""
SHOWN: Final = frozenset({TestKind.EXAMPLE.value, TestKind.PUBLIC.value})
FEW_TESTS: Final = 4
MOST_DIGITS: Final = 400
INTEGER: Final = re.compile(r"[-+]?\d{1,400}")
COUNTS: Final = {
    word: count
    for count, words in enumerate(
        ("a an one single 1", "two 2", "three 3", "four 4", "five 5", "six 6", "seven 7", "eight 8"), start=1
    )
    for word in words.split()
}
HOLDS: Final = (
    r"(?:contains?d?|consists?\s+of|gives|has|holds|includes?|is|are|will\s+(?:contain|have|be|consist\s+of)|"
    r"there\s+(?:is|are|will\s+be))"
)
FIRST_LINE: Final = re.compile(
    r"\b(?:(?:first(?:\s+and\s+(?:the\s+)?only)?|only|single|one\s+and\s+only|1st)\s+(?:input\s+)?line\b"
    rf"(?P<scope>[^.,(\n]{{0,40}}?)\s*,?\s*\b{HOLDS}\b|^(?:the\s+)?(?:standard\s+)?input(?:\s+file)?:?\s+{HOLDS}\b"
    r"(?:\s+(?:only\s+)?(?:of\s+)?(?:an?|one|exactly\s+one)\s+(?:single\s+)?line\s*,?\s*(?:with|containing|that\s+contains|which\s+contains)\b)?)"
    r"(?P<rest>[^\n]{0,600})",
    re.IGNORECASE,
)
SECOND_LINE: Final = re.compile(
    r"\b(?P<which>second|next|2nd|following)\s+(?:input\s+)?line\b(?P<scope>[^.,(\n]{0,40}?)\s*,?\s*\b(?:contains?|consists?\s+of|gives|has|holds)\s+"
    rf"(?:the\s+)?(?P<count>{NAME})\s+(?:\w+[- ](?:separated\s+)?){{0,3}}?(?:integers?|numbers?)\b[^.\n(]{{0,60}}?(?P<element>[A-Za-z]+_?(?:1|0|i|\[1\]|\[0\]|\[i\]))(?=\W)",
    re.IGNORECASE,
)
SCOPE: Final = re.compile(
    r"\s*(?:of\s+(?:the\s+)?(?:standard\s+)?(?:input|file|input\s+(?:file|data)))?\s*", re.IGNORECASE
)
SETS: Final = (
    *("dataset", "data set", "terminat", "end of input", "end of the input", "end of file", " eof"),
    *("followed by a line", "followed by 0"),
)
"""Words of inputs whose first line may be their end."""
INTEGERS: Final = re.compile(
    rf"(?:\b(?P<count>{'|'.join(COUNTS)})\s+)?(?:\b[a-z-]+\s+){{0,3}}?(?:integer numbers?|integers?|numbers?|values?)\s*,?\s*(?:[A-Z]?[a-z]+ ){{0,2}}?:?\s*(?P<names>{NAMES})(?=\s*(?:[(,.;:—\u2013-]|\Z|denoting|representing|which|where|indicating|is|are|separated|-))"
)
NUMBER_OF: Final = re.compile(
    r"\s*(?:only\s+)?(?:the\s+)?(?:total\s+)?number\s+of\s+(?:[a-z]+\s+){1,4}?(?P<names>[A-Za-z])(?=\s*(?:[(,.;—\u2013-]|\Z))"
)
LETTERS: Final = re.compile(r"(?P<names>[A-Za-z](?: ?, ?[A-Za-z])*(?:,? and [A-Za-z])?)(?=\s*(?:[,.;—\u2013-]|\Z))")
IN_BRACKETS: Final = re.compile(r"\s*\([^()]*\)")
STRING: Final = re.compile(
    r"\s*(?:only\s+)?(?:a|an|one|the)\s+(?:single\s+)?(?:[a-z-]+\s+){0,2}?(?:string|word)\s+(?P<name>[A-Za-z]\w?)\b"
)
FORMAT: Final = re.compile(r"(?:following|below)[^\n]{0,20}format[^\n]*\n+(?P<block>(?:[^\n]+\n)+)", re.IGNORECASE)
INPUT_PART: Final = re.compile(
    r"^\W*input(?:\s+(?:format|specification|data|description))?\W*$(.*?)(?:^\W*output\b|\Z)",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
SCALAR: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,2}")
LISTED: Final = re.compile(r"(?P<base>[A-Za-z]+)_[01]\s.*…\s*(?P=base)_(?P<count>[A-Za-z])")
MOST_SENTENCES: Final = 3
LINE_WORD: Final = re.compile(r"\blines?\b", re.IGNORECASE)
SIGNATURE: Final = re.compile(r"def\s+(?P<name>\w+)\s*\((?P<parameters>[^)]*)\)")


@dataclass(frozen=True, slots=True)
class _Line:
    """What a line of the input holds: scalars by name, or as many elements as a scalar says, or one text."""

    names: tuple[str, ...] = ()
    element: str | None = None
    count: str | None = None
    text: str | None = None


def broken_bounds(problem: Mapping[str, object], kinds: Sequence[str], inputs: pa.Array) -> list[str | None]:
    """Return for each test of a problem the bound that its input breaks, with the value; ``None`` where it breaks none.

    Parameters
    ----------
    problem
        Its row of the problems table.
    kinds, inputs
        Of its tests.
    """
    if not kinds:
        return []
    statement = plain_math(str(problem["statement"]))
    read = _reader(problem, statement)
    bounds = bounds_in(statement) if read else Bounds({})
    if read is None or not bounds.intervals:
        return [None] * len(kinds)
    found = [_first_broken(bounds, read(text)) for text in _beginnings(problem, inputs)]
    times = Counter(each[0] for each in found if each)
    wrong = {each[0] for each, kind in zip(found, kinds, strict=True) if each and kind in SHOWN}
    wrong |= {bound for bound, count in times.items() if len(kinds) >= FEW_TESTS and 2 * count > len(kinds)}
    return [f"{each[0]}: {each[1]}" if each and each[0] not in wrong else None for each in found]


Values = Mapping[str, Sequence[int]]


def _first_broken(bounds: Bounds, values: Values) -> tuple[str, str] | None:
    known = {name: numbers[0] for name, numbers in values.items() if len(numbers) == 1}
    for name, numbers in values.items():
        for number in {min(numbers), max(numbers)} if numbers else ():
            bound = bounds.broken(name, number, known)
            if bound is not None:
                return bound, f"{name} = {number}"
    return None


def _beginnings(problem: Mapping[str, object], inputs: pa.Array) -> Iterator[str]:
    if problem["io_mode"] != IoMode.FUNCTION:
        inputs = pc.binary_slice(inputs.cast(pa.large_binary()), 0, SEEN_BYTES)
        return (text.decode("utf-8", "replace") for text in inputs.to_pylist())
    return iter(inputs.to_pylist())


def _reader(problem: Mapping[str, object], statement: str) -> Callable[[str], Values] | None:
    """Return what reads the named values of a test."""
    if problem["io_mode"] == IoMode.FUNCTION:
        parameters = _parameters(str(problem["starter_code"] or ""), problem["function_name"])
        return (lambda text: _of_call(parameters, text)) if parameters else None
    lines = _lines(statement)
    return (lambda text: _of_lines(lines, text)) if lines else None


def _parameters(starter: str, function: object) -> tuple[str, ...]:
    """Return the names of the parameters of a Python function."""
    for match in SIGNATURE.finditer(starter):
        if match["name"] == function:
            given = [
                part.split(":")[0].split("=")[0].strip()
                for part in re.sub(r"\[[^\]]*\]+", "", match["parameters"]).split(",")
            ]
            return tuple(name for name in given if name and name not in {"self", "cls"})
    return ()


def _of_call(parameters: Sequence[str], text: str) -> Values:
    try:
        arguments = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(arguments, list) or len(arguments) != len(parameters):
        return {}
    values: dict[str, Sequence[int]] = {}
    for name, argument in zip(parameters, arguments, strict=True):
        if isinstance(argument, int) and not isinstance(argument, bool):
            values[name] = [argument]
        elif isinstance(argument, list | str):
            values[f"{name}.length"] = values[f"|{name}|"] = [len(argument)]
        if isinstance(argument, list):
            values[f"{name}[]"] = list(_integers(argument))
            values[f"{name}[i].length"] = [len(item) for item in argument if isinstance(item, list | str)]
    return values


def _integers(value: object) -> Iterator[int]:
    if isinstance(value, list):
        for item in value:
            yield from _integers(item)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield value


def _lines(statement: str) -> tuple[_Line, ...]:
    """Return what the first lines of the input hold, as far as the statement says so without a doubt."""
    lowered = statement.lower()
    if any(word in lowered for word in SETS):
        return ()
    return ("format" in lowered and _lines_of_format(statement)) or _lines_of_prose(statement)


def _lines_of_format(statement: str) -> tuple[_Line, ...]:
    block = FORMAT.search(statement)
    if block is None:
        return ()
    rows = [row.strip() for row in block["block"].split("\n") if row.strip("-=`' \t")]
    lines: list[_Line] = []
    known: set[str] = set()
    for row in rows:
        words = row.split()
        if all(SCALAR.fullmatch(word) for word in words):
            lines.append(_Line(names=tuple(words)))
            known.update(words)
            continue
        listed = LISTED.fullmatch(row)
        if listed is None or listed["count"] not in known:
            break
        lines.append(_Line(element=f"{listed['base']}[]", count=listed["count"]))
    return tuple(lines)


def _lines_of_prose(statement: str) -> tuple[_Line, ...]:
    below_heading = INPUT_PART.search(statement)
    shown = below_heading[1] if below_heading else statement
    of_lines = [line for line in shown.split("\n") if "line" in line or "nput" in line]
    for first in (match for line in of_lines if (match := FIRST_LINE.search(line))):
        if SCOPE.fullmatch(first["scope"] or "") is None:
            return ()
        if text := STRING.match(first["rest"]):
            return (_Line(text=text["name"]),)
        names = _names_in(first["rest"])
        if names:
            return (_Line(names=names), *_second_line(of_lines[of_lines.index(first.string) :], names))
        if first["scope"] is not None:
            return ()
    return ()


def _second_line(of_lines: Sequence[str], names: Sequence[str]) -> tuple[_Line, ...]:
    """Return the line of elements below the first, where a name on that says how many there are."""
    text = "\n".join(of_lines[:MOST_SENTENCES])
    second = next((match for match in SECOND_LINE.finditer(text) if SCOPE.fullmatch(match["scope"])), None)
    if second is None or second["count"] not in names:
        return ()
    if second["which"].lower() in {"next", "following"} and len(LINE_WORD.findall(text, 0, second.start())) > 1:
        return ()
    return (_Line(element=element_of(_subscripted(second["element"])), count=second["count"]),)


def _subscripted(name: str) -> str:
    return re.sub(r"^([A-Za-z]+)(\d|i)$", r"\1_\2", name) if len(name) > 1 and "_" not in name else name


def _names_in(sentence: str) -> tuple[str, ...]:
    sentence = IN_BRACKETS.sub("", sentence).lstrip()
    match = INTEGERS.match(sentence) or NUMBER_OF.match(sentence) or LETTERS.match(sentence)
    if match is None:
        return ()
    names = tuple(split_names(match["names"]))
    count = COUNTS.get((match.groupdict().get("count") or "").lower())
    return names if count in {None, len(names)} and len(set(names)) == len(names) else ()


def _of_lines(lines: Sequence[_Line], text: str) -> Values:
    values: dict[str, Sequence[int]] = {}
    given = text.replace("\r", "").split("\n")
    for line, row in zip(lines, given[:-1] if len(text) >= SEEN_BYTES // 4 else given, strict=False):
        words = row.split()
        if line.text is not None:
            if len(words) == 1:
                values[f"|{line.text}|"] = [len(words[0])]
            return values
        if not all(map(INTEGER.fullmatch, words)):
            return values
        numbers = list(map(int, words))
        if line.element is not None:
            if [len(numbers)] != values.get(line.count or ""):
                return values
            values[line.element] = numbers
        elif len(numbers) == len(line.names):
            values.update({name: [number] for name, number in zip(line.names, numbers, strict=True)})
        else:
            return values
    return values
