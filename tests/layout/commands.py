"""Finds the commands, paths and names that the project prints, and says what is wrong with one."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typer

from ocr_pipeline.cli import build_app
from ocr_pipeline.tables import TABLES

PROJECT = Path(__file__).parents[2]
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").glob("*.md"))]
PAGES += sorted((PROJECT / "docs" / "howto").glob("*.md"))
SOURCES = [path for top in ("ocr_pipeline", "assets", "resources") for path in sorted((PROJECT / top).rglob("*.py"))]
PROGRAMS = r"(?:\.venv/bin/)?(?:ocr-pipeline|dagster|dg|hf|pytest|make)"
LINE = re.compile(rf"^(?:\$ )?(?:[A-Z_]+=\S+ )*({PROGRAMS} .+)$")
SPAN = re.compile(rf"(?<!`)`({PROGRAMS} [^`\n]+)`(?!`)")
COMMENT = re.compile(r"\s+#\s.*$")
ELIDED = "…"
FORGIVEN = "does not exist|requires an argument"
"""A file of the reader's; an option that a sentence only names."""
PLACEHOLDER = re.compile(r"^<.*>$|^[A-Z][A-Z_]*$")


@dataclass(frozen=True)
class Printed:
    """Something that is printed, and where."""

    place: str
    text: str

    def __str__(self) -> str:
        """Name a test's parameter."""
        return f"{self.place}: {self.text}"


def commands_of_page(path: Path) -> Iterator[Printed]:
    """Yield the commands of fenced blocks, with their continued lines, and of code spans."""
    fenced, continued, place = False, "", str(path.relative_to(PROJECT))
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced:
            whole = continued + line.strip()
            continued = whole.removesuffix("\\") if whole.endswith("\\") else ""
            match = LINE.match(COMMENT.sub("", whole))
            if match and not continued:
                yield Printed(place, match[1])
        else:
            yield from (Printed(place, span[1]) for span in SPAN.finditer(line))


def commands_of_code(path: Path) -> Iterator[Printed]:
    """Yield the commands that messages, help texts and docstrings name in code spans."""
    for text in texts_of_code(path):
        for span in SPAN.finditer(text.replace("``", "`")):
            yield Printed(str(path.relative_to(PROJECT)), span[1])


