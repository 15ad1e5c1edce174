"""The command ``serve-judge``."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import Annotated

import typer

from ocr_pipeline.errors import JudgeError
from ocr_pipeline.judge.programs import RunStatus, Tiers
from ocr_pipeline.judge.sandbox import choose_plan
from ocr_pipeline.judge.verdicts import Candidate, JudgeConfig
from ocr_pipeline.parameters import with_options
from ocr_pipeline.serving.options import ServeOptions
from ocr_pipeline.serving.pool import Pool
from ocr_pipeline.serving.server import serve
from ocr_pipeline.serving.service import Service
from ocr_pipeline.serving.work import Running, run_code

__all__ = ["serve_judge"]


@with_options
def serve_judge(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")],
    options: ServeOptions,
    config: JudgeConfig,
) -> None:
    """Serve the judge over HTTP in the words of SandboxFusion, NeMo Gym and code-judge, with limits per request."""
    options.token  # noqa: B018 - refuse before anything starts
    if config.tiers is not Tiers.UNSANDBOXED:
        choose_plan(str(config.tiers))
    with closing(Pool(max(1, config.processes), options.queue)) as pool:
        _try(pool, config)
        asyncio.run(serve(Service(pool, options, config), port=port))


def _try(pool: Pool, config: JudgeConfig) -> None:
    """Start the workers and let each run a program, before anybody asks.

    Raises
    ------
    JudgeError
        When that fails.
    """
    first = Running(Candidate("python", "print(1)"), "", 10.0, 256.0, 1.0, config.tiers, 300.0)
    for ran in pool.start(run_code, first):
        if ran.run.status is RunStatus.NOT_RUN:
            raise JudgeError(ran.run.stderr)
