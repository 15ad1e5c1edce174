"""How many new problems are asked for, in which styles, and what they need to stay."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Self

from pydantic import model_validator

from ocr_pipeline.options import Options, option

__all__ = ["Style", "SynthesisConfig"]


class Style(StrEnum):
    """How a new problem comes from known ones; also the names of the prompts."""

    RECOMBINED = "recombined"
    """What two problems need, in one."""
    CONSTRAINTS = "constraints"
    """Other bounds or rules, so that another algorithm is needed."""
    STORY = "story"
    """The same technique in another story, with another question."""

    @property
    def parents(self) -> int:
        """How many known problems it starts from."""
        return 2 if self is Style.RECOMBINED else 1


class SynthesisConfig(Options):
    """What is asked for, and what a new problem needs to stay."""

    count: int = option(0, "New problems that are asked for; 0: none", unit="problems", ge=0, le=100_000)
    styles: tuple[str, ...] = option(
        tuple(style.value for style in Style),
        "How they come from known problems, in turn: recombined, constraints, story",
    )
    candidates: int = option(4, "Solutions that are asked for of each new problem; two at least must agree", ge=2)
    least_tests: int = option(5, "Tests, examples included, that a new problem needs", ge=1)
    least_agreement: float = option(
        0.95,
        "Share of the inputs on which the solutions must agree; others say that the problem is not clear",
        ge=0,
        le=1,
    )
    novelty_threshold: float = option(
        0.7, "Cosine from which a new problem is compared with a known one, as in deduplication", ge=-1, le=1
    )
    choice_seed: int = option(0, "Which known problems are taken")
    drafting_temperature: float = option(0.8, "Sampling temperature of new problems and their solutions", ge=0)

    @model_validator(mode="after")
    def _knows_styles(self) -> Self:
        unknown = [name for name in self.styles if name not in set(Style)]
        if unknown or not self.styles:
            message = f"styles must be among {', '.join(Style)}, got `{unknown[0] if unknown else ''}`"
            raise ValueError(message)
        return self

    @property
    def settings(self) -> dict[str, Any]:
        """The options, and the hash of every prompt."""
        from ocr_pipeline.synthesis.drafting import prompt_hashes

        return super().settings | ({"prompt_sha256": prompt_hashes()} if self.count else {})
