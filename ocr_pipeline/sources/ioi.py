"""Problems of the International Olympiad in Informatics as open-r1 publishes them: `open-r1/ioi` and its test cases.

A row of the source is a subtask; tests are rows of another data set. A task whose subtasks show the same statement becomes one
problem with several subtasks, others stay a problem per subtask. Programs there have no `main`: a grader calls their functions.
It is read into one text that stands before a program, so that both are one file for the judge. Tasks with a manager
(several processes that talk) are rejected. The rows are read as open_r1's own scoring reads them.
"""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final

import pyarrow as pa
import typer

from ocr_pipeline.errors import InputError
from ocr_pipeline.sources.text import has_image, sha256_of_text
from ocr_pipeline.store import FileWriter, atomic_write, canonical_json
from ocr_pipeline.tables import PROBLEMS, TESTS, Checker, CheckerProtocol, IoMode, Language, TestKind

__all__ = ["IoiTask", "ingest_ioi", "read_ioi", "standing_before"]

DATASET: Final = "ioi"
LICENSE: Final = "unknown"
NAMESPACE: Final = "ocr_grader"
BYTES_PER_MIB: Final = 1 << 20
LEAST_BYTES: Final = 1 << 16
"""A memory limit above it counts bytes, one below it MiB: both are found."""
SCRIPTS: Final = ("manager.cpp", "stub.cpp")
INCLUDE: Final = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"\n]+)"|<[^>\n]+>)[^\n]*$', re.MULTILINE)
ONCE: Final = re.compile(r"^[ \t]*#[ \t]*pragma[ \t]+once[^\n]*$", re.MULTILINE)
DECLARED: Final = re.compile(r"\b([A-Za-z_]\w*)\s*\([^;{}()]*(?:\([^()]*\)[^;{}()]*)*\)\s*;")
TOKEN: Final = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|[{}]", re.DOTALL)
MORE_INCLUDES: Final = "#define EVAL\n#include <bits/stdc++.h>\n"


@dataclass(frozen=True, slots=True)
class IoiTask:
    """One problem of the olympiad: its row, its tests, what its subtasks are worth, and what stands before a program."""

    problem: Mapping[str, Any]
    tests: tuple[Mapping[str, Any], ...]
    subtasks: tuple[Mapping[str, Any], ...]
    grader: Mapping[str, Any] | None


class _UnusableError(Exception):
    """A task cannot be judged; the text is the reason that is counted."""


def read_ioi(
    rows: Iterable[Mapping[str, Any]], test_rows: Iterable[Mapping[str, Any]], *, split: str
) -> tuple[list[IoiTask], Counter[str]]:
    """Return the tasks, sorted by id, and why others were left out, counted by task.

    Parameters
    ----------
    rows
        ``id``, ``year``, ``subtask``, ``problem``, ``score``, ``score_precision``, ``time_limit``, ``memory_limit``,
        ``grader_files`` (pairs of path and text) and ``test_names``; other columns are not looked at.
    test_rows
        ``problem_id``, ``test_name``, ``test_input``, ``test_output``, and ``year`` where files of several years are given.
    """
    tests: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for row in test_rows:
        tests[str(row["problem_id"])][str(row["test_name"])] = row
    tasks: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        tasks[str(row["year"]), str(row["id"])].append(row)
    found, dropped = [], Counter[str]()
    for (year, task), subtasks in sorted(tasks.items()):
        for name, group in _problems_of(f"{year}/{task}", subtasks):
            try:
                found.append(_task(name, group, subtasks, tests[task], split))
            except _UnusableError as error:
                dropped[str(error)] += 1
    return found, dropped


