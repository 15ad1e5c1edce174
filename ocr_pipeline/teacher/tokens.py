"""Counts tokens: with the teacher's own tokenizer, read from a file (no hub, no model), else by an estimate that says so."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

from ocr_pipeline.errors import InputError

__all__ = ["CountedBy", "TokenCounter", "estimate", "load_tokenizer", "tokenizer_sha256"]

CHARACTERS_PER_TOKEN: Final = 3.6  # English statements with code
TokenCounter = Callable[[Sequence[str]], list[int]]
"""From texts to their numbers of tokens, special tokens not added."""


class CountedBy(StrEnum):
    """How tokens were counted; the ``text_tokens_by`` column."""

    TOKENIZER = "tokenizer"
    ESTIMATE = "estimate"


def estimate(characters: int) -> int:
    """Return about how many tokens a text of that length has."""
    return round(characters / CHARACTERS_PER_TOKEN)


def load_tokenizer(path: Path) -> TokenCounter:
    """Return a function that counts tokens; it uses every core for many texts.

    Raises
    ------
    InputError
        When there is no readable ``tokenizer.json``.
    """
    from tokenizers import Tokenizer

    file = _file(path)
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises plain Exception for a file it cannot read
        message = f"`{file}` is not a tokenizer: {error}; give the tokenizer.json of the model"
        raise InputError(message) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count(texts: Sequence[str]) -> list[int]:
        return [len(encoding.ids) for encoding in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    return count


def tokenizer_sha256(path: Path) -> str:
    """Return the hash of a tokenizer: provenance of the counts.

    Raises
    ------
    InputError
        When there is none.
    """
    return hashlib.sha256(_file(path).read_bytes()).hexdigest()


def _file(path: Path) -> Path:
    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        message = f"`{file}` does not exist; give the teacher's tokenizer.json or the folder that holds it"
        raise InputError(message)
    return file
