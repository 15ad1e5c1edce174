"""Prompts as text files, filled in one pass: what a statement holds is never looked at again.

The instruction stands first and the statement last, so that servers which keep the state of common prefixes reuse
it. Which files there are: one per language for programs, one per language for functions with starter code.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final

from ocr_pipeline.errors import InputError
from ocr_pipeline.tables import IoMode, Language

__all__ = ["prompt_hashes", "render", "solve_prompt", "template"]

PLACEHOLDER: Final = re.compile(r"\{\{([a-z_]+)\}\}")
FUNCTION_LINE: Final = "The function that will be called is named `{name}`.\n\n"


@cache
def template(name: str) -> str:
    """Return the text of a prompt file.

    Raises
    ------
    InputError
        When there is no such file.
    """
    file = resources.files("ocr_pipeline.teacher").joinpath("prompts", f"{name}.txt")
    if not file.is_file():
        message = f"there is no prompt `{name}`; there are {', '.join(prompt_names())}"
        raise InputError(message)
    return file.read_text(encoding="utf-8")


def prompt_names() -> list[str]:
    """Return the names of all prompt files, sorted."""
    folder = resources.files("ocr_pipeline.teacher").joinpath("prompts")
    return sorted(file.name.removesuffix(".txt") for file in folder.iterdir() if file.name.endswith(".txt"))


def prompt_hashes(language: str) -> dict[str, str]:
    """Return the SHA-256 of each prompt file of a language: provenance, and part of a partition's configuration."""
    names = [name for name in prompt_names() if name.endswith(f"_{language}")]
    return {name: hashlib.sha256(template(name).encode()).hexdigest() for name in names}


def render(text: str, values: Mapping[str, str]) -> str:
    """Fill ``{{name}}`` once; braces inside the values stay as they are.

    Raises
    ------
    InputError
        When the text names a value that is not given.
    """
    missing = sorted(set(PLACEHOLDER.findall(text)) - set(values))
    if missing:
        message = f"the prompt names {', '.join(missing)}, which is not given; it can name {', '.join(sorted(values))}"
        raise InputError(message)
    return PLACEHOLDER.sub(lambda match: values[match[1]], text)


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
        return render(template(f"solve_{language}"), {"statement": statement})
    values = {
        "statement": statement,
        "starter_code": starter_code or "(none is given: name and parameters follow from the statement)",
        "function": FUNCTION_LINE.format(name=function_name) if function_name else "",
    }
    return render(template(f"function_{language}"), values)
