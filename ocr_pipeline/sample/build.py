"""Write the sample's raw data sets, recorded responses and benchmark from the authored problems.

``python -m ocr_pipeline.sample.build`` writes them beside the authored files; they are committed, and a test compares
them with a rebuild. The raw schemas are those of the published data sets, defects included. Which problems there are
and what each shows is :mod:`ocr_pipeline.sample.authored`'s business.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ocr_pipeline.sample import FOLDER
from ocr_pipeline.sample.authored import Malformed, Problem, Row, load_drafts, load_malformed, load_problems
from ocr_pipeline.sample.responses import plan_recordings, program_recordings, solution_recordings

__all__ = ["build"]

TACO_COLUMNS: Final = (
    "question", "solutions", "starter_code", "input_output", "difficulty", "raw_tags", "name", "source", "tags",
    "skill_types", "url", "Expected Auxiliary Space", "time_limit", "date", "picture_num", "memory_limit",
    "Expected Time Complexity",
)  # fmt: skip
TESTS_STRUCT: Final = pa.struct([("input", pa.list_(pa.string())), ("output", pa.list_(pa.string()))])
SOLUTIONS_STRUCT: Final = pa.struct([("language", pa.list_(pa.int64())), ("solution", pa.list_(pa.string()))])
CODE_CONTESTS_SCHEMA: Final = pa.schema(
    [
        ("name", pa.string()),
        ("description", pa.string()),
        ("public_tests", TESTS_STRUCT),
        ("private_tests", TESTS_STRUCT),
        ("generated_tests", TESTS_STRUCT),
        ("source", pa.int64()),
        ("difficulty", pa.int64()),
        ("solutions", SOLUTIONS_STRUCT),
        ("incorrect_solutions", SOLUTIONS_STRUCT),
        ("cf_contest_id", pa.int64()),
        ("cf_index", pa.string()),
        ("cf_points", pa.float32()),
        ("cf_rating", pa.int32()),
        ("cf_tags", pa.list_(pa.string())),
        ("is_description_translated", pa.bool_()),
        ("untranslated_description", pa.string()),
        ("time_limit", pa.struct([("seconds", pa.int64()), ("nanos", pa.int64())])),
        ("memory_limit_bytes", pa.int64()),
        ("input_file", pa.string()),
        ("output_file", pa.string()),
    ]
)
CODE_CONTESTS_SITES: Final = {"codechef": 1, "codeforces": 2, "hackerearth": 3, "codejam": 4, "atcoder": 5}
"""As the hub numbers them; the published proto skips 5, and the 5 is what tells a reader which of the two it is."""
DIFFICULTY_A: Final = 7
CODE_CONTESTS_LANGUAGES: Final = {"python2": 1, "cpp": 2, "python": 3, "java": 4}
FIRST_APPS_ID: Final = 4000


def build(folder: Path) -> None:
    """Write ``raw``, ``apps_folders``, ``benchmarks`` and ``recordings.jsonl`` below ``folder``."""
    problems = load_problems(FOLDER / "problems")
    malformed = load_malformed(FOLDER / "malformed.toml")
    drafts = load_drafts(FOLDER / "synthetic.toml")
    for name in ("raw", "apps_folders", "benchmarks"):
        shutil.rmtree(folder / name, ignore_errors=True)
    _write_taco(folder / "raw" / "taco" / "ALL", _raw_rows("taco", problems, malformed, _taco_row))
    _write_apps(folder / "raw" / "apps", _raw_rows("apps", problems, malformed, _apps_row))
    _write_code_contests(
        folder / "raw" / "code_contests" / "data", _raw_rows("code_contests", problems, malformed, _code_contests_row)
    )
    _write_apps_folders(folder / "apps_folders" / "train", problems)
    recordings = [*solution_recordings(problems), *plan_recordings(problems), *program_recordings(problems, drafts)]
    _write_lines(folder / "recordings.jsonl", recordings)
    _write_lines(folder / "benchmarks" / "own_benchmark.jsonl", _benchmark_rows(FOLDER / "benchmark.toml"))


def _benchmark_rows(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the benchmark's problems in the columns of the problems table."""
    for problem in tomllib.loads(file.read_text(encoding="utf-8"))["problems"]:
        yield {
            "problem_id": f"own_benchmark/test/{problem['native_id']}",
            "dataset": "own_benchmark",
            "split": "test",
            **problem,
            "io_mode": "stdin",
            "checker": "tokens",
            "tags": [],
            "license": "Apache-2.0",
            "has_image": False,
            "statement_sha256": hashlib.sha256(problem["statement"].encode()).hexdigest(),
            "n_tests": 0,
            "n_solutions": 0,
            "repairs": [],
        }


