"""A command of a step: its arguments and options derive from the declaration, its rows come from files.

Tables that the steps of a command read and do not write themselves are arguments; every option of every step has its own
name, default, bounds and meaning, as in the launchpad. All files of a command appear together, or none does.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from ocr_pipeline import logs
from ocr_pipeline.console import progress, report
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import InputError
from ocr_pipeline.flow import Command
from ocr_pipeline.options import Options
from ocr_pipeline.parameters import annotated, keyword, option_parameters, options_given
from ocr_pipeline.sources.catalogue import SOURCES
from ocr_pipeline.sources.steps import raw_given
from ocr_pipeline.steps import FileRows, Folder, Job, Part, Raw, Read, Rows, Services, Step
from ocr_pipeline.store import FileWriter, among, atomic_write

if TYPE_CHECKING:
    import pyarrow.dataset as ds

__all__ = ["command_function"]

ROWS_AT_ONCE: Final = 1_024


@dataclass(frozen=True, slots=True)
class _Finished:
    """Rows that a step of the same command has written, under their temporary name."""

    path: Path

    @property
    def exist(self) -> bool:
        return True

    @property
    def places(self) -> Sequence[Path]:
        return (self.path,)

    @property
    def source(self) -> ds.Dataset:
        import pyarrow.dataset as ds

        return ds.dataset(self.path, format="parquet")

    def follow(self, other: Rows) -> bool:
        return other.exist

    def made_by(self, version: str) -> bool:  # noqa: ARG002 - the protocol's
        return False

    def parts(self) -> Iterator[Part]:
        yield from ()

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        yield from self.source.to_batches(columns=columns and list(columns), batch_size=ROWS_AT_ONCE)

    def pieces(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        yield from self.batches(columns)

    def of(self, problem_ids: Collection[str]) -> Iterator[pa.RecordBatch]:
        yield from self.source.to_batches(filter=among("problem_id", problem_ids))

    def check(self) -> None:
        """Do nothing: this command wrote them."""


def command_function(command: Command) -> Callable[..., None]:
    """Return the function that the command line calls, with one parameter per argument and option."""

    def run(**given: Any) -> None:
        _run(command, given)

    parameters = list(_parameters(command))
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__doc__ = command.summary
    return run


def _parameters(command: Command) -> Iterator[inspect.Parameter]:
    if any(step.reads_raw for step in command.steps):
        dataset = typer.Argument(help=f"One of {', '.join(SOURCES)}.")
        yield _positional("dataset", Annotated[str, dataset])
        paths = "Raw files, problem folders, folders of them, or hf://datasets/<owner>/<name>@<revision>."
        yield _positional("paths", Annotated[list[str], typer.Argument(help=paths)])
    reads = _external(command)
    for read in reads.values():
        if read.table == command.first:
            yield _positional("first", Annotated[list[Path], typer.Argument(metavar=_metavar(read), help=_help(read))])
    writes = ", ".join(f"{table.name}.parquet" for step in command.steps for table in step.writes)
    yield keyword("out", Annotated[Path, typer.Option(help=f"Folder for {writes}.")], ...)
    for name, read in reads.items():
        if read.table != command.first:
            default = None if _is_optional(command, read) else ...
            spellings = dict.fromkeys((f"--{_name(read).replace('_', '-')}", f"--{_name(read)}"))
            option = typer.Option(*spellings, help=_help(read))
            yield keyword(f"rows_{name}", annotated(list[Path] | None, option), default)
    for folder in dict.fromkeys(one for step in command.steps for one in step.all_folders):
        where = f" The default is {folder.default} in OUT." if folder.default else ""
        option = typer.Option(f"--{folder.option}", help=folder.meaning + where)
        yield keyword(f"folder_{folder.name}", annotated(Path | None, option), None)
    yield from option_parameters(*(model for step in command.steps for model in step.all_options))
    if any(step.shows for step in command.steps):
        show = typer.Option(
            "--show", "--curve", help="Write the small tables about the result, too, such as threshold_curve.parquet."
        )
        yield keyword("show", Annotated[bool, show], default=False)
    if any(step.foretells for step in command.steps):
        dry_run = typer.Option("--dry-run", help="Print what would be asked and what it costs, and do nothing.")
        yield keyword("dry_run", Annotated[bool, dry_run], default=False)
    for short in command.shorthands:
        said = typer.Option(f"--{short.flag}", help=f"Short for --{short.option} {short.value}.")
        yield keyword(short.flag, Annotated[bool, said], default=False)
    yield keyword("as_json", Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")], default=False)


def _positional(name: str, kind: Any) -> inspect.Parameter:  # noqa: ANN401 - a type
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=kind)


def _external(command: Command) -> dict[str, Read]:
    """Return what a command reads from files: what no step of it writes."""
    written: set[str] = set()
    found: dict[str, Read] = {}
    for step in command.steps:
        for read in step.reads:
            if read.table.name not in written:
                found.setdefault(read.table.name, read)
        written |= {table.name for table in step.writes}
    return found


def _is_optional(command: Command, read: Read) -> bool:
    """Whether a command can do without a table: nobody needs it, or only a step that is left out then."""
    needed = [
        step for step in command.steps if any(one.table == read.table and not one.is_optional for one in step.reads)
    ]
    return not needed or (len(command.steps) > 1 and command.steps[-1] not in needed and _can_be_left_out(command))


def _can_be_left_out(command: Command) -> bool:
    """Whether the first step only helps the second, which reads its table where there is one."""
    first, *_, last = command.steps
    return any(read.is_optional and read.table in first.writes for read in last.reads)


def _name(read: Read) -> str:
    """Call problems after whatever filter simply problems."""
    if read.option:
        return read.option
    return "problems" if read.table.name.endswith("_problems") else read.table.name


def _metavar(read: Read) -> str:
    return f"{_name(read).upper()}…"


def _help(read: Read) -> str:
    needs = f" Needs {', '.join(read.needed)}." if read.needed else ""
    return f"{_name(read).replace('_', ' ').replace('-', ' ').capitalize()}: Parquet, JSONL or folders.{needs}"


@dataclass(frozen=True, slots=True)
class _Call:
    """What one call of a command works with."""

    command: Command
    out: Path
    steps: Sequence[Step]
    rows: dict[str, Rows]
    services: Services
    given: Callable[[type[Options]], Options]
    raw: Raw | None

    def job(self, step: Step) -> Job:
        # What comes later in the flow, and what an earlier run wrote.
        absent = {read.table.name: FileRows((), read) for read in (*map(Read, step.writes), *step.reads)}
        return Job(partition={}, rows=absent | self.rows, services=self.services, given=self.given, raw=self.raw)


def _run(command: Command, given: dict[str, Any]) -> None:
    out: Path = given["out"]
    given |= {short.option: short.value for short in command.shorthands if given[short.flag]}
    options = {
        model: options_given(model, given) for model in {model for step in command.steps for model in step.all_options}
    }

    def folder(wanted: Folder) -> Path | None:
        named: Path | None = given.get(f"folder_{wanted.name}")
        return named or (out / wanted.default if wanted.default else None)

    def given_options(model: type[Options]) -> Options:
        return options[model] if model in options else model()

    raw = raw_given(given["dataset"], tuple(given["paths"])) if "paths" in given else None
    rows: dict[str, Rows] = {}
    for name, read in _external(command).items():
        paths = given["first"] if read.table == command.first else given[f"rows_{name}"]
        rows[name] = FileRows(tuple(paths or ()), read)
    steps = [step for step in command.steps if all(rows[one].exist for one in _needed(step, rows))]
    with Services(given_options, folder, logs.say) as services:
        call = _Call(command, out, steps, rows, services, given_options, raw)
        if given.get("dry_run"):
            _foretell(call)
            return
        _require_nothing_to_keep(call)
        counts = _write(
            call, show=bool(given.get("show") or any(given.get(name) for step in steps for name in step.shows_for))
        )
        for name, account in counts.items():
            with logs.about(name):
                logs.event("done", account.as_dict())
        _report(command, counts, as_json=given["as_json"], out=out)
        _inspect(call, counts)


def _foretell(call: _Call) -> None:
    for step in call.steps:
        for line in step.foretells(call.job(step)) if step.foretells else ():
            logs.say(line)


def _require_nothing_to_keep(call: _Call) -> None:
    """Refuse to replace rows by none where the options ask for nothing: somebody may have paid for them."""
    for step in call.steps:
        there = [path for table in step.writes if (path := call.out / f"{table.name}.parquet").exists()]
        if there and step.keeps is not None and step.keeps(call.job(step)):
            message = f"`{there[0]}` is there, and these options ask for nothing, which would empty it; ask for some, or give another --out"
            raise InputError(message)


def _write(call: _Call, *, show: bool) -> dict[str, StageCounts]:
    """Do every step; all files appear together."""
    counts: dict[str, StageCounts] = {}
    shown: dict[str, pa.Table] = {}
    with _vanishing(call.out), ExitStack() as stack:
        writers = {
            table.name: stack.enter_context(FileWriter(call.out / f"{table.name}.parquet", table))
            for step in call.steps
            for table in step.writes
        }
        for step in call.steps:
            job = replace(call.job(step), writers={table.name: writers[table.name] for table in step.writes})
            with progress(step.name, unit=step.unit) as bar:
                counts[step.name] = step.run(replace(job, progress=bar)).require_conserved(step.name)
            for table in step.writes:
                writers[table.name].complete()
                call.rows[table.name] = _Finished(writers[table.name].unnamed)
            if step.shows is not None and show:
                shown |= step.shows(call.job(step))
    for name, table in shown.items():
        with atomic_write(call.out / f"{name}.parquet") as file:
            pq.write_table(table, file)
    return counts


def _inspect(call: _Call, counts: Mapping[str, StageCounts]) -> None:
    for step in call.steps:
        call.rows.update(
            {table.name: FileRows((call.out / f"{table.name}.parquet",), Read(table)) for table in step.writes}
        )
        for line in step.inspects(call.job(step), counts[step.name]) if step.inspects else ():
            logs.say(line)


@contextmanager
def _vanishing(out: Path) -> Iterator[None]:
    """Leave no empty folder behind when nothing could be written."""
    is_new = not out.exists()
    try:
        yield
    except BaseException:
        if is_new:
            with suppress(OSError):
                out.rmdir()
        raise


def _needed(step: Step, rows: Mapping[str, Rows]) -> list[str]:
    return [read.table.name for read in step.reads if not read.is_optional and read.table.name in rows]


def _report(command: Command, counts: Mapping[str, StageCounts], *, as_json: bool, out: Path) -> None:
    """Print the account of the last step with the notes of all, or of each step that the command names."""
    if command.accounts:
        report({step.name: counts[step.name] for step in command.accounts}, as_json=as_json, out=out)
        return
    last = counts[command.steps[-1].name]
    notes = {name: count for one in counts.values() for name, count in one.notes.items()}
    report(StageCounts(last.rows_in, last.kept, last.dropped, notes), as_json=as_json, out=out)