def texts_of_code(path: Path) -> Iterator[str]:
    """Yield the string constants of a module; what an f-string fills in reads VALUE."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "VALUE" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value


def fault(command: str) -> str | None:
    """Return what is wrong with a printed command, or ``None``."""
    first = re.split(r" (?:\|\||&&|>|&)(?: |$)", command)[0]
    words = [word.strip("[]") for word in shlex.split(first.replace("`", ""), comments=True)]
    program, arguments = words[0].removeprefix(".venv/bin/"), [word for word in words[1:] if word]
    checks = {"make": _make, "pytest": _pytest, "ocr-pipeline": _own, "dagster": _dagster, "dg": _dg, "hf": _hf}
    return checks[program](arguments)


def _make(arguments: Sequence[str]) -> str | None:
    targets = re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    unknown = [word for word in arguments if "=" not in word and not _names_one(word, targets)]
    return f"the Makefile has no target {', '.join(unknown)}" if unknown else None


def _names_one(word: str, targets: Sequence[str]) -> bool:
    return any(re.fullmatch(word.replace("VALUE", ".+"), target) for target in targets)


def _pytest(arguments: Sequence[str]) -> str | None:
    absent = [word for word in arguments if word.startswith("tests/") and not (PROJECT / word).exists()]
    return f"{', '.join(absent)} does not exist" if absent else None


@cache
def own_app() -> Any:
    """Return the real command line."""
    return typer.main.get_command(build_app())


def _own(arguments: Sequence[str]) -> str | None:
    return _parsed(own_app(), "ocr-pipeline", arguments)


def _dagster(arguments: Sequence[str]) -> str | None:
    from dagster._cli import create_dagster_cli

    return _parsed(create_dagster_cli(), "dagster", arguments) or _assets(arguments, "--select")


def _dg(arguments: Sequence[str]) -> str | None:
    from dagster_dg_cli.cli import create_dg_cli

    return _parsed(create_dg_cli(), "dg", arguments) or _assets(arguments, "--assets")


def _hf(arguments: Sequence[str]) -> str | None:
    command = [sys.executable, "-m", "huggingface_hub.cli.hf", arguments[0], "--help"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    unknown = [word for word in arguments if word.startswith("--") and word not in said]
    return f"`hf` has no option {', '.join(unknown)}" if unknown else None


def _assets(arguments: Sequence[str], option: str) -> str | None:
    """Check the selection and the partitions of a command against the asset graph."""
    if option not in arguments:
        return None
    import dagster as dg

    from ocr_pipeline.definitions import build_defs

    graph = build_defs().resolve_asset_graph()
    keys = dg.AssetSelection.from_string(arguments[arguments.index(option) + 1]).resolve(graph)
    if not keys:
        return "it selects no asset"
    wanted = [
        key
        for name in ("--partition", "--partition-range")
        if name in arguments
        for key in arguments[arguments.index(name) + 1].split("...")
    ]
    for asset in keys:
        partitions = graph.get(asset).partitions_def
        known = set(partitions.get_partition_keys()) if partitions else set()
        if bool(wanted) != bool(known) or not set(wanted) <= known:
            return f"{asset.to_user_string()} has no partition {', '.join(wanted) or 'left out'}"
    return None


def _parsed(command: Any, name: str, arguments: Sequence[str]) -> str | None:
    """Let the real command line read the arguments; where words are left out, look at the options alone.

    Typer and Dagster bring command lines of two libraries with the same surface, so types are not looked at.
    """
    rest = list(arguments)
    while hasattr(command, "get_command") and rest and not _is_open(rest[0]):
        if rest[0] == "--help":
            return None
        children = {word: command.get_command(command.context_class(command), word) for word in rest[0].split("|")}
        unknown = [word for word, child in children.items() if child is None]
        if unknown:
            return f"there is no command `{name} {unknown[0]}`"
        name, command, rest = f"{name} {rest[0]}", next(iter(children.values())), rest[1:]
    options = {text: each for each in command.params for text in (*each.opts, *each.secondary_opts)}
    foreign = [word for word in rest if re.match(r"^--?[a-zA-Z]", word) and word.split("=")[0] not in options]
    if foreign and foreign != ["--help"]:
        return f"`{name}` has no option {', '.join(foreign)}"
    is_whole = rest and not any(ELIDED in word for word in rest) and "--help" not in rest
    return _refused(command, name, _filled(rest, options)) if is_whole else None


def _refused(command: Any, name: str, arguments: list[str]) -> str | None:
    try:
        command.make_context(name, list(arguments))  # it takes words out of the list
    except Exception as error:  # noqa: BLE001 - of two libraries
        said = error.format_message() if hasattr(error, "format_message") else str(error)
        names_a_placeholder = any(f"'{word}'" in said for word in arguments if PLACEHOLDER.match(word))
        return None if names_a_placeholder or re.search(FORGIVEN, said) else f"`{name}`: {said}"
    return None


def _is_open(word: str) -> bool:
    return word == ELIDED or bool(PLACEHOLDER.match(word))


def _filled(words: Sequence[str], options: dict[str, Any]) -> list[str]:
    """Put values where placeholders are: of a choice the first, of a number 1."""
    filled = []
    for before, word in zip(["", *words], words, strict=False):
        kind = getattr(options.get(before), "type", None)
        value = word if word.startswith("-") or "'" in word else word.split("|")[0]
        if PLACEHOLDER.match(word) and kind is not None:
            choices = getattr(kind, "choices", None)
            value = str(next(iter(choices))) if choices else "1" if re.match("int|float", kind.name) else word
        filled.append(value)
    return filled


def links_of_page(path: Path) -> Iterator[Printed]:
    """Yield the relative links of a page."""
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            yield Printed(str(path.relative_to(PROJECT)), target)


TOPS = "ocr_pipeline|assets|resources|tests|benchmarks|docs|\\.ci|\\.github"
PATH = re.compile(rf"(?<![\w/.<…])((?:{TOPS})(?:/[\w.*<>-]+)+/?)")
ROLE = re.compile(r":(?:mod|func|class|data|meth):`~?([\w.]+)`")
DOTTED = re.compile(r"`([a-z_]+(?:\.\w+)+)(?:\(\))?`")
TAGS = {"ocr_pipeline/machine"}
"""Names of Dagster tags that look like paths."""
ROOMS = {path.stem for path in (PROJECT / "ocr_pipeline").iterdir() if path.is_dir() or path.suffix == ".py"}


def paths_in(text: str) -> Iterator[str]:
    """Yield the paths of the project that a text names: no patterns, and no folders that raw data has as well."""
    for path in PATH.findall(text):
        is_ours = path.startswith(("ocr_pipeline/", "resources/")) or re.search(
            r"\.(py|md|sh|png|json|yml)$|/\d{3}", path
        )
        if is_ours and not re.search(r"[*<>]", path) and path not in TAGS:
            yield path.rstrip(".")


def path_exists(path: str) -> bool:
    """Say whether a path is there; a decision may be named by its number."""
    return (PROJECT / path).exists() or any(PROJECT.glob(f"{path}-*"))


def names_in(text: str, package: str) -> Iterator[str]:
    """Yield the dotted names of modules that a text names, absolute or relative to a package."""
    for name in (*ROLE.findall(text), *DOTTED.findall(text.replace("``", "`"))):
        room = name.split(".")[0]
        if name.startswith("."):
            yield package + name
        elif room == "ocr_pipeline":
            yield name
        elif room in ROOMS and "." in name and not name.endswith(".py") and not _is_column(name):
            yield f"ocr_pipeline.{name}"


def _is_column(name: str) -> bool:
    table, _, column = name.partition(".")
    return table in TABLES and column.split(".")[0] in {*TABLES[table].schema.names, "parquet", "jsonl", "csv"}


def exists(name: str) -> bool:
    """Say whether a dotted name is a module, or an attribute of one."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            spec = find_spec(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        if spec is None:
            continue
        value: Any = import_module(".".join(parts[:end]))
        for attribute in parts[end:]:
            fields = {**getattr(value, "__annotations__", {}), **getattr(value, "model_fields", {})}
            if not hasattr(value, attribute) and attribute not in fields:
                return False
            value = getattr(value, attribute, None)
        return True
    return False
