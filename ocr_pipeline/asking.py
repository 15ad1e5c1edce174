"""How a language model is reached, asked and paid: the options of everything that asks one.

::

    Connection      where the servers are
    ManagedServer   how a server is started here
    Budget          hard caps and prices
    └── Pace        how many at a time, how long to wait
        └── Asking  which model

What is asked is the business of each step; how it is sent, of the teacher's client.
"""

from __future__ import annotations

from typing import Final, Self

from pydantic import model_validator

from ocr_pipeline.options import Options, option

__all__ = ["Asking", "Budget", "Connection", "ManagedServer", "Pace"]

MILLION: Final = 1_000_000
RECORDED_TEACHER: Final = "replay/sample"


class Connection(Options):
    """Where the teacher's servers are."""

    urls: tuple[str, ...] = option(
        (),
        "Base URL of an OpenAI-compatible server, again for each equal one; none: the recorded teacher",
        environment="OCR_PIPELINE_TEACHER_URL",
        affects_output=False,
        also="url",
    )
    api_key_env: str | None = option(
        None,
        "Environment variable that holds the key, which is never stored",
        affects_output=False,
        environment="OCR_PIPELINE_TEACHER_KEY_ENV",
    )


class ManagedServer(Options):
    """A vLLM server that is started for the run and stopped at its end."""

    managed_vllm: bool = option(False, "Start vLLM with the model, and stop it at the end", affects_output=False)
    vllm_command: tuple[str, ...] = option(
        ("vllm", "serve"), "How vLLM is started: an environment, a container", affects_output=False
    )
    vllm_arguments: tuple[str, ...] = option(
        (), "More arguments of vLLM, such as --max-model-len=32768", affects_output=False
    )
    tensor_parallel: int = option(1, "GPUs that share one model", ge=1, affects_output=False)


class Budget(Options):
    """Hard caps on what a teacher may cost; ``None`` is no cap, 0 asks nothing. Prices are in any one currency."""

    budget_requests: int | None = option(
        None,
        "Cap on answers, earlier runs included",
        unit="requests",
        ge=0,
        also="max_requests",
        environment="OCR_PIPELINE_BUDGET_REQUESTS",
    )
    budget_tokens: int | None = option(
        None,
        "Cap on tokens, earlier runs included",
        unit="tokens",
        ge=0,
        also="max_total_tokens",
        environment="OCR_PIPELINE_BUDGET_TOKENS",
    )
    budget_time_s: float | None = option(
        None, "Cap on the time of one run and partition", unit="seconds", ge=0, also="max_time"
    )
    budget_cost: float | None = option(
        None,
        "Cap on money, earlier runs included",
        unit="currency",
        ge=0,
        also="max_cost",
        environment="OCR_PIPELINE_BUDGET_COST",
    )
    prompt_price: float | None = option(
        None, "Price of a million prompt tokens", unit="currency", ge=0, environment="OCR_PIPELINE_PROMPT_PRICE"
    )
    completion_price: float | None = option(
        None, "Price of a million completion tokens", unit="currency", ge=0, environment="OCR_PIPELINE_COMPLETION_PRICE"
    )

    @model_validator(mode="after")
    def _knows_prices(self) -> Self:
        if self.budget_cost is not None and self.prompt_price is None and self.completion_price is None:
            message = (
                f"budget_cost is {self.budget_cost:g}, but no price is known; give prompt_price and completion_price"
            )
            raise ValueError(message)
        return self

    @property
    def counts_spending(self) -> bool:
        """Whether what was paid before matters."""
        return any(cap is not None for cap in (self.budget_requests, self.budget_tokens, self.budget_cost))

    @property
    def has_price(self) -> bool:
        """Whether cost can be told."""
        return self.prompt_price is not None or self.completion_price is not None

    def cost(self, prompt_tokens: int | None, completion_tokens: int | None) -> float:
        """Return the price of these tokens."""
        prompt = (prompt_tokens or 0) * (self.prompt_price or 0.0)
        return (prompt + (completion_tokens or 0) * (self.completion_price or 0.0)) / MILLION


class Pace(Budget):
    """How many requests at a time, how long to wait, and at what cost; the same for every step that asks a model."""

    accept_models: tuple[str, ...] = option(
        (),
        "Another name under which the server may answer, such as a dated alias",
        affects_output=False,
        also="accept_model",
    )
    rename: tuple[str, ...] = option(
        (),
        "Field of the request under another name, such as max_tokens=max_completion_tokens; keys stay as they are",
        affects_output=False,
    )
    leave_out: tuple[str, ...] = option(
        (), "Field of the request that is not sent, such as seed; keys stay as they are", affects_output=False
    )
    retry_failed: bool = option(False, "Ask again what failed for good, too", affects_output=False)
    window: int = option(256, "Requests in flight", ge=1, affects_output=False)
    deadline_s: float = option(
        3600.0, "Longest wait for one answer", unit="seconds", gt=0, affects_output=False, also="deadline"
    )
    max_attempts: int = option(8, "Tries of one request that the server failed", ge=1, affects_output=False)
    patience_s: float = option(
        900.0, "How long all servers may be down together", unit="seconds", ge=0, affects_output=False
    )
    lock_timeout_s: float = option(
        600.0,
        "How long to wait until another run lets go of the ledger",
        unit="seconds",
        ge=0,
        affects_output=False,
    )

    @model_validator(mode="after")
    def _renames_are_pairs(self) -> Self:
        wrong = [pair for pair in self.rename if not all(pair.partition("="))]
        if wrong:
            message = f"rename must be NAME=OTHER, got `{wrong[0]}`"
            raise ValueError(message)
        return self

    @property
    def sent_as(self) -> dict[str, str | None]:
        """Under which name a field is sent; ``None``: not at all."""
        names: dict[str, str | None] = dict.fromkeys(self.leave_out)
        return names | {name: other for name, _, other in (pair.partition("=") for pair in self.rename)}


class Asking(Pace):
    """Which model is asked, and how."""

    model: str = option(
        RECORDED_TEACHER, "Name of the model as the server knows it", environment="OCR_PIPELINE_TEACHER_MODEL"
    )
    revision: str | None = option(None, "Revision that is served; part of every request's identity")
