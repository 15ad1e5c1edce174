"""Counts tokens with the teacher's own tokenizer, read from a file: no hub, no model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ocr_pipeline.errors import InputError

__all__ = ["TokenCounter", "load_tokenizer"]

TokenCounter = Callable[[str], int]


def load_tokenizer(path: Path) -> TokenCounter:
    """Return a function from a text to its number of tokens.

    Raises
    ------
    InputError
        When there is no readable ``tokenizer.json``.
    """
    from tokenizers import Tokenizer

    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        message = f"`{file}` does not exist; give the teacher's tokenizer.json or the folder that holds it"
        raise InputError(message)
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises plain Exception for a file it cannot read
        message = f"`{file}` is no tokenizer: {error}"
        raise InputError(message) from error
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)
