"""A model's opinion on pairs that no rule decides.

Every pair is asked in both orders; answers that contradict each other, are malformed or did not come leave it
undecided. How the model is reached is not this module's business: whoever has a teacher's client lends it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Protocol

from ocr_pipeline.answers import split_thought
from ocr_pipeline.prompts import Prompt

__all__ = ["PairOpinions", "ask_opinions", "opinion_config", "read_answer", "render_prompt"]

STATEMENT_CHARACTERS: Final = 24_000  # two of them and the answer fit into a context of 16k tokens
_VERDICT: Final = re.compile(r"[\W_]*(SAME|DIFFERENT)[\W_]*", re.IGNORECASE)


class PairOpinions(Protocol):
    """A model that answers prompts about pairs."""

    def answer(self, prompts: Sequence[str]) -> Sequence[str | None]:
        """Return one answer per prompt, in order; ``None`` where none came."""


def ask_opinions(model: PairOpinions, pairs: Sequence[tuple[str, str]]) -> list[bool | None]:
    """Return for each pair of statements whether they are the same problem; ``None`` means undecided."""
    prompts = [render_prompt(*order) for left, right in pairs for order in ((left, right), (right, left))]
    opinions = [read_answer(answer) for answer in model.answer(prompts)]
    both = zip(opinions[::2], opinions[1::2], strict=True)
    return [one if one == other else None for one, other in both]


def opinion_config(model: str) -> dict[str, str]:
    """Return what a build that asks this model was made from: its name and the prompt; no name: nobody is asked."""
    return {"opinion_model": model, "opinion_prompt_sha256": _prompt().sha256} if model else {}


def render_prompt(first: str, second: str) -> str:
    """Return what is asked about two statements; of a giant one only its beginning is shown."""
    return _prompt().fill(first=first[:STATEMENT_CHARACTERS], second=second[:STATEMENT_CHARACTERS])


def _prompt() -> Prompt:
    return Prompt.load("ocr_pipeline.similarity", "same_problem")


def read_answer(answer: str | None) -> bool | None:
    """Read the verdict off the last line; anything but one of the two words decides nothing."""
    lines = (split_thought(answer or "").answer or "").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "")
    verdict = _VERDICT.fullmatch(last.strip())
    return None if verdict is None else verdict[1].upper() == "SAME"
