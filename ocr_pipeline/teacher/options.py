"""What the teacher is asked about a problem; how a model is reached and paid is in :mod:`ocr_pipeline.asking`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import model_validator

from ocr_pipeline.asking import Asking, Connection, ManagedServer
from ocr_pipeline.options import option
from ocr_pipeline.tables import Language
from ocr_pipeline.teacher.prompts import prompt_hashes
from ocr_pipeline.teacher.tokens import tokenizer_sha256

__all__ = ["GenerateConfig", "Generation", "TeacherOptions"]


class Generation(Asking):
    """What the teacher is asked about a problem.

    The defaults are DeepSeek-R1's: temperature 0.6, top-p 0.95, no system prompt, 16,384 tokens.
    """

    samples: int = option(2, "Answers per problem and language", ge=1)
    temperature: float = option(0.6, "Sampling temperature", ge=0)
    top_p: float = option(0.95, "Nucleus of the sampling", gt=0, le=1)
    max_tokens: int = option(16_384, "Longest answer, reasoning included", unit="tokens", ge=1)
    seed: int = option(0, "Seed of sample 0; sample i has seed + i")
    thinking_budget: int | None = option(None, "Most tokens of reasoning (vLLM)", unit="tokens", ge=1)
    extra: Mapping[str, Any] = option({}, "More fields of the request, such as vLLM's repetition_detection")
    tokenizer: Path | None = option(None, "The teacher's tokenizer.json or its folder, to count tokens with")
    max_prompt_tokens: int | None = option(None, "Longest prompt; needs the tokenizer", unit="tokens", ge=1)
    enough_accepted: int | None = option(
        None, "Accepted answers after which a judged problem gets no more samples; none: all get the same number", ge=1
    )
    most_samples: int = option(
        16,
        "Samples after which an unsolved problem is given up, with enough_accepted; twice as many for hard ones",
        ge=1,
    )

    teachers: Path | None = option(
        None,
        "JSON or YAML file with several teachers, each with model, url, samples or share, and options that are otherwise for it",
    )
    max_failed_share: float = option(
        0.5, "Share of failed requests above which the run fails", ge=0, le=1, affects_output=False
    )

    @model_validator(mode="after")
    def _can_count(self) -> Self:
        if self.max_prompt_tokens is not None and self.tokenizer is None:
            message = f"max_prompt_tokens is {self.max_prompt_tokens}, but no tokenizer is given to count with; give the teacher's tokenizer.json"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _rounds_have_one_teacher(self) -> Self:
        if self.teachers is not None and self.enough_accepted is not None:
            message = "enough_accepted needs one teacher; leave out teachers, or ask in rounds of each alone"
            raise ValueError(message)
        return self


class GenerateConfig(Generation):
    """What is asked of the teacher in one programming language."""

    language: Language = option(..., "Programming language to ask for")

    @property
    def settings(self) -> dict[str, Any]:
        """What affects the answers: options, prompts, and the tokenizer by its content."""
        from ocr_pipeline.teacher.several import read_teachers

        tokenizer = tokenizer_sha256(self.tokenizer) if self.tokenizer else None
        settings = super().settings | {"tokenizer": tokenizer, "prompts": prompt_hashes(self.language)}
        path = settings.pop("teachers")
        entries = read_teachers(Path(path)) if path else ()
        parts = [
            entry.config(self.replaced(teachers=None)).settings | {"samples": entry.samples, "share": entry.share}
            for entry in entries
        ]
        return settings | ({"teachers": parts} if parts else {})


class TeacherOptions(Connection, ManagedServer, Generation):
    """Everything about a teacher: where it is, how it is started, what it is asked, and what it may cost."""
