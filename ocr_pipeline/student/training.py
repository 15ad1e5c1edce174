"""Trains a student: one door for the plain objective and the joint one, on a CPU or on many GPUs.

The loop, the checkpoints and the devices are the Trainer's (transformers and accelerate); the loss, the rows and the
masks are ours. A run that was killed goes on from its last whole checkpoint and ends in the same weights.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ocr_pipeline.console import SILENT, Progress
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import TrainingError
from ocr_pipeline.extras import require
from ocr_pipeline.store import atomic_write, canonical_json
from ocr_pipeline.student.config import Heads, TrainConfig
from ocr_pipeline.student.encoding import Pack, encode_rows, pack_rows
from ocr_pipeline.student.model import keep_quiet, load_base, save_student, single_threaded
from ocr_pipeline.student.rows import TrainingRow
from ocr_pipeline.student.taught import Taught, said_words
from ocr_pipeline.tasks import CODEPLAN, Wording

if TYPE_CHECKING:
    import torch

__all__ = ["LossPoint", "TrainResult", "save_untrained", "train", "with_adapter"]

RUN_FILE: Final = "run.json"
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


def train(
    rows: Iterable[TrainingRow],
    config: TrainConfig,
    folder: Path,
    *,
    wording: Wording = CODEPLAN,
    progress: Progress = SILENT,
) -> TrainResult:
    """Train a student and write it to ``folder``, with the words in which its rows ask beside the weights.

    A folder that holds an unfinished run of the same rows and config is continued.

    Raises
    ------
    TrainingError
        When no row is left, or the folder belongs to a run of other rows or another config.
    ModelError
        When the base model cannot be loaded.
    """
    for package in ("accelerate", *(["peft"] if config.lora_rank is not None else [])):
        require(package)
    from transformers import set_seed

    from ocr_pipeline.student.network import Network
    from ocr_pipeline.student.trainer import StudentTrainer

    keep_quiet()
    kept = _shuffled(rows, config)
    _claim(folder, config, kept)
    set_seed(config.seed)
    model, tokenizer = load_base(config, (text for row in kept for text in (row.prompt, row.completion)), folder)
    encoded = encode_rows(kept, tokenizer, max_tokens=config.max_tokens)
    if not encoded.rows:
        raise TrainingError(f"no row to train on: {dict(encoded.counts.dropped)}; raise max_tokens or give other rows")
    network = Network(
        _adapted(model, config), plan_head=config.heads is Heads.PLAN_HEAD, chunk_tokens=config.loss_chunk_tokens
    )
    packs = (
        pack_rows(encoded.rows, max_tokens=config.max_tokens)
        if config.packing
        else [Pack((row,)) for row in encoded.rows]
    )
    trainer = StudentTrainer(network, packs, config, folder, pad_token_id=tokenizer.pad_token_id, progress=progress)
    checkpoint = _last_checkpoint(folder)
    with single_threaded() if config.base_model is None else nullcontext():  # the tiny model
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
        Taught.of(kept, said_words(kept, wording), tokenizer).write(folder)
    return result


def save_untrained(rows: Iterable[TrainingRow], config: TrainConfig, folder: Path) -> None:
    """Write the student as it is before its first step: what every trained one is compared with."""
    from transformers import set_seed

    from ocr_pipeline.student.network import Network

    keep_quiet()
    set_seed(config.seed)
    kept = _shuffled(rows, config)
    model, tokenizer = load_base(config, (text for row in kept for text in (row.prompt, row.completion)), folder)
    save_student(Network(model, plan_head=False, chunk_tokens=config.loss_chunk_tokens), tokenizer, folder)
    Taught.of(kept, said_words(kept, CODEPLAN), tokenizer).write(folder)


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


def _adapted(model: Any, config: TrainConfig) -> Any:  # noqa: ANN401 - a transformers or a peft model
    model.config.use_cache = False
    if config.gradient_checkpointing:
        model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    return model if config.lora_rank is None else with_adapter(model, config.lora_rank)


def with_adapter(model: Any, rank: int) -> Any:  # noqa: ANN401 - a transformers and a peft model
    """Return a model of which only an adapter of this rank on every linear layer is trained."""
    from peft import LoraConfig, get_peft_model

    adapter = LoraConfig(r=rank, lora_alpha=LORA_SCALE * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    return get_peft_model(model, adapter)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _last_checkpoint(folder: Path) -> Path | None:
    """Return the newest checkpoint that is whole, and remove those that are not."""
    from ocr_pipeline.student.trainer import COMPLETE

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
