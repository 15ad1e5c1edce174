"""The options that ``dedup`` and ``decontaminate`` share: the model that is asked about uncertain pairs.

The command line lends the client, as the object of its context; how pairs are judged stands in
:mod:`ocr_pipeline.similarity.judging`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from ocr_pipeline.errors import InputError
from ocr_pipeline.similarity.judging import PairJudge

__all__ = ["JudgeApiKey", "JudgeModel", "JudgeUrl", "open_judge"]

JudgeUrl = Annotated[
    list[str] | None,
    typer.Option(help="Base URL of a model that is asked about pairs no rule decides; several for equal servers."),
]
JudgeModel = Annotated[str | None, typer.Option(help="Its name, as the server knows it.")]
JudgeApiKey = Annotated[str | None, typer.Option(help="Environment variable that holds its key.")]


def open_judge(
    context: typer.Context, urls: Sequence[str] | None, model: str | None, api_key_env: str | None, out: Path
) -> AbstractContextManager[PairJudge | None]:
    """Return the judge that a command's options name, if any; its paid answers lie in ``OUT/judge_ledger.sqlite``.

    Raises
    ------
    InputError
        When one of URL and model is missing.
    """
    if not urls and not model:
        return nullcontext()
    if not (urls and model):
        message = "a judge needs both --judge-url and --judge-model"
        raise InputError(message)
    judge: AbstractContextManager[PairJudge] = context.obj(
        urls, model, out / "judge_ledger.sqlite", api_key_env=api_key_env
    )
    return judge
