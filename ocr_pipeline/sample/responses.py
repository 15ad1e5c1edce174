"""Recorded responses: puts the authored parts together as servers and models really send them.

``form`` names one way in which reasoning, tags and answer come; what is sent depends on nothing else. One recording
is one JSON object; a request finds those whose ``match`` texts are all in its prompt and takes the one whose
``sample_index`` is its seed modulo their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from ocr_pipeline.errors import InputError
from ocr_pipeline.sample.authored import Draft, Problem, Response

__all__ = ["ROLES", "plan_recordings", "program_recordings", "solution_recordings"]

PROMPT_WORDS: Final = {"python": "Python", "cpp": "C++"}
FENCES: Final = {"python": "python", "cpp": "cpp"}
FIRST_CREATED: Final = 1_767_225_600  # 2026-01-01T00:00:00Z
CHARACTERS_PER_TOKEN: Final = 3.6
MILLISECONDS_PER_TOKEN: Final = 21
LOOP_REPEATS: Final = 160
ROLES: Final = {
    "validator": "Read the programming problem that follows and write an input validator for it in Python 3.\n\nThe validator reads",
    "generator": "Read the programming problem that follows and write a generator of test inputs for it in Python 3.\n\nThe generator",
    "checker": "Several outputs are right for the programming problem that follows. Write a checker for it in Python 3.\n\nThe checker",
    "feedback": "You wrote a generator of test inputs for the programming problem that follows. Some wrong programs still pass every test.",
    "recombined": "Two programming problems follow, each with a correct program. Invent a new problem that needs what both of them need",
    "constraints": "A programming problem follows, with a correct program. Invent a new problem from it by changing its rules",
    "story": "A programming problem follows, with a correct program. Invent a new problem that is solved with the same technique",
    "solve": "Write a Python 3 program for the programming problem that follows. It reads standard input and writes standard output.",
}
"""How the prompts about tests and new problems begin; longer than the text that finds a solution, so that these are found first."""


def solution_recordings(problems: Sequence[Problem]) -> Iterator[dict[str, Any]]:
    """Yield the responses to every problem, by problem, language and sample index."""
    number = 0
    for problem in problems:
        for language, word in PROMPT_WORDS.items():
            chosen = [each for each in problem.responses if each.language == language]
            for sample_index, response in enumerate(chosen):
                yield _recording(
                    [problem.match, word], sample_index, _message(response), response.finish_reason, number
                )
                number += 1


def plan_recordings(problems: Sequence[Problem]) -> Iterator[dict[str, Any]]:
    """Yield the plans: each is asked for with the code of a correct Python solution, so a line of it finds them."""
    told = [problem for problem in problems if not problem.same_as]
    codes = {solution.code for problem in told for solution in problem.correct_solutions("python")}
    number = 100_000
    for problem in told:
        for solution in problem.correct_solutions("python"):
            line = _own_line(solution.code, codes)
            for sample_index, plan in enumerate(problem.plans):
                message = {"role": "assistant", "content": plan}
                yield _recording(["solution plan", line], sample_index, message, "stop", number)
                number += 1


def program_recordings(problems: Sequence[Problem], drafts: Sequence[Draft]) -> Iterator[dict[str, Any]]:
    """Yield validators, generators, checkers, and new problems with theirs; of all else the teacher says that it has none.

    A second generator answers the prompt that shows the first one, a third that which shows the second.
    """
    number = 200_000
    told = [*((one.match, one.programs) for one in problems), *((one.match, one.programs) for one in drafts)]
    generators = {each.code for _, some in told for each in some if each.role in {"generator", "feedback"}}
    for own, programs in told:
        before = ""
        for program in programs:
            match = [ROLES[program.role], own]
            if program.role in {"generator", "feedback"}:
                match += [before] if before else []
                before = _own_line(program.code, generators)
            yield _recording(match, 0, _said(f"```python\n{program.code}```\n"), "stop", number)
            number += 1
    matches = {problem.slug: problem.match for problem in problems}
    for draft in drafts:
        parents = [matches[slug] for slug in draft.parents]
        yield _recording([ROLES[draft.style], *parents], 0, _said(draft.text), "stop", number)
        for place, code in enumerate(draft.solutions):
            yield _recording([ROLES["solve"], draft.match], place, _said(f"```python\n{code}```\n"), "stop", number)
        number += 1
    for role in ROLES:
        yield _recording([ROLES[role]], 0, _said(f"Nothing is recorded here ({role})."), "stop", number)
        number += 1


def _said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def _own_line(code: str, codes: set[str]) -> str:
    """Return the longest line of ``code`` that occurs in no other solution."""
    lines = sorted((line.strip() for line in code.splitlines()), key=len, reverse=True)
    for line in lines:
        if sum(line in other for other in codes) == 1:
            return line
    message = f"no line of this solution is its own, so no plan can be recorded for it: {code}"
    raise InputError(message)


def _recording(
    match: list[str], sample_index: int, message: dict[str, str], finish_reason: str, number: int
) -> dict[str, Any]:
    characters = sum(len(text) for key, text in message.items() if key != "role")
    completion_tokens = round(characters / CHARACTERS_PER_TOKEN) + 1
    prompt_tokens = 260 + 7 * (number % 40)
    return {
        "match": match,
        "sample_index": sample_index,
        "message": message,
        "finish_reason": finish_reason,
        "stop_reason": None,
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
        "created": FIRST_CREATED + 17 * number,
        "processing_ms": completion_tokens * MILLISECONDS_PER_TOKEN,
    }


def _message(response: Response) -> dict[str, str]:
    reasoning, answer = response.reasoning, _answer(response)
    content = {
        "inline": f"<think>\n{reasoning}</think>\n\n{answer}",
        "closing_only": f"{reasoning}</think>\n\n{answer}",
        "no_tags": answer,
        "nothing": "",
        "greeting": f"Let me see.\n\n<think>\n{reasoning}</think>\n\n{answer}",
        "never_closed": f"<think>\n{reasoning}\n{answer}",
        "unclosed": f"<think>\n{reasoning}",
        "empty_reasoning": f"<think>\n\n</think>\n\n{answer}",
        "crlf": f"<think>\n{reasoning}</think>\n\n{answer}".replace("\n", "\r\n"),
        "loop": f"<think>\n{reasoning * LOOP_REPEATS}",
        "field_reasoning": answer,
        "field_reasoning_content": answer,
    }[response.form]
    message = {"role": "assistant", "content": content}
    if response.form.startswith("field_"):
        message[response.form.removeprefix("field_")] = reasoning
    return message


def _answer(response: Response) -> str:
    """Return the answer with the code in its place: by default one fence with the language's name."""
    fence = FENCES[response.language]
    template = response.answer or f"```{fence}\n@code@```\n"
    if "@code@" not in template:
        template = f"{template}\n```{fence}\n@code@```\n" if response.code else template
    return template.replace("@code@", response.code)
