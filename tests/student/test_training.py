"""Training: the loss is what it says, each task reaches what it should, and a killed run ends in the same weights."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_pipeline.errors import InputError, ModelError, TrainingError
from ocr_pipeline.store import open_files
from ocr_pipeline.student.command.files import read_training_rows
from ocr_pipeline.student.config import Heads, Objective, TinyShape, TrainConfig, preset
from ocr_pipeline.student.encoding import IGNORED, Collator, EncodedRow, Pack, encode_rows, pack_rows, render_prompt
from ocr_pipeline.student.model import PLAN_HEAD_FILE, load_student, make_tiny
from ocr_pipeline.student.network import Network, joint_loss, task_weights
from ocr_pipeline.student.problems import read_problems
from ocr_pipeline.student.rows import Task, TrainingRow, read_rows
from ocr_pipeline.student.training import RUN_FILE, train
from ocr_pipeline.tables import PROBLEMS, SFT_DATASET
from ocr_pipeline.tasks import code_prompt

torch = pytest.importorskip("torch", reason="needs the extra `train`")
pytest.importorskip("transformers", reason="needs the extra `train`")

ROWS = [
    row
    for i in range(6)
    for row in (
        TrainingRow(f"code{i}", Task.CODE, f"[GEN_CODE] add {i} to x", f"x = int(input())\nprint(x + {i})", f"p{i}"),
        TrainingRow(
            f"plan{i}",
            Task.PLAN,
            f"[GEN_PLAN] add {i} to x",
            f"1. Read x.\n2. Print x plus {i}, and nothing else.",
            f"p{i}",
        ),
    )
]
TINY = preset("tiny").replaced(
    tiny=TinyShape(hidden=32, layers=2, heads=2, vocabulary=320),
    batch_rows=4,
    max_steps=4,
    log_every_steps=1,
    save_every_steps=2,
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep tiny matrices on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def batch_and_network(config: TrainConfig, rows: list[TrainingRow] = ROWS) -> tuple[dict[str, Any], Any, Any]:
    """Return a batch of rows, a tiny model, and the network around it."""
    texts = [text for row in rows for text in (row.prompt, row.completion)]
    model, tokenizer = make_tiny(config.tiny, texts, seed=0, max_tokens=config.max_tokens)
    encoded = encode_rows(rows, tokenizer, max_tokens=config.max_tokens)
    network = Network(model, plan_head=config.heads is Heads.PLAN_HEAD, chunk_tokens=config.loss_chunk_tokens)
    return Collator(tokenizer.pad_token_id)([Pack((row,)) for row in encoded.rows]), model, network


def means(network: Any, batch: dict[str, Any]) -> Any:
    """Return the mean losses of both tasks."""
    return network(**batch) / task_weights(batch)


def from_logits(model: Any, batch: dict[str, Any], *, plan: bool) -> Any:
    """Compute one task's mean loss the long way: from the model's own logits."""
    logits = model(input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False).logits[:, :-1]
    targets = batch["labels"][:, 1:]
    wanted = (targets != IGNORED) & (batch["is_plan"][:, 1:] == plan)
    return torch.nn.functional.cross_entropy(logits[wanted].float(), targets[wanted])


@pytest.mark.parametrize("chunk_tokens", [7, 100_000])
def test_the_losses_equal_those_of_the_models_logits(chunk_tokens: int) -> None:
    """Both task losses, in chunks or at once, are the cross entropy of the model's logits to 1e-5."""
    batch, model, network = batch_and_network(TINY.replaced(loss_chunk_tokens=chunk_tokens))
    code, plan = means(network, batch)
    assert code.item() == pytest.approx(from_logits(model, batch, plan=False).item(), abs=1e-5)
    assert plan.item() == pytest.approx(from_logits(model, batch, plan=True).item(), abs=1e-5)


@pytest.mark.parametrize("heads", list(Heads))
@pytest.mark.parametrize("plan_weight", [0.0, 0.3, 1.0])
def test_the_logged_loss_is_the_joint_formula(tmp_path: Path, heads: Heads, plan_weight: float) -> None:
    """Every logged loss is (1-λ)·code + λ·plan of the logged task losses, to 1e-5; the ends are the single tasks."""
    config = TINY.replaced(objective=Objective.JOINT, heads=heads, plan_weight=plan_weight, accumulation=2, max_steps=3)
    points = train(ROWS, config, tmp_path).curve
    assert len(points) == 3
    for point in points:
        assert point.loss == pytest.approx(
            (1 - plan_weight) * point.code_loss + plan_weight * point.plan_loss, abs=1e-5
        )
        assert min(point.code_loss, point.plan_loss) > 0


