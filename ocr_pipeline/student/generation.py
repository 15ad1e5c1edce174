"""Students that answer: one in this process for the tiny ones, one behind a server for all others.

Both complete prompts of :mod:`ocr_pipeline.tasks`. Which prompts, how many samples and what becomes of the answers
is decided in ``sampling`` and ``plan_sampling``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Protocol

from ocr_pipeline.answers import extract_code as answer_code
from ocr_pipeline.answers import split_thought
from ocr_pipeline.asking import Asking
from ocr_pipeline.console import SILENT, Progress
from ocr_pipeline.student.config import Heads
from ocr_pipeline.student.encoding import opens_thought, render_prompt, with_thought, without_opening
from ocr_pipeline.student.model import PLAN_HEAD_FILE, load_student, single_threaded
from ocr_pipeline.student.rows import Task
from ocr_pipeline.student.taught import Taught, words_of
from ocr_pipeline.tables import Language
from ocr_pipeline.tasks import CODEPLAN, Wording
from ocr_pipeline.teacher.ask import Reply, ask
from ocr_pipeline.teacher.request import Message, Request
from ocr_pipeline.teacher.servers import Server

__all__ = [
    "Completion",
    "LocalStudent",
    "Sampling",
    "ServedStudent",
    "Student",
    "WhenCut",
    "count_reasoning_tokens",
    "extract_code",
    "is_untagged",
    "only_closes",
]

SEED_STRIDE: Final = 1_000_003


class WhenCut(StrEnum):
    """What becomes of an answer that reached its limit."""

    KEEP = "keep"
    CONTINUE = "continue"
    """The student goes on where it ended."""
    RESTART = "restart"
    """It is asked again, with another seed."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How answers are drawn; the defaults are CodePLAN's."""

    temperature: float = 0.6
    top_p: float = 0.95
    max_tokens: int = 1_024
    seed: int = 0
    when_cut: WhenCut = WhenCut.KEEP
    extra_tokens: int = 0
    """Most tokens more where a cut answer is continued or begun anew."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer of a student."""

    text: str
    finish_reason: str | None
    tokens: int
    """Of this answer."""
    failed: bool = False
    """The student could not be asked; nothing is known of its answer."""
    extra_tokens: int = 0
    """Of those, written after the first answer was cut."""
    dropped_tokens: int = 0
    """Of a first answer that was dropped."""

    @property
    def is_counted(self) -> bool:
        """Somebody counted its tokens: a text of no tokens comes from a server that does not tell them."""
        return self.tokens > 0 or not self.text


class Student(Protocol):
    """Completes prompts; tests bring recorded ones."""

    @property
    def name(self) -> str:
        """Name in the tables."""

    def complete(self, prompts: Sequence[str], *, task: Task, n: int, sampling: Sampling) -> Iterator[list[Completion]]:
        """Yield ``n`` completions for each prompt, in order."""


@dataclass(frozen=True, slots=True)
class ServedStudent:
    """A student behind an OpenAI-compatible server, asked through the teacher's client and ledger.

    A plan head is served as a model of its own: load it with ``load_student`` and save it as a folder.
    """

    name: str
    server: Server
    ledger: Path
    config: Asking
    plan_config: Asking | None = None
    progress: Progress = SILENT
    wording: Wording = CODEPLAN
    opens_thought: bool | None = None
    """The server's chat template opens the thought; ``None``: the answers tell it."""
    languages: tuple[Language, ...] = ()
    """What it was taught, where somebody knows."""

    def complete(self, prompts: Sequence[str], *, task: Task, n: int, sampling: Sampling) -> Iterator[list[Completion]]:
        """Yield ``n`` completions for each prompt, in order; a request that failed is a failed completion."""
        requests = (
            Request((Message("user", prompt),), _params(sampling, index)) for prompt in prompts for index in range(n)
        )
        config = self.plan_config if task is Task.PLAN and self.plan_config else self.config
        replies = ask(requests, server=self.server, ledger=self.ledger, config=config, progress=self.progress)
        waiting: list[Completion] = []
        for reply in replies:
            found = _completion(reply)
            text = with_thought(found.text) if self.opens_thought and found.text else found.text
            waiting.append(replace(found, text=text))
            if len(waiting) == n:
                yield waiting
                waiting = []

    def resume(self, begun: Sequence[tuple[str, str]], *, sampling: Sampling) -> Iterator[Completion]:
        """Yield for each prompt and text what follows it; the server has to continue final messages, as vLLM does."""
        going_on = {"continue_final_message": True, "add_generation_prompt": False}
        requests = (
            Request((Message("user", prompt), Message("assistant", text)), _params(sampling) | going_on)
            for prompt, text in begun
        )
        replies = ask(requests, server=self.server, ledger=self.ledger, config=self.config, progress=self.progress)
        for (_, text), reply in zip(begun, replies, strict=True):
            found = _completion(reply)
            is_thinking = split_thought(text).answer is None  # a server that splits thoughts off opens them again
            yield replace(found, text=without_opening(found.text)) if is_thinking else found


