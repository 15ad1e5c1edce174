"""Which teacher answers, and how it is asked."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from ocr_pipeline.tables import Language
from ocr_pipeline.teacher import Asking, GenerateConfig
from ocr_pipeline.teacher.opinions import TeacherOpinions
from ocr_pipeline.teacher.servers import ManagedVllm, Replay, Server, VllmConfig, attach

__all__ = ["TeacherResource"]


class _StartedWhenUsed:
    """A server that is started when somebody first asks where it is: a run with nothing to ask starts none."""

    def __init__(self, server: AbstractContextManager[Server], stack: ExitStack) -> None:
        self._server = server
        self._stack = stack
        self._started: Server | None = None

    @property
    def urls(self) -> tuple[str, ...]:
        return self._running.urls

    @property
    def api_key_env(self) -> str | None:
        return self._running.api_key_env

    @property
    def _running(self) -> Server:
        if self._started is None:
            self._started = self._stack.enter_context(self._server)
        return self._started


class TeacherResource(dg.ConfigurableResource[Server]):
    """An OpenAI-compatible server, a vLLM that is started and stopped here, or the recorded teacher."""

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
    managed_vllm: bool = Field(default=False, description="Start vLLM with the model, and stop it at the end.")
    vllm_command: list[str] = Field(
        default=["vllm", "serve"], description="How vLLM is started: an environment, a container."
    )
    vllm_arguments: list[str] = Field(default=[], description="More arguments of vLLM, such as --max-model-len=32768.")
    tensor_parallel: int = Field(default=1, description="GPUs that share one model.")
    samples: int = Field(default=2, ge=1, description="Answers per problem and language.")
    temperature: float = Field(default=0.6, description="Sampling temperature.")
    top_p: float = Field(default=0.95, description="Nucleus of the sampling.")
    max_tokens: int = Field(default=16_384, description="Longest answer, in tokens.")
    thinking_budget: int = Field(default=0, description="Most tokens of reasoning (vLLM); 0 sends no such field.")
    extra: dict[str, Any] = Field(default={}, description="More fields of the request, such as repetition_detection.")
    tokenizer: str = Field(default="", description="The teacher's tokenizer.json or its folder, to count tokens with.")
    max_prompt_tokens: int = Field(default=0, description="Longest prompt; needs the tokenizer; 0 means no limit.")
    enough_accepted: int = Field(
        default=0,
        description="Accepted answers after which a judged problem gets no more samples; 0 gives all the same number.",
    )
    most_samples: int = Field(
        default=16, description="Samples after which an unsolved problem is given up; twice as many for hard ones."
    )
    window: int = Field(default=256, description="Requests in flight.")
    deadline_s: float = Field(default=3600.0, description="Longest wait for one answer, in seconds.")
    patience_s: float = Field(default=900.0, description="How long all servers may be down together, in seconds.")
    lock_timeout_s: float = Field(
        default=600.0, description="How long a retry waits for the orphan of a killed run to let go of the ledger."
    )
    budget_requests: int | None = Field(
        default=None, description="Requests at most, earlier runs included; none means no cap."
    )
    budget_tokens: int | None = Field(
        default=None, description="Tokens at most, earlier runs included; none means no cap."
    )
    budget_time_s: float | None = Field(
        default=None, description="Seconds per run and partition at most; none means no cap."
    )
    budget_cost: float | None = Field(
        default=None, description="Money at most, earlier runs included; none means no cap."
    )
    prompt_price: float | None = Field(
        default=None, description="Price of a million prompt tokens; none means unknown."
    )
    completion_price: float | None = Field(
        default=None, description="Price of a million completion tokens; none means unknown."
    )

    @contextmanager
    def serving(self) -> Iterator[Server]:
        """Serve the teacher for the length of the block; it is started when it is first needed."""
        with ExitStack() as stack:
            yield _StartedWhenUsed(self._server(), stack)

    def _server(self) -> AbstractContextManager[Server]:
        if self.urls:
            return attach(self.urls, api_key_env=self.api_key_env or None)
        if self.managed_vllm:
            config = VllmConfig(
                model=self.model,
                command=tuple(self.vllm_command),
                revision=self.revision or None,
                tensor_parallel=self.tensor_parallel,
                extra_arguments=tuple(self.vllm_arguments),
            )
            return ManagedVllm(config, on_line=dg.get_dagster_logger("vllm").info)
        return Replay(model=self.model, strict=True)

    @contextmanager
    def opinions(self, model: str, folder: Path) -> Iterator[TeacherOpinions | None]:
        """Ask a model of this server about pairs, its ledger in ``folder``; no model: nobody is asked."""
        if not model:
            yield None
            return
        with self.serving() as server:
            config = self.asking(model=model)
            yield TeacherOpinions(server, folder / "pairs.sqlite", config)

    @property
    def _shared(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "revision": self.revision or None,
            "window": self.window,
            "deadline_s": self.deadline_s,
            "patience_s": self.patience_s,
            "lock_timeout_s": self.lock_timeout_s,
            "budget_requests": self.budget_requests,
            "budget_tokens": self.budget_tokens,
            "budget_time_s": self.budget_time_s,
            "budget_cost": self.budget_cost,
            "prompt_price": self.prompt_price,
            "completion_price": self.completion_price,
        }

    def asking(self, **changes: Any) -> Asking:
        """Return how anything is asked of this teacher."""
        return Asking(**(self._shared | changes))

    @property
    def rounds(self) -> dict[str, int]:
        """What decides the number of samples beside ``samples``: for a partition's manifest."""
        return (
            {"enough_accepted": self.enough_accepted, "most_samples": self.most_samples} if self.enough_accepted else {}
        )

    def generation(self, language: str) -> GenerateConfig:
        """Return how problems are asked in one programming language."""
        return GenerateConfig(
            **self._shared,
            language=Language(language),
            samples=self.samples,
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            thinking_budget=self.thinking_budget or None,
            extra=self.extra,
            tokenizer=Path(self.tokenizer) if self.tokenizer else None,
            max_prompt_tokens=self.max_prompt_tokens or None,
        )
