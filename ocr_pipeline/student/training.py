"""Trains a student: one door for the plain objective and the joint one, on a CPU or on many GPUs.

The loop, the checkpoints and the devices are the Trainer's (transformers and accelerate); the loss, the rows and the
masks are ours. A run that was killed goes on from its last whole checkpoint and ends in the same weights.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ocr_pipeline.console import SILENT, Progress
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import TrainingError
from ocr_pipeline.store import atomic_write, canonical_json
from ocr_pipeline.student.config import Heads, Objective, Precision, TrainConfig
from ocr_pipeline.student.encoding import IGNORED, Collator, EncodedRow, Pack, encode_rows, pack_rows
from ocr_pipeline.student.model import build_network, keep_quiet, load_base, save_student, single_threaded
from ocr_pipeline.student.rows import TrainingRow

if TYPE_CHECKING:
    import torch

__all__ = ["LossPoint", "TrainResult", "joint_loss", "save_untrained", "train"]

RUN_FILE: Final = "run.json"
COMPLETE: Final = "complete"
"""Marks a checkpoint that was written to its end: a run that dies while it writes one does not resume from it."""
LORA_SCALE: Final = 2


@dataclass(frozen=True, slots=True)
class LossPoint:
    """The mean losses since the point before; ``loss`` is what was minimised."""

    step: int
    loss: float
    code_loss: float
    plan_loss: float
    learning_rate: float


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a training run gave."""

    folder: Path
    counts: StageCounts
    """Of the rows: kept, or dropped as over-length or without text; notes hold rows and target tokens per task."""
    curve: tuple[LossPoint, ...]
    steps: int
    parameters: int
    resumed_from: int
    """Step of the checkpoint that the run went on from; 0 for a fresh one."""


def joint_loss(code: torch.Tensor, plan: torch.Tensor, plan_weight: float) -> torch.Tensor:
    """Return (1-λ)·code + λ·plan."""
    return (1 - plan_weight) * code + plan_weight * plan


def train(
    rows: Iterable[TrainingRow], config: TrainConfig, folder: Path, *, progress: Progress = SILENT
) -> TrainResult:
    """Train a student and write it to ``folder``.

    A folder that holds an unfinished run of the same rows and config is continued.

    Raises
    ------
    TrainingError
        When no row is left, or the folder belongs to a run of other rows or another config.
    ModelError
        When the base model cannot be loaded.
    """
    from transformers import set_seed

    keep_quiet()
    kept = _shuffled(rows, config)
    _claim(folder, config, kept)
    set_seed(config.seed)
    model, tokenizer = load_base(config, (text for row in kept for text in (row.prompt, row.completion)), folder)
    encoded = encode_rows(kept, tokenizer, max_tokens=config.max_tokens)
    if not encoded.rows:
        raise TrainingError(f"no row to train on: {dict(encoded.counts.dropped)}; raise max_tokens or give other rows")
    model = _adapted(model, config)
    network = build_network(model, plan_head=config.heads is Heads.PLAN_HEAD, chunk_tokens=config.loss_chunk_tokens)
    trainer = _trainer(network, _packs(encoded.rows, config), tokenizer.pad_token_id, config, folder, progress)
    checkpoint = _last_checkpoint(folder)
    with _threads(config):
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    result = TrainResult(
        folder=folder,
        counts=encoded.counts,
        curve=tuple(_curve(trainer.state.log_history)),
        steps=trainer.state.global_step,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        resumed_from=_step(checkpoint) if checkpoint else 0,
    )
    if trainer.is_world_process_zero():
        _finish(result, trainer.accelerator.unwrap_model(trainer.model), tokenizer)
    return result


def save_untrained(rows: Iterable[TrainingRow], config: TrainConfig, folder: Path) -> None:
    """Write the student as it is before its first step: what every trained one is compared with."""
    from transformers import set_seed

    keep_quiet()
    set_seed(config.seed)
    texts = (text for row in _shuffled(rows, config) for text in (row.prompt, row.completion))
    model, tokenizer = load_base(config, texts, folder)
    save_student(build_network(model, plan_head=False, chunk_tokens=config.loss_chunk_tokens), tokenizer, folder)


def _shuffled(rows: Iterable[TrainingRow], config: TrainConfig) -> list[TrainingRow]:
    """Put the rows in an order that the seed decides and their order does not."""
    return sorted(rows, key=lambda row: hashlib.sha256(f"{config.seed}:{row.row_id}".encode()).digest())


def _claim(folder: Path, config: TrainConfig, rows: Sequence[TrainingRow]) -> None:
    """Write down what the folder is for, or make sure that it says the same."""
    content = hashlib.sha256()
    for row in rows:
        content.update(canonical_json(asdict(row)).encode() + b"\n")
    wanted = {"config": config.plain(), "rows": len(rows), "rows_sha256": content.hexdigest()}
    file = folder / RUN_FILE
    if file.is_file() and json.loads(file.read_text(encoding="utf-8")) != wanted:
        raise TrainingError(
            f"`{folder}` holds a run of other rows or another config; give another --out or remove the folder"
        )
    with atomic_write(file) as written:
        written.write(f"{json.dumps(wanted, indent=2, sort_keys=True)}\n".encode())


@contextmanager
def _threads(config: TrainConfig) -> Iterator[None]:
    """Give a tiny model one thread."""
    with single_threaded() if config.base_model is None else nullcontext():
        yield


