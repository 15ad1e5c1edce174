"""APPS: the columns of the hub, the original folders, and a table that holds ``input_output`` alone.

A folder is read into the hub's columns, so both forms give the same tables.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from ocr_pipeline.sources.folders import FolderForm, file_text
from ocr_pipeline.sources.model import Layout, RawProblem
from ocr_pipeline.sources.question import read_question
from ocr_pipeline.sources.reading import Reading, Row
from ocr_pipeline.sources.sites import site_of

__all__ = ["FOLDERS", "LAYOUTS"]


def _read(row: Reading) -> RawProblem:
    question = read_question(row)
    url = row.line("url")
    difficulty = row.line("difficulty")
    return RawProblem(
        native_id=row.native_id("problem_id", "id"),
        identity=question.identity,
        statement=question.statement,
        io_mode=question.io_mode,
        site=site_of(url),
        url=url,
        starter_code=question.starter_code,
        function_name=question.function_name,
        difficulty=difficulty,
        tests=question.tests,
        solutions=question.solutions,
    )


def _read_tests_only(row: Reading) -> RawProblem:
    return _read(row.inside({"problem_id": row.get("apps_test_id"), "input_output": row.get("input_output")}))


def _folder_rows(folder: Path, name: str) -> Iterator[Row]:
    """Turn a folder of the original data set into a row."""
    metadata = _json_object(file_text(folder / "metadata.json"))
    yield {
        "problem_id": int(name) if name.isdecimal() else name,
        "question": file_text(folder / "question.txt"),
        "solutions": file_text(folder / "solutions.json"),
        "input_output": file_text(folder / "input_output.json"),
        "starter_code": file_text(folder / "starter_code.py"),
        "difficulty": metadata.get("difficulty"),
        "url": metadata.get("url"),
    }


def _json_object(text: str | None) -> Mapping[str, object]:
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


FOLDERS: Final = (FolderForm("question.txt", _folder_rows),)
LAYOUTS: Final = (
    Layout(
        "hub columns or folders",
        frozenset({"problem_id", "question", "solutions", "input_output"}),
        "problem_id",
        read=_read,
    ),
    Layout("hub lines", frozenset({"id", "question", "solutions", "input_output"}), "id", read=_read),
    Layout("tests alone", frozenset({"apps_test_id", "input_output"}), "apps_test_id", read=_read_tests_only),
)
