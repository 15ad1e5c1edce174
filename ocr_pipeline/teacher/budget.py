"""The running account against the hard caps on what a teacher may cost.

A cap counts what the ledger already holds for the same requests: a run that is retried does not get its budget
again, and the same configuration ends at the same place. Time is counted per run. What is in flight is reserved at
its largest possible size, so a cap is never passed.
"""

from __future__ import annotations

from ocr_pipeline.asking import Budget
from ocr_pipeline.teacher.reply import Usage

__all__ = ["Account"]


class Account:
    """What has been spent and what is reserved, against a budget.

    Parameters
    ----------
    budget
        The caps, and the prices of the teacher that is asked.
    before
        The account of another teacher of the same run: the caps count what that one cost, at its own prices.
    """

    def __init__(self, budget: Budget, before: Account | None = None) -> None:
        self.budget = budget
        self.requests: int = before.requests if before else 0
        self.tokens: int = before.tokens if before else 0
        self.cost: float = before.cost if before else 0.0
        self._reserved_requests = 0
        self._reserved_tokens = 0
        self._reserved_cost = 0.0

    def spend(self, usage: Usage) -> None:
        """Book one answer."""
        self.requests += 1
        self.tokens += usage.tokens
        self.cost += self.budget.cost(usage.prompt_tokens, usage.completion_tokens)

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
        self._reserved_cost += self.budget.cost(largest.prompt_tokens, largest.completion_tokens)

    def release(self, largest: Usage) -> None:
        """Give back the room of a request that came back."""
        self._reserved_requests -= 1
        self._reserved_tokens -= largest.tokens
        self._reserved_cost -= self.budget.cost(largest.prompt_tokens, largest.completion_tokens)

    def _passed(self, largest: Usage, requests: int, tokens: int, cost: float) -> str | None:
        caps = self.budget
        if caps.budget_requests is not None and self.requests + requests + 1 > caps.budget_requests:
            return f"budget_requests {caps.budget_requests}"
        if caps.budget_tokens is not None and self.tokens + tokens + largest.tokens > caps.budget_tokens:
            return f"budget_tokens {caps.budget_tokens}"
        if (
            caps.budget_cost is not None
            and self.cost + cost + caps.cost(largest.prompt_tokens, largest.completion_tokens) > caps.budget_cost + 1e-9
        ):
            return f"budget_cost {caps.budget_cost:g}"
        return None
