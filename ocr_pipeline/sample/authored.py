"""The authored problems: reads ``problems/*.toml`` and ``malformed.toml`` into values.

Each problem states its text once, with tests, solutions, recorded responses and a plan; its ``rows`` say in which raw
sources it appears and how. A problem with ``same_as`` tells the story of another one in other words and borrows
everything but the text. Writing the raw formats is :mod:`ocr_pipeline.sample.build`'s business.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ocr_pipeline.errors import InputError

__all__ = [
    "Draft",
    "Malformed",
    "Problem",
    "Response",
    "Row",
    "Solution",
    "Test",
    "TestProgram",
    "load_drafts",
    "load_malformed",
    "load_problems",
]


@dataclass(frozen=True, slots=True)
class Test:
    """One test; for function problems both texts are JSON."""

    __test__ = False  # not a test class, whatever its name says to pytest

    input: str
    expected: str
    kind: str = "private"


@dataclass(frozen=True, slots=True)
class Solution:
    """One human solution, right or wrong."""

    name: str
    language: str
    code: str
    correct: bool = True
    passes_tests: bool = False
    """It is wrong and passes all the same: the problem's tests are weak on purpose."""


@dataclass(frozen=True, slots=True)
class TestProgram:
    """A program about tests that the recorded teacher writes; of one role, the second answers the first one's failure."""

    __test__ = False

    role: str
    code: str


@dataclass(frozen=True, slots=True)
class Response:
    """One recorded response, as its parts: ``form`` says how they were put together, ``case`` what it shows."""

    language: str
    reasoning: str
    answer: str
    code: str
    form: str = "inline"
    finish_reason: str = "stop"
    case: str = "ok"
    judged: str = "accepted"
    """The verdict the judge should reach; empty when no code should come to the judge."""


@dataclass(frozen=True, slots=True)
class Row:
    """One appearance of a problem in a raw source."""

    source: str
    site: str
    difficulty: str
    tags: tuple[str, ...] = ()
    respaced: bool = False
    """White space and case of the statement differ from the text."""
    without_solutions: bool = False
    wrapped_outputs: bool = False
    """Expected values of function tests are in lists of one item, as in some APPS rows."""
    in_folders: bool = False
    """Also written in the original folder form of APPS."""
    rating: int = 0
    date: str = ""
    images: int = 0
    limits_absent: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """One authored problem."""

    slug: str
    title: str
    match: str
    """A piece of the statement that no other statement holds."""
    statement: str
    tests: tuple[Test, ...]
    solutions: tuple[Solution, ...]
    responses: tuple[Response, ...]
    plans: tuple[str, ...]
    rows: tuple[Row, ...]
    programs: tuple[TestProgram, ...] = ()
    shows: tuple[str, ...] = ()
    function_name: str = ""
    starter_code: str = ""
    time_limit_s: float = 2.0
    memory_limit_mib: int = 256
    input_file: str = ""
    output_file: str = ""
    same_as: str = ""

    def correct_solutions(self, language: str) -> tuple[Solution, ...]:
        """Return the right solutions in one language, in the order they were written down."""
        return tuple(each for each in self.solutions if each.language == language and each.correct)


@dataclass(frozen=True, slots=True)
class Malformed:
    """A raw row that was spoiled on purpose: that of a problem with columns replaced or null, or a raw line."""

    source: str
    problem: str
    shows: str
    columns: Mapping[str, Any] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    line: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A new problem that the recorded teacher invents from bundled ones, with its solutions and programs."""

    style: str
    parents: tuple[str, ...]
    shows: str
    match: str
    """A piece of its statement that no other draft holds."""
    text: str
    solutions: tuple[str, ...]
    programs: tuple[TestProgram, ...]


def load_drafts(file: Path) -> tuple[Draft, ...]:
    """Return the invented problems in their order."""
    return tuple(
        Draft(
            **{
                **values,
                "parents": tuple(values["parents"]),
                "solutions": tuple(each["code"] for each in values.get("solutions", ())),
                "programs": tuple(TestProgram(**each) for each in values.get("programs", ())),
            }
        )
        for values in tomllib.loads(file.read_text(encoding="utf-8"))["drafts"]
    )


def load_problems(folder: Path) -> tuple[Problem, ...]:
    """Return every problem, sorted by slug.

    Raises
    ------
    InputError
        When the ``match`` of a problem is not in its own statement, or in another one too.
    """
    raw = {file.stem: tomllib.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.toml"))}
    told = {slug: _problem(slug, values) for slug, values in raw.items() if "same_as" not in values}
    retold = {
        slug: _retold(slug, values, told[values["same_as"]]) for slug, values in raw.items() if "same_as" in values
    }
    problems = tuple(sorted((told | retold).values(), key=lambda problem: problem.slug))
    _require_unique_matches(problems)
    return problems


def load_malformed(file: Path) -> tuple[Malformed, ...]:
    """Return the spoiled rows in their order."""
    return tuple(Malformed(**values) for values in tomllib.loads(file.read_text(encoding="utf-8"))["rows"])


def _problem(slug: str, values: dict[str, Any]) -> Problem:
    solutions = tuple(Solution(**each) for each in values["solutions"])
    codes = {solution.name: solution.code for solution in solutions}
    plain = {key: value for key, value in values.items() if not isinstance(value, list)}
    return Problem(
        slug=slug,
        **plain,
        tests=tuple(Test(**each) for each in values["tests"]),
        solutions=solutions,
        responses=tuple(_response(each, codes) for each in values["responses"]),
        plans=tuple(values["plans"]),
        rows=_rows(values),
        programs=tuple(TestProgram(**each) for each in values.get("programs", ())),
        shows=tuple(values.get("shows", ())),
    )


def _response(values: dict[str, Any], codes: Mapping[str, str]) -> Response:
    """Fill in the code: a named solution's, or the response's own."""
    own = dict(values)
    name = own.pop("solution", None)
    code = codes[name] if name else own.pop("code", "")
    return Response(**{"reasoning": "", "answer": "", "code": code, **own})


def _retold(slug: str, values: dict[str, Any], original: Problem) -> Problem:
    text = {key: values[key] for key in ("title", "match", "statement", "same_as")}
    return replace(original, slug=slug, **text, rows=_rows(values), shows=tuple(values.get("shows", ())))


def _rows(values: dict[str, Any]) -> tuple[Row, ...]:
    return tuple(Row(**{**each, "tags": tuple(each.get("tags", ()))}) for each in values["rows"])


def _require_unique_matches(problems: tuple[Problem, ...]) -> None:
    for problem in problems:
        holders = [other.slug for other in problems if problem.match in other.statement]
        if holders != [problem.slug]:
            message = f"`{problem.slug}`: its match `{problem.match}` occurs in {holders}; choose a text of its own"
            raise InputError(message)
