"""How plans are made: from which solutions, and with which prompt."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Self

from pydantic import model_validator

from ocr_pipeline.options import Options, option
from ocr_pipeline.prompts import Prompt
from ocr_pipeline.tables import Language

__all__ = ["PlanConfig", "Policy", "load_prompt"]


def load_prompt(name: str) -> Prompt:
    """Read a prompt file of this package."""
    return Prompt.load("ocr_pipeline.plans", name)


class Policy(StrEnum):
    """What a plan is read from."""

    SHORTEST = "shortest"
    """Backward from the shortest correct solution: the policy of the CodePLAN paper (arXiv 2403.13271)."""
    K_DIVERSE = "k_diverse"
    """Backward from ``k`` correct solutions that differ most, the shortest first."""
    FORWARD = "forward"
    """From the statement alone, ``k`` times: what the backward plans are compared with."""


class PlanConfig(Options):
    """Which plans are asked for, and which are kept; which model is asked is said by the teacher's own options."""

    policy: Policy = option(Policy.SHORTEST, "What plans are read from")
    with_statement: bool = option(False, "Show the statement beside the solution; the paper does not")
    k: int = option(1, "Plans per problem, for k_diverse and forward", ge=1)
    language: Language = option(Language.PYTHON, "Programming language of the solutions")
    temperature: float = option(
        0.2, "Sampling temperature of plans; the default is that of arXiv 2403.13271's scripts", ge=0
    )
    top_p: float = option(0.95, "Nucleus of the sampling of plans", gt=0, le=1)
    max_tokens: int = option(4_096, "Longest plan, reasoning included", unit="tokens", ge=1)
    min_steps: int = option(2, "Fewest steps of a plan that is kept", ge=1)
    max_steps: int = option(40, "Most steps of a plan that is kept", ge=1)
    max_characters: int = option(6_000, "Longest plan that is kept", unit="characters", ge=1)
    opinion_model: str | None = option(
        None, "Model on the same server that says whether plan and solution agree; none: only the built-in check"
    )

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> Self:
        if self.min_steps > self.max_steps:
            message = f"min_steps must be at most max_steps, got {self.min_steps} and {self.max_steps}"
            raise ValueError(message)
        return self

    @property
    def prompt(self) -> Prompt:
        """The prompt that the policy asks with."""
        if self.policy is Policy.FORWARD:
            return load_prompt("forward")
        return load_prompt("backward_with_statement" if self.with_statement else "backward")

    @property
    def settings(self) -> dict[str, Any]:
        """What affects the plans: the options, and the hash of every prompt that is used."""
        prompts = [self.prompt, *([load_prompt("agreement")] if self.opinion_model else [])]
        return super().settings | {"prompt_sha256": {prompt.name: prompt.sha256 for prompt in prompts}}