def _problems_of(name: str, subtasks: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """Yield the task as one problem where all statements are the same, else every subtask that is worth points."""
    scored = sorted((row for row in subtasks if float(row["score"] or 0) > 0), key=lambda row: str(row["subtask"]))
    if len({str(row["problem"]).strip() for row in scored}) == 1:
        yield name, scored
    else:
        yield from ((f"{name}/{row['subtask']}", [row]) for row in scored)


def _task(
    name: str,
    group: Sequence[Mapping[str, Any]],
    subtasks: Sequence[Mapping[str, Any]],
    tests: Mapping[str, Mapping[str, Any]],
    split: str,
) -> IoiTask:
    first = group[0]
    files = {str(path): str(text) for path, text in first["grader_files"] or () if text}
    if any(PurePosixPath(path).name in SCRIPTS for path in files):
        raise _UnusableError("needs_manager")
    statement = str(first["problem"] or "").replace("\r\n", "\n").strip()
    if not statement:
        raise _UnusableError("empty_statement")
    samples = {str(test) for row in subtasks if not float(row["score"] or 0) for test in row["test_names"]}
    wanted = sorted(samples | {str(test) for row in group for test in row["test_names"]})
    if any(test not in tests for test in wanted):
        raise _UnusableError("missing_tests")
    problem_id = f"{DATASET}/{split}/{name}"
    checker = _checker(files)
    memory = float(first["memory_limit"] or 0)
    header = "\n".join(text for path, text in sorted(files.items()) if _is_header(path))
    problem: dict[str, Any] = {
        "problem_id": problem_id,
        "dataset": DATASET,
        "split": split,
        "native_id": name,
        "site": DATASET,
        "title": first.get("name"),
        "statement": statement,
        "starter_code": header or None,
        "io_mode": IoMode.STDIN.value,
        "time_limit_s": float(first["time_limit"]) if first["time_limit"] else None,
        "memory_limit_mib": (memory / BYTES_PER_MIB if memory > LEAST_BYTES else memory) or None,
        "checker": (Checker.SPECIAL if checker else Checker.TOKENS).value,
        "checker_language": Language.CPP.value if checker else None,
        "checker_protocol": CheckerProtocol.OPEN_R1.value if checker else None,
        "checker_code": checker,
        "tags": [],
        "license": LICENSE,
        "has_image": has_image(statement),
        "statement_sha256": sha256_of_text(str(first["problem"])),
        "n_tests": len(wanted),
        "n_solutions": 0,
        "repairs": [],
    }
    graders = [text for path, text in sorted(files.items()) if PurePosixPath(path).name == "grader.cpp"]
    headers = {PurePosixPath(path).name: text for path, text in files.items() if _is_header(path)}
    grader = {"problem_id": problem_id, "before": standing_before(graders[0], headers), "headers": sorted(headers)}
    return IoiTask(
        problem,
        tuple(_test(problem_id, test, tests[test], is_sample=test in samples) for test in wanted),
        tuple(_subtask(problem_id, row) for row in group),
        grader if graders else None,
    )


def _is_header(path: str) -> bool:
    return path.endswith(".h") and "checker" not in PurePosixPath(path).parts


def _checker(files: Mapping[str, str]) -> str | None:
    """Return the checker in one file: it prints the score of a test as its last word."""
    sources = {path: text for path, text in files.items() if PurePosixPath(path).name == "checker.cpp"}
    if not sources:
        return None
    path, text = next(iter(sources.items()))
    beside = {
        PurePosixPath(each).name: files[each]
        for each in files
        if PurePosixPath(each).parent == PurePosixPath(path).parent
    }
    return INCLUDE.sub(lambda found: beside.get(found[1] or "", found[0]), text)


def _test(problem_id: str, name: str, row: Mapping[str, Any], *, is_sample: bool) -> dict[str, Any]:
    kind = TestKind.EXAMPLE if is_sample else TestKind.PRIVATE
    return {
        "problem_id": problem_id,
        "test_id": name,
        "kind": kind.value,
        "input": row["test_input"] or "",
        "expected": row["test_output"] or "",
        "suspicions": [],
    }


def _subtask(problem_id: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "problem_id": problem_id,
        "name": str(row["subtask"]),
        "points": float(row["score"]),
        "test_ids": [str(test) for test in row["test_names"]],
        "decimals": int(row.get("score_precision") or 0),
    }


def standing_before(grader: str, headers: Mapping[str, str]) -> str:
    """Return headers and grader as the text before a program.

    What the grader keeps to itself is in a namespace, so that a program may use the same names; `main` and what the
    headers promise stays outside. Its standard includes stand before the namespace.
    """
    declared = "\n".join(ONCE.sub("", text) for _, text in sorted(headers.items()))
    includes = [found[0] for found in INCLUDE.finditer(f"{declared}\n{grader}") if found[1] is None]
    promised = {"main", *DECLARED.findall(declared)}
    body = _lifted(INCLUDE.sub("", grader), promised)
    own = INCLUDE.sub("", declared)
    return f"{MORE_INCLUDES}{chr(10).join(dict.fromkeys(includes))}\n{own}\nnamespace {NAMESPACE} {{\n{body}\n}}\n"


def _lifted(grader: str, names: Iterable[str]) -> str:
    """Take the definitions of some functions out of the namespace that the rest is in; they still see what is in it."""
    definition = re.compile(
        rf"^[^\n;{{}}#/]*\b(?:{'|'.join(sorted(map(re.escape, names)))})\s*\([^;{{}}]*\)\s*\{{", re.MULTILINE
    )
    parts, position = [], 0
    while found := definition.search(grader, position):
        end = _closing(grader, found.end())
        inside = grader[found.end() : end]
        parts += [grader[position : found.start()], f"\n}}\n{found[0]} using namespace {NAMESPACE};"]
        parts += [inside, f"\nnamespace {NAMESPACE} {{\n"]
        position = end
    return "".join([*parts, grader[position:]])


def _closing(text: str, start: int) -> int:
    """Return the place behind the brace that closes the one before ``start``."""
    depth = 1
    for found in TOKEN.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if depth == 0:
            return found.end()
    return len(text)


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
    import pyarrow.json as pj

    for path in paths:
        if not path.exists():
            raise InputError(f"`{path}` does not exist")
        lines = path.suffix in {".jsonl", ".json"}
        batches = pj.read_json(path).to_batches() if lines else ds.dataset(path, format="parquet").to_batches()
        for batch in batches:
            yield from batch.to_pylist()
