"""A student as one small file: adapters are merged, weights quantised, and what that costs is measured."""

from __future__ import annotations

import sys
from importlib import import_module
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


def run(*arguments: str, fails: bool = False) -> None:
    """Run a command."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["ocr-pipeline", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert bool(ended.value.code) == fails


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
    said = capsys.readouterr().out
    assert f"pass@1 of {file.name} minus adder on edge: +0.000 ± 0.000 over 4 problems (0 better, 0 worse" in said
    assert "4 of 4 programs are the same" in said


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


def test_a_student_in_several_files_is_one_file_afterwards(
    student: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its size before is that of all its files."""
    from ocr_pipeline.student.model import load_student

    model, tokenizer = load_student(student)
    model.save_pretrained(tmp_path / "sharded", max_shard_size="100KB")
    tokenizer.save_pretrained(tmp_path / "sharded")
    parts = list((tmp_path / "sharded").glob("*.safetensors"))
    run("student", "edge", str(tmp_path / "sharded"), "--out", str(tmp_path))
    assert len(parts) > 1
    assert f"{sum(part.stat().st_size for part in parts):,} before" in capsys.readouterr().out


def test_a_gguf_file_is_made_smaller(student: Path, tmp_path: Path) -> None:
    """A student that is a file already is quantised again, and keeps the words in which it was taught."""
    run("student", "edge", str(student), "--quantize", "f32", "--out", str(tmp_path))
    run("student", "edge", str(tmp_path / "adder-f32.gguf"), "--quantize", "f16", "--out", str(tmp_path / "out"))
    assert answers(tmp_path / "out" / "adder-f32-f16.gguf") == answers(student)
    assert (tmp_path / "out" / "prompt.json").read_bytes() == (student / "prompt.json").read_bytes()


@pytest.mark.parametrize("given", ["--problems", "--tests"])
def test_half_a_benchmark_is_refused_before_anything_is_written(
    student: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], given: str
) -> None:
    """Problems without tests, and tests without problems, are wrong usage."""
    run("student", "edge", str(student), f"{given}={tmp_path}/x.parquet", "--out", str(tmp_path / "out"), fails=True)
    assert "problems and tests are given together" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_missing_adapter_is_told_at_once(student: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No loader is asked, which would retry for a minute."""
    arguments = ["student", "edge", str(student), "--adapter", str(tmp_path / "none"), "--out", str(tmp_path / "out")]
    run(*arguments, fails=True)
    assert "none` is neither a folder nor a hub id" in capsys.readouterr().err


SMALL = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
}


def llama(tokenizer: Any, **more: Any) -> Any:
    """Make a small Llama with random weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **SMALL, **more)).eval()


@pytest.mark.parametrize("more", [{}, {"head_dim": 24}, {"tie_word_embeddings": True}, {"rope_theta": 500.0}])
def test_a_llama_is_read_back_as_it_was(student: Path, tmp_path: Path, more: dict[str, Any]) -> None:
    """Also with heads that are not the width by their number."""
    import torch

    from ocr_pipeline.student.edge import Quantization, export_gguf
    from ocr_pipeline.student.model import load_student

    _, tokenizer = load_student(student)
    model = llama(tokenizer, **more)
    export_gguf(model, tokenizer, tmp_path / "x.gguf", Quantization.F32, tmp_path / "none")
    found, _ = load_student(tmp_path / "x.gguf")
    asked = tokenizer(PROMPTS[0], return_tensors="pt")
    with torch.inference_mode():
        torch.testing.assert_close(found(**asked).logits, model(**asked).logits, rtol=1e-5, atol=1e-5)


LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"rope_scaling": LLAMA3}, r"its positions are scaled \(RoPE `llama3`\)"),
        ({"rope_scaling": {"rope_type": "linear", "factor": 4.0}}, r"its positions are scaled \(RoPE `linear`\)"),
        ({"rope_scaling": {"rope_type": "dynamic", "factor": 4.0}}, r"its positions are scaled \(RoPE `dynamic`\)"),
        ({"attention_bias": True}, "it has biases"),
        ({"mlp_bias": True}, "it has biases"),
        ({"hidden_act": "gelu"}, "its activation is `gelu`"),
    ],
)
def test_what_would_be_lost_is_refused(student: Path, tmp_path: Path, more: dict[str, Any], reason: str) -> None:
    """A file that other programs read as another model is not written."""
    from ocr_pipeline.student.edge import Quantization, export_gguf
    from ocr_pipeline.student.model import load_student

    _, tokenizer = load_student(student)
    with pytest.raises(ModelError, match=f"cannot be written as GGUF: {reason}"):
        export_gguf(llama(tokenizer, **more), tokenizer, tmp_path / "x.gguf", Quantization.F16, tmp_path / "none")
    assert not list(tmp_path.iterdir())


QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@pytest.mark.parametrize(
    ("pattern", "first", "name"),
    [
        (QWEN2, None, "qwen2"),
        (QWEN2, "<\uff5cbegin\u2581of\u2581sentence\uff5c>", "deepseek-r1-qwen"),
        (QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|"), "<|begin_of_text|>", "llama-bpe"),
        ("digits", None, "smollm"),
        (None, None, "gpt-2"),
        (r"\p{N}{1,3}", None, None),
    ],
)
def test_llama_cpp_is_told_how_text_is_split(
    student: Path, tmp_path: Path, pattern: str | None, first: str | None, name: str | None
) -> None:
    """The tokenizer says it, not the shape of the model; a way without a known name is refused."""
    gguf: Any = import_module("gguf")
    from tokenizers import Regex, pre_tokenizers

    from ocr_pipeline.student.edge import Quantization, export_gguf
    from ocr_pipeline.student.model import load_student

    _, tokenizer = load_student(student)
    bytewise = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern in {None, "digits"})
    split = pre_tokenizers.Digits(individual_digits=True)
    if pattern not in {None, "digits"}:
        split = pre_tokenizers.Split(Regex(pattern), "isolated")
    own = bytewise if pattern is None else pre_tokenizers.Sequence([split, bytewise])
    tokenizer.backend_tokenizer.pre_tokenizer = own
    if first is not None:
        tokenizer.add_special_tokens({"bos_token": first})
    model, file = llama(tokenizer), tmp_path / "x.gguf"
    if name is None:
        with pytest.raises(ModelError, match="its tokenizer splits text in a way that is not one of qwen2, llama-bpe"):
            export_gguf(model, tokenizer, file, Quantization.F16, tmp_path / "none")
    else:
        export_gguf(model, tokenizer, file, Quantization.F16, tmp_path / "none")
        assert gguf.GGUFReader(file).fields["tokenizer.ggml.pre"].contents() == name


def test_another_shape_is_refused(student: Path, tmp_path: Path) -> None:
    """The message names the shape and those that can be written."""
    from transformers import GPT2Config, GPT2LMHeadModel

    from ocr_pipeline.student.edge import Quantization, export_gguf
    from ocr_pipeline.student.model import load_student

    model = GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=2, n_embd=32, vocab_size=64))
    with pytest.raises(ModelError, match="of the shape `gpt2` cannot be written as GGUF; qwen2 and llama can"):
        export_gguf(model, load_student(student)[1], tmp_path / "x.gguf", Quantization.F16, tmp_path / "none")
