"""CodeContests: the nested structs of the hub, and two renderings that keep statement and tests only.

Tests and solutions of the hub's rows stay Arrow arrays from the raw file to the tables: there are millions of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.sources.blocks import judged, test_block
from ocr_pipeline.sources.buffers import holds_any
from ocr_pipeline.sources.enums import LANGUAGES, Enums, look_up_enums
from ocr_pipeline.sources.examples import stdin_examples
from ocr_pipeline.sources.model import (
    NO_SOLUTIONS,
    NO_TESTS,
    TEST_BLOCK,
    Layout,
    RawProblem,
    Read,
    Scan,
    TestCase,
)
from ocr_pipeline.sources.reading import Reading
from ocr_pipeline.sources.rules import Reason, Repair, RowDefect
from ocr_pipeline.sources.sites import site_of
from ocr_pipeline.sources.text import require_statement
from ocr_pipeline.sources.values import (
    quoted,
)
from ocr_pipeline.tables import IoMode, TestKind

__all__ = ["LAYOUTS"]

NANOS_PER_S: Final = 1e9
TEST_COLUMNS: Final = (
    ("public_tests", TestKind.PUBLIC),
    ("private_tests", TestKind.PRIVATE),
    ("generated_tests", TestKind.GENERATED),
)
SOLUTION_COLUMNS: Final = (("solutions", True), ("incorrect_solutions", False))


def _bind(scan: Scan) -> Read:
    return partial(_read, enums=look_up_enums(scan))


def _read(row: Reading, *, enums: Enums) -> RawProblem:
    statement = row.text("description")
    require_statement(statement)
    solutions = _solutions(row)
    title = row.line("name")
    files = any(row.line(column) for column in ("input_file", "output_file"))
    return RawProblem(
        native_id=row.native_id("name"),
        identity=(statement,),
        statement=statement,
        io_mode=IoMode.FILE if files else IoMode.STDIN,
        input_file=row.file_name("input_file"),
        output_file=row.file_name("output_file"),
        site=enums.site(row.get("source"), row),
        title=title,
        time_limit_s=_seconds(row),
        memory_limit_mib=row.mebibytes("memory_limit_bytes", unit="bytes"),
        difficulty=enums.difficulty(row.get("difficulty"), row),
        rating=row.rating("cf_rating"),
        tags=row.names("cf_tags"),
        tests=_tests(row, statement),
        solutions=solutions,
    )


def _seconds(row: Reading) -> float | None:
    limit = row.get("time_limit")
    if not isinstance(limit, Mapping):
        return row.seconds("time_limit")
    parts = row.inside(limit)
    return (parts.number("seconds") or 0.0) + (parts.number("nanos") or 0.0) / NANOS_PER_S or None


def _tests(row: Reading, statement: str) -> pa.RecordBatch:
    parts = []
    for column, kind in TEST_COLUMNS:
        inputs, outputs = _lists(row.get(column), column, ("input", "output"))
        if len(inputs) != len(outputs):
            raise RowDefect(Reason.MISMATCHED_COUNTS, f"{column}: {len(inputs)} inputs but {len(outputs)} outputs")
        if len(inputs):
            columns = _present([_texts(inputs, column, row), _texts(outputs, column, row)], row)
            kinds = pa.repeat(kind.value, len(columns[0]))
            parts.append(pa.RecordBatch.from_arrays([kinds, *columns], schema=TEST_BLOCK))
    if parts:
        return _joined(parts)
    shown = stdin_examples(statement)
    row.note(Repair.EXAMPLES_FROM_STATEMENT if shown else Repair.NO_TESTS)
    return test_block(shown, row) if shown else NO_TESTS


def _lists(value: object, column: str, names: tuple[str, str]) -> list[Sequence[object]]:
    """Return the two parallel lists of a struct of lists; a list of structs is turned around."""
    if value is None:
        return [(), ()]
    if isinstance(value, list) and all(isinstance(item, Mapping) for item in value):
        value = {name: [item.get(name) for item in value] for name in names}
    if not isinstance(value, Mapping):
        raise RowDefect(Reason.WRONG_TYPE, f"{column} is {type(value).__name__}, not a struct: {quoted(value)}")
    lists = [value.get(name) for name in names]
    if not all(part is None or isinstance(part, list | pa.Array) for part in lists):
        raise RowDefect(Reason.WRONG_TYPE, f"{column} holds no lists: {quoted(value)}")
    return [() if part is None else part for part in lists]


def _texts(values: Sequence[object] | pa.Array, column: str, row: Reading) -> pa.Array:
    if isinstance(values, pa.Array):
        if pa.types.is_large_string(values.type):
            return values
        values = values.to_pylist()
    if not all(value is None or isinstance(value, str) for value in values):
        raise RowDefect(Reason.WRONG_TYPE, f"{column} holds a value that is not text")
    if any(value is None for value in values):
        return pa.array(values, pa.large_string())
    return row.text_array(values)  # type: ignore[arg-type]


def _present(columns: list[pa.Array], row: Reading) -> list[pa.Array]:
    if not any(column.null_count for column in columns):
        return columns
    row.note(Repair.NULL_TESTS_DROPPED)
    mask = pc.and_(columns[0].is_valid(), columns[1].is_valid())
    return [column.filter(mask) for column in columns]


def _joined(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    return parts[0] if len(parts) == 1 else pa.concat_batches(parts)


def _solutions(row: Reading) -> pa.RecordBatch:
    parts = []
    for column, is_correct in SOLUTION_COLUMNS:
        languages, programs = _lists(row.get(column), column, ("language", "solution"))
        if len(languages) != len(programs):
            detail = f"{column}: {len(languages)} languages but {len(programs)} programs"
            raise RowDefect(Reason.MISMATCHED_COUNTS, detail)
        if len(programs):
            parts.append(_solution_part(languages, programs, is_correct=is_correct, column=column, row=row))
    if not any(part["is_correct"].true_count for part in parts):
        row.note(Repair.NO_SOLUTIONS)
    return _joined(parts) if parts else NO_SOLUTIONS


def _solution_part(
    languages: Sequence[object] | pa.Array,
    programs: Sequence[object] | pa.Array,
    *,
    is_correct: bool,
    column: str,
    row: Reading,
) -> pa.RecordBatch:
    names = _language_column(languages, row)
    code = _texts(programs, column, row)
    if code.null_count:
        row.note(Repair.UNREADABLE_SOLUTIONS_DROPPED)
        names, code = names.filter(code.is_valid()), code.drop_null()
    if holds_any(code, b"\r"):
        row.note(Repair.NEWLINES)
        code = pc.replace_substring(pc.replace_substring(code, "\r\n", "\n"), "\r", "\n")
    return judged(names, code, is_correct=is_correct)


def _language_column(values: Sequence[object] | pa.Array, row: Reading) -> pa.Array:
    return pa.array(_languages(values.to_pylist() if isinstance(values, pa.Array) else values, row), pa.string())


def _languages(values: Sequence[object], row: Reading) -> list[str]:
    keys = [value.upper() if isinstance(value, str) else value for value in values]
    if {*map(type, keys)} <= {int, str}:
        names = [LANGUAGES.get(key, "") for key in keys]
    else:
        names = [LANGUAGES.get(key, "") if isinstance(key, int | str) else "" for key in keys]
    if "" in names:
        row.note(Repair.UNKNOWN_ENUM)
        return [name or "unknown" for name in names]
    return names


def _read_pairs(row: Reading) -> RawProblem:
    """Read a rendering with two parallel lists of texts."""
    row.note(Repair.NO_SOLUTIONS)
    statement = row.text("problem")
    require_statement(statement)
    lists = {"public_tests": None, "private_tests": {"input": row.get("inputs"), "output": row.get("outputs")}}
    return RawProblem(
        native_id=None,
        identity=(statement,),
        statement=statement,
        tests=_tests(row.inside(lists), statement),
    )


def _read_labelled(row: Reading) -> RawProblem:
    """Read a rendering whose tests and labels are JSON texts."""
    row.note(Repair.NO_SOLUTIONS)
    statement = row.text("content")
    require_statement(statement)
    labels = row.json(row.text("labels") or "{}", "labels")
    tests = row.json(row.text("test") or "[]", "test")
    if not isinstance(labels, dict):
        raise RowDefect(Reason.WRONG_TYPE, f"labels is a JSON {type(labels).__name__}, not an object")
    cases = _stdio_cases(tests)
    if not cases:
        row.note(Repair.NO_TESTS)
    named = row.inside(labels)
    return RawProblem(
        native_id=named.native_id("name") or row.native_id("id"),
        identity=(statement,),
        statement=statement,
        site=site_of(None, named.line("source")),
        title=named.line("name"),
        difficulty=named.line("difficulty"),
        tests=test_block(cases, row),
    )


def _stdio_cases(tests: object) -> list[TestCase]:
    if not isinstance(tests, list):
        raise RowDefect(Reason.WRONG_TYPE, f"test is a JSON {type(tests).__name__}, not a list")
    return [TestCase(_stream(test, "input", "stdin"), _stream(test, "output", "stdout")) for test in tests]


def _stream(test: object, side: str, stream: str) -> str:
    value = test.get(side) if isinstance(test, dict) else None
    text = value.get(stream) if isinstance(value, dict) else value
    if not isinstance(text, str):
        raise RowDefect(Reason.WRONG_TYPE, f"a test has no text {side}.{stream}: {quoted(test)}")
    return text


LAYOUTS: Final = (
    Layout(
        "hub columns",
        frozenset({"name", "description", "public_tests", "private_tests", "generated_tests"}),
        "name",
        bind=_bind,
        arrow_columns=frozenset(
            {"public_tests", "private_tests", "generated_tests", "solutions", "incorrect_solutions"}
        ),
    ),
    Layout("parallel lists", frozenset({"problem", "inputs", "outputs"}), read=_read_pairs),
    Layout("labelled rows", frozenset({"content", "labels", "test"}), read=_read_labelled),
)
