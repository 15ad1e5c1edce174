"""Imports run one way: definitions → assets → resources → the library, and no step imports another."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
LIBRARY = PROJECT / "ocr_pipeline"
STEPS = {
    "generating",
    "sources",
    "duplicates",
    "contamination",
    "teacher",
    "samples",
    "judge",
    "plans",
    "student",
    "evidence",
} | {
    "critiques",
    "synthesis",
    "quality",
}
GROUND = {
    "asking",
    "parameters",
    "steps",
    "answers",
    "bounds",
    "options",
    "tables",
    "store",
    "counts",
    "errors",
    "extras",
    "hub",
    "including",
    "console",
    "building",
    "engine",
    "similarity",
    "tasks",
    "sample",
    "listening",
    "logs",
    "made_checkers",
    "markdown",
    "metrics",
    "mixing",
    "events",
    "prompts",
    "plots",
}
ROOF = {"cli", "commands", "copying", "exports", "flow", "publishing", "serving", "studio", "definitions"}
ALLOWED = {
    ("critiques", "judge"),
    ("critiques", "teacher"),
    ("evidence", "teacher"),
    ("generating", "judge"),
    ("generating", "quality"),
    ("generating", "teacher"),
    ("samples", "judge"),
    ("plans", "teacher"),
    ("student", "teacher"),
    ("student", "judge"),
    ("synthesis", "contamination"),
    ("synthesis", "duplicates"),
    ("synthesis", "generating"),
    ("synthesis", "judge"),
    ("synthesis", "teacher"),
}
"""The teacher and the judge are also services that other steps ask; tables could not carry that."""
HEAVY = {"accelerate", "datasets", "matplotlib", "pandas", "peft", "ray", "sentence_transformers"} | {
    "torch",
    "transformers",
    "trl",
    "vllm",
}
TORCH_CODE = {Path("ocr_pipeline/student/network.py"), Path("ocr_pipeline/student/trainer.py")}
"""Classes that torch and transformers call: these modules are themselves imported where they are used."""


def imported(path: Path, *, module_level: bool = False) -> Iterator[str]:
    """Yield the dotted names that a file imports; what only the type checker sees does not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unseen = {id(node) for block in ast.walk(tree) if _for_types_only(block) for node in ast.walk(block)}
    nodes = tree.body if module_level else ast.walk(tree)
    for node in nodes:
        if id(node) in unseen:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def files(folder: Path) -> list[Path]:
    """Return the modules of a folder."""
    return sorted(folder.rglob("*.py"))


def part(name: str) -> str:
    """Return the part of the library that a dotted name belongs to, or an empty text."""
    names = name.split(".")
    return names[1] if names[0] == "ocr_pipeline" and len(names) > 1 else ""


@pytest.mark.parametrize("path", files(LIBRARY), ids=lambda path: str(path.relative_to(LIBRARY)))
def test_the_library_knows_nothing_of_dagster(path: Path) -> None:
    """Only definitions.py is a door to Dagster, assets and resources."""
    foreign = {name.split(".")[0] for name in imported(path)} & {"dagster", "assets", "resources"}
    assert not foreign or path.name == "definitions.py"


@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_step_imports_no_other_step(step: str) -> None:
    """Tables are what passes between steps."""
    others = {part(name) for path in files(LIBRARY / step) for name in imported(path)} & STEPS - {step}
    assert {(step, other) for other in others} <= ALLOWED


@pytest.mark.parametrize("ground", sorted(GROUND))
def test_the_ground_floor_imports_no_step_and_no_roof(ground: str) -> None:
    """Whatever every step builds on knows none of them."""
    folder = LIBRARY / ground
    modules = files(folder) if folder.is_dir() else [LIBRARY / f"{ground}.py"]
    assert not {part(name) for path in modules for name in imported(path)} & (STEPS | ROOF)


WRITES_FENCES = {"sample/responses.py", "evidence/card.py", "tables.py"}
OTHER_READERS = {"sources/livecodebench.py", "similarity/evidence.py"}
"""The template of a benchmark's prompts, and the first words of a line of code in a statement: neither reads an answer."""


@pytest.mark.parametrize("path", files(LIBRARY), ids=lambda path: str(path.relative_to(LIBRARY)))
def test_only_answers_reads_tags_and_fences(path: Path) -> None:
    """What ends a thought and what opens a fence is known in one room, so that readers cannot drift apart."""
    name = str(path.relative_to(LIBRARY))
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    prose = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    texts = [
        node.value if isinstance(node.value, str) else node.value.decode("utf-8", "replace")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and id(node) not in prose
    ]
    knows = any(sign in text for text in texts for sign in ("</think>", "<think>\n", "```", "~~~"))
    assert not knows or name.startswith("answers/") or name in WRITES_FENCES | OTHER_READERS


def test_resources_do_not_import_assets() -> None:
    """Resources build library objects and know nothing of the graph."""
    assert not [name for path in files(PROJECT / "resources") for name in imported(path) if name.startswith("assets")]


def test_every_part_of_the_library_has_its_place() -> None:
    """A new part must say whether it is ground, step or roof."""
    found = {path.stem for path in LIBRARY.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert found - {"__init__"} == STEPS | GROUND | ROOF


@pytest.mark.parametrize("folder", ["ocr_pipeline", "assets", "resources"])
def test_heavy_packages_are_imported_where_they_are_used(folder: str) -> None:
    """No module imports torch and its kind, or a module of torch code, when it is loaded."""
    found = {
        f"{path.name}: {name}"
        for path in files(PROJECT / folder)
        for name in imported(path, module_level=True)
        if path.relative_to(PROJECT) not in TORCH_CODE
        and (name.split(".")[0] in HEAVY or Path(f"{name.replace('.', '/')}.py") in TORCH_CODE)
    }
    assert not found


def test_reading_needs_no_step() -> None:
    """Downstream's `open_table` loads the ground floor only."""
    code = "import ocr_pipeline, sys; print(sorted({n.split('.')[1] for n in sys.modules if n.startswith('ocr_pipeline.')}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(ast.literal_eval(done.stdout)) <= GROUND
