"""Hooks of the documentation site: the README is its first page, and the reference is made from what is declared.

Tables, options and commands are described once, in the library; a page here is what they say of themselves. Links that
leave ``docs`` lead nowhere on the site, so they become the path they name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

PROJECT: Final = Path(__file__).parents[1]
LINK: Final = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#:\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from something else."""
    readme = (PROJECT / "README.md").read_text(encoding="utf-8").replace("](docs/", "](")
    pages = {
        "index.md": readme.replace("# ocr_pipeline", "# Overview", 1),
        "reference/tables.md": "\n".join(_tables()),
        "reference/options.md": "\n".join(_options()),
        "reference/commands.md": "\n".join(_commands()),
    }
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Replace links to what is no page by the path they name."""
    del config
    folder = Path(page.file.src_uri).parent

    def shown(link: re.Match[str]) -> str:
        target = Path("docs", folder, link[2])
        inside = Path(*_resolved(target.parts))
        if inside.parts[:1] == ("docs",) and files.get_file_from_path(str(Path(*inside.parts[1:]))):
            return link[0]
        return link[1] if link[1] == f"`{inside}`" else f"{link[1]} (`{inside}`)"

    return LINK.sub(shown, markdown)


def _resolved(parts: tuple[str, ...]) -> list[str]:
    kept: list[str] = []
    for part in parts:
        if part == "..":
            kept.pop()
        else:
            kept.append(part)
    return kept


def _row(*cells: object) -> str:
    return f"| {' | '.join(_cell(str(cell)) for cell in cells)} |"


def _cell(text: str) -> str:
    line = " ".join(text.split()).replace("|", r"\|")
    return line if line.startswith("`") else re.sub(r"<(?=[a-z])", "&lt;", line)


def _tables() -> Iterator[str]:
    from ocr_pipeline.tables import TABLES

    yield "# Tables\n\nEvery table is a folder of Parquet in the data root; its columns carry these descriptions, too."
    for table in TABLES.values():
        yield f"\n## {table.name}\n\n{table.description}\n"
        yield f"Key: {_names(table.key)}. Partitions: {_names(table.partition_by) or 'none'}.\n"
        yield _row("column", "type", "meaning") + "\n|---|---|---|"
        for field in table.schema:
            said = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
            unit = f" ({said['unit']})" if "unit" in said else ""
            null = ", may be null" if field.nullable else ""
            yield _row(f"`{field.name}`", f"{field.type}{null}", said["description"] + unit)


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _options() -> Iterator[str]:
    from ocr_pipeline.flow import FLOW
    from ocr_pipeline.options import bounds_text, shown_default

    yield "# Options\n\nIn the launchpad and, with dashes, on the command line. `null` is no limit, 0 is zero."
    for model in dict.fromkeys(model for step in FLOW for model in step.all_options):
        steps = _names(tuple(step.name for step in FLOW if model in step.all_options))
        yield f"\n## {model.__name__}\n\n{(model.__doc__ or '').splitlines()[0]} Steps: {steps}.\n"
        yield _row("option", "value", "default", "meaning") + "\n|---|---|---|---|"
        for name, field in model.model_fields.items():
            yield _row(f"`{name}`", bounds_text(field), f"`{shown_default(field)}`", field.description)


def _commands() -> Iterator[str]:
    import typer

    from ocr_pipeline.cli import build_app

    yield "# Commands\n\nWhat `ocr-pipeline COMMAND --help` says."
    for name, command in sorted(typer.main.get_command(build_app()).commands.items()):  # type: ignore[attr-defined]
        yield from _command(f"ocr-pipeline {name}", command)


def _command(name: str, command: Any) -> Iterator[str]:  # noqa: ANN401 - of typer's own kind
    yield f"\n## {name}\n\n{command.help or ''}\n"
    for each, child in sorted(getattr(command, "commands", {}).items()):
        yield from _command(f"{name} {each}", child)
    if getattr(command, "commands", None):
        return
    yield _row("argument", "default", "meaning") + "\n|---|---|---|"
    for parameter in command.params:
        names = (
            ", ".join(parameter.opts)
            if parameter.param_type_name == "option"
            else (parameter.metavar or parameter.name).strip("{}…")
        )
        default = "required" if parameter.required else parameter.default
        yield _row(f"`{names}`", "" if default is None or callable(default) else f"`{default}`", parameter.help or "")
