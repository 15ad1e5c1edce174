"""Streams an export: rows are shaped one by one, drawn where weights are given, and written into files that appear together.

With weights the rows are shaped twice: once to see what is there, once to write what was drawn. Memory holds a batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from ocr_pipeline.console import SILENT, Progress
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.exports.conversations import TABLES
from ocr_pipeline.exports.options import ExportOptions, Format
from ocr_pipeline.exports.outcome import Outcome
from ocr_pipeline.exports.rewards import REWARD_TABLES
from ocr_pipeline.mixing import Draw, read_weights
from ocr_pipeline.store import FileWriter, atomic_write
from ocr_pipeline.tables import Table

__all__ = ["export"]

NOT_DRAWN: Final = "not_drawn"
ROWS_AT_ONCE: Final = 64
FIRST_FILES: Final = {Format.OCR: "split_0", Format.OCR2: "python", Format.PRIME_RL: "rl_dataset"}
SHAREGPT_INFO: Final = {
    "ocr_pipeline": {
        "file_name": "train.jsonl",
        "formatting": "sharegpt",
        "columns": {"messages": "conversations"},
        "tags": {"role_tag": "from", "content_tag": "value", "user_tag": "human", "assistant_tag": "gpt"},
    }
}
"""How LLaMA-Factory is told of the file: its ``dataset_info.json``."""
TEMPLATE: Final = ("pyproject.toml", "README.md", "ocr_problems/__init__.py", "ocr_problems/taskset.py")


def export(
    outcomes: Callable[[], Iterator[Outcome]],
    form: Format,
    out: Path,
    options: ExportOptions,
    *,
    progress: Progress = SILENT,
) -> StageCounts:
    """Write the rows of an export and return the account by reason.

    Parameters
    ----------
    outcomes
        Shapes the rows; called twice where rows are drawn.
    form
        The format.
    out
        Folder for the files.
    options
        Weights, number of rows and seed.
    progress
        Told of every row.
    """
    reasons: Counter[str] = Counter()
    kept = 0
    drawn = _drawn(outcomes, options)
    with ExitStack() as stack:
        sinks = _Sinks(out, form, stack)
        for outcome in outcomes():
            progress.advance(1)
            if outcome.reason is not None:
                reasons[outcome.reason] += 1
                continue
            place = kept + reasons[NOT_DRAWN]
            if drawn is not None and not drawn[place]:
                reasons[NOT_DRAWN] += 1
                continue
            sinks.write(outcome, kept)
            kept += 1
        sinks.finish()
    return StageCounts(kept + reasons.total(), kept, dict(reasons)).require_conserved(f"export {form}")


def _drawn(outcomes: Callable[[], Iterator[Outcome]], options: ExportOptions) -> npt.NDArray[np.bool_] | None:
    if not options.mix and options.rows is None:
        return None
    draw = Draw(read_weights(options.mix), rows=options.rows, seed=options.seed)
    for outcome in outcomes():
        if outcome.reason is None:
            draw.add(outcome.key, outcome.facets)
    return draw.drawn()


class _Sink(Protocol):
    def write(self, values: dict[str, Any]) -> None: ...

    def finish(self) -> None: ...


class _Sinks:
    """The files of an export, each opened with its first row."""

    def __init__(self, out: Path, form: Format, stack: ExitStack) -> None:
        self._out = out
        self._form = form
        self._stack = stack
        self._open: dict[str, _Sink] = {}

    def write(self, outcome: Outcome, number: int) -> None:
        values = dict(outcome.values)
        if "extra_info" in values:
            values["extra_info"] = {"index": number, **values["extra_info"]}
        self._sink(outcome.file).write(values)

    def _sink(self, name: str) -> _Sink:
        if name not in self._open:
            table = _table(self._form, name)
            if table is None:
                self._open[name] = _Lines(self._stack.enter_context(atomic_write(self._out / f"{name}.jsonl")))
            else:
                writer = self._stack.enter_context(FileWriter(self._out / f"{name}.parquet", table))
                self._open[name] = _Rows(writer, table.schema)
        return self._open[name]

    def finish(self) -> None:
        """Write what is pending, and what belongs beside the rows; without any row there is one empty file."""
        if not self._open:
            self._sink(FIRST_FILES.get(self._form, "train"))
        for sink in self._open.values():
            sink.finish()
        for path, content in _beside(self._form).items():
            self._stack.enter_context(atomic_write(self._out / path)).write(content)


def _table(form: Format, name: str) -> Table | None:
    known = {**TABLES, **REWARD_TABLES}
    return known.get((form, name), known.get((form, "*")))


def _beside(form: Format) -> Mapping[str, bytes]:
    if form is Format.SHAREGPT:
        return {"dataset_info.json": orjson.dumps(SHAREGPT_INFO, option=orjson.OPT_INDENT_2)}
    if form is Format.PRIME_RL:
        template = files("ocr_pipeline.exports") / "environment"
        return {f"environment/{name}": template.joinpath(f"{name}.txt").read_bytes() for name in TEMPLATE}
    return {}


class _Rows:
    """Rows of a Parquet file, written some at a time."""

    def __init__(self, writer: FileWriter, schema: pa.Schema) -> None:
        self._writer = writer
        self._schema = schema
        self._pending: list[dict[str, Any]] = []

    def write(self, values: dict[str, Any]) -> None:
        self._pending.append(values)
        if len(self._pending) >= ROWS_AT_ONCE:
            self.finish()

    def finish(self) -> None:
        self._writer.write(pa.Table.from_pylist(self._pending, schema=self._schema))
        self._pending = []


class _Lines:
    """Rows of a JSONL file."""

    def __init__(self, file: Any) -> None:  # noqa: ANN401 - a binary file
        self._file = file

    def write(self, values: dict[str, Any]) -> None:
        self._file.write(orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE))

    def finish(self) -> None:
        """Have nothing pending."""
