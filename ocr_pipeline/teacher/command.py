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
from ocr_pipeline.store.postgres import is_database
from ocr_pipeline.teacher.book import Book
from ocr_pipeline.teacher.ledger import SUFFIX
from ocr_pipeline.teacher.ledgers import ledgers_of, merge_ledgers
from ocr_pipeline.teacher.records import record_line
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


Places = Annotated[list[str], typer.Argument(help="Ledgers, folders of ledgers, or postgresql://….")]


@ledger.command()
def inspect(
    places: Places,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Show what ledgers hold: answers, failures, tokens, models."""
    for name, book in _books(places):
        summary = book.summary()
        plain = {field: getattr(summary, field) for field in summary.__slots__}
        line = json.dumps({"ledger": name, **plain}) if as_json else _summary_line(name, plain)
        sys.stdout.write(line + "\n")


@ledger.command()
def merge(
    sources: Annotated[list[Path], typer.Argument(help="Ledgers, folders of ledgers, or JSONL exports.")],
    *,
    into: Annotated[Path, typer.Option(help="The ledger that takes everything; it may exist.")],
) -> None:
    """Bring what other ledgers hold into one; answers of the target stay as they are."""
    found = [file for source in sources for file in _files(source) if file.resolve() != into.resolve()]
    new, had = merge_ledgers(into, found)
    sys.stdout.write(f"{new:,} new records, {had:,} were there\n")


@ledger.command()
def export(
    places: Places,
    *,
    out: Annotated[Path, typer.Option(help="JSONL file to write.")],
) -> None:
    """Write every record as a line of JSON."""
    written = 0
    with atomic_write(out) as file:
        for _, book in _books(places):
            for record in book.all_records():
                file.write(record_line(record))
                written += 1
    sys.stdout.write(f"{written:,} records written to {out}\n")


@ledger.command()
def forget(
    places: Places,
    *,
    error: Annotated[ErrorKind, typer.Option(help="Kind of failure.")],
) -> None:
    """Remove the failures of a kind, so that the next run asks again; answers stay."""
    for name, book in _books(places):
        sys.stdout.write(f"{name}: {book.forget(error):,} failures forgotten\n")


def _books(places: list[str]) -> Iterator[tuple[str, Book]]:
    """Yield the ledgers of some places, each open, one after the other, with a name for a person."""
    for place in places:
        for name, ledger in ledgers_of(place).items():
            with ledger as book:
                yield name if is_database(place) else str(getattr(book, "path", name)), book


def _files(source: Path) -> list[Path]:
    """Return the ledgers of a folder, or the file."""
    found = sorted(source.glob(f"*{SUFFIX}")) if source.is_dir() else [source]
    if not found or not source.exists():
        message = f"`{source}` holds no ledger ({SUFFIX}); give a ledger, a folder of ledgers or a JSONL export"
        raise InputError(message)
    return found


def _summary_line(name: str, plain: dict[str, Any]) -> str:
    mean, latency = plain["mean_completion_tokens"] or 0, plain["mean_latency_s"] or 0
    return (
        f"{name}: {plain['answers']:,} answers, {plain['errors']:,} failures, "
        f"{plain['prompt_tokens']:,} + {plain['completion_tokens']:,} tokens (mean {mean:,.0f}, 95 % below "
        f"{plain['p95_completion_tokens'] or 0:,}), mean {latency:.1f} s; models: {', '.join(plain['models']) or 'none'}"
    )