def test_the_first_logged_loss_is_that_of_the_untrained_logits(tmp_path: Path) -> None:
    """With one batch per epoch, the first logged losses equal those recomputed from the untrained model's logits."""
    config = TINY.replaced(objective=Objective.JOINT, batch_rows=len(ROWS), max_steps=1)
    [point] = train(ROWS, config, tmp_path).curve
    batch, model, _ = batch_and_network(config, sorted_like_training(config))
    code, plan = from_logits(model, batch, plan=False), from_logits(model, batch, plan=True)
    assert point.loss == pytest.approx(joint_loss(code, plan, 0.5).item(), abs=1e-5)


def sorted_like_training(config: TrainConfig) -> list[TrainingRow]:
    """Return the rows in the order that training reads them: the tokenizer depends on it."""
    from ocr_pipeline.student.training import _shuffled

    return _shuffled(ROWS, config)


def gradients(network: Any, batch: dict[str, Any], plan_weight: float) -> dict[str, Any]:
    """Return the gradient of the joint loss for every parameter that has one."""
    network.zero_grad()
    code, plan = means(network, batch)
    joint_loss(code, plan, plan_weight).backward()
    return {
        name: each.grad.clone()
        for name, each in network.named_parameters()
        if each.grad is not None and each.grad.abs().sum() > 0
    }


@pytest.mark.parametrize(("plan_weight", "task"), [(0.0, Task.CODE), (1.0, Task.PLAN)])
def test_the_ends_of_lambda_train_one_task(plan_weight: float, task: Task) -> None:
    """λ = 0 has the gradient of the code rows alone, λ = 1 that of the plan rows alone."""
    batch, _, network = batch_and_network(TINY)
    joint = gradients(network, batch, plan_weight)
    other = batch["labels"].clone()
    other[batch["is_plan"] != (task is Task.PLAN)] = IGNORED
    network.zero_grad()
    means(network, batch | {"labels": other})[int(task is Task.PLAN)].backward()
    for name, parameter in network.named_parameters():
        if parameter.grad is not None:
            assert torch.allclose(joint.get(name, torch.zeros_like(parameter)), parameter.grad, atol=1e-7)


def test_the_plan_head_starts_as_the_language_model_head() -> None:
    """Before training both heads hold the same weights, in tensors of their own."""
    _, model, network = batch_and_network(TINY.replaced(objective=Objective.JOINT, heads=Heads.PLAN_HEAD))
    assert torch.equal(network.plan_head.weight, model.lm_head.weight)
    assert network.plan_head.weight.data_ptr() != model.lm_head.weight.data_ptr()


def test_the_plan_gradient_reaches_the_trunk_and_the_plan_head_only() -> None:
    """Plans do not move the language-model head, code does not move the plan head, both move the trunk."""
    config = TINY.replaced(objective=Objective.JOINT, heads=Heads.PLAN_HEAD)
    batch, _, network = batch_and_network(config)
    plan, code = gradients(network, batch, 1.0), gradients(network, batch, 0.0)
    assert "plan_head.weight" in plan
    assert "language_model.lm_head.weight" not in plan
    assert "plan_head.weight" not in code
    assert "language_model.lm_head.weight" in code
    trunk = {name for name, _ in network.named_parameters() if ".model.layers." in name}
    assert trunk
    assert trunk <= plan.keys() & code.keys()


def test_the_plan_head_writes_the_plans(tmp_path: Path) -> None:
    """A trained plan head is stored and takes the place of the head when it is asked for; without one, that is an error."""
    config = TINY.replaced(objective=Objective.JOINT, heads=Heads.PLAN_HEAD)
    train(ROWS, config, tmp_path)
    code, _ = load_student(tmp_path)
    plan, _ = load_student(tmp_path, Heads.PLAN_HEAD)
    assert not torch.equal(code.lm_head.weight, plan.lm_head.weight)
    assert torch.equal(code.model.embed_tokens.weight, plan.model.embed_tokens.weight)
    (tmp_path / PLAN_HEAD_FILE).unlink()
    with pytest.raises(ModelError, match="no plan head"):
        load_student(tmp_path, Heads.PLAN_HEAD)


