"""The teacher's client as the source of opinions on pairs: prompts in, answers out, each paid once.

What is asked and how an answer is read is said by :mod:`ocr_pipeline.similarity.opinions`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ocr_pipeline.asking import Asking
from ocr_pipeline.console import progress
from ocr_pipeline.teacher.ask import ask
from ocr_pipeline.teacher.request import Message, Request
from ocr_pipeline.teacher.servers import Server, attach

__all__ = ["TeacherOpinions", "attach_opinions"]

MAX_TOKENS: Final = 8_192  # a reasoning model thinks first; an answer that is cut off counts as none


@dataclass(frozen=True, slots=True)
class TeacherOpinions:
    """The :class:`~ocr_pipeline.similarity.opinions.PairOpinions` behind a server and a ledger."""

    server: Server
    ledger: Path
    config: Asking

    def answer(self, prompts: Sequence[str]) -> Sequence[str | None]:
        """Return one answer per prompt, in order; ``None`` where none came.

        Raises
        ------
        TeacherError, StoreError, BudgetError
            As :func:`ocr_pipeline.teacher.ask` raises them.
        """
        if not prompts:
            return []
        params = {"temperature": 0, "max_tokens": MAX_TOKENS, "seed": 0}
        requests = (Request((Message("user", prompt),), params, subject={"step": "pairs"}) for prompt in prompts)
        with progress("asking about pairs", total=len(prompts), unit="answers") as bar:
            replies = list(ask(requests, server=self.server, ledger=self.ledger, config=self.config, progress=bar))
        return [None if reply.error else reply.text for reply in replies]


@contextmanager
def attach_opinions(
    urls: Sequence[str], model: str, ledger: Path, *, api_key_env: str | None = None
) -> Iterator[TeacherOpinions]:
    """Ask a model behind running servers, for the length of the block."""
    with attach(list(urls), api_key_env) as server:
        yield TeacherOpinions(server, ledger, Asking(model=model))
