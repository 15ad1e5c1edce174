"""Every step as a command on files: files in, files out.

Commands of steps derive from the flow; others are functions in the ``command`` module of their room. This module only
registers them and turns errors into exit codes: 0 done, 1 failed with one clear line, 2 wrong usage.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterable
from typing import Any, Final

import typer

from ocr_pipeline import logs
from ocr_pipeline.errors import OptionError, PipelineError

__all__ = ["NAMES", "build_app", "main"]

STEPS: Final = (
    "ingest",
    "dedup",
    "decontaminate",
    "generate",
    "separate",
    "judge",
    "generate-tests",
    "test-quality",
    "synthesize",
    "difficulty",
    "critique",
    "patterns",
    "label-patterns",
    "select",
    "plan",
)
"""Commands of steps, by name, so that others need not import the flow; a test compares them with it."""
OTHERS: Final = {
    "replay": "ocr_pipeline.teacher.command:replay",
    "ledger": "ocr_pipeline.copying:ledger",
    "train": "ocr_pipeline.student.command:train",
    "student": "ocr_pipeline.student.command:student",
    "evaluate": "ocr_pipeline.student.command:evaluate",
    "explain": "ocr_pipeline.evidence.command:explain",
    "funnel": "ocr_pipeline.evidence.command:funnel",
    "compare-patterns": "ocr_pipeline.evidence.command:compare_patterns",
    "release": "ocr_pipeline.evidence.command:release",
    "export": "ocr_pipeline.exports.command:export",
    "publish": "ocr_pipeline.publishing.command:publish",
    "join": "ocr_pipeline.exports.command:join",
    "ingest-ioi": "ocr_pipeline.sources.ioi:ingest_ioi",
    "new-source": "ocr_pipeline.sources.example:new_source",
    "serve-judge": "ocr_pipeline.serving.command:serve_judge",
    "reviews": "ocr_pipeline.studio.command:reviews",
    "studio": "ocr_pipeline.studio.command:studio",
    "storage": "ocr_pipeline.store.command:storage",
}
NAMES: Final = (*STEPS, *OTHERS)


def build_app(names: Iterable[str] = NAMES) -> typer.Typer:
    """Return the command line with the named commands; only their modules are imported."""
    app = typer.Typer(
        name="ocr-pipeline",
        help=_root.__doc__,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    for name in names:
        found = _of_step(name) if name in STEPS else _other(name)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)
    return app


def _of_step(name: str) -> Any:  # noqa: ANN401 - a function of any arguments
    from ocr_pipeline.commands import command_function
    from ocr_pipeline.flow import COMMANDS

    return command_function(next(command for command in COMMANDS if command.name == name))


def _other(name: str) -> Any:  # noqa: ANN401 - a function of any arguments, or a group of them
    module, attribute = OTHERS[name].split(":")
    return getattr(importlib.import_module(module), attribute)


def _root() -> None:
    """Build code-reasoning training data that can be trusted: problems in, Parquet out."""


def main() -> None:
    """Run the command line; the process exits with 0, 1 or 2."""
    named = [name for name in sys.argv[1:2] if name in NAMES]
    try:
        logs.check()
        with logs.about(named[0] if named else "ocr-pipeline"):
            build_app(named or NAMES)()
    except PipelineError as error:
        with logs.about(named[0] if named else "ocr-pipeline"):
            logs.say(f"ocr-pipeline: {error}", "failed", level="error")
        raise SystemExit(2 if isinstance(error, OptionError) else 1) from None
    except KeyboardInterrupt:
        logs.say("ocr-pipeline: stopped; run the same command again to go on", "failed", level="error")
        raise SystemExit(1) from None
    except Exception as error:
        if not logs.event("failed", {"message": str(error), "traceback": traceback.format_exc()}, level="error"):
            raise
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
