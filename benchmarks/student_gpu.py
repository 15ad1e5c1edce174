"""A training step of a Qwen2.5-shaped student with random weights, in BF16 with packing: tokens/s and peak memory.

Weights are random, so the numbers speak of speed and memory, never of learning. Without a GPU only the shape ``tiny``
runs: the same step on the CPU, which shows that the code works and nothing about a GPU. Run from the repository root::

    python benchmarks/student_gpu.py --shape 1.5b --tokens 32768 --steps 5 [--lora 16]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

TINY = "tiny"
SHAPES = {  # Qwen2.5's published sizes: hidden, intermediate, layers, heads, key-value heads
    TINY: (128, 384, 2, 4, 2),  # ours, for a CPU
    "0.5b": (896, 4_864, 24, 14, 2),
    "1.5b": (1_536, 8_960, 28, 12, 2),
    "3b": (2_048, 11_008, 36, 16, 2),
    "7b": (3_584, 18_944, 28, 28, 4),
}
VOCABULARY = 152_064
TINY_VOCABULARY = 1_024
TINY_TOKENS = 2_048


def model_of(shape: str, attention: str, max_tokens: int, device: str) -> Any:  # noqa: ANN401 - a transformers model
    """Return a model of that shape with random weights on the device."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    hidden, intermediate, layers, heads, kv_heads = SHAPES[shape]
    config = Qwen2Config(
        vocab_size=vocabulary_of(shape),
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=max_tokens,
        tie_word_embeddings=False,
    )
    config._attn_implementation = attention  # noqa: SLF001 - how transformers takes it for a model made from a config
    with torch.device(device):
        model = Qwen2ForCausalLM(config)
    model.config.use_cache = False
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable()
    return model


def vocabulary_of(shape: str) -> int:
    """Return the number of tokens."""
    return TINY_VOCABULARY if shape == TINY else VOCABULARY


def packed_rows(tokens: int, rows: int, vocabulary: int, device: str) -> dict[str, Any]:
    """Return one pack of random rows, code and plan in turn, a quarter of each being prompt."""
    import torch

    length = tokens // rows
    size = length * rows
    positions = torch.arange(length).repeat(rows)
    ids = torch.randint(0, vocabulary, (size,))
    labels = torch.where(positions < length // 4, -100, ids)
    is_plan = (torch.arange(size) // length) % 2 == 1
    batch = {
        "input_ids": ids,
        "position_ids": positions,
        "labels": labels,
        "is_plan": is_plan,
        "token_weights": torch.ones(size),
    }
    return {name: values[None].to(device) for name, values in batch.items()}


def measure(arguments: argparse.Namespace, device: str) -> dict[str, object]:
    """Run the steps and return what they took."""
    import torch

    from ocr_pipeline.student.network import Network, joint_loss, task_weights
    from ocr_pipeline.student.training import with_adapter

    torch.manual_seed(0)
    if device == "cpu":
        torch.set_num_threads(1)  # more of them wait for each other longer than they work
    on_gpu = device == "cuda"
    model = model_of(arguments.shape, arguments.attention, arguments.tokens, device)
    if arguments.lora is not None:
        model = with_adapter(model, arguments.lora)
    network = Network(model, plan_head=False, chunk_tokens=4_096).train()
    trained = [each for each in network.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=5e-5, fused=True)
    batch = packed_rows(arguments.tokens, arguments.rows, vocabulary_of(arguments.shape), device)
    seconds, losses = [], []
    for _ in range(arguments.steps + 1):  # the first one warms up
        if on_gpu:
            torch.cuda.synchronize()
        start = time.perf_counter()
        with torch.autocast(device, dtype=torch.bfloat16):
            code, plan = network(**batch) / task_weights(batch)
            loss = joint_loss(code, plan, 0.5)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if on_gpu:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
        losses.append(loss.item())
    step_s = sorted(seconds[1:])[len(seconds[1:]) // 2]
    return {
        "shape": arguments.shape,
        "parameters": sum(each.numel() for each in network.parameters()),
        "trained_parameters": sum(each.numel() for each in trained),
        "tokens_per_step": batch["input_ids"].numel(),
        "rows_per_pack": arguments.rows,
        "attention": arguments.attention,
        "median_step_s": round(step_s, 3),
        "tokens_per_s": round(batch["input_ids"].numel() / step_s),
        "peak_memory_gib": round(torch.cuda.max_memory_allocated() / 2**30, 1) if on_gpu else None,
        "first_loss": round(losses[0], 3),
        "last_loss": round(losses[-1], 3),
        "device": torch.cuda.get_device_name() if on_gpu else "cpu: says nothing about a GPU",
    }


def main() -> None:
    """Measure, or say what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, help="default: 1.5b on a GPU, tiny on a CPU")
    parser.add_argument("--tokens", type=int, help="tokens of the pack; default: 32768 on a GPU, 2048 on a CPU")
    parser.add_argument("--rows", type=int, default=4, help="rows in the pack")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--lora", type=int, help="rank of an adapter; default: all weights are trained")
    parser.add_argument("--attention", default="sdpa", help="sdpa, flex_attention or flash_attention_2")
    arguments = parser.parse_args()
    try:
        import torch
        import transformers  # noqa: F401 - only whether it is there
    except ImportError as error:
        print(f"not run: {error.name} is not installed; pip install torch transformers")
        return
    on_gpu = torch.cuda.is_available()
    arguments.shape = arguments.shape or ("1.5b" if on_gpu else TINY)
    arguments.tokens = arguments.tokens or (TINY_TOKENS if arguments.shape == TINY else 32_768)
    if not on_gpu and arguments.shape != TINY:
        print(f"not run: no GPU here for the shape {arguments.shape}; nothing was measured")
        return
    print(json.dumps(measure(arguments, "cuda" if on_gpu else "cpu")))


if __name__ == "__main__":
    main()
