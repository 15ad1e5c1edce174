"""What the package formats share: the rows they become, examples in a statement, and what a verdict's name means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ocr_pipeline.sources.folders import LANGUAGES
from ocr_pipeline.sources.reading import Row

__all__ = ["UNREADABLE", "Example", "expected_verdict", "submission", "test_row", "with_examples"]

UNREADABLE: Final = "{} cannot be read"
RIGHT: Final = frozenset({"accepted", "main"})
WRONG: Final = frozenset(
    {"compile_error", "failed", "memory_limit", "memory_limit_exceeded", "output_limit_exceeded", "presentation_error"}
    | {"rejected", "run_time_error", "run_time_exception", "runtime_error", "time_limit", "time_limit_exceeded"}
    | {"time_limit_exceeded_or_memory_limit_exceeded", "wrong_answer"}
)


@dataclass(frozen=True, slots=True)
class Example:
    """A sample test; one without an output is a conversation."""

    input: str
    output: str | None


def with_examples(statement: str, examples: Sequence[Example]) -> str:
    """Return a statement with its sample tests, headed as the judges' own pages do."""
    if not examples:
        return statement
    parts = [statement.rstrip("\n")]
    for number, example in enumerate(examples, start=1):
        shown = example.input.strip("\n")
        if example.output is None:
            parts.append(f"Sample Interaction {number}\n\n{shown}")
        else:
            expected = example.output.strip("\n")
            parts.append(f"Sample Input {number}\n\n{shown}\n\nSample Output {number}\n\n{expected}")
    return "\n\n".join(parts)


def expected_verdict(name: str) -> bool | None:
    """Say whether a folder or tag means right or wrong; ``None`` where it means neither, such as ``mixed``."""
    word = name.strip().lower().replace("-", "_").replace(" ", "_")
    return True if word in RIGHT else False if word in WRONG else None


def test_row(problem: str, kind: str, name: str, given: str | None, expected: str | None) -> Row:
    """Return a test as a row."""
    return {"problem": problem, "kind": kind, "name": name, "input": given, "output": expected}


test_row.__test__ = False  # type: ignore[attr-defined] # not a test function, whatever its name says to pytest


def submission(problem: str, name: str, path: Path, expected: str, code: str | None) -> Row:
    """Return a submission as a row; the ending of its file names the language."""
    language = LANGUAGES.get(path.suffix.lower(), "unknown")
    return {"problem": problem, "name": name, "language": language, "expected": expected, "code": code}