def _adapted(model: Any, config: TrainConfig) -> Any:  # noqa: ANN401 - a transformers or a peft model
    model.config.use_cache = False
    if config.gradient_checkpointing:
        model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    if config.lora_rank is None:
        return model
    from peft import LoraConfig, get_peft_model

    adapter = LoraConfig(
        r=config.lora_rank, lora_alpha=LORA_SCALE * config.lora_rank, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    return get_peft_model(model, adapter)


def _packs(rows: Sequence[EncodedRow], config: TrainConfig) -> list[Pack]:
    if config.packing:
        return pack_rows(rows, max_tokens=config.max_tokens)
    return [Pack((row,)) for row in rows]


def _trainer(
    network: torch.nn.Module,
    packs: Sequence[Pack],
    pad_token_id: int,
    config: TrainConfig,
    folder: Path,
    progress: Progress,
) -> Any:  # noqa: ANN401 - a transformers Trainer
    from transformers import PrinterCallback

    trainer = _trainer_class(config)(
        model=network,
        args=_arguments(config, folder),
        train_dataset=list(packs),
        data_collator=Collator(pad_token_id),
        callbacks=[_report(progress)],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _arguments(config: TrainConfig, folder: Path) -> Any:  # noqa: ANN401 - transformers TrainingArguments
    import torch
    from transformers import TrainingArguments

    return TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=config.batch_rows,
        gradient_accumulation_steps=config.accumulation,
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


def _report(progress: Progress) -> Any:  # noqa: ANN401 - a transformers TrainerCallback
    from transformers import TrainerCallback

    class Report(TrainerCallback):
        """Moves the progress bar, and marks checkpoints that are whole."""

        def on_step_end(self, *_: Any, **__: Any) -> None:
            progress.advance(1)

        def on_save(self, args: Any, state: Any, *_: Any, **__: Any) -> None:  # noqa: ANN401 - the Trainer's arguments
            if args.should_save:
                (Path(args.output_dir) / f"checkpoint-{state.global_step}" / COMPLETE).touch()

    return Report()


def _trainer_class(config: TrainConfig) -> Any:  # noqa: ANN401 - a class that needs transformers
    import torch
    from safetensors.torch import save_file
    from transformers import Trainer

    class StudentTrainer(Trainer):
        """The Trainer with our loss: sums over the whole optimizer step, divided by its weights, task by task."""

        loss_is_scaled_for_ga = True  # by the weights of the whole step, see below

        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.task_losses = torch.zeros(2, dtype=torch.float64)
            self.task_steps = 0

        def _get_num_items_in_batch(self, batch_samples: list[Any], device: Any) -> Any:  # noqa: ANN401
            """Return the summed weights of the code targets and of the plan targets of one optimizer step."""
            self.task_steps += 1
            weights = sum((_task_weights(batch) for batch in batch_samples), start=torch.zeros(2)).to(device)
            return self.accelerator.reduce(weights, reduction="sum")

        def compute_loss(
            self,
            model: torch.nn.Module,
            inputs: dict[str, Any],
            return_outputs: bool = False,  # noqa: FBT001, FBT002 - the Trainer's signature
            num_items_in_batch: Any = None,  # noqa: ANN401 - what the method above returned
        ) -> Any:  # noqa: ANN401 - a tensor
            del return_outputs
            sums = model(**inputs)[:, 0]
            weights = num_items_in_batch if num_items_in_batch is not None else _task_weights(inputs).to(sums.device)
            world = self.accelerator.num_processes  # gradients are averaged over processes, the sums must not be
            code, plan = sums / weights.clamp(min=1e-12) * world
            self.task_losses += torch.stack([code, plan]).detach().double().cpu()
            if config.objective is Objective.JOINT:
                return joint_loss(code, plan, config.plan_weight)
            return sums.sum() / weights.sum() * world

        def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
            if "loss" in logs:
                means = self.accelerator.reduce(self.task_losses.to(self.args.device), "mean") / max(self.task_steps, 1)
                logs |= {"code_loss": float(means[0]), "plan_loss": float(means[1])}
                self.task_losses, self.task_steps = torch.zeros(2, dtype=torch.float64), 0
            super().log(logs, start_time)

        def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
            folder = Path(output_dir or self.args.output_dir or "")
            folder.mkdir(parents=True, exist_ok=True)
            weights = self.model.state_dict() if state_dict is None else state_dict  # type: ignore[union-attr]
            save_file(_without_shared(weights), folder / "model.safetensors", {"format": "pt"})

    return StudentTrainer


def _task_weights(batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the summed weights of the batch's code targets and plan targets; the first token is never a target."""
    import torch

    weights = batch["token_weights"][:, 1:] * (batch["labels"][:, 1:] != IGNORED)
    plan = (weights * batch["is_plan"][:, 1:]).sum()
    return torch.stack([weights.sum() - plan, plan])


def _without_shared(state_dict: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Leave out tensors that stand in the state under two names, such as tied embeddings."""
    seen: set[int] = set()
    kept = {}
    for name, tensor in state_dict.items():
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            kept[name] = tensor.contiguous()
    return kept


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _last_checkpoint(folder: Path) -> Path | None:
    """Return the newest checkpoint that is whole, and remove those that are not."""
    for checkpoint in folder.glob("checkpoint-*"):
        if not (checkpoint / COMPLETE).is_file():
            shutil.rmtree(checkpoint)
    return max(folder.glob("checkpoint-*"), key=_step, default=None)


def _curve(history: Iterable[dict[str, float]]) -> Iterable[LossPoint]:
    for point in history:
        if "code_loss" in point:
            yield LossPoint(
                int(point["step"]), point["loss"], point["code_loss"], point["plan_loss"], point["learning_rate"]
            )


def _finish(result: TrainResult, network: torch.nn.Module, tokenizer: Any) -> None:  # noqa: ANN401 - a tokenizer
    save_student(network, tokenizer, result.folder)
    lines = [canonical_json(asdict(point)) for point in result.curve]
    (result.folder / "losses.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
