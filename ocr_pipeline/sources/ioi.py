"""Problems of the International Olympiad in Informatics as open-r1 publishes them: `open-r1/ioi` and its test cases.

A row of the source is a subtask; tests are rows of another data set. A task whose subtasks show the same statement becomes one
problem with several subtasks, others stay a problem per subtask. Programs there have no `main`: a grader calls their functions,
which is compiled apart (``judge/grading.py``). Tasks with a manager (several processes that talk) are rejected. The rows
are read as open_r1's own scoring reads them.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final, TypeVar

import pyarrow as pa
import typer
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ocr_pipeline.errors import InputError
from ocr_pipeline.including import with_included
from ocr_pipeline.options import what_is_wrong
from ocr_pipeline.sources.text import has_image, sha256_of_text
from ocr_pipeline.store import FileWriter, atomic_write, canonical_json
from ocr_pipeline.tables import PROBLEMS, TESTS, Checker, CheckerProtocol, IoMode, Language, TestKind

__all__ = ["IoiTask", "ingest_ioi", "promised_names", "read_ioi"]

DATASET: Final = "ioi"
LICENSE: Final = "unknown"
BYTES_PER_MIB: Final = 1 << 20
LEAST_BYTES: Final = 1 << 16
"""A memory limit above it counts bytes, one below it MiB: both are found."""
SCRIPTS: Final = ("manager.cpp", "stub.cpp")
DECIMALS: Final = 2
"""To which open-r1 rounds the points of a subtask that names none."""
COMMENT: Final = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
DECLARED: Final = re.compile(
    r"\b([A-Za-z_]\w*)\s*\([^;{}()]*(?:\([^()]*\)[^;{}()]*)*\)[\w\s]*[;{]"
    r"|\b(?:struct|class|union|enum|namespace)\s+([A-Za-z_]\w*)"
    r"|\bextern\b[^;(){}]*?\b([A-Za-z_]\w*)\s*(?:\[[^\]]*\]\s*)*;"
)


class _Row(BaseModel):
    """A subtask as the source has it; other columns are not looked at."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    id: str = Field(min_length=1)
    year: str
    subtask: str
    name: str | None = None
    problem: str | None
    score: float | None = Field(ge=0, allow_inf_nan=False)
    score_precision: int | None = None
    time_limit: float | None = Field(ge=0, allow_inf_nan=False)
    memory_limit: float | None = Field(ge=0, allow_inf_nan=False)
    grader_files: tuple[tuple[str, str | None], ...] | None
    test_names: tuple[str, ...] | None

    @property
    def statement(self) -> str:
        return (self.problem or "").replace("\r\n", "\n").strip()


class _TestRow(BaseModel):
    """A test as the source has it."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    problem_id: str = Field(min_length=1)
    test_name: str
    test_input: str | None
    test_output: str | None
    year: str | None = None


Read = TypeVar("Read", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class IoiTask:
    """One problem of the olympiad: its row, its tests, what its subtasks are worth, and what calls a program."""

    problem: Mapping[str, Any]
    tests: tuple[Mapping[str, Any], ...]
    subtasks: tuple[Mapping[str, Any], ...]
    grader: Mapping[str, Any] | None


class _UnusableError(Exception):
    """A task cannot be judged; the text is the reason that is counted."""


@dataclass
class _Tests:
    """Tests by year and task; those of files without a year are of the task's only one."""

    found: dict[tuple[str | None, str], dict[str, _TestRow]] = field(default_factory=lambda: defaultdict(dict))
    doubtful: set[tuple[str | None, str]] = field(default_factory=set)
    """Tasks with two different tests of one name."""

    def add(self, row: _TestRow) -> None:
        known = self.found[row.year, row.problem_id].setdefault(row.test_name, row)
        if known != row:
            self.doubtful.add((row.year, row.problem_id))

    def of(self, year: str, task: str, years: Sequence[str]) -> dict[str, _TestRow]:
        """Return the tests of a task by name."""
        key = (year, task) if (year, task) in self.found else (None, task)
        if key[0] is None and key in self.found and len(years) > 1:
            raise _UnusableError("tests_without_year")
        if key in self.doubtful:
            raise _UnusableError("contradicting_tests")
        return self.found.get(key, {})


