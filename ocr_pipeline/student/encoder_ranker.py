"""CodeRanker as published (arXiv 2206.03865): an encoder that is fine-tuned to tell the judge's fault classes apart.

It reads the statement and the program as a pair. Any model serves that transformers loads as a sequence classifier:
CodeBERT as in the paper, or another encoder or decoder; its classification head is new.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ocr_pipeline.errors import ModelError
from ocr_pipeline.student.model import keep_quiet
from ocr_pipeline.tables import ACCEPTED

if TYPE_CHECKING:
    import torch

    from ocr_pipeline.student.ranker import LabelledProgram, RankerConfig

__all__ = ["train_encoder"]

SCORED_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True)
class _EncoderRanker:
    classes: tuple[str, ...]
    model: Any
    tokenizer: Any
    max_tokens: int

    def scores(self, programs: Sequence[tuple[str, str]]) -> list[float]:
        """Return P(accepted) of each (statement, code)."""
        import torch

        right, found = self.classes.index(ACCEPTED), []
        with torch.inference_mode():
            for start in range(0, len(programs), SCORED_AT_ONCE):
                shares = self.model(**self.encoded(programs[start : start + SCORED_AT_ONCE])).logits.softmax(dim=1)
                found += [float(share) for share in shares[:, right]]
        return found

    def encoded(self, programs: Sequence[tuple[str, str]]) -> dict[str, torch.Tensor]:
        """Return the batch that the model reads."""
        statements, codes = zip(*programs, strict=True)
        batch: Any = self.tokenizer(
            list(statements),
            list(codes),
            truncation="longest_first",
            max_length=self.max_tokens,
            padding=True,
            return_tensors="pt",
        )
        return dict(batch.to(self.model.device))


def train_encoder(judged: Sequence[LabelledProgram], classes: tuple[str, ...], config: RankerConfig) -> _EncoderRanker:
    """Fine-tune on judged programs of the given classes; the same seed gives the same weights on a CPU.

    Raises
    ------
    ModelError
        When the encoder cannot be loaded.
    """
    import torch

    torch.manual_seed(config.seed)
    ranker = _untrained(classes, config)
    order = random.Random(config.seed)  # noqa: S311 - an order of rows
    optimizer = torch.optim.AdamW(ranker.model.parameters(), lr=config.learning_rate)
    ranker.model.train()
    for _ in range(config.epochs):
        for batch in _batches(judged, config.batch_rows, order):
            inputs = ranker.encoded([(each.statement, each.code) for each in batch])
            labels = torch.tensor([classes.index(each.verdict) for each in batch], device=ranker.model.device)
            torch.nn.functional.cross_entropy(ranker.model(**inputs).logits.float(), labels).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad()
    ranker.model.eval()
    return ranker


def _untrained(classes: tuple[str, ...], config: RankerConfig) -> _EncoderRanker:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    keep_quiet()
    try:
        tokenizer = AutoTokenizer.from_pretrained(config.model)
        model: Any = AutoModelForSequenceClassification.from_pretrained(config.model, num_labels=len(classes))
    except (OSError, ValueError) as error:
        message = f"ranker `{config.model}` cannot be loaded: {str(error).splitlines()[0]}; give linear, a folder or a hub id that this machine can reach"
        raise ModelError(message) from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.config.pad_token_id = tokenizer.pad_token_id
    most = min(config.max_tokens, tokenizer.model_max_length)
    return _EncoderRanker(classes, model.to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer, most)


def _batches(judged: Sequence[LabelledProgram], rows: int, order: random.Random) -> Iterator[list[LabelledProgram]]:
    shuffled = order.sample(judged, len(judged))
    yield from (shuffled[start : start + rows] for start in range(0, len(shuffled), rows))
