"""A training step of a Qwen2.5-shaped student with random weights, in BF16 with packing: tokens/s and peak memory.

Needs a GPU and torch and transformers only; says so and ends with 0 where there is none. Weights are random, so the
numbers speak of speed and memory, never of learning. Run from the repository root::

    python benchmarks/student_gpu.py --shape 1.5b --tokens 32768 --steps 5
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

SHAPES = {  # Qwen2.5's published sizes: hidden, intermediate, layers, heads, key-value heads
    "0.5b": (896, 4_864, 24, 14, 2),
    "1.5b": (1_536, 8_960, 28, 12, 2),
    "3b": (2_048, 11_008, 36, 16, 2),
    "7b": (3_584, 18_944, 28, 28, 4),
}
VOCABULARY = 152_064


def model_of(shape: str, attention: str, max_tokens: int) -> Any:  # noqa: ANN401 - a transformers model
    """Return a model of that shape with random weights on the GPU."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    hidden, intermediate, layers, heads, kv_heads = SHAPES[shape]
    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=max_tokens,
        tie_word_embeddings=False,
    )
    config._attn_implementation = attention  # noqa: SLF001 - how transformers takes it for a model made from a config
    with torch.device("cuda"):
        model = Qwen2ForCausalLM(config)
    model.config.use_cache = False
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable()
    return model


def packed_rows(tokens: int, rows: int) -> dict[str, Any]:
    """Return one pack of random rows, code and plan in turn, a quarter of each being prompt."""
    import torch

    length = tokens // rows
    size = length * rows
    positions = torch.arange(length).repeat(rows)
    ids = torch.randint(0, VOCABULARY, (size,))
    labels = torch.where(positions < length // 4, -100, ids)
    is_plan = (torch.arange(size) // length) % 2 == 1
    batch = {
        "input_ids": ids,
        "position_ids": positions,
        "labels": labels,
        "is_plan": is_plan,
        "token_weights": torch.ones(size),
    }
    return {name: values[None].cuda() for name, values in batch.items()}


def measure(arguments: argparse.Namespace) -> dict[str, object]:
    """Run the steps and return what they took."""
    import torch

    from ocr_pipeline.student.model import build_network

    torch.manual_seed(0)
    model = model_of(arguments.shape, arguments.attention, arguments.tokens)
    network = build_network(model, plan_head=False, chunk_tokens=4_096).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-5, fused=True)
    batch = packed_rows(arguments.tokens, arguments.rows)
    torch.cuda.reset_peak_memory_stats()
    seconds, losses = [], []
    for _ in range(arguments.steps + 1):  # the first one warms up
        torch.cuda.synchronize()
        start = time.perf_counter()
        with torch.autocast("cuda", dtype=torch.bfloat16):
            sums = network(**batch)
            code, plan = sums[:, 0] / sums[:, 1]
            loss = 0.5 * code + 0.5 * plan
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
        losses.append(loss.item())
    step_s = sorted(seconds[1:])[len(seconds[1:]) // 2]
    return {
        "shape": arguments.shape,
        "parameters": sum(each.numel() for each in network.parameters()),
        "tokens_per_step": batch["input_ids"].numel(),
        "rows_per_pack": arguments.rows,
        "attention": arguments.attention,
        "median_step_s": round(step_s, 3),
        "tokens_per_s": round(batch["input_ids"].numel() / step_s),
        "peak_memory_gib": round(torch.cuda.max_memory_allocated() / 2**30, 1),
        "first_loss": round(losses[0], 3),
        "last_loss": round(losses[-1], 3),
        "device": torch.cuda.get_device_name(),
    }


def main() -> None:
    """Measure, or say what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, default="1.5b")
    parser.add_argument("--tokens", type=int, default=32_768, help="tokens of the pack")
    parser.add_argument("--rows", type=int, default=4, help="rows in the pack")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--attention", default="sdpa", help="sdpa, flex_attention or flash_attention_2")
    arguments = parser.parse_args()
    try:
        import torch
        import transformers  # noqa: F401 - only whether it is there
    except ImportError as error:
        print(f"not run: {error.name} is not installed; pip install torch transformers")
        return
    if not torch.cuda.is_available():
        print("not run: no GPU here; nothing was measured")
        return
    print(json.dumps(measure(arguments)))


if __name__ == "__main__":
    main()
