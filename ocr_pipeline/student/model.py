"""The student's model and tokenizer: loaded, or made tiny on the spot, and stored so that transformers and vLLM load them.

The network that is trained around the model is in ``network``; how text is sampled is in ``generation``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ocr_pipeline.errors import ModelError
from ocr_pipeline.hub import require_reachable
from ocr_pipeline.student.config import Heads, Precision, TinyShape, TrainConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch

__all__ = ["keep_quiet", "load_base", "load_student", "make_tiny", "save_student", "single_threaded"]

END: Final = "<|im_end|>"
START: Final = "<|im_start|>"
PAD: Final = "<|endoftext|>"
CHAT_TEMPLATE: Final = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PLAN_HEAD_FILE: Final = "plan_head.safetensors"


def keep_quiet() -> None:
    """Leave the terminal to our own progress."""
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


@contextmanager
def single_threaded() -> Iterator[None]:
    """Let tiny models work on one thread: more of them wait for each other longer than they work (measured: 7 to 1)."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def load_base(config: TrainConfig, texts: Iterable[str], folder: Path) -> tuple[Any, Any]:
    """Return model and tokenizer: the base model's, or a tiny one made from the texts.

    Raises
    ------
    ModelError
        When the base model cannot be loaded.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if config.base_model is None:
        tokenizer = _tiny_tokenizer(config.tiny, texts, folder)
        return _tiny_model(config.tiny, tokenizer, seed=config.seed, max_tokens=config.max_tokens), tokenizer
    place, more = _place(config.base_model)
    require_reachable(place, what="base model")
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, revision=config.revision, **more)
        model: Any = AutoModelForCausalLM.from_pretrained(
            place, revision=config.revision, dtype=_dtype(config), attn_implementation=config.attention, **more
        )
        _forget_quantization(model, more)
    except (OSError, ValueError, ImportError) as error:
        message = f"base model `{config.base_model}` cannot be loaded: {str(error).splitlines()[0]}; give a folder or a hub id that this machine can reach"
        raise ModelError(message) from error
    if config.end_token is not None:
        tokenizer.eos_token = config.end_token
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        tokenizer.pad_token = PAD if PAD in tokenizer.get_vocab() else tokenizer.eos_token
    return model, tokenizer


def _place(base_model: str) -> tuple[str, dict[str, str]]:
    """Return what transformers is given for a hub id, a folder, or a GGUF file."""
    if not base_model.endswith(".gguf"):
        return base_model, {}
    file = Path(base_model)
    return str(file.parent), {"gguf_file": file.name}


def _forget_quantization(model: Any, read_as: dict[str, str]) -> None:  # noqa: ANN401 - a transformers model
    """Weights that were read from GGUF are plain numbers again, and can be saved as such."""
    if read_as:
        del model.config.quantization_config
        model.hf_quantizer = None


def _dtype(config: TrainConfig) -> torch.dtype:
    """Weights that are trained stay in float32, the passes run in BF16; frozen ones below LoRA may be BF16."""
    import torch

    frozen = config.lora_rank is not None and config.precision is Precision.BFLOAT16
    return torch.bfloat16 if frozen else torch.float32


def make_tiny(shape: TinyShape, texts: Iterable[str], *, seed: int, max_tokens: int) -> tuple[Any, Any]:
    """Make a Qwen2 with random weights and a byte-level BPE tokenizer learned from ``texts``."""
    tokenizer = _learned_tokenizer(shape, texts)
    return _tiny_model(shape, tokenizer, seed=seed, max_tokens=max_tokens), tokenizer


def _tiny_tokenizer(shape: TinyShape, texts: Iterable[str], folder: Path) -> Any:  # noqa: ANN401 - a tokenizer
    """Return the tokenizer that the folder's run began with: learning it again breaks ties another way."""
    from transformers import PreTrainedTokenizerFast

    if not (folder / "tokenizer.json").is_file():
        _learned_tokenizer(shape, texts).save_pretrained(folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


def _learned_tokenizer(shape: TinyShape, texts: Iterable[str]) -> Any:  # noqa: ANN401 - a tokenizer
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2Tokenizer

    # Qwen2's own way to split text: whoever loads the folder of a Qwen2 model gets it, whatever the folder says.
    qwen2 = Qwen2Tokenizer().backend_tokenizer
    raw = Tokenizer(models.BPE())
    raw.normalizer, raw.pre_tokenizer, raw.decoder = qwen2.normalizer, qwen2.pre_tokenizer, qwen2.decoder
    trainer = trainers.BpeTrainer(
        vocab_size=shape.vocabulary,
        special_tokens=[PAD, START, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    raw.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token=END, pad_token=PAD)  # type: ignore[no-untyped-call]
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def _tiny_model(shape: TinyShape, tokenizer: Any, *, seed: int, max_tokens: int) -> Any:  # noqa: ANN401
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden,
        intermediate_size=3 * shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=2 * max_tokens,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return Qwen2ForCausalLM(config)


def save_student(network: Any, tokenizer: Any, folder: Path) -> None:  # noqa: ANN401 - torch module, tokenizer
    """Save a model folder that transformers and vLLM load as it is; the plan head, if any, is in a file beside."""
    from safetensors.torch import save_file

    model = network.language_model
    if hasattr(model, "peft_config"):
        model = model.merge_and_unload()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if network.plan_head is not None:
        save_file({"weight": network.plan_head.weight.detach().cpu().contiguous()}, folder / PLAN_HEAD_FILE)


def load_student(folder: Path, heads: Heads = Heads.SHARED) -> tuple[Any, Any]:
    """Load a trained student, or a GGUF file of one; with ``PLAN_HEAD`` its plan head takes the place of the language-model head.

    Raises
    ------
    ModelError
        When the folder holds no student, or none with a plan head.
    """
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    keep_quiet()
    place, more = _place(str(folder))
    if not (folder.is_file() if more else (folder / "config.json").is_file()):
        raise ModelError(f"`{folder}` holds no student; train one with `ocr-pipeline train … --out {folder}`")
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(place, **more)
        tokenizer = AutoTokenizer.from_pretrained(place, **more)
    except (OSError, ValueError, ImportError) as error:
        message = (
            f"student `{folder}` cannot be loaded: {str(error).splitlines()[0].rstrip('.')}; train or export it again"
        )
        raise ModelError(message) from error
    _forget_quantization(model, more)
    if heads is Heads.PLAN_HEAD:
        if not (folder / PLAN_HEAD_FILE).is_file():
            raise ModelError(f"the student in `{folder}` has no plan head; train one with --heads plan_head")
        import torch

        head = torch.nn.Linear(model.config.hidden_size, model.config.vocab_size, bias=False, dtype=model.dtype)
        head.load_state_dict(load_file(folder / PLAN_HEAD_FILE))
        model.config.tie_word_embeddings = False
        model.set_output_embeddings(head)
    return model.eval(), tokenizer
