"""From a student to one small file: adapters merged, weights quantised, written as GGUF for llama.cpp and what builds on it.

Students of Qwen2's and of Llama's shape can be written. What quantising costs is measured by the same evaluation as everything.
The quantisations are those that the package `gguf` computes itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from ocr_pipeline.errors import ModelError
from ocr_pipeline.extras import require
from ocr_pipeline.hub import require_reachable
from ocr_pipeline.store import atomic_write
from ocr_pipeline.student.model import load_student
from ocr_pipeline.student.taught import PROMPT_FILE

__all__ = ["Quantization", "export_gguf", "merged", "save_merged"]

SHAPES: Final = ("qwen2", "llama")
_LETTERS: Final = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
_REST: Final = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_QWEN2: Final = (("Split", rf"{_LETTERS}|\p{{N}}|{_REST}"), ("ByteLevel", False))
PRETOKENIZERS: Final[Mapping[tuple[tuple[str, Any], ...], str]] = {
    _QWEN2: "qwen2",
    (("Split", rf"{_LETTERS}|\p{{N}}{{1,3}}|{_REST}"), ("ByteLevel", False)): "llama-bpe",
    (("Digits", True), ("ByteLevel", True)): "smollm",
    (("ByteLevel", True),): "gpt-2",
}
"""How a tokenizer splits text before it merges, and what llama.cpp calls that."""
DEEPSEEK: Final = "<\uff5cbegin\u2581of\u2581sentence\uff5c>"
"""First token of DeepSeek's distillations; those of Qwen's shape split as it does and are called otherwise."""
SUFFIXES: Final = (".weight", ".bias")
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
"""Kinds of tokens in GGUF."""


class Quantization(StrEnum):
    """How the weights of matrices are written; vectors stay float32."""

    F32 = "f32"
    F16 = "f16"
    BF16 = "bf16"
    Q8_0 = "q8_0"
    Q5_0 = "q5_0"
    Q4_0 = "q4_0"


def merged(folder: Path, adapter: Path | None) -> tuple[Any, Any]:
    """Load a student; with a LoRA adapter of `peft`, merged into its weights.

    Raises
    ------
    ModelError
        When the folder holds no student, or the adapter does not fit it.
    """
    model, tokenizer = load_student(folder)
    if adapter is None:
        return model, tokenizer
    require("peft")
    from peft import PeftModel

    require_reachable(str(adapter), what="adapter", file="adapter_config.json")
    try:
        return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload().eval(), tokenizer
    except (OSError, ValueError, RuntimeError) as error:
        message = f"adapter `{adapter}` cannot be merged into `{folder}`: {str(error).splitlines()[0]}"
        raise ModelError(message) from error


def save_merged(model: Any, tokenizer: Any, folder: Path, prompt: Path) -> None:  # noqa: ANN401 - transformers' objects
    """Save a merged student as a folder, with the words in which it was taught."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _keep_words(prompt, folder)


def _keep_words(prompt: Path, folder: Path) -> None:
    if prompt.is_file():
        with atomic_write(folder / PROMPT_FILE) as beside:
            beside.write(prompt.read_bytes())


