"""Problems as folders: the original form of APPS, and Kattis/ICPC problem packages, turned into rows.

A folder becomes the same row that the tables of its data set hold, so that one reader reads both. A file that is
missing is a null column; what is in the files is judged by the reader.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from ocr_pipeline.sources.model import Row

__all__ = ["FOLDER_FORMS", "FolderForm"]

FolderRows = Callable[[Path], Iterator[Row]]
LANGUAGES: Final = {
    ".c": "c",
    ".cc": "cpp",
    ".cpp": "cpp",
    ".cs": "csharp",
    ".cxx": "cpp",
    ".go": "go",
    ".hs": "haskell",
    ".java": "java",
    ".js": "javascript",
    ".kt": "kotlin",
    ".py": "python",
    ".py2": "python2",
    ".py3": "python",
    ".rs": "rust",
}
STATEMENTS: Final = (
    "problem_statement/problem.en.tex",
    "problem_statement/problem.tex",
    "problem_statement/problem.en.md",
    "problem_statement/problem.md",
    "statement/problem.en.tex",
    "statement/problem.en.md",
)
LANGUAGE_OF_TEXT: Final = "en"
CHECKER_LANGUAGES: Final = ("cpp", "python")
INCLUDE: Final = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)".*$', re.MULTILINE)


class FolderForm:
    """One kind of folder: the file that marks it, and the rows it becomes."""

    def __init__(self, marker: str, rows: FolderRows) -> None:
        self.marker = marker
        self.rows = rows

    def find(self, root: Path) -> list[Path]:
        """Return the problem folders at or below ``root``, sorted."""
        return sorted(path.parent for path in root.rglob(self.marker) if path.is_file())


def _text(path: Path) -> str | None:
    """Return a file's text; what is no UTF-8 is replaced, so that the row can be judged."""
    return path.read_bytes().decode("utf-8", "replace") if path.is_file() else None


def _apps_rows(folder: Path) -> Iterator[Row]:
    metadata = _json_object(_text(folder / "metadata.json"))
    yield {
        "problem_id": int(folder.name) if folder.name.isdecimal() else folder.name,
        "question": _text(folder / "question.txt"),
        "solutions": _text(folder / "solutions.json"),
        "input_output": _text(folder / "input_output.json"),
        "starter_code": _text(folder / "starter_code.py"),
        "difficulty": metadata.get("difficulty"),
        "url": metadata.get("url"),
    }


def _json_object(text: str | None) -> Mapping[str, object]:
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _package_rows(folder: Path) -> Iterator[Row]:
    yield _package_problem(folder)
    for kind in ("sample", "secret"):
        for answer in sorted((folder / "data" / kind).rglob("*.ans")):
            name = answer.relative_to(folder / "data" / kind).with_suffix("").as_posix()
            given, expected = _text(answer.with_suffix(".in")), _text(answer)
            yield {"problem": folder.name, "kind": kind, "name": name, "input": given, "output": expected}
    for program in sorted((folder / "submissions").glob("*/*")):
        if program.is_file():
            yield {
                "problem": folder.name,
                "name": program.relative_to(folder / "submissions").as_posix(),
                "language": LANGUAGES.get(program.suffix.lower(), "unknown"),
                "expected": program.parent.name,
                "code": _text(program),
            }


def _package_problem(folder: Path) -> Row:
    settings = _settings(_text(folder / "problem.yaml") or "")
    limits = settings.get("limits")
    limit: Mapping[str, object] = limits if isinstance(limits, Mapping) else {}
    name = settings.get("name")
    checker = _checker_file(folder)
    return {
        "problem": folder.name,
        "statement": next((text for path in STATEMENTS if (text := _text(folder / path)) is not None), None),
        "name": name.get(LANGUAGE_OF_TEXT) if isinstance(name, Mapping) else name,
        "license": settings.get("license"),
        "validation": settings.get("validation"),
        "validator_flags": settings.get("validator_flags"),
        "checker_language": checker and LANGUAGES[checker.suffix.lower()],
        "checker_code": checker and _with_headers(checker, set()),
        "keywords": _words(settings.get("keywords")),
        "time_limit": _text(folder / ".timelimit") or limit.get("time_limit"),
        "memory_limit": limit.get("memory"),
    }


def _checker_file(folder: Path) -> Path | None:
    """Return the one source file of the package's own validator; null where there is none, or more than one."""
    places = [folder / "output_validator", *sorted((folder / "output_validators").glob("[!.]*"))]
    found = [place for place in places if place.exists()]
    if len(found) != 1:
        return None
    files = sorted(found[0].iterdir()) if found[0].is_dir() else found
    sources = [path for path in files if LANGUAGES.get(path.suffix.lower()) in CHECKER_LANGUAGES]
    return sources[0] if len(sources) == 1 else None


def _with_headers(path: Path, seen: set[Path]) -> str:
    """Return a source with the headers beside it in the place of their first inclusion."""
    seen.add(path)

    def included(match: re.Match[str]) -> str:
        header = path.parent / match[1]
        if header in seen:
            return ""
        return _with_headers(header, seen) if header.parent == path.parent and header.is_file() else match[0]

    return INCLUDE.sub(included, _text(path) or "")


def _words(value: object) -> object:
    return value.split() if isinstance(value, str) else value


def _settings(text: str) -> Mapping[str, object]:
    import yaml  # type: ignore[import-untyped]

    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


APPS_FORM: Final = FolderForm("question.txt", _apps_rows)
PACKAGE_FORM: Final = FolderForm("problem.yaml", _package_rows)
FOLDER_FORMS: Final[Mapping[str, FolderForm]] = {"apps": APPS_FORM, "kattis": PACKAGE_FORM, "own": PACKAGE_FORM}