def _raw_rows(
    source: str,
    problems: Sequence[Problem],
    malformed: Sequence[Malformed],
    raw_row: Callable[[Problem, Row, int], dict[str, Any]],
) -> Iterator[dict[str, Any] | str]:
    """Yield the rows of one source: usable ones first, then the spoiled ones; a text is a raw line."""
    wanted = [(problem, row) for problem in problems for row in problem.rows if row.source == source]
    usable = {problem.slug: raw_row(problem, row, number) for number, (problem, row) in enumerate(wanted)}
    yield from usable.values()
    for spoiled in (each for each in malformed if each.source == source):
        yield spoiled.line or usable[spoiled.problem] | dict(spoiled.columns) | dict.fromkeys(spoiled.absent)


def _statement(problem: Problem, row: Row) -> str:
    return _respaced(problem.statement) if row.respaced else problem.statement


def _respaced(text: str) -> str:
    """Change white space and case only: headings in capitals, two spaces after a sentence, CRLF, trailing spaces."""
    lines = [re.sub(r"\. (?=[A-Z])", ".  ", line) for line in text.splitlines()]
    return "\r\n".join(f"{line.upper()} " if line.startswith("-----") else line for line in lines) + "\r\n\r\n"


def _url(problem: Problem, row: Row) -> str:
    hosts = {"codeforces": "codeforces.com", "atcoder": "atcoder.jp", "codechef": "www.codechef.com",
             "codewars": "www.codewars.com", "leetcode": "leetcode.com", "kattis": "open.kattis.com",
             "hackerrank": "www.hackerrank.com", "aizu": "onlinejudge.u-aizu.ac.jp",
             "geeksforgeeks": "practice.geeksforgeeks.org", "hackerearth": "www.hackerearth.com"}  # fmt: skip
    return f"https://{hosts[row.site]}/ocr-pipeline-sample/{problem.slug}"


def _input_output(problem: Problem, row: Row) -> str:
    """Return the JSON text that TACO and APPS share: strings for stdin, values for function problems."""
    if not problem.function_name:
        return json.dumps(
            {"inputs": [test.input for test in problem.tests], "outputs": [test.expected for test in problem.tests]}
        )
    expected = [f"[{test.expected}]" if row.wrapped_outputs else test.expected for test in problem.tests]
    inputs = ", ".join(test.input for test in problem.tests)  # already JSON: integers of any length stay as they are
    return (
        f'{{"fn_name": {json.dumps(problem.function_name)}, "inputs": [{inputs}], "outputs": [{", ".join(expected)}]}}'
    )


def _python_solutions(problem: Problem, row: Row) -> str:
    if row.without_solutions:
        return ""
    return json.dumps([solution.code for solution in problem.correct_solutions("python")])


def _taco_row(problem: Problem, row: Row, number: int) -> dict[str, Any]:
    limits = (
        (None, None)
        if row.limits_absent
        else (f"{problem.time_limit_s} seconds", f"{problem.memory_limit_mib}.0 megabytes")
    )
    return {
        "question": _statement(problem, row),
        "solutions": _python_solutions(problem, row),
        "starter_code": problem.starter_code,
        "input_output": _input_output(problem, row),
        "difficulty": row.difficulty,
        "raw_tags": str(list(row.tags)),
        "name": problem.title if number % 3 else None,
        "source": row.site,
        "tags": str([tag.capitalize() for tag in row.tags]),
        "skill_types": str([tag.capitalize() for tag in row.tags[:1]]),
        "url": _url(problem, row),
        "Expected Auxiliary Space": None,
        "time_limit": limits[0],
        "date": row.date or None,
        "picture_num": str(row.images),
        "memory_limit": limits[1],
        "Expected Time Complexity": None,
    }


