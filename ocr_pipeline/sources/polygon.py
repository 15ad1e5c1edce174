"""Problem packages of Polygon: ``problem.xml`` beside statement sections, tests, checker and solutions.

A folder is read into the rows of the package tables, which :mod:`ocr_pipeline.sources.kattis` reads. The statement is
put together from its sections; sections that are missing are taken from ``problem-properties.json``, then from the
whole ``problem.tex``. A package without its generated tests gives the tests it has, and counts the others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from ocr_pipeline.sources.folders import FolderForm, file_text
from ocr_pipeline.sources.latex import Sources, plain_text
from ocr_pipeline.sources.packages import UNREADABLE, Example, submission, test_row, with_examples
from ocr_pipeline.sources.reading import Row
from ocr_pipeline.sources.text import has_image

__all__ = ["FOLDER"]

SECTIONS: Final = (
    ("legend", ""),
    ("input", "Input"),
    ("output", "Output"),
    ("interaction", "Interaction"),
    ("scoring", "Scoring"),
)
NOTES: Final = ("notes", "Note")
ENGLISH: Final = "english"
ENVIRONMENT: Final = re.compile(r"\\(?:begin|end)\s*\{problem\}(?:\s*\{[^{}]*\})*")
EXAMPLE_BLOCKS: Final = re.compile(
    r"\\Examples?\b|\\exmp(?:file)?\s*\{(?:[^{}]|\{[^{}]*\})*\}\s*%?\s*\{(?:[^{}]|\{[^{}]*\})*\}|\\(?:begin|end)\s*\{example\}"
)
# The checkers that Polygon brings along, by what they compare; any other one is a program of the problem's own.
TOKENS: Final = frozenset({"fcmp", "hcmp", "icmp", "lcmp", "ncmp", "wcmp", "pointscmp"})
ANY_CASE: Final = frozenset({"caseicmp", "nyesno", "yesno"})
TOLERANCES: Final = {
    "acmp": 1.5e-6,
    "dcmp": 1e-6,
    "rcmp": 1.5e-6,
    "rcmp4": 1e-4,
    "rcmp6": 1e-6,
    "rcmp9": 1e-9,
    "rncmp": 1.5e-5,
}


def _rows(folder: Path, name: str) -> Iterator[Row]:
    """Turn a package into rows."""
    try:
        root = ET.fromstring((folder / "problem.xml").read_bytes())  # noqa: S314 - expat refuses entity bombs
    except (ET.ParseError, ValueError, LookupError) as error:
        yield {"problem": name, "statement": "", "settings": f"{UNREADABLE.format('problem.xml')}: {error}"}
        return
    tests = list(_tests(folder, name, root))
    yield _problem(folder, name, root, tests)
    yield from tests
    for solution in root.iterfind("assets/solutions/solution"):
        source = solution.find("source")
        path = folder / (source.get("path", "") if source is not None else "")
        yield submission(name, path.name, path, solution.get("tag", "unknown"), file_text(path))


def _problem(folder: Path, name: str, root: ET.Element, tests: list[Row]) -> Row:
    judging = root.find("judging")
    language = _language(folder, root)
    statement, sources = _statement(folder, language, tests)
    titles = {each.get("language"): each.get("value") for each in root.iterfind("names/name")}
    interactive = root.find("assets/interactor") is not None
    return {
        "problem": name,
        "statement": statement,
        "is_text": True,
        "has_image": has_image(sources),
        "statement_language": "en" if language == ENGLISH else language,
        "name": titles.get(language) or next(iter(titles.values()), None),
        "site": "polygon",
        "validation": "interactive" if interactive else None,
        "keywords": [tag.get("value", "") for tag in root.iterfind("tags/tag")],
        "time_limit": _limit(root, "time-limit", "ms"),
        "memory_limit": _limit(root, "memory-limit", "bytes"),
        "input_file": judging.get("input-file") if judging is not None else None,
        "output_file": judging.get("output-file") if judging is not None else None,
        **_checker(root),
    }


def _limit(root: ET.Element, name: str, unit: str) -> str | None:
    text = next((text for testset in _test_sets(root) if (text := testset.findtext(name))), None)
    return f"{text.strip()} {unit}" if text and text.strip() else None


def _language(folder: Path, root: ET.Element) -> str:
    """Return the language of the statement: English where there is one, else the first that has sections."""
    named = [each.get("language", "") for each in root.iterfind("statements/statement")]
    named += [each.get("language", "") for each in root.iterfind("names/name")]
    found = sorted(
        path.name for place in ("statement-sections", "statements") for path in (folder / place).glob("[!.]*")
    )
    known = [each for each in (*named, *found) if each and not each.startswith(".")]
    return ENGLISH if ENGLISH in known or not known else known[0]


def _statement(folder: Path, language: str, tests: list[Row]) -> tuple[str, str]:
    """Return the statement as text, and the LaTeX that it was made of."""
    place = folder / "statement-sections" / language
    properties = _properties(folder / "statements" / language / "problem-properties.json")
    whole = file_text(folder / "statements" / language / "problem.tex") or ""

    def section(name: str) -> str:
        text = file_text(place / f"{name}.tex")
        given = properties.get(name)
        return text if text is not None else given if isinstance(given, str) else ""

    sources = Sources(lambda name: file_text(place / Path(name).name) or file_text(place / f"{Path(name).name}.tex"))
    parts = [(heading, section(name)) for name, heading in SECTIONS]
    if not any(text.strip() for _, text in parts):
        parts = [("", EXAMPLE_BLOCKS.sub("", ENVIRONMENT.sub("", whole)))]
    statement = "\n\n".join(_headed(heading, text, sources) for heading, text in parts if text.strip())
    shown = with_examples(statement, _examples(place, tests))
    notes = section(NOTES[0])
    if notes.strip():
        shown = f"{shown}\n\n{_headed(NOTES[1], notes, sources)}"
    return shown, "".join([*(text for _, text in parts), notes])


def _headed(heading: str, source: str, sources: Sources) -> str:
    text = plain_text(source, sources)
    return f"{heading}\n\n{text}" if heading else text


def _properties(path: Path) -> Mapping[str, object]:
    try:
        value = json.loads(file_text(path) or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _examples(place: Path, tests: list[Row]) -> list[Example]:
    """Return the examples that the statement shows: its own files where there are any, else the sample tests."""
    own = [
        Example(given, expected)
        for path in sorted(place.glob("example.*"))
        if path.suffix != ".a"
        and (given := file_text(path)) is not None
        and (expected := file_text(path.with_name(f"{path.name}.a"))) is not None
    ]
    samples = ((test["input"], test["output"]) for test in tests if test["kind"] == "sample")
    return own or [
        Example(given, expected) for given, expected in samples if isinstance(given, str) and isinstance(expected, str)
    ]


def _test_sets(root: ET.Element) -> list[ET.Element]:
    """Return the set named ``tests``, of which others are samples or pretests; all where none has that name."""
    sets = root.findall("judging/testset")
    return [each for each in sets if each.get("name") == "tests"] or sets


def _tests(folder: Path, name: str, root: ET.Element) -> Iterator[Row]:
    """Yield the tests of a package."""
    for testset in _test_sets(root):
        patterns = [testset.findtext(f"{side}-path-pattern") or "" for side in ("input", "answer")]
        for number, test in enumerate(testset.iterfind("tests/test"), start=1):
            given, expected = (_numbered(folder, pattern, number) for pattern in patterns)
            kind = "sample" if test.get("sample") == "true" else "secret"
            yield test_row(name, kind, f"{number:06}", given, expected)


def _numbered(folder: Path, pattern: str, number: int) -> str | None:
    match = re.search(r"%(0?)(\d*)d", pattern)
    if match is None:
        return None
    digits = str(number).zfill(int(match[2] or 0)) if match[1] else str(number).rjust(int(match[2] or 0))
    return file_text(folder / f"{pattern[: match.start()]}{digits}{pattern[match.end() :]}")


def _checker(root: ET.Element) -> Row:
    """Return how outputs are compared; a checker of the problem's own needs testlib, which the judge does not have."""
    checker = root.find("assets/checker")
    if checker is None:
        return {"checker": "tokens"}
    name = re.sub(r"^std::|\.\w+$", "", checker.get("name") or "")
    if name in TOLERANCES:
        return {"checker": "float", "float_tolerance": TOLERANCES[name]}
    words = {"uncmp": "unordered"} | dict.fromkeys(TOKENS, "tokens") | dict.fromkeys(ANY_CASE, "case_insensitive")
    return {"checker": words.get(name, "special") if (checker.get("name") or "").startswith("std::") else "special"}


FOLDER: Final = FolderForm("problem.xml", _rows)
