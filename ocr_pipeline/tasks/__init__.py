"""What a student is asked: the same words when it is trained and when it is used.

The prompts have the form of the CodePLAN paper (arXiv 2403.13271 and its released data reader). Rows that are built
from them, and students that answer them, stand elsewhere.
"""

from __future__ import annotations

from typing import Final

from ocr_pipeline.prompts import Prompt
from ocr_pipeline.tables import IoMode

__all__ = ["code_prompt", "given_code", "plan_prompt", "prompt_sha256"]

STANDARD_INPUT: Final = "Use Standard Input format"
CALL_BASED: Final = "Use Call-Based format"
NAME_LINE: Final = "The function is called `{name}`."


def code_prompt(statement: str, *, io_mode: str, starter_code: str | None = None, plan: str | None = None) -> str:
    """Ask for the program, with a plan to follow or without."""
    if plan is None:
        return _fill("code", statement, io_mode, starter_code)
    return _fill("code_with_plan", statement, io_mode, starter_code, plan=plan)


def plan_prompt(statement: str, *, io_mode: str, starter_code: str | None = None) -> str:
    """Ask for a solution plan."""
    return _fill("plan", statement, io_mode, starter_code)


def given_code(statement: str, starter_code: str | None, function_name: str | None) -> str | None:
    """Return what a prompt shows beside the statement: the starter code, or the function's name where neither tells it.

    HumanEval's statement is its starter code: it is shown once. MBPP has none, and its statements name no function.
    """
    if starter_code and starter_code.strip() and starter_code.strip() not in statement:
        return starter_code
    known = starter_code or statement
    return NAME_LINE.format(name=function_name) if function_name and function_name not in known else None


def prompt_sha256() -> dict[str, str]:
    """Return the hash of every prompt, for manifests."""
    return {name: Prompt.load(__name__, name).sha256 for name in ("code", "code_with_plan", "plan")}


def _fill(name: str, statement: str, io_mode: str, starter_code: str | None, **more: str) -> str:
    form = CALL_BASED if io_mode == IoMode.FUNCTION else STANDARD_INPUT
    return Prompt.load(__name__, name).fill(statement=statement, starter_code=starter_code or "", format=form, **more)
