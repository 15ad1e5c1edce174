"""The command ``serve-judge``."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import Annotated

import typer

from ocr_pipeline.judge.programs import Tiers
from ocr_pipeline.judge.sandbox import choose_plan
from ocr_pipeline.judge.verdicts import JudgeConfig
from ocr_pipeline.parameters import with_options
from ocr_pipeline.serving.options import ServeOptions
from ocr_pipeline.serving.pool import Pool
from ocr_pipeline.serving.server import serve
from ocr_pipeline.serving.service import Service

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
        asyncio.run(serve(Service(pool, options, config), port=port))
