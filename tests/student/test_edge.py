"""A student as one small file: adapters are merged, weights quantised, and what that costs is measured."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ocr_pipeline import cli
from ocr_pipeline.errors import ModelError
from ocr_pipeline.student.config import preset
from ocr_pipeline.student.generation import LocalStudent, Sampling
from ocr_pipeline.student.rows import Task, TrainingRow
from ocr_pipeline.student.training import train
from ocr_pipeline.tasks import CODEPLAN, code_prompt

pytest.importorskip("transformers", reason="needs the extra `train`")
pytest.importorskip("gguf", reason="needs the extra `train`")
pytestmark = pytest.mark.timeout(600)

GREEDY = Sampling(0.0, 1.0, 24)
PROMPTS = [code_prompt(f"Add {number}.", io_mode="stdin") for number in range(4)]
ROWS = [
    TrainingRow(str(number), Task.CODE, prompt, f"print(int(input()) + {number})", str(number), words=CODEPLAN.sha256)
    for number, prompt in enumerate(PROMPTS)
]


@pytest.fixture(name="student", scope="module")
def _student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("students") / "adder"
    train(ROWS, preset("tiny").replaced(max_steps=120, batch_rows=4), folder)
    return folder


def answers(place: Path) -> list[str]:
    """Return the greedy answers of a student."""
    found = LocalStudent(place).complete(PROMPTS, task=Task.CODE, n=1, sampling=GREEDY)
    return [one.text for [one] in found]


def run(*arguments: str) -> None:
    """Run a command that succeeds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["ocr-pipeline", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code in {0, None}


def test_float32_is_the_same_student(student: Path, tmp_path: Path) -> None:
    """Written as it is and read again, weights and tokenizer give the same answers, in the words it was taught."""
    run("student", "edge", str(student), "--quantize", "f32", "--out", str(tmp_path))
    assert answers(tmp_path / "adder-f32.gguf") == answers(student) == [row.completion for row in ROWS]


def test_pass_at_1_is_told_before_and_after(student: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Eight bits are a third of the size, and the same benchmark tells what they cost."""
    problems: list[dict[str, Any]] = [
        {"problem_id": str(number), "statement": f"Add {number}.", "io_mode": "stdin"} for number in range(4)
    ]
    tests = [
        {"problem_id": str(number), "test_id": "0", "kind": "private", "input": "5", "expected": str(5 + number)}
        for number in range(4)
    ]
    for name, rows in (("problems", problems), ("tests", tests)):
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{name}.parquet")
    given = [f"--{name}={tmp_path / name}.parquet" for name in ("problems", "tests")]
    run("student", "edge", str(student), *given, "--answer-tokens", "24", "--out", str(tmp_path / "out"))
    file = tmp_path / "out" / "adder-q8_0.gguf"
    assert file.stat().st_size < 0.4 * (student / "model.safetensors").stat().st_size
    summary = {
        row["student"]: row["pass_at_k"]
        for row in pq.read_table(tmp_path / "out/evaluation_summary.parquet").to_pylist()
    }
    assert summary == {"adder": 1.0, file.name: 1.0}
    assert "4 of 4 programs are the same" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft's
def test_a_merged_adapter_answers_as_it_did_unmerged(student: Path, tmp_path: Path) -> None:
    """An adapter of peft that changes the answers gives the same ones when it is in the weights."""
    import torch
    from peft import LoraConfig, get_peft_model

    from ocr_pipeline.student.model import load_student

    model, tokenizer = load_student(student)
    torch.manual_seed(0)
    tuned = get_peft_model(model, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    asked = tokenizer(PROMPTS[0], return_tensors="pt")
    with torch.inference_mode():
        wanted = tuned(**asked).logits
    tuned.save_pretrained(tmp_path / "adapter")
    run(
        "student",
        "edge",
        str(student),
        "--adapter",
        str(tmp_path / "adapter"),
        "--quantize",
        "f32",
        "--out",
        str(tmp_path / "out"),
    )
    plain, _ = load_student(student)
    for place in (tmp_path / "out" / "adder-merged", tmp_path / "out" / "adder-f32.gguf"):
        found, _ = load_student(place)
        with torch.inference_mode():
            torch.testing.assert_close(found(**asked).logits, wanted, rtol=1e-4, atol=1e-4)
            assert not torch.allclose(plain(**asked).logits, wanted, atol=0.1)


def test_another_shape_is_refused(student: Path, tmp_path: Path) -> None:
    """The message names the shape and those that can be written."""
    from transformers import GPT2Config, GPT2LMHeadModel

    from ocr_pipeline.student.edge import Quantization, export_gguf
    from ocr_pipeline.student.model import load_student

    model = GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=2, n_embd=32, vocab_size=64))
    with pytest.raises(ModelError, match="of the shape `gpt2` cannot be written as GGUF; qwen2 and llama can"):
        export_gguf(model, load_student(student)[1], tmp_path / "x.gguf", Quantization.F16, tmp_path / "none")
