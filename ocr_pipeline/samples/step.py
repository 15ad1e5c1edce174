"""The step from responses to samples: one row per response, errors included, in the order of the responses.

What speaks against a sample's structure decides its verdict: the request failed, its parts do not come apart, there is
no complete code, or the code is not a program of the language. Reasoning that holds code, duplicates and repetition are
stored beside and act only in the selection. Running the code is another step.
"""

from __future__ import annotations

import functools
import itertools
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.answers import (
    FAILED,
    Case,
    Fence,
    Separated,
    Span,
    ending_of,
    prose_of,
    separate_text,
)
from ocr_pipeline.console import SILENT, Progress
from ocr_pipeline.counts import StageCounts, count_verdicts
from ocr_pipeline.engine import Engine
from ocr_pipeline.samples.duplicates import CANDIDATES, Repeats, RoughIndex, code_key, find_repeats, rough_key
from ocr_pipeline.samples.options import SampleConfig
from ocr_pipeline.samples.repetition import cycle_at_end, repeated_share
from ocr_pipeline.samples.syntax import Source, SyntaxReport, judge_syntax
from ocr_pipeline.samples.verdicts import KEPT, NO_PROGRAM, SYNTAX_REASONS, SyntaxVerdict
from ocr_pipeline.store import RowGroup, TableWriter, finely
from ocr_pipeline.tables import SAMPLES, SPAN, Language

__all__ = ["READ_COLUMNS", "each_text", "judge_responses", "separate", "separation_columns"]

BATCH_ROWS: Final = 256  # enough to keep two processes busy 1.94 times as fast as one
BATCH_BYTES: Final = 16 << 20
READ_COLUMNS: Final = (
    "request_id",
    "problem_id",
    "language",
    "sample_index",
    "text",
    "finish_reason",
    "error",
    "completion_tokens",
    "answer_start",
)
SAMPLE_INDEX: Final = pa.field("sample_index", pa.int32())
ROUGH_KEY: Final = pa.field("rough_key", pa.binary())
JUDGED_SCHEMA: Final = pa.schema([*SAMPLES.schema, SAMPLE_INDEX, ROUGH_KEY])
SPANS: Final = pa.list_(SPAN)
NO_SPAN: Final = Span(-1, -1)


@dataclass(frozen=True, slots=True)
class _Row:
    """What is known of one response without its text, which is not kept."""

    problem_id: str
    language: str
    parts: Separated
    loop_period: int | None
    repeated_share: float
    reasoning_tokens: int | None

    @property
    def known_language(self) -> Language | None:
        return _language(self.language)


def separate(
    responses: Iterable[RowGroup | pa.RecordBatch],
    *,
    config: SampleConfig,
    engine: Engine,
    writer: TableWriter,
    progress: Progress = SILENT,
) -> StageCounts:
    """Write one sample per response and return the account by verdict.

    Parameters
    ----------
    responses
        The responses table, read or not; all columns but ``request_id``, ``problem_id``, ``language`` and ``text`` may be
        missing.
    config
        What decides the bytes.
    engine
        Where the batches are judged.
    writer
        Takes rows of the samples table.
    progress
        Told of every batch.
    """
    function = functools.partial(judge_responses, config=config)
    index, verdicts, notes = RoughIndex(), Counter[str](), Counter[str]()
    with tempfile.TemporaryFile() as spill:
        with pa.ipc.new_stream(spill, JUDGED_SCHEMA, options=pa.ipc.IpcWriteOptions(compression="lz4")) as judged:
            for batch in engine.map(function, _small_pieces(responses)):
                index.add(batch["rough_key"].to_pylist())
                judged.write_batch(batch)
                verdicts.update(batch["verdict"].to_pylist())
                notes.update(_notes(batch))
                progress.advance(batch.num_rows)
        repeats = find_repeats(_candidates(spill, index.candidates()))
        _write_with_repeats(spill, repeats, writer)
    notes["duplicate"] = len(repeats.rows)
    return count_verdicts(verdicts.elements(), notes=notes).require_conserved("samples")


def judge_responses(batch: pa.RecordBatch, config: SampleConfig) -> pa.RecordBatch:
    """Judge a batch of responses; beside the samples' columns come the sample index and the key of the code."""
    rows = list(_rows(batch, config))
    coded = [row for row in rows if row.parts.code is not None]
    reports = judge_syntax(
        [_source(row) for row in coded],
        ask_compilers=config.ask_compilers,
        check_compiles=config.check_compiles,
    )
    by_row = (next(reports) if row.parts.code is not None else SyntaxReport(SyntaxVerdict.EMPTY) for row in rows)
    judged = list(zip(rows, by_row, strict=True))
    reasons = [_reasons(row.parts, report) for row, report in judged]
    columns = {
        **_identity_columns(batch),
        **separation_columns([row.parts for row in rows]),
        "reasoning_tokens": [row.reasoning_tokens for row in rows],
        "loop_period": [row.loop_period for row in rows],
        "repeated_share": [row.repeated_share for row in rows],
        **_syntax_columns([report for _, report in judged]),
        "duplicate_of": pa.nulls(len(rows), pa.string()),
        "verdict": [row_reasons[0] if row_reasons else KEPT for row_reasons in reasons],
        "reasons": reasons,
        "rough_key": [_rough_key(row) for row in rows],
    }
    arrays = [_array(columns[field.name], field) for field in JUDGED_SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=JUDGED_SCHEMA)


