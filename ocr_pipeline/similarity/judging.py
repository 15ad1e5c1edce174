"""A model's opinion on pairs that no rule decides.

Every pair is asked in both orders; answers that contradict each other, are malformed or did not come leave it
undecided. How the model is reached is not this module's business: whoever has a teacher's client wraps it as a judge.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Protocol

from ocr_pipeline.answers import split_thought
from ocr_pipeline.prompts import Prompt

__all__ = ["PairJudge", "judge_pairs", "read_answer", "render_prompt"]

STATEMENT_CHARACTERS: Final = 24_000  # two of them and the answer fit into a context of 16k tokens
_VERDICT: Final = re.compile(r"[\W_]*(SAME|DIFFERENT)[\W_]*", re.IGNORECASE)
PACKAGE: Final = "ocr_pipeline.similarity"


class PairJudge(Protocol):
    """A model that answers prompts."""

    def answer(self, prompts: Sequence[str]) -> Sequence[str | None]:
        """Return one answer per prompt, in order; ``None`` where none came."""


def judge_pairs(judge: PairJudge, pairs: Sequence[tuple[str, str]]) -> list[bool | None]:
    """Return for each pair of statements whether they are the same problem; ``None`` means undecided."""
    prompts = [render_prompt(*order) for left, right in pairs for order in ((left, right), (right, left))]
    opinions = [read_answer(answer) for answer in judge.answer(prompts)]
    both = zip(opinions[::2], opinions[1::2], strict=True)
    return [one if one == other else None for one, other in both]


def render_prompt(first: str, second: str) -> str:
    """Ask about two statements, in this order."""
    return Prompt.load(PACKAGE, "same_problem").fill(
        first=first[:STATEMENT_CHARACTERS], second=second[:STATEMENT_CHARACTERS]
    )


def read_answer(answer: str | None) -> bool | None:
    """Read the verdict off the last line; anything but one of the two words is no verdict."""
    lines = (split_thought(answer or "").answer or "").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "")
    verdict = _VERDICT.fullmatch(last.strip())
    return None if verdict is None else verdict[1].upper() == "SAME"
