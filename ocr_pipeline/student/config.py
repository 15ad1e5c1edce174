"""How a student is trained: the objectives, the published recipes, and a tiny one for the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from ocr_pipeline.errors import InputError

__all__ = ["PRESETS", "Heads", "Objective", "Precision", "TinyShape", "TrainConfig", "preset"]


class Objective(StrEnum):
    """What is minimised."""

    SFT = "sft"
    """The mean over all target tokens, whatever their task: the first paper's (arXiv 2504.01943)."""
    JOINT = "joint"
    """(1-λ)·code + λ·plan, each the mean over its own target tokens: CodePLAN's (arXiv 2403.13271)."""


class Heads(StrEnum):
    """Which output layer plans go through."""

    SHARED = "shared"
    """The language-model head: one model, told by the prompt which task it is."""
    PLAN_HEAD = "plan_head"
    """A second head that starts as a copy of the first; it writes the plans at inference too."""


class Precision(StrEnum):
    """Number format of the forward and backward pass; the optimizer's is the weights'."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


@dataclass(frozen=True, slots=True)
class TinyShape:
    """A Qwen2 that is made here, with a tokenizer learned from the training rows: nothing is downloaded."""

    hidden: int = 128
    layers: int = 2
    heads: int = 4
    vocabulary: int = 1_024


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Everything that decides the weights, given the rows."""

    base_model: str | None = None
    """Hub id or folder; ``None`` makes the ``tiny`` model."""
    revision: str | None = None
    tiny: TinyShape = TinyShape()
    objective: Objective = Objective.SFT
    heads: Heads = Heads.SHARED
    plan_weight: float = 0.5
    """λ of the joint objective."""
    learning_rate: float = 5e-5
    warmup_share: float = 0.05
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    epochs: float = 3.0
    max_steps: int = -1
    """Optimizer steps; -1: as many as the epochs have."""
    batch_rows: int = 1
    """Rows, or packs, per device and micro-step."""
    accumulation: int = 1
    """Micro-steps per optimizer step."""
    max_tokens: int = 32_768
    """Longest row; longer ones are dropped and counted, never cut. Also the length of a pack."""
    packing: bool = True
    precision: Precision = Precision.BFLOAT16
    gradient_checkpointing: bool = True
    lora_rank: int | None = None
    attention: str = "sdpa"
    end_token: str | None = None
    """Token that ends an answer, where the tokenizer's own is not it (``<|im_end|>`` for base models)."""
    loss_chunk_tokens: int = 4_096
    """Target tokens whose logits stand in memory at once: 32k of Qwen2.5's 152k logits would be 20 GB in float32."""
    save_every_steps: int = 200
    log_every_steps: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that cannot train.

        Raises
        ------
        InputError
            When λ is no share, a count is not positive, or a plan head is asked for without the joint objective.
        """
        if not 0 <= self.plan_weight <= 1:
            raise InputError(f"the plan weight λ is {self.plan_weight}; give a value between 0 and 1")
        for name in ("batch_rows", "accumulation", "max_tokens", "save_every_steps", "log_every_steps"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; give at least 1")
        if self.heads is Heads.PLAN_HEAD and self.objective is not Objective.JOINT:
            raise InputError("a plan head is trained by the joint objective only; add --objective joint")

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for the file beside the weights and for manifests."""
        return asdict(self)


# OpenCodeReasoning: AdamW, 5e-5, cosine, 5 % warm-up, BF16, 32k, packing, 256 rows per step (arXiv 2504.01943 and
# 2507.09075). A step of 256 rows is reached with devices x batch_rows x accumulation; written for 64, 128, 256 devices.
_PUBLISHED: Final = TrainConfig(learning_rate=5e-5, warmup_share=0.05, epochs=3.0, end_token="<|im_end|>")  # noqa: S106 - a token of text

PRESETS: Final[Mapping[str, TrainConfig]] = MappingProxyType(
    {
        "tiny": TrainConfig(
            learning_rate=3e-3,
            epochs=40.0,
            batch_rows=8,
            max_tokens=1_536,
            packing=False,
            precision=Precision.FLOAT32,
            gradient_checkpointing=False,
            save_every_steps=100,
        ),
        "qwen2.5-7b": replace(_PUBLISHED, base_model="Qwen/Qwen2.5-7B-Instruct", accumulation=4),
        "qwen2.5-14b": replace(_PUBLISHED, base_model="Qwen/Qwen2.5-14B-Instruct", accumulation=2),
        "qwen2.5-32b": replace(_PUBLISHED, base_model="Qwen/Qwen2.5-32B-Instruct", accumulation=1),
    }
)
"""Named recipes; ``dataclasses.replace`` changes what a run needs."""


def preset(name: str) -> TrainConfig:
    """Return a named recipe.

    Raises
    ------
    InputError
        When there is none of that name.
    """
    if name not in PRESETS:
        raise InputError(f"no preset `{name}`; there are {', '.join(PRESETS)}")
    return PRESETS[name]