def test_a_stored_student_has_the_loss_that_it_was_trained_to(tmp_path: Path) -> None:
    """Weights and tokenizer of a folder belong together: the loaded student's loss is the last logged one's, or lower."""
    config = TINY.replaced(batch_rows=len(ROWS), max_steps=20)
    rows = [replace(row, completion=f"{row.completion}\n    # two  words") for row in ROWS]
    last = train(rows, config, tmp_path).curve[-1]
    model, tokenizer = load_student(tmp_path)
    encoded = encode_rows(rows, tokenizer, max_tokens=config.max_tokens).rows
    network = Network(model, plan_head=False, chunk_tokens=config.loss_chunk_tokens)
    with torch.no_grad():
        batch = Collator(tokenizer.pad_token_id)([Pack((row,)) for row in encoded])
        loss = network(**batch).sum() / task_weights(batch).sum()
    assert loss.item() == pytest.approx(last.loss, rel=0.05)


def weights(folder: Path) -> dict[str, Any]:
    """Return the stored weights of a student."""
    from safetensors.torch import load_file

    return {name: tensor for file in sorted(folder.glob("*.safetensors")) for name, tensor in load_file(file).items()}


def same(left: dict[str, Any], right: dict[str, Any]) -> bool:
    """Whether two students hold the same bits."""
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_the_same_seed_gives_the_same_weights_whatever_the_order_of_rows(tmp_path: Path) -> None:
    """Two runs agree to the bit; another seed does not."""
    train(ROWS, TINY, tmp_path / "a")
    train(ROWS[::-1], TINY, tmp_path / "b")
    train(ROWS, TINY.replaced(seed=1), tmp_path / "c")
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))


KILLED = """
import os, signal, sys
sys.path.insert(0, {project!r})
from pathlib import Path
import torch
torch.set_num_threads(1)
from ocr_pipeline.student.config import Heads, Objective
from ocr_pipeline.student.training import train
import tests.student.test_training as here

class Kill:
    steps = 0
    def advance(self, rows=1, **counts):
        self.steps += rows
        if self.steps == 5:
            os.kill(os.getpid(), signal.SIGKILL)

train(here.ROWS, here.RESUMED, Path({folder!r}), progress=Kill())
"""
RESUMED = TINY.replaced(objective=Objective.JOINT, heads=Heads.PLAN_HEAD, max_steps=8)


def test_a_killed_run_ends_in_the_same_weights(tmp_path: Path) -> None:
    """Kill -9 in the middle, then the same call: the weights equal those of a run that was never interrupted."""
    train(ROWS, RESUMED, tmp_path / "whole")
    script = KILLED.format(project=str(Path(__file__).parents[2]), folder=str(tmp_path / "killed"))
    ended = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert not (tmp_path / "killed" / "model.safetensors").exists()
    (tmp_path / "killed" / "checkpoint-6").mkdir()  # one that the kill left half written
    result = train(ROWS, RESUMED, tmp_path / "killed")
    assert result.resumed_from == 4
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "killed"))
    assert [point.step for point in result.curve] == list(range(1, 9))


def test_a_folder_belongs_to_one_run(tmp_path: Path) -> None:
    """Another config or other rows in the same folder are refused before anything is trained."""
    train(ROWS, TINY.replaced(max_steps=1), tmp_path)
    assert json.loads((tmp_path / RUN_FILE).read_text())["rows"] == len(ROWS)
    with pytest.raises(TrainingError, match="another config"):
        train(ROWS, TINY.replaced(max_steps=2), tmp_path)
    with pytest.raises(TrainingError, match="other rows"):
        train(ROWS[1:], TINY.replaced(max_steps=1), tmp_path)


def test_over_length_rows_are_dropped_and_counted(tmp_path: Path) -> None:
    """A row that is too long is left out whole, one without a statement too; the account says so."""
    long = TrainingRow("long", Task.CODE, "[GEN_CODE] long", "print('x')\n" * 400, "p")
    hidden = TrainingRow("hidden", Task.CODE, "-", "print(1)", "p")
    result = train([*ROWS, long, hidden], TINY.replaced(max_tokens=400, max_steps=1), tmp_path)
    assert dict(result.counts.dropped) == {"over_length": 1, "no_text": 1}
    assert result.counts.kept == len(ROWS)