def export_gguf(model: Any, tokenizer: Any, file: Path, quantization: Quantization, prompt: Path) -> None:  # noqa: ANN401
    """Write a model of transformers as GGUF, and the words in which it was taught beside it.

    Raises
    ------
    ModelError
        When it has another shape than those that can be written, or something that a reader would not know of.
    """
    require("gguf")
    gguf: Any = import_module("gguf")

    config = model.config
    if config.model_type not in SHAPES:
        message = f"a model of the shape `{config.model_type}` cannot be written as GGUF; {' and '.join(SHAPES)} can"
        raise ModelError(message)
    for reason in _unwritable(config, tokenizer):
        message = f"this student cannot be written as GGUF: {reason}"
        raise ModelError(message)
    pretokenizer = _pretokenizer(tokenizer)
    file.parent.mkdir(parents=True, exist_ok=True)
    half_written = file.with_name(f".{file.name}.part")
    writer = gguf.GGUFWriter(half_written, config.model_type)
    _describe(writer, config, tokenizer, pretokenizer)
    writer.add_file_type(gguf.LlamaFileType[_file_type(quantization)])
    architecture = gguf.MODEL_ARCH[config.model_type.upper()]
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    for name, weights in _tensors(model):
        known = names.get_name(name, try_suffixes=SUFFIXES)
        kind = _kind(gguf, weights, quantization)
        writer.add_tensor(known, gguf.quants.quantize(weights, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    half_written.replace(file)
    _keep_words(prompt, file.parent)


def _file_type(quantization: Quantization) -> str:
    return "ALL_F32" if quantization is Quantization.F32 else f"MOSTLY_{quantization.upper()}"


def _unwritable(config: Any, tokenizer: Any) -> Iterator[str]:  # noqa: ANN401 - transformers' objects
    """Say what of a student would be lost without a word: no key for it, or none that is read back."""
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    kind = rope.get("rope_type", "default")
    if kind != "default":
        yield f"its positions are scaled (RoPE `{kind}`)"
    if rope.get("partial_rotary_factor", 1.0) != 1.0:
        yield f"a share of {rope['partial_rotary_factor']} of each head is rotated"
    if config.model_type != "llama" and _head_size(config) * config.num_attention_heads != config.hidden_size:
        yield f"heads of {_head_size(config)} are not {config.hidden_size} / {config.num_attention_heads} wide"
    if config.hidden_act != "silu":
        yield f"its activation is `{config.hidden_act}`, not silu"
    biases = [name for name in ("attention_bias", "mlp_bias") if getattr(config, name, False)]
    if biases:
        yield f"it has biases ({', '.join(biases)})"
    if getattr(config, "use_sliding_window", False):
        yield "its attention slides (use_sliding_window)"
    if len(tokenizer) > config.vocab_size:
        yield f"its tokenizer has {len(tokenizer):,} tokens, its weights {config.vocab_size:,}"


def _head_size(config: Any) -> int:  # noqa: ANN401 - a configuration of transformers
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def _pretokenizer(tokenizer: Any) -> str:  # noqa: ANN401 - a tokenizer of transformers
    """Return llama.cpp's name for how a tokenizer splits text.

    Raises
    ------
    ModelError
        When it is of another kind than those whose names are known here.
    """
    raw = json.loads(tokenizer.backend_tokenizer.to_str())
    steps = raw["pre_tokenizer"] or {}
    found = tuple(_split(step) for step in steps.get("pretokenizers", [steps]))
    normalizer = (raw["normalizer"] or {"type": "NFC"})["type"]
    name = PRETOKENIZERS.get(found)
    if raw["model"]["type"] != "BPE" or raw["model"].get("byte_fallback") or normalizer != "NFC" or name is None:
        message = (
            "this student cannot be written as GGUF: its tokenizer splits text in a way that is not one of "
            f"{', '.join(PRETOKENIZERS.values())}"
        )
        raise ModelError(message)
    return "deepseek-r1-qwen" if found == _QWEN2 and tokenizer.bos_token == DEEPSEEK else name


def _split(step: Mapping[str, Any]) -> tuple[str, Any]:
    """Return a step of splitting with what its result depends on; anything unusual makes it an unknown one."""
    match step:
        case {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}:
            return "Split", pattern
        case {"type": "ByteLevel", "add_prefix_space": False, "use_regex": regex}:
            return "ByteLevel", regex
        case {"type": "Digits", "individual_digits": individual}:
            return "Digits", individual
        case _:
            return "unknown", None


def _describe(writer: Any, config: Any, tokenizer: Any, pretokenizer: str) -> None:  # noqa: ANN401 - writer of gguf, transformers' objects
    theta = getattr(config, "rope_theta", None) or (getattr(config, "rope_parameters", None) or {})["rope_theta"]
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(theta)
    writer.add_rope_dimension_count(_head_size(config))
    writer.add_key_length(_head_size(config))
    writer.add_value_length(_head_size(config))
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    raw = tokenizer.backend_tokenizer
    by_id = {number: token for token, number in raw.get_vocab().items()}
    special, added = set(tokenizer.all_special_ids), set(tokenizer.added_tokens_decoder)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pretokenizer)
    writer.add_token_list([by_id.get(number, f"[PAD{number}]") for number in range(config.vocab_size)])
    writer.add_token_types(
        [
            CONTROL if number in special else USER_DEFINED if number in added else NORMAL if number in by_id else UNUSED
            for number in range(config.vocab_size)
        ]
    )
    writer.add_token_merges(list(_merges(raw)))
    for ids, add in (
        (tokenizer.eos_token_id, writer.add_eos_token_id),
        (tokenizer.pad_token_id, writer.add_pad_token_id),
    ):
        if ids is not None:
            add(ids)
    if tokenizer.bos_token_id is not None:
        writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_add_bos_token(False)  # noqa: FBT003 - gguf's signature
    if tokenizer.chat_template is not None:
        writer.add_chat_template(tokenizer.chat_template)


def _merges(raw: Any) -> Iterator[str]:  # noqa: ANN401 - a tokenizer of tokenizers
    for merge in json.loads(raw.to_str())["model"]["merges"]:
        yield merge if isinstance(merge, str) else " ".join(merge)


def _tensors(model: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - a transformers model
    config = model.config
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        weights = tensor.detach().float().cpu().numpy()
        rotated = next((count for part, count in heads.items() if f".{part}." in name), None)
        if (
            rotated is not None and config.model_type == "llama"
        ):  # llama.cpp keeps the halves of a rotation side by side
            rows = weights.reshape(rotated, 2, weights.shape[0] // rotated // 2, *weights.shape[1:])
            weights = rows.swapaxes(1, 2).reshape(weights.shape)
        yield name, weights


def _kind(gguf: Any, weights: Any, quantization: Quantization) -> Any:  # noqa: ANN401 - gguf's enum, an array
    kinds = gguf.GGMLQuantizationType
    wanted = kinds[quantization.upper()]
    block, _ = gguf.GGML_QUANT_SIZES[wanted]
    if weights.ndim == 1:
        return kinds.F32
    return wanted if weights.shape[-1] % block == 0 else kinds.F16
