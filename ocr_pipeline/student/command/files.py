"""Opens what the commands read, students among them, and writes their tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.asking import Asking, Pace
from ocr_pipeline.console import progress
from ocr_pipeline.errors import InputError
from ocr_pipeline.store import FileWriter, file_writers, open_files
from ocr_pipeline.student.benchmark import told_problems
from ocr_pipeline.student.generation import LocalStudent, ServedStudent
from ocr_pipeline.student.options import StudentServer
from ocr_pipeline.student.problems import AskedProblem
from ocr_pipeline.student.rows import TrainingRow, read_rows
from ocr_pipeline.tables import (
    EVALUATION_SUMMARY,
    PLAN_SFT_DATASET,
    PROBLEMS,
    SFT_DATASET,
    STUDENT_CANDIDATES,
    STUDENT_EVALUATION,
    TESTS,
    Language,
)
from ocr_pipeline.tasks import CODEPLAN, Wording
from ocr_pipeline.teacher.servers import attach


def read_training_rows(
    paths: Iterable[Path],
    problems: Sequence[Path] = (),
    tests: Sequence[Path] = (),
    *,
    wording: Wording = CODEPLAN,
    languages: Collection[Language] = (),
) -> Iterator[TrainingRow]:
    """Stream training rows from files of either table, told by their columns."""
    known = read_told(problems, tests)
    for path in paths:
        table = SFT_DATASET if _has_column(path, "output") else PLAN_SFT_DATASET
        required = ["sample_id", "input", "output"] if table is SFT_DATASET else ["id", "task", "prompt", "completion"]
        batches = open_files([path], table, required=required)
        yield from read_rows(batches, known, wording=wording, languages=languages)


def _has_column(path: Path, name: str) -> bool:
    if path.suffix in {".jsonl", ".ndjson", ".json"} and path.is_file():
        with path.open(encoding="utf-8") as file:
            return f'"{name}"' in file.readline()
    import pyarrow.dataset as ds

    return path.exists() and name in ds.dataset(path, format="parquet").schema.names


def open_problems(paths: Sequence[Path] | None) -> Iterator[pa.RecordBatch]:
    """Stream problems with their statements."""
    return open_files(paths or (), PROBLEMS, required=["problem_id", "statement"])


def open_tests(paths: Sequence[Path] | None) -> Iterator[pa.RecordBatch]:
    """Stream tests with their texts."""
    return open_files(paths or (), TESTS, required=["problem_id", "test_id", "kind", "input", "expected"])


def read_told(paths: Sequence[Path], tests: Sequence[Path] = ()) -> dict[str, AskedProblem]:
    """Return what is told of problems; with tests, as a benchmark of them would be asked."""
    return told_problems(open_problems(paths), open_tests(tests) if tests else None)


def read_candidates(paths: Sequence[Path]) -> pa.Table:
    """Return stored programs."""
    return pa.Table.from_batches(open_files(paths, STUDENT_CANDIDATES), schema=STUDENT_CANDIDATES.schema)


def write_candidates(out: Path, candidates: pa.Table) -> None:
    """Write programs."""
    with FileWriter(out / "student_candidates.parquet", STUDENT_CANDIDATES) as writer:
        writer.write(candidates)


def write_evaluation(out: Path, rows: pa.Table, summary: pa.Table) -> None:
    """Write the results by problem, and their summary."""
    with file_writers(out, (STUDENT_EVALUATION.name, EVALUATION_SUMMARY.name)) as writers:
        writers[STUDENT_EVALUATION.name].write(rows)
        writers[EVALUATION_SUMMARY.name].write(summary)


@contextmanager
def opened(
    name: str, connection: StudentServer, pace: Pace, wording: Wording | None, ledger: Path
) -> Iterator[LocalStudent | ServedStudent]:
    """Open a student: its folder, or its name on a server that was named."""
    if not connection.urls:
        yield LocalStudent(Path(name), wording=wording)
        return
    with attach(connection.urls, connection.api_key_env) as server, progress("asking", unit="answers") as bar:
        yield ServedStudent(
            name,
            server,
            ledger,
            Asking.of(pace, model=name),
            progress=bar,
            wording=wording or CODEPLAN,
            opens_thought=connection.opens_thought,
        )


def side_of(rows: pa.Table, name: str, benchmark: str, method: str) -> pa.Table:
    """Return the results of one student on one benchmark by one method."""
    wanted = (pc.field("student") == name) & (pc.field("benchmark") == benchmark) & (pc.field("method") == method)
    side = rows.filter(wanted)
    if not side.num_rows:
        known = sorted({tuple(row.values()) for row in rows.select(["student", "benchmark", "method"]).to_pylist()})
        there = "; ".join(" / ".join(each) for each in known) or "nothing"
        raise InputError(f"no rows of {name} on {benchmark} ({method}); the file holds {there}")
    return side
