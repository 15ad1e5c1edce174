"""From rows to token ids: the exact prompt of inference, the whole completion as target, nothing cut.

Rows that are too long are dropped and counted; packs hold whole rows only. Batches are made here as well, so that
what is masked, weighted and kept apart is decided in one place.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Protocol

from ocr_pipeline.answers import OPENING
from ocr_pipeline.counts import StageCounts, count_verdicts
from ocr_pipeline.student.rows import Task, TrainingRow

if TYPE_CHECKING:
    import torch

__all__ = [
    "IGNORED",
    "Collator",
    "EncodedRow",
    "Pack",
    "Tokenizer",
    "encode_rows",
    "opens_thought",
    "pack_rows",
    "render_prompt",
    "with_thought",
    "without_opening",
]

IGNORED: Final = -100
"""Label of a token that is not a target, as PyTorch's cross entropy has it."""
THINK: Final = OPENING.decode()


class Tokenizer(Protocol):
    """What is used of a Hugging Face tokenizer."""

    chat_template: str | None
    pad_token_id: int | None
    eos_token: str

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Return token ids."""

    def apply_chat_template(
        self, conversation: list[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool
    ) -> str:
        """Return the conversation as the model reads it."""


class RowVerdict(StrEnum):
    """Whether a row is trained on."""

    KEPT = "kept"
    NO_TEXT = "no_text"
    """The prompt is a placeholder, or the completion is empty."""
    OVER_LENGTH = "over_length"


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """One row as tokens; the first ``prompt_tokens`` are not a target."""

    row_id: str
    task: Task
    input_ids: tuple[int, ...]
    prompt_tokens: int
    weight: float

    @property
    def target_tokens(self) -> int:
        """Tokens that are learned, the end token included."""
        return len(self.input_ids) - self.prompt_tokens


@dataclass(frozen=True, slots=True)
class Pack:
    """Rows that share one sequence without seeing each other."""

    rows: tuple[EncodedRow, ...]

    def __len__(self) -> int:
        """Return the tokens of all rows."""
        return sum(len(row.input_ids) for row in self.rows)


@dataclass(frozen=True, slots=True)
class EncodedRows:
    """The rows that are trained on, and the account of all."""

    rows: tuple[EncodedRow, ...]
    counts: StageCounts
    dropped: Mapping[str, str] = field(default_factory=dict)
    """Row id -> why it is not trained on."""


def render_prompt(prompt: str, tokenizer: Tokenizer) -> str:
    """Return the prompt as the model sees it, up to where its answer begins."""
    if tokenizer.chat_template is None:
        return prompt
    turns = [{"role": "user", "content": prompt}]
    return tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)


def opens_thought(rendered: str) -> bool:
    """Whether a rendered prompt ends in the tag that opens a thought, so that no answer begins with it."""
    return rendered.rstrip().endswith(THINK)


def with_thought(answer: str) -> str:
    """Return an answer with the opening tag that was in its prompt."""
    return answer if answer.lstrip().startswith(THINK) else f"{THINK}\n{answer}"


def without_opening(answer: str) -> str:
    """Return an answer without the tag that opens a thought, where its prompt holds it."""
    return answer.removeprefix(THINK).removeprefix("\n") if answer.startswith(THINK) else answer


def encode_rows(rows: Iterable[TrainingRow], tokenizer: Tokenizer, *, max_tokens: int) -> EncodedRows:
    """Encode every row; the completion never passes the chat template, which might drop the reasoning."""
    kept, verdicts, dropped, counter = [], [], {}, Counter[str]()
    for row in rows:
        encoded = _encode(row, tokenizer) if row.is_usable else None
        verdict = _verdict(encoded, max_tokens)
        verdicts.append(verdict)
        if encoded is not None and verdict is RowVerdict.KEPT:
            kept.append(encoded)
            counter[f"{row.task}_rows"] += 1
            counter[f"{row.task}_target_tokens"] += encoded.target_tokens
        else:
            dropped[row.row_id] = verdict.value
    return EncodedRows(tuple(kept), count_verdicts(verdicts, notes=dict(counter)), dropped)


def _verdict(encoded: EncodedRow | None, max_tokens: int) -> RowVerdict:
    if encoded is None:
        return RowVerdict.NO_TEXT
    return RowVerdict.OVER_LENGTH if len(encoded.input_ids) > max_tokens else RowVerdict.KEPT


def _encode(row: TrainingRow, tokenizer: Tokenizer) -> EncodedRow:
    prompt = render_prompt(row.prompt, tokenizer)
    completion = row.completion
    if opens_thought(prompt):
        completion = completion.lstrip().removeprefix(THINK).lstrip("\n")
    prompt_ids = tokenizer.encode(prompt, add_special_tokens=False)
    target_ids = tokenizer.encode(completion + tokenizer.eos_token, add_special_tokens=False)
    return EncodedRow(row.row_id, row.task, (*prompt_ids, *target_ids), len(prompt_ids), row.weight)


def pack_rows(rows: Sequence[EncodedRow], *, max_tokens: int) -> list[Pack]:
    """Fill packs with whole rows, the longest first, each into the fullest pack that has room (best fit decreasing).

    Packs come out in the order of their first row in ``rows``, so a shuffled input stays shuffled.
    """
    order = sorted(range(len(rows)), key=lambda index: (-len(rows[index].input_ids), index))
    packs: list[list[int]] = []
    by_room: dict[int, list[int]] = {}
    rooms: list[int] = []  # sorted; few distinct values stay in it
    for index in order:
        length = len(rows[index].input_ids)
        room = _smallest_at_least(rooms, length)
        if room is None:
            packs.append([index])
            pack, left = len(packs) - 1, max_tokens - length
        else:
            pack, left = _take(by_room, rooms, room), room - length
            packs[pack].append(index)
        _put(by_room, rooms, left, pack)
    return [Pack(tuple(rows[index] for index in sorted(pack))) for pack in sorted(packs, key=min)]


def _smallest_at_least(rooms: Sequence[int], length: int) -> int | None:
    at = bisect_left(rooms, length)
    return rooms[at] if at < len(rooms) else None


def _take(by_room: dict[int, list[int]], rooms: list[int], room: int) -> int:
    pack = heapq.heappop(by_room[room])
    if not by_room[room]:
        del by_room[room]
        rooms.remove(room)
    return pack


def _put(by_room: dict[int, list[int]], rooms: list[int], room: int, pack: int) -> None:
    if room not in by_room:
        by_room[room] = []
        insort(rooms, room)
    heapq.heappush(by_room[room], pack)


@dataclass(frozen=True, slots=True)
class Collator:
    """Makes a batch of packs; every row counts its positions from 0, so attention can keep rows of a pack apart."""

    pad_token_id: int

    def __call__(self, packs: Sequence[Pack]) -> dict[str, torch.Tensor]:
        """Return input_ids, position_ids, labels, is_plan and token_weights, each (packs, tokens)."""
        import torch

        width = max(len(pack) for pack in packs)
        columns: dict[str, list[list[Any]]] = {}
        for pack in packs:
            for name, values in _flat(pack, width, self.pad_token_id).items():
                columns.setdefault(name, []).append(values)
        return {name: torch.tensor(values) for name, values in columns.items()}


def _flat(pack: Pack, width: int, pad_token_id: int) -> dict[str, list[Any]]:
    padding = width - len(pack)
    ids = [token for row in pack.rows for token in row.input_ids]
    labels = [
        label
        for row in pack.rows
        for label in ([IGNORED] * row.prompt_tokens + list(row.input_ids[row.prompt_tokens :]))
    ]
    positions = [position for row in pack.rows for position in range(len(row.input_ids))]
    is_plan = [row.task is Task.PLAN for row in pack.rows for _ in row.input_ids]
    weights = [row.weight for row in pack.rows for _ in row.input_ids]
    return {
        "input_ids": ids + [pad_token_id] * padding,
        "labels": labels + [IGNORED] * padding,
        "position_ids": positions + [0] * padding,
        "is_plan": is_plan + [False] * padding,
        "token_weights": weights + [0.0] * padding,
    }
