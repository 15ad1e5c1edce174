"""What the teacher is asked for: a validator, a generator and, where several outputs are right, a checker of a problem.

Programs are read out of its answers here; they run in ``working.py``, in the judge's jail, and nothing they say is believed
before it was tried on known tests. Sending and paying once is the teacher's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from ocr_pipeline.answers import FencePolicy, extract_code
from ocr_pipeline.generating.options import GeneratingConfig
from ocr_pipeline.prompts import Prompt
from ocr_pipeline.tables import Language
from ocr_pipeline.teacher.ask import Reply
from ocr_pipeline.teacher.request import Message, Request

__all__ = [
    "AskTeacher",
    "Role",
    "Written",
    "feedback_request",
    "first_requests",
    "prompt_hashes",
    "written",
    "written_before",
]

AskTeacher = Callable[[Iterable[Request]], Iterator[Reply]]
"""Gives one reply for each request, in their order."""

SHOWN_PROGRAMS: Final = 5
SHOWN_CHARACTERS: Final = 2_000
PACKAGE: Final = "ocr_pipeline.generating"


class Role(StrEnum):
    """What a program of the teacher's is for."""

    VALIDATOR = "validator"
    GENERATOR = "generator"
    CHECKER = "checker"


@dataclass(frozen=True, slots=True)
class Written:
    """A program that the teacher wrote; without code there is a reason."""

    role: Role
    code: str
    request_id: str
    model: str
    failure: str = ""


def prompt_hashes() -> dict[str, str]:
    """Return the hash of every prompt, for the fingerprint."""
    return {name: Prompt.load(PACKAGE, name).sha256 for name in ("validator", "generator", "feedback", "checker")}


def first_requests(
    problem_id: str, statement: str, code: str, config: GeneratingConfig, *, needs_checker: bool
) -> list[tuple[Role, Request]]:
    """Return what is asked of a problem at first."""
    values = {"statement": statement, "code": code, "kib": f"{config.max_test_kib:g}"}
    roles = [Role.VALIDATOR, Role.GENERATOR, *([Role.CHECKER] if needs_checker else [])]
    return [(role, _request(problem_id, role.value, values, config)) for role in roles]


def feedback_request(
    problem_id: str,
    statement: str,
    generator: str,
    funnel: Mapping[str, int],
    programs: Sequence[str],
    config: GeneratingConfig,
) -> Request:
    """Return the question for a better generator."""
    values = {
        "statement": statement,
        "generator": generator,
        "funnel": "\n".join(f"{fate}: {count}" for fate, count in sorted(funnel.items())),
        "programs": "\n\n".join(code[:SHOWN_CHARACTERS] for code in programs[:SHOWN_PROGRAMS]),
        "kib": f"{config.max_test_kib:g}",
    }
    return _request(problem_id, "feedback", values, config)


def _request(problem_id: str, name: str, values: Mapping[str, str], config: GeneratingConfig) -> Request:
    prompt = Prompt.load(PACKAGE, name)
    text = prompt.fill(**{key: value for key, value in values.items() if key in prompt.places})
    params = {"temperature": config.temperature, "max_tokens": config.max_tokens, "seed": 0}
    return Request((Message("user", text),), params, subject={"problem_id": problem_id, "role": name})


def written(role: Role, reply: Reply) -> Written:
    """Read the program out of an answer; one that was cut off may end anywhere and is not tried."""
    if reply.unusable is not None:
        return Written(role, "", reply.request_id, reply.model, reply.unusable.value)
    code = extract_code(reply.text, FencePolicy.LAST, Language.PYTHON)
    return Written(role, code or "", reply.request_id, reply.model, "" if code else "no_program")


def written_before(row: Mapping[str, Any]) -> Written:
    """Read a row of ``test_programs``; one without code keeps the reason it has."""
    code = row["code"] or ""
    return Written(Role(row["role"]), code, row["request_id"], row["model"], "" if code else row["verdict"])