def _params(sampling: Sampling, index: int = 0) -> dict[str, Any]:
    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "seed": sampling.seed + index,
    }


def _completion(reply: Reply) -> Completion:
    return Completion(
        reply.text, reply.finish_reason, reply.usage.completion_tokens or 0, failed=reply.error is not None
    )


class LocalStudent:
    """A student in this process, for models that a CPU can run."""

    def __init__(
        self, folder: Path, *, name: str | None = None, batch_rows: int = 64, wording: Wording | None = None
    ) -> None:
        """Load it.

        Parameters
        ----------
        folder
            What training wrote, or any folder that transformers reads.
        name
            Its name in the tables; the folder's otherwise.
        batch_rows
            Answers that are written at once.
        wording
            Words in which a model is asked that does not say in which it was taught.

        Raises
        ------
        ModelError
            When the folder holds no student, or one that was taught in other words.
        """
        self.name = name or folder.name
        self._batch_rows = batch_rows
        self._model, self._tokenizer = load_student(folder)
        self.wording = words_of(folder, wording, self._tokenizer)
        taught = Taught.read(folder)
        self.languages = taught.languages if taught else ()
        self._plan_model = self._model
        if (folder / PLAN_HEAD_FILE).is_file():
            self._plan_model, _ = load_student(folder, Heads.PLAN_HEAD)

    def complete(self, prompts: Sequence[str], *, task: Task, n: int, sampling: Sampling) -> Iterator[list[Completion]]:
        """Yield ``n`` completions for each prompt, in order; the same prompts and seed give the same answers."""
        model = self._plan_model if task is Task.PLAN else self._model
        prompts_per_batch = max(self._batch_rows // n, 1)
        for start in range(0, len(prompts), prompts_per_batch):
            part = prompts[start : start + prompts_per_batch]
            rendered = [render_prompt(prompt, self._tokenizer) for prompt in part]
            answers = self._batch(model, rendered, n, sampling, seed=sampling.seed * SEED_STRIDE + start)
            yield from (answers[index * n : (index + 1) * n] for index in range(len(part)))

    def resume(self, begun: Sequence[tuple[str, str]], *, sampling: Sampling) -> Iterator[Completion]:
        """Yield for each prompt and text what follows it."""
        for start in range(0, len(begun), self._batch_rows):
            asked = [
                (render_prompt(prompt, self._tokenizer), text)
                for prompt, text in begun[start : start + self._batch_rows]
            ]
            rendered = [prompt + (without_opening(text) if opens_thought(prompt) else text) for prompt, text in asked]
            seed = sampling.seed * SEED_STRIDE + start
            yield from self._batch(self._model, rendered, 1, sampling, seed=seed)

    def _batch(
        self,
        model: Any,  # noqa: ANN401 - a transformers model
        rendered: Sequence[str],
        n: int,
        sampling: Sampling,
        *,
        seed: int,
    ) -> list[Completion]:
        import torch

        inputs = self._tokenizer(
            rendered, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False
        )
        draws: dict[str, Any] = {"do_sample": False}
        if sampling.temperature > 0:
            draws = {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        torch.manual_seed(seed)
        with torch.inference_mode(), single_threaded():
            output = model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                max_new_tokens=sampling.max_tokens,
                num_return_sequences=n,
                pad_token_id=self._tokenizer.pad_token_id,
                eos_token_id=self._tokenizer.eos_token_id,
                **draws,
            )
        width = inputs["input_ids"].shape[1]
        return [
            self._completion(row[width:].tolist(), opened=opens_thought(rendered[index // n]))
            for index, row in enumerate(output)
        ]

    def _completion(self, ids: list[int], *, opened: bool) -> Completion:
        end = self._tokenizer.eos_token_id
        ended = end in ids
        own = ids[: ids.index(end)] if ended else ids
        text = self._tokenizer.decode(own, skip_special_tokens=True)
        return Completion(with_thought(text) if opened else text, "stop" if ended else "length", len(own))


def extract_code(text: str, language: Language = Language.PYTHON) -> str:
    """Return the program of an answer: the fence that a reader would take, or all of the answer without a fence.

    An answer that never leaves its reasoning has no program: the empty text, which no test accepts.
    """
    answer = split_thought(text).answer
    if answer is None:
        return ""
    code = answer_code(answer, language=language)
    return answer.strip("\n") if code is None else code


def count_reasoning_tokens(completion: Completion) -> int:
    """Return the tokens of the reasoning: the completion's, in the proportion of its text that is reasoning."""
    if not completion.text:
        return 0
    reasoning, answer = split_thought(completion.text)
    if answer is None:
        return completion.tokens
    return round(completion.tokens * len(reasoning or "") / len(completion.text))


def only_closes(text: str) -> bool:
    """Whether an answer ends a thought that it did not begin: the student's template began it."""
    reasoning, answer = split_thought(text)
    return bool(reasoning) and answer is not None and text.startswith(reasoning or "")


def is_untagged(text: str) -> bool:
    """Whether no tag says what of an answer is a thought."""
    return split_thought(text).reasoning is None
