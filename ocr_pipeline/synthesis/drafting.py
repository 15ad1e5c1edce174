"""What the teacher is asked for new problems and their solutions, and how its drafts are read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ocr_pipeline.answers import FencePolicy, extract_code, split_thought
from ocr_pipeline.prompts import Prompt
from ocr_pipeline.store import canonical_json
from ocr_pipeline.synthesis.options import Style
from ocr_pipeline.tables import Language
from ocr_pipeline.teacher.ask import Reply
from ocr_pipeline.teacher.request import Message, Request

__all__ = ["Asked", "Draft", "Seed", "code_of", "draft_request", "prompt_hashes", "read_draft", "solution_requests"]

PACKAGE: Final = "ocr_pipeline.synthesis"
SOLVE: Final = "solve"
HEADING: Final = re.compile(r"^#+[ \t]*(TITLE|STATEMENT|INPUT|OUTPUT)[ \t]*:?[ \t]*$", re.MULTILINE)
ID_CHARACTERS: Final = 16


@dataclass(frozen=True, slots=True)
class Seed:
    """A known problem with a right solution."""

    problem_id: str
    statement: str
    language: str
    code: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One new problem that is asked for; its id depends on nothing but what is asked."""

    number: int
    style: Style
    parents: tuple[Seed, ...]

    @property
    def native_id(self) -> str:
        """Return the id it has, whatever the teacher says."""
        said = [self.number, self.style, [parent.problem_id for parent in self.parents]]
        return f"synthetic-{hashlib.sha256(canonical_json(said).encode()).hexdigest()[:ID_CHARACTERS]}"


@dataclass(frozen=True, slots=True)
class Draft:
    """A new problem as the teacher told it."""

    title: str
    story: str
    examples: tuple[tuple[str, str], ...]

    @property
    def statement(self) -> str:
        """The whole statement, its examples at the end."""
        shown = "".join(f"\n\nInput\n\n{given}\nOutput\n\n{expected}" for given, expected in self.examples)
        return f"{self.story}\n\nExamples{shown}"


def prompt_hashes() -> dict[str, str]:
    """Return the hash of every prompt, for the fingerprint."""
    return {name: Prompt.load(PACKAGE, name).sha256 for name in (*Style, SOLVE)}


def draft_request(asked: Asked, temperature: float, max_tokens: int) -> Request:
    """Return the question for a new problem."""
    first, last = asked.parents[0], asked.parents[-1]
    values = {"statement": first.statement, "code": first.code, "other": last.statement, "other_code": last.code}
    return _request(asked.style, values, asked.native_id, asked.number, temperature, max_tokens)


def solution_requests(
    statement: str, native_id: str, number: int, temperature: float, max_tokens: int
) -> Sequence[Request]:
    """Return the questions for solutions, which differ by their seed alone."""
    return [
        _request(SOLVE, {"statement": statement}, native_id, seed, temperature, max_tokens) for seed in range(number)
    ]


def _request(
    name: str, values: dict[str, str], subject: str, seed: int, temperature: float, max_tokens: int
) -> Request:
    prompt = Prompt.load(PACKAGE, name)
    text = prompt.fill(**{key: value for key, value in values.items() if key in prompt.places})
    params = {"temperature": temperature, "max_tokens": max_tokens, "seed": seed}
    return Request((Message("user", text),), params, subject={"problem_id": subject, "role": name})


def read_draft(text: str) -> Draft | None:
    """Read the problem out of an answer; ``None`` where statement or examples are missing."""
    answer = split_thought(text).answer or ""
    parts = HEADING.split(answer)[1:]
    sections = [(name, body.strip("\r\n").rstrip()) for name, body in zip(parts[::2], parts[1::2], strict=True)]
    stories = [body for name, body in sections if name == "STATEMENT"]
    inputs = [body for name, body in sections if name == "INPUT"]
    outputs = [body for name, body in sections if name == "OUTPUT"]
    if len(stories) != 1 or not stories[0].strip() or not inputs or len(inputs) != len(outputs) or not all(outputs):
        return None
    title = next((body.strip() for name, body in sections if name == "TITLE"), "")
    examples = tuple((f"{given}\n", f"{expected}\n") for given, expected in zip(inputs, outputs, strict=True))
    return Draft(title, stories[0].strip(), examples)


def code_of(reply: Reply) -> str:
    """Return the program of an answer, or nothing where it did not end: half a program may run, too."""
    return "" if reply.unusable else extract_code(reply.text, FencePolicy.LAST, Language.PYTHON) or ""
