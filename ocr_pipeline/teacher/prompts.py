"""What the teacher is asked: one prompt file per language for programs, one per language for functions with starter code.

The instruction comes first and the statement last, so that servers which keep the state of common prefixes reuse it.
"""

from __future__ import annotations

from typing import Final

from ocr_pipeline.prompts import Prompt, prompt_names
from ocr_pipeline.tables import IoMode, Language

__all__ = ["prompt_hashes", "solve_prompt"]

PACKAGE: Final = "ocr_pipeline.teacher"
FUNCTION_LINE: Final = "The function that will be called is named `{name}`.\n\n"


def prompt_hashes(language: str) -> dict[str, str]:
    """Return the SHA-256 of each prompt file of a language: provenance, and part of a partition's configuration."""
    names = [name for name in prompt_names(PACKAGE) if name.endswith(f"_{language}")]
    return {name: Prompt.load(PACKAGE, name).sha256 for name in names}


def solve_prompt(
    statement: str,
    language: Language,
    *,
    io_mode: str = IoMode.STDIN,
    starter_code: str | None = None,
    function_name: str | None = None,
) -> str:
    """Return the prompt that asks for a solution: a whole program, or a function that is called."""
    is_function = io_mode == IoMode.FUNCTION or (not io_mode and bool(starter_code))
    if not is_function:
        return Prompt.load(PACKAGE, f"solve_{language}").fill(statement=statement)
    return Prompt.load(PACKAGE, f"function_{language}").fill(
        statement=statement,
        starter_code=starter_code or "(none is given: name and parameters follow from the statement)",
        function=FUNCTION_LINE.format(name=function_name) if function_name else "",
    )
