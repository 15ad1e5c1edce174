"""From what a reader returned to a row of the problems table: the one place where normal form is applied."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import pyarrow as pa

from ocr_pipeline.sources.checkers import checker_of
from ocr_pipeline.sources.licenses import license_of
from ocr_pipeline.sources.model import RawProblem
from ocr_pipeline.sources.reading import Reading
from ocr_pipeline.sources.rules import Repair
from ocr_pipeline.sources.text import has_image, is_interactive, require_statement, sha256_of_text
from ocr_pipeline.tables import IoMode

__all__ = ["NormalProblem", "normalise"]

HASHED_ID_CHARACTERS = 16
END_CHARACTERS = 8_192


@dataclass(frozen=True, slots=True)
class NormalProblem:
    """A row of the problems table without its counts, and its tests and solutions."""

    native_id: str
    columns: dict[str, object]
    tests: pa.RecordBatch
    solutions: pa.RecordBatch


def normalise(dataset: str, split: str, raw: RawProblem, reading: Reading) -> NormalProblem:
    """Give a problem its id and its normal form.

    Raises
    ------
    RowDefect
        When the statement says nothing.
    """
    statement = reading.normal_text(raw.statement)
    require_statement(statement)
    io_mode = raw.io_mode
    if io_mode is IoMode.STDIN and is_interactive(statement):
        io_mode = IoMode.INTERACTIVE
        reading.note(Repair.INTERACTIVE_FROM_STATEMENT)
    checker, tolerance = (raw.checker, raw.float_tolerance) if raw.checker else checker_of(statement)
    program = raw.checker_program
    native_id = raw.native_id or _id_from(raw.identity)
    columns: dict[str, object] = {
        "problem_id": f"{dataset}/{split}/{native_id}",
        "dataset": dataset,
        "split": split,
        "native_id": native_id,
        "site": raw.site,
        "url": raw.url,
        "title": raw.title,
        "statement": statement,
        "starter_code": raw.starter_code,
        "io_mode": io_mode.value,
        "function_name": raw.function_name,
        "input_file": raw.input_file,
        "output_file": raw.output_file,
        "time_limit_s": raw.time_limit_s,
        "memory_limit_mib": raw.memory_limit_mib,
        "checker": checker.value,
        "float_tolerance": tolerance,
        "checker_language": program and program.language,
        "checker_protocol": program and program.protocol.value,
        "checker_flags": program and program.flags,
        "checker_code": program and program.code,
        "difficulty": raw.difficulty,
        "rating": raw.rating,
        "tags": list(raw.tags),
        "license": license_of(dataset, raw.license),
        "has_image": raw.has_image or has_image(statement),
        "contest_date": raw.contest_date,
        "statement_sha256": sha256_of_text(raw.statement),
        "repairs": sorted(repair.value for repair in reading.repairs),
    }
    return NormalProblem(native_id, columns, raw.tests, raw.solutions)


def _id_from(identity: tuple[str, ...]) -> str:
    """Name a problem by what it is, so that neither order nor file decides; of long parts both ends and the length."""
    digest = hashlib.sha256()
    for part in identity:
        shown = part if len(part) <= 2 * END_CHARACTERS else f"{part[:END_CHARACTERS]}{part[-END_CHARACTERS:]}"
        digest.update(f"{len(part)}:{shown}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:HASHED_ID_CHARACTERS]
