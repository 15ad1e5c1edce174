"""CodeContests: the nested structs of the hub, and two renderings that keep statement and tests only.

Tests and solutions of the hub's rows stay Arrow arrays from the raw file to the tables: there are millions of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.sources.buffers import holds_any
from ocr_pipeline.sources.enums import LANGUAGES, Enums, look_up_enums
from ocr_pipeline.sources.examples import stdin_examples
from ocr_pipeline.sources.licenses import license_of
from ocr_pipeline.sources.model import (
    KINDS,
    NO_SOLUTIONS,
    NO_TESTS,
    SOLUTION_BLOCK,
    TEST_BLOCK,
    TRUTH,
    Layout,
    RawProblem,
    Read,
    Row,
    Scan,
    TestCase,
    test_block,
    text_array,
)
from ocr_pipeline.sources.rules import Reason, Repair, RowDefect
from ocr_pipeline.sources.sites import site_of
from ocr_pipeline.sources.text import require_statement
from ocr_pipeline.sources.values import (
    clean_id,
    file_name,
    leading_number,
    literal_names,
    optional_text,
    parse_json,
    quoted,
    require_text,
    whole_number,
)
from ocr_pipeline.tables import IoMode, TestKind

__all__ = ["LAYOUTS"]

NANOS_PER_S: Final = 1e9
BYTES_PER_MIB: Final = 1 << 20
TEST_COLUMNS: Final = (
    ("public_tests", TestKind.PUBLIC),
    ("private_tests", TestKind.PRIVATE),
    ("generated_tests", TestKind.GENERATED),
)
SOLUTION_COLUMNS: Final = (("solutions", True), ("incorrect_solutions", False))


def _bind(scan: Scan) -> Read:
    return partial(_read, enums=look_up_enums(scan))


def _read(row: Row, *, enums: Enums) -> RawProblem:
    repairs: set[Repair] = set()
    statement = require_text(row.get("description"), "description")
    require_statement(statement)
    solutions = _solutions(row, repairs)
    title = optional_text(row.get("name"), repairs)
    files = any(optional_text(row.get(column), repairs) for column in ("input_file", "output_file"))
    return RawProblem(
        native_id=clean_id(row.get("name")),
        identity=(statement,),
        statement=statement,
        license=license_of("code_contests"),
        io_mode=IoMode.FILE if files else IoMode.STDIN,
        input_file=file_name(row.get("input_file"), repairs),
        output_file=file_name(row.get("output_file"), repairs),
        site=enums.site(row.get("source"), repairs),
        title=title,
        time_limit_s=_seconds(row.get("time_limit"), repairs),
        memory_limit_mib=_mebibytes(row.get("memory_limit_bytes"), repairs),
        difficulty=enums.difficulty(row.get("difficulty"), repairs),
        rating=whole_number(row.get("cf_rating"), repairs),
        tags=literal_names(row.get("cf_tags"), repairs),
        tests=_tests(row, statement, repairs),
        solutions=solutions,
        repairs=frozenset(repairs),
    )


def _seconds(limit: object, repairs: set[Repair]) -> float | None:
    if not isinstance(limit, Mapping):
        return leading_number(limit, repairs)
    seconds = leading_number(limit.get("seconds"), repairs) or 0.0
    return seconds + (leading_number(limit.get("nanos"), repairs) or 0.0) / NANOS_PER_S or None


def _mebibytes(limit: object, repairs: set[Repair]) -> float | None:
    size = leading_number(limit, repairs)
    return size / BYTES_PER_MIB if size else None


def _tests(row: Row, statement: str, repairs: set[Repair]) -> pa.RecordBatch:
    parts = []
    for column, kind in TEST_COLUMNS:
        inputs, outputs = _lists(row.get(column), column, ("input", "output"))
        if len(inputs) != len(outputs):
            raise RowDefect(Reason.MISMATCHED_COUNTS, f"{column}: {len(inputs)} inputs but {len(outputs)} outputs")
        if len(inputs):
            columns = _present([_texts(inputs, column, repairs), _texts(outputs, column, repairs)], repairs)
            kinds = pa.repeat(KINDS[kind], len(columns[0]))
            parts.append(pa.RecordBatch.from_arrays([kinds, *columns], schema=TEST_BLOCK))
    if parts:
        return _joined(parts)
    shown = stdin_examples(statement)
    repairs.add(Repair.EXAMPLES_FROM_STATEMENT if shown else Repair.NO_TESTS)
    return test_block(shown, repairs) if shown else NO_TESTS


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


def _texts(values: Sequence[object] | pa.Array, column: str, repairs: set[Repair]) -> pa.Array:
    if isinstance(values, pa.Array):
        if pa.types.is_large_string(values.type):
            return values
        values = values.to_pylist()
    if not all(value is None or isinstance(value, str) for value in values):
        raise RowDefect(Reason.WRONG_TYPE, f"{column} holds a value that is no text")
    if any(value is None for value in values):
        return pa.array(values, pa.large_string())
    return text_array(values, repairs)  # type: ignore[arg-type]


def _present(columns: list[pa.Array], repairs: set[Repair]) -> list[pa.Array]:
    if not any(column.null_count for column in columns):
        return columns
    repairs.add(Repair.NULL_TESTS_DROPPED)
    mask = pc.and_(columns[0].is_valid(), columns[1].is_valid())
    return [column.filter(mask) for column in columns]


def _joined(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    return parts[0] if len(parts) == 1 else pa.concat_batches(parts)


def _solutions(row: Row, repairs: set[Repair]) -> pa.RecordBatch:
    parts = []
    for column, is_correct in SOLUTION_COLUMNS:
        languages, programs = _lists(row.get(column), column, ("language", "solution"))
        if len(languages) != len(programs):
            detail = f"{column}: {len(languages)} languages but {len(programs)} programs"
            raise RowDefect(Reason.MISMATCHED_COUNTS, detail)
        if len(programs):
            parts.append(_solution_part(languages, programs, is_correct=is_correct, column=column, repairs=repairs))
    if not any(part["is_correct"].true_count for part in parts):
        repairs.add(Repair.NO_SOLUTIONS)
    return _joined(parts) if parts else NO_SOLUTIONS


def _solution_part(
    languages: Sequence[object] | pa.Array,
    programs: Sequence[object] | pa.Array,
    *,
    is_correct: bool,
    column: str,
    repairs: set[Repair],
) -> pa.RecordBatch:
    names = _language_column(languages, repairs)
    code = _texts(programs, column, repairs)
    if code.null_count:
        repairs.add(Repair.UNREADABLE_SOLUTIONS_DROPPED)
        names, code = names.filter(code.is_valid()), code.drop_null()
    if holds_any(code, b"\r"):
        repairs.add(Repair.NEWLINES)
        code = pc.replace_substring(pc.replace_substring(code, "\r\n", "\n"), "\r", "\n")
    flags = pa.repeat(TRUTH[is_correct], len(code))
    return pa.RecordBatch.from_arrays([names, code, flags], schema=SOLUTION_BLOCK)


def _language_column(values: Sequence[object] | pa.Array, repairs: set[Repair]) -> pa.Array:
    return pa.array(_languages(values.to_pylist() if isinstance(values, pa.Array) else values, repairs), pa.string())


def _languages(values: Sequence[object], repairs: set[Repair]) -> list[str]:
    keys = [value.upper() if isinstance(value, str) else value for value in values]
    if {*map(type, keys)} <= {int, str}:
        names = [LANGUAGES.get(key, "") for key in keys]
    else:
        names = [LANGUAGES.get(key, "") if isinstance(key, int | str) else "" for key in keys]
    if "" in names:
        repairs.add(Repair.UNKNOWN_ENUM)
        return [name or "unknown" for name in names]
    return names


def _read_pairs(row: Row) -> RawProblem:
    """Read a rendering with two parallel lists of texts."""
    repairs = {Repair.NO_SOLUTIONS}
    statement = require_text(row.get("problem"), "problem")
    require_statement(statement)
    tests = {"public_tests": None, "private_tests": {"input": row.get("inputs"), "output": row.get("outputs")}}
    return RawProblem(
        native_id=None,
        identity=(statement,),
        statement=statement,
        license=license_of("code_contests"),
        tests=_tests(tests, statement, repairs),
        repairs=frozenset(repairs),
    )


def _read_labelled(row: Row) -> RawProblem:
    """Read a rendering whose tests and labels are JSON texts."""
    repairs = {Repair.NO_SOLUTIONS}
    statement = require_text(row.get("content"), "content")
    require_statement(statement)
    labels = parse_json(require_text(row.get("labels"), "labels") or "{}", "labels", repairs)
    tests = parse_json(require_text(row.get("test"), "test") or "[]", "test", repairs)
    if not isinstance(labels, dict):
        raise RowDefect(Reason.WRONG_TYPE, f"labels is a JSON {type(labels).__name__}, not an object")
    cases = _stdio_cases(tests)
    if not cases:
        repairs.add(Repair.NO_TESTS)
    title = optional_text(labels.get("name"), repairs)
    return RawProblem(
        native_id=clean_id(labels.get("name")) or clean_id(row.get("id")),
        identity=(statement,),
        statement=statement,
        license=license_of("code_contests"),
        site=site_of(None, optional_text(labels.get("source"), repairs)),
        title=title,
        difficulty=optional_text(labels.get("difficulty"), repairs),
        tests=test_block(cases, repairs),
        repairs=frozenset(repairs),
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
