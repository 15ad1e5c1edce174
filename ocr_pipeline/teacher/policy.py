"""How many samples a problem gets and how long the teacher may think about it.

Easy problems are answered in few tokens, so a cap that is right for hard ones lets easy ones loop; hard ones profit
from more samples. The rule is a table, not a model, and every number that follows from it is in the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

__all__ = ["DEFAULT_POLICY", "Fixed", "Policy", "Subject", "UntilAccepted"]

EASY_RATING: Final = 1400
HARD_RATING: Final = 2000
EASY_WORDS: Final = frozenset({"easy", "introductory"})
HARD_WORDS: Final = frozenset({"hard", "very_hard", "competition", "harder", "hardest"})


@dataclass(frozen=True, slots=True)
class Subject:
    """What a policy may look at."""

    problem_id: str
    rating: int | None = None
    difficulty: str | None = None

    @property
    def is_easy(self) -> bool:
        """Rated below 1400, or called easy where there is no rating."""
        return self.rating < EASY_RATING if self.rating else (self.difficulty or "").lower() in EASY_WORDS

    @property
    def is_hard(self) -> bool:
        """Rated 2000 or more, or called hard where there is no rating."""
        return self.rating >= HARD_RATING if self.rating else (self.difficulty or "").lower() in HARD_WORDS


class Policy(Protocol):
    """Decides from the problem, and from what is known about its answers."""

    def samples(self, subject: Subject, samples: int) -> int:
        """Return how many samples the problem gets, where ``samples`` are configured."""

    def thinking_budget(self, subject: Subject, budget: int | None) -> int | None:
        """Return the most tokens of reasoning, where ``budget`` is configured."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same for every problem."""

    def samples(self, subject: Subject, samples: int) -> int:
        """Return what is configured."""
        del subject
        return samples

    def thinking_budget(self, subject: Subject, budget: int | None) -> int | None:
        """Return what is configured."""
        del subject
        return budget


@dataclass(frozen=True, slots=True)
class UntilAccepted:
    """Goes on with a problem until enough of its answers were accepted; hard ones get more tries and longer thought.

    Parameters
    ----------
    accepted
        Accepted answers so far, by problem; from ``executions``.
    asked
        Judged samples so far, by problem; a problem that was never judged gets the configured number.
    enough
        Accepted answers after which no more are asked.
    most
        Samples after which an unsolved problem is given up; twice as many for hard ones.

    Notes
    -----
    Samples are numbered from 0, so a larger number keeps the earlier ones: the ledger reuses them. A problem that has
    enough keeps what it has. The thinking budget is half for easy problems and whole for all others.
    """

    accepted: Mapping[str, int] = field(default_factory=dict)
    asked: Mapping[str, int] = field(default_factory=dict)
    enough: int = 1
    most: int = 16

    def samples(self, subject: Subject, samples: int) -> int:
        """Return what there is when it is enough, else one more round."""
        so_far = self.asked.get(subject.problem_id, 0)
        if so_far == 0:
            return samples
        if self.accepted.get(subject.problem_id, 0) >= self.enough:
            return so_far
        most = 2 * self.most if subject.is_hard else self.most
        return max(so_far, min(so_far + samples, most))

    def thinking_budget(self, subject: Subject, budget: int | None) -> int | None:
        """Return half for easy problems."""
        return budget // 2 if budget is not None and subject.is_easy else budget


DEFAULT_POLICY: Final[Policy] = Fixed()
