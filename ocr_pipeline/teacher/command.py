"""The commands of the teacher: generate answers, replay recorded ones, look after ledgers."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from ocr_pipeline.console import progress, report
from ocr_pipeline.errors import InputError, TeacherError
from ocr_pipeline.store import FileWriter, atomic_write, open_files
from ocr_pipeline.tables import PROBLEMS, RESPONSES, Language
from ocr_pipeline.teacher.forecast import forecast
from ocr_pipeline.teacher.generate import NEEDED_COLUMNS
from ocr_pipeline.teacher.generate import generate as generate_rows
from ocr_pipeline.teacher.ledger import SUFFIX, Ledger, merge_ledgers, read_records, record_line
from ocr_pipeline.teacher.options import GenerateConfig
from ocr_pipeline.teacher.reply import ErrorKind
from ocr_pipeline.teacher.servers import attach

__all__ = ["generate", "ledger", "replay"]

DATASET = "problems"


def generate(  # noqa: PLR0913 - one parameter per option
    problems: Annotated[list[Path], typer.Argument(help="Problems: Parquet, JSONL or folders.")],
    *,
    language: Annotated[Language, typer.Option(help="Programming language to ask for.")],
    url: Annotated[list[str], typer.Option(help="Base URL of an OpenAI-compatible server; again for each replica.")],
    model: Annotated[str, typer.Option(help="Name of the model as the server knows it.")],
    out: Annotated[Path, typer.Option(help="Folder for responses.parquet, and for the ledger.")],
    samples: Annotated[int, typer.Option(min=1, help="Answers per problem.")] = 1,
    revision: Annotated[str | None, typer.Option(help="Revision of the model; part of each answer's key.")] = None,
    ledger: Annotated[Path | None, typer.Option(help="Folder of the ledgers; OUT/ledger unless given.")] = None,
    temperature: Annotated[float, typer.Option(min=0.0)] = 0.6,
    top_p: Annotated[float, typer.Option(min=0.0, max=1.0)] = 0.95,
    max_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of an answer, reasoning included.")] = 16_384,
    seed: Annotated[int, typer.Option(help="Seed of sample 0; sample i has seed + i.")] = 0,
    thinking_budget: Annotated[int | None, typer.Option(min=1, help="Most tokens of reasoning (vLLM).")] = None,
    extra: Annotated[str, typer.Option(help="More fields of the request as a JSON object.")] = "{}",
    window: Annotated[int, typer.Option(min=1, help="Requests in flight.")] = 256,
    deadline: Annotated[float, typer.Option(min=0.001, help="Longest wait for one answer, in seconds.")] = 3600.0,
    api_key_env: Annotated[str | None, typer.Option(help="Environment variable that holds the key.")] = None,
    accept_model: Annotated[
        list[str] | None, typer.Option(help="Another name under which the server may answer.")
    ] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(help="The teacher's tokenizer.json or its folder, to count tokens with.")
    ] = None,
    max_prompt_tokens: Annotated[int | None, typer.Option(min=1, help="Longest prompt; needs --tokenizer.")] = None,
    max_requests: Annotated[int | None, typer.Option(min=0, help="Cap on answers, earlier runs included.")] = None,
    max_total_tokens: Annotated[int | None, typer.Option(min=0, help="Cap on tokens, earlier runs included.")] = None,
    max_time: Annotated[float | None, typer.Option(min=0.0, help="Cap on the time of this run, in seconds.")] = None,
    max_cost: Annotated[float | None, typer.Option(min=0.0, help="Cap on money, earlier runs included.")] = None,
    prompt_price: Annotated[float | None, typer.Option(min=0.0, help="Price of a million prompt tokens.")] = None,
    completion_price: Annotated[
        float | None, typer.Option(min=0.0, help="Price of a million completion tokens.")
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(help="Send a field under another name, such as max_tokens=max_completion_tokens."),
    ] = None,
    leave_out: Annotated[list[str] | None, typer.Option(help="Do not send a field, such as seed.")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Ask again what failed for good, too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print forecast and cost, and ask nothing.")] = False,
    max_failed_share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of failures above which the command ends with code 1.")
    ] = 0.5,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Ask a teacher for solutions; run the same command again to go on where it stopped."""
    config = GenerateConfig(
        model=model,
        language=language,
        revision=revision,
        samples=samples,
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        seed=seed,
        thinking_budget=thinking_budget,
        extra=_json_object(extra),
        max_prompt_tokens=max_prompt_tokens,
        tokenizer=tokenizer,
        window=window,
        rename=tuple(rename or ()),
        leave_out=tuple(leave_out or ()),
        retry_failed=retry_failed,
        deadline_s=deadline,
        accept_models=tuple(accept_model or ()),
        budget_requests=max_requests,
        budget_tokens=max_total_tokens,
        budget_time_s=max_time,
        budget_cost=max_cost,
        prompt_price=prompt_price,
        completion_price=completion_price,
    )
    where: dict[str, Any] = {
        "config": config,
        "server": attach(url, api_key_env),
        "ledger": ledger or out / "ledger",
        "dataset": DATASET,
    }
    expected = forecast(_opened(problems), **where)
    for line in expected.lines():
        sys.stderr.write(line + "\n")
    if dry_run:
        return
    with (
        FileWriter(out / "responses.parquet", RESPONSES) as writer,
        progress(f"asking {model}", total=expected.requests, unit="requests") as bar,
    ):
        counts = generate_rows(_opened(problems), **where, writer=writer, progress=bar)
    report(counts, as_json=as_json, out=out)
    failed = sum(counts.dropped.values())
    if failed:
        for line in _first_errors(out / "responses.parquet"):
            sys.stderr.write(line + "\n")
    if failed > max_failed_share * counts.rows_in:
        message = f"{failed:,} of {counts.rows_in:,} requests failed, more than the share of {max_failed_share:g} that is allowed (--max-failed-share)"
        raise TeacherError(message)


def _first_errors(path: Path) -> Iterator[str]:
    """Yield the first error of each kind."""
    seen: set[str] = set()
    for batch in pq.ParquetFile(path).iter_batches(columns=["error"]):
        for error in filter(None, batch["error"].to_pylist()):
            kind = error.partition(":")[0]
            if kind not in seen:
                seen.add(kind)
                yield f"first failure: {error}"


def _opened(paths: list[Path]) -> Callable[[], Iterable[pa.RecordBatch]]:
    return lambda: open_files(paths, PROBLEMS, required=NEEDED_COLUMNS)


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise typer.BadParameter(f"`{text}` is no JSON object", param_hint="--extra")
    return value


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
