"""Which teacher answers, and how it is asked."""

import os

import dagster as dg
from ocr_pipeline.teacher.servers import Replay, Server, attach
from pydantic import Field

from ocr_pipeline.teacher import Budget, GenerateConfig

__all__ = ["TeacherResource"]


class TeacherResource(dg.ConfigurableResource[Server]):
    """An OpenAI-compatible server; without a URL, the recorded one that this project brings along."""

    urls: list[str] = Field(
        default_factory=lambda: os.environ.get("OCR_PIPELINE_TEACHER_URL", "").split(),
        description="Base URLs of equal servers; the default is OCR_PIPELINE_TEACHER_URL; none means the recorded teacher.",
    )
    model: str = Field(
        default_factory=lambda: os.environ.get("OCR_PIPELINE_TEACHER_MODEL", "replay/sample"),
        description="Model name as the server knows it; the default is OCR_PIPELINE_TEACHER_MODEL.",
    )
    revision: str = Field(default="", description="Revision that is served; part of every request's identity.")
    api_key_env: str = Field(default="", description="Environment variable that holds the key; never stored.")
    samples: int = Field(default=2, ge=1, description="Answers per problem and language.")
    temperature: float = Field(default=0.6, description="Sampling temperature.")
    top_p: float = Field(default=0.95, description="Nucleus of the sampling.")
    max_tokens: int = Field(default=16_384, description="Longest answer, in tokens.")
    window: int = Field(default=256, description="Requests in flight.")
    budget_requests: int = Field(default=0, description="Requests at most; 0 means no cap.")
    budget_tokens: int = Field(default=0, description="Completion tokens at most; 0 means no cap.")

    def server(self) -> Server:
        """Return the server; entering it starts what has to be started."""
        if self.urls:
            return attach(self.urls, api_key_env=self.api_key_env or None)
        return Replay(model=self.model, strict=True)

    def generation(self, language: str) -> GenerateConfig:
        """Return how problems are asked in one programming language."""
        return GenerateConfig(
            model=self.model,
            revision=self.revision or None,
            language=language,
            samples=self.samples,
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            window=self.window,
            budget=Budget(requests=self.budget_requests or None, tokens=self.budget_tokens or None),
        )
