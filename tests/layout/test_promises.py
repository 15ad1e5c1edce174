"""What is printed is true: commands parse against the real command lines; paths, links and modules exist."""

import runpy
from pathlib import Path

import pytest

from tests.layout import commands
from tests.layout.commands import PAGES, PROJECT, SOURCES, Printed

ALL_PAGES = sorted(path for path in PROJECT.glob("*.md")) + sorted((PROJECT / "docs").rglob("*.md"))
PRINTED = [
    *(each for page in PAGES if page.is_file() for each in commands.commands_of_page(page)),
    *(each for path in SOURCES for each in commands.commands_of_code(path)),
]
LINKS = [each for page in ALL_PAGES for each in commands.links_of_page(page)]


@pytest.mark.parametrize("printed", dict.fromkeys(PRINTED), ids=str)
def test_a_printed_command_is_one_that_the_command_line_takes(printed: Printed) -> None:
    """Command, options, choices and required arguments; make targets; assets and partitions of Dagster."""
    assert commands.fault(printed.text) is None


def test_commands_are_found() -> None:
    """The pages and the messages hold commands of every program, so that the test above looks at something."""
    programs = {each.text.split()[0].removeprefix(".venv/bin/") for each in PRINTED}
    assert programs == {"ocr-pipeline", "dagster", "dg", "hf", "make", "pytest"}


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("ocr-pipeline dedupe a --out b", "no command"),
        ("ocr-pipeline dedup a --out b --treshold 1", "no option"),
        ("ocr-pipeline dedup a", "--out"),
        ("ocr-pipeline separate a --out b --fence middle", "middle"),
        ("make everything", "no target"),
        ("hf download BAAI/TACO --locale-dir raw", "no option"),
        ("pytest tests/test_nothing.py", "does not exist"),
        (
            "dagster asset materialize -m ocr_pipeline.definitions --select '*' --partition 'taco|python'",
            "no partition",
        ),
        ("dg launch --assets sft_dataset --partition 'tacco|python'", "no partition"),
    ],
)
def test_a_broken_promise_is_noticed(command: str, wrong: str) -> None:
    """Commands that the project once printed, or could."""
    assert wrong in (commands.fault(command) or "")


def test_the_picture_of_the_readme_is_the_flow() -> None:
    """`make picture` refuses an arrow that the flow does not have, and what is committed is what it draws."""
    drawing = runpy.run_path(str(PROJECT / "docs" / "picture.py"))
    assert drawing["PICTURE"].read_text(encoding="utf-8") == drawing["picture"]()


@pytest.mark.parametrize("link", dict.fromkeys(LINKS), ids=str)
def test_a_link_leads_somewhere(link: Printed) -> None:
    """Relative links of all pages, decisions and logs included."""
    assert ((PROJECT / link.place).parent / link.text).exists()


@pytest.mark.parametrize("page", [page for page in PAGES if page.is_file()], ids=lambda page: page.name)
def test_a_page_names_paths_and_modules_that_exist(page: Path) -> None:
    """What a reader is sent to is there."""
    text = page.read_text(encoding="utf-8")
    absent = [path for path in commands.paths_in(text) if not commands.path_exists(path)]
    absent += [name for name in commands.names_in(text, "") if not commands.exists(name)]
    assert absent == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_a_docstring_names_paths_and_modules_that_exist(path: Path) -> None:
    """Messages and docstrings of a module, with names relative to its package."""
    package = ".".join(path.relative_to(PROJECT).parent.parts)
    texts = list(commands.texts_of_code(path))
    absent = [name for text in texts for name in commands.paths_in(text) if not commands.path_exists(name)]
    absent += [name for text in texts for name in commands.names_in(text, package) if not commands.exists(name)]
    assert absent == []
