"""What a student is asked: the same words when it is trained and when it is used.

A :class:`Wording` is the templates of the tasks under one name. ``codeplan`` has the form of the CodePLAN paper (arXiv
2403.13271 and its released data reader), ``opencodereasoning`` that of the published students of arXiv 2504.01943,
``chain_of_thought`` asks for an explanation first,
``statement`` is the bare problem. Rows that are built from them, and students that answer them, are elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from ocr_pipeline.errors import InputError, OptionError
from ocr_pipeline.prompts import PLACEHOLDER, Prompt
from ocr_pipeline.tables import IoMode, Language

__all__ = [
    "CHAIN_OF_THOUGHT",
    "CODEPLAN",
    "CRITICIZED",
    "CRITIQUE",
    "EXPLAINED",
    "WORDINGS",
    "Wording",
    "code_prompt",
    "given_code",
    "plan_prompt",
    "wording",
]

STANDARD_INPUT: Final = "Use Standard Input format"
CALL_BASED: Final = "Use Call-Based format"
NAME_LINE: Final = "The function is called `{name}`."
CRITICIZED: Final = {Language.PYTHON: "Python 3", Language.CPP: "C++17"}
"""What a critic is asked about, in its words."""
CRITIQUE: Final = Prompt.load(__name__, "critique")
"""Asks whether a program is right; teachers and students are asked in the same words."""
EXPLAINED: Final = Prompt.load(__name__, "explained")
"""What is answered to ``CHAIN_OF_THOUGHT``: the plan, then the program."""
SPOKEN: Final = {Language.PYTHON: "Python", Language.CPP: "C++"}
STUBS: Final = {Language.PYTHON: "# Your code here", Language.CPP: "// Your code here"}
STATEMENT: Final = "statement"
CODE, GUIDED, PLAN = "code", "code_with_plan", "plan"


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of every task under one name; who was taught in them is asked in them."""

    name: str
    templates: Mapping[str, str]
    """Task (code, code_with_plan, plan) -> template; a wording may lack the tasks of plans."""

    @property
    def sha256(self) -> str:
        """Hash of all templates: two wordings with the same hash ask the same."""
        return hashlib.sha256(json.dumps(dict(self.templates), sort_keys=True).encode()).hexdigest()

    def code(
        self,
        statement: str,
        *,
        io_mode: str,
        starter_code: str | None = None,
        plan: str | None = None,
        language: Language = Language.PYTHON,
    ) -> str:
        """Ask for the program, with a plan to follow or without."""
        values = {"language": SPOKEN[language], "tag": language.value, "stub": STUBS[language]}
        if plan is not None:
            return self._fill(GUIDED, statement, io_mode, starter_code, plan=plan, **values)
        return self._fill(CODE, statement, io_mode, starter_code, **values)

    def plan(self, statement: str, *, io_mode: str, starter_code: str | None = None) -> str:
        """Ask for a solution plan; a plan is of no language."""
        return self._fill(PLAN, statement, io_mode, starter_code)

    def _fill(self, task: str, statement: str, io_mode: str, starter_code: str | None, **more: str) -> str:
        if task not in self.templates:
            raise InputError(f"the prompt `{self.name}` does not ask for plans; use codeplan, or leave plans out")
        form = CALL_BASED if io_mode == IoMode.FUNCTION else STANDARD_INPUT
        return Prompt(f"{self.name}/{task}", self.templates[task]).fill(
            statement=statement, starter_code=starter_code or "", format=form, **more
        )

    def has_asked(self, prompt: str) -> bool:
        """Whether a prompt is one of these templates, filled in."""
        return any(_shape(template).fullmatch(prompt) for template in self.templates.values())

    def plain(self) -> dict[str, Any]:
        """Return what :func:`wording` reads out of a file."""
        return {"name": self.name, "sha256": self.sha256, "templates": dict(self.templates)}


@cache
def _shape(template: str) -> re.Pattern[str]:
    fixed = PLACEHOLDER.sub("\0", template).split("\0")
    return re.compile(".*".join(map(re.escape, fixed)), re.DOTALL)


def _of_files(name: str, **files: str) -> Wording:
    return Wording(name, {task: Prompt.load(__name__, file).template for task, file in files.items()})


CODEPLAN: Final = _of_files("codeplan", code="code", code_with_plan="code_with_plan", plan="plan")
CHAIN_OF_THOUGHT: Final = _of_files("chain_of_thought", code="chain_of_thought")
"""CodePLAN's baseline: explain, then write; no plan is shown."""
WORDINGS: Final = {
    one.name: one
    for one in (
        CODEPLAN,
        CHAIN_OF_THOUGHT,
        _of_files("opencodereasoning", code="opencodereasoning"),
        _of_files("statement", code="statement"),
    )
}


def wording(name: str) -> Wording:
    """Return the wording of a name, or that of a file: ``prompt.json`` of a student, or one template for programs.

    Raises
    ------
    OptionError
        When there is neither.
    InputError
        When the file is not a wording, or one of its templates does not show the problem.
    """
    if name in WORDINGS:
        return WORDINGS[name]
    file = Path(name)
    if not file.is_file():
        message = f"there is no prompt `{name}`; there are {', '.join(WORDINGS)}, or give a file"
        raise OptionError(message)
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"the prompt `{name}` is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    found = _of_student(name, text) if file.suffix == ".json" else Wording(file.name, {CODE: text})
    for task, template in found.templates.items():
        if STATEMENT not in Prompt(f"{found.name}/{task}", template).places:
            raise InputError(
                f"the prompt `{name}` ({task}) does not show the problem; write {{statement}} where it goes"
            )
    return found


def _of_student(name: str, text: str) -> Wording:
    try:
        found = json.loads(text)["wording"]
        words, templates = found["name"], dict(found["templates"])
    except (ValueError, KeyError, TypeError):
        words, templates = None, {}
    if CODE not in templates or not all(isinstance(each, str) for each in (words, *templates.values())):
        raise InputError(f"`{name}` is not the prompt.json of a student; give that, or a text with {{statement}}")
    return Wording(words, templates)


def code_prompt(
    statement: str,
    *,
    io_mode: str,
    starter_code: str | None = None,
    plan: str | None = None,
    language: Language = Language.PYTHON,
) -> str:
    """Ask for the program in the words of CodePLAN."""
    return CODEPLAN.code(statement, io_mode=io_mode, starter_code=starter_code, plan=plan, language=language)


def plan_prompt(statement: str, *, io_mode: str, starter_code: str | None = None) -> str:
    """Ask for a solution plan in the words of CodePLAN."""
    return CODEPLAN.plan(statement, io_mode=io_mode, starter_code=starter_code)


def given_code(statement: str, starter_code: str | None, function_name: str | None) -> str | None:
    """Return what a prompt shows beside the statement: the starter code, or the function's name where neither tells it.

    HumanEval's statement is its starter code: it is shown once. MBPP has none, and its statements name no function.
    """
    if starter_code and starter_code.strip() and starter_code.strip() not in statement:
        return starter_code
    known = starter_code or statement
    return NAME_LINE.format(name=function_name) if function_name and function_name not in known else None