def _array(values: object, field: pa.Field) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, field.type)


def _small_pieces(responses: Iterable[RowGroup | pa.RecordBatch]) -> Iterator[RowGroup | pa.RecordBatch]:
    """Cut batches to a size that keeps workers busy and memory bounded, and leave behind columns that are not read."""
    for each in finely(responses, BATCH_ROWS):
        if isinstance(each, RowGroup):
            yield each
            continue
        narrow = each.select([name for name in READ_COLUMNS if name in each.schema.names])
        start = 0
        while start < narrow.num_rows:
            rows = min(BATCH_ROWS, narrow.num_rows - start)
            while rows > 1 and narrow.slice(start, rows).nbytes > BATCH_BYTES:
                rows //= 2
            yield narrow.slice(start, rows)
            start += rows


def _rows(batch: pa.RecordBatch, config: SampleConfig) -> Iterator[_Row]:
    languages = batch["language"].to_pylist()
    finish = _optional(batch, "finish_reason")
    errors = _optional(batch, "error")
    tokens = _optional(batch, "completion_tokens")
    answer_starts = _optional(batch, "answer_start")
    think_tags = () if config.think_tags is None else (config.think_tags,)
    ids = batch["problem_id"].to_pylist()
    for row, text in enumerate(each_text(batch["text"])):
        parts = FAILED
        if errors[row] is None:
            parts = separate_text(
                text,
                _language(languages[row]),
                config.fence_policy,
                ending=ending_of(finish[row]),
                answer_start=answer_starts[row],
                think_tags=think_tags,
            )
        yield _Row(
            problem_id=ids[row],
            language=languages[row],
            parts=parts,
            loop_period=_loop_period(text, parts),
            repeated_share=repeated_share(_prose(text, parts.reasoning, parts.reasoning_fences)),
            reasoning_tokens=_share_of_tokens(tokens[row], parts.reasoning, len(text)),
        )


def each_text(column: pa.Array) -> Iterator[bytes]:
    """Yield the UTF-8 of each row, none for null, copied from the Arrow buffer when its turn comes.

    Decoding would cost more than the separation, and texts that are all copied at once leave the processor's caches.
    """
    for value in column.cast(pa.large_binary()):
        yield value.as_py() or b""


def _optional(batch: pa.RecordBatch, name: str) -> list[Any]:
    return batch[name].to_pylist() if name in batch.schema.names else [None] * batch.num_rows


def _language(name: str) -> Language | None:
    return Language(name) if name in Language.__members__.values() else None


def _source(row: _Row) -> Source:
    tag = row.parts.fence.language if row.parts.fence else ""
    is_whole = row.parts.is_program and not row.parts.reasons
    return Source(row.parts.code or b"", row.known_language, tag, is_kept=is_whole)


def _reasons(parts: Separated, report: SyntaxReport) -> list[str]:
    reasons = [str(reason) for reason in parts.reasons]
    if parts.code is not None and report.verdict is not SyntaxVerdict.OK:
        reasons.append(SYNTAX_REASONS[report.verdict])
    elif parts.code is not None and not parts.is_program:
        reasons.append(NO_PROGRAM)
    return reasons


def _rough_key(row: _Row) -> bytes | None:
    return None if row.parts.code is None else rough_key(row.problem_id, row.language, row.parts.code)


def _identity_columns(batch: pa.RecordBatch) -> dict[str, object]:
    index = (
        batch["sample_index"].cast(pa.int32())
        if "sample_index" in batch.schema.names
        else pa.repeat(pa.scalar(0, pa.int32()), batch.num_rows)
    )
    names = {"sample_id": "request_id", "problem_id": "problem_id", "language": "language"}
    return {"sample_index": index} | {ours: batch[theirs].cast(pa.string()) for ours, theirs in names.items()}


def separation_columns(parts: Sequence[Separated]) -> dict[str, object]:
    """Return the columns of samples that say how responses came apart."""
    return {
        "reasoning_span": _span_array([part.reasoning for part in parts]),
        "answer_span": _span_array([part.answer for part in parts]),
        "code": _text_array([part.code for part in parts]),
        "separation": [str(part.separation) for part in parts],
        "reasoning_has_code": [part.reasoning_has_code for part in parts],
        "n_fences": [len(part.fences) for part in parts],
        "fence_language": [part.fence.language or None if part.fence else None for part in parts],
        "fence_spans": _span_lists([[Span(fence.start, fence.end) for fence in part.fences] for part in parts]),
        "cases": [[str(case) for case in part.cases] for part in parts],
    }