def test_no_row_left_is_an_error(tmp_path: Path) -> None:
    """When everything is too long there is nothing to train, and the message says why."""
    with pytest.raises(TrainingError, match="over_length"):
        train(ROWS, TINY.replaced(max_tokens=3), tmp_path)


def test_the_reasoning_stays_in_the_target() -> None:
    """The rendered text of an sft_dataset row holds the prompt of inference, then the whole output, thoughts and all."""
    output = "<think>\nAdd them.\n</think>\n\n```python\nprint(1)\n```"
    table = pa.Table.from_pylist([{"sample_id": "s", "input": "Add.", "output": output, "problem_id": "p"}])
    [row] = read_rows(table.to_batches())
    _, tokenizer = make_tiny(TINY.tiny, [row.prompt, row.completion], seed=0, max_tokens=400)
    [encoded] = encode_rows([row], tokenizer, max_tokens=400).rows
    prompt = tokenizer.decode(encoded.input_ids[: encoded.prompt_tokens])
    target = tokenizer.decode(encoded.input_ids[encoded.prompt_tokens :])
    assert prompt == render_prompt(code_prompt("Add.", io_mode="stdin"), tokenizer)
    assert target == output + tokenizer.eos_token
    assert {"sample_id", "input", "output", "problem_id"} <= set(SFT_DATASET.schema.names)


def test_a_student_is_asked_as_it_was_taught(tmp_path: Path) -> None:
    """The prompts of sft_dataset's rows are those of inference; a withheld statement comes from the problems."""
    rows = [{"sample_id": "s", "input": "-", "output": "print(1)", "problem_id": "p"}]
    rows.append({"sample_id": "t", "input": "Add.", "output": "print(2)", "problem_id": "q"})
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    problem = {"problem_id": "p", "statement": "Sum.", "io_mode": "function", "starter_code": "def f():"}
    (tmp_path / "problems.jsonl").write_text(json.dumps(problem) + "\n")
    read = {row.row_id: row for row in read_training_rows([tmp_path / "rows.parquet"], [tmp_path / "problems.jsonl"])}
    [asked] = read_problems(open_files([tmp_path / "problems.jsonl"], PROBLEMS, required=["problem_id"]))
    assert read["s"].prompt == asked.code_prompt()
    assert read["t"].prompt == code_prompt("Add.", io_mode="stdin")
    alone = {row.row_id: row for row in read_training_rows([tmp_path / "rows.parquet"])}
    assert not alone["s"].is_usable


def test_a_thought_that_the_template_opens_is_not_opened_twice() -> None:
    """Where the prompt of inference already ends in the opening tag, the target goes on after it."""
    row = TrainingRow("r", Task.CODE, "Add.", "<think>\nAdd them.\n</think>\nprint(1)", "p")
    _, tokenizer = make_tiny(TINY.tiny, [row.prompt, row.completion], seed=0, max_tokens=400)
    tokenizer.chat_template = tokenizer.chat_template.replace("assistant\n", "assistant\n<think>\n")
    [encoded] = encode_rows([row], tokenizer, max_tokens=400).rows
    assert tokenizer.decode(encoded.input_ids).count("<think>") == 1


lengths = st.lists(st.integers(1, 50), min_size=1, max_size=40)


@given(lengths)
def test_packs_hold_every_row_once_and_whole(row_lengths: list[int]) -> None:
    """No pack is too long, no row is cut, doubled or lost, and the order of rows inside a pack is kept."""
    rows = [EncodedRow(str(i), Task.CODE, (1,) * length, 0, 1.0) for i, length in enumerate(row_lengths)]
    packs = pack_rows(rows, max_tokens=50)
    assert sorted(int(row.row_id) for pack in packs for row in pack.rows) == list(range(len(rows)))
    assert all(len(pack) <= 50 for pack in packs)
    assert all([int(row.row_id) for row in pack.rows] == sorted(int(row.row_id) for row in pack.rows) for pack in packs)
    assert sum(len(pack) > 25 for pack in packs) >= len(packs) - 1  # two half-empty packs would have become one


