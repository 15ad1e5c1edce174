"""The Trainer of transformers with our loss: a sum over the whole optimizer step, divided by its weights, task by task.

Only what transformers documents for subclasses is overridden: ``get_batch_samples`` counts, ``compute_loss`` divides,
``log`` adds the task losses, ``save_model`` writes. Torch code: imported where it is used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import torch  # noqa: TID253 - see above
from safetensors.torch import save_file
from torch import Tensor  # noqa: TID253
from transformers import (  # noqa: TID253
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from ocr_pipeline.console import Progress
from ocr_pipeline.student.config import Objective, Precision, TrainConfig
from ocr_pipeline.student.encoding import Collator, Pack
from ocr_pipeline.student.network import Network, joint_loss, task_weights

__all__ = ["COMPLETE", "StudentTrainer"]

COMPLETE: Final = "complete"
"""Marks a checkpoint that was written to its end: a run that dies while it writes one does not resume from it."""
WEIGHTS_FILE: Final = "model.safetensors"
LEAST_WEIGHT: Final = 1e-12  # a step without targets of one task has a loss of 0 for it


class StudentTrainer(Trainer):
    """Trains a network on packs."""

    loss_is_scaled_for_ga = True  # by the weights of all micro-steps of an optimizer step

    def __init__(
        self,
        network: Network,
        packs: Sequence[Pack],
        config: TrainConfig,
        folder: Path,
        *,
        pad_token_id: int,
        progress: Progress,
    ) -> None:
        """Prepare a run whose checkpoints go into ``folder``."""
        super().__init__(
            model=network,
            args=_arguments(config, folder),
            train_dataset=cast("Any", list(packs)),  # any sequence will do
            data_collator=Collator(pad_token_id),
            callbacks=[_Report(progress)],
        )
        self.remove_callback(PrinterCallback)
        self.config = config
        self.task_losses = torch.zeros(2, dtype=torch.float64)
        self.task_steps = 0

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], Tensor]:
        """Return the micro-batches of one optimizer step, and the weights of its code and plan targets."""
        batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        self.task_steps += 1
        weights = sum((task_weights(batch) for batch in batches), start=torch.zeros(2)).to(device)
        return batches, cast("Tensor", self.accelerator.reduce(weights, reduction="sum"))

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,  # noqa: FBT001, FBT002 - the Trainer's signature
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:  # noqa: ANN401 - the Trainer's signature
        """Return the share of one micro-batch in the loss of its optimizer step."""
        del return_outputs
        weights = cast("Tensor", num_items_in_batch)  # of get_batch_samples
        world = self.accelerator.num_processes  # gradients are averaged over processes, the sums must not be
        sums = model(**inputs)
        code, plan = sums / weights.clamp(min=LEAST_WEIGHT) * world
        self.task_losses += torch.stack([code, plan]).detach().double().cpu()
        if self.config.objective is Objective.JOINT:
            return joint_loss(code, plan, self.config.plan_weight)
        return sums.sum() / weights.sum() * world

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the mean losses of both tasks since the point before."""
        if "loss" in logs:
            means = self.accelerator.reduce(self.task_losses.to(self.args.device), "mean") / max(self.task_steps, 1)
            logs |= {"code_loss": float(means[0]), "plan_loss": float(means[1])}
            self.task_losses, self.task_steps = torch.zeros(2, dtype=torch.float64), 0
        super().log(logs, start_time)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:  # noqa: FBT001, FBT002
        """Write the whole weights, gathered from wherever they are."""
        weights = self.accelerator.get_state_dict(self.model_wrapped)
        if self.args.should_save:
            folder = Path(output_dir or self.args.output_dir or "")
            folder.mkdir(parents=True, exist_ok=True)
            save_file(_each_once(weights), folder / WEIGHTS_FILE, {"format": "pt"})


class _Report(TrainerCallback):
    """Moves the progress bar, and marks checkpoints that are whole."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        del args, state, control
        self.progress.advance(1)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        del control
        if args.should_save:
            (Path(args.output_dir or "") / f"checkpoint-{state.global_step}" / COMPLETE).touch()


def _arguments(config: TrainConfig, folder: Path) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=config.batch_rows,
        gradient_accumulation_steps=config.micro_steps(int(os.environ.get("WORLD_SIZE", "1"))),
        num_train_epochs=config.epochs,
        max_steps=-1 if config.max_steps is None else config.max_steps,
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=config.warmup_share,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        optim="adamw_torch",
        bf16=config.precision is Precision.BFLOAT16,
        logging_steps=config.log_every_steps,
        logging_nan_inf_filter=False,
        save_steps=config.save_every_steps,
        save_total_limit=2,
        seed=config.seed,
        data_seed=config.seed,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        report_to="none",
        disable_tqdm=True,
        use_cpu=not torch.cuda.is_available(),
    )


def _each_once(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave out tensors that have two names, such as tied embeddings: the file format refuses them."""
    seen: set[int] = set()
    kept = {}
    for name, tensor in weights.items():
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            kept[name] = tensor.contiguous()
    return kept