def read_ioi(
    rows: Iterable[Mapping[str, Any]], test_rows: Iterable[Mapping[str, Any]], *, split: str
) -> tuple[list[IoiTask], Counter[str]]:
    """Return the tasks, sorted by id, and why others were left out, counted by task.

    Parameters
    ----------
    rows
        ``id``, ``year``, ``subtask``, ``problem``, ``score``, ``time_limit``, ``memory_limit``, ``grader_files`` (pairs of path and
        text), ``test_names``, and where they are known ``name`` and ``score_precision``; a row that comes twice counts once.
    test_rows
        ``problem_id``, ``test_name``, ``test_input``, ``test_output``, and ``year`` where a task is there of several years.

    Raises
    ------
    InputError
        When a row lacks a column or holds something else.
    """
    tests = _Tests()
    for case in _checked(test_rows, _TestRow, "test"):
        tests.add(case)
    tasks: dict[tuple[str, str], list[_Row]] = defaultdict(list)
    years: dict[str, set[str]] = defaultdict(set)
    for row in _checked(rows, _Row, "row"):
        if row not in tasks[row.year, row.id]:
            tasks[row.year, row.id].append(row)
            years[row.id].add(row.year)
    found, dropped = [], Counter[str]()
    for (year, task), subtasks in sorted(tasks.items()):
        if len({row.subtask for row in subtasks}) < len(subtasks):
            dropped["contradicting_rows"] += 1
            continue
        if not any(row.score for row in subtasks):
            dropped["no_points"] += 1
            continue
        for name, group in _problems_of(f"{year}/{task}", subtasks):
            try:
                found.append(_task(name, group, subtasks, tests.of(year, task, sorted(years[task])), split))
            except _UnusableError as error:
                dropped[str(error)] += 1
    return found, dropped


def _checked(rows: Iterable[Mapping[str, Any]], model: type[Read], what: str) -> Iterator[Read]:
    for number, row in enumerate(rows, start=1):
        try:
            yield model.model_validate(row)
        except ValidationError as error:
            raise InputError(f"{what} {number} is not as open-r1 has it: {what_is_wrong(error)}") from None


def _problems_of(name: str, subtasks: Sequence[_Row]) -> Iterator[tuple[str, list[_Row]]]:
    """Yield the task as one problem where all statements are the same, else every subtask that is worth points."""
    scored = sorted((row for row in subtasks if row.score), key=lambda row: row.subtask)
    if len({row.statement for row in scored}) == 1:
        yield name, scored
    else:
        yield from ((f"{name}/{row.subtask}", [row]) for row in scored)


def _task(
    name: str, group: Sequence[_Row], subtasks: Sequence[_Row], tests: Mapping[str, _TestRow], split: str
) -> IoiTask:
    first = group[0]
    files = {path: text for path, text in first.grader_files or () if text}
    if any(PurePosixPath(path).name in SCRIPTS for path in files):
        raise _UnusableError("needs_manager")
    if not first.statement:
        raise _UnusableError("empty_statement")
    if not all(row.test_names for row in group):
        raise _UnusableError("subtask_without_tests")
    samples = {test for row in subtasks if not row.score for test in row.test_names or ()}
    wanted = sorted(samples | {test for row in group for test in row.test_names or ()})
    if any(test not in tests for test in wanted):
        raise _UnusableError("missing_tests")
    headers = {PurePosixPath(path).name: text for path, text in sorted(files.items()) if _is_header(path)}
    own = f"{first.id}.h"
    shown = [own] if own in headers else list(headers)
    code = next((text for path, text in sorted(files.items()) if PurePosixPath(path).name == "grader.cpp"), None)
    if headers and code is None:
        raise _UnusableError("missing_grader")
    problem_id = f"{DATASET}/{split}/{name}"
    checker = _checker(files)
    memory = first.memory_limit or 0
    problem: dict[str, Any] = {
        "problem_id": problem_id,
        "dataset": DATASET,
        "split": split,
        "native_id": name,
        "site": DATASET,
        "title": first.name,
        "statement": first.statement,
        "starter_code": "\n".join(headers[each] for each in shown) or None,
        "io_mode": IoMode.STDIN.value,
        "time_limit_s": first.time_limit or None,
        "memory_limit_mib": (memory / BYTES_PER_MIB if memory > LEAST_BYTES else memory) or None,
        "checker": (Checker.SPECIAL if checker else Checker.TOKENS).value,
        "checker_language": Language.CPP.value if checker else None,
        "checker_protocol": CheckerProtocol.OPEN_R1.value if checker else None,
        "checker_code": checker,
        "tags": [],
        "license": LICENSE,
        "has_image": has_image(first.statement),
        "statement_sha256": sha256_of_text(first.problem or ""),
        "n_tests": len(wanted),
        "n_solutions": 0,
        "repairs": [],
    }
    grader = code and {
        "problem_id": problem_id,
        "code": with_included(code, headers),
        "names": sorted(promised_names(headers.values())),
        "headers": headers,
        "shown": shown,
    }
    return IoiTask(
        problem,
        tuple(_test(problem_id, tests[test], is_sample=test in samples) for test in wanted),
        tuple(_subtask(problem_id, row) for row in group),
        grader or None,
    )


