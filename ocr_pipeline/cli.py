"""Every step as a command on files: files in, files out.

A command is a function in the ``command`` module of its step; this module only registers them and turns errors into
exit codes: 0 done, 1 failed with one clear line, 2 wrong usage.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final

import typer

from ocr_pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pathlib import Path

    from ocr_pipeline.judge.lending import LentJudge
    from ocr_pipeline.similarity.opinions import PairOpinions

__all__ = ["build_app", "main"]

COMMANDS: Final = {
    "ingest": "ocr_pipeline.sources.command:ingest",
    "dedup": "ocr_pipeline.duplicates.command:dedup",
    "decontaminate": "ocr_pipeline.contamination.command:decontaminate",
    "generate": "ocr_pipeline.teacher.command:generate",
    "replay": "ocr_pipeline.teacher.command:replay",
    "ledger": "ocr_pipeline.teacher.command:ledger",
    "separate": "ocr_pipeline.samples.command:separate",
    "select": "ocr_pipeline.samples.command:select",
    "judge": "ocr_pipeline.judge.command:judge",
    "plan": "ocr_pipeline.plans.command:plan",
    "train": "ocr_pipeline.student.command:train",
    "student": "ocr_pipeline.student.command:student",
    "evaluate": "ocr_pipeline.student.command:evaluate",
    "explain": "ocr_pipeline.evidence.command:explain",
    "funnel": "ocr_pipeline.evidence.command:funnel",
    "reviews": "ocr_pipeline.studio.command:reviews",
    "studio": "ocr_pipeline.studio.command:studio",
}


def build_app(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """Return the command line with the named commands; only their modules are imported."""
    app = typer.Typer(
        name="ocr-pipeline",
        help="Build code-reasoning training data that can be trusted: problems in, Parquet out.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    for name in names:
        module, attribute = COMMANDS[name].split(":")
        command = getattr(importlib.import_module(module), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def _root(context: typer.Context) -> None:
    """Build code-reasoning training data that can be trusted: problems in, Parquet out."""
    from ocr_pipeline.similarity.options import Lent

    context.obj = Lent(opinions=_lend_teacher, judge=_lend_judge)


def _lend_teacher(*args: Any, **options: Any) -> AbstractContextManager[PairOpinions]:
    """Lend the teacher to steps that ask it about pairs: a step imports no other one."""
    from ocr_pipeline.teacher.opinions import attach_opinions

    return attach_opinions(*args, **options)


def _lend_judge(checkpoint: Path) -> LentJudge | None:
    """Lend the judge to steps that run solutions of one problem on the tests of another."""
    from ocr_pipeline.judge import JudgeConfig
    from ocr_pipeline.judge.lending import MOST_TESTS, lend_judge

    return lend_judge(JudgeConfig(max_tests=MOST_TESTS), checkpoint)


def main() -> None:
    """Run the command line; the process exits with 0, 1 or 2."""
    named = [name for name in sys.argv[1:2] if name in COMMANDS]
    try:
        build_app(named or COMMANDS)()
    except PipelineError as error:
        sys.stderr.write(f"ocr-pipeline: {error}\n")
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        sys.stderr.write("ocr-pipeline: stopped; run the same command again to go on\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
