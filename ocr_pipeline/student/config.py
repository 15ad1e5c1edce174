"""How a student is trained: the objectives, the published recipes, and a tiny one for the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Self

from pydantic import model_validator

from ocr_pipeline.errors import InputError
from ocr_pipeline.options import Options, option, optional
from ocr_pipeline.tables import Language
from ocr_pipeline.tasks import CODEPLAN, Wording, wording

__all__ = [
    "PRESETS",
    "Heads",
    "Objective",
    "Precision",
    "Preset",
    "StudentOptions",
    "TinyShape",
    "TrainConfig",
    "preset",
]


class Preset(StrEnum):
    """A named recipe."""

    TINY = "tiny"
    QWEN_7B = "qwen2.5-7b"
    QWEN_14B = "qwen2.5-14b"
    QWEN_32B = "qwen2.5-32b"
    QWEN_7B_BASE = "qwen2.5-7b-base"
    QWEN_14B_BASE = "qwen2.5-14b-base"
    QWEN_32B_BASE = "qwen2.5-32b-base"


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


class TinyShape(Options):
    """A Qwen2 that is made here, with a tokenizer learned from the training rows: nothing is downloaded."""

    hidden: int = option(128, "Width of the tiny model", ge=1)
    layers: int = option(2, "Layers of the tiny model", ge=1)
    heads: int = option(4, "Attention heads of the tiny model", ge=1)
    vocabulary: int = option(1_024, "Tokens of the tiny model's vocabulary", ge=1)


class TrainConfig(Options):
    """Everything that affects the weights, given the rows."""

    base_model: str | None = option(None, "Hub id, folder or GGUF file; none makes the tiny model")
    revision: str | None = option(None, "Revision of the base model")
    tiny: TinyShape = option(TinyShape(), "Shape of the tiny model")
    objective: Objective = option(Objective.SFT, "What is minimised: sft on all rows alike, or joint on code and plans")
    heads: Heads = option(Heads.SHARED, "One output layer for both tasks, or a plan head")
    plan_weight: float = option(0.5, "λ of the joint objective", ge=0, le=1, also="lambda")
    learning_rate: float = option(5e-5, "Highest learning rate", gt=0)
    warmup_share: float = option(0.05, "Share of the steps that warm up", ge=0, le=1)
    weight_decay: float = option(0.0, "Weight decay of AdamW", ge=0)
    max_grad_norm: float = option(1.0, "Norm that gradients are clipped to", gt=0)
    epochs: float = option(3.0, "Times that every row is seen", gt=0)
    max_steps: int | None = option(None, "Optimizer steps at most; none: as many as the epochs have", ge=1)
    batch_rows: int = option(1, "Rows, or packs, per device and micro-step", ge=1)
    accumulation: int = option(1, "Micro-steps per optimizer step", ge=1)
    global_batch: int | None = option(
        None,
        "Rows, or packs, per optimizer step over all devices: the accumulation follows; none: accumulation says it",
        ge=1,
    )
    max_tokens: int = option(
        32_768, "Longest row, and length of a pack; longer rows are dropped and counted, never cut", unit="tokens", ge=1
    )
    packing: bool = option(True, "Put several rows into one sequence; none sees another")
    precision: Precision = option(Precision.BFLOAT16, "Number format of the forward and backward pass")
    gradient_checkpointing: bool = option(True, "Compute activations again instead of keeping them")
    lora_rank: int | None = option(None, "Train LoRA adapters of this rank instead of all weights", ge=1)
    attention: str = option(
        "sdpa", "Attention implementation of transformers; flex_attention is faster for long packs on a GPU"
    )
    end_token: str | None = option(
        None, "Token that ends an answer, where the tokenizer's own does not (<|im_end|> for base models)"
    )
    loss_chunk_tokens: int = option(
        4_096,
        "Target tokens whose logits are in memory at once: 32k of Qwen2.5's 152k logits would be 20 GB in float32",
        unit="tokens",
        ge=1,
    )
    save_every_steps: int = option(200, "Steps between checkpoints", ge=1)
    log_every_steps: int = option(10, "Steps between points of the loss curve", ge=1)
    seed: int = option(0, "Seed of weights and order")

    @model_validator(mode="after")
    def _plan_head_needs_plans(self) -> Self:
        if self.heads is Heads.PLAN_HEAD and self.objective is not Objective.JOINT:
            message = "heads plan_head needs objective joint: a plan head is trained by the joint objective only"
            raise ValueError(message)
        if self.global_batch is not None and self.accumulation != 1:
            message = f"accumulation is {self.accumulation}, but global_batch decides it; give one of them"
            raise ValueError(message)
        return self

    def micro_steps(self, devices: int) -> int:
        """Return the micro-steps of an optimizer step on so many devices.

        Raises
        ------
        InputError
            When the global batch is not a whole number of them.
        """
        if self.global_batch is None:
            return self.accumulation
        together = devices * self.batch_rows
        if self.global_batch % together:
            message = (
                f"global_batch {self.global_batch} is not a multiple of {devices} devices x {self.batch_rows} rows; "
                "give another batch_rows or another number of devices"
            )
            raise InputError(message)
        return self.global_batch // together


# OpenCodeReasoning: AdamW, 5e-5, cosine, 5 % warm-up, BF16, 32k, packing, 256 rows per step (arXiv 2504.01943 and
# 2507.09075).
_PUBLISHED: Final = TrainConfig(
    learning_rate=5e-5,
    warmup_share=0.05,
    epochs=3.0,
    end_token="<|im_end|>",  # noqa: S106 - a token of text
    global_batch=256,
)
SIZES: Final = ("7b", "14b", "32b")

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
        **{
            f"qwen2.5-{size}": _PUBLISHED.replaced(base_model=f"Qwen/Qwen2.5-{size.upper()}-Instruct") for size in SIZES
        },
        **{f"qwen2.5-{size}-base": _PUBLISHED.replaced(base_model=f"Qwen/Qwen2.5-{size.upper()}") for size in SIZES},
    }
)
"""Named recipes; ``replaced`` changes what a run needs."""


Changes: Any = optional(TrainConfig, without={"tiny"})


class StudentOptions(Changes):  # type: ignore[misc] # made from TrainConfig, so that nothing is declared twice
    """A recipe and what is changed of it."""

    preset: Preset = option(Preset.TINY, "Recipe: the tiny one for a CPU, or a published one")
    prompt: str = option(
        CODEPLAN.name,
        "Words in which rows of sft_dataset ask: codeplan, opencodereasoning, statement, or a file; they are written "
        "beside the weights",
    )
    languages: tuple[Language, ...] = option(
        (), "Only programs in this language, again for each; plans stay; none: all", also="language"
    )

    @property
    def wording(self) -> Wording:
        """The words that are named."""
        return wording(self.prompt)

    @property
    def recipe(self) -> TrainConfig:
        """The recipe with the changes; an unknown combination is refused."""
        given = {name: getattr(self, name) for name in Changes.model_fields}
        return preset(self.preset).replaced(**{name: value for name, value in given.items() if value is not None})


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
