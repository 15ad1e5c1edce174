"""A command of a step: its arguments and options derive from the declaration, its rows come from files.

Tables that the steps of a command read and do not write themselves are arguments; every option of every step has its own
name, default, bounds and meaning, as in the launchpad. All files of a command appear together, or none does.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final, get_args, get_origin

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import typer
from pydantic.fields import FieldInfo

from ocr_pipeline.console import progress, report
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import OptionError
from ocr_pipeline.flow import Command
from ocr_pipeline.options import Options, plain_type
from ocr_pipeline.sources.catalogue import SOURCES
from ocr_pipeline.sources.steps import raw_given
from ocr_pipeline.steps import FileRows, Folder, Job, Part, Raw, Read, Rows, Services, Step
from ocr_pipeline.store import FileWriter

__all__ = ["command_function", "option_parameters", "options_given"]

ROWS_AT_ONCE: Final = 1_024


@dataclass(frozen=True, slots=True)
class _Finished:
    """Rows that a step of the same command has written, under their temporary name."""

    path: Path

    @property
    def exist(self) -> bool:
        return True

    @property
    def source(self) -> ds.Dataset:
        return ds.dataset(self.path, format="parquet")

    def follow(self, other: Rows) -> bool:
        return other.exist

    def parts(self) -> Iterator[Part]:
        yield from ()

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        yield from self.source.to_batches(columns=columns, batch_size=ROWS_AT_ONCE)

    def of(self, problem_ids: Collection[str]) -> Iterator[pa.RecordBatch]:
        yield from self.source.to_batches(filter=pc.field("problem_id").isin(list(problem_ids)))


def command_function(command: Command) -> Callable[..., None]:
    """Return the function that the command line calls, with one parameter per argument and option."""

    def run(**given: Any) -> None:
        _run(command, given)

    parameters = list(_parameters(command))
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__doc__ = command.summary
    return run


def option_parameters(*models: type[Options]) -> Iterator[inspect.Parameter]:
    """Yield a parameter of the command line for each option; options of one name are one option."""
    fields = {name: (model, field) for model in models for name, field in model.model_fields.items()}
    for name, (model, field) in fields.items():
        panel = _panel(model, name)
        names = [f"--{one.replace('_', '-')}" for one in (name, field.alias) if one]
        if plain_type(field.annotation) is bool:
            names = [f"{one}/--no-{one.removeprefix('--')}" for one in names]
        help_text = field.description
        default = ... if field.is_required() else _default(field)
        yield _keyword(
            name, _annotated(_type(field), typer.Option(*names, help=help_text, rich_help_panel=panel)), default
        )


def options_given(model: type[Options], given: Mapping[str, Any]) -> Any:  # noqa: ANN401 - of the model's type
    """Read a model of options out of what the command line was given."""
    return model(**{name: _value(field, given[name]) for name, field in model.model_fields.items() if name in given})


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
    yield _keyword("out", Annotated[Path, typer.Option(help=f"Folder for {writes}.")], ...)
    for name, read in reads.items():
        if read.table != command.first:
            default = None if _is_optional(command, read) else ...
            option = typer.Option(f"--{_name(read)}", help=_help(read))
            yield _keyword(f"rows_{name}", _annotated(list[Path] | None, option), default)
    for folder in dict.fromkeys(one for step in command.steps for one in step.all_folders):
        where = f" The default is {folder.default} in OUT." if folder.default else ""
        option = typer.Option(f"--{folder.option}", help=folder.meaning + where)
        yield _keyword(f"folder_{folder.name}", _annotated(Path | None, option), None)
    yield from option_parameters(*(model for step in command.steps for model in step.all_options))
    yield _keyword("as_json", Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")], default=False)


def _panel(model: type[Options], name: str) -> str:
    """Group options by the model that declares them."""
    owner = next((base for base in reversed(model.__mro__) if name in vars(base).get("__annotations__", {})), model)
    return (owner.__doc__ or owner.__name__).split("\n")[0].split(";")[0].rstrip(".")


def _annotated(kind: Any, said: Any) -> Any:  # noqa: ANN401 - types
    return Annotated[kind, said]


def _positional(name: str, kind: Any) -> inspect.Parameter:  # noqa: ANN401 - a type
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=kind)


def _keyword(name: str, kind: Any, default: Any) -> inspect.Parameter:  # noqa: ANN401 - a type and its value
    given = inspect.Parameter.empty if default is ... else default
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=given)


def _external(command: Command) -> dict[str, Read]:
    """Return what a command reads from files: what no step of it writes, and what is not made later in the flow."""
    written: set[str] = set()
    found: dict[str, Read] = {}
    for step in command.steps:
        for read in step.reads:
            if read.table.name not in written and not (read.is_feedback and read.when):
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
    return "problems" if read.table.name.endswith("_problems") else read.table.name


def _metavar(read: Read) -> str:
    return f"{_name(read).upper()}…"


def _help(read: Read) -> str:
    needs = f" Needs {', '.join(read.needed)}." if read.needed else ""
    return f"{_name(read).replace('_', ' ').capitalize()}: Parquet, JSONL or folders.{needs}"


def _default(field: FieldInfo) -> Any:  # noqa: ANN401 - a default of any type
    default = field.get_default(call_default_factory=True)
    if isinstance(default, tuple):
        return list(default) or None
    if isinstance(default, Mapping):
        return json.dumps(dict(default))
    return default.value if isinstance(default, Enum) else default


def _type(field: FieldInfo) -> Any:  # noqa: ANN401 - a type
    """Return what the command line takes for an option: lists, JSON and days are text there."""
    kind = plain_type(field.annotation)
    if get_origin(kind) is tuple:
        return list[get_args(kind)[0]] | None  # type: ignore[misc]
    if get_origin(kind) is Mapping or kind is date:
        kind = str
    return kind | None if type(None) in get_args(field.annotation) else kind


def _value(field: FieldInfo, given: Any) -> Any:  # noqa: ANN401 - a value of any type
    kind = get_origin(plain_type(field.annotation))
    if kind is tuple:
        return tuple(given or ())
    if kind is not Mapping:
        return given
    try:
        found = json.loads(given)
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        message = f"{field.alias or field.title or 'the option'} must be a JSON object, got `{given}`"
        raise OptionError(message)
    return found


def _run(command: Command, given: dict[str, Any]) -> None:
    out: Path = given["out"]
    models = {model for step in command.steps for model in step.all_options}
    options = {model: options_given(model, given) for model in models}

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
    counts: dict[str, StageCounts] = {}
    with Services(given_options, folder, _say) as services, ExitStack() as stack:
        writers = {
            table.name: stack.enter_context(FileWriter(out / f"{table.name}.parquet", table))
            for step in steps
            for table in step.writes
        }
        for step in steps:
            job = _job(step, rows, services, given_options, raw, writers)
            counts[step.name] = _done(step, job)
            for table in step.writes:
                writers[table.name].complete()
                rows[table.name] = _Finished(writers[table.name].unnamed)
    _report(command, counts, as_json=given["as_json"], out=out)


def _needed(step: Step, rows: Mapping[str, Rows]) -> list[str]:
    return [read.table.name for read in step.reads if not read.is_optional and read.table.name in rows]


def _job(
    step: Step,
    rows: Mapping[str, Rows],
    services: Services,
    given: Callable[[type[Options]], Options],
    raw: Raw | None,
    writers: Mapping[str, FileWriter],
) -> Job:
    absent = {read.table.name: FileRows((), read) for read in step.reads}
    return Job(
        partition={},
        rows=absent | dict(rows),
        services=services,
        given=given,
        raw=raw,
        observe=_observe,
        writers={table.name: writers[table.name] for table in step.writes},
    )


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _observe(what: str, known: Mapping[str, Any]) -> None:
    shown = ", ".join(f"{name} {value}" for name, value in known.items() if value is not None)
    _say(f"{what}: {shown}")


def _done(step: Step, job: Job) -> StageCounts:
    from dataclasses import replace

    with progress(step.name, unit=step.unit) as bar:
        return step.run(replace(job, progress=bar)).require_conserved(step.name)


def _report(command: Command, counts: Mapping[str, StageCounts], *, as_json: bool, out: Path) -> None:
    """Print the account of the last step with the notes of all, or of each step that the command names."""
    if command.accounts:
        report({step.name: counts[step.name] for step in command.accounts}, as_json=as_json, out=out)
        return
    last = counts[command.steps[-1].name]
    notes = {name: count for one in counts.values() for name, count in one.notes.items()}
    report(StageCounts(last.rows_in, last.kept, last.dropped, notes), as_json=as_json, out=out)
