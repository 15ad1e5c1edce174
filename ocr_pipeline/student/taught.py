"""How a student was taught to be asked: ``prompt.json`` beside its weights.

Training writes down the words, the languages and the chat form of its rows; evaluation asks in exactly these and refuses
others. What the words are is in :mod:`ocr_pipeline.tasks`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from ocr_pipeline.errors import ModelError
from ocr_pipeline.store import atomic_write
from ocr_pipeline.student.encoding import Tokenizer, opens_thought, render_prompt
from ocr_pipeline.student.rows import Task, TrainingRow
from ocr_pipeline.tables import Language
from ocr_pipeline.tasks import CODEPLAN, Wording, wording

__all__ = ["PROMPT_FILE", "Taught", "said_words", "words_of"]

PROMPT_FILE: Final = "prompt.json"


@dataclass(frozen=True, slots=True)
class Taught:
    """The words, languages and chat form of a student's training."""

    wording: Wording | None
    """``None``: the rows asked in words of their own."""
    languages: tuple[Language, ...]
    chat_template_sha256: str | None
    """``None``: the prompt is the whole text, without turns."""
    opens_thought: bool
    """The chat form ends in the tag that opens a thought."""

    @classmethod
    def of(cls, rows: Iterable[TrainingRow], words: Wording | None, tokenizer: Tokenizer) -> Self:
        """Return how the rows teach a model with this tokenizer."""
        languages = {row.language for row in rows if row.task is Task.CODE and row.language}
        return cls(
            words, tuple(sorted(languages)), _chat_form(tokenizer), opens_thought(render_prompt("Add.", tokenizer))
        )

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Read it beside the weights; a model that was not trained here has none."""
        file = (folder.parent if folder.is_file() else folder) / PROMPT_FILE
        if not file.is_file():
            return None
        found = json.loads(file.read_text(encoding="utf-8"))
        return cls(
            wording(str(file)) if found["wording"] else None,
            tuple(map(Language, found["languages"])),
            found["chat_template_sha256"],
            found["opens_thought"],
        )

    def write(self, folder: Path) -> None:
        """Write it beside the weights."""
        content = {
            "wording": self.wording.plain() if self.wording else None,
            "languages": list(self.languages),
            "chat_template_sha256": self.chat_template_sha256,
            "opens_thought": self.opens_thought,
        }
        with atomic_write(folder / PROMPT_FILE) as file:
            file.write(f"{json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)}\n".encode())


def words_of(folder: Path, asked: Wording | None, tokenizer: Tokenizer) -> Wording:
    """Return the words in which the student of a folder is asked: its own.

    Raises
    ------
    ModelError
        When other words are asked for than it was taught, its chat form has changed, or nobody knows its words.
    """
    taught = Taught.read(folder)
    if taught is None:
        return asked or CODEPLAN
    if taught.wording is None:
        if asked is None:
            message = f"the rows of `{folder}` asked in words of their own; name them with --prompt"
            raise ModelError(message)
        return asked
    if asked is not None and asked.sha256 != taught.wording.sha256:
        message = (
            f"the student in `{folder}` was taught with the prompt {_named(taught.wording)}, not {_named(asked)}; "
            "leave --prompt out"
        )
        raise ModelError(message)
    if _chat_form(tokenizer) != taught.chat_template_sha256:
        message = f"the chat template in `{folder}` is not the one it was trained with; restore it, or train again"
        raise ModelError(message)
    return taught.wording


def said_words(rows: Sequence[TrainingRow], expected: Wording) -> Wording | None:
    """Return the words if all rows ask in them; rows without a hash are compared with the templates."""
    same = all(
        row.words == expected.sha256 if row.words else expected.has_asked(row.prompt) for row in rows if row.is_usable
    )
    return expected if same else None


def _named(words: Wording) -> str:
    return f"`{words.name}` ({words.sha256[:8]})"


def _chat_form(tokenizer: Tokenizer) -> str | None:
    template = tokenizer.chat_template
    return None if template is None else hashlib.sha256(str(template).encode()).hexdigest()
