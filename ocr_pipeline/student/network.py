"""The student's network: a causal language model, with or without a plan head, and the summed losses of a batch.

The logits of the target tokens are made in chunks and thrown away, so that a context of 32k fits. What the losses are
divided by is here too (:func:`task_weights`); how they are minimised is in ``trainer``. This is torch code: it is
imported where it is used, never when the library is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch  # noqa: TID253 - see above
from torch import Tensor, nn  # noqa: TID253
from torch.nn.functional import cross_entropy  # noqa: TID253
from torch.utils.checkpoint import checkpoint  # noqa: TID253

from ocr_pipeline.student.encoding import IGNORED

__all__ = ["Network", "copied_head", "joint_loss", "task_weights"]


class Network(nn.Module):
    """A language model and its heads; ``forward`` takes the tensors of a :class:`~.encoding.Collator`."""

    def __init__(self, language_model: nn.Module, *, plan_head: bool, chunk_tokens: int) -> None:
        """Wrap a transformers or a peft model; the plan head starts as a copy of the language-model head."""
        super().__init__()
        self.language_model = language_model
        self.chunk_tokens = chunk_tokens
        self.plan_head = copied_head(self._model.get_output_embeddings()) if plan_head else None

    def forward(
        self,
        input_ids: Tensor,
        position_ids: Tensor,
        labels: Tensor,
        is_plan: Tensor,
        token_weights: Tensor,
    ) -> Tensor:
        """Return the weighted sums of the cross entropy of the code targets and of the plan targets."""
        # The rows of a pack are told apart by their positions, which works only without a mask and without the
        # cache. Padding needs no mask: it is on the right, where no target sees it.
        trunk = self._model.get_decoder()
        hidden = trunk(input_ids=input_ids, position_ids=position_ids, use_cache=False).last_hidden_state[:, :-1]
        targets, weights, plans = labels[:, 1:], token_weights[:, 1:].float(), is_plan[:, 1:]
        code_head: nn.Module = self._model.get_output_embeddings()
        heads = ((~plans, code_head), (plans, self.plan_head or code_head))
        sums = []
        for task, head in heads:
            wanted = (targets != IGNORED) & task
            sums.append(self._summed_loss(head, hidden[wanted], targets[wanted], weights[wanted]))
        return torch.stack(sums)

    @property
    def _model(self) -> Any:  # noqa: ANN401 - a transformers model, below adapters where there are some
        model: Any = self.language_model
        return model.get_base_model() if hasattr(model, "peft_config") else model

    def _summed_loss(self, head: nn.Module, states: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        if len(states) <= self.chunk_tokens:
            return _weighted_loss(head, states, labels, weights)
        total = states.new_zeros((), dtype=torch.float32)
        parts = (each.split(self.chunk_tokens) for each in (states, labels, weights))  # type: ignore[no-untyped-call]
        for part in zip(*parts, strict=True):
            total = total + cast("Tensor", checkpoint(_weighted_loss, head, *part, use_reentrant=False))
        return total


def _weighted_loss(head: nn.Module, states: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    return (cross_entropy(head(states).float(), labels, reduction="none") * weights).sum()


def task_weights(batch: Mapping[str, Tensor]) -> Tensor:
    """Return the summed weights of the code targets and of the plan targets; the first token is never a target."""
    weights = batch["token_weights"][:, 1:] * (batch["labels"][:, 1:] != IGNORED)
    plan = (weights * batch["is_plan"][:, 1:]).sum()
    return torch.stack([weights.sum() - plan, plan])


def joint_loss(code: Tensor, plan: Tensor, plan_weight: float) -> Tensor:
    """Return (1-λ)·code + λ·plan."""
    return (1 - plan_weight) * code + plan_weight * plan


def copied_head(head: nn.Linear) -> nn.Linear:
    """Return an output layer with the same weights, of its own."""
    copy = nn.Linear(head.in_features, head.out_features, bias=False)
    copy.to(dtype=head.weight.dtype, device=head.weight.device)
    with torch.no_grad():
        copy.weight.copy_(head.weight)
    return copy
