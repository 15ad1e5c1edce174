"""Which critiques are asked for, and of how many samples; which model is asked is said by the teacher's own options."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from ocr_pipeline.options import Options, option
from ocr_pipeline.prompts import Prompt
from ocr_pipeline.tasks import CRITIQUE

__all__ = ["CritiqueConfig", "Kind", "Kinds"]

PACKAGE: Final = "ocr_pipeline.critiques"


class Kind(StrEnum):
    """What a model is asked about a sample."""

    CRITIQUE = "critique"
    """Whether the program is right, without a word about what the tests said."""
    EXPLAIN = "explain"
    """Why the program fails a test that is shown."""

    @property
    def prompt(self) -> Prompt:
        """The words in which it is asked."""
        return CRITIQUE if self is Kind.CRITIQUE else Prompt.load(PACKAGE, self.value)


class Kinds(StrEnum):
    """Which kinds are asked for."""

    CRITIQUE = "critique"
    EXPLAIN = "explain"
    BOTH = "both"

    @property
    def each(self) -> tuple[Kind, ...]:
        """The kinds, in their order."""
        return tuple(Kind) if self is Kinds.BOTH else (Kind(self.value),)


class CritiqueConfig(Options):
    """Which critiques are asked for."""

    kinds: Kinds = option(
        Kinds.BOTH, "What is asked: whether a program is right (critique), why it fails a test (explain), or both"
    )
    per_problem: int = option(
        2, "Most right and most wrong samples of a problem that are reviewed: as many of one as of the other", ge=1
    )
    draw_seed: int = option(0, "Which samples are drawn")
    shown_characters: int = option(
        4_000,
        "Longest test that is shown, input and expected output together; the shortest failed one is taken",
        unit="characters",
        ge=1,
    )
    temperature: float = option(0.6, "Sampling temperature", ge=0)
    top_p: float = option(0.95, "Nucleus of the sampling", gt=0, le=1)
    max_tokens: int = option(
        24_000, "Longest critique, reasoning included; the default is OpenCodeReasoning-2's", unit="tokens", ge=1
    )

    @property
    def settings(self) -> dict[str, Any]:
        """What affects the critiques: the options, and the hash of every prompt that is used."""
        return super().settings | {"prompt_sha256": {kind.value: kind.prompt.sha256 for kind in self.kinds.each}}