@settings(max_examples=5, deadline=None)
@given(st.permutations(range(len(ROWS))))
def test_rows_of_a_pack_do_not_see_each_other(order: list[int]) -> None:
    """Packed rows have the loss that they have alone, whatever stands before them."""
    batch, model, network = batch_and_network(TINY)
    _, tokenizer = make_tiny(
        TINY.tiny, [text for row in ROWS for text in (row.prompt, row.completion)], seed=0, max_tokens=1
    )
    rows = encode_rows([ROWS[index] for index in order], tokenizer, max_tokens=10_000).rows
    packed = Collator(tokenizer.pad_token_id)([Pack(rows[:5]), Pack(rows[5:])])
    assert torch.allclose(network(**packed), network(**batch), rtol=1e-5)
    del model


def test_the_loss_falls_on_what_is_trained(tmp_path: Path) -> None:
    """Thirty steps on twelve rows bring the loss well below its start."""
    curve = train(ROWS, TINY.replaced(max_steps=30), tmp_path).curve
    assert curve[-1].loss < 0.75 * curve[0].loss


@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning")  # peft reads the old name
def test_lora_trains_and_is_merged(tmp_path: Path) -> None:
    """With LoRA only adapters move, and the stored student is a plain model again."""
    pytest.importorskip("peft", reason="needs the extra `train`")
    train(ROWS, TINY.replaced(lora_rank=4, max_steps=3), tmp_path / "lora")
    model, _ = load_student(tmp_path / "lora")
    start, _ = make_tiny(
        TINY.tiny,
        [text for row in sorted_like_training(TINY) for text in (row.prompt, row.completion)],
        seed=0,
        max_tokens=TINY.max_tokens,
    )
    assert torch.equal(model.model.embed_tokens.weight, start.model.embed_tokens.weight)
    assert not torch.equal(model.model.layers[0].self_attn.q_proj.weight, start.model.layers[0].self_attn.q_proj.weight)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning")  # TRL's own
@pytest.mark.parametrize("packing", [False, True])
def test_our_sft_losses_are_those_of_trl(tmp_path: Path, *, packing: bool) -> None:
    """TRL's trainer on the same prompt and completion rows reports the same loss in every step, to 1e-5."""
    trl = pytest.importorskip("trl", reason="needs the extra `dev`")
    datasets = pytest.importorskip("datasets")
    config = TINY.replaced(batch_rows=len(ROWS), packing=packing)
    ours = [point.loss for point in train(ROWS, config, tmp_path / "ours").curve]
    texts = [text for row in sorted_like_training(config) for text in (row.prompt, row.completion)]
    model, tokenizer = make_tiny(config.tiny, texts, seed=config.seed, max_tokens=config.max_tokens)
    rows = [
        {"prompt": render_prompt(row.prompt, tokenizer), "completion": row.completion + tokenizer.eos_token}
        for row in ROWS
    ]
    arguments = trl.SFTConfig(
        output_dir=str(tmp_path / "trl"),
        per_device_train_batch_size=config.batch_rows,
        max_steps=config.max_steps,
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=config.warmup_share,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        optim="adamw_torch",
        max_length=config.max_tokens if packing else None,
        packing=packing,
        logging_steps=1,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = trl.SFTTrainer(
        model, args=arguments, train_dataset=datasets.Dataset.from_list(rows), processing_class=tokenizer
    )
    trainer.train()
    theirs = [point["loss"] for point in trainer.state.log_history if "loss" in point]
    assert len(theirs) == config.max_steps
    assert ours == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize(
    "change",
    [{"plan_weight": 1.5}, {"batch_rows": 0}, {"heads": Heads.PLAN_HEAD, "objective": Objective.SFT}],
)
def test_impossible_options_are_refused(change: dict[str, Any]) -> None:
    """A λ that is no share, an empty batch, and a plan head without the joint objective are input errors."""
    with pytest.raises(InputError):
        TINY.replaced(**change)


@pytest.mark.parametrize("name", ["qwen2.5-7b", "qwen2.5-14b", "qwen2.5-32b"])
def test_the_published_recipe(name: str) -> None:
    """5e-5, cosine with 5 % warm-up, BF16, 32k and packing, as the first paper says."""
    config = preset(name)
    assert (config.learning_rate, config.warmup_share, config.max_tokens, config.packing) == (5e-5, 0.05, 32_768, True)
    assert config.precision == "bfloat16"


def test_an_unknown_preset_names_the_known_ones() -> None:
    """The message lists what there is."""
    with pytest.raises(InputError, match="tiny"):
        preset("huge")