def _syntax_columns(reports: Sequence[SyntaxReport]) -> dict[str, object]:
    return {
        "syntax": [str(report.verdict) for report in reports],
        "tree_sitter_ok": [report.tree_sitter_ok for report in reports],
        "compiler_ok": [report.compiler_ok for report in reports],
        "compiles": [report.compiles for report in reports],
        "syntax_line": [report.line for report in reports],
        "syntax_column": [report.column for report in reports],
    }


def _loop_period(text: bytes, parts: Separated) -> int | None:
    """Return the cycle that the text ends in or, when the answer got out of it, the one the reasoning ends in."""
    if (period := cycle_at_end(text)) is not None or parts.answer is None or parts.reasoning is None:
        return period
    return cycle_at_end(text, parts.reasoning.end)


def _prose(text: bytes, reasoning: Span | None, fences: Sequence[Fence]) -> bytes:
    """Return the reasoning without its code blocks; the whole text where there is no reasoning."""
    return text if reasoning is None else prose_of(text, reasoning.start, reasoning.end, fences)


def _share_of_tokens(completion_tokens: int | None, reasoning: Span | None, length: int) -> int | None:
    """Share the tokens of the completion out by bytes: servers report none for the reasoning."""
    if completion_tokens is None or reasoning is None:
        return None
    return round(completion_tokens * (reasoning.end - reasoning.start) / length)


def _text_array(texts: Sequence[bytes | None]) -> pa.Array:
    """Return texts as a column; Parquet files of others may hold bytes that are not UTF-8, which are replaced."""
    try:
        return pa.array(texts, pa.large_string())
    except pa.ArrowInvalid:
        return pa.array(
            [None if text is None else text.decode("utf-8", "replace") for text in texts], pa.large_string()
        )


def _span_array(spans: Sequence[Span | None]) -> pa.Array:
    known = itertools.chain.from_iterable(NO_SPAN if span is None else span for span in spans)
    starts, ends = np.fromiter(known, np.int64, 2 * len(spans)).reshape(-1, 2).T
    columns = [pa.array(np.ascontiguousarray(starts)), pa.array(np.ascontiguousarray(ends))]
    return pa.StructArray.from_arrays(columns, fields=list(SPAN), mask=pa.array(starts < 0))


def _span_lists(lists: Sequence[Sequence[Span]]) -> pa.Array:
    offsets = np.cumsum([0, *(len(spans) for spans in lists)])
    flat = _span_array([span for spans in lists for span in spans])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat, type=SPANS)


def _notes(batch: pa.RecordBatch) -> dict[str, int]:
    """Count what does not decide the verdict."""
    cases = Counter(pc.list_flatten(batch["cases"]).to_pylist())
    notes = {str(case): cases[case] for case in Case if cases[case]}
    notes["reasoning_has_code"] = pc.sum(batch["reasoning_has_code"]).as_py() or 0
    notes["loop"] = batch.num_rows - batch["loop_period"].null_count
    return notes


def _candidates(spill: IO[bytes], rows: npt.NDArray[np.int64]) -> Iterator[pa.RecordBatch]:
    """Read the rows that may be duplicates again, and yield them with the key of their code."""
    for first_row, batch in _judged(spill) if len(rows) else ():
        within = rows[np.searchsorted(rows, first_row) : np.searchsorted(rows, first_row + batch.num_rows)]
        chosen = batch.take(pa.array(within - first_row))
        coded = zip(*(chosen[name].to_pylist() for name in ("problem_id", "language", "code")), strict=True)
        keys = [code_key(problem_id, language, code.encode()) for problem_id, language, code in coded]
        columns = [pa.array(keys, pa.binary()), chosen["sample_index"], chosen["sample_id"], pa.array(within)]
        yield pa.RecordBatch.from_arrays(columns, schema=CANDIDATES)


def _write_with_repeats(spill: IO[bytes], repeats: Repeats, writer: TableWriter) -> None:
    """Write the judged rows again, each with the sample that it repeats."""
    column = SAMPLES.schema.get_field_index("duplicate_of")
    for first_row, batch in _judged(spill):
        originals = repeats.between(first_row, first_row + batch.num_rows)
        samples = batch.select(SAMPLES.schema.names)
        writer.write(samples.set_column(column, SAMPLES.schema.field(column), originals))


def _judged(spill: IO[bytes]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Read the judged batches again, each with the number of its first row."""
    spill.seek(0)
    first_row = 0
    with pa.ipc.open_stream(spill) as stream:
        for batch in stream:
            yield first_row, batch
            first_row += batch.num_rows