def _is_header(path: str) -> bool:
    return path.endswith(".h") and "checker" not in PurePosixPath(path).parts


def _checker(files: Mapping[str, str]) -> str | None:
    """Return the checker in one file: it prints the score of a test as its last word."""
    sources = {path: text for path, text in files.items() if PurePosixPath(path).name == "checker.cpp"}
    if not sources:
        return None
    path, text = next(iter(sources.items()))
    folder = PurePosixPath(path).parent
    beside = {PurePosixPath(each).name: files[each] for each in files if folder in PurePosixPath(each).parents}
    return with_included(text, beside)


def _test(problem_id: str, row: _TestRow, *, is_sample: bool) -> dict[str, Any]:
    kind = TestKind.EXAMPLE if is_sample else TestKind.PRIVATE
    return {
        "problem_id": problem_id,
        "test_id": row.test_name,
        "kind": kind.value,
        "input": row.test_input or "",
        "expected": row.test_output or "",
        "suspicions": [],
    }


def _subtask(problem_id: str, row: _Row) -> dict[str, Any]:
    return {
        "problem_id": problem_id,
        "name": row.subtask,
        "points": row.score,
        "test_ids": list(row.test_names or ()),
        "decimals": DECIMALS if row.score_precision is None else row.score_precision,
    }


def promised_names(headers: Iterable[str]) -> set[str]:
    """Return the names of functions, types and variables that headers declare: all that a program may know of a grader."""
    found = (names for text in headers for names in DECLARED.findall(COMMENT.sub(" ", text)))
    return {name for names in found for name in names if name}


def ingest_ioi(
    rows: Annotated[list[Path], typer.Argument(help="Rows of open-r1/ioi: Parquet, JSONL or folders.")],
    *,
    tests: Annotated[list[Path], typer.Option(help="Rows of open-r1/ioi-test-cases.")],
    split: Annotated[str, typer.Option(help="Split of the rows.")] = "test",
    out: Annotated[Path, typer.Option(help="Folder for problems, tests, subtasks.jsonl and graders.jsonl.")],
) -> None:
    """Read tasks of the International Olympiad in Informatics with their graders and subtasks, for `student evaluate`."""
    tasks, dropped = read_ioi(_rows(rows), _rows(tests), split=split)
    if not tasks:
        why = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in sorted(dropped.items()))
        raise InputError(f"no task of {', '.join(map(str, rows))} can be judged: {why or 'there is none'}")
    problems = [task.problem for task in tasks]
    cases = [test for task in tasks for test in task.tests]
    for table, content in ((PROBLEMS, problems), (TESTS, cases)):
        with FileWriter(out / f"{table.name}.parquet", table) as writer:
            writer.write(pa.Table.from_pylist(content, schema=table.schema))
    subtasks = [each for task in tasks for each in task.subtasks]
    graders = [task.grader for task in tasks if task.grader]
    for name, content in (("subtasks", subtasks), ("graders", graders)):
        with atomic_write(out / f"{name}.jsonl") as file:
            file.write("".join(f"{canonical_json(each)}\n" for each in content).encode())
    sys.stdout.write(
        f"{len(tasks)} problems, {len(cases)} tests, {len(subtasks)} subtasks of "
        f"{sum(each['points'] for each in subtasks):g} points, {len(graders)} graders written to {out}\n"
    )
    for reason, count in sorted(dropped.items()):
        sys.stdout.write(f"{count} left out: {reason}\n")


def _rows(paths: Sequence[Path]) -> Iterator[dict[str, Any]]:
    import pyarrow.dataset as ds

    for path in paths:
        if not path.exists():
            raise InputError(f"`{path}` does not exist")
        try:
            if path.suffix in {".jsonl", ".json", ".ndjson"}:
                yield from _json_lines(path)
                continue
            for batch in ds.dataset(path, format="parquet").to_batches():
                yield from batch.to_pylist()
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise InputError(f"`{path}` cannot be read: {str(error).splitlines()[0]}; give Parquet or JSONL") from None


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(f"{path}:{number} is not JSON: {error}; give one row per line") from None
            yield row
