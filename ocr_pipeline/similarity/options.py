"""The options that ``dedup`` and ``decontaminate`` share: the model that is asked about uncertain pairs.

The command line lends the client, as the object of its context; how pairs are asked about is in
:mod:`ocr_pipeline.similarity.opinions`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from ocr_pipeline.errors import InputError
from ocr_pipeline.similarity.opinions import PairOpinions

__all__ = ["Lent", "OpinionApiKey", "OpinionModel", "OpinionUrl", "open_opinions"]


@dataclass(frozen=True, slots=True)
class Lent:
    """What the command line lends to steps that import no other step."""

    opinions: Callable[..., AbstractContextManager[PairOpinions]]
    """Asks a model: URLs, its name, the ledger, and by name the variable of its key."""
    judge: Callable[[Path], Any]
    """Runs programs, keeping results in a folder; gives none where no sandbox works."""


OpinionUrl = Annotated[
    list[str] | None,
    typer.Option(help="Base URL of a model that is asked about pairs no rule decides; several for equal servers."),
]
OpinionModel = Annotated[str | None, typer.Option(help="Its name, as the server knows it.")]
OpinionApiKey = Annotated[str | None, typer.Option(help="Environment variable that holds its key.")]


def open_opinions(
    context: typer.Context, urls: Sequence[str] | None, model: str | None, api_key_env: str | None, out: Path
) -> AbstractContextManager[PairOpinions | None]:
    """Return the model that a command's options name, if any; its paid answers are in ``OUT/opinion_ledger.sqlite``.

    Raises
    ------
    InputError
        When one of URL and model is missing.
    """
    if not urls and not model:
        return nullcontext()
    if not (urls and model):
        message = "asking a model about pairs needs both --opinion-url and --opinion-model"
        raise InputError(message)
    lent: Lent = context.obj
    before = out / "judge_ledger.sqlite"  # its name in earlier versions: what it holds is paid
    ledger = before if before.exists() else out / "opinion_ledger.sqlite"
    return lent.opinions(urls, model, ledger, api_key_env=api_key_env)
