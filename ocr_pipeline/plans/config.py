"""How plans are made: from which solutions, with which prompt, by which model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from ocr_pipeline.errors import InputError
from ocr_pipeline.prompts import Prompt
from ocr_pipeline.teacher.budget import Budget

__all__ = ["PlanConfig", "Policy", "load_prompt"]

UNLIMITED: Final = Budget()


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


@dataclass(frozen=True, slots=True)
class PlanConfig:
    """Everything that decides which plans are asked for and which are kept."""

    model: str
    policy: Policy = Policy.SHORTEST
    with_statement: bool = False
    """Show the statement beside the solution; the paper does not."""
    k: int = 1
    """Plans per problem, for ``k_diverse`` and ``forward``."""
    language: str = "python"
    """Programming language of the solutions."""
    revision: str | None = None
    temperature: float = 0.2  # arXiv 2403.13271, as its released scripts ask
    top_p: float = 0.95
    max_tokens: int = 4_096
    window: int = 256
    """Requests in flight."""
    min_steps: int = 2
    max_steps: int = 40
    max_characters: int = 6_000
    budget: Budget = UNLIMITED
    judge_model: str | None = None
    """Model that says whether a plan agrees with its solution; ``None``: only the built-in check."""

    def __post_init__(self) -> None:
        """Refuse values that make no plan.

        Raises
        ------
        InputError
            When there would be nothing to ask.
        """
        if self.k < 1:
            raise InputError(f"k is {self.k}; ask for at least one plan per problem")
        if not 1 <= self.min_steps <= self.max_steps:
            raise InputError(f"a plan of {self.min_steps} to {self.max_steps} steps is impossible; swap the bounds")

    @property
    def prompt(self) -> Prompt:
        """The prompt that the policy asks with."""
        if self.policy is Policy.FORWARD:
            return load_prompt("forward")
        return load_prompt("backward_with_statement" if self.with_statement else "backward")

    def as_dict(self) -> dict[str, Any]:
        """Return what decides the plans, for a manifest: the options, and the hash of every prompt that is used."""
        prompts = [self.prompt, *([load_prompt("agreement")] if self.judge_model else [])]
        options = {name: value for name, value in asdict(self).items() if name not in {"window", "budget"}}
        return options | {"prompt_sha256": {prompt.name: prompt.sha256 for prompt in prompts}}
