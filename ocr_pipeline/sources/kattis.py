"""Contest problems in the Kattis/ICPC package format: folders, archives, or three tables.

Folders and archives are read into the rows of the three tables (problems, tests, submissions). Statements become text
with the sample tests as examples. The default validator of the format compares without regard to case unless told
otherwise; flags and the kind of validation decide the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from ocr_pipeline.sources import polygon
from ocr_pipeline.sources.folders import LANGUAGES, FolderForm, file_text, with_headers, yaml_object
from ocr_pipeline.sources.latex import Sources, is_latex, plain_text
from ocr_pipeline.sources.model import Attachment, CheckerProgram, Layout, RawProblem, SolutionText, TestCase
from ocr_pipeline.sources.packages import UNREADABLE, Example, expected_verdict, submission, test_row, with_examples
from ocr_pipeline.sources.reading import Reading, Row
from ocr_pipeline.sources.rules import Reason, Repair, RowDefect
from ocr_pipeline.sources.text import has_image, require_statement
from ocr_pipeline.sources.values import quoted
from ocr_pipeline.tables import Checker, CheckerProtocol, IoMode, TestKind

__all__ = ["FOLDERS", "LAYOUTS"]

TOLERANCE: Final = re.compile(r"\bfloat(?:_absolute|_relative)?_tolerance\s+([0-9.]+(?:[eE][-+]?\d{1,3})?)")
NAME: Final = re.compile(r"\\problemname\{([^{}\n]*)\}")
MANY_PASSES: Final = ("multi-pass", "multipass")  # the program runs again on what the validator wrote
INTERACTIVE: Final = ("interactive", *MANY_PASSES)  # the validator talks back
KINDS: Final = {"sample": TestKind.EXAMPLE, "secret": TestKind.PRIVATE}
STATEMENT_FOLDERS: Final = ("problem_statement", "statement")
GROUP_FLAGS: Final = (("test_group.yaml", "output_validator_args"), ("testdata.yaml", "output_validator_flags"))
ENGLISH: Final = "en"
CHECKER_LANGUAGES: Final = ("cpp", "python")
NO_PROGRAMS: Final = ("", ".json", ".md", ".rst", ".tex", ".txt", ".yaml", ".yml")  # what people put beside programs
MARKDOWN_LEFT_OUT: Final = re.compile(r"<!--.*?-->|!\[[^\]\n]*\]\([^)\n]*\)(?:\{[^}\n]*\})?|<img\b[^>\n]*>", re.DOTALL)
MARKDOWN_CONSTANT: Final = re.compile(r"\{\{\s*([A-Za-z_][\w.-]*)\s*\}\}")


def _read(row: Reading) -> RawProblem:
    if unreadable := row.line("settings"):
        raise RowDefect(Reason.UNREADABLE_ROW, unreadable)
    source = row.text("statement")
    statement = plain_text(source) if is_latex(source) and not row.flag("is_text") else source
    require_statement(statement)
    if row.get("statement_language") not in {None, ENGLISH}:
        row.note(Repair.OTHER_LANGUAGE)
    validation = row.line("validation") or ""
    flags = row.text("validator_flags")
    interactive = any(word in validation for word in INTERACTIVE)
    program = None if any(word in validation for word in MANY_PASSES) else _checker_program(row, flags)
    checker, tolerance = (Checker.SPECIAL, None) if program else _checker(row, validation, flags)
    heading = NAME.search(source)
    files = row.file_name("input_file"), row.file_name("output_file")
    return RawProblem(
        native_id=row.native_id("problem"),
        identity=(source,),
        statement=statement,
        license=row.get("license"),
        io_mode=IoMode.INTERACTIVE if interactive else IoMode.FILE if any(files) else IoMode.STDIN,
        site=row.line("site") or "kattis",
        title=row.line("name") or (heading[1].strip() if heading else None),
        input_file=files[0],
        output_file=files[1],
        time_limit_s=row.seconds("time_limit"),
        memory_limit_mib=row.mebibytes("memory_limit"),
        checker=checker,
        float_tolerance=tolerance,
        checker_program=program,
        tags=row.names("keywords"),
        has_image=row.flag("has_image") is True or has_image(source),
    )


def _checker_program(row: Reading, flags: str) -> CheckerProgram | None:
    code, language = row.program("checker_code"), row.get("checker_language")
    if not code or not isinstance(language, str):
        return None
    return CheckerProgram(language, CheckerProtocol.KATTIS, code, flags or None)


def _checker(row: Reading, validation: str, flags: str) -> tuple[Checker, float | None]:
    named = row.line("checker")
    if named in set(Checker):
        return Checker(named), row.number("float_tolerance")
    if "custom" in validation:
        return Checker.SPECIAL, None
    # Absolute and relative: the validator accepts either. What is no number is compared as ever.
    tolerance = max((float(number) for number in TOLERANCE.findall(flags) if number.strip(".")), default=None)
    if "case_sensitive" not in flags:
        return Checker.CASE_INSENSITIVE, tolerance
    return (Checker.TOKENS if tolerance is None else Checker.FLOAT), tolerance


def _attach_test(row: Reading) -> Attachment:
    native_id, name = row.native_id("problem"), row.get("name")
    given, expected = row.get("input"), row.get("output")
    if native_id is None or not isinstance(given, str) or not isinstance(expected, str):
        raise RowDefect(Reason.WRONG_TYPE, f"a test without problem, input or output: {quoted(name)}")
    kind = KINDS.get(str(row.get("kind")), TestKind.PRIVATE)
    return Attachment(native_id, TestCase(given, expected, kind), order=str(name))


def _attach_submission(row: Reading) -> Attachment:
    native_id, name, code = row.native_id("problem"), row.get("name"), row.get("code")
    if native_id is None or not isinstance(code, str):
        raise RowDefect(Reason.WRONG_TYPE, f"a submission without problem, or not of one program: {quoted(name)}")
    verdict = row.line("expected") or ""
    solution = SolutionText(
        row.normal_code(code), row.line("language") or "unknown", expected_verdict(verdict), verdict or None
    )
    return Attachment(native_id, solution, order=str(name))


def _package_rows(folder: Path, name: str) -> Iterator[Row]:
    """Turn a package into rows."""
    examples: list[Example] = []
    rows: list[Row] = []
    for kind in ("sample", "secret"):
        place = folder / "data" / kind
        for test in sorted({path.with_suffix("") for end in (".in", ".ans") for path in place.rglob(f"*{end}")}):
            given, expected = (file_text(test.with_name(f"{test.name}{end}")) for end in (".in", ".ans"))
            rows.append(test_row(name, kind, test.relative_to(place).as_posix(), given, expected))
            if kind == "sample" and given is not None and expected is not None:
                examples.append(Example(given, expected))
    examples += [
        Example(talk, None)
        for path in sorted((folder / "data" / "sample").glob("*.interaction"))
        if (talk := file_text(path))
    ]
    yield _problem_row(folder, name, examples)
    yield from rows
    for place in sorted((folder / "submissions").glob("*/[!.]*")):
        if programs := _programs(place):
            code = file_text(place) if place.is_file() else _only(programs)
            shown = place.relative_to(folder / "submissions").as_posix()
            yield submission(name, shown, programs[0], place.parent.name, code)


def _programs(place: Path) -> list[Path]:
    """Return the sources of a submission, which is a file or a folder; none where it is something else."""
    if place.is_file():
        return [] if place.suffix.lower() in NO_PROGRAMS else [place]
    return sorted(path for path in place.rglob("*") if path.is_file() and path.suffix.lower() in LANGUAGES)


def _only(programs: list[Path]) -> str | None:
    """Return the one source of a folder with its headers; null where there are several, which no column holds."""
    return with_headers(programs[0]) if len(programs) == 1 else None


def _problem_row(folder: Path, name: str, examples: Sequence[Example]) -> Row:
    found = yaml_object(file_text(folder / "problem.yaml"))
    settings = found or {}
    limits = settings.get("limits")
    limit: Mapping[str, object] = limits if isinstance(limits, Mapping) else {}
    path = _statement_file(folder)
    language = path.name.split(".")[1] if path is not None and path.name.count(".") > 1 else ENGLISH
    title = settings.get("name")
    shown = title.get(language) if isinstance(title, Mapping) else title
    checker = _checker_file(folder)
    source = file_text(path) if path is not None else None
    return {
        "problem": name,
        "statement": source and with_examples(_statement(path, source, shown, settings), examples),
        "is_text": True,
        "has_image": bool(source) and has_image(source or ""),
        "statement_language": language,
        "name": shown or _heading(source),
        "license": settings.get("license"),
        "settings": None if found is not None else UNREADABLE.format("problem.yaml"),
        "validation": _validation(folder, settings),
        "validator_flags": _validator_flags(folder, settings),
        "checker_language": checker and LANGUAGES[checker.suffix.lower()],
        "checker_code": checker and with_headers(checker),
        "keywords": _words(settings.get("keywords")),
        "time_limit": file_text(folder / ".timelimit") or limit.get("time_limit"),
        "memory_limit": limit.get("memory"),
    }


def _heading(source: str | None) -> str | None:
    match = NAME.search(source or "")
    return match[1].strip() or None if match else None


def _statement_file(folder: Path) -> Path | None:
    """Return the statement: English where there is one, else the first in the order of file names."""
    for place in STATEMENT_FOLDERS:
        for name in ("problem.en.tex", "problem.tex", "problem.en.md", "problem.md"):
            if (folder / place / name).is_file():
                return folder / place / name
    others = [
        path
        for place in STATEMENT_FOLDERS
        for end in ("tex", "md")
        for path in (folder / place).glob(f"problem.*.{end}")
    ]
    return min(others, default=None)


def _statement(path: Path | None, source: str, name: object, settings: Mapping[str, object]) -> str:
    """Return a statement as text: its includes, its constants and its name in their places."""
    constants = _constants(settings.get("constants"))
    if path is None or path.suffix == ".md":
        text = MARKDOWN_LEFT_OUT.sub("", source)
        return MARKDOWN_CONSTANT.sub(lambda match: constants.get(match[1], match[0]), text)
    root = path.parent.parent

    def read(given: str) -> str | None:
        places = [place / f"{given}{end}" for place in (path.parent, root) for end in ("", ".tex")]
        inside = (place for place in places if place.resolve().is_relative_to(root.resolve()))
        return next((text for place in inside if (text := file_text(place)) is not None), None)

    return plain_text(source, Sources(read, constants, str(name or "")))


def _constants(value: object) -> dict[str, str]:
    """Return the constants of a package; one of several spellings has the LaTeX one, else its value."""
    if not isinstance(value, Mapping):
        return {}
    plain = {
        name: each.get("latex", each.get("value")) if isinstance(each, Mapping) else each
        for name, each in value.items()
    }
    return {str(name): str(each) for name, each in plain.items()}


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
            found.append((yaml_object(file_text(folder / place / file)) or {}).get(key))
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


def _words(value: object) -> object:
    return value.split() if isinstance(value, str) else value


FOLDERS: Final = (FolderForm("problem.yaml", _package_rows), polygon.FOLDER)
LAYOUTS: Final = (
    Layout("problems or packages", frozenset({"problem", "statement"}), "problem", read=_read),
    Layout("tests", frozenset({"problem", "kind", "name", "input", "output"}), "problem", attach=_attach_test),
    Layout("submissions", frozenset({"problem", "name", "expected", "code"}), "problem", attach=_attach_submission),
)
