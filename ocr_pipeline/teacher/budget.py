"""Hard caps on what a teacher may cost, and the running account against them.

A cap counts what the ledger already holds for the same requests: a run that is retried does not get its budget
again, and the same configuration ends at the same place. Time is counted per run. What is in flight is reserved at
its largest possible size, so a cap is never passed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ocr_pipeline.errors import BudgetError
from ocr_pipeline.teacher.reply import Usage

__all__ = ["NO_CAPS", "Account", "Budget"]

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Budget:
    """Caps; what is ``None`` is not capped. Prices are per million tokens, in any one currency."""

    max_requests: int | None = None
    max_tokens: int | None = None
    max_time_s: float | None = None
    max_cost: float | None = None
    prompt_price: float | None = None
    completion_price: float | None = None

    def __post_init__(self) -> None:
        """Refuse caps that cannot be kept.

        Raises
        ------
        BudgetError
            When a cap is negative, or money is capped without prices.
        """
        for name in ("max_requests", "max_tokens", "max_time_s", "max_cost"):
            value = getattr(self, name)
            if value is not None and value < 0:
                message = f"{name} is {value}; give a number of at least 0, or leave it out for no cap"
                raise BudgetError(message)
        if self.max_cost is not None and self.prompt_price is None and self.completion_price is None:
            message = f"max_cost is {self.max_cost}, but no price is known; give prompt_price and completion_price per million tokens"
            raise BudgetError(message)

    @property
    def counts_spending(self) -> bool:
        """Whether what was paid before matters."""
        return any(cap is not None for cap in (self.max_requests, self.max_tokens, self.max_cost))

    def cost(self, usage: Usage) -> float:
        """Return the price of these tokens."""
        prompt = (usage.prompt_tokens or 0) * (self.prompt_price or 0.0)
        return (prompt + (usage.completion_tokens or 0) * (self.completion_price or 0.0)) / MILLION


NO_CAPS: Final = Budget()


class Account:
    """What has been spent and what is reserved, against a budget."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.requests = 0
        self.tokens = 0
        self.cost = 0.0
        self._reserved_requests = 0
        self._reserved_tokens = 0
        self._reserved_cost = 0.0

    def spend(self, usage: Usage) -> None:
        """Book one answer."""
        self.requests += 1
        self.tokens += usage.tokens
        self.cost += self.budget.cost(usage)

    def exhausted_by(self, largest: Usage) -> str | None:
        """Return the cap that forbids one more request even if nothing else were in flight, else ``None``."""
        return self._passed(largest, 0, 0, 0.0)

    def has_room(self, largest: Usage) -> bool:
        """Whether one more request fits, with everything in flight at its largest."""
        return self._passed(largest, self._reserved_requests, self._reserved_tokens, self._reserved_cost) is None

    def reserve(self, largest: Usage) -> None:
        """Set room aside for a request that is sent."""
        self._reserved_requests += 1
        self._reserved_tokens += largest.tokens
        self._reserved_cost += self.budget.cost(largest)

    def release(self, largest: Usage) -> None:
        """Give back the room of a request that came back."""
        self._reserved_requests -= 1
        self._reserved_tokens -= largest.tokens
        self._reserved_cost -= self.budget.cost(largest)

    def _passed(self, largest: Usage, requests: int, tokens: int, cost: float) -> str | None:
        caps = self.budget
        if caps.max_requests is not None and self.requests + requests + 1 > caps.max_requests:
            return f"max_requests {caps.max_requests}"
        if caps.max_tokens is not None and self.tokens + tokens + largest.tokens > caps.max_tokens:
            return f"max_tokens {caps.max_tokens}"
        if caps.max_cost is not None and self.cost + cost + caps.cost(largest) > caps.max_cost + 1e-9:
            return f"max_cost {caps.max_cost:g}"
        return None
