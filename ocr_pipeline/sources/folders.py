"""Problems as folders: the original form of APPS, and Kattis/ICPC problem packages, turned into rows.

A folder becomes the same row that the tables of its data set hold, so that one reader reads both. A file that is
missing is a null column; what is in the files is judged by the reader.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ocr_pipeline.sources.model import Row

__all__ = ["FOLDER_FORMS", "FolderForm"]

FolderRows = Callable[[Path, str], Iterator[Row]]
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
OTHER_STATEMENTS: Final = (
    "problem_statement/problem.*.tex",
    "problem_statement/problem.*.md",
    "statement/problem.*.tex",
    "statement/problem.*.md",
)
NO_PROGRAMS: Final = ("", ".json", ".md", ".rst", ".tex", ".txt", ".yaml", ".yml")  # what people put beside programs
GROUP_FLAGS: Final = (("test_group.yaml", "output_validator_args"), ("testdata.yaml", "output_validator_flags"))
LANGUAGE_OF_TEXT: Final = "en"
CHECKER_LANGUAGES: Final = ("cpp", "python")
INCLUDE: Final = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)".*$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FolderForm:
    """One kind of folder: the file that marks it, and the rows that a folder becomes under a name."""

    marker: str
    rows: FolderRows


def _text(path: Path) -> str | None:
    """Return a file's text; what is no UTF-8 is replaced, so that the row can be judged."""
    return path.read_bytes().decode("utf-8", "replace") if path.is_file() else None


def _apps_rows(folder: Path, name: str) -> Iterator[Row]:
    metadata = _json_object(_text(folder / "metadata.json"))
    yield {
        "problem_id": int(name) if name.isdecimal() else name,
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


def _package_rows(folder: Path, name: str) -> Iterator[Row]:
    yield _package_problem(folder, name)
    for kind in ("sample", "secret"):
        place = folder / "data" / kind
        for test in sorted({path.with_suffix("") for end in (".in", ".ans") for path in place.rglob(f"*{end}")}):
            given, expected = (_text(test.with_name(f"{test.name}{end}")) for end in (".in", ".ans"))
            case = test.relative_to(place).as_posix()
            yield {"problem": name, "kind": kind, "name": case, "input": given, "output": expected}
    for place in sorted((folder / "submissions").glob("*/[!.]*")):
        programs = _programs(place)
        if programs:
            yield {
                "problem": name,
                "name": place.relative_to(folder / "submissions").as_posix(),
                "language": LANGUAGES.get(programs[0].suffix.lower(), "unknown"),
                "expected": place.parent.name,
                "code": _text(place) if place.is_file() else _only(programs),
            }


def _programs(place: Path) -> list[Path]:
    """Return the sources of a submission, which is a file or a folder; none where it is something else."""
    if place.is_file():
        return [] if place.suffix.lower() in NO_PROGRAMS else [place]
    return sorted(path for path in place.rglob("*") if path.is_file() and path.suffix.lower() in LANGUAGES)


def _only(programs: list[Path]) -> str | None:
    """Return the one source of a folder with its headers; null where there are several, which no column holds."""
    return _with_headers(programs[0], set()) if len(programs) == 1 else None


def _package_problem(folder: Path, name: str) -> Row:
    found = _yaml(_text(folder / "problem.yaml"))
    settings = found or {}
    limits = settings.get("limits")
    limit: Mapping[str, object] = limits if isinstance(limits, Mapping) else {}
    title = settings.get("name")
    checker = _checker_file(folder)
    statement, language = _statement(folder)
    return {
        "problem": name,
        "statement": statement,
        "statement_language": language,
        "name": title.get(language) if isinstance(title, Mapping) else title,
        "license": settings.get("license"),
        "settings": None if found is not None else "problem.yaml is no YAML of settings",
        "validation": _validation(folder, settings),
        "validator_flags": _validator_flags(folder, settings),
        "checker_language": checker and LANGUAGES[checker.suffix.lower()],
        "checker_code": checker and _with_headers(checker, set()),
        "keywords": _words(settings.get("keywords")),
        "time_limit": _text(folder / ".timelimit") or limit.get("time_limit"),
        "memory_limit": limit.get("memory"),
    }


def _statement(folder: Path) -> tuple[str | None, str]:
    """Return the statement and its language: English where there is one, else the first in the order of file names."""
    for path in STATEMENTS:
        if (text := _text(folder / path)) is not None:
            return text, LANGUAGE_OF_TEXT
    others = sorted(path for pattern in OTHER_STATEMENTS for path in folder.glob(pattern))
    return (_text(others[0]), others[0].name.split(".")[1]) if others else (None, LANGUAGE_OF_TEXT)


def _validation(folder: Path, settings: Mapping[str, object]) -> object:
    """Return the kind of validation in the older format's words; the newer one has a type and a fixed folder."""
    given = _joined(settings.get("validation") or settings.get("type"))
    own = (folder / "output_validator").exists()
    return f"{given or ''} custom" if own and isinstance(given, str | None) else given


def _validator_flags(folder: Path, settings: Mapping[str, object]) -> object:
    """Return the arguments of the validator: of the package, else of the group that all secret tests are in."""
    found = [settings.get("validator_flags")]
    for place in ("data/secret", "data"):
        for file, key in GROUP_FLAGS:
            found.append((_yaml(_text(folder / place / file)) or {}).get(key))
    return _joined(next((flags for flags in found if flags), None))


def _joined(value: object) -> object:
    """Return a list of words as one text, as the older format has it."""
    return " ".join(map(str, value)) if isinstance(value, list) else value


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


def _yaml(text: str | None) -> Mapping[str, object] | None:
    """Return what a YAML file sets, nothing for an empty or absent one, ``None`` for one that cannot be read."""
    import yaml  # type: ignore[import-untyped]

    try:
        value = yaml.safe_load(text or "")
    except (yaml.YAMLError, ValueError, LookupError, ArithmeticError, TypeError, AttributeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None if value else {}


APPS_FORM: Final = FolderForm("question.txt", _apps_rows)
PACKAGE_FORM: Final = FolderForm("problem.yaml", _package_rows)
FOLDER_FORMS: Final[Mapping[str, FolderForm]] = {"apps": APPS_FORM, "kattis": PACKAGE_FORM, "own": PACKAGE_FORM}