def _apps_row(problem: Problem, row: Row, number: int) -> dict[str, Any]:
    return {
        "problem_id": FIRST_APPS_ID + number,
        "question": _statement(problem, row),
        "solutions": _python_solutions(problem, row),
        "input_output": _input_output(problem, row),
        "difficulty": row.difficulty,
        "url": _url(problem, row),
        "starter_code": problem.starter_code,
    }


def _code_contests_row(problem: Problem, row: Row, number: int) -> dict[str, Any]:
    seconds = int(problem.time_limit_s)
    nanos = round((problem.time_limit_s - seconds) * 1e9)
    letter = chr(ord("A") + int(row.difficulty) - DIFFICULTY_A) if row.site == "codeforces" else ""
    return {
        "name": f"{9000 + number}_{letter}. {problem.title}" if letter else problem.slug,
        "description": _statement(problem, row),
        "public_tests": _test_lists(problem, "public"),
        "private_tests": _test_lists(problem, "private"),
        "generated_tests": _test_lists(problem, "generated"),
        "source": CODE_CONTESTS_SITES[row.site],
        "difficulty": int(row.difficulty),
        "solutions": _solution_lists(problem, correct=True, empty=row.without_solutions),
        "incorrect_solutions": _solution_lists(problem, correct=False),
        "cf_contest_id": 9000 + number if letter else 0,
        "cf_index": letter,
        "cf_points": 0.0,
        "cf_rating": row.rating,
        "cf_tags": list(row.tags) or [""],
        "is_description_translated": False,
        "untranslated_description": "",
        "time_limit": None if row.limits_absent else {"seconds": seconds, "nanos": nanos},
        "memory_limit_bytes": 0 if row.limits_absent else problem.memory_limit_mib * 2**20,
        "input_file": problem.input_file,
        "output_file": problem.output_file,
    }


def _test_lists(problem: Problem, kind: str) -> dict[str, list[str]]:
    tests = [test for test in problem.tests if test.kind == kind]
    return {"input": [test.input for test in tests], "output": [test.expected for test in tests]}


def _solution_lists(problem: Problem, *, correct: bool, empty: bool = False) -> dict[str, list[Any]]:
    chosen = [] if empty else [each for each in problem.solutions if each.correct is correct]
    return {
        "language": [CODE_CONTESTS_LANGUAGES[each.language] for each in chosen],
        "solution": [each.code for each in chosen],
    }


def _write_parquet(file: Path, rows: pa.Table) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, file, compression="zstd", use_dictionary=False)


def _write_taco(folder: Path, rows: Iterable[dict[str, Any] | str]) -> None:
    schema = pa.schema([(name, pa.string()) for name in TACO_COLUMNS])
    _write_parquet(folder / "train-00000-of-00001.parquet", pa.Table.from_pylist(list(rows), schema))


def _write_code_contests(folder: Path, rows: Iterable[dict[str, Any] | str]) -> None:
    _write_parquet(folder / "train-00000-of-00001.parquet", pa.Table.from_pylist(list(rows), CODE_CONTESTS_SCHEMA))


def _write_apps(folder: Path, rows: Iterable[dict[str, Any] | str]) -> None:
    _write_lines(folder / "train.jsonl", rows)


def _write_lines(file: Path, rows: Iterable[dict[str, Any] | str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="")


def _write_apps_folders(folder: Path, problems: Sequence[Problem]) -> None:
    """Write some problems as folders of files, as APPS was first published."""
    chosen = [(problem, row) for problem in problems for row in problem.rows if row.in_folders]
    for number, (problem, row) in enumerate(chosen):
        home = folder / f"{number:04d}"
        home.mkdir(parents=True)
        metadata = {"difficulty": row.difficulty, "url": _url(problem, row)}
        files = {
            "question.txt": _statement(problem, row),
            "input_output.json": _input_output(problem, row),
            "solutions.json": _python_solutions(problem, row),
            "metadata.json": json.dumps(metadata),
            "starter_code.py": problem.starter_code,
        }
        for name, text in files.items():
            if text:
                (home / name).write_text(text, encoding="utf-8", newline="")


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
