"""A ranker in the manner of CodeRanker (arXiv 2206.03865): learns from the judge's verdicts which programs fail, and how.

The labels are fault classes, not just right and wrong, because they come free from the judge and teach more. ``linear`` is
a multinomial logistic regression on hashed word sequences of the program and on the words it shares with its statement:
small enough for any CPU. Every other name is an encoder as in the paper, fine-tuned by ``encoder_ranker``.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from ocr_pipeline.errors import TrainingError
from ocr_pipeline.hub import require_reachable
from ocr_pipeline.tables import ACCEPTED, NOT_RUN

if TYPE_CHECKING:
    import torch

__all__ = ["LINEAR", "LabelledProgram", "Ranker", "RankerConfig", "require_ranker", "train_ranker"]

LINEAR: Final = "linear"
WORD: Final = re.compile(r"[A-Za-z_]\w*|\d+|[^\s\w]")
BUCKETS: Final = 1 << 13
LONGEST_SEQUENCE: Final = 3
STEPS: Final = 200
LEARNING_RATE: Final = 0.05
WEIGHT_DECAY: Final = 1e-3


@dataclass(frozen=True, slots=True)
class LabelledProgram:
    """A program for a statement, and the judge's verdict on it."""

    statement: str
    code: str
    verdict: str
    problem_id: str | None = None
    """``None``: the statement alone says which problem it is."""

    @property
    def problem(self) -> tuple[str, str]:
        """Id and statement."""
        return self.statement if self.problem_id is None else self.problem_id, self.statement

    @property
    def words(self) -> tuple[str, ...]:
        """The program as a ranker tells it from others: without its layout."""
        return tuple(WORD.findall(self.code))


@dataclass(frozen=True, slots=True)
class RankerConfig:
    """What ranks, and how it is trained; all but the model and the seed concerns encoders."""

    model: str = LINEAR
    """``linear``, or hub id or folder of any model that transformers reads as a sequence classifier."""
    epochs: int = 30
    learning_rate: float = 1e-4
    batch_rows: int = 16
    max_tokens: int = 512
    """Statement and program together; the longer of the two is cut first. Epochs, rate and length are the paper's."""
    seed: int = 0


class Ranker(Protocol):
    """Gives the probability that a program is right."""

    def scores(self, programs: Sequence[tuple[str, str]]) -> list[float]:
        """Return P(accepted) of each (statement, code)."""


def require_ranker(config: RankerConfig) -> None:
    """Fail at once where the encoder cannot be there, before answers are paid for.

    Raises
    ------
    ModelError
        When it is neither a folder nor in reach.
    """
    if config.model != LINEAR:
        require_reachable(config.model, what="ranker")


def train_ranker(programs: Sequence[LabelledProgram], config: RankerConfig = RankerConfig()) -> Ranker:
    """Train on judged programs; what was not run teaches nothing.

    Raises
    ------
    TrainingError
        When there is nothing to tell apart.
    ModelError
        When the encoder cannot be loaded.
    """
    judged = [program for program in programs if program.verdict != NOT_RUN]
    classes = tuple(sorted({program.verdict for program in judged}))
    if ACCEPTED not in classes or len(classes) == 1:
        raise TrainingError(
            f"the ranker needs right and wrong programs, these are all {', '.join(classes) or 'unjudged'}"
        )
    require_ranker(config)
    if config.model == LINEAR:
        return _train_linear(judged, classes, config.seed)
    from ocr_pipeline.student.encoder_ranker import train_encoder

    return train_encoder(judged, classes, config)


@dataclass(frozen=True, slots=True)
class _LinearRanker:
    classes: tuple[str, ...]
    weights: Any
    """Tensor of shape (buckets, classes)."""
    bias: Any
    """Tensor of shape (classes,)."""

    def scores(self, programs: Sequence[tuple[str, str]]) -> list[float]:
        """Return P(accepted) of each (statement, code)."""
        import torch

        if not programs:
            return []
        features = torch.stack([_features(statement, code) for statement, code in programs])
        shares = (features @ self.weights + self.bias).softmax(dim=1)
        return [float(share) for share in shares[:, self.classes.index(ACCEPTED)]]


def _train_linear(judged: Sequence[LabelledProgram], classes: tuple[str, ...], seed: int) -> _LinearRanker:
    import torch

    torch.manual_seed(seed)
    features = torch.stack([_features(program.statement, program.code) for program in judged])
    labels = torch.tensor([classes.index(program.verdict) for program in judged])
    layer = torch.nn.Linear(BUCKETS, len(classes))
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    for _ in range(STEPS):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(layer(features), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return _LinearRanker(classes, layer.weight.detach().T.contiguous(), layer.bias.detach())


def _features(statement: str, code: str) -> torch.Tensor:
    import torch

    words = WORD.findall(code)
    counts: Counter[int] = Counter()
    for length in range(1, LONGEST_SEQUENCE + 1):
        counts.update(_bucket(*words[start : start + length]) for start in range(len(words) - length + 1))
    counts.update(_bucket("shared", word) for word in set(words) & set(WORD.findall(statement)))
    vector = torch.zeros(BUCKETS)
    for bucket, count in counts.items():
        vector[bucket] = count
    normalized: torch.Tensor = vector.sign() / max(float(vector.sign().sum()) ** 0.5, 1.0)
    return normalized


def _bucket(*words: str) -> int:
    return int.from_bytes(hashlib.blake2b("\0".join(words).encode(), digest_size=4).digest(), "big") % BUCKETS
