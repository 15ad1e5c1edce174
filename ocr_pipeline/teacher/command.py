"""The commands of the teacher: replay recorded answers, look after ledgers."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from ocr_pipeline.errors import InputError
from ocr_pipeline.store import atomic_write
from ocr_pipeline.teacher.ledger import SUFFIX, Ledger, merge_ledgers, read_records, record_line
from ocr_pipeline.teacher.reply import ErrorKind

__all__ = ["ledger", "replay"]


def replay(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    recordings: Annotated[
        Path | None, typer.Option(help="Recorded answers as JSONL; the bundled ones unless given.")
    ] = None,
    faults: Annotated[
        str, typer.Option(help="Misbehaviour, such as 429:0.05,reset:0.01,delay:lognormal(0.2,1.0).")
    ] = "",
    fault_seed: Annotated[int, typer.Option(help="Which requests suffer.")] = 0,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse prompts that no recording matches.")] = False,
    model: Annotated[str, typer.Option(help="Name to serve under.")] = "replay/sample",
) -> None:
    """Serve recorded answers like an OpenAI-compatible server, and misbehave on request."""
    from ocr_pipeline.teacher.faults import parse_faults
    from ocr_pipeline.teacher.recordings import load_recordings
    from ocr_pipeline.teacher.replay import Replayer, serve

    replayer = Replayer(
        load_recordings(recordings), faults=parse_faults(faults, seed=fault_seed), model=model, is_strict=strict
    )
    asyncio.run(serve(replayer, host=host, port=port))


ledger = typer.Typer(help="Inspect, merge and export the ledgers of the teacher.", no_args_is_help=True)


@ledger.command()
def inspect(
    paths: Annotated[list[Path], typer.Argument(help="Ledgers, or folders of ledgers.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Show what ledgers hold: answers, failures, tokens, models."""
    for path in _ledgers(paths):
        with Ledger(path) as book:
            summary = book.summary()
        plain = {name: getattr(summary, name) for name in summary.__slots__}
        line = json.dumps({"ledger": str(path), **plain}) if as_json else _summary_line(path, plain)
        sys.stdout.write(line + "\n")


@ledger.command()
def merge(
    sources: Annotated[list[Path], typer.Argument(help="Ledgers, folders of ledgers, or JSONL exports.")],
    *,
    into: Annotated[Path, typer.Option(help="The ledger that takes everything; it may exist.")],
) -> None:
    """Bring what other ledgers hold into one; answers of the target stay as they are."""
    new, had = merge_ledgers(into, [path for path in _ledgers(sources) if path.resolve() != into.resolve()])
    sys.stdout.write(f"{new:,} new records, {had:,} were there\n")


@ledger.command()
def export(
    paths: Annotated[list[Path], typer.Argument(help="Ledgers, or folders of ledgers.")],
    *,
    out: Annotated[Path, typer.Option(help="JSONL file to write.")],
) -> None:
    """Write every record as a line of JSON."""
    written = 0
    with atomic_write(out) as file:
        for path in _ledgers(paths):
            for record in read_records(path):
                file.write(record_line(record))
                written += 1
    sys.stdout.write(f"{written:,} records written to {out}\n")


@ledger.command()
def forget(
    paths: Annotated[list[Path], typer.Argument(help="Ledgers, or folders of ledgers.")],
    *,
    error: Annotated[ErrorKind, typer.Option(help="Kind of failure.")],
) -> None:
    """Remove the failures of a kind, so that the next run asks again; answers stay."""
    for path in _ledgers(paths):
        with Ledger(path) as book:
            sys.stdout.write(f"{path}: {book.forget(error):,} failures forgotten\n")


def _ledgers(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            found = sorted(path.glob(f"*{SUFFIX}"))
            if not found:
                message = f"`{path}` holds no ledger ({SUFFIX})"
                raise InputError(message)
            yield from found
        elif path.exists():
            yield path
        else:
            message = f"`{path}` does not exist; give a ledger ({SUFFIX}) or a folder of ledgers"
            raise InputError(message)


def _summary_line(path: Path, plain: dict[str, Any]) -> str:
    mean, latency = plain["mean_completion_tokens"] or 0, plain["mean_latency_s"] or 0
    return (
        f"{path}: {plain['answers']:,} answers, {plain['errors']:,} failures, "
        f"{plain['prompt_tokens']:,} + {plain['completion_tokens']:,} tokens (mean {mean:,.0f}, 95 % below "
        f"{plain['p95_completion_tokens'] or 0:,}), mean {latency:.1f} s; models: {', '.join(plain['models']) or 'none'}"
    )
